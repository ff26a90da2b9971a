//! Verdicts: each row of a verdict table as a constant or as a row of a bit matrix.

use std::collections::BTreeMap;

use ir::port::Protocol;
use ir::table::VerdictTable;

use super::TablesError;
use super::columns::Columns;
use super::port_index::PortIndex;

/// The answer of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaf {
    /// Whoever the peer is: let through.
    Allow,
    /// Whoever the peer is: denied.
    Deny,
    /// The bit of the peer's column, in the matrix row at this offset of `.rodata`.
    Row(u32),
}

/// A row of the verdict table, as a program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Lowest port; the row ends where the next one begins.
    pub first: u16,
    /// The answer.
    pub leaf: Leaf,
    /// The row's position in [`VerdictTable::rows`].
    pub row: u32,
}

/// One table's rows by protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdicts {
    by_protocol: BTreeMap<Protocol, Vec<Entry>>,
    indices: BTreeMap<Protocol, PortIndex>,
}

impl Verdicts {
    /// The rows of `table`; the matrix grows by rows it does not have yet.
    ///
    /// # Errors
    /// [`TablesError::TooLarge`]
    pub fn of(table: &VerdictTable, columns: &Columns, matrix: &mut Matrix) -> Result<Self, TablesError> {
        let mut leaves = Vec::with_capacity(table.cells.len());
        for cells in &table.cells {
            let allowed: Vec<bool> = columns
                .examples()
                .iter()
                .map(|identity| cells.allowed.contains(*identity))
                .collect();
            leaves.push(matrix.leaf(&allowed)?);
        }
        let mut by_protocol: BTreeMap<Protocol, Vec<Entry>> = BTreeMap::new();
        for (row, number) in table.rows.iter().zip(0u32..) {
            // A row without cells cannot be; it would be denied.
            let leaf = leaves.get(row.cells).copied().unwrap_or(Leaf::Deny);
            by_protocol.entry(row.protocol).or_default().push(Entry {
                first: row.first,
                leaf,
                row: number,
            });
        }
        Ok(Self {
            by_protocol,
            indices: BTreeMap::new(),
        })
    }

    /// Gives each protocol with many rows an index at the end of `rodata`.
    ///
    /// # Errors
    /// [`TablesError::TooLarge`]
    pub fn index(&mut self, rodata: &mut Vec<u8>) -> Result<(), TablesError> {
        for (protocol, entries) in &self.by_protocol {
            if let Some(index) = PortIndex::build(entries, rodata)? {
                self.indices.insert(*protocol, index);
            }
        }
        Ok(())
    }

    /// The index of a protocol, where it has one.
    #[must_use]
    pub fn index_of(&self, protocol: Protocol) -> Option<&PortIndex> {
        self.indices.get(&protocol)
    }

    /// Whether some protocol has an index.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        !self.indices.is_empty()
    }

    /// The rows of a protocol, ascending by port.
    #[must_use]
    pub fn entries(&self, protocol: Protocol) -> &[Entry] {
        self.by_protocol.get(&protocol).map_or(&[], Vec::as_slice)
    }

    fn leaves(&self) -> impl Iterator<Item = Leaf> {
        self.by_protocol.values().flatten().map(|entry| entry.leaf)
    }

    /// Whether some answer depends on who the peer is.
    #[must_use]
    pub fn needs_column(&self) -> bool {
        self.leaves().any(|leaf| matches!(leaf, Leaf::Row(_)))
    }

    /// Whether everything is let through.
    #[must_use]
    pub fn allows_all(&self) -> bool {
        self.leaves().all(|leaf| leaf == Leaf::Allow)
    }

    /// Whether nothing is let through.
    #[must_use]
    pub fn denies_all(&self) -> bool {
        self.leaves().all(|leaf| leaf == Leaf::Deny)
    }
}

/// Rows of bits, each row once. Bit `column % 8` of byte `column / 8` says whether the column is let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Where the matrix begins in `.rodata`.
    start: u32,
    /// Bytes of a row.
    stride: usize,
    known: BTreeMap<Vec<u8>, u32>,
    bits: Vec<u8>,
}

impl Matrix {
    pub(super) fn new(columns: &Columns, start: u32) -> Self {
        Self {
            start,
            stride: usize::from(columns.count()) / 8 + 1,
            known: BTreeMap::new(),
            bits: Vec::new(),
        }
    }

    /// `allowed` goes from column 1 on.
    fn leaf(&mut self, allowed: &[bool]) -> Result<Leaf, TablesError> {
        // With no columns at all there is nobody to let through.
        if allowed.iter().all(|allowed| !allowed) {
            return Ok(Leaf::Deny);
        }
        if allowed.iter().all(|allowed| *allowed) {
            return Ok(Leaf::Allow);
        }
        let mut row = vec![0u8; self.stride];
        for (column, _) in (1usize..).zip(allowed).filter(|(_, allowed)| **allowed) {
            if let Some(byte) = row.get_mut(column / 8) {
                *byte |= 1 << (column % 8);
            }
        }
        if let Some(offset) = self.known.get(&row) {
            return Ok(Leaf::Row(*offset));
        }
        let limit = i32::MAX.cast_unsigned();
        let offset = u32::try_from(self.bits.len())
            .ok()
            .and_then(|length| self.start.checked_add(length))
            .filter(|offset| *offset <= limit)
            .ok_or(TablesError::TooLarge(limit))?;
        self.bits.extend(&row);
        self.known.insert(row, offset);
        Ok(Leaf::Row(offset))
    }

    /// The rows, one behind the other.
    #[must_use]
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Where it begins in `.rodata`.
    #[must_use]
    pub fn start(&self) -> u32 {
        self.start
    }

    /// Bytes of a row.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.known.len()
    }

    /// Offset of the last row in `.rodata`, the highest a [`Leaf::Row`] can have.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.known.values().copied().max().unwrap_or(self.start)
    }
}
