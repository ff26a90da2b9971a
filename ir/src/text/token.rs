//! The smallest pieces of the text form, and how a mismatch is reported.
//!
//! Every parser here eats the spaces behind what it matches, never a newline unless it says so.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{anychar, char, digit1};
use nom::combinator::{cut, map_opt, opt, recognize, value, verify};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{Err, IResult, Parser};

use super::ParseError;
pub(super) use super::mismatch::expect;
use super::mismatch::{self, finished};
use crate::origin::Origin;

pub(super) type Mismatch<'a> = mismatch::Mismatch<'a, String>;

pub(super) type Parsed<'a, T> = IResult<&'a str, T, Mismatch<'a>>;

/// A failure that no alternative can mend.
pub(super) fn wrong<T>(rest: &str, wrong: String) -> Parsed<'_, T> {
    Err(Err::Failure(Mismatch::wrong(rest, wrong)))
}

/// Runs a parser over a whole text.
pub(super) fn whole<'a, T>(
    text: &'a str,
    mut parser: impl Parser<&'a str, Output = T, Error = Mismatch<'a>>,
) -> Result<T, ParseError> {
    let mismatch = match finished(parser.parse(text)) {
        Ok(value) => return Ok(value),
        Err(mismatch) => mismatch,
    };
    let before = text.strip_suffix(mismatch.rest).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let problem = mismatch.wrong.unwrap_or_else(|| {
        let mut expected = mismatch.expected;
        expected.sort();
        expected.dedup();
        let last = expected.pop().unwrap_or_else(|| "something else".to_owned());
        let expected = if expected.is_empty() {
            last
        } else {
            format!("{} or {last}", expected.join(", "))
        };
        let found: String = mismatch
            .rest
            .chars()
            .take_while(|c| !c.is_whitespace())
            .take(24)
            .collect();
        match (found.is_empty(), mismatch.rest.is_empty()) {
            (true, true) => format!("expected {expected}, found the end of the text"),
            (true, false) => format!("expected {expected}, found the end of the line"),
            (false, _) => format!("expected {expected}, found `{found}`"),
        }
    });
    Err(ParseError {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        problem,
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn is_key(c: char) -> bool {
    is_word(c) || c == '/'
}

fn is_file(c: char) -> bool {
    is_key(c) || matches!(c, '<' | '>' | '+')
}

fn is_path(c: char) -> bool {
    is_key(c) || matches!(c, '[' | ']')
}

fn starts_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// How a word is written.
pub(super) fn quote_word(text: &str) -> String {
    quote_unless(text, starts_word(text) && text.chars().all(is_word))
}

/// How a label's key is written.
pub(super) fn quote_key(text: &str) -> String {
    quote_unless(text, starts_word(text) && text.chars().all(is_key))
}

/// How a port's name is written in a rule.
pub(super) fn quote_port_name(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    quote_unless(text, starts && text.chars().all(is_word))
}

pub(super) fn quote_file(text: &str) -> String {
    quote_unless(text, !text.is_empty() && text.chars().all(is_file))
}

pub(super) fn quote_path(text: &str) -> String {
    quote_unless(text, starts_word(text) && text.chars().all(is_path))
}

fn quote_unless(text: &str, bare: bool) -> String {
    if bare {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => {
                quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Spaces inside a line.
pub(super) fn spaces(text: &str) -> Parsed<'_, &str> {
    take_while(|c| matches!(c, ' ' | '\t' | '\r')).parse(text)
}

fn comment(text: &str) -> Parsed<'_, &str> {
    recognize(pair(char('#'), take_while(|c| c != '\n'))).parse(text)
}

/// Spaces, comments and line ends: where a line may go on.
pub(super) fn gap(mut text: &str) -> Parsed<'_, ()> {
    loop {
        let (rest, _) = spaces(text)?;
        let (rest, _) = opt(comment).parse(rest)?;
        match rest.strip_prefix('\n') {
            Some(rest) => text = rest,
            None => return Ok((rest, ())),
        }
    }
}

/// The end of a statement: a comment, if any, and the end of the line or of the text.
pub(super) fn end(text: &str) -> Parsed<'_, ()> {
    let (rest, _) = opt(comment).parse(text)?;
    if rest.is_empty() {
        return Ok((rest, ()));
    }
    expect("the end of the line", value((), char('\n'))).parse(rest)
}

/// A keyword: these letters, and no more of a word behind them.
pub(super) fn keyword<'a>(word: &'static str) -> impl Parser<&'a str, Output = (), Error = Mismatch<'a>> {
    let name = format!("`{word}`");
    move |text: &'a str| {
        let whole = verify(take_while1(is_word), |found: &str| found == word);
        expect(&name, value((), terminated(whole, spaces))).parse(text)
    }
}

