//! One eBPF instruction as a value, and its wire form.
//!
//! The shapes are those of RFC 9669 as Linux 6.6 and later accept them for a `SCHED_CLS` program.
//! [`encode`] and [`decode`] are inverse to each other: `decode` refuses every byte string that
//! `encode` would not produce (reserved fields must be zero), so nothing hidden survives a
//! round trip. What an instruction *does* to values is in [`crate::semantics`].
//!
//! Deliberately absent: the legacy packet loads (`LD_ABS`, `LD_IND`), calls between programs and
//! of kernel functions, `may_goto`, load-acquire and store-release. `decode` reports them as
//! unknown; a checker built on this type therefore refuses what it does not understand.
//!
//! Byte order is little-endian (`bpfel`), the only one the project emits.

mod wire;

pub use wire::{DecodeError, decode, encode};

/// Bytes of one instruction slot on the wire.
pub const SLOT: usize = 8;

/// A register. `r0` holds results, `r1`–`r5` are arguments and are lost by a call, `r6`–`r9`
/// survive calls, `r10` is the read-only frame pointer (RFC 9669 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reg {
    /// Result of calls and of the program.
    R0 = 0,
    /// First argument; the context on entry.
    R1 = 1,
    /// Second argument.
    R2 = 2,
    /// Third argument.
    R3 = 3,
    /// Fourth argument.
    R4 = 4,
    /// Fifth argument.
    R5 = 5,
    /// Preserved across calls.
    R6 = 6,
    /// Preserved across calls.
    R7 = 7,
    /// Preserved across calls.
    R8 = 8,
    /// Preserved across calls.
    R9 = 9,
    /// Frame pointer, read-only.
    R10 = 10,
}

impl Reg {
    /// All registers in order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::R0,
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R7,
        Self::R8,
        Self::R9,
        Self::R10,
    ];

    /// The register's number, 0 to 10.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The register with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl std::fmt::Display for Reg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "r{}", self.number())
    }
}

/// Whether an operation works on whole registers or on their low halves. A 32-bit operation
/// clears the upper half of its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// The low 32 bits (`ALU`, `JMP32`).
    W32,
    /// All 64 bits (`ALU64`, `JMP`).
    W64,
}

/// Bytes moved by a load or store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// One byte.
    B,
    /// Two bytes.
    H,
    /// Four bytes.
    W,
    /// Eight bytes.
    DW,
}

impl Size {
    /// How many bytes: 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> u8 {
        match self {
            Self::B => 1,
            Self::H => 2,
            Self::W => 4,
            Self::DW => 8,
        }
    }

    /// How many bits: 8, 16, 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.bytes() as u32 * 8
    }

    const fn code(self) -> u8 {
        match self {
            Self::W => 0x00,
            Self::H => 0x08,
            Self::B => 0x10,
            Self::DW => 0x18,
        }
    }

    const fn from_code(opcode: u8) -> Self {
        match opcode & 0x18 {
            0x00 => Self::W,
            0x08 => Self::H,
            0x10 => Self::B,
            _ => Self::DW,
        }
    }
}

/// The second operand: a register, or a constant that 64-bit operations sign-extend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operand {
    /// The value of a register.
    Reg(Reg),
    /// A 32-bit constant.
    Imm(i32),
}

impl From<Reg> for Operand {
    fn from(reg: Reg) -> Self {
        Self::Reg(reg)
    }
}

impl From<i32> for Operand {
    fn from(imm: i32) -> Self {
        Self::Imm(imm)
    }
}

/// Arithmetic with two operands (RFC 9669 §4.1, table 4), except sign-extending moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AluOp {
    /// `dst += src`
    Add,
    /// `dst -= src`
    Sub,
    /// `dst *= src`
    Mul,
    /// Unsigned `dst /= src`; 0 when `src` is 0.
    Div,
    /// Signed `dst /= src`, rounding towards zero; 0 when `src` is 0.
    SDiv,
    /// `dst |= src`
    Or,
    /// `dst &= src`
    And,
    /// `dst <<= src`, the count taken modulo the width.
    Lsh,
    /// Logical `dst >>= src`, the count taken modulo the width.
    Rsh,
    /// Unsigned `dst %= src`; `dst` (truncated to the width) when `src` is 0.
    Mod,
    /// Signed `dst %= src` with the sign of `dst`; `dst` (truncated) when `src` is 0.
    SMod,
    /// `dst ^= src`
    Xor,
    /// `dst = src`
    Mov,
    /// Arithmetic `dst >>= src`, the count taken modulo the width.
    Arsh,
}

