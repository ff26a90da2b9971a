//! Identity: from the peer's address to its column, without a helper call.
//!
//! Single addresses are looked up in the hash tables of `.rodata` ([`crate::tables::exact`]); all others are placed by
//! a binary tree of jumps on inlined constants, or where there are many by halving a sorted array of `.rodata`
//! ([`crate::tables::intervals`]).

use std::net::IpAddr;

use super::parse::Parsed;
use super::{Subject, frame};
use crate::asm::{Assembler, Label, Symbol};
use crate::insn::AluOp::{Add, And, Lsh, Mul, Rsh, Xor};
use crate::insn::Condition::{Eq, Ge, Gt, Ne};
use crate::insn::Reg::{R0, R1, R2, R3, R4, R7, R8, R10};
use crate::insn::Size;
use crate::tables::exact::{Exact, Shape};
use crate::tables::intervals::Stored;

/// Binds the labels of checked packets, and falls through with the column in its slot.
pub(super) fn emit(asm: &mut Assembler, subject: &Subject<'_>, parsed: &Parsed) {
    let plan = subject.plan;
    let families = [
        (
            parsed.own_v4,
            IpAddr::is_ipv4 as fn(&IpAddr) -> bool,
            &plan.exact_v4,
            &plan.intervals_v4,
        ),
        (parsed.own_v6, IpAddr::is_ipv6, &plan.exact_v6, &plan.intervals_v6),
    ];
    let done = asm.label();
    for (own, family, singles, intervals) in families {
        // Nothing leads to a family that the endpoint does not have.
        if !subject.addresses.iter().any(family) {
            continue;
        }
        asm.bind(own);
        if plan.needs_column() {
            exact(asm, singles, done);
            match (intervals.stored(), singles.shape) {
                (Some(stored), shape) => halving(asm, shape, stored, done),
                (None, Shape::V4) => tree_v4(asm, intervals.starts(), done),
                (None, Shape::V6) => tree_v6(asm, intervals.starts(), done),
            }
        }
    }
    if plan.needs_column() {
        asm.bind(done);
        asm.store(Size::H, R10, frame::COLUMN, R0);
    }
}

/// Goes to `done` with the column in `r0` when the address is stored; else falls through.
fn exact(asm: &mut Assembler, table: &Exact, done: Label) {
    if table.keys == 0 {
        return;
    }
    let columns = table.shape.columns_at() as i16;
    let hits: Vec<(Label, i16)> = (0..table.shape.slots() as i16)
        .map(|slot| (asm.label(), columns + 2 * slot))
        .collect();
    let miss = asm.label();
    for multiplier in table.multipliers.choices {
        bucket(asm, table, multiplier);
        for (slot, (hit, _)) in (0i16..).zip(&hits) {
            match table.shape {
                Shape::V4 => {
                    asm.load(Size::W, R0, R1, 4 * slot);
                    asm.jump32(Eq, R0, R7, *hit);
                }
                Shape::V6 => {
                    let other = asm.label();
                    asm.load(Size::DW, R0, R1, 16 * slot + 8);
                    asm.jump(Ne, R0, R8, other);
                    asm.load(Size::DW, R0, R1, 16 * slot);
                    asm.jump(Eq, R0, R7, *hit);
                    asm.bind(other);
                }
            }
        }
    }
    asm.goto(miss);
    let found = asm.label();
    for (index, (hit, column)) in hits.iter().enumerate() {
        asm.bind(*hit);
        asm.load(Size::H, R0, R1, *column);
        if index + 1 < hits.len() {
            asm.goto(found);
        }
    }
    asm.bind(found);
    // 0: an empty slot, which holds the unspecified address.
    asm.jump32(Ne, R0, 0, done);
    asm.bind(miss);
}

