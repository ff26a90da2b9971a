//! Connections as the rows of a table, for CSV and Markdown.

use super::{Connection, Peer};
use crate::tabular::Table;

/// The table of connections: one row for each.
#[must_use]
pub fn table(connections: &[Connection]) -> Table<5> {
    Table {
        header: [
            "source",
            "source_kind",
            "destination",
            "destination_kind",
            "ports",
        ],
        rows: connections
            .iter()
            .map(|connection| {
                let [source, source_kind] = cells(&connection.source);
                let [destination, destination_kind] = cells(&connection.destination);
                let ports = connection.ports.to_string();
                [source, source_kind, destination, destination_kind, ports]
            })
            .collect(),
    }
}

/// Name and kind of an end.
#[must_use]
pub fn cells(peer: &Peer) -> [String; 2] {
    match peer {
        Peer::Workload {
            namespace,
            name,
            kind,
            host_network,
        } => {
            let host = if *host_network { " (host network)" } else { "" };
            [format!("{namespace}/{name}"), format!("{kind}{host}")]
        }
        Peer::Outside(blocks) => {
            let blocks: Vec<_> = blocks.iter().map(ToString::to_string).collect();
            [blocks.join(" "), "outside".to_owned()]
        }
    }
}
