//! Answers for people.

use super::{Answer, End, Misses, PolicyRef, Reason, RuleRef, Side, Verdict};
use crate::diagnostic::escape;
use crate::source::Sources;
use ir::policy::{Action, Direction};
use ir::port::Protocol;
use std::io::{self, Write};

/// How many of the nearest rules are shown.
const NEAREST: usize = 4;

/// Writes an answer.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, answer: &Answer, sources: &Sources) -> io::Result<()> {
    for (index, verdict) in answer.verdicts.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_verdict(out, verdict, sources)?;
    }
    Ok(())
}

fn write_verdict(out: &mut dyn Write, verdict: &Verdict, sources: &Sources) -> io::Result<()> {
    let word = if verdict.allowed { "allowed" } else { "denied" };
    let port = match verdict.protocol {
        Protocol::Icmp | Protocol::Icmpv6 => format!("{} type {}", verdict.protocol, verdict.port),
        protocol => format!("{}/{protocol}", verdict.port),
    };
    let line = format!("{word}: {} → {}, {port}", verdict.from, verdict.to);
    writeln!(out, "{}", escape::message(&line))?;
    write_side(out, Direction::Egress, &verdict.from, &verdict.egress, sources)?;
    write_side(out, Direction::Ingress, &verdict.to, &verdict.ingress, sources)
}

fn write_side(
    out: &mut dyn Write,
    direction: Direction,
    who: &End,
    side: &Side,
    sources: &Sources,
) -> io::Result<()> {
    let word = if side.allowed { "allowed" } else { "denied" };
    let reason = match side.reason {
        Reason::NoPolicyOfItsOwn => "no policy applies to it",
        Reason::Loopback => "a pod always reaches itself",
        Reason::OwnHost => "a pod's own node always reaches it",
        Reason::Unrestricted => "no policy in force denies by default",
        Reason::Rules if side.allowed => "by",
        Reason::Rules => "by the deny",
        Reason::DefaultDeny => "no rule matches, and what no rule allows is denied by",
    };
    let line = format!("  {direction} of {who}: {word}; {reason}");
    write!(out, "{}", escape::message(&line))?;
    match side.reason {
        Reason::Rules => {
            writeln!(out)?;
            for rule in &side.rules {
                write_rule(out, "", rule, sources)?;
            }
        }
        Reason::DefaultDeny => {
            writeln!(out)?;
            for policy in &side.in_force {
                let line = format!("    {} ({})", name(policy), policy.origin);
                writeln!(out, "{}", escape::message(&line))?;
            }
            if !side.nearest.is_empty() {
                writeln!(out, "  nearest:")?;
            }
            for (misses, rule) in side.nearest.iter().take(NEAREST) {
                let what = match misses {
                    Misses::Port => ", this peer on other ports",
                    Misses::Peer => ", this port for other peers",
                };
                write_rule(out, what, rule, sources)?;
            }
            match side.nearest.len().saturating_sub(NEAREST) {
                0 => {}
                more => writeln!(out, "    and {more} more")?,
            }
        }
        _ => writeln!(out)?,
    }
    Ok(())
}

fn write_rule(out: &mut dyn Write, what: &str, rule: &RuleRef, sources: &Sources) -> io::Result<()> {
    let action = match rule.action {
        Action::Allow => "allow",
        Action::Deny => "deny",
        Action::Pass => "pass",
    };
    let line = format!("    {} {action} rule ({}){what}", name(&rule.policy), rule.origin);
    writeln!(out, "{}", escape::message(&line))?;
    // The rule's own lines, as they are written; long ones are cut where the point is made.
    let source = sources.by_name(&rule.origin.file);
    let last = rule
        .origin
        .end_line
        .min(rule.origin.line.saturating_add(LINES - 1));
    for number in rule.origin.line..=last {
        if let Some((_, text)) = source.and_then(|source| source.line(number)) {
            writeln!(out, "      {number:>4} │ {}", escape::line(text))?;
        }
    }
    if rule.origin.end_line > last {
        writeln!(out, "           │ …")?;
    }
    Ok(())
}

/// Lines of a rule that are shown.
const LINES: u32 = 8;

fn name(policy: &PolicyRef) -> String {
    match &policy.namespace {
        Some(namespace) => format!("{} {namespace}/{}", policy.kind, policy.name),
        None => format!("{} {}", policy.kind, policy.name),
    }
}
