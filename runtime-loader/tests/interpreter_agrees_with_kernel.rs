//! The interpreter that unprivileged tests rely on, against the kernel that it stands for: generated programs, run by
//! both over the same packets, must leave the same registers, stack and packet.
#![cfg(test)]

use std::cell::RefCell;

use codegen_ebpf::asm::{Assembler, Symbol};
use codegen_ebpf::elf;
use codegen_ebpf::insn::{AluOp, AtomicOp, Condition, Endian, Insn, Operand, Reg, Size, Width};
use codegen_ebpf::interpreter::{Machine, Packet};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runtime_loader::load::Loader;
use runtime_loader::object::PolicyObject;
use runtime_loader::test_run::test_run;

/// Registers that generated steps compute with. r7 holds the tables, r8 the packet, r9 is scratch.
const FREE: [Reg; 7] = [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R6];
const TABLES: Reg = Reg::R7;
const DATA: Reg = Reg::R8;
const SCRATCH: Reg = Reg::R9;
/// Stack bytes that generated steps use, right below r10; the context is spilled below them.
const STACK: i16 = 64;
const CONTEXT: i16 = -STACK - 8;
/// Bytes of each packet, all of them within the comparison with `data_end`.
const PACKET: i16 = 160;
const TABLE: u16 = 64;

/// One piece of a generated program, accepted by the kernel's verifier wherever it stands.
#[derive(Clone, Debug)]
enum Step {
    /// On numbers in free registers.
    Plain(Insn),
    /// Skips up to this many of the following steps.
    Jump(Width, Condition, Reg, Operand, usize),
    /// Skips up to this many of the following steps by `ja` when the register is odd.
    Goto(Reg, usize),
    /// Reads the tables at an index taken from the register.
    Table(Size, Reg, Reg),
    /// Reads the packet at an offset taken from the register, behind its own comparison.
    Indexed(Size, Reg, Reg),
    /// Reads a field of the context.
    Context(Reg, i16),
    /// Writes a field of the context.
    SetContext(i16, Reg),
    /// `bpf_skb_load_bytes` from this offset to the stack cell, of 1 to 8 bytes.
    LoadBytes(u32, i16, u8),
    /// `bpf_skb_pull_data`, then the comparison again.
    Pull(u8),
}

fn free() -> impl Strategy<Value = Reg> {
    prop::sample::select(&FREE[..])
}

fn width() -> impl Strategy<Value = Width> {
    prop::sample::select(vec![Width::W32, Width::W64])
}

fn size() -> impl Strategy<Value = Size> {
    prop::sample::select(vec![Size::B, Size::H, Size::W, Size::DW])
}

fn constant() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), -3i32..70, Just(i32::MIN), Just(i32::MAX)]
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![free().prop_map(Operand::Reg), constant().prop_map(Operand::Imm)]
}

/// Constants as the kernel takes them: no division by 0, no shift by the width or more.
fn fitted(width: Width, op: AluOp, src: Operand) -> Operand {
    let Operand::Imm(imm) = src else { return src };
    let bits = if width == Width::W32 { 32 } else { 64 };
    Operand::Imm(match op {
        AluOp::Div | AluOp::SDiv | AluOp::Mod | AluOp::SMod if imm == 0 => 1,
        AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => imm.rem_euclid(bits),
        _ => imm,
    })
}

/// A place on the stack, aligned to its size.
fn stack(size: Size, place: u8) -> i16 {
    let bytes = i16::from(size.bytes());
    -STACK + i16::from(place) % STACK / bytes * bytes
}

/// A place in the packet, not aligned, outside the EtherType.
fn packet(place: u8) -> i16 {
    14 + i16::from(place) % (PACKET - 14 - 8)
}

fn memory() -> impl Strategy<Value = Insn> {
    let signed = any::<bool>();
    (
        size(),
        free(),
        any::<bool>(),
        any::<u8>(),
        signed,
        operand(),
        any::<bool>(),
    )
        .prop_map(|(size, dst, on_stack, place, signed, src, store)| {
            let (base, offset) = if on_stack {
                (Reg::R10, stack(size, place))
            } else {
                (DATA, packet(place))
            };
            match (store, signed && size != Size::DW) {
                (true, _) => Insn::Store {
                    size,
                    base,
                    offset,
                    src,
                },
                (false, true) => Insn::LoadSx {
                    size,
                    dst,
                    base,
                    offset,
                },
                (false, false) => Insn::Load {
                    size,
                    dst,
                    base,
                    offset,
                },
            }
        })
}

