//! Answers as JSON: `{"version": 1, "summary": {…}, "guarantees": […], "findings": […]}`.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed. The schema
//! is `docs/schemas/prove.v1.json`.

use super::human::word;
use super::{Answered, Proved};
use crate::diagnostic::json::{WireFinding, wire, write_pretty};
use crate::lints::object_name;
use ir::flow::{Because, Decision};
use ir::model::Model;
use ir::origin::Origin;
use ir::policy::{Action, PolicyId};
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
    text: &'a str,
    answer: &'static str,
    /// Why it is unknown.
    reason: Option<&'a str>,
    counterexample: Option<WireExample>,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
struct WireExample {
    from: String,
    to: String,
    protocol: String,
    port: Option<u16>,
    allowed: bool,
    from_invented: bool,
    to_invented: bool,
    egress: WireSide,
    ingress: WireSide,
}

#[derive(Serialize)]
struct WireSide {
    allowed: bool,
    reason: &'static str,
    policies: Vec<WirePolicy>,
    rules: Vec<WireRule>,
}

#[derive(Serialize)]
struct WirePolicy {
    kind: String,
    namespace: Option<String>,
    name: String,
    file: String,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct WireRule {
    policy: WirePolicy,
    action: &'static str,
    file: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    path: String,
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
    let report = Report {
        version: VERSION,
        summary,
        guarantees: proved
            .answers
            .iter()
            .map(|answer| guarantee(model, answer))
            .collect(),
        findings: proved.findings.iter().map(wire).collect(),
    };
    write_pretty(out, &report)
}

fn guarantee<'a>(model: &Model, answer: &'a Answered) -> WireGuarantee<'a> {
    let stated = &answer.stated;
    WireGuarantee {
        name: stated.name.as_deref(),
        text: &stated.text,
        answer: word(&answer.outcome),
        reason: match &answer.outcome {
            Outcome::Unknown(reason) => Some(reason),
            Outcome::Holds | Outcome::Vacuous | Outcome::Violated(_) => None,
        },
        counterexample: match &answer.outcome {
            Outcome::Violated(example) => Some(counterexample(model, example)),
            Outcome::Holds | Outcome::Vacuous | Outcome::Unknown(_) => None,
        },
        file: &stated.origin.file,
        line: stated.origin.line,
        column: stated.origin.column,
        end_line: stated.origin.end_line,
        end_column: stated.origin.end_column,
    }
}

fn counterexample(model: &Model, example: &Counterexample) -> WireExample {
    let shown = crate::lints::witness(&example.witness);
    WireExample {
        from: shown.from,
        to: shown.to,
        protocol: shown.protocol,
        port: shown.port,
        allowed: example.witness.allowed,
        from_invented: example.witness.source_invented,
        to_invented: example.witness.destination_invented,
        egress: side(model, &example.judgement.egress),
        ingress: side(model, &example.judgement.ingress),
    }
}

fn side(model: &Model, decision: &Decision) -> WireSide {
    let (reason, policies, rules) = match &decision.because {
        Because::NotAnEndpoint => ("no-policy-of-its-own", &[][..], &[][..]),
        Because::Loopback => ("loopback", &[][..], &[][..]),
        Because::OwnHost => ("own-host", &[][..], &[][..]),
        Because::Unrestricted => ("unrestricted", &[][..], &[][..]),
        Because::Rules(rules) => ("rules", &[][..], rules.as_slice()),
        Because::DefaultDeny(policies) => ("default-deny", policies.as_slice(), &[][..]),
    };
    WireSide {
        allowed: decision.allowed,
        reason,
        policies: policies.iter().filter_map(|id| policy(model, *id)).collect(),
        rules: rules
            .iter()
            .filter_map(|id| {
                let rule = model.rule(*id)?;
                let Origin {
                    file,
                    line,
                    column,
                    end_line,
                    end_column,
                    path,
                    ..
                } = &rule.origin;
                Some(WireRule {
                    policy: policy(model, id.policy)?,
                    action: match rule.action {
                        Action::Allow => "allow",
                        Action::Deny => "deny",
                        Action::Pass => "pass",
                    },
                    file: file.to_string(),
                    line: *line,
                    column: *column,
                    end_line: *end_line,
                    end_column: *end_column,
                    path: path.to_string(),
                })
            })
            .collect(),
    }
}

fn policy(model: &Model, id: PolicyId) -> Option<WirePolicy> {
    let policy = model.policy(id)?;
    let name = object_name(policy);
    Some(WirePolicy {
        kind: name.kind,
        namespace: name.namespace,
        name: name.name,
        file: policy.origin.file.to_string(),
        line: policy.origin.line,
        column: policy.origin.column,
    })
}