/// Punctuation.
pub(super) fn sign<'a>(sign: &'static str) -> impl Parser<&'a str, Output = (), Error = Mismatch<'a>> {
    let name = format!("`{sign}`");
    move |text: &'a str| expect(&name, value((), terminated(tag(sign), spaces))).parse(text)
}

/// Punctuation behind which a line may go on.
pub(super) fn open<'a>(text: &'static str) -> impl Parser<&'a str, Output = (), Error = Mismatch<'a>> {
    terminated(sign(text), gap)
}

/// `item { "," item }`; a line may go on behind a comma.
pub(super) fn list<'a, T>(
    mut item: impl Parser<&'a str, Output = T, Error = Mismatch<'a>>,
) -> impl Parser<&'a str, Output = Vec<T>, Error = Mismatch<'a>> {
    move |text: &'a str| {
        let (mut rest, first) = item.parse(text)?;
        let mut items = vec![first];
        while let (after, Some(())) = opt(open(",")).parse(rest)? {
            let (after, next) = item.parse(after)?;
            items.push(next);
            rest = after;
        }
        Ok((rest, items))
    }
}

/// A keyword and what must follow it: a mismatch behind the keyword is final.
pub(super) fn led<'a, T>(
    word: &'static str,
    parser: impl Parser<&'a str, Output = T, Error = Mismatch<'a>>,
) -> impl Parser<&'a str, Output = T, Error = Mismatch<'a>> {
    preceded(keyword(word), cut(parser))
}

/// A sign and what must follow it: a mismatch behind the sign is final.
pub(super) fn behind<'a, T>(
    text: &'static str,
    parser: impl Parser<&'a str, Output = T, Error = Mismatch<'a>>,
) -> impl Parser<&'a str, Output = T, Error = Mismatch<'a>> {
    preceded(sign(text), cut(parser))
}

fn escape(text: &str) -> Parsed<'_, char> {
    let unicode = map_opt(
        delimited(
            tag("u{"),
            take_while_m_n(1, 6, |c: char| c.is_ascii_hexdigit()),
            char('}'),
        ),
        |digits| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32),
    );
    let escaped = alt((
        value('"', char('"')),
        value('\\', char('\\')),
        value('\n', char('n')),
        value('\r', char('r')),
        value('\t', char('t')),
        unicode,
    ));
    preceded(
        char('\\'),
        expect("an escape: one of `\"`, `\\`, `n`, `r`, `t`, `u{…}`", escaped),
    )
    .parse(text)
}

/// Text in double quotes, on one line.
pub(super) fn quoted(text: &str) -> Parsed<'_, String> {
    let (mut rest, _) = char('"').parse(text)?;
    let mut content = String::new();
    let character = alt((escape, verify(anychar, |c| !matches!(c, '\n' | '\\'))));
    let mut character = cut(expect("the closing `\"`", character));
    loop {
        if let Some(after) = rest.strip_prefix('"') {
            return Ok((spaces(after)?.0, content));
        }
        let (after, c) = character.parse(rest)?;
        content.push(c);
        rest = after;
    }
}

fn bare<'a>(allowed: impl Fn(char) -> bool) -> impl Parser<&'a str, Output = String, Error = Mismatch<'a>> {
    let mut bare = terminated(take_while1(allowed), spaces);
    move |text: &'a str| bare.parse(text).map(|(rest, found)| (rest, found.to_owned()))
}

