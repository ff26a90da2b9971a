//! Differences as JSON: `{"version": 1, "summary": {…}, "changes": […]}`.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed.

use super::{Cause, Change, Diff, Kind, Verdict};
use crate::cite::json::{WireRuling, wire_ruling};
use crate::connectivity::json::{WirePeer, WirePorts, wire_peer, wire_ports};
use serde::Serialize;
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    /// What was compared: workloads and addresses that are there, not pods that could exist.
    scope: &'static str,
    summary: Summary,
    only_old: Vec<WirePeer<'a>>,
    only_new: Vec<WirePeer<'a>>,
    changes: Vec<WireChange<'a>>,
}

#[derive(Serialize)]
struct Summary {
    added: usize,
    removed: usize,
    changed: usize,
}

#[derive(Serialize)]
struct WireChange<'a> {
    change: &'static str,
    src: WirePeer<'a>,
    dst: WirePeer<'a>,
    old: Vec<WirePorts>,
    new: Vec<WirePorts>,
    added: Vec<WirePorts>,
    removed: Vec<WirePorts>,
    causes: Vec<WireCause<'a>>,
}

#[derive(Serialize)]
struct WireCause<'a> {
    ports: Vec<WirePorts>,
    old: Option<WireVerdict<'a>>,
    new: Option<WireVerdict<'a>>,
}

#[derive(Serialize)]
struct WireVerdict<'a> {
    allowed: bool,
    egress: WireRuling<'a>,
    ingress: WireRuling<'a>,
}

/// Writes a comparison and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, diff: &Diff) -> io::Result<()> {
    let report = Report {
        version: VERSION,
        scope: "existing-workloads",
        summary: Summary {
            added: diff.count(Kind::Added),
            removed: diff.count(Kind::Removed),
            changed: diff.count(Kind::Changed),
        },
        only_old: diff.only_old.iter().map(wire_peer).collect(),
        only_new: diff.only_new.iter().map(wire_peer).collect(),
        changes: diff.changes.iter().map(change).collect(),
    };
    crate::diagnostic::json::write_pretty(out, &report)
}

fn change(change: &Change) -> WireChange<'_> {
    WireChange {
        change: change.kind().as_str(),
        src: wire_peer(&change.source),
        dst: wire_peer(&change.destination),
        old: wire_ports(&change.old),
        new: wire_ports(&change.new),
        added: wire_ports(&change.added()),
        removed: wire_ports(&change.removed()),
        causes: change.causes.iter().map(cause).collect(),
    }
}

fn cause(cause: &Cause) -> WireCause<'_> {
    WireCause {
        ports: wire_ports(&cause.ports),
        old: cause.old.as_ref().map(verdict),
        new: cause.new.as_ref().map(verdict),
    }
}

fn verdict(verdict: &Verdict) -> WireVerdict<'_> {
    WireVerdict {
        allowed: verdict.allowed(),
        egress: wire_ruling(&verdict.egress),
        ingress: wire_ruling(&verdict.ingress),
    }
}
