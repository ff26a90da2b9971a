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
    /// One of the first, or in a careless document one of the second, which no API takes here.
    Words(&'static [&'static str], &'static [&'static str]),
    /// Up to so many of one shape.
    List(&'static Shape, usize),
    /// One up to so many of one shape.
    AtLeastOne(&'static Shape, usize),
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

/// A field that hardly any mapping has, as much else is refused beside it.
pub(super) const fn rare(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        shape,
        often: 5,
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

/// In how many of 256 places of a careless document something is wrong.
const WRONG: u8 = 3;

/// How many of 256 documents are careless. In the others only what the fields say together can be wrong.
const CARELESS: u8 = 64;

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

/// Writes a document of this shape, on one line.
pub(super) fn document(out: &mut String, shape: &Shape, choices: &mut Choices<'_>) {
    choices.careless = choices.chance(CARELESS);
    write(out, shape, choices);
}

fn write(out: &mut String, shape: &Shape, choices: &mut Choices<'_>) {
    if choices.slip(WRONG) {
        out.push_str(choices.pick(ODD).copied().unwrap_or_default());
        return;
    }
    match shape {
        Shape::Text(words) => out.push_str(choices.pick(words).copied().unwrap_or_default()),
        Shape::Words(right, wrong) => {
            let words = if choices.slip(u8::MAX / 8) { wrong } else { right };
            out.push_str(choices.pick(words).copied().unwrap_or_default());
        }
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
        Shape::AtLeastOne(element, most) => {
            out.push('[');
            write(out, element, choices);
            for _ in 0..choices.below(*most) {
                out.push_str(", ");
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
            !choices.slip(WRONG)
        } else {
            choices.chance(field.often)
        };
        if wanted {
            entry(out, first, field, choices);
        }
    }
}

fn entry(out: &mut String, first: &mut bool, field: &Field, choices: &mut Choices<'_>) {
    let times = if choices.slip(WRONG) { 2 } else { 1 };
    for _ in 0..times {
        out.push_str(if std::mem::take(first) { "" } else { ", " });
        out.push_str(field.name);
        if choices.slip(WRONG) {
            out.push('s');
        }
        out.push_str(": ");
        write(out, field.shape, choices);
    }
}
