//! What may pass, as a case writes it: rows are sources, columns destinations.

use ir::port::Protocol;
use std::collections::BTreeMap;

/// Everything that may pass from one party to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The pod itself: over loopback, whatever the policy.
    Itself,
    /// Every protocol and port.
    Everything,
    /// These alone; nothing when there are none.
    Ports(Vec<Ports>),
}

/// One item such as `80/TCP`, `70-81/UDP`, `*/ANY`, `icmp/8`, `icmp/*` or `other`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    protocols: Vec<Protocol>,
    first: u16,
    last: u16,
}

impl Ports {
    fn parse(name: &str, item: &str) -> Self {
        let number = |text: &str| -> u16 { text.parse().unwrap_or_else(|_| panic!("{name}: `{item}`")) };
        let messages = |protocol, of: &str| Self {
            protocols: vec![protocol],
            first: if of == "*" { 0 } else { number(of) },
            last: if of == "*" { 255 } else { number(of) },
        };
        if item == "other" {
            return Self {
                protocols: vec![Protocol::Other],
                first: 0,
                last: 0,
            };
        }
        let (left, right) = item.split_once('/').unwrap_or_else(|| panic!("{name}: `{item}`"));
        let protocols = match (left, right) {
            ("icmp", of) => return messages(Protocol::Icmp, of),
            ("icmpv6", of) => return messages(Protocol::Icmpv6, of),
            (_, "TCP") => vec![Protocol::Tcp],
            (_, "UDP") => vec![Protocol::Udp],
            (_, "SCTP") => vec![Protocol::Sctp],
            (_, "ANY") => Protocol::TRANSPORT.to_vec(),
            _ => panic!("{name}: `{item}`"),
        };
        let (first, last) = match left.split_once('-') {
            Some((first, last)) => (number(first), number(last)),
            None if left == "*" => (1, u16::MAX),
            None => (number(left), number(left)),
        };
        Self {
            protocols,
            first,
            last,
        }
    }
}

impl Cell {
    fn parse(name: &str, text: &str) -> Self {
        match text {
            "#" => Self::Itself,
            "." => Self::Everything,
            "-" => Self::Ports(Vec::new()),
            items => Self::Ports(
                items
                    .split_whitespace()
                    .map(|item| Ports::parse(name, item))
                    .collect(),
            ),
        }
    }

    /// Whether a flow may pass.
    pub(crate) fn allows(&self, protocol: Protocol, port: u16) -> bool {
        match self {
            Self::Itself | Self::Everything => true,
            Self::Ports(items) => items
                .iter()
                .any(|item| item.protocols.contains(&protocol) && item.first <= port && port <= item.last),
        }
    }

    /// Where its answer may change.
    pub(crate) fn edges(&self, protocol: Protocol) -> Vec<u16> {
        match self {
            Self::Itself | Self::Everything => Vec::new(),
            Self::Ports(items) => items
                .iter()
                .filter(|item| item.protocols.contains(&protocol))
                .flat_map(|item| [Some(item.first), item.last.checked_add(1)])
                .flatten()
                .collect(),
        }
    }
}

/// Every pair that a case speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) pairs: Vec<(String, String, Cell)>,
}

impl Table {
    /// `fill` gives the cells that a row of a grid fills.
    pub(crate) fn parse(name: &str, text: &str, fill: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut lines = text.lines();
        let columns: Vec<_> = lines.next().unwrap().split_whitespace().collect();
        let (legend, rows): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains(" = "));
        let legend: BTreeMap<_, _> = legend.iter().filter_map(|line| line.split_once(" = ")).collect();
        let mut pairs = Vec::new();
        for row in rows {
            let mut cells = row.split_whitespace();
            let source = cells.next().unwrap_or_else(|| panic!("{name}: an empty row"));
            let cells: Vec<_> = cells.collect();
            assert_eq!(cells.len(), columns.len(), "{name}: {row}");
            for (destination, cell) in columns.iter().zip(cells) {
                if cell == "~" {
                    continue;
                }
                let filled = fill(cell);
                let text = filled
                    .as_deref()
                    .unwrap_or_else(|| legend.get(cell).copied().unwrap_or(cell));
                let cell = Cell::parse(name, text.trim());
                assert_eq!(
                    cell == Cell::Itself,
                    source == *destination,
                    "{name}: `#` is a pod and itself"
                );
                pairs.push((source.to_owned(), (*destination).to_owned(), cell));
            }
        }
        Self { pairs }
    }
}
