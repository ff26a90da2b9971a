//! What is shown for the word under the cursor: the numbers of a port name, the pods of a selector.

use super::analysis::Analysis;
use super::cursor::Cursor;
use super::selected::{self, Selected};
use crate::diagnostic::escape;
use crate::ports::{self, Definition, PortName, Use};
use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Position};
use std::collections::BTreeMap;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Rows of a table, before the rest is counted.
const ROWS: usize = 12;

/// What to show at a position, if anything.
pub(super) fn hover(analysis: &Analysis, file: &str, at: Position) -> Option<Hover> {
    let cursor = Cursor::at(analysis, file, at)?;
    let value = used_name(analysis, &cursor)
        .or_else(|| defined_name(analysis, &cursor))
        .or_else(|| selected::selected(analysis, &cursor).map(|selected| pods(&selected)))?;
    Some(Hover {
        contents: HoverContents::Markup(MarkupContent {
            kind: MarkupKind::Markdown,
            value,
        }),
        range: Some(cursor.range()),
    })
}

/// The uses of a name that are written at the cursor.
pub(super) fn uses_at<'a>(analysis: &'a Analysis, cursor: &Cursor<'_>) -> Vec<(&'a str, &'a Use)> {
    let mut found = Vec::new();
    for (name, port) in analysis.names() {
        let uses = port.uses.iter().filter(|one| cursor.inside(&one.origin));
        found.extend(uses.map(|one| (name.as_str(), one)));
    }
    found
}

/// The definitions of a name that are written at the cursor.
pub(super) fn definitions_at<'a>(
    analysis: &'a Analysis,
    cursor: &Cursor<'_>,
) -> Vec<(&'a str, &'a PortName, &'a Definition)> {
    let mut found = Vec::new();
    for (name, port) in analysis.names() {
        let definitions = port.definitions.iter();
        let here = definitions.filter(|definition| cursor.inside(&definition.origin));
        found.extend(here.map(|definition| (name.as_str(), port, definition)));
    }
    found
}

/// What a rule's port name means, by destination.
fn used_name(analysis: &Analysis, cursor: &Cursor<'_>) -> Option<String> {
    let uses = uses_at(analysis, cursor);
    let (name, first) = uses.first()?;
    let mut text = String::new();
    let action = first.action;
    let policy = ports::policy_text(&first.policy);
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "Port name {} of {}: {} {action}, {}\n",
        code(name),
        plain(&policy),
        first.direction,
        first.protocol
    );
    let mut rows = BTreeMap::new();
    let mut without = 0;
    for (_, one) in &uses {
        without = without.max(one.without);
        for destination in &one.destinations {
            rows.insert(
                &destination.pod,
                (destination.pods, ports::numbers_text(&destination.numbers)),
            );
        }
    }
    if rows.is_empty() {
        let _ = writeln!(text, "No pod that the rule reaches defines it.");
    } else {
        let shown = rows.iter().take(ROWS);
        let shown = shown.map(|(pod, (pods, numbers))| [plain(pod) + &alike(*pods), plain(numbers)]);
        table(&mut text, ["pod", "number"], shown);
        more(&mut text, rows.len());
    }
    if without > 0 && !rows.is_empty() {
        let _ = writeln!(
            text,
            "\nOn {} that the rule reaches it means nothing.",
            counted(without, "pod")
        );
    }
    Some(text)
}

/// Who defines the name of a container port, and who uses it.
fn defined_name(analysis: &Analysis, cursor: &Cursor<'_>) -> Option<String> {
    let definitions = definitions_at(analysis, cursor);
    let (name, port, _) = definitions.first()?;
    let mut text = String::new();
    let _ = writeln!(text, "Port name {}\n", code(name));
    let shown = port.definitions.iter().take(ROWS).map(|definition| {
        [
            plain(&definition.owner()) + &alike(definition.pods),
            format!("{}/{}", definition.number, definition.protocol),
        ]
    });
    table(&mut text, ["defined by", "number"], shown);
    more(&mut text, port.definitions.len());
    let _ = match port.uses.len() {
        0 => writeln!(text, "\nNo rule uses it."),
        uses => writeln!(
            text,
            "\n{} it.",
            match uses {
                1 => "1 rule uses".to_owned(),
                _ => format!("{uses} rules use"),
            }
        ),
    };
    Some(text)
}

fn pods(selected: &Selected<'_>) -> String {
    let mut text = format!("{} {}", selected.what, counted(selected.pods.len(), "pod"));
    if selected.pods.is_empty() {
        text.push('.');
        return text;
    }
    text.push_str(":\n\n");
    // Pods of one workload are alike.
    let mut workloads: BTreeMap<String, usize> = BTreeMap::new();
    for pod in &selected.pods {
        let workload = &pod.workload;
        let owner = format!("{} {}/{}", workload.kind, pod.namespace, workload.name);
        *workloads.entry(owner).or_default() += 1;
    }
    for (workload, pods) in workloads.iter().take(ROWS) {
        let _ = writeln!(text, "- {}{}", plain(workload), alike(*pods));
    }
    more(&mut text, workloads.len());
    text
}

/// A table whose columns are padded, as some editors show it as it is written.
fn table(text: &mut String, head: [&str; 2], rows: impl Iterator<Item = [String; 2]>) {
    let rows: Vec<[String; 2]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let left = rows.iter().map(|[cell, _]| cell.width()).max().unwrap_or(0);
    let right = rows.iter().map(|[_, cell]| cell.width()).max().unwrap_or(0);
    let padded = |cell: &str, width: usize| cell.to_owned() + &" ".repeat(width.saturating_sub(cell.width()));
    for (at, [one, other]) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} | {} |", padded(one, left), padded(other, right));
        if at == 0 {
            let _ = writeln!(text, "| {} | {} |", "-".repeat(left), "-".repeat(right));
        }
    }
}

fn more(text: &mut String, rows: usize) {
    if rows > ROWS {
        let _ = writeln!(text, "\nand {} more", rows - ROWS);
    }
}

fn alike(pods: usize) -> String {
    match pods {
        0 | 1 => String::new(),
        _ => format!(" ({pods} pods)"),
    }
}

fn counted(number: usize, one: &str) -> String {
    match number {
        0 => format!("no {one}"),
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// Text from manifests is no markup: editors make links and pictures of it.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in escape::message(text).chars() {
        match c {
            '\n' => safe.push(' '),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '(' | ')' | '#' | '!' | '|'
            | '~' | '&' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

fn code(text: &str) -> String {
    format!("**{}**", plain(text))
}
