//! Connections as a graph.

use super::{Connection, Peer};
use crate::graphviz::{Drawing, Edge, Node};
use std::io::{self, Write};

/// Writes `connections` as a graph, a frame around each namespace.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, connections: &[Connection]) -> io::Result<()> {
    drawing(connections).write(out)
}

/// The graph of connections.
#[must_use]
pub fn drawing(connections: &[Connection]) -> Drawing {
    let mut drawing = Drawing::default();
    for connection in connections {
        let edge = Edge {
            label: connection.ports.to_string(),
            look: "",
        };
        drawing.arrow(node(&connection.source), node(&connection.destination), edge);
    }
    drawing
}

/// How an end is drawn.
#[must_use]
pub fn node(peer: &Peer) -> Node {
    match peer {
        Peer::Workload {
            namespace,
            name,
            kind,
            host_network,
        } => {
            let host = if *host_network { ", host network" } else { "" };
            Node {
                namespace: Some(namespace.clone()),
                label: format!("{name}\n{kind}{host}"),
                look: "",
            }
        }
        Peer::Outside(blocks) => {
            let shown: Vec<_> = blocks.iter().take(BLOCKS).map(ToString::to_string).collect();
            let more = match blocks.len().saturating_sub(BLOCKS) {
                0 => String::new(),
                more => format!("\nand {more} more blocks"),
            };
            Node {
                namespace: None,
                label: format!("outside\n{}{more}", shown.join("\n")),
                look: "shape=ellipse",
            }
        }
    }
}

/// Blocks that are written into one end; a block of everything but a few is dozens.
const BLOCKS: usize = 8;
