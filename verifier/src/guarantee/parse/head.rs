//! What stands before the sentence: how much it matters, and its name.

use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::combinator::{fail, opt};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::{Mismatch, Parsed, blanks, is_word, keyword, shortened, sign, wrong};
use crate::guarantee::syntax::{Severity, Spanned};

/// The words that begin a sentence.
const FORMS: [&str; 4] = ["never", "always", "only", "isolated"];

/// `error`, `warning` or `note`. With a colon behind it, such a word is the guarantee's name.
///
/// Any other word before a sentence is most often one of these in another spelling.
pub(super) fn severity(text: &str) -> Parsed<'_, Severity> {
    let (after, word) = take_while1(is_word).parse(text)?;
    let (rest, _) = blanks(after)?;
    let is_head = word == "guarantee" || FORMS.contains(&word) || rest.starts_with(':');
    let severity = match word {
        _ if is_head => None,
        "error" => Some(Severity::Error),
        "warning" => Some(Severity::Warning),
        "note" => Some(Severity::Note),
        _ if begins(rest) => {
            let message = format!("`{}` says nothing before a guarantee", shortened(word));
            let help = "a severity is `error`, `warning` or `note`; a name is one word and ends in `:`";
            return wrong(text, after, message, Some(help));
        }
        _ => None,
    };
    match severity {
        Some(severity) => Ok((rest, severity)),
        None => fail().parse(text),
    }
}

/// Whether a sentence begins here, with a name or without.
fn begins(text: &str) -> bool {
    let form = alt((
        keyword("never"),
        keyword("always"),
        keyword("only"),
        keyword("isolated"),
    ));
    let begun: IResult<_, _, Mismatch<'_>> = preceded(opt(named(0, text)), form).parse(text);
    begun.is_ok()
}

/// `name ":"`, with `guarantee` before it if the writer likes.
pub(super) fn named<'a>(
    start: usize,
    sentence: &'a str,
) -> impl Parser<&'a str, Output = Spanned<String>, Error = Mismatch<'a>> {
    move |text: &'a str| {
        let (text, _) = opt(keyword("guarantee")).parse(text)?;
        let (rest, name) = take_while1(is_word).parse(text)?;
        let at = start + (sentence.len() - text.len());
        let (rest, _) = blanks(rest)?;
        let (rest, ()) = sign(":").parse(rest)?;
        let name = Spanned {
            value: name.to_owned(),
            span: at..at + name.len(),
        };
        Ok((rest, name))
    }
}
