//! Intervals: the column of every address that has no entry of its own.
//!
//! A few are found by a tree of jumps on constants. Many are stored in `.rodata` as two arrays, the first addresses (4
//! bytes each, or two 8-byte halves with the upper one first) and the columns (2 bytes each), both padded to a power of
//! two with the highest address and the last column, and searched by halving.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ir::identity::AddressMap;
use ir::identity::IdentityId;

use super::columns::Columns;
use super::exact::Shape;
use super::{TablesError, offset};

/// First address and column of each interval, ascending from 0; neighbours differ. Together they cover the family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervals {
    starts: Vec<(u128, u16)>,
    stored: Option<Stored>,
}

/// From this many intervals on, they are stored. A tree of 64 is six jumps deep.
pub const MIN_STORED: usize = 65;

/// Where stored intervals lie in `.rodata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The first addresses.
    pub addresses: u32,
    /// The columns.
    pub columns: u32,
    /// Base-2 logarithm of the length of both arrays.
    pub bits: u32,
}

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
            Some((0, _)) => Ok(Self {
                starts: intervals,
                stored: None,
            }),
            _ => Err(TablesError::NoIdentity(lowest)),
        }
    }

    /// Gives the lowest address a column of its own.
    pub(super) fn cut_lowest(&mut self, column: u16) {
        let rest = self.column(1);
        if self.starts.get(1).is_some_and(|(second, _)| *second == 1) {
            self.starts.remove(0);
        } else if let Some((first, _)) = self.starts.first_mut() {
            *first = 1;
        }
        if rest == column {
            self.starts.remove(0);
        }
        self.starts.insert(0, (0, column));
    }

    /// Stores them at the end of `rodata` where there are many.
    ///
    /// # Errors
    /// [`TablesError::TooLarge`]
    pub(super) fn store(&mut self, shape: Shape, rodata: &mut Vec<u8>) -> Result<(), TablesError> {
        let (Some((_, last)), true) = (self.starts.last(), self.starts.len() >= MIN_STORED) else {
            return Ok(());
        };
        let length = self.starts.len().next_power_of_two();
        let padding = std::iter::repeat_n((u128::MAX, *last), length - self.starts.len());
        let all = || self.starts.iter().copied().chain(padding.clone());
        rodata.resize(rodata.len().next_multiple_of(8), 0);
        let addresses = offset(rodata)?;
        for (first, _) in all() {
            match shape {
                Shape::V4 => rodata.extend((first as u32).to_le_bytes()),
                Shape::V6 => {
                    rodata.extend(((first >> 64) as u64).to_le_bytes());
                    rodata.extend((first as u64).to_le_bytes());
                }
            }
        }
        let columns = offset(rodata)?;
        for (_, column) in all() {
            rodata.extend(column.to_le_bytes());
        }
        self.stored = Some(Stored {
            addresses,
            columns,
            bits: length.trailing_zeros(),
        });
        Ok(())
    }

    /// Where they are stored, if they are.
    #[must_use]
    pub fn stored(&self) -> Option<Stored> {
        self.stored
    }

    /// First address and column of each.
    #[must_use]
    pub fn starts(&self) -> &[(u128, u16)] {
        &self.starts
    }

    /// The column of an address.
    #[must_use]
    pub fn column(&self, address: u128) -> u16 {
        let after = self.starts.partition_point(|(first, _)| *first <= address);
        self.starts
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
            let mut intervals = Intervals {
                starts: before,
                stored: None,
            };
            intervals.cut_lowest(column);
            assert_eq!(intervals.starts(), after);
        }
    }
}
