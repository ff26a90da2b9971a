//! Where a piece of meaning was written: file, document, route and lines.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// The place in a manifest that a policy, rule, peer, port or container port came from.
///
/// Every stage after the compiler carries it unchanged, so that a verdict, a finding or a dropped packet can be
/// traced to the line that decides it (*no rule without a source*). Lines and columns are 1-based, columns count
/// characters, and the end is exclusive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The file as the user named it, or `<stdin>`.
    pub file: Arc<str>,
    /// Index of the document in its stream, from 0.
    pub document: u32,
    /// Line of the first character, from 1.
    pub line: u32,
    /// Column of the first character, from 1.
    pub column: u32,
    /// Line of the end.
    pub end_line: u32,
    /// Column just behind the last character.
    pub end_column: u32,
    /// The route inside the document, for example `spec.ingress[0].ports[1].port`.
    pub path: Arc<str>,
}

impl Origin {
    /// An origin for input that has no text, such as generated tests: line 1, column 1 of `file`.
    #[must_use]
    pub fn synthetic(file: &str) -> Self {
        Self {
            file: file.into(),
            document: 0,
            line: 1,
            column: 1,
            end_line: 1,
            end_column: 1,
            path: "".into(),
        }
    }

    /// `file:line`, where a column would only be in the way.
    #[must_use]
    pub fn brief(&self) -> impl fmt::Display {
        Brief(self)
    }
}

/// `file:line:column`, the form that terminals and editors turn into a link. It is one line: a line break or another
/// control character in the file's name is escaped.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.brief(), self.column)
    }
}

/// [`Origin::brief`]
struct Brief<'a>(&'a Origin);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.file.chars() {
            match c {
                c if c.is_control() => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        write!(f, ":{}", self.0.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_line() {
        let origin = Origin::synthetic("a\n::error::b.yaml");
        assert_eq!(origin.to_string(), "a\\u{a}::error::b.yaml:1:1");
        assert_eq!(origin.brief().to_string(), "a\\u{a}::error::b.yaml:1");
    }
}
