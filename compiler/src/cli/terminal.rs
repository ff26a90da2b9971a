//! Standard output and standard error, each with or without colours.

use super::args::Color;
use crate::diagnostic::{human, wrap};
use anstream::{AutoStream, ColorChoice};
use std::io::{self, IsTerminal, Write};

/// Where a run writes.
pub(super) struct Terminal {
    /// Answers and findings.
    pub(super) out: AutoStream<io::Stdout>,
    /// The run itself.
    pub(super) err: AutoStream<io::Stderr>,
}

impl Terminal {
    pub(super) fn new(color: Color) -> Self {
        // `auto` looks at `NO_COLOR`, `CLICOLOR`, `TERM` and whether the stream is a terminal.
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let decided = |choice: ColorChoice, detected: ColorChoice| match choice {
            ColorChoice::Auto => detected,
            choice => choice,
        };
        let out = decided(choice, AutoStream::choice(&io::stdout()));
        let err = decided(choice, AutoStream::choice(&io::stderr()));
        Self {
            out: AutoStream::new(io::stdout(), out),
            err: AutoStream::new(io::stderr(), err),
        }
    }

    /// How to draw findings on standard output.
    pub(super) fn out_options(&self) -> human::Options {
        options(&self.out)
    }

    /// Says something about the run; on a terminal lines are broken between words.
    pub(super) fn tell(&mut self, sentence: &str) -> io::Result<()> {
        if !self.err.is_terminal() {
            return writeln!(self.err, "{sentence}");
        }
        let width = wrap::to(self.err_options().width).subsequent_indent("  ");
        writeln!(self.err, "{}", textwrap::fill(sentence, width))
    }

    /// How to draw findings on standard error.
    pub(super) fn err_options(&self) -> human::Options {
        options(&self.err)
    }
}

/// Columns for text that goes to a file or a pipe: the same everywhere, so that output can be compared.
const PIPE_WIDTH: usize = 110;
/// Narrower than this, drawings are cut rather than broken.
const NARROWEST: usize = 60;

fn options<S: anstream::stream::RawStream + IsTerminal>(stream: &AutoStream<S>) -> human::Options {
    let color = !matches!(stream.current_choice(), ColorChoice::Never);
    let width = if stream.is_terminal() {
        terminal_size::terminal_size().map_or(PIPE_WIDTH, |(width, _)| usize::from(width.0).max(NARROWEST))
    } else {
        PIPE_WIDTH
    };
    human::Options { color, width }
}
