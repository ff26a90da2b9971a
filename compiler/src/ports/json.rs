//! Port names as JSON: what `check` says about them, and the table: `{"version": 1, "summary": {…}, "names": […],
//! "findings": […]}`.
//!
//! A contract with other programs (`docs/schemas/ports.v1.json`): members are added, never renamed or removed.

use super::{Definition, PortName, Use, role_word};
use crate::diagnostic::Finding;
use crate::diagnostic::json::{Scope, Summary, WireFinding, wire, write_pretty};
use ir::origin::Origin;
use ir::port::Protocol;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    summary: Summary,
    names: Vec<WireName<'a>>,
    findings: Vec<WireFinding<'a>>,
}

#[derive(Serialize)]
struct WireName<'a> {
    name: &'a str,
    /// Whether the name is several numbers of one protocol.
    collision: bool,
    numbers: Vec<WireNumber>,
    definitions: Vec<WireDefinition<'a>>,
    uses: Vec<WireUse<'a>>,
}

#[derive(Serialize)]
struct WireNumber {
    protocol: String,
    number: u16,
}

#[derive(Serialize)]
struct WireDefinition<'a> {
    namespace: &'a str,
    kind: &'a str,
    workload: &'a str,
    /// How many pods have it.
    pods: usize,
    container: &'a str,
    role: &'static str,
    number: u16,
    protocol: String,
    /// Whether a rule with the name can match it.
    counts: bool,
    #[serde(flatten)]
    place: WirePlace<'a>,
}

#[derive(Serialize)]
struct WirePlace<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct WireUse<'a> {
    policy: WirePolicy<'a>,
    direction: String,
    action: &'static str,
    /// `TCP`, `UDP`, `SCTP` or `ANY`.
    protocol: String,
    #[serde(flatten)]
    place: WirePlace<'a>,
    destinations: Vec<WireDestination<'a>>,
    /// How many pods the rule reaches on which the name means nothing.
    without: usize,
}

#[derive(Serialize)]
struct WirePolicy<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
}

#[derive(Serialize)]
struct WireDestination<'a> {
    pod: &'a str,
    pods: usize,
    numbers: Vec<WireNumber>,
}

/// Writes the table and the findings, which should be sorted, and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(
    out: &mut dyn Write,
    names: &BTreeMap<String, PortName>,
    findings: &[Finding],
    scope: &Scope,
) -> io::Result<()> {
    let report = Report {
        version: 1,
        summary: Summary::of(findings, scope),
        names: names.iter().map(|(name, entry)| wire_name(name, entry)).collect(),
        findings: findings.iter().map(wire).collect(),
    };
    write_pretty(out, &report)
}

fn wire_name<'a>(name: &'a str, entry: &'a PortName) -> WireName<'a> {
    let numbers: BTreeSet<(Protocol, u16)> = entry
        .numbers()
        .into_iter()
        .flat_map(|(protocol, numbers)| numbers.into_iter().map(move |number| (protocol, number)))
        .collect();
    WireName {
        name,
        collision: entry.collides(),
        numbers: wire_numbers(&numbers),
        definitions: entry.definitions.iter().map(wire_definition).collect(),
        uses: entry.uses.iter().map(wire_use).collect(),
    }
}

fn wire_definition(definition: &Definition) -> WireDefinition<'_> {
    WireDefinition {
        namespace: &definition.namespace,
        kind: &definition.workload.kind,
        workload: &definition.workload.name,
        pods: definition.pods,
        container: &definition.container,
        role: role_word(definition.role),
        number: definition.number,
        protocol: definition.protocol.to_string(),
        counts: definition.counts(),
        place: wire_place(&definition.origin),
    }
}

fn wire_use(one: &Use) -> WireUse<'_> {
    WireUse {
        policy: WirePolicy {
            kind: &one.policy.kind,
            namespace: one.policy.namespace.as_deref(),
            name: &one.policy.name,
        },
        direction: one.direction.to_string(),
        action: one.action.as_str(),
        protocol: one.protocol.to_string(),
        place: wire_place(&one.origin),
        destinations: one
            .destinations
            .iter()
            .map(|destination| WireDestination {
                pod: &destination.pod,
                pods: destination.pods,
                numbers: wire_numbers(&destination.numbers),
            })
            .collect(),
        without: one.without,
    }
}

fn wire_numbers(numbers: &BTreeSet<(Protocol, u16)>) -> Vec<WireNumber> {
    numbers
        .iter()
        .map(|(protocol, number)| WireNumber {
            protocol: protocol.to_string(),
            number: *number,
        })
        .collect()
}

fn wire_place(origin: &Origin) -> WirePlace<'_> {
    WirePlace {
        file: &origin.file,
        line: origin.line,
        column: origin.column,
    }
}
