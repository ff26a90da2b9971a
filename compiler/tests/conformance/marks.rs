//! Findings, as a case marks them: `#~ CODE text` at the end of the line where the finding's text begins.

use crate::case::{Case, FILE};
use libtest_mimic::Failed;
use portcullis_compiler::check::Understood;
use portcullis_compiler::source::Position;
use std::collections::BTreeSet;

/// Line, code, and the text that the finding points at (its first line).
type Mark = (u32, String, String);

/// Whether the findings are exactly those that are marked.
pub(crate) fn compare(case: &Case, read: &Understood) -> Result<(), Failed> {
    let marked: BTreeSet<Mark> = (1..)
        .zip(case.yaml.lines())
        .flat_map(|(line, text)| {
            text.split(" #~ ").skip(1).map(move |mark| {
                let (code, text) = mark.split_once(' ').unwrap_or((mark, ""));
                (line, code.to_owned(), text.trim().to_owned())
            })
        })
        .collect();
    let source = read.input.sources.by_name(FILE);
    let mut found = BTreeSet::new();
    for finding in &read.findings {
        let at = &finding.labels[0].origin;
        let offset = |line, column| {
            source
                .and_then(|source| source.offset(Position { line, column }))
                .unwrap_or(0) as usize
        };
        let (start, end) = (offset(at.line, at.column), offset(at.end_line, at.end_column));
        let text = source
            .and_then(|source| source.text().get(start..end))
            .unwrap_or("");
        let first = text.lines().next().unwrap_or("");
        let first = first.split(" #~ ").next().unwrap_or("").trim();
        found.insert((at.line, finding.code.to_string(), first.to_owned()));
    }
    if marked == found {
        return Ok(());
    }
    let list = |marks: Vec<&Mark>| -> String {
        marks
            .iter()
            .map(|(line, code, text)| format!("\n  line {line}: #~ {code} {text}"))
            .collect()
    };
    Err(format!(
        "marked and not found:{}\nfound and not marked:{}\n{}",
        list(marked.difference(&found).collect()),
        list(found.difference(&marked).collect()),
        read.findings
            .iter()
            .map(|finding| format!("{} {}\n", finding.code, finding.message))
            .collect::<String>(),
    )
    .into())
}
