//! The 512 bytes below `r10`, byte by byte: what was written, and which cells hold pointers.

use super::fault::FaultKind;
use super::value::{Region, Value};
use crate::insn::Size;

/// Bytes of stack of one program (`MAX_BPF_STACK`).
pub const STACK: usize = 512;
const CELL: usize = 8;

/// The stack of one run.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    bytes: [u8; STACK],
    written: [bool; STACK],
    /// A pointer or map stored in the 8 bytes of a cell; these bytes then do not count as written.
    spilled: [Option<Value>; STACK / CELL],
}

impl Stack {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; STACK],
            written: [false; STACK],
            spilled: [None; STACK / CELL],
        }
    }

    /// `len` bytes at `offset` from r10, checked for bounds; the first one's index.
    fn index(offset: i64, len: usize) -> Result<usize, FaultKind> {
        let outside = FaultKind::OutOfBounds {
            region: Region::Stack,
            offset,
            len,
            size: STACK,
        };
        let start = offset
            .checked_add(STACK as i64)
            .and_then(|s| usize::try_from(s).ok());
        match start {
            Some(start) if start.saturating_add(len) <= STACK => Ok(start),
            _ => Err(outside),
        }
    }

    fn aligned(offset: i64, len: usize) -> Result<usize, FaultKind> {
        let start = Self::index(offset, len)?;
        if start.is_multiple_of(len) {
            Ok(start)
        } else {
            Err(FaultKind::Misaligned {
                region: Region::Stack,
                offset,
                len,
            })
        }
    }

    /// Bytes that an instruction or a helper reads.
    pub(super) fn read(&self, offset: i64, len: usize) -> Result<&[u8], FaultKind> {
        let start = Self::index(offset, len)?;
        if self.cells(start, len).any(|cell| cell.is_some()) {
            return Err(FaultKind::PointerLeak {
                what: "the bytes of a pointer on the stack are read",
            });
        }
        let written = self.written.get(start..start + len).unwrap_or_default();
        if let Some(gap) = written.iter().position(|w| !w) {
            return Err(FaultKind::UninitialisedStack {
                offset: offset + gap as i64,
            });
        }
        Ok(self.bytes.get(start..start + len).unwrap_or_default())
    }

    /// Bytes that an instruction or a helper writes.
    pub(super) fn write(&mut self, offset: i64, data: &[u8]) -> Result<(), FaultKind> {
        let start = Self::index(offset, data.len())?;
        let end = start + data.len();
        if let Some(cells) = self.spilled.get_mut(start / CELL..end.div_ceil(CELL)) {
            cells.fill(None);
        }
        if let (Some(bytes), Some(written)) =
            (self.bytes.get_mut(start..end), self.written.get_mut(start..end))
        {
            bytes.copy_from_slice(data);
            written.fill(true);
        }
        Ok(())
    }

    fn cells(&self, start: usize, len: usize) -> impl Iterator<Item = &Option<Value>> {
        self.spilled
            .get(start / CELL..(start + len).div_ceil(CELL))
            .unwrap_or_default()
            .iter()
    }

    /// A load instruction.
    pub(super) fn load(&self, offset: i64, size: Size) -> Result<Value, FaultKind> {
        let len = usize::from(size.bytes());
        let start = Self::aligned(offset, len)?;
        if size == Size::DW
            && let Some(Some(value)) = self.spilled.get(start / CELL)
        {
            return Ok(*value);
        }
        Ok(Value::Number(little_endian(self.read(offset, len)?)))
    }

    /// A store instruction.
    pub(super) fn store(&mut self, offset: i64, size: Size, value: Value) -> Result<(), FaultKind> {
        let len = usize::from(size.bytes());
        let start = Self::aligned(offset, len)?;
        if let Value::Number(number) = value {
            return self.write(offset, number.to_le_bytes().get(..len).unwrap_or_default());
        }
        if size != Size::DW {
            return Err(FaultKind::PointerLeak {
                what: "a part of a pointer is stored",
            });
        }
        if let Some(written) = self.written.get_mut(start..start + len) {
            written.fill(false);
        }
        if let Some(cell) = self.spilled.get_mut(start / CELL) {
            *cell = Some(value);
        }
        Ok(())
    }
}

/// Up to 8 bytes as a number.
pub(super) fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
