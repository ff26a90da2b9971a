//! What the pods of a finding call their ports, pod by pod, and what each engine makes of it.

use ir::cluster::{ContainerPort, Endpoint};
use ir::origin::Origin;
use std::collections::BTreeSet;
use std::fmt;
use unicode_width::UnicodeWidthStr;

/// The most rows that a finding holds. A cluster has thousands of pods behind one selector.
pub const MOST_ROWS: usize = 100;

/// The most rows that are shown to people.
const SHOWN: usize = 12;

/// The table of a finding about port names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedPorts {
    /// The rows, in the order of pods.
    pub rows: Vec<Row>,
    /// How many more there are.
    pub left_out: usize,
    /// What the finding rests on: the ports that are looked for, whichever pods have them. Those of rows that are left
    /// out are among them, and those that pods have instead are not.
    pub meanings: BTreeSet<Meaning>,
}

/// What a port name stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meaning {
    /// The name, if the port has one.
    pub name: Option<String>,
    /// The number.
    pub number: u16,
    /// The protocol.
    pub protocol: ir::port::Protocol,
}

/// `http=8080/TCP`
impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("");
        write!(f, "{name}={}/{}", self.number, self.protocol)
    }
}

/// One container port of a pod, or a pod that lacks what is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `namespace/name` of the pod; of several that are alike, the first.
    pub pod: String,
    /// How many pods of its workload are alike, itself included.
    pub pods: usize,
    /// The container port; `None` for a pod that has none to show.
    pub port: Option<PortCell>,
    /// Where the port (or the pod) is written.
    pub origin: Origin,
}

/// A container port in a [`Row`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortCell {
    /// The container's name.
    pub container: String,
    /// The port's name, if it has one.
    pub name: Option<String>,
    /// The number.
    pub number: u16,
    /// The protocol.
    pub protocol: ir::port::Protocol,
}

/// What each engine does with a rule, or on a pod, where they differ. Each a clause, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engines {
    /// By the text of the Kubernetes API.
    pub kubernetes: String,
    /// Cilium from 1.20.
    pub cilium_1_20: String,
    /// Cilium up to 1.19.
    pub cilium_1_19: String,
}

impl NamedPorts {
    /// Adds a container port that is looked for, of a pod which stands for `pods` of its workload that are alike.
    pub fn add(&mut self, pod: &Endpoint, pods: usize, port: &ContainerPort) {
        self.meanings.insert(Meaning {
            name: port.name.clone(),
            number: port.number,
            protocol: port.protocol,
        });
        self.add_instead(pod, pods, port);
    }

    /// Adds a container port of a pod that lacks what is looked for.
    pub fn add_instead(&mut self, pod: &Endpoint, pods: usize, port: &ContainerPort) {
        self.push(Row {
            pod: pod.to_string(),
            pods,
            port: Some(PortCell {
                container: port.container.clone(),
                name: port.name.clone(),
                number: port.number,
                protocol: port.protocol,
            }),
            origin: port.origin.clone(),
        });
    }

    /// Adds a pod without a port to show.
    pub fn add_without_port(&mut self, pod: &Endpoint, pods: usize) {
        self.push(Row {
            pod: pod.to_string(),
            pods,
            port: None,
            origin: pod.origin.clone(),
        });
    }

    /// Adds the rows of another table that are not in this one.
    pub fn take_in(&mut self, other: Self) {
        self.left_out = self.left_out.max(other.left_out);
        self.meanings.extend(other.meanings);
        for row in other.rows {
            if !self.rows.contains(&row) {
                self.push(row);
            }
        }
    }

    fn push(&mut self, row: Row) {
        if self.rows.len() < MOST_ROWS {
            self.rows.push(row);
        } else {
            self.left_out += 1;
        }
    }
}

/// The table and the engines as lines for people, each part followed by an empty one.
pub(crate) fn lines(table: &NamedPorts, engines: Option<&Engines>) -> Vec<String> {
    lines_calling(table, engines, Origin::clone)
}

/// The same, with other names for places.
pub(crate) fn lines_calling(
    table: &NamedPorts,
    engines: Option<&Engines>,
    called: impl Fn(&Origin) -> Origin,
) -> Vec<String> {
    let rows = table.rows.iter().take(SHOWN);
    let rows: Vec<Vec<String>> = rows.map(|row| cells(row, &called)).collect();
    let mut lines = aligned(&rows);
    let more = table.left_out + table.rows.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    if let Some(engines) = engines {
        lines.extend(engine_lines(engines));
        lines.push(String::new());
    }
    lines
}

/// One line for each engine; those that do the same share one.
fn engine_lines(engines: &Engines) -> Vec<String> {
    let mut groups: Vec<(Vec<&str>, &str)> = Vec::new();
    for (engine, does) in [
        ("Kubernetes", &engines.kubernetes),
        ("Cilium 1.20", &engines.cilium_1_20),
        ("Cilium ≤ 1.19", &engines.cilium_1_19),
    ] {
        match groups.iter_mut().find(|(_, same)| same == does) {
            Some((names, _)) => names.push(engine),
            None => groups.push((vec![engine], does)),
        }
    }
    groups
        .into_iter()
        .map(|(names, does)| format!("{}: {does}", names.join(", ")))
        .collect()
}

fn cells(row: &Row, called: impl Fn(&Origin) -> Origin) -> Vec<String> {
    let pod = match row.pods.saturating_sub(1) {
        0 => row.pod.clone(),
        more => format!("{} and {more} more", row.pod),
    };
    let place = called(&row.origin).brief().to_string();
    match &row.port {
        Some(port) => vec![
            pod,
            port.container.clone(),
            port.name.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{}/{}", port.number, port.protocol),
            place,
        ],
        None => vec![pod, "-".to_owned(), "-".to_owned(), "-".to_owned(), place],
    }
}

/// Columns padded to the width that a terminal gives them.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            match widths.get_mut(column) {
                Some(width) => *width = (*width).max(cell.width()),
                None => widths.push(cell.width()),
            }
        }
    }
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
            }
            line.trim_end().to_owned()
        })
        .collect()
}
