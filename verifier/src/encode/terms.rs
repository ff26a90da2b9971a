//! Connectives that see constants: what is decided while encoding never reaches the solver.

use z3::ast::{BV, Bool};

/// True when all are.
pub(super) fn all(terms: impl IntoIterator<Item = Bool>) -> Bool {
    match undecided(terms, true) {
        None => constant(false),
        Some(terms) => match terms.as_slice() {
            [] => constant(true),
            [one] => one.clone(),
            many => Bool::and(many),
        },
    }
}

/// True when one is.
pub(super) fn any(terms: impl IntoIterator<Item = Bool>) -> Bool {
    match undecided(terms, false) {
        None => constant(true),
        Some(terms) => match terms.as_slice() {
            [] => constant(false),
            [one] => one.clone(),
            many => Bool::or(many),
        },
    }
}

/// The terms without those that are `neutral`; `None` when one is the opposite constant.
fn undecided(terms: impl IntoIterator<Item = Bool>, neutral: bool) -> Option<Vec<Bool>> {
    let mut left = vec![];
    for term in terms {
        match term.as_bool() {
            Some(value) if value == neutral => {}
            Some(_) => return None,
            None => left.push(term),
        }
    }
    Some(left)
}

pub(super) fn not(term: &Bool) -> Bool {
    match term.as_bool() {
        Some(value) => constant(!value),
        None => !term,
    }
}

/// Exactly one of the two.
pub(super) fn differ(a: &Bool, b: &Bool) -> Bool {
    match (a.as_bool(), b.as_bool()) {
        (Some(false), _) => b.clone(),
        (Some(true), _) => not(b),
        (_, Some(false)) => a.clone(),
        (_, Some(true)) => not(a),
        (None, None) => a.xor(b),
    }
}

/// `then` where `condition` holds, else `otherwise`.
pub(super) fn choose(condition: &Bool, then: &Bool, otherwise: &Bool) -> Bool {
    match condition.as_bool() {
        Some(true) => then.clone(),
        Some(false) => otherwise.clone(),
        None => condition.ite(then, otherwise),
    }
}

pub(super) fn constant(value: bool) -> Bool {
    Bool::from_bool(value)
}

/// `term = value`, for vectors of at most 64 bits.
pub(super) fn is(term: &BV, value: u64) -> Bool {
    term.eq(value)
}

/// `term <= value`, for vectors of at most 64 bits.
pub(super) fn at_most(term: &BV, value: u64) -> Bool {
    term.bvule(value)
}

/// A constant of up to 128 bits: the crate's own constructor takes 64.
pub(super) fn wide(value: u128, bits: u32) -> BV {
    let high = (value >> 64) as u64;
    let low = value as u64;
    match bits.checked_sub(64) {
        None | Some(0) => BV::from_u64(low, bits),
        Some(above) => BV::from_u64(high, above).concat(BV::from_u64(low, 64)),
    }
}
