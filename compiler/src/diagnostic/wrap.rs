//! Text in lines of some width.

use textwrap::{Options, WordSeparator, WordSplitter};

/// Breaks lines at blanks alone: a name or a path, hyphens and all, is to be read and copied in one piece, and sticks out
/// where it is longer than a line.
pub const SEPARATOR: WordSeparator = WordSeparator::AsciiSpace;
/// See [`SEPARATOR`].
pub const SPLITTER: WordSplitter = WordSplitter::NoHyphenation;

/// Lines of `width` columns.
#[must_use]
pub fn to(width: usize) -> Options<'static> {
    Options::new(width)
        .word_separator(SEPARATOR)
        .word_splitter(SPLITTER)
        .break_words(false)
}