fn plain() -> impl Strategy<Value = Insn> {
    let wide = prop::sample::select(vec![Size::W, Size::DW]);
    prop_oneof![
        8 => (width(), prop::sample::select(&AluOp::ALL[..]), free(), operand()).prop_map(
            |(width, op, dst, src)| Insn::Alu { width, op, dst, src: fitted(width, op, src) }
        ),
        1 => (width(), free()).prop_map(|(width, dst)| Insn::Neg { width, dst }),
        1 => (width(), prop::sample::select(vec![Size::B, Size::H]), free(), free())
            .prop_map(|(width, from, dst, src)| Insn::MovSx { width, from, dst, src }),
        1 => (free(), free()).prop_map(
            |(dst, src)| Insn::MovSx { width: Width::W64, from: Size::W, dst, src }
        ),
        2 => (
            prop::sample::select(vec![Endian::ToLe, Endian::ToBe, Endian::Swap]),
            prop::sample::select(vec![Size::H, Size::W, Size::DW]),
            free()
        )
            .prop_map(|(op, size, dst)| Insn::Endian { op, size, dst }),
        2 => (wide, prop::sample::select(&AtomicOp::ALL[..]), any::<u8>(), free()).prop_map(
            |(size, op, place, src)| {
                Insn::Atomic { op, size, base: Reg::R10, offset: stack(size, place), src }
            }
        ),
        6 => memory(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let field = prop::sample::select(vec![0i16, 8, 16, 48, 56, 64]);
    let writable = prop::sample::select(vec![8i16, 48, 56, 64]);
    prop_oneof![
        20 => plain().prop_map(Step::Plain),
        4 => (width(), prop::sample::select(&Condition::ALL[..]), free(), operand(), 1usize..5)
            .prop_map(|(width, condition, dst, src, skip)| Step::Jump(width, condition, dst, src, skip)),
        1 => (free(), 1usize..5).prop_map(|(reg, skip)| Step::Goto(reg, skip)),
        2 => (size(), free(), free()).prop_map(|(size, dst, index)| Step::Table(size, dst, index)),
        2 => (size(), free(), free()).prop_map(|(size, dst, index)| Step::Indexed(size, dst, index)),
        1 => (free(), field).prop_map(|(dst, offset)| Step::Context(dst, offset)),
        1 => (writable, free()).prop_map(|(offset, src)| Step::SetContext(offset, src)),
        1 => (prop_oneof![0u32..170, Just(u32::MAX)], any::<u8>(), 1u8..=8)
            .prop_map(|(from, place, len)| Step::LoadBytes(from, stack(Size::DW, place), len)),
        1 => any::<u8>().prop_map(Step::Pull),
    ]
}

/// r8 = the packet's start, after a comparison that vouches for all of it.
fn compare_with_data_end(asm: &mut Assembler) {
    let long_enough = asm.label();
    asm.load(Size::DW, SCRATCH, Reg::R10, CONTEXT);
    asm.load(Size::W, DATA, SCRATCH, 76);
    asm.load(Size::W, SCRATCH, SCRATCH, 80);
    // The comparison needs a register more: the last stack cell lends one of r0's.
    asm.store(Size::DW, Reg::R10, CONTEXT - 8, Reg::R0);
    asm.mov(Reg::R0, DATA);
    asm.alu(AluOp::Add, Reg::R0, i32::from(PACKET));
    asm.jump(Condition::Le, Reg::R0, SCRATCH, long_enough);
    asm.mov(Reg::R0, 77);
    asm.exit();
    asm.bind(long_enough);
    asm.load(Size::DW, Reg::R0, Reg::R10, CONTEXT - 8);
}

fn emit(asm: &mut Assembler, step: &Step) {
    match *step {
        Step::Plain(insn) => asm.push(insn),
        Step::Jump(..) | Step::Goto(..) => {}
        Step::Table(size, dst, index) => {
            asm.mov(SCRATCH, index);
            asm.alu(AluOp::And, SCRATCH, i32::from(TABLE) - 9);
            asm.alu(AluOp::Add, SCRATCH, TABLES);
            asm.load(size, dst, SCRATCH, 0);
        }
        Step::Indexed(size, dst, index) => {
            asm.mov(SCRATCH, index);
            asm.alu(AluOp::And, SCRATCH, 63);
            asm.alu(AluOp::Add, SCRATCH, DATA);
            // The range that holds for the start does not carry over to a variable offset.
            asm.store(Size::DW, Reg::R10, CONTEXT - 8, Reg::R6);
            asm.load(Size::DW, Reg::R6, Reg::R10, CONTEXT);
            asm.load(Size::W, Reg::R6, Reg::R6, 80);
            asm.alu(AluOp::Add, SCRATCH, 8);
            let (beyond, done) = (asm.label(), asm.label());
            asm.jump(Condition::Gt, SCRATCH, Reg::R6, beyond);
            asm.load(Size::DW, Reg::R6, Reg::R10, CONTEXT - 8);
            asm.load(size, dst, SCRATCH, -8);
            asm.goto(done);
            asm.bind(beyond);
            asm.load(Size::DW, Reg::R6, Reg::R10, CONTEXT - 8);
            asm.bind(done);
        }
        Step::Context(dst, offset) => {
            asm.load(Size::DW, SCRATCH, Reg::R10, CONTEXT);
            asm.load(Size::W, dst, SCRATCH, offset);
        }
        Step::SetContext(offset, src) => {
            asm.load(Size::DW, SCRATCH, Reg::R10, CONTEXT);
            asm.store(Size::W, SCRATCH, offset, src);
        }
        Step::LoadBytes(from, place, len) => {
            asm.load(Size::DW, Reg::R1, Reg::R10, CONTEXT);
            asm.constant(Reg::R2, from.into());
            asm.mov(Reg::R3, Reg::R10);
            asm.alu(AluOp::Add, Reg::R3, i32::from(place));
            asm.mov(Reg::R4, i32::from(len));
            asm.call(26);
            refill(asm, i32::from(len));
        }
        Step::Pull(len) => {
            asm.load(Size::DW, Reg::R1, Reg::R10, CONTEXT);
            asm.mov(Reg::R2, i32::from(len));
            asm.call(39);
            refill(asm, i32::from(len));
            compare_with_data_end(asm);
        }
    }
}

/// Numbers in the registers that a call has lost.
fn refill(asm: &mut Assembler, seed: i32) {
    for (at, reg) in (1..).zip([Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5]) {
        asm.mov(reg, seed.wrapping_mul(0x0101_0193).wrapping_mul(at));
    }
}

/// A program that fills registers and stack from its seeds, takes the steps, and writes what it ended with into the
/// packet, where both sides can be read.
fn object(seeds: &[u64], steps: &[Step]) -> Vec<u8> {
    let mut asm = Assembler::new();
    asm.store(Size::DW, Reg::R10, CONTEXT, Reg::R1);
    asm.load_symbol(TABLES, Symbol::Rodata(0));
    for (reg, seed) in FREE.into_iter().zip(seeds) {
        asm.constant(reg, *seed);
    }
    for cell in 1..=STACK / 8 {
        asm.store(Size::DW, Reg::R10, -8 * cell, FREE[cell as usize % FREE.len()]);
    }
    compare_with_data_end(&mut asm);
    let labels: Vec<_> = (0..=steps.len()).map(|_| asm.label()).collect();
    for (at, step) in steps.iter().enumerate() {
        asm.bind(labels[at]);
        let target = |skip: usize| labels[(at + 1 + skip).min(steps.len())];
        match *step {
            Step::Jump(Width::W64, condition, dst, src, skip) => asm.jump(condition, dst, src, target(skip)),
            Step::Jump(Width::W32, condition, dst, src, skip) => {
                asm.jump32(condition, dst, src, target(skip))
            }
            Step::Goto(reg, skip) => {
                // The kernel refuses instructions that nothing leads to.
                let even = asm.label();
                asm.mov(SCRATCH, reg);
                asm.alu(AluOp::And, SCRATCH, 1);
                asm.jump(Condition::Eq, SCRATCH, 0, even);
                asm.goto(target(skip));
                asm.bind(even);
            }
            _ => emit(&mut asm, step),
        }
    }
    asm.bind(labels[steps.len()]);
    for (at, reg) in (0..).zip(FREE) {
        asm.store(Size::DW, DATA, 16 + 8 * at, reg);
    }
    for cell in 1..=STACK / 8 {
        asm.load(Size::DW, SCRATCH, Reg::R10, -8 * cell);
        asm.store(Size::DW, DATA, 16 + 56 + 8 * (cell - 1), SCRATCH);
    }
    asm.alu(AluOp::Xor, Reg::R0, Reg::R6);
    asm.exit();
    let table: Vec<u8> = (0..TABLE).map(|n| (n * 37 + 11) as u8).collect();
    elf::write("generated", &asm.finish().unwrap(), &[], &table)
        .unwrap()
        .bytes
}

/// A frame with an EtherType reserved for experiments, so that the kernel reads nothing into it.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = bytes.to_vec();
    frame[12..14].copy_from_slice(&0x88b5u16.to_be_bytes());
    frame
}

#[test]
fn generated_programs_end_alike() {
    if !nix::unistd::geteuid().is_root() {
        assert!(
            std::env::var_os("PORTCULLIS_REQUIRE_KERNEL").is_none(),
            "needs root"
        );
        eprintln!("SKIPPED (needs root): generated_programs_end_alike");
        return;
    }
    let loader = RefCell::new(Loader::new());
    let seed = prop_oneof![
        any::<u64>(),
        0u64..70,
        Just(u64::MAX),
        Just(1 << 63),
        any::<u32>().prop_map(u64::from)
    ];
    let strategy = (
        prop::collection::vec(seed, FREE.len()),
        prop::collection::vec(step(), 1..60),
        prop::collection::vec(prop::collection::vec(any::<u8>(), PACKET as usize), 2),
    );
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&strategy, |(seeds, steps, packets)| {
            let bytes = object(&seeds, &steps);
            let kernel = loader
                .borrow_mut()
                .load(&PolicyObject::parse(&bytes).unwrap(), None);
            let kernel = kernel.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
            let object = elf::Object { bytes }.load().unwrap();
            for packet in packets {
                let frame = frame(&packet);
                let real = test_run(kernel.classifier().unwrap(), &frame, 1).unwrap();
                let mut machine = Machine::new();
                let program = machine.load(&object, &[]).unwrap();
                let ours = machine.run(&program, Packet::ethernet(frame));
                let ours = ours.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
                prop_assert_eq!(ours.packet.bytes, real.packet);
                prop_assert_eq!(ours.return_value.cast_signed(), real.action);
            }
            Ok(())
        })
        .unwrap();
}
