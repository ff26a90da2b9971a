//! Findings accepted where they are: what the comment or the annotation says.
//!
//! ```yaml
//! - port: http   # portcullis: allow[PC201] the two catalogs are merged in spring until=2027-04-01
//! ```
//! A comment speaks for its own line; one that has a line to itself, for the next line that is not a comment. Templates
//! drop comments, so an object can say the same for everything in it, and a pod template for everything in the template:
//! ```yaml
//! metadata:
//!   annotations:
//!     portcullis.io/allow.PC201: the two catalogs are merged in spring until=2027-04-01
//! ```
//! A reason is required, and `until=` names the last day on which it is one.

use super::codes::UnknownCode;
use super::date::{Date, NotADate};
use crate::diagnostic::{AcceptedBy, Code, Finding, ObjectName};
use ir::origin::Origin;
use std::sync::Arc;
use thiserror::Error;

/// How the annotation's key starts.
pub const ANNOTATION: &str = "portcullis.io/allow.";
/// How all keys start that are for us.
const DOMAIN: &str = "portcullis.io/";

/// An acceptance as it is written, and what it speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// What it says.
    pub statement: Statement,
    /// Where it is written.
    pub origin: Origin,
    /// Findings of which place it speaks for.
    pub covers: Covers,
    /// What goes with it when it is removed; `None` where more than that would have to change.
    pub removal: Option<Origin>,
}

/// What an acceptance says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The codes; never empty.
    pub codes: Vec<Code>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds; for ever when there is none.
    pub until: Option<Date>,
}

/// What an acceptance speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covers {
    /// What starts on this line of its file.
    Line(u32),
    /// What is in this part of its document, an object or its pod template, or is about the object and has no place.
    Object {
        /// The way to it: empty, `items[3]` in a list, `spec.template`.
        path: Arc<str>,
        /// Its name.
        name: ObjectName,
    },
}

