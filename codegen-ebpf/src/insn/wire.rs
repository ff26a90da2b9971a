//! The bytes of an instruction: RFC 9669 §3, little-endian.

use thiserror::Error;

use super::{AluOp, AtomicOp, Condition, Endian, Imm64, Insn, Operand, Reg, SLOT, Size, Width};

/// Why bytes are not a program. `slot` counts 8-byte slots from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The length is not a multiple of a slot, or the second half of a 64-bit load is missing.
    #[error("the program ends in the middle of slot {slot}")]
    Truncated {
        /// The incomplete slot.
        slot: usize,
    },
    /// No instruction of [`Insn`] has this operation code with these fields.
    #[error("slot {slot}: unknown or reserved encoding {bytes:02x?}")]
    Unknown {
        /// Where.
        slot: usize,
        /// The slot's bytes.
        bytes: [u8; SLOT],
    },
}

// Instruction classes (RFC 9669 §3.3).
const LD: u8 = 0;
const LDX: u8 = 1;
const ST: u8 = 2;
const STX: u8 = 3;
const ALU: u8 = 4;
const JMP: u8 = 5;
const JMP32: u8 = 6;
const ALU64: u8 = 7;
// Source bit of arithmetic and jumps, modes of loads and stores.
const X: u8 = 0x08;
const MEM: u8 = 0x60;
const MEMSX: u8 = 0x80;
const ATOMIC: u8 = 0xc0;
const NEG: u8 = 0x80;
const END: u8 = 0xd0;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;
const IMM64: u8 = LD | 0x18;
const PSEUDO_MAP_FD: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;

/// The fields of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Slot {
    opcode: u8,
    dst: u8,
    src: u8,
    offset: i16,
    imm: i32,
}

impl Slot {
    fn to_bytes(self) -> [u8; SLOT] {
        let [o0, o1] = self.offset.to_le_bytes();
        let [i0, i1, i2, i3] = self.imm.to_le_bytes();
        [self.opcode, self.dst | self.src << 4, o0, o1, i0, i1, i2, i3]
    }

    fn from_bytes([opcode, regs, o0, o1, i0, i1, i2, i3]: [u8; SLOT]) -> Self {
        Self {
            opcode,
            dst: regs & 0xf,
            src: regs >> 4,
            offset: i16::from_le_bytes([o0, o1]),
            imm: i32::from_le_bytes([i0, i1, i2, i3]),
        }
    }
}

fn operand(src: Operand) -> (u8, u8, i32) {
    match src {
        Operand::Reg(reg) => (X, reg.number(), 0),
        Operand::Imm(imm) => (0, 0, imm),
    }
}

