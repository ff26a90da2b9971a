//! Runs one program's relocated instructions on one packet, without the kernel and without
//! privileges.
//!
//! Input: a [`Program`] whose map references name maps of a [`Machine`], and a [`Packet`]. Output:
//! the program's return value and the packet as it left it, or a [`Fault`] naming the instruction.
//! Map contents belong to the machine and outlive the run, so that programs sharing a conntrack
//! map can be run in turn.
//!
//! Arithmetic and conditions are [`crate::semantics`]. Memory is regions with provenance: a
//! pointer is a region and an offset, so whatever the kernel's verifier exists to rule out (access
//! out of bounds, unwritten registers and stack bytes, pointers mixed or leaked, results not
//! checked for null, packet bytes that no comparison with `data_end` vouches for) is a fault when
//! it happens, never a panic. A run without fault is no proof that the verifier accepts the
//! program: it shows one path.
//!
//! Deliberately absent: more than one CPU, calls between programs, tail calls, time that passes by
//! itself (the test sets the clock).

mod fault;
mod helper;
mod load;
mod maps;
mod memory;
mod packet;
mod program;
mod stack;
#[cfg(test)]
mod tests;
mod value;

pub use fault::{Fault, FaultKind};
pub use load::LoadError;
pub use maps::{EntryId, Map, MapDef, MapError, MapId, MapKind};
pub use packet::Packet;
pub use program::Program;
pub use stack::STACK;
pub use value::{Pointer, Region, Value};

use crate::insn::{AluOp, AtomicOp, Condition, Imm64, Insn, Operand, Reg, Size, Width};
use crate::semantics::{self, Concrete};
use memory::Memory;

/// The maps, the clock and the limits under which programs run.
#[derive(Debug, Clone)]
pub struct Machine {
    maps: Vec<Map>,
    /// What `ktime_get_ns` and `ktime_get_coarse_ns` say, in nanoseconds. Never advances by itself.
    pub nanoseconds: u64,
    /// Ticks per second of `jiffies64` (`CONFIG_HZ`); jiffies are derived from `nanoseconds`.
    pub hz: u64,
    /// Most instructions one run may execute. The kernel's verifier follows one million.
    pub instruction_limit: u64,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            maps: Vec::new(),
            nanoseconds: 0,
            hz: 250,
            instruction_limit: 1_000_000,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The low half of `r0`, which is all that the kernel looks at.
    pub return_value: u32,
    /// The packet and its metadata afterwards.
    pub packet: Packet,
    /// How many instructions were executed.
    pub executed: u64,
}

impl Machine {
    /// A machine without maps, at time 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a map; instructions refer to it by the returned number.
    pub fn add_map(&mut self, spec: MapDef) -> MapId {
        self.maps.push(Map::new(spec));
        MapId(i32::try_from(self.maps.len() - 1).unwrap_or(i32::MAX))
    }

    /// The map of this number.
    #[must_use]
    pub fn map(&self, id: MapId) -> Option<&Map> {
        self.maps.get(usize::try_from(id.0).ok()?)
    }

    /// The map of this number, to fill it or to take its records.
    pub fn map_mut(&mut self, id: MapId) -> Option<&mut Map> {
        self.maps.get_mut(usize::try_from(id.0).ok()?)
    }

    /// The first map of this name.
    #[must_use]
    pub fn map_named(&self, name: &str) -> Option<MapId> {
        let index = self.maps.iter().position(|m| m.spec().name == name)?;
        i32::try_from(index).ok().map(MapId)
    }

