//! Control flow, registers, and operands reaching the right place.

use proptest::prelude::*;

use super::*;

#[test]
fn falling_off_the_end() {
    assert_eq!(fault(|a| a.mov(R0, 0)), FaultKind::FellOffTheEnd);
    let faulty = machine().run(&program(|a| a.mov(R0, 0)), frame()).unwrap_err();
    assert_eq!(faulty.instruction, 1);
    assert_eq!(
        faulty.to_string(),
        "instruction 1: execution fell off the end of the program"
    );
}

#[test]
fn bad_jumps() {
    let beyond = Program::new(vec![Insn::Goto { offset: 5 }]);
    let before = Program::new(vec![Insn::GotoLong { offset: -2 }]);
    let into_a_pair = Program::new(vec![
        Insn::Goto { offset: 1 },
        Insn::LoadImm64 {
            dst: R0,
            value: Imm64::Plain(0),
        },
        Insn::Exit,
    ]);
    for (program, target) in [(beyond, 6), (before, -1), (into_a_pair, 2)] {
        let fault = machine().run(&program, frame()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::BadJump { target });
    }
}

#[test]
fn jumps_count_slots() {
    let program = Program::new(vec![
        Insn::GotoLong { offset: 2 },
        Insn::LoadImm64 {
            dst: R0,
            value: Imm64::Plain(1),
        },
        Insn::LoadImm64 {
            dst: R0,
            value: Imm64::Plain(u64::from(u32::MAX) << 32 | 7),
        },
        Insn::Exit,
    ]);
    let outcome = machine().run(&program, frame()).unwrap();
    assert_eq!((outcome.return_value, outcome.executed), (7, 3));
}

#[test]
fn endless_loop() {
    let program = Program::new(vec![Insn::Goto { offset: -1 }]);
    let mut machine = machine();
    machine.instruction_limit = 100;
    let fault = machine.run(&program, frame()).unwrap_err();
    assert_eq!(
        fault,
        Fault {
            instruction: 0,
            kind: FaultKind::InstructionLimit { limit: 100 }
        }
    );
}

#[test]
fn registers() {
    assert_eq!(
        fault(|a| a.mov(R0, R3)),
        FaultKind::UninitialisedRegister { reg: R3 }
    );
    assert_eq!(fault(|a| a.mov(R10, 1)), FaultKind::FramePointerWritten);
    assert_eq!(
        fault(Assembler::exit),
        FaultKind::NoReturnValue { found: "nothing" }
    );
    let pointer = fault(|a| {
        a.mov(R0, R10);
        a.exit();
    });
    assert_eq!(pointer, FaultKind::NoReturnValue { found: "a pointer" });
    let after_call = fault(|a| {
        a.mov(R1, 1);
        a.call(8);
        a.mov(R0, R1);
    });
    assert_eq!(after_call, FaultKind::UninitialisedRegister { reg: R1 });
}

#[test]
fn constants_the_kernel_refuses() {
    for (op, imm) in [
        (AluOp::Div, 0),
        (AluOp::SMod, 0),
        (AluOp::Lsh, 64),
        (AluOp::Arsh, -1),
    ] {
        let kind = fault(|a| {
            a.mov(R0, 1);
            a.alu(op, R0, imm);
        });
        assert!(
            matches!(kind, FaultKind::Unsupported { .. }),
            "{op:?} {imm}: {kind}"
        );
    }
}

