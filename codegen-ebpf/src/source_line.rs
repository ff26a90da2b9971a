//! A line of the policy's own text, as the kernel will show it beside the instructions it caused.

use std::collections::BTreeMap;
use std::sync::Arc;

use ir::origin::Origin;

/// One line of a manifest. It becomes an entry of `.BTF.ext` line info, which `bpftool prog dump xlated linum` and
/// the kernel verifier's log print beside each instruction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLine {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The line's text, without the line break.
    pub text: Arc<str>,
}

impl SourceLine {
    /// Highest line that the kernel's packed form can hold (22 bits).
    pub const MAX_LINE: u32 = (1 << 22) - 1;
    /// Highest column that the kernel's packed form can hold (10 bits).
    pub const MAX_COLUMN: u32 = (1 << 10) - 1;

    /// The first line of an origin.
    #[must_use]
    pub fn of(origin: &Origin, text: &dyn SourceText) -> Self {
        Self {
            file: Arc::clone(&origin.file),
            line: origin.line,
            column: origin.column,
            text: text.line(&origin.file, origin.line).unwrap_or_default().into(),
        }
    }

    /// `line << 10 | column`, each held to its highest value (`BPF_LINE_INFO_LINE_NUM` in `linux/bpf.h`).
    #[must_use]
    pub fn packed(&self) -> u32 {
        (self.line.min(Self::MAX_LINE) << 10) | self.column.min(Self::MAX_COLUMN)
    }
}

/// The manifests' text, as far as it is known.
pub trait SourceText {
    /// One line of a file, from 1, without its line break; `None` when the text is not known.
    fn line(&self, file: &str, line: u32) -> Option<&str>;
}

/// No text at all: instructions then carry file and line with an empty text.
impl SourceText for () {
    fn line(&self, _file: &str, _line: u32) -> Option<&str> {
        None
    }
}

/// Files by name, each as its lines.
impl SourceText for BTreeMap<Arc<str>, Vec<String>> {
    fn line(&self, file: &str, line: u32) -> Option<&str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.get(file)?.get(index).map(String::as_str)
    }
}