/// Why an acceptance does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Text that is for us and says nothing we know.
    #[error("this is not an acceptance")]
    NotAnAcceptance,
    /// An annotation that is for us and is none that we know.
    #[error("`{0}` is not an acceptance")]
    NotAnAnnotation(String),
    /// No such code.
    #[error(transparent)]
    Code(#[from] UnknownCode),
    /// A group of codes: what is accepted is named.
    #[error("`{0}` is a group of codes; an acceptance names each of them")]
    Group(String),
    /// No such day.
    #[error(transparent)]
    Date(#[from] NotADate),
    /// A day that is part of another word, and would be taken for a part of the reason.
    #[error("`{0}` is no `until=`, and the acceptance would never expire")]
    Until(String),
    /// Two days.
    #[error("`until=` is given twice")]
    TwoDays,
    /// No reason.
    #[error("this acceptance gives no reason")]
    NoReason,
}

impl Fault {
    /// The finding that it is.
    #[must_use]
    pub fn finding(&self, origin: Origin) -> Finding {
        let code = match self {
            Self::NoReason => Code::ACCEPTANCE_WITHOUT_REASON,
            Self::NotAnAcceptance
            | Self::NotAnAnnotation(_)
            | Self::Code(_)
            | Self::Group(_)
            | Self::Date(_)
            | Self::Until(_)
            | Self::TwoDays => Code::ACCEPTANCE_UNREADABLE,
        };
        let help = match self {
            Self::NotAnAcceptance => "write `# portcullis: allow[PC201] the reason`",
            Self::NotAnAnnotation(_) => "write `portcullis.io/allow.PC201: the reason`",
            Self::Code(_) | Self::Group(_) => "write the code as findings show it, such as `PC201`",
            Self::Date(_) => "write the last day on which it holds, such as `until=2027-01-31`",
            Self::Until(_) => "write it as a word of its own, such as `until=2027-01-31`",
            Self::TwoDays => "leave the day that is meant",
            Self::NoReason => "say behind the code why this is right here",
        };
        Finding::new(code, self.to_string())
            .at(origin, "does not count")
            .help(help)
    }
}

impl Acceptance {
    /// What accepts findings this way.
    #[must_use]
    pub fn by(&self) -> AcceptedBy {
        match self.covers {
            Covers::Line(_) => AcceptedBy::Comment,
            Covers::Object { .. } => AcceptedBy::Annotation,
        }
    }

    /// Whether it speaks for this finding, its codes aside.
    #[must_use]
    pub fn covers(&self, finding: &Finding) -> bool {
        match (finding.primary(), &self.covers) {
            (Some(label), _) => self.covers_place(&label.origin),
            (None, Covers::Line(_)) => false,
            (None, Covers::Object { name, .. }) => finding.objects.contains(name),
        }
    }

    /// Whether it speaks for what is found here.
    #[must_use]
    pub fn covers_place(&self, here: &Origin) -> bool {
        match &self.covers {
            Covers::Line(line) => here.file == self.origin.file && here.line == *line,
            Covers::Object { path, .. } => {
                let same_document = (&here.file, here.document) == (&self.origin.file, self.origin.document);
                let within = here.path.strip_prefix(&**path);
                let is_in = |rest: &str| path.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']);
                same_document && within.is_some_and(is_in)
            }
        }
    }
}

/// Reads a comment, `#` included. `None` when it is not for us.
pub fn comment(text: &str) -> Option<Result<Statement, Fault>> {
    let text = text.trim_start_matches('#').trim_start();
    let rest = text.strip_prefix("portcullis:")?;
    Some(allow(rest.trim()))
}

fn allow(text: &str) -> Result<Statement, Fault> {
    let inner = text.strip_prefix("allow").map(str::trim_start);
    let (codes, reason) = inner
        .and_then(|rest| rest.strip_prefix('['))
        .and_then(|rest| rest.split_once(']'))
        .ok_or(Fault::NotAnAcceptance)?;
    let codes = codes
        .split(',')
        .map(|text| code(text.trim()))
        .collect::<Result<Vec<_>, _>>()?;
    statement(codes, reason)
}

/// Reads an annotation. `None` when its key is not for us.
pub fn annotation(key: &str, value: &str) -> Option<Result<Statement, Fault>> {
    key.strip_prefix(DOMAIN)?;
    let Some(named) = key.strip_prefix(ANNOTATION) else {
        return Some(Err(Fault::NotAnAnnotation(key.to_owned())));
    };
    Some(code(named).and_then(|code| statement(vec![code], value)))
}

fn code(text: &str) -> Result<Code, Fault> {
    match Code::parse(text) {
        Some(code) => Ok(code),
        None => match text.parse::<super::codes::Codes>() {
            Ok(group) => Err(Fault::Group(group.to_string())),
            Err(unknown) => Err(unknown.into()),
        },
    }
}

fn statement(codes: Vec<Code>, text: &str) -> Result<Statement, Fault> {
    let mut until = None;
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let small = word.to_ascii_lowercase();
        match word.strip_prefix("until=") {
            Some(_) if until.is_some() => return Err(Fault::TwoDays),
            Some(date) => until = Some(date.parse()?),
            None if small.contains("until=") || small.contains("until:") => {
                return Err(Fault::Until(word.to_owned()));
            }
            None if word.parse::<Date>().is_ok() && words.last() == Some(&"until") => {
                return Err(Fault::Until(format!("until {word}")));
            }
            None => words.push(word),
        }
    }
    // Dashes and the like in front of a reason are no reason.
    let reason = words.join(" ");
    let reason = reason.trim_start_matches(|c: char| !c.is_alphanumeric());
    if reason.is_empty() {
        return Err(Fault::NoReason);
    }
    Ok(Statement {
        codes,
        reason: reason.to_owned(),
        until,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_for_us_are_read_and_others_left() {
        let read = |text| comment(text).unwrap();
        let one = read("# portcullis: allow[PC201] two catalogs, for now until=2027-01-31").unwrap();
        assert_eq!(one.codes, [Code::NAMED_PORT_MANY_NUMBERS]);
        assert_eq!(one.reason, "two catalogs, for now");
        assert_eq!(one.until.unwrap().to_string(), "2027-01-31");
        let two = read("#portcullis:allow[PC201, rule-redundant]: on purpose").unwrap();
        assert_eq!(two.codes, [Code::NAMED_PORT_MANY_NUMBERS, Code::RULE_REDUNDANT]);
        assert_eq!((&*two.reason, two.until), ("on purpose", None));
        assert_eq!(comment("# allow[PC201] reason"), None);
        assert_eq!(comment("# about portcullis: see below"), None);
    }

    #[test]
    fn what_does_not_count_says_why() {
        let fault = |text| comment(text).unwrap().unwrap_err();
        assert_eq!(fault("# portcullis: allow[PC201]"), Fault::NoReason);
        assert_eq!(
            fault("# portcullis: allow[PC201] -- until=2027-01-31"),
            Fault::NoReason
        );
        assert_eq!(fault("# portcullis: ignore PC201"), Fault::NotAnAcceptance);
        assert_eq!(fault("# portcullis: allow PC201 reason"), Fault::NotAnAcceptance);
        assert_eq!(
            fault("# portcullis: allow[PC2] reason"),
            Fault::Group("PC2".to_owned())
        );
        assert!(matches!(
            fault("# portcullis: allow[PC999] reason"),
            Fault::Code(_)
        ));
        assert!(matches!(fault("# portcullis: allow[] reason"), Fault::Code(_)));
        assert!(matches!(
            fault("# portcullis: allow[PC201] x until=soon"),
            Fault::Date(_)
        ));
        for word in [
            "(until=2020-01-01)",
            "spring,until=2020-01-01",
            "\"until=2020-01-01\"",
        ] {
            let glued = format!("# portcullis: allow[PC201] for now {word}");
            let fault = comment(&glued).unwrap().unwrap_err();
            assert_eq!(fault, Fault::Until(word.to_owned()));
        }
    }

    #[test]
    fn annotations_name_one_code_in_their_key() {
        let read = |key, value| annotation(key, value).unwrap();
        let one = read("portcullis.io/allow.PC201", "on purpose").unwrap();
        assert_eq!(one.codes, [Code::NAMED_PORT_MANY_NUMBERS]);
        let named = read("portcullis.io/allow.rule-redundant", "on purpose").unwrap();
        assert_eq!(named.codes, [Code::RULE_REDUNDANT]);
        assert_eq!(
            read("portcullis.io/allow.PC201", "").unwrap_err(),
            Fault::NoReason
        );
        assert_eq!(annotation("example.io/allow.PC201", "x"), None);
        for slip in ["portcullis.io/allow", "portcullis.io/alow.PC201"] {
            let fault = Fault::NotAnAnnotation(slip.to_owned());
            assert_eq!(read(slip, "PC201 on purpose").unwrap_err(), fault);
        }
    }
}
