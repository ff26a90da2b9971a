//! Standard output and standard error, each with or without colours.

use super::args::Color;
use crate::diagnostic::{human, wrap};
use anstream::stream::{AsLockedWrite, RawStream};
use anstream::{AutoStream, ColorChoice};
use std::io::{self, Write};

/// Where a run writes.
pub(super) struct Terminal {
    /// Answers and findings.
    pub(super) out: Stream<io::Stdout>,
    /// The run itself.
    pub(super) err: Stream<io::Stderr>,
}

/// A stream whose reader may leave. One that has seen enough (`| head`) is no failure, and no reason to come to another
/// status or to leave work undone: what is written after that goes nowhere.
pub(super) struct Stream<S: RawStream> {
    stream: AutoStream<S>,
    is_read: bool,
}

impl<S: RawStream> Stream<S> {
    fn new(raw: S, choice: ColorChoice) -> Self {
        Self {
            stream: AutoStream::new(raw, choice),
            is_read: true,
        }
    }

    /// Whether anybody reads it, as far as is known.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.stream.is_terminal()
    }

    /// `unread` where the reader has left.
    fn unless_left<T>(&mut self, result: io::Result<T>, unread: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_read = false;
                Ok(unread)
            }
            result => result,
        }
    }
}

impl Stream<io::Stdout> {
    /// Writes the bytes as they are: no colour is taken out.
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let result = self.stream.as_inner().write_all(bytes);
        self.unless_left(result, ())
    }
}

impl<S: RawStream + AsLockedWrite> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_read {
            return Ok(bytes.len());
        }
        let result = self.stream.write(bytes);
        self.unless_left(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.is_read {
            return Ok(());
        }
        let result = self.stream.flush();
        self.unless_left(result, ())
    }
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
            out: Stream::new(io::stdout(), out),
            err: Stream::new(io::stderr(), err),
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

fn options<S: RawStream>(stream: &Stream<S>) -> human::Options {
    let color = !matches!(stream.stream.current_choice(), ColorChoice::Never);
    let width = if stream.is_terminal() {
        terminal_size::terminal_size().map_or(PIPE_WIDTH, |(width, _)| usize::from(width.0).max(NARROWEST))
    } else {
        PIPE_WIDTH
    };
    human::Options { color, width }
}