impl Insn {
    /// First slot, and the second one if there is one.
    fn to_slots(self) -> (Slot, Option<Slot>) {
        let zero = Slot::default();
        let one = match self {
            Self::Alu { width, op, dst, src } => {
                let (code, offset) = op.code();
                let (source, src, imm) = operand(src);
                Slot {
                    opcode: alu_class(width) | source | code,
                    dst: dst.number(),
                    src,
                    offset,
                    imm,
                }
            }
            Self::Neg { width, dst } => Slot {
                opcode: alu_class(width) | NEG,
                dst: dst.number(),
                ..zero
            },
            Self::MovSx {
                width,
                from,
                dst,
                src,
            } => Slot {
                opcode: alu_class(width) | X | AluOp::Mov.code().0,
                dst: dst.number(),
                src: src.number(),
                offset: i16::from(from.bytes()) * 8,
                imm: 0,
            },
            Self::Endian { op, size, dst } => {
                let opcode = match op {
                    Endian::ToLe => ALU | END,
                    Endian::ToBe => ALU | X | END,
                    Endian::Swap => ALU64 | END,
                };
                Slot {
                    opcode,
                    dst: dst.number(),
                    imm: i32::from(size.bytes()) * 8,
                    ..zero
                }
            }
            Self::Load {
                size,
                dst,
                base,
                offset,
            } => Slot {
                opcode: LDX | MEM | size.code(),
                dst: dst.number(),
                src: base.number(),
                offset,
                imm: 0,
            },
            Self::LoadSx {
                size,
                dst,
                base,
                offset,
            } => Slot {
                opcode: LDX | MEMSX | size.code(),
                dst: dst.number(),
                src: base.number(),
                offset,
                imm: 0,
            },
            Self::Store {
                size,
                base,
                offset,
                src,
            } => {
                let (class, src, imm) = match src {
                    Operand::Reg(reg) => (STX, reg.number(), 0),
                    Operand::Imm(imm) => (ST, 0, imm),
                };
                Slot {
                    opcode: class | MEM | size.code(),
                    dst: base.number(),
                    src,
                    offset,
                    imm,
                }
            }
            Self::Atomic {
                op,
                size,
                base,
                offset,
                src,
            } => Slot {
                opcode: STX | ATOMIC | size.code(),
                dst: base.number(),
                src: src.number(),
                offset,
                imm: op.code(),
            },
            Self::LoadImm64 { dst, value } => {
                let (src, low, high) = match value {
                    Imm64::Plain(n) => (0, n as i32, (n >> 32) as i32),
                    Imm64::Map(map) => (PSEUDO_MAP_FD, map, 0),
                    Imm64::MapValue { map, offset } => (PSEUDO_MAP_VALUE, map, offset.cast_signed()),
                };
                let first = Slot {
                    opcode: IMM64,
                    dst: dst.number(),
                    src,
                    offset: 0,
                    imm: low,
                };
                return (first, Some(Slot { imm: high, ..zero }));
            }
            Self::Jump {
                width,
                condition,
                dst,
                src,
                offset,
            } => {
                let (source, src, imm) = operand(src);
                let class = match width {
                    Width::W32 => JMP32,
                    Width::W64 => JMP,
                };
                Slot {
                    opcode: class | source | condition.code(),
                    dst: dst.number(),
                    src,
                    offset,
                    imm,
                }
            }
            Self::Goto { offset } => Slot {
                opcode: JMP,
                offset,
                ..zero
            },
            Self::GotoLong { offset } => Slot {
                opcode: JMP32,
                imm: offset,
                ..zero
            },
            Self::Call { helper } => Slot {
                opcode: JMP | CALL,
                imm: helper.cast_signed(),
                ..zero
            },
            Self::Exit => Slot {
                opcode: JMP | EXIT,
                ..zero
            },
        };
        (one, None)
    }

    /// The instruction in one slot; [`Insn::LoadImm64`] is not handled here.
    fn from_slot(slot: Slot) -> Option<Self> {
        let dst = Reg::from_number(slot.dst)?;
        let src = Reg::from_number(slot.src)?;
        let insn = match slot.opcode & 0x07 {
            ALU | ALU64 => arithmetic(slot, dst, src)?,
            JMP | JMP32 => jump(slot, dst, src)?,
            class => memory(slot, class, dst, src)?,
        };
        // Fields an instruction does not use must be zero: compare with its own encoding.
        (insn.to_slots() == (slot, None)).then_some(insn)
    }
}

const fn alu_class(width: Width) -> u8 {
    match width {
        Width::W32 => ALU,
        Width::W64 => ALU64,
    }
}

fn source_operand(slot: Slot, src: Reg) -> Operand {
    if slot.opcode & X == 0 {
        Operand::Imm(slot.imm)
    } else {
        Operand::Reg(src)
    }
}

fn arithmetic(slot: Slot, dst: Reg, src: Reg) -> Option<Insn> {
    let width = if slot.opcode & 0x07 == ALU {
        Width::W32
    } else {
        Width::W64
    };
    let code = slot.opcode & 0xf0;
    if code == NEG {
        return Some(Insn::Neg { width, dst });
    }
    if code == END {
        let op = match (width, slot.opcode & X) {
            (Width::W32, 0) => Endian::ToLe,
            (Width::W32, _) => Endian::ToBe,
            (Width::W64, _) => Endian::Swap,
        };
        let size = match slot.imm {
            16 => Size::H,
            32 => Size::W,
            64 => Size::DW,
            _ => return None,
        };
        return Some(Insn::Endian { op, size, dst });
    }
    if code == AluOp::Mov.code().0 && slot.opcode & X != 0 && slot.offset != 0 {
        let from = match (slot.offset, width) {
            (8, _) => Size::B,
            (16, _) => Size::H,
            (32, Width::W64) => Size::W,
            _ => return None,
        };
        return Some(Insn::MovSx {
            width,
            from,
            dst,
            src,
        });
    }
    let op = AluOp::ALL
        .into_iter()
        .find(|op| op.code() == (code, slot.offset))?;
    Some(Insn::Alu {
        width,
        op,
        dst,
        src: source_operand(slot, src),
    })
}

