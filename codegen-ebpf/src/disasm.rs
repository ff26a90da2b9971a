//! Instructions as text, in the style of llvm-objdump and bpftool, optionally below the policy lines they come from.

use std::fmt;

use crate::elf::LoadedProgram;
use crate::insn::{AluOp, AtomicOp, Condition, Endian, Imm64, Insn, Operand, Reg, Size, Width};

/// A register under the name that says its width: `r3`, or `w3` for its low half.
struct Named(Width, Reg);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.0 {
            Width::W32 => 'w',
            Width::W64 => 'r',
        };
        write!(f, "{letter}{}", self.1.number())
    }
}

/// The second operand: a register of the same width, or a number.
struct Second(Width, Operand);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Operand::Reg(reg) => Named(self.0, reg).fmt(f),
            // Port numbers and the like read best in decimal, masks and addresses in hexadecimal.
            Operand::Imm(number @ -0x1_0000..=0x1_0000) => write!(f, "{number}"),
            Operand::Imm(number) => write!(f, "{number:#x}"),
        }
    }
}

/// `*(u32 *)(r1 + 76)`
struct Place(&'static str, Reg, i16);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.2 < 0 { '-' } else { '+' };
        write!(f, "*({} *)({} {sign} {})", self.0, self.1, self.2.unsigned_abs())
    }
}

fn unsigned(size: Size) -> &'static str {
    match size {
        Size::B => "u8",
        Size::H => "u16",
        Size::W => "u32",
        Size::DW => "u64",
    }
}

fn signed(size: Size) -> &'static str {
    match size {
        Size::B => "s8",
        Size::H => "s16",
        Size::W => "s32",
        Size::DW => "s64",
    }
}

fn assignment(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div => "/=",
        AluOp::SDiv => "s/=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Mod => "%=",
        AluOp::SMod => "s%=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
        AluOp::Arsh => "s>>=",
    }
}

fn comparison(condition: Condition) -> &'static str {
    match condition {
        Condition::Eq => "==",
        Condition::Gt => ">",
        Condition::Ge => ">=",
        Condition::Set => "&",
        Condition::Ne => "!=",
        Condition::SGt => "s>",
        Condition::SGe => "s>=",
        Condition::Lt => "<",
        Condition::Le => "<=",
        Condition::SLt => "s<",
        Condition::SLe => "s<=",
    }
}

/// The helpers that programs here call; others are shown by number.
fn helper(number: u32) -> Option<&'static str> {
    Some(match number {
        1 => "map_lookup_elem",
        2 => "map_update_elem",
        3 => "map_delete_elem",
        39 => "skb_pull_data",
        130 => "ringbuf_output",
        160 => "ktime_get_coarse_ns",
        _ => return None,
    })
}

/// One instruction as text.
impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Alu { width, op, dst, src } => {
                write!(
                    f,
                    "{} {} {}",
                    Named(width, dst),
                    assignment(op),
                    Second(width, src)
                )
            }
            Self::Neg { width, dst } => write!(f, "{0} = -{0}", Named(width, dst)),
            Self::MovSx {
                width,
                from,
                dst,
                src,
            } => write!(
                f,
                "{} = ({}){}",
                Named(width, dst),
                signed(from),
                Named(width, src)
            ),
            Self::Endian { op, size, dst } => {
                let name = match op {
                    Endian::ToLe => "le",
                    Endian::ToBe => "be",
                    Endian::Swap => "bswap",
                };
                write!(f, "{dst} = {name}{} {dst}", size.bits())
            }
            Self::Load {
                size,
                dst,
                base,
                offset,
            } => write!(f, "{dst} = {}", Place(unsigned(size), base, offset)),
            Self::LoadSx {
                size,
                dst,
                base,
                offset,
            } => write!(f, "{dst} = {}", Place(signed(size), base, offset)),
            Self::Store {
                size,
                base,
                offset,
                src,
            } => write!(
                f,
                "{} = {}",
                Place(unsigned(size), base, offset),
                Second(Width::W64, src)
            ),
            Self::Atomic {
                op,
                size,
                base,
                offset,
                src,
            } => {
                let place = Place(unsigned(size), base, offset);
                let (name, fetch) = match op {
                    AtomicOp::Add { fetch } => ("+=", fetch),
                    AtomicOp::Or { fetch } => ("|=", fetch),
                    AtomicOp::And { fetch } => ("&=", fetch),
                    AtomicOp::Xor { fetch } => ("^=", fetch),
                    AtomicOp::Exchange => return write!(f, "{src} = xchg({place}, {src})"),
                    AtomicOp::CompareExchange => return write!(f, "r0 = cmpxchg({place}, r0, {src})"),
                };
                if fetch {
                    write!(f, "{src} = fetch lock {place} {name} {src}")
                } else {
                    write!(f, "lock {place} {name} {src}")
                }
            }
            Self::LoadImm64 { dst, value } => match value {
                Imm64::Plain(number) => write!(f, "{dst} = {number:#x} ll"),
                Imm64::Map(map) => write!(f, "{dst} = map[{map}] ll"),
                Imm64::MapValue { map, offset } => write!(f, "{dst} = map[{map}][0]+{offset} ll"),
            },
            Self::Jump {
                width,
                condition,
                dst,
                src,
                offset,
            } => write!(
                f,
                "if {} {} {} goto {offset:+}",
                Named(width, dst),
                comparison(condition),
                Second(width, src)
            ),
            Self::Goto { offset } => write!(f, "goto {offset:+}"),
            Self::GotoLong { offset } => write!(f, "gotol {offset:+}"),
            Self::Call { helper: number } => match helper(number) {
                Some(name) => write!(f, "call {name}#{number}"),
                None => write!(f, "call {number}"),
            },
            Self::Exit => f.write_str("exit"),
        }
    }
}

