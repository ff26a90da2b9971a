//! Where a piece of meaning was written: file, document, route and lines.

use std::fmt;
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
}

/// `file:line:column`, the form that terminals and editors turn into a link.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
