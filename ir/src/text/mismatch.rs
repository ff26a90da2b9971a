//! Where a text does not fit, and what would have: the error of parsers that are written with nom.

use nom::error::ErrorKind;
use nom::{Err, Parser};

/// A mismatch: the rest of the text from the place that does not fit, and what would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch<'a, W> {
    /// From the place that does not fit.
    pub rest: &'a str,
    /// What would have.
    pub expected: Vec<String>,
    /// What is wrong, where that is not a matter of syntax.
    pub wrong: Option<W>,
}

impl<'a, W> Mismatch<'a, W> {
    /// Something else is expected at `rest`; what, is not known.
    #[must_use]
    pub fn at(rest: &'a str) -> Self {
        Self {
            rest,
            expected: vec![],
            wrong: None,
        }
    }

    /// Names keywords that would have fitted as well.
    #[must_use]
    pub fn also_expecting(mut self, words: impl IntoIterator<Item = &'static str>) -> Self {
        self.expected
            .extend(words.into_iter().map(|word| format!("`{word}`")));
        self
    }

    /// What was read up to `rest` is wrong.
    #[must_use]
    pub fn wrong(rest: &'a str, wrong: W) -> Self {
        Self {
            wrong: Some(wrong),
            ..Self::at(rest)
        }
    }
}

impl<'a, W> nom::error::ParseError<&'a str> for Mismatch<'a, W> {
    fn from_error_kind(rest: &'a str, _: ErrorKind) -> Self {
        Self::at(rest)
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }

    /// The alternative that got further explains better; at the same place, all of them do.
    fn or(mut self, other: Self) -> Self {
        if self.rest.len() > other.rest.len() {
            return other;
        }
        if self.rest.len() == other.rest.len() {
            self.expected.extend(other.expected);
        }
        self
    }
}

/// Gives a parser that fails on its first character a name to be expected by.
pub fn expect<'a, T, W>(
    name: &str,
    mut parser: impl Parser<&'a str, Output = T, Error = Mismatch<'a, W>>,
) -> impl Parser<&'a str, Output = T, Error = Mismatch<'a, W>> {
    move |text: &'a str| {
        parser.parse(text).map_err(|error| {
            error.map(|mut mismatch| {
                if mismatch.wrong.is_none()
                    && (mismatch.rest.len() == text.len() || mismatch.expected.is_empty())
                {
                    mismatch.expected = vec![name.to_owned()];
                    mismatch.rest = text;
                }
                mismatch
            })
        })
    }
}

/// What a parser that has all of its text says.
///
/// # Errors
/// Where the text does not fit.
pub fn finished<'a, T, W>(read: nom::IResult<&'a str, T, Mismatch<'a, W>>) -> Result<T, Mismatch<'a, W>> {
    match read {
        Ok((_, value)) => Ok(value),
        Err(Err::Error(mismatch) | Err::Failure(mismatch)) => Err(mismatch),
        Err(Err::Incomplete(_)) => Err(Mismatch::at("")),
    }
}