fn jump(slot: Slot, dst: Reg, src: Reg) -> Option<Insn> {
    let width = if slot.opcode & 0x07 == JMP32 {
        Width::W32
    } else {
        Width::W64
    };
    let code = slot.opcode & 0xf0;
    Some(match (width, code) {
        (Width::W64, 0) => Insn::Goto { offset: slot.offset },
        (Width::W32, 0) => Insn::GotoLong { offset: slot.imm },
        (Width::W64, CALL) => Insn::Call {
            helper: slot.imm.cast_unsigned(),
        },
        (Width::W64, EXIT) => Insn::Exit,
        _ => {
            let condition = Condition::ALL.into_iter().find(|c| c.code() == code)?;
            Insn::Jump {
                width,
                condition,
                dst,
                src: source_operand(slot, src),
                offset: slot.offset,
            }
        }
    })
}

fn memory(slot: Slot, class: u8, dst: Reg, src: Reg) -> Option<Insn> {
    let size = Size::from_code(slot.opcode);
    let offset = slot.offset;
    Some(match (class, slot.opcode & 0xe0) {
        (LDX, MEM) => Insn::Load {
            size,
            dst,
            base: src,
            offset,
        },
        (LDX, MEMSX) if size != Size::DW => Insn::LoadSx {
            size,
            dst,
            base: src,
            offset,
        },
        (ST, MEM) => Insn::Store {
            size,
            base: dst,
            offset,
            src: Operand::Imm(slot.imm),
        },
        (STX, MEM) => Insn::Store {
            size,
            base: dst,
            offset,
            src: Operand::Reg(src),
        },
        (STX, ATOMIC) if matches!(size, Size::W | Size::DW) => {
            let op = AtomicOp::ALL.into_iter().find(|op| op.code() == slot.imm)?;
            Insn::Atomic {
                op,
                size,
                base: dst,
                offset,
                src,
            }
        }
        _ => return None,
    })
}

fn wide(first: Slot, second: Slot) -> Option<Insn> {
    let dst = Reg::from_number(first.dst)?;
    let value = match first.src {
        0 => {
            let (low, high) = (first.imm.cast_unsigned(), second.imm.cast_unsigned());
            Imm64::Plain(u64::from(high) << 32 | u64::from(low))
        }
        PSEUDO_MAP_FD => Imm64::Map(first.imm),
        PSEUDO_MAP_VALUE => Imm64::MapValue {
            map: first.imm,
            offset: second.imm.cast_unsigned(),
        },
        _ => return None,
    };
    let insn = Insn::LoadImm64 { dst, value };
    (insn.to_slots() == (first, Some(second))).then_some(insn)
}

/// The wire form of a program, 8 bytes to a slot.
#[must_use]
pub fn encode(program: &[Insn]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.iter().map(Insn::slots).sum::<usize>() * SLOT);
    for insn in program {
        let (first, second) = insn.to_slots();
        bytes.extend(first.to_bytes());
        if let Some(second) = second {
            bytes.extend(second.to_bytes());
        }
    }
    bytes
}

/// The program whose [`encode`]d form is `bytes`.
///
/// # Errors
/// [`DecodeError::Truncated`] for an incomplete slot or pair of slots, [`DecodeError::Unknown`]
/// for anything that no [`Insn`] encodes to. Jump targets are not checked.
pub fn decode(bytes: &[u8]) -> Result<Vec<Insn>, DecodeError> {
    let (slots, rest) = bytes.as_chunks::<SLOT>();
    if !rest.is_empty() {
        return Err(DecodeError::Truncated { slot: slots.len() });
    }
    let mut program = Vec::with_capacity(slots.len());
    let mut slots = slots.iter().enumerate();
    while let Some((slot, &bytes)) = slots.next() {
        let first = Slot::from_bytes(bytes);
        let insn = if first.opcode == IMM64 {
            let (_, &second) = slots.next().ok_or(DecodeError::Truncated { slot: slot + 1 })?;
            wide(first, Slot::from_bytes(second))
        } else {
            Insn::from_slot(first)
        };
        program.push(insn.ok_or(DecodeError::Unknown { slot, bytes })?);
    }
    Ok(program)
}

#[cfg(test)]
mod tests;
