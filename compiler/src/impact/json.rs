//! Answers as JSON: `{"version": 1, "scope": "every-pod", "summary": {…}, "policies": […]}`.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed. The schema
//! is `docs/schemas/impact.v1.json`.

use super::word;
use crate::areas::json::{Cited, WireAreas};
use crate::cite::PolicyRef;
use crate::cite::json::{WirePolicy, wire_policy};
use crate::diagnostic::json::write_pretty;
use ir::model::Model;
use serde::Serialize;
use std::io::{self, Write};
use verifier::impact::Impact;

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    /// What is spoken of: not only pods that are there.
    scope: &'static str,
    summary: Summary,
    policies: Vec<WireImpact<'a>>,
}

#[derive(Serialize)]
struct Summary {
    policies: usize,
    some: usize,
    none: usize,
    unknown: usize,
    about_nodes: usize,
}

#[derive(Serialize)]
struct WireImpact<'a> {
    #[serde(flatten)]
    policy: WirePolicy<'a>,
    adds: &'static str,
    opens: WireAreas<'a>,
    closes: WireAreas<'a>,
}

/// Writes the answers and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, impacts: &[Impact], model: &Model) -> io::Result<()> {
    let count = |wanted: &str| impacts.iter().filter(|impact| word(impact) == wanted).count();
    let cited: Vec<_> = impacts
        .iter()
        .filter_map(|impact| {
            let policy = PolicyRef::by_id(model, impact.policy)?;
            let sides = [&impact.opens, &impact.closes].map(|side| Cited::of(side, model, model));
            Some((policy, word(impact), sides))
        })
        .collect();
    let report = Report {
        version: VERSION,
        scope: "every-pod",
        summary: Summary {
            policies: impacts.len(),
            some: count("some"),
            none: count("none"),
            unknown: count("unknown"),
            about_nodes: count("about-nodes"),
        },
        policies: cited
            .iter()
            .map(|(policy, adds, [opens, closes])| WireImpact {
                policy: wire_policy(policy),
                adds,
                opens: opens.wire(),
                closes: closes.wire(),
            })
            .collect(),
    };
    write_pretty(out, &report)
}