#[test]
fn division_by_a_zero_register() {
    let divided = run(|a| {
        a.mov(R1, 0);
        a.mov(R0, 9);
        a.alu(AluOp::Div, R0, R1);
        a.exit();
    });
    assert_eq!(divided, Ok(0));
    let remainder = run(|a| {
        a.mov(R1, 0);
        a.mov(R0, 9);
        a.alu(AluOp::Mod, R0, R1);
        a.exit();
    });
    assert_eq!(remainder, Ok(9));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The run loop hands each instruction's operands to the right place.
    #[test]
    fn instructions_use_their_operands(x in any::<u64>(), y in any::<u64>(), imm in any::<i32>()) {
        let result = |last: Insn| {
            let program = program(|a| {
                a.constant(R6, x);
                a.constant(R7, y);
                a.push(last);
                // Both halves of r6 reach the result.
                a.mov(R0, R6);
                a.alu(AluOp::Rsh, R0, 32);
                a.alu(AluOp::Xor, R0, R6);
                a.exit();
            });
            machine().run(&program, frame()).unwrap().return_value
        };
        let folded = |n: u64| (n >> 32) as u32 ^ n as u32;
        let alu = |width, src| Insn::Alu { width, op: AluOp::Sub, dst: R6, src };
        prop_assert_eq!(result(alu(Width::W64, R7.into())), folded(x.wrapping_sub(y)));
        prop_assert_eq!(result(alu(Width::W64, imm.into())), folded(x.wrapping_sub(i64::from(imm) as u64)));
        prop_assert_eq!(result(alu(Width::W32, R7.into())), (x as u32).wrapping_sub(y as u32));
        prop_assert_eq!(result(Insn::Neg { width: Width::W64, dst: R6 }), folded(x.wrapping_neg()));
        let sx = Insn::MovSx { width: Width::W64, from: H, dst: R6, src: R7 };
        prop_assert_eq!(result(sx), folded(y as i16 as u64));
        let be = Insn::Endian { op: Endian::ToBe, size: W, dst: R6 };
        prop_assert_eq!(result(be), (x as u32).swap_bytes());
    }

    #[test]
    fn jumps_are_taken_when_they_hold(x in any::<u64>(), imm in any::<i32>(), equal in any::<bool>()) {
        let x = if equal { i64::from(imm) as u64 } else { x };
        for width in [Width::W32, Width::W64] {
            for condition in Condition::ALL {
                let program = Program::new(vec![
                    Insn::LoadImm64 { dst: R6, value: Imm64::Plain(x) },
                    Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: R0, src: Operand::Imm(1) },
                    Insn::Jump { width, condition, dst: R6, src: Operand::Imm(imm), offset: 1 },
                    Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: R0, src: Operand::Imm(0) },
                    Insn::Exit,
                ]);
                let taken = machine().run(&program, frame()).unwrap().return_value == 1;
                let imm = i64::from(imm) as u64;
                prop_assert_eq!(taken, semantics::holds(&Concrete, width, condition, &x, &imm));
            }
        }
    }

    /// What is stored is loaded back, in every size, also sign-extended.
    #[test]
    fn stack_round_trip(x in any::<u64>(), cell in 1i16..=64) {
        for size in [B, H, W, DW] {
            let stored = |signed: bool| {
                let program = program(|a| {
                    let offset = -8 * cell;
                    a.constant(R6, x);
                    a.store(size, R10, offset, R6);
                    a.push(if signed && size != DW {
                        Insn::LoadSx { size, dst: R0, base: R10, offset }
                    } else {
                        Insn::Load { size, dst: R0, base: R10, offset }
                    });
                    a.exit();
                });
                machine().run(&program, frame()).unwrap().return_value
            };
            let unsigned = match size {
                B => u32::from(x as u8),
                H => u32::from(x as u16),
                W | DW => x as u32,
            };
            let signed = match size {
                B => x as i8 as u32,
                H => x as i16 as u32,
                W | DW => x as u32,
            };
            prop_assert_eq!((stored(false), stored(true)), (unsigned, signed));
        }
    }

    /// No sequence of instructions makes the interpreter panic.
    #[test]
    fn no_program_panics(bytes in prop::collection::vec(any::<[u8; 8]>(), 1..40)) {
        // Squeeze random bytes towards valid encodings.
        let insns = bytes.into_iter().filter_map(|mut slot| {
            slot[1] = (slot[1] % 11) | ((slot[1] / 24) << 4);
            slot[3] = if slot[3] & 0x80 == 0 { 0 } else { 0xff };
            if slot[0] & 1 == 0 {
                [slot[5], slot[6], slot[7]] = [0; 3];
            }
            crate::insn::decode(&slot).ok()
        });
        let mut insns: Vec<Insn> = insns.flatten().collect();
        insns.push(Insn::Exit);
        let mut machine = machine();
        machine.instruction_limit = 1_000;
        let _ = machine.run(&Program::new(insns), frame());
    }
}
