//! Differences as JSON: `{"version": 1, "summary": {…}, "changes": […]}`.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed.

use super::{Cause, Change, Diff, Kind, Ruling, Verdict};
use crate::cite::{PolicyRef, RuleRef};
use crate::connectivity::json::{WirePeer, WirePorts, wire_peer, wire_ports};
use crate::query::Reason;
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

#[derive(Serialize)]
struct WireRuling<'a> {
    allowed: bool,
    reason: &'static str,
    rules: Vec<WireRule<'a>>,
    policies: Vec<WirePolicy<'a>>,
}

#[derive(Serialize)]
struct WirePolicy<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct WireRule<'a> {
    policy: WirePolicy<'a>,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    path: &'a str,
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
        egress: ruling(&verdict.egress),
        ingress: ruling(&verdict.ingress),
    }
}

fn ruling(ruling: &Ruling) -> WireRuling<'_> {
    WireRuling {
        allowed: ruling.allowed,
        reason: match ruling.reason {
            Reason::NoPolicyOfItsOwn => "no-policy-of-its-own",
            Reason::Loopback => "loopback",
            Reason::OwnHost => "own-host",
            Reason::Unrestricted => "unrestricted",
            Reason::Rules => "rules",
            Reason::DefaultDeny => "default-deny",
        },
        rules: ruling.rules.iter().map(rule).collect(),
        policies: ruling.policies.iter().map(policy).collect(),
    }
}

fn policy(policy: &PolicyRef) -> WirePolicy<'_> {
    WirePolicy {
        kind: &policy.kind,
        namespace: policy.namespace.as_deref(),
        name: &policy.name,
        file: &policy.origin.file,
        line: policy.origin.line,
        column: policy.origin.column,
    }
}

fn rule(rule: &RuleRef) -> WireRule<'_> {
    WireRule {
        policy: policy(&rule.policy),
        file: &rule.origin.file,
        line: rule.origin.line,
        column: rule.origin.column,
        end_line: rule.origin.end_line,
        end_column: rule.origin.end_column,
        path: &rule.origin.path,
    }
}
