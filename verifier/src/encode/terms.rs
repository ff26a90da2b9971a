//! Small words over solver terms.

use z3::ast::{BV, Bool};

/// True when all are.
pub(super) fn all(terms: impl IntoIterator<Item = Bool>) -> Bool {
    let terms: Vec<_> = terms.into_iter().collect();
    match terms.as_slice() {
        [] => Bool::from_bool(true),
        [one] => one.clone(),
        many => Bool::and(many),
    }
}

/// True when one is.
pub(super) fn any(terms: impl IntoIterator<Item = Bool>) -> Bool {
    let terms: Vec<_> = terms.into_iter().collect();
    match terms.as_slice() {
        [] => Bool::from_bool(false),
        [one] => one.clone(),
        many => Bool::or(many),
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
