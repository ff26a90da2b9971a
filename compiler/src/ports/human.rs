//! Port names for people: name by name, first who defines it, then who uses it.

use super::{Definition, PortName, Use, numbers_text, policy_text, role_word};
use crate::diagnostic::escape;
use std::collections::BTreeMap;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Destinations of one use that are shown.
const SHOWN: usize = 6;

/// Writes `names`.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, names: &BTreeMap<String, PortName>) -> io::Result<()> {
    for (name, entry) in names {
        let numbers: Vec<_> = entry
            .numbers()
            .into_iter()
            .map(|(protocol, numbers)| {
                let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
                format!("{} {protocol}", numbers.join(", "))
            })
            .collect();
        let means = if numbers.is_empty() {
            "nobody defines it".to_owned()
        } else {
            numbers.join("; ")
        };
        let collision = if entry.collides() {
            "  (several numbers)"
        } else {
            ""
        };
        line(out, &format!("{name}: {means}{collision}"))?;
        let definitions: Vec<_> = entry.definitions.iter().map(definition).collect();
        columns(out, &definitions)?;
        let uses: Vec<_> = entry.uses.iter().map(used).collect();
        columns(out, &uses)?;
        writeln!(out)?;
    }
    if names.is_empty() {
        writeln!(out, "no port has a name")?;
    }
    Ok(())
}

fn definition(definition: &Definition) -> Vec<String> {
    let mut remarks = Vec::new();
    if definition.role != ir::cluster::ContainerRole::Main {
        remarks.push(role_word(definition.role));
    }
    if definition.host_network {
        remarks.push("host network");
    }
    let remarks = match remarks.is_empty() {
        true => String::new(),
        false => format!(" ({})", remarks.join(", ")),
    };
    let pods = match definition.pods {
        1 => String::new(),
        pods => format!(" × {pods}"),
    };
    vec![
        format!("{}/{}", definition.number, definition.protocol),
        format!("{}{pods}", definition.owner()),
        format!("{}{remarks}", definition.container),
        definition.origin.brief().to_string(),
    ]
}

fn used(one: &Use) -> Vec<String> {
    let shown: Vec<_> = one
        .destinations
        .iter()
        .take(SHOWN)
        .map(|destination| {
            let pods = match destination.pods {
                1 => String::new(),
                pods => format!(" × {pods}"),
            };
            format!(
                "{} on {}{pods}",
                numbers_text(&destination.numbers),
                destination.pod
            )
        })
        .collect();
    let mut means = shown.join("; ");
    if means.is_empty() {
        means = "means nothing".to_owned();
    }
    match one.destinations.len().saturating_sub(SHOWN) {
        0 => {}
        more => means.push_str(&format!("; and {more} more")),
    }
    if one.without > 0 && !one.destinations.is_empty() {
        means.push_str(&format!("; nothing on {} more", one.without));
    }
    vec![
        format!("→ {} {}", one.action.as_str(), one.direction),
        policy_text(&one.policy),
        format!("{}  {means}", one.protocol),
        one.origin.brief().to_string(),
    ]
}

/// Rows indented, each column but the last padded to its widest cell.
fn columns(out: &mut dyn Write, rows: &[Vec<String>]) -> io::Result<()> {
    /// Cells longer than this push their own row to the right, and nobody else's.
    const WIDEST: usize = 48;
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = Some(cell.width()).filter(|width| *width <= WIDEST).unwrap_or(0);
            match widths.get_mut(column) {
                Some(widest) => *widest = (*widest).max(width),
                None => widths.push(width),
            }
        }
    }
    for row in rows {
        let mut text = String::from("  ");
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        line(out, text.trim_end())?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", escape::message(text))
}
