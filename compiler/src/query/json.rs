//! Answers as JSON: `{"version": 1, "allowed": …, "flows": […]}`.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed.

use super::near::{About, Near};
use super::service::{Target, Translation};
use super::{Answer, Misses, Side};
use crate::cite::json::{WirePolicy, WireRule, wire_policy, wire_rule};
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<WireService<'a>>,
    flows: Vec<WireFlow<'a>>,
}

#[derive(Serialize)]
struct WireService<'a> {
    service: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
    ports: Vec<WireServicePort<'a>>,
    left_out: &'a [String],
}

#[derive(Serialize)]
struct WireServicePort<'a> {
    name: Option<&'a str>,
    port: u16,
    protocol: String,
    target: WireTarget<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WireTarget<'a> {
    Number(u16),
    Name(&'a str),
    /// Written as `null`.
    Listed,
}

#[derive(Serialize)]
struct WireFlow<'a> {
    from: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_address: Option<IpAddr>,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_address: Option<IpAddr>,
    protocol: String,
    port: u16,
    allowed: bool,
    egress: WireSide<'a>,
    ingress: WireSide<'a>,
}

#[derive(Serialize)]
struct WireSide<'a> {
    allowed: bool,
    reason: &'static str,
    policies: Vec<WirePolicy<'a>>,
    rules: Vec<WireRule<'a>>,
    overruled: Vec<WireRule<'a>>,
    nearest: Vec<WireNear<'a>>,
    further: usize,
}

/// A rule that does not match, and what it would take.
#[derive(Serialize)]
struct WireNear<'a> {
    #[serde(flatten)]
    rule: WireRule<'a>,
    misses: &'static str,
    changes: Vec<WireChange<'a>>,
}

#[derive(Serialize)]
struct WireChange<'a> {
    about: &'static str,
    text: &'a str,
    line: u32,
    column: u32,
}

/// Writes an answer and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, answer: &Answer) -> io::Result<()> {
    let report = Report {
        version: VERSION,
        allowed: answer.allowed(),
        service: answer.service.as_ref().map(service),
        flows: answer
            .verdicts
            .iter()
            .map(|verdict| WireFlow {
                from: &verdict.from.name,
                from_address: verdict.from.address,
                to: &verdict.to.name,
                to_address: verdict.to.address,
                protocol: verdict.protocol.to_string(),
                port: verdict.port,
                allowed: verdict.allowed,
                egress: side(&verdict.egress),
                ingress: side(&verdict.ingress),
            })
            .collect(),
    };
    crate::diagnostic::json::write_pretty(out, &report)
}

fn side(side: &Side) -> WireSide<'_> {
    WireSide {
        allowed: side.allowed,
        reason: side.reason.as_str(),
        policies: side.in_force.iter().map(wire_policy).collect(),
        rules: side.rules.iter().map(wire_rule).collect(),
        overruled: side.overruled.iter().map(wire_rule).collect(),
        nearest: side.nearest.iter().map(near).collect(),
        further: side.further,
    }
}

fn near(near: &Near) -> WireNear<'_> {
    let changes = near.changes.iter().map(|change| WireChange {
        about: match change.about {
            About::Port => "port",
            About::Label => "label",
            About::Namespace => "namespace",
            About::Address => "address",
            About::Kind => "kind",
        },
        text: &change.text,
        line: change.origin.line,
        column: change.origin.column,
    });
    WireNear {
        rule: wire_rule(&near.rule),
        misses: match near.misses() {
            Misses::Port => "port",
            Misses::Peer => "peer",
            Misses::Both => "both",
        },
        changes: changes.collect(),
    }
}

fn service(translation: &Translation) -> WireService<'_> {
    WireService {
        service: &translation.service,
        file: &translation.origin.file,
        line: translation.origin.line,
        column: translation.origin.column,
        ports: translation
            .ports
            .iter()
            .map(|port| WireServicePort {
                name: port.name.as_deref(),
                port: port.number,
                protocol: port.protocol.to_string(),
                target: match &port.target {
                    Target::Number(number) => WireTarget::Number(*number),
                    Target::Name(name) => WireTarget::Name(name),
                    Target::Listed => WireTarget::Listed,
                },
            })
            .collect(),
        left_out: &translation.left_out,
    }
}