    /// Runs `program` on `packet`.
    ///
    /// # Errors
    /// The first thing the program does that a program must not do. Map contents keep what was
    /// written before.
    pub fn run(&mut self, program: &Program, packet: Packet) -> Result<Outcome, Fault> {
        let limit = self.instruction_limit;
        let mut run = Run {
            registers: [Value::Uninit; 11],
            memory: Memory::new(packet, &mut self.maps),
            clock: Clock {
                nanoseconds: self.nanoseconds,
                hz: self.hz,
            },
        };
        run.registers = run.entry();
        let mut at = 0;
        for executed in 1..=limit {
            let fault = |kind| Fault {
                instruction: at,
                kind,
            };
            let insn = program.get(at).ok_or_else(|| fault(FaultKind::FellOffTheEnd))?;
            match run.step(insn).map_err(fault)? {
                Step::Next => at += 1,
                Step::Jump(offset) => {
                    at = program
                        .target(at, offset)
                        .map_err(|target| fault(FaultKind::BadJump { target }))?;
                }
                Step::Exit => {
                    let return_value = run.return_value().map_err(fault)?;
                    return Ok(Outcome {
                        return_value,
                        packet: run.memory.into_packet(),
                        executed,
                    });
                }
            }
        }
        Err(Fault {
            instruction: at,
            kind: FaultKind::InstructionLimit { limit },
        })
    }
}

/// Where control goes after an instruction.
enum Step {
    Next,
    Jump(i32),
    Exit,
}

#[derive(Clone, Copy)]
struct Clock {
    nanoseconds: u64,
    hz: u64,
}

/// The state of one run.
struct Run<'m> {
    registers: [Value; 11],
    memory: Memory<'m>,
    clock: Clock,
}

