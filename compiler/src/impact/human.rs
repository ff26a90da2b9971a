//! Answers for people: a paragraph for each policy.

use super::word;
use crate::areas::human as areas;
use crate::cite::PolicyRef;
use crate::diagnostic::escape::message;
use ir::model::Model;
use std::io::{self, Write};
use verifier::impact::Impact;

/// Writes what each policy adds.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, impacts: &[Impact], model: &Model) -> io::Result<()> {
    for (number, impact) in impacts.iter().enumerate() {
        let Some(policy) = PolicyRef::by_id(model, impact.policy) else {
            continue;
        };
        if number > 0 {
            writeln!(out)?;
        }
        let line = format!("{policy}  {}", policy.origin.brief());
        writeln!(out, "{}", message(&line))?;
        for (word, side) in [("opens ", &impact.opens), ("closes", &impact.closes)] {
            for area in &side.areas {
                areas::write(out, "  ", word, area)?;
            }
            if !side.complete && side.unknown.is_none() {
                let shown = side.areas.len();
                writeln!(
                    out,
                    "  {word}  and more: the first {shown} sets of flows are shown"
                )?;
            }
        }
        match word(impact) {
            "none" => writeln!(
                out,
                "  adds nothing: without it every flow, between any pods that could exist, has the same verdict"
            )?,
            "about-nodes" => writeln!(out, "  selects nodes: what it does to them is not looked into")?,
            "unknown" => writeln!(out, "  what it adds is not known")?,
            _ => {}
        }
    }
    Ok(())
}

/// The closing line: `3 policies: 2 open or close flows, 1 adds nothing`.
#[must_use]
pub fn summary(impacts: &[Impact]) -> String {
    let count = |wanted: &str| impacts.iter().filter(|impact| word(impact) == wanted).count();
    let parts = [
        (count("some"), "opens or closes flows", "open or close flows"),
        (count("none"), "adds nothing", "add nothing"),
        (count("unknown"), "is not known", "are not known"),
        (count("about-nodes"), "selects nodes", "select nodes"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    let policies = match impacts.len() {
        1 => "1 policy".to_owned(),
        policies => format!("{policies} policies"),
    };
    if parts.is_empty() {
        policies
    } else {
        format!("{policies}: {}", parts.join(", "))
    }
}
