//! Which address has which column: the part of the tables that both programs of an endpoint share.

use std::net::IpAddr;

use ir::identity::AddressMap;
use ir::table::VerdictTable;

use super::columns::Columns;
use super::exact::{Exact, Shape};
use super::intervals::Intervals;
use super::{MAGIC, TablesError};

/// The columns of an endpoint's peers, and of every address.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Identities that neither table of the endpoint tells apart.
    pub(super) columns: Columns,
    /// Single IPv4 addresses.
    pub(super) exact_v4: Exact,
    /// Single IPv6 addresses.
    pub(super) exact_v6: Exact,
    /// All other IPv4 addresses; not stored yet.
    pub(super) intervals_v4: Intervals,
    /// All other IPv6 addresses; not stored yet.
    pub(super) intervals_v6: Intervals,
    /// How `.rodata` begins: [`MAGIC`] and the single addresses.
    pub(super) rodata: Vec<u8>,
}

impl Addresses {
    /// Of the endpoint whose tables these are, in any order.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub fn new(
        one: &VerdictTable,
        other: &VerdictTable,
        addresses: &AddressMap,
    ) -> Result<Self, TablesError> {
        let columns = Columns::of(one, other)?;
        let mut intervals_v4 = Intervals::v4(addresses, &columns)?;
        let mut intervals_v6 = Intervals::v6(addresses, &columns)?;
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for (address, identity) in &addresses.exact {
            let column = columns
                .of_identity(*identity)
                .ok_or(TablesError::NoIdentity(*address))?;
            let (keys, intervals, key) = match address {
                IpAddr::V4(address) => (&mut v4, &mut intervals_v4, u128::from(address.to_bits())),
                IpAddr::V6(address) => (&mut v6, &mut intervals_v6, address.to_bits()),
            };
            if intervals.column(key) == column {
                continue;
            }
            if key == 0 {
                // Empty slots of the hash table hold this key.
                intervals.cut_lowest(column);
            } else {
                keys.push((key, column));
            }
        }
        let mut rodata = MAGIC.to_vec();
        Ok(Self {
            exact_v4: Exact::build(Shape::V4, &v4, &mut rodata)?,
            exact_v6: Exact::build(Shape::V6, &v6, &mut rodata)?,
            columns,
            intervals_v4,
            intervals_v6,
            rodata,
        })
    }
}
