//! A program ready to run: instructions and where each of them starts.

use crate::insn::{DecodeError, Insn, decode};

/// The relocated instructions of one program: map references are [`super::MapId`]s of the
/// machine that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Insn>,
    /// First slot of each instruction, ascending.
    starts: Vec<usize>,
}

impl Program {
    /// A program of these instructions. Nothing is checked here: what is wrong is reported by the
    /// run that comes upon it.
    #[must_use]
    pub fn new(instructions: Vec<Insn>) -> Self {
        let starts = instructions
            .iter()
            .scan(0, |next, insn| {
                let start = *next;
                *next += insn.slots();
                Some(start)
            })
            .collect();
        Self { instructions, starts }
    }

    /// A program from its wire form, already relocated.
    ///
    /// # Errors
    /// When the bytes are not instructions.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes).map(Self::new)
    }

    /// The instructions.
    #[must_use]
    pub fn instructions(&self) -> &[Insn] {
        &self.instructions
    }

    pub(super) fn get(&self, index: usize) -> Option<Insn> {
        self.instructions.get(index).copied()
    }

    /// The instruction `offset` slots behind the end of instruction `index`, or the slot that
    /// starts none.
    pub(super) fn target(&self, index: usize, offset: i32) -> Result<usize, i64> {
        let start = self.starts.get(index).copied().unwrap_or_default();
        let slot = i64::try_from(start)
            .unwrap_or(i64::MAX)
            .saturating_add(1 + i64::from(offset));
        usize::try_from(slot)
            .ok()
            .and_then(|s| self.starts.binary_search(&s).ok())
            .ok_or(slot)
    }
}
