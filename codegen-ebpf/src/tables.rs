//! The policy as read-only data: what lies in an object's `.rodata`, and what its program's constants are.
//!
//! Input: the verdict tables of both directions and the address map. Output: a [`Plan`].
//!
//! [`columns`] joins identities that neither table tells apart; [`verdicts`] turns rows into constants or rows of a
//! bit matrix; [`addresses`], by [`intervals`] and [`exact`], says which address has which column. Layout of `.rodata`, in this order:
//!
//! | part | contents |
//! |---|---|
//! | magic | 8 bytes, so that no table lies at offset 0 |
//! | IPv4 addresses | hash table, see [`exact`] |
//! | IPv6 addresses | likewise |
//! | matrix | one bit for each column, row behind row |
//! | IPv4 intervals | where there are many, see [`intervals`] |
//! | IPv6 intervals | likewise |
//! | port indices | of protocols with many rows, see [`port_index`]: the own direction's, then the opposite's |
//!
//! Columns are numbered from 1. 0 marks an empty slot of a hash table; besides, the kernel's verifier follows a
//! stored zero exactly, and would walk what comes after a lookup once more for it.

pub mod addresses;
pub mod columns;
pub mod exact;
pub mod intervals;
pub mod port_index;
pub mod verdicts;

use std::net::IpAddr;

use ir::table::VerdictTable;
use thiserror::Error;

use addresses::Addresses;
use exact::Exact;
use intervals::Intervals;
use verdicts::{Matrix, Verdicts};

/// First bytes of `.rodata`.
pub const MAGIC: [u8; 8] = *b"portcul1";

/// Why tables cannot be laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TablesError {
    /// Columns are 16-bit numbers.
    #[error("{0} classes of peers are told apart; one program can hold {max}", max = columns::MAX)]
    TooManyColumns(usize),
    /// No hash function spreads these addresses.
    #[error("no hash table of at most {buckets} buckets holds {addresses} addresses")]
    NoTable {
        /// How many addresses.
        addresses: usize,
        /// How large a table was tried.
        buckets: usize,
    },
    /// The address map covers less than the whole address space.
    #[error("the address map has no identity for {0}")]
    NoIdentity(IpAddr),
    /// The tables outgrow 32-bit offsets.
    #[error("the tables take more than {0} bytes")]
    TooLarge(u32),
}

/// Everything a program's code is generated from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many columns there are, numbered from 1.
    pub columns: u16,
    /// Verdicts of the program's own direction.
    pub own: Verdicts,
    /// Verdicts of the opposite direction, asked when a packet may be a reply.
    pub opposite: Verdicts,
    /// The rows that `own` and `opposite` refer to.
    pub matrix: Matrix,
    /// Single IPv4 addresses.
    pub exact_v4: Exact,
    /// Single IPv6 addresses.
    pub exact_v6: Exact,
    /// All other IPv4 addresses.
    pub intervals_v4: Intervals,
    /// All other IPv6 addresses.
    pub intervals_v6: Intervals,
    /// The contents of `.rodata`; empty when the program needs none.
    pub rodata: Vec<u8>,
}

impl Plan {
    /// Lays out the tables for a program that enforces `own`; `opposite` is the same endpoint's other direction, and
    /// `addresses` what both of its programs say of addresses.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub fn new(
        own: &VerdictTable,
        opposite: &VerdictTable,
        addresses: &Addresses,
    ) -> Result<Self, TablesError> {
        let columns = &addresses.columns;
        let mut rodata = addresses.rodata.clone();
        let mut intervals_v4 = addresses.intervals_v4.clone();
        let mut intervals_v6 = addresses.intervals_v6.clone();
        let mut matrix = Matrix::new(columns, offset(&rodata)?);
        let mut own = Verdicts::of(own, columns, &mut matrix)?;
        let mut opposite = Verdicts::of(opposite, columns, &mut matrix)?;
        rodata.extend(matrix.bits());
        intervals_v4.store(exact::Shape::V4, &mut rodata)?;
        intervals_v6.store(exact::Shape::V6, &mut rodata)?;
        own.index(&mut rodata)?;
        opposite.index(&mut rodata)?;
        offset(&rodata)?;
        let mut plan = Self {
            columns: columns.count(),
            own,
            opposite,
            matrix,
            exact_v4: addresses.exact_v4.clone(),
            exact_v6: addresses.exact_v6.clone(),
            intervals_v4,
            intervals_v6,
            rodata,
        };
        if !plan.needs_column() && !plan.own.is_indexed() && !plan.opposite.is_indexed() {
            plan.rodata.clear();
            plan.exact_v4 = Exact::none(exact::Shape::V4);
            plan.exact_v6 = Exact::none(exact::Shape::V6);
            plan.matrix = Matrix::new(columns, 0);
        }
        Ok(plan)
    }

    /// Whether the program asks who the peer is. The opposite direction's verdict is asked only of what the own one
    /// denies.
    #[must_use]
    pub fn needs_column(&self) -> bool {
        self.own.needs_column() || !self.own.allows_all() && self.opposite.needs_column()
    }
}

/// The present end of the tables.
fn offset(rodata: &[u8]) -> Result<u32, TablesError> {
    let limit = i32::MAX.cast_unsigned();
    u32::try_from(rodata.len())
        .ok()
        .filter(|offset| *offset <= limit)
        .ok_or(TablesError::TooLarge(limit))
}