/// `r1` = the bucket of the address for one multiplier; see [`Exact::buckets`].
fn bucket(asm: &mut Assembler, table: &Exact, multiplier: u64) {
    asm.load_symbol(R1, Symbol::Rodata(table.offset));
    if table.bits == 0 {
        return;
    }
    match table.shape {
        Shape::V4 => {
            asm.mov(R2, R7);
            asm.alu32(Mul, R2, (multiplier as u32).cast_signed());
            asm.alu32(Rsh, R2, 32 - table.bits.cast_signed());
        }
        Shape::V6 => {
            asm.constant(R2, table.multipliers.fold);
            asm.alu(Mul, R2, R7);
            asm.alu(Xor, R2, R8);
            asm.constant(R3, multiplier);
            asm.alu(Mul, R2, R3);
            asm.alu(Rsh, R2, 64 - table.bits.cast_signed());
        }
    }
    asm.alu(Lsh, R2, table.shape.bucket_shift().cast_signed());
    asm.alu(Add, R1, R2);
}

/// Goes to `done` with the column of the interval around `r7` in `r0`.
fn tree_v4(asm: &mut Assembler, starts: &[(u128, u16)], done: Label) {
    let (lower, upper) = starts.split_at(starts.len() / 2);
    let Some((boundary, column)) = upper.first() else {
        return;
    };
    if lower.is_empty() {
        leaf(asm, *column, done);
        return;
    }
    let right = asm.label();
    asm.jump32(Ge, R7, (*boundary as u32).cast_signed(), right);
    tree_v4(asm, lower, done);
    asm.bind(right);
    tree_v4(asm, upper, done);
}

/// Goes to `done` with the column of the interval around `r7` and `r8` in `r0`.
fn tree_v6(asm: &mut Assembler, starts: &[(u128, u16)], done: Label) {
    let (lower, upper) = starts.split_at(starts.len() / 2);
    let Some((boundary, column)) = upper.first() else {
        return;
    };
    if lower.is_empty() {
        leaf(asm, *column, done);
        return;
    }
    let right = asm.label();
    let (first, second) = ((boundary >> 64) as u64, *boundary as u64);
    asm.constant(R0, first);
    if second == 0 {
        asm.jump(Ge, R7, R0, right);
    } else {
        let left = asm.label();
        asm.jump(Gt, R7, R0, right);
        asm.jump(Ne, R7, R0, left);
        asm.constant(R0, second);
        asm.jump(Ge, R8, R0, right);
        asm.bind(left);
    }
    tree_v6(asm, lower, done);
    asm.bind(right);
    tree_v6(asm, upper, done);
}

fn leaf(asm: &mut Assembler, column: u16, done: Label) {
    asm.mov(R0, i32::from(column));
    asm.goto(done);
}

/// Goes to `done` with the column of the stored interval around the address in `r0`.
///
/// `r1` is the position of the last interval known to begin at or below the address, in bytes. After each step it goes
/// through the stack, so that the kernel's verifier does not follow each of its values.
fn halving(asm: &mut Assembler, shape: Shape, stored: Stored, done: Label) {
    let shift = match shape {
        Shape::V4 => 2,
        Shape::V6 => 4,
    };
    let last = ((1i32 << stored.bits) - 1) << shift;
    asm.load_symbol(R4, Symbol::Rodata(stored.addresses));
    asm.mov(R1, 0);
    for step in (0..stored.bits).rev().map(|bit| 1i32 << bit << shift) {
        let above = asm.label();
        asm.mov(R2, R4);
        asm.alu(Add, R2, R1);
        asm.alu(Add, R2, step);
        match shape {
            Shape::V4 => {
                asm.load(Size::W, R3, R2, 0);
                asm.jump32(Gt, R3, R7, above);
            }
            Shape::V6 => {
                let below = asm.label();
                asm.load(Size::DW, R3, R2, 0);
                asm.jump(Gt, R3, R7, above);
                asm.jump(Ne, R3, R7, below);
                asm.load(Size::DW, R3, R2, 8);
                asm.jump(Gt, R3, R8, above);
                asm.bind(below);
            }
        }
        asm.alu(Add, R1, step);
        asm.bind(above);
        asm.store(Size::W, R10, frame::ROW_OFFSET, R1);
        asm.load(Size::W, R1, R10, frame::ROW_OFFSET);
        // What has been added so far; the kernel's verifier takes it as the bound.
        asm.alu(And, R1, last & !(step - 1));
    }
    asm.alu(Rsh, R1, shift - 1);
    asm.load_symbol(R2, Symbol::Rodata(stored.columns));
    asm.alu(Add, R2, R1);
    asm.load(Size::H, R0, R2, 0);
    asm.goto(done);
}
