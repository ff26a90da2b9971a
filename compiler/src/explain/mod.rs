//! What a finding code means: `portcullis explain`, and `docs/rules`.
//!
//! A page is Markdown: the code and its name, one sentence, *What is wrong*, *Example* and *How to fix it*. A rule's
//! page is the doc comment of its own file in [`crate::lints`], so that the text cannot drift from the code beside it;
//! a code that reading or lowering raises has a file in `explain/pages`. `build.rs` gathers both.
//!
//! Examples are executable. The manifests of *Example* are checked by a test, and must raise the page's code; those of
//! *How to fix it* must not. Codes that are reserved for a rule to come have a page that says so.

pub mod rules;
pub mod terminal;
#[cfg(test)]
mod tests;

use crate::de::suggest;
use crate::diagnostic::code::{Entry, REGISTRY};
use crate::diagnostic::{Applicability, Code, Severity, json};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write;
use std::io;

/// By number.
const PAGES: &[(u16, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of a code, as Markdown.
#[must_use]
pub fn page(code: Code) -> Cow<'static, str> {
    match written(code) {
        Some(page) => Cow::Borrowed(page),
        None => Cow::Owned(reserved(code)),
    }
}

/// Whether nothing raises the code: it is kept for a rule to come.
#[must_use]
pub fn is_reserved(code: Code) -> bool {
    written(code).is_none()
}

fn written(code: Code) -> Option<&'static str> {
    let at = PAGES
        .binary_search_by_key(&code.number(), |(number, _)| *number)
        .ok()?;
    PAGES.get(at).map(|(_, page)| *page)
}

fn reserved(code: Code) -> String {
    let summary = code.entry().map_or("", |entry| entry.summary);
    format!(
        "# {code} {}\n\n{summary}\n\nThis code is reserved: no rule of this version raises it.\n",
        code.name()
    )
}

/// Every code on a line of its own: code, severity, what `--fix` does about it, name and what it says.
#[must_use]
pub fn list() -> String {
    let width = REGISTRY.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let mut list = String::new();
    for entry in REGISTRY {
        let Entry {
            code, name, summary, ..
        } = entry;
        let severity = severity_or_reserved(entry);
        let fix = fix_word(*code);
        // Writing to a string does not fail.
        let _ = writeln!(list, "{code}  {severity:8}  {fix:7}  {name:width$}  {summary}");
    }
    list
}

/// What `--fix` does about findings of a code at best.
fn fix_word(code: Code) -> &'static str {
    match code.fixable() {
        Some(Applicability::Safe) => "fix",
        Some(Applicability::Suggestion) => "suggest",
        None => "",
    }
}

#[derive(Serialize)]
struct Rules {
    version: u32,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    code: String,
    name: &'static str,
    severity: &'static str,
    reserved: bool,
    fix: Option<&'static str>,
    summary: &'static str,
}

/// [`list`] for programs: `docs/schemas/rules.v1.json`.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_list(out: &mut dyn io::Write) -> io::Result<()> {
    let rules = REGISTRY.iter().map(|entry| Rule {
        code: entry.code.to_string(),
        name: entry.name,
        severity: entry.severity.as_str(),
        reserved: is_reserved(entry.code),
        fix: entry.code.fixable().map(Applicability::as_str),
        summary: entry.summary,
    });
    let rules = rules.collect();
    json::write_pretty(out, &Rules { version: 1, rules })
}

fn severity_or_reserved(entry: &Entry) -> &'static str {
    if is_reserved(entry.code) {
        "reserved"
    } else {
        entry.severity.as_str()
    }
}

/// The codes that `text` may have meant, nearest first: by their names, by how these begin, or by their first digits.
#[must_use]
pub fn near(text: &str) -> Vec<String> {
    let names: Vec<_> = REGISTRY.iter().map(|entry| entry.name).collect();
    let mut near: Vec<String> = suggest::nearest(text, &names)
        .into_iter()
        .map(str::to_owned)
        .collect();
    if near.is_empty() {
        near.extend(suggest::beginning(text, &names).into_iter().map(str::to_owned));
    }
    if near.is_empty() {
        let codes: Vec<_> = REGISTRY.iter().map(|entry| entry.code.to_string()).collect();
        let codes: Vec<_> = codes.iter().map(String::as_str).collect();
        near.extend(suggest::beginning(text, &codes).into_iter().map(str::to_owned));
    }
    near
}

/// [`page`], with the code's level under the heading. The level is the registry's to say, so that pages do not repeat it.
#[must_use]
pub fn page_with_level(code: Code) -> String {
    let text = page(code);
    let Some(entry) = code.entry().filter(|_| !is_reserved(code)) else {
        return text.into_owned();
    };
    let (heading, rest) = text.split_once('\n').unwrap_or((&text, ""));
    format!(
        "{heading}\n\n*By default {}.*\n{rest}",
        default_severity(entry.severity)
    )
}

/// How the severity reads in a sentence about a code.
fn default_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "an error",
        Severity::Warning => "a warning",
        Severity::Note => "a note",
    }
}
