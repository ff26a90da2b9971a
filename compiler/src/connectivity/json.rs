//! Connections as JSON: `{"version": 1, "connections": […]}`.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed.

use super::exposure::{Exposure, json as exposure};
use super::{Connection, Peer, PortSet};
use serde::{Serialize, Serializer};
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    connections: Connections<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposure: Option<Vec<exposure::WireExposure<'a>>>,
}

/// One after the other: there may be millions, and as many would be held at once.
struct Connections<'a>(&'a [Connection]);

impl Serialize for Connections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(wire))
    }
}

#[derive(Serialize)]
struct WireConnection<'a> {
    src: WirePeer<'a>,
    dst: WirePeer<'a>,
    ports: Vec<WirePorts>,
}

/// An end.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum WirePeer<'a> {
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

/// A run of ports.
#[derive(Serialize)]
pub(crate) struct WirePorts {
    protocol: String,
    from: u16,
    to: u16,
}

/// Writes `connections`, exposure where it was asked for, and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(
    out: &mut dyn Write,
    connections: &[Connection],
    exposures: Option<&[Exposure]>,
) -> io::Result<()> {
    let report = Report {
        version: VERSION,
        connections: Connections(connections),
        exposure: exposures.map(exposure::wire),
    };
    crate::diagnostic::json::write_pretty(out, &report)
}

fn wire(connection: &Connection) -> WireConnection<'_> {
    WireConnection {
        src: wire_peer(&connection.source),
        dst: wire_peer(&connection.destination),
        ports: wire_ports(&connection.ports),
    }
}

/// Ports as they are written.
pub(crate) fn wire_ports(ports: &PortSet) -> Vec<WirePorts> {
    let ranges = ports.ranges().iter().map(|range| WirePorts {
        protocol: range.protocol.to_string(),
        from: range.first,
        to: range.last,
    });
    ranges.collect()
}

/// An end as it is written.
pub(crate) fn wire_peer(peer: &Peer) -> WirePeer<'_> {
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
