//! What a document may look like, as data, and documents of that look.
//!
//! A document is written as a person could write it, mistakes included: now and then a field is misspelt, repeated or
//! left out, and a value is of another kind than its field's. Most documents have none of that, so that what lies
//! behind the reader is met too.

use super::choices::Choices;

/// What a value may look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// One of these, written as it stands.
    Text(&'static [&'static str]),
    /// Up to so many of one shape.
    List(&'static Shape, usize),
    /// Fields, each there or not.
    Map(&'static [Field]),
    /// Exactly one of these fields, and the fields behind it.
    OneOf(&'static [Field], &'static [Field]),
    /// One of these.
    Any(&'static [Shape]),
}

/// A field of a mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: &'static Shape,
    /// In how many of 256 mappings it is; [`ALWAYS`] in all.
    pub(super) often: u8,
}

pub(super) const ALWAYS: u8 = 255;

/// A field that is in half of all mappings.
pub(super) const fn maybe(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        shape,
        often: 128,
    }
}

/// A field that few mappings have.
pub(super) const fn seldom(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        shape,
        often: 16,
    }
}

/// A field that every mapping has.
pub(super) const fn always(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        shape,
        often: ALWAYS,
    }
}

/// In how many of 256 places something is wrong.
const WRONG: u8 = 2;

/// What stands where something else should.
const ODD: &[&str] = &[
    "null",
    "",
    "[]",
    "{}",
    "yes",
    "010",
    "-1",
    "1e3",
    "99999999999999999999",
    "\"\\u001b[31m\\n\"",
    "\"\"",
    "[{}]",
    "{a: {b: [c]}}",
    "é",
    "!!str 1",
    "*x",
    "&x y",
    "[[[]]]",
    "{<<: {a: b}}",
];

/// Writes a value of this shape, on one line.
pub(super) fn write(out: &mut String, shape: &Shape, choices: &mut Choices<'_>) {
    if choices.chance(WRONG) {
        out.push_str(choices.pick(ODD).copied().unwrap_or_default());
        return;
    }
    match shape {
        Shape::Text(words) => out.push_str(choices.pick(words).copied().unwrap_or_default()),
        Shape::Any(shapes) => {
            if let Some(shape) = choices.pick(shapes) {
                write(out, shape, choices);
            }
        }
        Shape::List(element, most) => {
            out.push('[');
            for at in 0..choices.below(most + 1) {
                out.push_str(if at > 0 { ", " } else { "" });
                write(out, element, choices);
            }
            out.push(']');
        }
        Shape::Map(fields) => {
            out.push('{');
            mapping(out, &mut true, fields, choices);
            out.push('}');
        }
        Shape::OneOf(one, others) => {
            out.push('{');
            let mut first = true;
            if let Some(field) = choices.pick(one) {
                entry(out, &mut first, field, choices);
            }
            mapping(out, &mut first, others, choices);
            out.push('}');
        }
    }
}

fn mapping(out: &mut String, first: &mut bool, fields: &[Field], choices: &mut Choices<'_>) {
    for field in fields {
        let wanted = if field.often == ALWAYS {
            !choices.chance(WRONG)
        } else {
            choices.chance(field.often)
        };
        if wanted {
            entry(out, first, field, choices);
        }
    }
}

fn entry(out: &mut String, first: &mut bool, field: &Field, choices: &mut Choices<'_>) {
    let times = if choices.chance(WRONG) { 2 } else { 1 };
    for _ in 0..times {
        out.push_str(if std::mem::take(first) { "" } else { ", " });
        out.push_str(field.name);
        if choices.chance(WRONG) {
            out.push('s');
        }
        out.push_str(": ");
        write(out, field.shape, choices);
    }
}
