//! Connections as the rows of a table, for CSV and Markdown.

use super::exposure::{Entry, Exposure};
use super::{Connection, Peer};
use crate::tabular::Table;
use ir::policy::Direction;

/// The table of connections: one row for each, and one for each description of pods that could exist.
#[must_use]
pub fn table<'a>(
    connections: &'a [Connection],
    exposures: &'a [Exposure],
) -> Table<5, impl Iterator<Item = [String; 5]> + use<'a>> {
    let connected = connections.iter().map(|connection| {
        let [source, source_kind] = cells(&connection.source);
        let [destination, destination_kind] = cells(&connection.destination);
        let ports = connection.ports.to_string();
        [source, source_kind, destination, destination_kind, ports]
    });
    let exposed = exposures
        .iter()
        .flat_map(|exposure| exposure.pods.iter().map(move |entry| row(exposure, entry)));
    Table {
        header: [
            "source",
            "source_kind",
            "destination",
            "destination_kind",
            "ports",
        ],
        rows: connected.chain(exposed),
    }
}

fn row(exposure: &Exposure, entry: &Entry) -> [String; 5] {
    let [workload, kind] = cells(&exposure.workload);
    let (pods, what) = (entry.who.to_string(), "pods that could exist".to_owned());
    let ports = opening(entry);
    match exposure.direction {
        Direction::Ingress => [pods, what, workload, kind, ports],
        Direction::Egress => [workload, kind, pods, what, ports],
    }
}

/// What an entry opens, with its exceptions.
#[must_use]
pub fn opening(entry: &Entry) -> String {
    let except = entry
        .except
        .iter()
        .map(|(who, opening)| format!("; except {who}: {opening}"));
    format!("{}{}", entry.opening, except.collect::<String>())
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
