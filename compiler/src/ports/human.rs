//! Port names for people: name by name, first who defines it, then who uses it.

use super::{Definition, PortName, Use, numbers_text, policy_text, role_word};
use crate::diagnostic::human::Options;
use crate::diagnostic::{escape, wrap};
use ir::origin::Origin;
use std::collections::BTreeMap;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Destinations of one use that are shown.
const SHOWN: usize = 6;

/// What stands out: a name, the sign that it is several numbers, and where it is written.
struct Colors {
    name: &'static str,
    collision: &'static str,
    place: &'static str,
    reset: &'static str,
}

const COLORS: Colors = Colors {
    name: "\x1b[1m",
    collision: "\x1b[33;1m",
    place: "\x1b[36m",
    reset: "\x1b[0m",
};

const PLAIN: Colors = Colors {
    name: "",
    collision: "",
    place: "",
    reset: "",
};

/// Writes `names`.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, names: &BTreeMap<String, PortName>, options: Options) -> io::Result<()> {
    let colors = if options.color { COLORS } else { PLAIN };
    for (name, entry) in names {
        heading(out, name, entry, &colors)?;
        let mut definitions: Vec<&Definition> = entry.definitions.iter().collect();
        definitions.sort_by_key(|definition| (definition.protocol, definition.number));
        let definitions: Vec<_> = definitions.into_iter().map(definition).collect();
        columns(out, &definitions, options.width, &colors)?;
        let uses: Vec<_> = entry.uses.iter().map(used).collect();
        columns(out, &uses, options.width, &colors)?;
        writeln!(out)?;
    }
    if names.is_empty() {
        writeln!(out, "no port has a name")?;
    }
    Ok(())
}

/// `http: 80, 8080 TCP  ⚠ several numbers`
fn heading(out: &mut dyn Write, name: &str, entry: &PortName, colors: &Colors) -> io::Result<()> {
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
    let (name, reset) = (escape::message(name), colors.reset);
    write!(out, "{}{name}{reset}: {means}", colors.name)?;
    if entry.collides() {
        write!(out, "  {}⚠ several numbers{reset}", colors.collision)?;
    }
    writeln!(out)
}

/// Cells that stand in columns, and where all of it is written.
struct Row {
    cells: Vec<String>,
    place: String,
}

impl Row {
    fn new(cells: impl IntoIterator<Item = String>, origin: &Origin) -> Self {
        let safe = |text: String| escape::message(&text).into_owned();
        Self {
            cells: cells.into_iter().map(safe).collect(),
            place: safe(origin.brief().to_string()),
        }
    }
}

fn definition(definition: &Definition) -> Row {
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
    let cells = [
        format!("{}/{}", definition.number, definition.protocol),
        format!("{}{pods}", definition.owner()),
        format!("{}{remarks}", definition.container),
    ];
    Row::new(cells, &definition.origin)
}

fn used(one: &Use) -> Row {
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
    let cells = [
        format!("→ {} {}", one.action.as_str(), one.direction),
        policy_text(&one.policy),
        format!("{}  {means}", one.protocol),
    ];
    Row::new(cells, &one.origin)
}

/// Rows indented, each column padded to its widest cell. Where a row is too wide its place has a line of its own, and what
/// is still too wide is wrapped between words.
fn columns(out: &mut dyn Write, rows: &[Row], width: usize, colors: &Colors) -> io::Result<()> {
    /// Cells longer than this push their own row to the right, and nobody else's.
    const WIDEST: usize = 48;
    const INDENT: &str = "      ";
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.cells.iter().enumerate() {
            let width = Some(cell.width()).filter(|width| *width <= WIDEST).unwrap_or(0);
            match widths.get_mut(column) {
                Some(widest) => *widest = (*widest).max(width),
                None => widths.push(width),
            }
        }
    }
    let wrapping = wrap::to(width).subsequent_indent(INDENT);
    for Row { cells, place } in rows {
        let mut text = String::from("  ");
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        let shown = format!("{}{place}{}", colors.place, colors.reset);
        if text.width() + place.width() <= width {
            writeln!(out, "{text}{shown}")?;
            continue;
        }
        for line in textwrap::wrap(text.trim_end(), &wrapping) {
            writeln!(out, "{}", escape::commands(&line))?;
        }
        writeln!(out, "{INDENT}{shown}")?;
    }
    Ok(())
}
