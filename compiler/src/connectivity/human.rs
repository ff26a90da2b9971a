//! Connections for people: by source, one line for each destination.

use super::{Connection, Peer};
use crate::diagnostic::escape;
use std::io::{self, Write};

/// Writes `connections`, which are sorted.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, connections: &[Connection]) -> io::Result<()> {
    let width = connections
        .iter()
        .map(|connection| unicode_width::UnicodeWidthStr::width(name(&connection.destination).as_str()))
        .filter(|width| *width <= WIDEST)
        .max()
        .unwrap_or(0);
    let mut before: Option<&Peer> = None;
    for connection in connections {
        if before != Some(&connection.source) {
            if before.is_some() {
                writeln!(out)?;
            }
            writeln!(out, "{}", name(&connection.source))?;
            before = Some(&connection.source);
        }
        let destination = name(&connection.destination);
        let gap = width.saturating_sub(unicode_width::UnicodeWidthStr::width(destination.as_str()));
        writeln!(out, "  → {destination}{:gap$}  {}", "", connection.ports)?;
    }
    if connections.is_empty() {
        writeln!(out, "nothing can talk to anything")?;
    }
    Ok(())
}

/// Names longer than this push their own ports to the right, and nobody else's.
const WIDEST: usize = 60;

fn name(peer: &Peer) -> String {
    escape::message(&peer.to_string()).into_owned()
}
