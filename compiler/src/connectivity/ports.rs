//! Sets of ports over the protocols that have ports.

use ir::port::Protocol;
use ir::table::VerdictTable;
use std::fmt;

/// The ports `first..=last` of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The protocol.
    pub protocol: Protocol,
    /// Lowest port, at least 1.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

/// Ports of TCP, UDP and SCTP: ranges that are sorted, disjoint and as long as they can be.
///
/// Port 0 is left out: nobody can connect to it, and the format's ports begin at 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSet {
    ranges: Vec<PortRange>,
}

impl PortSet {
    /// No port.
    pub const NONE: Self = Self { ranges: Vec::new() };

    /// The ports of the rows of a table whose cells are `wanted`, by their index.
    #[must_use]
    pub fn of_rows(table: &VerdictTable, wanted: impl Fn(usize) -> bool) -> Self {
        let ranges = table
            .rows
            .iter()
            .filter(|row| row.protocol.has_ports() && row.last > 0 && wanted(row.cells))
            .map(|row| PortRange {
                protocol: row.protocol,
                first: row.first.max(1),
                last: row.last,
            });
        Self::of_sorted(ranges)
    }

    /// Every port.
    #[must_use]
    pub fn everything() -> Self {
        let ranges = Protocol::TRANSPORT.map(|protocol| PortRange {
            protocol,
            first: 1,
            last: u16::MAX,
        });
        Self {
            ranges: ranges.into(),
        }
    }

    /// The ports `first..=last` of one protocol, without port 0.
    #[must_use]
    pub fn range(protocol: Protocol, first: u16, last: u16) -> Self {
        let first = first.max(1);
        if last < first {
            return Self::NONE;
        }
        Self {
            ranges: vec![PortRange {
                protocol,
                first,
                last,
            }],
        }
    }

    /// Joins neighbours. `ranges` are sorted and may touch or overlap.
    fn of_sorted(ranges: impl IntoIterator<Item = PortRange>) -> Self {
        let mut joined: Vec<PortRange> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last)
                    if last.protocol == range.protocol && range.first <= last.last.saturating_add(1) =>
                {
                    last.last = last.last.max(range.last);
                }
                _ => joined.push(range),
            }
        }
        Self { ranges: joined }
    }

    /// The ports in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let (mut left, mut right) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            if a.protocol == b.protocol && a.first <= b.last && b.first <= a.last {
                ranges.push(PortRange {
                    protocol: a.protocol,
                    first: a.first.max(b.first),
                    last: a.last.min(b.last),
                });
            }
            if (a.protocol, a.last) <= (b.protocol, b.last) {
                left.next();
            } else {
                right.next();
            }
        }
        Self { ranges }
    }

    /// The ports in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut ranges: Vec<_> = self.ranges.iter().chain(&other.ranges).copied().collect();
        ranges.sort_unstable();
        Self::of_sorted(ranges)
    }

    /// The ports of this set that are not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        for range in &self.ranges {
            // What is left of the range, from here up.
            let mut first = Some(range.first);
            for hole in other.ranges.iter().filter(|hole| hole.protocol == range.protocol) {
                match first {
                    Some(from) if hole.first <= range.last && hole.last >= from => {
                        if from < hole.first {
                            ranges.push(PortRange {
                                first: from,
                                last: hole.first - 1,
                                ..*range
                            });
                        }
                        first = hole.last.checked_add(1).filter(|next| *next <= range.last);
                    }
                    _ => {}
                }
            }
            if let Some(first) = first {
                ranges.push(PortRange { first, ..*range });
            }
        }
        Self { ranges }
    }

    /// Whether it holds any port of a protocol.
    #[must_use]
    pub fn speaks_of(&self, protocol: Protocol) -> bool {
        self.ranges.iter().any(|range| range.protocol == protocol)
    }

    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[PortRange] {
        &self.ranges
    }

    /// Whether it holds no port.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether it holds this port.
    #[must_use]
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.ranges
            .iter()
            .any(|range| range.protocol == protocol && (range.first..=range.last).contains(&port))
    }

    /// Whether it holds every port of every protocol.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.ranges.len() == Protocol::TRANSPORT.len()
            && self
                .ranges
                .iter()
                .all(|range| range.first == 1 && range.last == u16::MAX)
    }
}

/// `TCP 80, 8000-8999; UDP 53`, or `every port`.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("every port");
        }
        let mut before = None;
        for range in &self.ranges {
            match before {
                Some(protocol) if protocol == range.protocol => f.write_str(", ")?,
                Some(_) => write!(f, "; {} ", range.protocol)?,
                None => write!(f, "{} ", range.protocol)?,
            }
            before = Some(range.protocol);
            match (range.first, range.last) {
                (1, u16::MAX) => f.write_str("every port")?,
                (first, last) if first == last => write!(f, "{first}")?,
                (first, last) => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(ranges: &[(Protocol, u16, u16)]) -> PortSet {
        let mut ranges: Vec<_> = ranges
            .iter()
            .map(|&(protocol, a, b)| PortRange {
                protocol,
                first: a.min(b).max(1),
                last: a.max(b).max(1),
            })
            .collect();
        ranges.sort_unstable();
        PortSet::of_sorted(ranges)
    }

    fn ranges() -> impl Strategy<Value = Vec<(Protocol, u16, u16)>> {
        let near_an_end = prop_oneof![0u16..12, 65_525u16..=65_535];
        let one = (0usize..3, near_an_end.clone(), near_an_end);
        prop::collection::vec(one.prop_map(|(p, a, b)| (Protocol::TRANSPORT[p], a, b)), 0..6)
    }

    proptest! {
        #[test]
        fn sets_are_canonical_and_mean_what_their_operations_say(a in ranges(), b in ranges()) {
            let (a, b) = (set(&a), set(&b));
            let (both, either, rest) = (a.and(&b), a.or(&b), a.without(&b));
            for set in [&a, &b, &both, &either, &rest] {
                for pair in set.ranges().windows(2) {
                    prop_assert!(pair[0] < pair[1]);
                    prop_assert!(pair[0].protocol != pair[1].protocol || u32::from(pair[0].last) + 1 < u32::from(pair[1].first));
                }
            }
            for protocol in Protocol::TRANSPORT {
                for port in (1..15).chain(65_520..=65_535) {
                    let (x, y) = (a.contains(protocol, port), b.contains(protocol, port));
                    prop_assert_eq!(both.contains(protocol, port), x && y);
                    prop_assert_eq!(either.contains(protocol, port), x || y);
                    prop_assert_eq!(rest.contains(protocol, port), x && !y);
                }
            }
        }
    }

    #[test]
    fn sets_read_well() {
        use Protocol::{Sctp, Tcp, Udp};
        assert_eq!(
            set(&[(Tcp, 80, 80), (Tcp, 8000, 8999), (Udp, 53, 53)]).to_string(),
            "TCP 80, 8000-8999; UDP 53"
        );
        let all = [(Tcp, 1, 65535), (Udp, 1, 65535), (Sctp, 1, 65535)];
        assert_eq!(set(&all).to_string(), "every port");
        assert_eq!(set(&all[..1]).to_string(), "TCP every port");
    }
}