impl AluOp {
    /// All operations, in order of their codes.
    pub const ALL: [Self; 14] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::SDiv,
        Self::Or,
        Self::And,
        Self::Lsh,
        Self::Rsh,
        Self::Mod,
        Self::SMod,
        Self::Xor,
        Self::Mov,
        Self::Arsh,
    ];

    /// Operation code and the `offset` field that tells signed division apart.
    const fn code(self) -> (u8, i16) {
        match self {
            Self::Add => (0x00, 0),
            Self::Sub => (0x10, 0),
            Self::Mul => (0x20, 0),
            Self::Div => (0x30, 0),
            Self::SDiv => (0x30, 1),
            Self::Or => (0x40, 0),
            Self::And => (0x50, 0),
            Self::Lsh => (0x60, 0),
            Self::Rsh => (0x70, 0),
            Self::Mod => (0x90, 0),
            Self::SMod => (0x90, 1),
            Self::Xor => (0xa0, 0),
            Self::Mov => (0xb0, 0),
            Self::Arsh => (0xc0, 0),
        }
    }
}

/// What a byte-order instruction does to the low bits of its register; higher bits become 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endian {
    /// Host to little-endian: on `bpfel` a truncation.
    ToLe,
    /// Host to big-endian: on `bpfel` a reversal of the bytes.
    ToBe,
    /// Unconditional reversal of the bytes (`bswap`).
    Swap,
}

/// The condition of a jump (RFC 9669 §4.3, table 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// `dst == src`
    Eq,
    /// `dst > src`, unsigned
    Gt,
    /// `dst >= src`, unsigned
    Ge,
    /// `dst & src` is not 0
    Set,
    /// `dst != src`
    Ne,
    /// `dst > src`, signed
    SGt,
    /// `dst >= src`, signed
    SGe,
    /// `dst < src`, unsigned
    Lt,
    /// `dst <= src`, unsigned
    Le,
    /// `dst < src`, signed
    SLt,
    /// `dst <= src`, signed
    SLe,
}

impl Condition {
    /// All conditions, in order of their codes.
    pub const ALL: [Self; 11] = [
        Self::Eq,
        Self::Gt,
        Self::Ge,
        Self::Set,
        Self::Ne,
        Self::SGt,
        Self::SGe,
        Self::Lt,
        Self::Le,
        Self::SLt,
        Self::SLe,
    ];

    /// The condition that holds exactly when this one does not; none for [`Condition::Set`].
    #[must_use]
    pub const fn negated(self) -> Option<Self> {
        Some(match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Gt => Self::Le,
            Self::Le => Self::Gt,
            Self::Ge => Self::Lt,
            Self::Lt => Self::Ge,
            Self::SGt => Self::SLe,
            Self::SLe => Self::SGt,
            Self::SGe => Self::SLt,
            Self::SLt => Self::SGe,
            Self::Set => return None,
        })
    }

    const fn code(self) -> u8 {
        match self {
            Self::Eq => 0x10,
            Self::Gt => 0x20,
            Self::Ge => 0x30,
            Self::Set => 0x40,
            Self::Ne => 0x50,
            Self::SGt => 0x60,
            Self::SGe => 0x70,
            Self::Lt => 0xa0,
            Self::Le => 0xb0,
            Self::SLt => 0xc0,
            Self::SLe => 0xd0,
        }
    }
}