/// A name or a value.
pub(super) fn word<'a>(name: &str) -> impl Parser<&'a str, Output = String, Error = Mismatch<'a>> {
    expect(
        name,
        alt((quoted, verify(bare(is_word), |found: &str| starts_word(found)))),
    )
}

/// A label's key, and whether it was in quotes.
pub(super) fn key(text: &str) -> Parsed<'_, (String, bool)> {
    let plain = verify(bare(is_key), |found: &str| starts_word(found));
    expect(
        "a label's key",
        alt((
            quoted.map(|found| (found, true)),
            plain.map(|found| (found, false)),
        )),
    )
    .parse(text)
}

/// A port's name in a rule.
pub(super) fn port_name(text: &str) -> Parsed<'_, String> {
    let plain = verify(bare(is_word), |found: &str| {
        found.starts_with(|c: char| c.is_ascii_alphabetic())
    });
    expect("a port's name", alt((quoted, plain))).parse(text)
}

/// A decimal number that fits `T`.
pub(super) fn number<'a, T: FromStr>(name: &str) -> impl Parser<&'a str, Output = T, Error = Mismatch<'a>> {
    expect(
        name,
        terminated(map_opt(digit1, |digits: &str| digits.parse().ok()), spaces),
    )
}

fn is_address(c: char) -> bool {
    c.is_ascii_hexdigit() || matches!(c, ':' | '.')
}

/// An IPv4 or IPv6 address.
pub(super) fn address(text: &str) -> Parsed<'_, IpAddr> {
    let whole = map_opt(take_while1(|c| is_word(c) || c == ':'), |found: &str| {
        found.parse().ok()
    });
    expect("an address", terminated(whole, spaces)).parse(text)
}

/// An address block.
pub(super) fn cidr(text: &str) -> Parsed<'_, IpNet> {
    let whole = recognize((take_while1(is_address), char('/'), digit1));
    let block = map_opt(whole, |found: &str| found.parse().ok());
    expect("an address block", terminated(block, spaces)).parse(text)
}

/// `file [#document] : line : column [- [line :] column] [path]`
pub(super) fn origin(text: &str) -> Parsed<'_, Origin> {
    let (rest, file) = expect("a file's name", alt((quoted, bare(is_file)))).parse(text)?;
    let (rest, document) = opt(behind("#", number("a document's index"))).parse(rest)?;
    let (rest, line) = behind(":", number("a line")).parse(rest)?;
    let (rest, column) = behind(":", number("a column")).parse(rest)?;
    let (rest, end) = match opt(sign("-")).parse(rest)? {
        (rest, None) => (rest, (line, column)),
        (rest, Some(())) => {
            let (rest, first) = number("a line or a column").parse(rest)?;
            match opt(behind(":", number("a column"))).parse(rest)? {
                (rest, Some(end_column)) => (rest, (first, end_column)),
                (rest, None) => (rest, (line, first)),
            }
        }
    };
    let route = verify(bare(is_path), |found: &str| starts_word(found));
    let (rest, path) = opt(alt((quoted, route))).parse(rest)?;
    Ok((
        rest,
        Origin {
            file: file.into(),
            document: document.unwrap_or(0),
            line,
            column,
            end_line: end.0,
            end_column: end.1,
            path: path.unwrap_or_default().into(),
        },
    ))
}

/// How an origin is written.
pub(super) fn write_origin(origin: &Origin) -> String {
    let mut text = quote_file(&origin.file);
    if origin.document != 0 {
        text.push_str(&format!("#{}", origin.document));
    }
    text.push_str(&format!(":{}:{}", origin.line, origin.column));
    if origin.end_line != origin.line {
        text.push_str(&format!("-{}:{}", origin.end_line, origin.end_column));
    } else if origin.end_column != origin.column {
        text.push_str(&format!("-{}", origin.end_column));
    }
    if !origin.path.is_empty() {
        text.push(' ');
        text.push_str(&quote_path(&origin.path));
    }
    text
}
