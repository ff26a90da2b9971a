//! Answers as JSON: `{"version": 1, "summary": {…}, "guarantees": […], "findings": […]}`.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed. The schema
//! is `docs/schemas/prove.v1.json`.

use super::human::word;
use super::{Answered, Proved};
use crate::cite::Ruling;
use crate::cite::json::{WireRuling, wire_ruling};
use crate::diagnostic::Witness;
use crate::diagnostic::json::{WireFinding, wire, write_pretty};
use ir::model::Model;
use serde::Serialize;
use std::io::{self, Write};
use verifier::guarantee::{Counterexample, Outcome};

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    summary: Summary,
    guarantees: Vec<WireGuarantee<'a>>,
    findings: Vec<WireFinding<'a>>,
}

#[derive(Default, Serialize)]
struct Summary {
    holds: usize,
    violated: usize,
    vacuous: usize,
    unknown: usize,
    /// Whether every text could be read and asked.
    complete: bool,
}

#[derive(Serialize)]
struct WireGuarantee<'a> {
    name: Option<&'a str>,
    severity: &'static str,
    text: &'a str,
    answer: &'static str,
    /// Why it is unknown.
    reason: Option<&'a str>,
    counterexample: Option<WireExample<'a>>,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
struct WireExample<'a> {
    from: &'a str,
    to: &'a str,
    protocol: &'a str,
    port: Option<u16>,
    allowed: bool,
    from_invented: bool,
    to_invented: bool,
    egress: WireRuling<'a>,
    ingress: WireRuling<'a>,
}

/// Writes the answers and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, proved: &Proved, model: &Model) -> io::Result<()> {
    let mut summary = Summary {
        complete: proved.complete,
        ..Summary::default()
    };
    for answer in &proved.answers {
        match answer.outcome {
            Outcome::Holds => summary.holds += 1,
            Outcome::Violated(_) => summary.violated += 1,
            Outcome::Vacuous => summary.vacuous += 1,
            Outcome::Unknown(_) => summary.unknown += 1,
        }
    }
    let shown: Vec<_> = proved
        .answers
        .iter()
        .map(|answer| match &answer.outcome {
            Outcome::Violated(example) => Some(Shown::of(model, example)),
            Outcome::Holds | Outcome::Vacuous | Outcome::Unknown(_) => None,
        })
        .collect();
    let report = Report {
        version: VERSION,
        summary,
        guarantees: proved
            .answers
            .iter()
            .zip(&shown)
            .map(|(answer, shown)| guarantee(answer, shown.as_ref()))
            .collect(),
        findings: proved.findings.iter().map(wire).collect(),
    };
    write_pretty(out, &report)
}

fn guarantee<'a>(answer: &'a Answered, shown: Option<&'a Shown>) -> WireGuarantee<'a> {
    let stated = &answer.stated;
    WireGuarantee {
        name: stated.name.as_deref(),
        severity: stated.severity.as_str(),
        text: &stated.text,
        answer: word(&answer.outcome),
        reason: match &answer.outcome {
            Outcome::Unknown(reason) => Some(reason),
            Outcome::Holds | Outcome::Vacuous | Outcome::Violated(_) => None,
        },
        counterexample: shown.map(counterexample),
        file: &stated.origin.file,
        line: stated.origin.line,
        column: stated.origin.column,
        end_line: stated.origin.end_line,
        end_column: stated.origin.end_column,
    }
}

/// A counterexample in the words of answers.
struct Shown {
    witness: Witness,
    allowed: bool,
    from_invented: bool,
    to_invented: bool,
    egress: Ruling,
    ingress: Ruling,
}

impl Shown {
    fn of(model: &Model, example: &Counterexample) -> Self {
        Self {
            witness: crate::lints::witness(&example.witness),
            allowed: example.witness.allowed,
            from_invented: example.witness.source_invented,
            to_invented: example.witness.destination_invented,
            egress: Ruling::of(model, &example.judgement.egress),
            ingress: Ruling::of(model, &example.judgement.ingress),
        }
    }
}

fn counterexample(shown: &Shown) -> WireExample<'_> {
    WireExample {
        from: &shown.witness.from,
        to: &shown.witness.to,
        protocol: &shown.witness.protocol,
        port: shown.witness.port,
        allowed: shown.allowed,
        from_invented: shown.from_invented,
        to_invented: shown.to_invented,
        egress: wire_ruling(&shown.egress),
        ingress: wire_ruling(&shown.ingress),
    }
}
