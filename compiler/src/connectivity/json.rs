//! Connections as JSON: `{"version": 1, "connections": […]}`.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed.

use super::{Connection, Peer};
use serde::Serialize;
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    connections: Vec<WireConnection<'a>>,
}

#[derive(Serialize)]
struct WireConnection<'a> {
    src: WirePeer<'a>,
    dst: WirePeer<'a>,
    ports: Vec<WirePorts>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WirePeer<'a> {
    Workload {
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        host_network: bool,
    },
    Outside {
        cidrs: Vec<String>,
    },
}

#[derive(Serialize)]
struct WirePorts {
    protocol: String,
    from: u16,
    to: u16,
}

/// Writes `connections` and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, connections: &[Connection]) -> io::Result<()> {
    let report = Report {
        version: VERSION,
        connections: connections.iter().map(wire).collect(),
    };
    crate::diagnostic::json::write_pretty(out, &report)
}

fn wire(connection: &Connection) -> WireConnection<'_> {
    WireConnection {
        src: wire_peer(&connection.source),
        dst: wire_peer(&connection.destination),
        ports: connection
            .ports
            .ranges()
            .iter()
            .map(|range| WirePorts {
                protocol: range.protocol.to_string(),
                from: range.first,
                to: range.last,
            })
            .collect(),
    }
}

fn wire_peer(peer: &Peer) -> WirePeer<'_> {
    match peer {
        Peer::Workload {
            namespace,
            name,
            kind,
            host_network,
        } => WirePeer::Workload {
            kind,
            namespace,
            name,
            host_network: *host_network,
        },
        Peer::Outside(blocks) => WirePeer::Outside {
            cidrs: blocks.iter().map(ToString::to_string).collect(),
        },
    }
}