/// A read-modify-write operation on memory (RFC 9669 §5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AtomicOp {
    /// `*p += src`; with `fetch`, `src` becomes the old value.
    Add {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// `*p |= src`; with `fetch`, `src` becomes the old value.
    Or {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// `*p &= src`; with `fetch`, `src` becomes the old value.
    And {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// `*p ^= src`; with `fetch`, `src` becomes the old value.
    Xor {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// Swap `src` and `*p`.
    Exchange,
    /// If `*p == r0` then `*p = src`; `r0` becomes the old value either way.
    CompareExchange,
}

impl AtomicOp {
    /// All operations, with and without `fetch`.
    pub const ALL: [Self; 10] = [
        Self::Add { fetch: false },
        Self::Add { fetch: true },
        Self::Or { fetch: false },
        Self::Or { fetch: true },
        Self::And { fetch: false },
        Self::And { fetch: true },
        Self::Xor { fetch: false },
        Self::Xor { fetch: true },
        Self::Exchange,
        Self::CompareExchange,
    ];

    const fn code(self) -> i32 {
        match self {
            Self::Add { fetch } => fetch as i32,
            Self::Or { fetch } => 0x40 | fetch as i32,
            Self::And { fetch } => 0x50 | fetch as i32,
            Self::Xor { fetch } => 0xa0 | fetch as i32,
            Self::Exchange => 0xe1,
            Self::CompareExchange => 0xf1,
        }
    }
}

/// What a two-slot load puts into its register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Imm64 {
    /// A plain number.
    Plain(u64),
    /// A map, by file descriptor (before relocation: whatever the writer put there).
    Map(i32),
    /// An address inside the value of a single-element array map.
    MapValue {
        /// The map's file descriptor.
        map: i32,
        /// Bytes from the start of the value.
        offset: u32,
    },
}

/// One instruction. Jump offsets count slots from the end of the jump, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Insn {
    /// Arithmetic; see [`AluOp`].
    Alu {
        /// On whole registers or low halves.
        width: Width,
        /// Which operation.
        op: AluOp,
        /// First operand and result.
        dst: Reg,
        /// Second operand.
        src: Operand,
    },
    /// `dst = -dst`
    Neg {
        /// On the whole register or its low half.
        width: Width,
        /// Operand and result.
        dst: Reg,
    },
    /// `dst = src`, sign-extended from the low `from` bytes to `width`. `from` is narrower than
    /// `width`.
    MovSx {
        /// To 32 bits (upper half cleared) or 64.
        width: Width,
        /// The narrow size.
        from: Size,
        /// Result.
        dst: Reg,
        /// Operand.
        src: Reg,
    },
    /// Byte order; see [`Endian`]. `size` is H, W or DW.
    Endian {
        /// Which conversion.
        op: Endian,
        /// How many of the low bytes are converted.
        size: Size,
        /// Operand and result.
        dst: Reg,
    },
    /// `dst = *(size *)(base + offset)`, zero-extended.
    Load {
        /// Bytes read.
        size: Size,
        /// Result.
        dst: Reg,
        /// Pointer.
        base: Reg,
        /// Bytes added to the pointer.
        offset: i16,
    },
    /// `dst = *(signed size *)(base + offset)`, sign-extended to 64 bits. `size` is B, H or W.
    LoadSx {
        /// Bytes read.
        size: Size,
        /// Result.
        dst: Reg,
        /// Pointer.
        base: Reg,
        /// Bytes added to the pointer.
        offset: i16,
    },
    /// `*(size *)(base + offset) = src`
    Store {
        /// Bytes written.
        size: Size,
        /// Pointer.
        base: Reg,
        /// Bytes added to the pointer.
        offset: i16,
        /// What is written; a constant is sign-extended.
        src: Operand,
    },
    /// Read-modify-write of `*(size *)(base + offset)`; see [`AtomicOp`]. `size` is W or DW.
    Atomic {
        /// Which operation.
        op: AtomicOp,
        /// Bytes changed.
        size: Size,
        /// Pointer.
        base: Reg,
        /// Bytes added to the pointer.
        offset: i16,
        /// Operand, and where a fetching operation leaves the old value.
        src: Reg,
    },
    /// `dst = value`; takes two slots.
    LoadImm64 {
        /// Result.
        dst: Reg,
        /// Number, map or address.
        value: Imm64,
    },
    /// Jump by `offset` slots when the condition holds.
    Jump {
        /// Compare whole registers or low halves.
        width: Width,
        /// Which condition.
        condition: Condition,
        /// Left side.
        dst: Reg,
        /// Right side.
        src: Operand,
        /// Slots from the following instruction.
        offset: i16,
    },
    /// Jump by `offset` slots (`ja`).
    Goto {
        /// Slots from the following instruction.
        offset: i16,
    },
    /// Jump by `offset` slots (`gotol`, Linux 6.6 and later).
    GotoLong {
        /// Slots from the following instruction.
        offset: i32,
    },
    /// Call a helper by its number.
    Call {
        /// `enum bpf_func_id`.
        helper: u32,
    },
    /// Return `r0`.
    Exit,
}

impl Insn {
    /// Slots taken: 2 for [`Insn::LoadImm64`], else 1.
    #[must_use]
    pub const fn slots(&self) -> usize {
        match self {
            Self::LoadImm64 { .. } => 2,
            _ => 1,
        }
    }

    /// The offset of a jump, in slots from the following instruction; none for other instructions.
    #[must_use]
    pub const fn jump_offset(&self) -> Option<i32> {
        match self {
            Self::Jump { offset, .. } | Self::Goto { offset } => Some(*offset as i32),
            Self::GotoLong { offset } => Some(*offset),
            _ => None,
        }
    }
}
