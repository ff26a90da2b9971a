//! Answers for people.

use super::{Answer, End, Side, Verdict};
use crate::cite::{Reason, RuleRef, write_lines};
use crate::diagnostic::escape;
use crate::source::Sources;
use ir::policy::Direction;
use ir::port::Protocol;
use std::io::{self, Write};

/// How many of the nearest rules are shown.
const SHOWN: usize = 3;

/// Writes an answer.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, answer: &Answer, sources: &Sources) -> io::Result<()> {
    if let Some(service) = &answer.service {
        for port in &service.ports {
            let name = port
                .name
                .as_deref()
                .map_or_else(String::new, |name| format!(" ({name})"));
            let line = format!(
                "Service {} ({}) port {}/{}{name} leads to {}",
                service.service, service.origin, port.number, port.protocol, port.target
            );
            writeln!(out, "{}", escape::message(&line))?;
        }
        for reason in &service.left_out {
            writeln!(out, "  {}", escape::message(reason))?;
        }
        writeln!(out)?;
    }
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
        Reason::DefaultDeny => "no rule matches, and what no rule allows is denied",
    };
    let line = format!("  {direction} of {who}: {word}; {reason}");
    writeln!(out, "{}", escape::message(&line))?;
    for rule in &side.rules {
        write_rule(out, rule, sources)?;
    }
    if !side.overruled.is_empty() {
        writeln!(out, "  matches as well, and does not decide:")?;
    }
    for rule in &side.overruled {
        write_rule(out, rule, sources)?;
    }
    if !side.in_force.is_empty() {
        writeln!(out, "  in force:")?;
    }
    for policy in &side.in_force {
        let line = format!("    {policy} ({})", policy.origin);
        writeln!(out, "{}", escape::message(&line))?;
    }
    if !side.nearest.is_empty() {
        writeln!(out, "  nearest:")?;
    } else if side.reason == Reason::DefaultDeny {
        writeln!(
            out,
            "  nearest: no rule in force allows anything in this direction"
        )?;
    }
    for near in side.nearest.iter().take(SHOWN) {
        write_rule(out, &near.rule, sources)?;
        for change in &near.changes {
            let line = format!("           = line {}: {}", change.origin.line, change.text);
            writeln!(out, "{}", escape::message(&line))?;
        }
    }
    match side.nearest.len().saturating_sub(SHOWN) + side.further {
        0 => Ok(()),
        more => writeln!(out, "    and {more} more, further away"),
    }
}

fn write_rule(out: &mut dyn Write, rule: &RuleRef, sources: &Sources) -> io::Result<()> {
    writeln!(out, "    {}", escape::message(&rule.to_string()))?;
    write_lines(out, 6, &rule.origin, sources)
}
