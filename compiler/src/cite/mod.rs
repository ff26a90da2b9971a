//! Policies and rules as answers cite them: kind, name, and the lines where they are written.

pub(crate) mod json;
mod ruling;

pub use ruling::{Reason, Ruling};

use crate::diagnostic::escape;
use crate::source::Sources;
use ir::model::Model;
use ir::origin::Origin;
use ir::policy::{Action, Policy, PolicyId, RuleId};
use std::fmt;
use std::io::{self, Write};

/// A policy, for the reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyRef {
    /// Its kind.
    pub kind: String,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub origin: Origin,
}

impl PolicyRef {
    /// Cites a policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            kind: policy.kind.to_string(),
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            origin: policy.origin.clone(),
        }
    }

    /// Cites a policy of a model; `None` for one that is not of it.
    #[must_use]
    pub fn by_id(model: &Model, id: PolicyId) -> Option<Self> {
        model.policy(id).map(Self::of)
    }
}

/// `NetworkPolicy shop/api`. Not escaped.
impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A rule, for the reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// Its policy.
    pub policy: PolicyRef,
    /// What it does.
    pub action: Action,
    /// Where it is written.
    pub origin: Origin,
}

impl RuleRef {
    /// Cites a rule of a model; `None` for one that is not of it.
    #[must_use]
    pub fn by_id(model: &Model, id: RuleId) -> Option<Self> {
        let rule = model.rule(id)?;
        Some(Self {
            policy: PolicyRef::by_id(model, id.policy)?,
            action: rule.action,
            origin: rule.origin.clone(),
        })
    }
}

/// `NetworkPolicy shop/api allow rule (a.yaml:3:5)`. Not escaped.
impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} rule ({})", self.policy, self.action, self.origin)
    }
}

/// Lines of a rule that are shown.
const LINES: u32 = 8;

/// Writes the lines of an origin as they are written, each after `indent` spaces and its number; long ones are cut where
/// the point is made.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_lines(out: &mut dyn Write, indent: usize, origin: &Origin, sources: &Sources) -> io::Result<()> {
    let Some(source) = sources.by_name(&origin.file) else {
        return Ok(());
    };
    // What ends at the first column of a line has nothing in that line.
    let end = match origin.end_column {
        0 | 1 if origin.end_line > origin.line => origin.end_line - 1,
        _ => origin.end_line,
    };
    let last = end.min(origin.line.saturating_add(LINES - 1));
    for number in origin.line..=last {
        if let Some((_, text)) = source.line(number) {
            writeln!(
                out,
                "{:indent$}{number:>4} │ {}",
                "",
                escape::line(text).trim_end()
            )?;
        }
    }
    if end > last {
        writeln!(out, "{:indent$}     │ …", "")?;
    }
    Ok(())
}
