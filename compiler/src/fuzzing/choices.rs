//! Bytes as choices.

/// Choices, each made by a byte. When there are none left, every choice is the first: a short input is a plain one.
#[derive(Clone, Debug)]
pub(super) struct Choices<'b> {
    bytes: std::slice::Iter<'b, u8>,
    /// Whether what is written now may hold slips.
    pub(super) careless: bool,
}

impl<'b> Choices<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes: bytes.iter(),
            careless: false,
        }
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }

    /// A number below `bound`; 0 where there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()).checked_rem(bound).unwrap_or(0)
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// [`Self::chance`] of a slip, where there may be any; no choice is made where there may not.
    pub(super) fn slip(&mut self, of_256: u8) -> bool {
        self.careless && self.chance(of_256)
    }

    /// True for `of_256` bytes of 256, never for 0.
    pub(super) fn chance(&mut self, of_256: u8) -> bool {
        self.byte() > u8::MAX - of_256
    }
}
