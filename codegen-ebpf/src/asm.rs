//! An assembler: instructions, labels in both directions, references to maps and tables, and the policy lines that
//! instructions come from.
//!
//! Invariants of an assembled [`Program`]:
//! - every jump lands on the first slot of an instruction;
//! - a jump beyond [`SHORT_REACH`] becomes `gotol` (Linux 6.6 and later), for a conditional jump behind
//!   its negation; nothing else changes the instructions that were asked for;
//! - line marks ascend by slot, and the first stands at slot 0 when there is any.
//!
//! Mistakes of the caller (an unbound label) are kept and reported by [`Assembler::finish`], so that emitters need no
//! error handling of their own.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::btf::ext::LineStart;
use crate::insn::{AluOp, Condition, Endian, Imm64, Insn, Operand, Reg, Size, Width};
use crate::source_line::SourceLine;

/// The kernel's limit for a privileged program (`BPF_COMPLEXITY_LIMIT_INSNS`).
pub const MAX_SLOTS: usize = 1_000_000;

/// How far a jump goes in its short form. A 16-bit offset reaches three times as far, but a kernel with
/// `net.core.bpf_jit_harden` hides constants by turning one instruction into three, and then the offset still has to
/// fit (`bpf_jit_blind_constants`).
pub const SHORT_REACH: i64 = i16::MAX as i64 / 3;

/// A place in the program, bound now or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(usize);

/// What a two-slot load refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Symbol {
    /// The map with this name.
    Map(&'static str),
    /// This many bytes into `.rodata`.
    Rodata(u32),
}

/// A load whose value the loader fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// First slot of the load.
    pub slot: u32,
    /// What it refers to.
    pub symbol: Symbol,
}

/// Assembled instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The instructions; loads that are listed in `references` hold the offset into `.rodata`, or 0.
    pub insns: Vec<Insn>,
    /// Loads for the loader to fill in, ascending by slot.
    pub references: Vec<Reference>,
    /// Policy lines, ascending by slot.
    pub lines: Vec<LineStart>,
}

/// Why instructions cannot be assembled. All are mistakes of the emitter, none of the policy's author, except
/// [`AsmError::TooLong`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AsmError {
    /// A jump to a label that was never bound.
    #[error("label {0} is used and never bound")]
    Unbound(usize),
    /// A label bound at two places.
    #[error("label {0} is bound twice")]
    BoundTwice(usize),
    /// A label bound behind the last instruction.
    #[error("label {0} is bound behind the last instruction")]
    Dangling(usize),
    /// More slots than the kernel takes.
    #[error("the program has {0} instructions; the kernel takes {MAX_SLOTS}")]
    TooLong(usize),
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Plain(Insn),
    Load(Reg, Symbol),
    Goto(Label),
    Jump {
        width: Width,
        condition: Condition,
        dst: Reg,
        src: Operand,
        target: Label,
    },
}

/// Collects instructions; see the module's description.
#[derive(Debug, Default)]
pub struct Assembler {
    items: Vec<Item>,
    /// For each label, the item it stands before.
    labels: Vec<Option<usize>>,
    lines: BTreeMap<usize, SourceLine>,
    error: Option<AsmError>,
}

impl Assembler {
    /// An empty program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A label to be bound later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Binds `label` to the next instruction.
    pub fn bind(&mut self, label: Label) {
        let next = self.items.len();
        match self.labels.get_mut(label.0) {
            Some(place @ None) => *place = Some(next),
            _ => self.fail(AsmError::BoundTwice(label.0)),
        }
    }

