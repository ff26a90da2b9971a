//! Stack cells and pointer arithmetic.

use super::*;

#[test]
fn stack_faults() {
    let region = Region::Stack;
    let size = STACK;
    assert_eq!(
        fault(|a| a.store(DW, R10, 0, 1)),
        FaultKind::OutOfBounds {
            region,
            offset: 0,
            len: 8,
            size
        }
    );
    assert_eq!(
        fault(|a| a.store(B, R10, -513, 1)),
        FaultKind::OutOfBounds {
            region,
            offset: -513,
            len: 1,
            size
        }
    );
    assert_eq!(
        fault(|a| a.store(W, R10, -6, 1)),
        FaultKind::Misaligned {
            region,
            offset: -6,
            len: 4
        }
    );
    assert_eq!(
        fault(|a| a.load(W, R0, R10, -8)),
        FaultKind::UninitialisedStack { offset: -8 }
    );
    let half = fault(|a| {
        a.store(W, R10, -8, 1);
        a.load(DW, R0, R10, -8);
    });
    assert_eq!(half, FaultKind::UninitialisedStack { offset: -4 });
}

#[test]
fn spilled_pointers() {
    let back = run(|a| {
        a.store(DW, R10, -8, R1);
        a.load(DW, R2, R10, -8);
        a.load(W, R0, R2, 0);
        a.exit();
    });
    assert_eq!(back, Ok(64));
    let part = fault(|a| {
        a.store(DW, R10, -8, R1);
        a.load(W, R0, R10, -8);
    });
    assert!(matches!(part, FaultKind::PointerLeak { .. }), "{part}");
    assert!(matches!(
        fault(|a| a.store(W, R10, -8, R1)),
        FaultKind::PointerLeak { .. }
    ));
    let overwritten = fault(|a| {
        a.store(DW, R10, -8, R1);
        a.store(B, R10, -8, 0);
        a.load(DW, R0, R10, -8);
    });
    assert_eq!(overwritten, FaultKind::UninitialisedStack { offset: -7 });
}

#[test]
fn numbers_are_not_pointers() {
    let kind = fault(|a| {
        a.mov(R1, 0);
        a.load(B, R0, R1, 0);
    });
    assert_eq!(kind, FaultKind::NotAPointer { found: "a number" });
    let kind = fault(|a| {
        map(a, R1, HASH);
        a.load(B, R0, R1, 0);
    });
    assert_eq!(kind, FaultKind::NotAPointer { found: "a map" });
}

#[test]
fn pointer_leaks() {
    type Build = fn(&mut Assembler);
    let cases: &[(&str, Build)] = &[
        ("multiplication", |a| a.alu(AluOp::Mul, R10, 2)),
        ("32-bit move", |a| {
            a.push(Insn::Alu {
                width: Width::W32,
                op: AluOp::Mov,
                dst: R0,
                src: R10.into(),
            });
        }),
        ("negation", |a| {
            a.push(Insn::Neg {
                width: Width::W64,
                dst: R1,
            })
        }),
        ("byte order", |a| {
            a.push(Insn::Endian {
                op: Endian::ToBe,
                size: DW,
                dst: R1,
            })
        }),
        ("difference between regions", |a| {
            a.load(W, R2, R1, 76);
            a.mov(R3, R10);
            a.alu(AluOp::Sub, R3, R2);
        }),
        ("comparison between regions", |a| {
            a.load(W, R2, R1, 76);
            let label = a.here();
            a.jump(Gt, R10, R2, label);
        }),
        ("comparison with a number", |a| {
            let label = a.here();
            a.jump(Gt, R10, 5, label);
        }),
        ("moving the context", |a| a.alu(AluOp::Add, R1, 4)),
        ("moving data_end", |a| {
            a.load(W, R2, R1, 80);
            a.alu(AluOp::Add, R2, -1);
        }),
        ("storing a pointer in a map", |a| {
            value_of(a, R2, ARRAY, 0);
            a.store(DW, R2, 0, R10);
        }),
        ("storing a pointer in the context", |a| a.store(W, R1, 48, R10)),
    ];
    for (what, build) in cases {
        let kind = fault(build);
        assert!(matches!(kind, FaultKind::PointerLeak { .. }), "{what}: {kind}");
    }
    let far = fault(|a| {
        a.mov(R2, R10);
        a.alu(AluOp::Add, R2, 1 << 29);
    });
    assert_eq!(
        far,
        FaultKind::PointerTooFar {
            region: Region::Stack,
            offset: 1 << 29
        }
    );
}

#[test]
fn distances_within_a_region() {
    let length = run(|a| {
        a.load(W, R2, R1, 76);
        a.load(W, R0, R1, 80);
        a.alu(AluOp::Sub, R0, R2);
        a.exit();
    });
    assert_eq!(length, Ok(64));
}