/// A whole program: slot numbers, jumps with their targets, maps by name.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The program.
    pub program: &'a LoadedProgram,
    /// Whether policy lines stand between the instructions.
    pub lines: bool,
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.program.lines.iter().peekable();
        let mut slot = 0usize;
        for insn in &self.program.insns {
            while let Some(start) = lines.next_if(|start| start.slot as usize <= slot) {
                if self.lines {
                    let line = &start.line;
                    writeln!(f, "; {} [{}:{}]", line.text.trim(), line.file, line.line)?;
                }
            }
            write!(f, "{slot:5}: ")?;
            match insn {
                Insn::LoadImm64 {
                    dst,
                    value: Imm64::Map(map),
                } => {
                    let name = usize::try_from(*map)
                        .ok()
                        .and_then(|map| self.program.maps.get(map));
                    match name {
                        Some(name) => writeln!(f, "{dst} = {name} ll")?,
                        None => writeln!(f, "{insn}")?,
                    }
                }
                Insn::LoadImm64 {
                    dst,
                    value: Imm64::MapValue { map, offset },
                } if *map == self.program.tables_number() => {
                    writeln!(f, "{dst} = tables + {offset} ll")?;
                }
                _ => match insn.jump_offset() {
                    Some(offset) => {
                        let target = slot as i64 + 1 + i64::from(offset);
                        writeln!(f, "{insn} <{target}>")?;
                    }
                    None => writeln!(f, "{insn}")?,
                },
            }
            slot += insn.slots();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reg::{R0, R1, R2, R3, R10};

    #[test]
    fn forms() {
        let cases = [
            (
                Insn::Load {
                    size: Size::W,
                    dst: R0,
                    base: R1,
                    offset: 76,
                },
                "r0 = *(u32 *)(r1 + 76)",
            ),
            (
                Insn::Store {
                    size: Size::DW,
                    base: R10,
                    offset: -8,
                    src: Operand::Imm(-1),
                },
                "*(u64 *)(r10 - 8) = -1",
            ),
            (
                Insn::Jump {
                    width: Width::W64,
                    condition: Condition::Gt,
                    dst: R2,
                    src: Operand::Reg(R3),
                    offset: 5,
                },
                "if r2 > r3 goto +5",
            ),
            (
                Insn::Jump {
                    width: Width::W32,
                    condition: Condition::Ne,
                    dst: R2,
                    src: Operand::Imm(0x0a00_0001),
                    offset: -5,
                },
                "if w2 != 0xa000001 goto -5",
            ),
            (
                Insn::Alu {
                    width: Width::W32,
                    op: AluOp::Mul,
                    dst: R2,
                    src: Operand::Imm(3),
                },
                "w2 *= 3",
            ),
            (
                Insn::Endian {
                    op: Endian::ToBe,
                    size: Size::H,
                    dst: R2,
                },
                "r2 = be16 r2",
            ),
            (
                Insn::Atomic {
                    op: AtomicOp::Add { fetch: false },
                    size: Size::DW,
                    base: R0,
                    offset: 0,
                    src: R1,
                },
                "lock *(u64 *)(r0 + 0) += r1",
            ),
            (
                Insn::MovSx {
                    width: Width::W64,
                    from: Size::H,
                    dst: R0,
                    src: R1,
                },
                "r0 = (s16)r1",
            ),
            (Insn::Call { helper: 1 }, "call map_lookup_elem#1"),
            (Insn::Call { helper: 9999 }, "call 9999"),
            (Insn::GotoLong { offset: 70_000 }, "gotol +70000"),
            (Insn::Exit, "exit"),
        ];
        for (insn, text) in cases {
            assert_eq!(insn.to_string(), text);
        }
    }
}