    /// A label bound to the next instruction.
    pub fn here(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// The following instructions come from `line`.
    pub fn mark(&mut self, line: &SourceLine) {
        self.lines.insert(self.items.len(), line.clone());
    }

    fn fail(&mut self, error: AsmError) {
        self.error.get_or_insert(error);
    }

    /// Adds an instruction that is not a jump.
    pub fn push(&mut self, insn: Insn) {
        self.items.push(Item::Plain(insn));
    }

    /// 64-bit arithmetic.
    pub fn alu(&mut self, op: AluOp, dst: Reg, src: impl Into<Operand>) {
        self.push(Insn::Alu {
            width: Width::W64,
            op,
            dst,
            src: src.into(),
        });
    }

    /// 32-bit arithmetic; clears the upper half of `dst`.
    pub fn alu32(&mut self, op: AluOp, dst: Reg, src: impl Into<Operand>) {
        self.push(Insn::Alu {
            width: Width::W32,
            op,
            dst,
            src: src.into(),
        });
    }

    /// `dst = src`; a constant is sign-extended.
    pub fn mov(&mut self, dst: Reg, src: impl Into<Operand>) {
        self.alu(AluOp::Mov, dst, src);
    }

    /// `dst = value`, in one slot where a sign-extended constant does.
    pub fn constant(&mut self, dst: Reg, value: u64) {
        match i32::try_from(value.cast_signed()) {
            Ok(small) => self.mov(dst, small),
            Err(_) => self.push(Insn::LoadImm64 {
                dst,
                value: Imm64::Plain(value),
            }),
        }
    }

    /// From network byte order to host byte order, or back.
    pub fn to_be(&mut self, size: Size, dst: Reg) {
        self.push(Insn::Endian {
            op: Endian::ToBe,
            size,
            dst,
        });
    }

    /// `dst = *(size *)(base + offset)`
    pub fn load(&mut self, size: Size, dst: Reg, base: Reg, offset: i16) {
        self.push(Insn::Load {
            size,
            dst,
            base,
            offset,
        });
    }

    /// `*(size *)(base + offset) = src`
    pub fn store(&mut self, size: Size, base: Reg, offset: i16, src: impl Into<Operand>) {
        self.push(Insn::Store {
            size,
            base,
            offset,
            src: src.into(),
        });
    }

    /// `dst` = the map or the address in `.rodata`.
    pub fn load_symbol(&mut self, dst: Reg, symbol: Symbol) {
        self.items.push(Item::Load(dst, symbol));
    }

    /// Jump to `target` when the condition holds for whole registers.
    pub fn jump(&mut self, condition: Condition, dst: Reg, src: impl Into<Operand>, target: Label) {
        self.items.push(Item::Jump {
            width: Width::W64,
            condition,
            dst,
            src: src.into(),
            target,
        });
    }

    /// Jump to `target` when the condition holds for the low halves.
    pub fn jump32(&mut self, condition: Condition, dst: Reg, src: impl Into<Operand>, target: Label) {
        self.items.push(Item::Jump {
            width: Width::W32,
            condition,
            dst,
            src: src.into(),
            target,
        });
    }

    /// Jump to `target`.
    pub fn goto(&mut self, target: Label) {
        self.items.push(Item::Goto(target));
    }

    /// Call a helper by its number in `enum bpf_func_id`.
    pub fn call(&mut self, helper: u32) {
        self.push(Insn::Call { helper });
    }

    /// Return `r0`.
    pub fn exit(&mut self) {
        self.push(Insn::Exit);
    }

    /// The item that `label` stands before.
    fn target(&self, label: Label) -> Result<usize, AsmError> {
        let item = self
            .labels
            .get(label.0)
            .copied()
            .flatten()
            .ok_or(AsmError::Unbound(label.0))?;
        if item < self.items.len() {
            Ok(item)
        } else {
            Err(AsmError::Dangling(label.0))
        }
    }

    /// Chooses the form of each jump, fills in the offsets and returns the program.
    ///
    /// # Errors
    /// The first mistake made while collecting, an unbound or dangling label, or too many slots.
    pub fn finish(self) -> Result<Program, AsmError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let long = self.relax()?;
        let places = self.places(&long);
        let total = places.last().copied().unwrap_or(0);
        if total > MAX_SLOTS {
            return Err(AsmError::TooLong(total));
        }
        let place = |item: usize| places.get(item).copied().unwrap_or(total);
        // Slots stay below `MAX_SLOTS`, so that distances and slots fit the narrower types.
        let distance = |from: usize, label: Label| -> Result<i32, AsmError> {
            let to = place(self.target(label)?);
            Ok(i32::try_from(to as i64 - from as i64).unwrap_or(i32::MAX))
        };
        let mut insns = Vec::with_capacity(total);
        let mut references = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let slot = place(index);
            let long = long.get(index).copied().unwrap_or(false);
            match *item {
                Item::Plain(insn) => insns.push(insn),
                Item::Load(dst, symbol) => {
                    references.push(Reference {
                        slot: slot_number(slot),
                        symbol,
                    });
                    let addend = match symbol {
                        Symbol::Map(_) => 0,
                        Symbol::Rodata(offset) => u64::from(offset),
                    };
                    insns.push(Insn::LoadImm64 {
                        dst,
                        value: Imm64::Plain(addend),
                    });
                }
                Item::Goto(label) => insns.push(goto(distance(slot + 1, label)?, long)),
                Item::Jump {
                    width,
                    condition,
                    dst,
                    src,
                    target,
                } => {
                    let jump = |condition, offset| Insn::Jump {
                        width,
                        condition,
                        dst,
                        src,
                        offset,
                    };
                    match (long, condition.negated()) {
                        (false, _) => {
                            insns.push(jump(condition, short(distance(slot + 1, target)?)));
                        }
                        (true, Some(negated)) => {
                            insns.push(jump(negated, 1));
                            insns.push(goto(distance(slot + 2, target)?, true));
                        }
                        (true, None) => {
                            insns.push(jump(condition, 1));
                            insns.push(Insn::Goto { offset: 1 });
                            insns.push(goto(distance(slot + 3, target)?, true));
                        }
                    }
                }
            }
        }
        let mut lines: Vec<LineStart> = Vec::new();
        for (item, line) in self.lines.range(..self.items.len()) {
            if lines.last().is_some_and(|last| last.line == *line) {
                continue;
            }
            // The kernel wants an entry at the first instruction.
            let slot = if lines.is_empty() {
                0
            } else {
                slot_number(place(*item))
            };
            lines.push(LineStart {
                slot,
                line: line.clone(),
            });
        }
        Ok(Program {
            insns,
            references,
            lines,
        })
    }

    /// Slots of each item in its present form.
    fn slots(&self, index: usize, long: bool) -> usize {
        match self.items.get(index) {
            Some(Item::Plain(insn)) => insn.slots(),
            Some(Item::Load(..)) => 2,
            Some(Item::Jump { condition, .. }) if long => {
                if condition.negated().is_some() {
                    2
                } else {
                    3
                }
            }
            _ => 1,
        }
    }

    /// First slot of each item, and the total behind the last.
    fn places(&self, long: &[bool]) -> Vec<usize> {
        let mut places = Vec::with_capacity(self.items.len() + 1);
        let mut slot = 0;
        for (index, &long) in long.iter().enumerate() {
            places.push(slot);
            slot += self.slots(index, long);
        }
        places.push(slot);
        places
    }

    /// Which jumps need the long form. Lengthening one can push others out of reach, so repeat until nothing
    /// changes; jumps only ever grow, hence this ends.
    fn relax(&self) -> Result<Vec<bool>, AsmError> {
        let mut long = vec![false; self.items.len()];
        loop {
            let places = self.places(&long);
            let mut changed = false;
            for (index, item) in self.items.iter().enumerate() {
                let (Item::Goto(target) | Item::Jump { target, .. }) = *item else {
                    continue;
                };
                let (Some(from), Some(to)) = (places.get(index + 1), places.get(self.target(target)?)) else {
                    continue;
                };
                let reach = -SHORT_REACH..=SHORT_REACH;
                if let Some(long @ false) = long.get_mut(index)
                    && !reach.contains(&(*to as i64 - *from as i64))
                {
                    *long = true;
                    changed = true;
                }
            }
            if !changed {
                return Ok(long);
            }
        }
    }
}