impl Run<'_> {
    /// Registers on entry: the context and the frame pointer.
    fn entry(&self) -> [Value; 11] {
        let mut registers = [Value::Uninit; 11];
        let [_, r1, .., r10] = &mut registers;
        *r1 = Value::Pointer(Pointer::new(Region::Context, 0));
        *r10 = Value::Pointer(Pointer::new(Region::Stack, 0));
        registers
    }

    fn get(&self, reg: Reg) -> Result<Value, FaultKind> {
        match self.registers.get(usize::from(reg.number())) {
            Some(Value::Uninit) | None => Err(FaultKind::UninitialisedRegister { reg }),
            Some(value) => Ok(*value),
        }
    }

    fn set(&mut self, reg: Reg, value: Value) -> Result<(), FaultKind> {
        if reg == Reg::R10 {
            return Err(FaultKind::FramePointerWritten);
        }
        if let Some(register) = self.registers.get_mut(usize::from(reg.number())) {
            *register = value;
        }
        Ok(())
    }

    fn operand(&self, operand: Operand) -> Result<Value, FaultKind> {
        match operand {
            Operand::Reg(reg) => self.get(reg),
            Operand::Imm(imm) => Ok(Value::Number(semantics::immediate(&Concrete, imm))),
        }
    }

    fn number(&self, reg: Reg, what: &'static str) -> Result<u64, FaultKind> {
        match self.get(reg)? {
            Value::Number(number) => Ok(number),
            _ => Err(FaultKind::PointerLeak { what }),
        }
    }

    fn pointer(&self, reg: Reg, offset: i16) -> Result<Pointer, FaultKind> {
        match self.get(reg)? {
            Value::Pointer(pointer) => {
                // The context is the only region whose base cannot be moved, so the offset is
                // added here and not by `moved`.
                let offset = pointer.offset.saturating_add(i64::from(offset));
                Ok(Pointer { offset, ..pointer })
            }
            other => Err(FaultKind::NotAPointer {
                found: other.describe(),
            }),
        }
    }

    fn return_value(&self) -> Result<u32, FaultKind> {
        self.memory.check_exit()?;
        match self.registers.first() {
            Some(Value::Number(number)) => Ok(*number as u32),
            other => Err(FaultKind::NoReturnValue {
                found: other.map_or("nothing", |value| value.describe()),
            }),
        }
    }

    fn step(&mut self, insn: Insn) -> Result<Step, FaultKind> {
        match insn {
            Insn::Alu { width, op, dst, src } => {
                let result = self.alu(width, op, dst, src)?;
                self.set(dst, result)?;
            }
            Insn::Neg { width, dst } => {
                let number = self.number(dst, "negation")?;
                self.set(dst, Value::Number(semantics::neg(&Concrete, width, &number)))?;
            }
            Insn::MovSx {
                width,
                from,
                dst,
                src,
            } => {
                let number = self.number(src, "sign-extending move")?;
                let result = semantics::mov_sign_extended(&Concrete, width, from, &number);
                self.set(dst, Value::Number(result))?;
            }
            Insn::Endian { op, size, dst } => {
                let number = self.number(dst, "byte order")?;
                self.set(
                    dst,
                    Value::Number(semantics::endian(&Concrete, op, size, &number)),
                )?;
            }
            Insn::Load {
                size,
                dst,
                base,
                offset,
            } => {
                let value = self.memory.load(self.pointer(base, offset)?, size)?;
                self.set(dst, value)?;
            }
            Insn::LoadSx {
                size,
                dst,
                base,
                offset,
            } => {
                let number = match self.memory.load(self.pointer(base, offset)?, size)? {
                    Value::Number(number) => number,
                    _ => {
                        return Err(FaultKind::PointerLeak {
                            what: "sign-extending load",
                        });
                    }
                };
                let result = semantics::mov_sign_extended(&Concrete, Width::W64, size, &number);
                self.set(dst, Value::Number(result))?;
            }
            Insn::Store {
                size,
                base,
                offset,
                src,
            } => {
                let value = self.operand(src)?;
                self.memory.store(self.pointer(base, offset)?, size, value)?;
            }
            Insn::Atomic {
                op,
                size,
                base,
                offset,
                src,
            } => self.atomic(op, size, base, offset, src)?,
            Insn::LoadImm64 { dst, value } => {
                let value = match value {
                    Imm64::Plain(number) => Value::Number(number),
                    Imm64::Map(map) => Value::Map(self.memory.check_map(MapId(map))?),
                    Imm64::MapValue { map, offset } => {
                        Value::Pointer(self.memory.map_value(MapId(map), offset)?)
                    }
                };
                self.set(dst, value)?;
            }
            Insn::Jump {
                width,
                condition,
                dst,
                src,
                offset,
            } => {
                if self.jumps(width, condition, dst, src)? {
                    return Ok(Step::Jump(i32::from(offset)));
                }
            }
            Insn::Goto { offset } => return Ok(Step::Jump(i32::from(offset))),
            Insn::GotoLong { offset } => return Ok(Step::Jump(offset)),
            Insn::Call { helper } => {
                let result = self.call(helper)?;
                // RFC 9669 §2: a call leaves nothing in r1–r5.
                let [r0, r1, r2, r3, r4, r5, ..] = &mut self.registers;
                *r0 = result;
                for lost in [r1, r2, r3, r4, r5] {
                    *lost = Value::Uninit;
                }
            }
            Insn::Exit => return Ok(Step::Exit),
        }
        Ok(Step::Next)
    }

    fn alu(&self, width: Width, op: AluOp, dst: Reg, src: Operand) -> Result<Value, FaultKind> {
        let right = self.operand(src)?;
        if op == AluOp::Mov {
            return match (width, right) {
                (_, Value::Number(number)) => Ok(Value::Number(semantics::alu(
                    &Concrete, width, op, &number, &number,
                ))),
                (Width::W64, other) => Ok(other),
                (Width::W32, _) => Err(FaultKind::PointerLeak { what: "32-bit move" }),
            };
        }
        constant_operand_fits(width, op, src)?;
        match (self.get(dst)?, right) {
            (Value::Number(a), Value::Number(b)) => {
                Ok(Value::Number(semantics::alu(&Concrete, width, op, &a, &b)))
            }
            (Value::Pointer(pointer), Value::Number(delta)) if width == Width::W64 && op == AluOp::Add => {
                self.memory
                    .non_null(pointer)?
                    .moved(delta.cast_signed())
                    .map(Value::Pointer)
            }
            (Value::Pointer(pointer), Value::Number(delta)) if width == Width::W64 && op == AluOp::Sub => {
                self.memory
                    .non_null(pointer)?
                    .moved(delta.cast_signed().saturating_neg())
                    .map(Value::Pointer)
            }
            (Value::Number(delta), Value::Pointer(pointer)) if width == Width::W64 && op == AluOp::Add => {
                self.memory
                    .non_null(pointer)?
                    .moved(delta.cast_signed())
                    .map(Value::Pointer)
            }
            (Value::Pointer(a), Value::Pointer(b)) if width == Width::W64 && op == AluOp::Sub => {
                self.memory.distance(a, b).map(Value::Number)
            }
            _ => Err(FaultKind::PointerLeak {
                what: "arithmetic other than moving a pointer",
            }),
        }
    }

    fn atomic(
        &mut self,
        op: AtomicOp,
        size: Size,
        base: Reg,
        offset: i16,
        src: Reg,
    ) -> Result<(), FaultKind> {
        let pointer = self.pointer(base, offset)?;
        let operand = self.number(src, "atomic operand")?;
        let expected = match op {
            AtomicOp::CompareExchange => self.number(Reg::R0, "atomic operand")?,
            _ => 0,
        };
        self.memory.check_atomic(pointer, size)?;
        let old = match self.memory.load(pointer, size)? {
            Value::Number(number) => number,
            _ => {
                return Err(FaultKind::PointerLeak {
                    what: "atomic on a pointer",
                });
            }
        };
        let new = semantics::atomic(&Concrete, op, size, &old, &operand, &expected);
        self.memory.store(pointer, size, Value::Number(new))?;
        match op {
            AtomicOp::CompareExchange => self.set(Reg::R0, Value::Number(old)),
            AtomicOp::Exchange
            | AtomicOp::Add { fetch: true }
            | AtomicOp::Or { fetch: true }
            | AtomicOp::And { fetch: true }
            | AtomicOp::Xor { fetch: true } => self.set(src, Value::Number(old)),
            _ => Ok(()),
        }
    }

    fn jumps(
        &mut self,
        width: Width,
        condition: Condition,
        dst: Reg,
        src: Operand,
    ) -> Result<bool, FaultKind> {
        match (self.get(dst)?, self.operand(src)?) {
            (Value::Number(a), Value::Number(b)) => Ok(semantics::holds(&Concrete, width, condition, &a, &b)),
            (Value::Pointer(a), Value::Pointer(b)) if width == Width::W64 => {
                self.memory.compare(condition, a, b)
            }
            (Value::Pointer(pointer), Value::Number(0)) if width == Width::W64 => match condition {
                Condition::Eq | Condition::Ne => {
                    self.memory.checked_for_null(pointer);
                    Ok(condition == Condition::Ne)
                }
                _ => Err(FaultKind::PointerLeak {
                    what: "comparison with a number",
                }),
            },
            _ => Err(FaultKind::PointerLeak {
                what: "comparison with a number",
            }),
        }
    }
}

/// What `check_alu_op` refuses before the program runs: a constant divisor 0, a constant shift
/// count of the width or more.
fn constant_operand_fits(width: Width, op: AluOp, src: Operand) -> Result<(), FaultKind> {
    let Operand::Imm(imm) = src else { return Ok(()) };
    let bits = if width == Width::W32 { 32 } else { 64 };
    match op {
        AluOp::Div | AluOp::SDiv | AluOp::Mod | AluOp::SMod if imm == 0 => Err(FaultKind::Unsupported {
            what: "division by the constant 0",
        }),
        AluOp::Lsh | AluOp::Rsh | AluOp::Arsh if !(0..bits).contains(&imm) => Err(FaultKind::Unsupported {
            what: "shift by a constant outside the width",
        }),
        _ => Ok(()),
    }
}
