//! Differences for people: each change with the lines responsible.

use super::{Cause, Change, Diff, Kind};
use crate::cite::{Reason, Ruling, write_lines};
use crate::connectivity::Peer;
use crate::diagnostic::escape;
use crate::source::Sources;
use ir::policy::Direction;
use std::io::{self, Write};

/// The texts of both sides.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'s> {
    /// Of the old input.
    pub old: &'s Sources,
    /// Of the new input.
    pub new: &'s Sources,
}

/// Writes a comparison.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, diff: &Diff, texts: Texts<'_>) -> io::Result<()> {
    for (peers, side) in [(&diff.only_old, "gone"), (&diff.only_new, "new")] {
        for peer in peers {
            writeln!(out, "{side}: {}", escape::message(&peer.to_string()))?;
        }
    }
    if diff.changes.is_empty() {
        return writeln!(
            out,
            "no flow differs between the workloads and addresses of these inputs (pods that could exist are not compared)"
        );
    }
    for (index, change) in diff.changes.iter().enumerate() {
        if index > 0 || !diff.only_old.is_empty() || !diff.only_new.is_empty() {
            writeln!(out)?;
        }
        write_change(out, change, texts)?;
    }
    Ok(())
}

fn write_change(out: &mut dyn Write, change: &Change, texts: Texts<'_>) -> io::Result<()> {
    let (source, destination) = (change.source.to_string(), change.destination.to_string());
    let what = match change.kind() {
        Kind::Added => format!("{}", change.new),
        Kind::Removed => format!("{}", change.old),
        Kind::Changed => format!("{}, was {}", change.new, change.old),
    };
    let line = format!("{}: {source} → {destination}, {what}", change.kind().as_str());
    writeln!(out, "{}", escape::message(&line))?;
    for cause in &change.causes {
        write_cause(out, change, cause, texts)?;
    }
    Ok(())
}

fn write_cause(out: &mut dyn Write, change: &Change, cause: &Cause, texts: Texts<'_>) -> io::Result<()> {
    writeln!(out, "  {}", cause.ports)?;
    for (direction, who) in [
        (Direction::Egress, &change.source),
        (Direction::Ingress, &change.destination),
    ] {
        let old = cause.old.as_ref().map(|verdict| verdict.of(direction));
        let new = cause.new.as_ref().map(|verdict| verdict.of(direction));
        // A side that lets it through as before has no part in the difference, and neither has the outside.
        let same = matches!((old, new), (Some(old), Some(new)) if old.allowed && new.allowed);
        if same || matches!(who, Peer::Outside(_)) {
            continue;
        }
        let who = who.to_string();
        writeln!(out, "    {direction} of {}", escape::message(&who))?;
        write_ruling(out, "was", old, texts.old)?;
        write_ruling(out, "is now", new, texts.new)?;
    }
    Ok(())
}

fn write_ruling(out: &mut dyn Write, when: &str, ruling: Option<&Ruling>, texts: &Sources) -> io::Result<()> {
    let Some(ruling) = ruling else {
        return writeln!(out, "      {when} not asked, for one end is not on that side");
    };
    let word = if ruling.allowed { "allowed" } else { "denied" };
    let reason = match ruling.reason {
        Reason::NoPolicyOfItsOwn => "no policy applies to it",
        Reason::Loopback => "a pod always reaches itself",
        Reason::OwnHost => "a pod's own node always reaches it",
        Reason::Unrestricted => "no policy in force denies by default",
        Reason::Rules => "by",
        Reason::DefaultDeny => "no rule matches, and what no rule allows is denied by",
    };
    writeln!(out, "      {when} {word}: {reason}")?;
    for rule in &ruling.rules {
        writeln!(out, "        {}", escape::message(&rule.to_string()))?;
        write_lines(out, 10, &rule.origin, texts)?;
    }
    for policy in &ruling.policies {
        let line = format!("{policy} ({})", policy.origin);
        writeln!(out, "        {}", escape::message(&line))?;
    }
    Ok(())
}