fn slot_number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

/// `relax` has made sure that a short jump's distance fits.
fn short(distance: i32) -> i16 {
    i16::try_from(distance).unwrap_or(i16::MAX)
}

fn goto(distance: i32, long: bool) -> Insn {
    if long {
        Insn::GotoLong { offset: distance }
    } else {
        Insn::Goto {
            offset: short(distance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reg::{R0, R1};

    fn filler(asm: &mut Assembler, count: usize) {
        for _ in 0..count {
            asm.mov(R0, 0);
        }
    }

    #[test]
    fn labels_work_in_both_directions() {
        let mut asm = Assembler::new();
        let end = asm.label();
        let start = asm.here();
        asm.jump(Condition::Eq, R1, 0, end);
        asm.constant(R0, u64::MAX >> 1);
        asm.goto(start);
        asm.bind(end);
        asm.exit();
        let program = asm.finish().unwrap();
        assert_eq!(program.insns[0].jump_offset(), Some(3));
        assert_eq!(program.insns[2].jump_offset(), Some(-4));
    }

    /// Distances around the edge: the last short one, and the first long one.
    #[test]
    fn far_jumps_become_long() {
        for (gap, long) in [(10_921, false), (10_922, false), (10_923, true), (70_000, true)] {
            for condition in [Condition::Gt, Condition::Set] {
                let mut asm = Assembler::new();
                let end = asm.label();
                asm.jump(condition, R1, 7, end);
                filler(&mut asm, gap);
                asm.bind(end);
                asm.exit();
                let insns = asm.finish().unwrap().insns;
                let extra = match (long, condition) {
                    (false, _) => 0,
                    (true, Condition::Set) => 2,
                    (true, _) => 1,
                };
                assert_eq!(insns.len(), gap + 2 + extra, "{gap} {condition:?}");
                let (at, jump) = insns
                    .iter()
                    .enumerate()
                    .take(3)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rfind(|(_, insn)| insn.jump_offset().is_some_and(|offset| offset != 1))
                    .unwrap();
                assert_eq!(matches!(jump, Insn::GotoLong { .. }), long);
                let target = at as i32 + 1 + jump.jump_offset().unwrap();
                assert_eq!(insns[target as usize], Insn::Exit);
            }
        }
    }

    #[test]
    fn backward_far_jumps_become_long() {
        let mut asm = Assembler::new();
        let start = asm.here();
        filler(&mut asm, 40_000);
        asm.jump(Condition::Lt, R1, 7, start);
        asm.goto(start);
        let insns = asm.finish().unwrap().insns;
        assert_eq!(insns[40_000].jump_offset(), Some(1));
        assert_eq!(insns[40_001], Insn::GotoLong { offset: -40_002 });
        assert_eq!(insns[40_002], Insn::GotoLong { offset: -40_003 });
    }

    /// One jump's growth can push another, exactly at the limit, out of reach.
    #[test]
    fn growth_of_one_jump_is_seen_by_others() {
        let mut asm = Assembler::new();
        let (first, second) = (asm.label(), asm.label());
        asm.jump(Condition::Eq, R1, 1, first);
        asm.jump(Condition::Eq, R1, 2, second);
        filler(&mut asm, 10_921);
        asm.bind(first);
        filler(&mut asm, 2);
        asm.bind(second);
        asm.exit();
        let insns = asm.finish().unwrap().insns;
        let long = insns
            .iter()
            .filter(|insn| matches!(insn, Insn::GotoLong { .. }))
            .count();
        assert_eq!(long, 2);
    }

    #[test]
    fn mistakes_are_reported() {
        let mut asm = Assembler::new();
        let label = asm.label();
        asm.goto(label);
        assert_eq!(asm.finish(), Err(AsmError::Unbound(0)));

        let mut asm = Assembler::new();
        let label = asm.here();
        asm.exit();
        asm.bind(label);
        assert_eq!(asm.finish(), Err(AsmError::BoundTwice(0)));

        let mut asm = Assembler::new();
        let label = asm.label();
        asm.goto(label);
        asm.bind(label);
        assert_eq!(asm.finish(), Err(AsmError::Dangling(0)));

        let mut asm = Assembler::new();
        filler(&mut asm, MAX_SLOTS + 1);
        assert_eq!(asm.finish(), Err(AsmError::TooLong(MAX_SLOTS + 1)));
    }

    #[test]
    fn lines_begin_at_the_first_slot_and_repeat_only_on_change() {
        let line = |number| SourceLine {
            file: "a.yaml".into(),
            line: number,
            column: 1,
            text: "x".into(),
        };
        let mut asm = Assembler::new();
        asm.constant(R0, 1 << 40);
        asm.mark(&line(1));
        asm.mov(R0, 1);
        asm.mark(&line(1));
        asm.mov(R0, 2);
        asm.mark(&line(2));
        asm.exit();
        let starts: Vec<(u32, u32)> = asm
            .finish()
            .unwrap()
            .lines
            .iter()
            .map(|start| (start.slot, start.line.line))
            .collect();
        assert_eq!(starts, [(0, 1), (4, 2)]);
    }
}
