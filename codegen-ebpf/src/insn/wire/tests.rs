use proptest::prelude::*;

use super::*;

fn reg() -> impl Strategy<Value = Reg> {
    (0u8..=10).prop_map(|n| Reg::from_number(n).unwrap())
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![Just(Width::W32), Just(Width::W64)]
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![Just(Size::B), Just(Size::H), Just(Size::W), Just(Size::DW)]
}

fn src() -> impl Strategy<Value = Operand> {
    prop_oneof![reg().prop_map(Operand::Reg), any::<i32>().prop_map(Operand::Imm)]
}

/// Every shape of instruction with every field free.
fn insn() -> impl Strategy<Value = Insn> {
    let narrow = prop_oneof![
        (width(), Just(Size::B)),
        (width(), Just(Size::H)),
        (Just(Width::W64), Just(Size::W)),
    ];
    prop_oneof![
        (width(), prop::sample::select(&AluOp::ALL[..]), reg(), src())
            .prop_map(|(width, op, dst, src)| Insn::Alu { width, op, dst, src }),
        (width(), reg()).prop_map(|(width, dst)| Insn::Neg { width, dst }),
        (narrow, reg(), reg()).prop_map(|((width, from), dst, src)| Insn::MovSx {
            width,
            from,
            dst,
            src
        }),
        (
            prop::sample::select(vec![Endian::ToLe, Endian::ToBe, Endian::Swap]),
            prop::sample::select(vec![Size::H, Size::W, Size::DW]),
            reg()
        )
            .prop_map(|(op, size, dst)| Insn::Endian { op, size, dst }),
        (size(), reg(), reg(), any::<i16>()).prop_map(|(size, dst, base, offset)| Insn::Load {
            size,
            dst,
            base,
            offset
        }),
        (
            prop::sample::select(vec![Size::B, Size::H, Size::W]),
            reg(),
            reg(),
            any::<i16>()
        )
            .prop_map(|(size, dst, base, offset)| Insn::LoadSx {
                size,
                dst,
                base,
                offset
            }),
        (size(), reg(), any::<i16>(), src()).prop_map(|(size, base, offset, src)| Insn::Store {
            size,
            base,
            offset,
            src
        }),
        (
            prop::sample::select(&AtomicOp::ALL[..]),
            prop::sample::select(vec![Size::W, Size::DW]),
            reg(),
            any::<i16>(),
            reg()
        )
            .prop_map(|(op, size, base, offset, src)| Insn::Atomic {
                op,
                size,
                base,
                offset,
                src
            }),
        (
            reg(),
            prop_oneof![
                any::<u64>().prop_map(Imm64::Plain),
                any::<i32>().prop_map(Imm64::Map),
                (any::<i32>(), any::<u32>()).prop_map(|(map, offset)| Imm64::MapValue { map, offset }),
            ]
        )
            .prop_map(|(dst, value)| Insn::LoadImm64 { dst, value }),
        (
            width(),
            prop::sample::select(&Condition::ALL[..]),
            reg(),
            src(),
            any::<i16>()
        )
            .prop_map(|(width, condition, dst, src, offset)| Insn::Jump {
                width,
                condition,
                dst,
                src,
                offset
            }),
        any::<i16>().prop_map(|offset| Insn::Goto { offset }),
        any::<i32>().prop_map(|offset| Insn::GotoLong { offset }),
        any::<u32>().prop_map(|helper| Insn::Call { helper }),
        Just(Insn::Exit),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_encoded_decodes_to_itself(program in prop::collection::vec(insn(), 0..20)) {
        let bytes = encode(&program);
        prop_assert_eq!(bytes.len(), program.iter().map(Insn::slots).sum::<usize>() * SLOT);
        prop_assert_eq!(decode(&bytes), Ok(program));
    }

    #[test]
    fn what_decodes_is_encoded_the_same(
        opcode in any::<u8>(), regs in any::<u8>(), offset in -2i16..34, imm in -2i32..70,
    ) {
        let bytes = Slot { opcode, dst: regs & 0xf, src: regs >> 4, offset, imm }.to_bytes();
        if let Ok(program) = decode(&bytes) {
            prop_assert_eq!(encode(&program), bytes);
        }
    }
}

/// Encodings as the kernel's `include/linux/filter.h` macros and clang produce them.
#[test]
fn known_bytes() {
    let cases: &[(Insn, &[u8])] = &[
        (
            Insn::Alu {
                width: Width::W64,
                op: AluOp::Mov,
                dst: Reg::R0,
                src: Operand::Imm(2),
            },
            &[0xb7, 0, 0, 0, 2, 0, 0, 0],
        ),
        (
            Insn::Alu {
                width: Width::W32,
                op: AluOp::Mov,
                dst: Reg::R1,
                src: Operand::Reg(Reg::R2),
            },
            &[0xbc, 0x21, 0, 0, 0, 0, 0, 0],
        ),
        (
            Insn::Alu {
                width: Width::W64,
                op: AluOp::SDiv,
                dst: Reg::R3,
                src: Operand::Reg(Reg::R4),
            },
            &[0x3f, 0x43, 1, 0, 0, 0, 0, 0],
        ),
        (
            Insn::MovSx {
                width: Width::W64,
                from: Size::W,
                dst: Reg::R1,
                src: Reg::R2,
            },
            &[0xbf, 0x21, 32, 0, 0, 0, 0, 0],
        ),
        (
            Insn::Endian {
                op: Endian::ToBe,
                size: Size::H,
                dst: Reg::R5,
            },
            &[0xdc, 5, 0, 0, 16, 0, 0, 0],
        ),
        (
            Insn::Endian {
                op: Endian::Swap,
                size: Size::DW,
                dst: Reg::R5,
            },
            &[0xd7, 5, 0, 0, 64, 0, 0, 0],
        ),
        (
            Insn::Load {
                size: Size::W,
                dst: Reg::R2,
                base: Reg::R1,
                offset: 76,
            },
            &[0x61, 0x12, 76, 0, 0, 0, 0, 0],
        ),
        (
            Insn::LoadSx {
                size: Size::B,
                dst: Reg::R2,
                base: Reg::R1,
                offset: -1,
            },
            &[0x91, 0x12, 0xff, 0xff, 0, 0, 0, 0],
        ),
        (
            Insn::Store {
                size: Size::DW,
                base: Reg::R10,
                offset: -8,
                src: Operand::Imm(-1),
            },
            &[0x7a, 0x0a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        (
            Insn::Atomic {
                op: AtomicOp::Add { fetch: false },
                size: Size::DW,
                base: Reg::R0,
                offset: 0,
                src: Reg::R1,
            },
            &[0xdb, 0x10, 0, 0, 0, 0, 0, 0],
        ),
        (
            Insn::LoadImm64 {
                dst: Reg::R1,
                value: Imm64::MapValue { map: 3, offset: 16 },
            },
            &[0x18, 0x21, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0],
        ),
        (
            Insn::Jump {
                width: Width::W32,
                condition: Condition::Ne,
                dst: Reg::R1,
                src: Operand::Imm(8),
                offset: 3,
            },
            &[0x56, 1, 3, 0, 8, 0, 0, 0],
        ),
        (Insn::Goto { offset: -2 }, &[0x05, 0, 0xfe, 0xff, 0, 0, 0, 0]),
        (
            Insn::GotoLong { offset: 70_000 },
            &[0x06, 0, 0, 0, 0x70, 0x11, 1, 0],
        ),
        (Insn::Call { helper: 1 }, &[0x85, 0, 0, 0, 1, 0, 0, 0]),
        (Insn::Exit, &[0x95, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (insn, bytes) in cases {
        assert_eq!(encode(&[*insn]), *bytes, "{insn:?}");
    }
}

#[test]
fn refuses_what_it_does_not_know() {
    let unknown: &[[u8; SLOT]] = &[
        [0x85, 0x10, 0, 0, 1, 0, 0, 0],  // a call between programs
        [0x95, 0, 0, 0, 1, 0, 0, 0],     // exit with a constant
        [0xb7, 0x0b, 0, 0, 0, 0, 0, 0],  // register 11
        [0x20, 0, 0, 0, 0, 0, 0, 0],     // LD_ABS
        [0xbc, 0x21, 32, 0, 0, 0, 0, 0], // 32-bit move sign-extended from 32 bits
        [0x99, 0x12, 0, 0, 0, 0, 0, 0],  // sign-extending load of 8 bytes
        [0xd3, 0x10, 0, 0, 0, 0, 0, 0],  // atomic on one byte
    ];
    for &bytes in unknown {
        assert_eq!(decode(&bytes), Err(DecodeError::Unknown { slot: 0, bytes }));
    }
    assert_eq!(decode(&[0x95, 0, 0]), Err(DecodeError::Truncated { slot: 0 }));
    assert_eq!(
        decode(&[0x18, 0, 0, 0, 0, 0, 0, 0]),
        Err(DecodeError::Truncated { slot: 1 })
    );
}
