//! Intervals: the column of every address that has no entry of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ir::address_map::AddressMap;
use ir::identity::IdentityId;

use super::TablesError;
use super::columns::Columns;

/// First address and column of each interval, ascending from 0; neighbours differ. Together they cover the family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervals(Vec<(u128, u16)>);

impl Intervals {
    /// The IPv4 intervals.
    ///
    /// # Errors
    /// [`TablesError::NoIdentity`] where the map does not cover the family.
    pub fn v4(addresses: &AddressMap, columns: &Columns) -> Result<Self, TablesError> {
        let starts = addresses
            .v4
            .iter()
            .map(|(first, identity)| (u128::from(first.to_bits()), IpAddr::V4(*first), *identity));
        Self::new(starts, IpAddr::V4(Ipv4Addr::UNSPECIFIED), columns)
    }

    /// The IPv6 intervals.
    ///
    /// # Errors
    /// [`TablesError::NoIdentity`] where the map does not cover the family.
    pub fn v6(addresses: &AddressMap, columns: &Columns) -> Result<Self, TablesError> {
        let starts = addresses
            .v6
            .iter()
            .map(|(first, identity)| (first.to_bits(), IpAddr::V6(*first), *identity));
        Self::new(starts, IpAddr::V6(Ipv6Addr::UNSPECIFIED), columns)
    }

    fn new(
        starts: impl Iterator<Item = (u128, IpAddr, IdentityId)>,
        lowest: IpAddr,
        columns: &Columns,
    ) -> Result<Self, TablesError> {
        let mut intervals: Vec<(u128, u16)> = Vec::new();
        for (first, address, identity) in starts {
            let column = columns
                .of_identity(identity)
                .ok_or(TablesError::NoIdentity(address))?;
            if intervals.last().is_none_or(|(_, last)| *last != column) {
                intervals.push((first, column));
            }
        }
        match intervals.first() {
            Some((0, _)) => Ok(Self(intervals)),
            _ => Err(TablesError::NoIdentity(lowest)),
        }
    }

    /// Gives the lowest address a column of its own.
    pub(super) fn cut_lowest(&mut self, column: u16) {
        let rest = self.column(1);
        if self.0.get(1).is_some_and(|(second, _)| *second == 1) {
            self.0.remove(0);
        } else if let Some((first, _)) = self.0.first_mut() {
            *first = 1;
        }
        if rest == column {
            self.0.remove(0);
        }
        self.0.insert(0, (0, column));
    }

    /// First address and column of each.
    #[must_use]
    pub fn starts(&self) -> &[(u128, u16)] {
        &self.0
    }

    /// The column of an address.
    #[must_use]
    pub fn column(&self, address: u128) -> u16 {
        let after = self.0.partition_point(|(first, _)| *first <= address);
        self.0
            .get(after.saturating_sub(1))
            .map_or(0, |(_, column)| *column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_address_can_be_cut_off() {
        for (before, column, after) in [
            (vec![(0, 1)], 2, vec![(0, 2), (1, 1)]),
            (vec![(0, 1), (1, 2), (9, 1)], 2, vec![(0, 2), (9, 1)]),
            (vec![(0, 1), (1, 2), (9, 1)], 3, vec![(0, 3), (1, 2), (9, 1)]),
            (vec![(0, 1), (9, 2)], 2, vec![(0, 2), (1, 1), (9, 2)]),
        ] {
            let mut intervals = Intervals(before);
            intervals.cut_lowest(column);
            assert_eq!(intervals, Intervals(after));
        }
    }
}
