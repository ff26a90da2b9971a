//! Each fault provoked once, each helper called, instructions as the run loop executes them.

mod context;
mod control;
mod helpers;
mod pointers;
mod values;

use super::*;
use crate::asm::Assembler;
use crate::insn::Condition::*;
use crate::insn::Endian;
use crate::insn::Reg::*;
use crate::insn::Size::*;

fn program(build: impl FnOnce(&mut Assembler)) -> Program {
    let mut asm = Assembler::new();
    build(&mut asm);
    Program::new(asm.finish().unwrap().insns)
}

fn frame() -> Packet {
    let mut bytes: Vec<u8> = (0..64).collect();
    bytes.splice(12..14, [0x08, 0x00]);
    Packet::ethernet(bytes)
}

fn run(build: impl FnOnce(&mut Assembler)) -> Result<u32, FaultKind> {
    machine()
        .run(&program(build), frame())
        .map(|o| o.return_value)
        .map_err(|f| f.kind)
}

fn fault(build: impl FnOnce(&mut Assembler)) -> FaultKind {
    run(build).expect_err("the program ran to its end")
}

const HASH: i32 = 0;
const LRU: i32 = 1;
const ARRAY: i32 = 2;
const RODATA: i32 = 3;
const RING: i32 = 4;
const TRIE: i32 = 5;
const PER_CPU: i32 = 6;

fn definition(name: &str, kind: MapKind, key: usize, value: usize, entries: usize) -> MapDef {
    MapDef {
        name: name.to_owned(),
        kind,
        key_size: key,
        value_size: value,
        max_entries: entries,
        read_only: false,
    }
}

/// A machine with one map of each kind.
fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.nanoseconds = 2_000_000_007;
    machine.add_map(definition("hash", MapKind::Hash, 4, 8, 2));
    machine.add_map(definition("lru", MapKind::LruHash, 4, 8, 2));
    machine.add_map(definition("array", MapKind::Array, 4, 16, 1));
    machine.add_tables(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    machine.add_map(definition("ring", MapKind::RingBuf, 0, 0, 32));
    machine.add_map(definition("trie", MapKind::LpmTrie, 8, 8, 4));
    machine.add_map(definition("per-cpu", MapKind::PerCpuArray, 4, 8, 3));
    machine
}

fn map(asm: &mut Assembler, dst: Reg, map: i32) {
    asm.push(Insn::LoadImm64 {
        dst,
        value: Imm64::Map(map),
    });
}

fn value_of(asm: &mut Assembler, dst: Reg, map: i32, offset: u32) {
    asm.push(Insn::LoadImm64 {
        dst,
        value: Imm64::MapValue { map, offset },
    });
}

/// r1 = map, r2 = address of a key holding `key`.
fn key(asm: &mut Assembler, id: i32, key: i32) {
    asm.store(W, R10, -4, key);
    map(asm, R1, id);
    asm.mov(R2, R10);
    asm.alu(AluOp::Add, R2, -4);
}

/// Adds `key` → `value` to a map with flags; the status is in r0.
fn update(asm: &mut Assembler, id: i32, k: i32, value: i32, flags: i32) {
    asm.store(DW, R10, -16, value);
    key(asm, id, k);
    asm.mov(R3, R10);
    asm.alu(AluOp::Add, R3, -16);
    asm.mov(R4, flags);
    asm.call(2);
}

/// r0 = the value behind `key`, or -1.
fn look_up(asm: &mut Assembler, id: i32, k: i32) {
    key(asm, id, k);
    asm.call(1);
    let (missing, done) = (asm.label(), asm.label());
    asm.jump(Eq, R0, 0, missing);
    asm.load(DW, R0, R0, 0);
    asm.goto(done);
    asm.bind(missing);
    asm.mov(R0, -1);
    asm.bind(done);
}

/// r2 = data, after a comparison that vouches for `len` bytes.
fn packet_of(asm: &mut Assembler, len: i32) {
    let short = asm.label();
    asm.load(W, R2, R1, 76);
    asm.load(W, R3, R1, 80);
    asm.mov(R4, R2);
    asm.alu(AluOp::Add, R4, len);
    asm.mov(R0, -1);
    asm.jump(Le, R4, R3, short);
    asm.exit();
    asm.bind(short);
}
