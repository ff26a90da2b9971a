//! Connections as a graph.

use super::exposure::Exposure;
use super::{Connection, Peer, rows};
use crate::graphviz::{Drawing, Edge, Node};
use ir::policy::Direction;
use std::io::{self, Write};

/// Writes `connections` as a graph, a frame around each namespace; pods that could exist with dashed lines.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, connections: &[Connection], exposures: &[Exposure]) -> io::Result<()> {
    let mut drawing = Drawing::default();
    for connection in connections {
        let edge = Edge {
            label: connection.ports.to_string(),
            look: "",
        };
        drawing.arrow(node(&connection.source), node(&connection.destination), edge);
    }
    for exposure in exposures {
        for entry in &exposure.pods {
            let pods = Node {
                namespace: None,
                label: entry.who.to_string(),
                look: "shape=ellipse style=dashed",
            };
            let edge = Edge {
                label: rows::opening(entry),
                look: "style=dashed",
            };
            let workload = node(&exposure.workload);
            match exposure.direction {
                Direction::Ingress => drawing.arrow(pods, workload, edge),
                Direction::Egress => drawing.arrow(workload, pods, edge),
            }
        }
    }
    drawing.write(out)
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
