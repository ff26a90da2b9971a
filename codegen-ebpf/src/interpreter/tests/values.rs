//! Map values: bounds, read-only tables, atomics, lifetimes.

use super::*;

#[test]
fn tables_are_read_only_and_bounded() {
    let read = run(|a| {
        value_of(a, R1, RODATA, 4);
        a.load(W, R0, R1, 0);
        a.exit();
    });
    assert_eq!(read, Ok(0x0807_0605));
    let written = fault(|a| {
        value_of(a, R1, RODATA, 0);
        a.store(B, R1, 0, 0);
    });
    assert!(matches!(written, FaultKind::ReadOnly { .. }), "{written}");
    let beyond = fault(|a| {
        value_of(a, R1, RODATA, 4);
        a.load(DW, R0, R1, 0);
    });
    assert!(
        matches!(
            beyond,
            FaultKind::OutOfBounds {
                offset: 4,
                len: 8,
                size: 8,
                ..
            }
        ),
        "{beyond}"
    );
    let address = fault(|a| value_of(a, R1, RODATA, 8));
    assert!(
        matches!(address, FaultKind::OutOfBounds { offset: 8, .. }),
        "{address}"
    );
    let helper = fault(|a| update(a, RODATA, 0, 0, 0));
    assert!(matches!(helper, FaultKind::BadMap { .. }), "{helper}");
    for (id, what) in [
        (HASH, "only a single-element array's value has an address"),
        (99, "there is no such map"),
    ] {
        assert_eq!(
            fault(|a| value_of(a, R1, id, 0)),
            FaultKind::BadMap { map: MapId(id), what }
        );
    }
}

#[test]
fn atomics_on_map_values() {
    let mut machine = machine();
    let program = program(|a| {
        value_of(a, R6, ARRAY, 8);
        a.mov(R7, 5);
        a.push(Insn::Atomic {
            op: AtomicOp::Add { fetch: false },
            size: DW,
            base: R6,
            offset: 0,
            src: R7,
        });
        a.push(Insn::Atomic {
            op: AtomicOp::Add { fetch: true },
            size: DW,
            base: R6,
            offset: 0,
            src: R7,
        });
        // r7 = 5, cell = 10
        a.mov(R0, 10);
        a.mov(R8, 77);
        a.push(Insn::Atomic {
            op: AtomicOp::CompareExchange,
            size: DW,
            base: R6,
            offset: 0,
            src: R8,
        });
        // r0 = 10, cell = 77
        a.alu(AluOp::Mul, R0, 100);
        a.alu(AluOp::Add, R0, R7);
        a.push(Insn::Atomic {
            op: AtomicOp::Exchange,
            size: DW,
            base: R6,
            offset: 0,
            src: R7,
        });
        // r7 = 77, cell = 5
        a.alu(AluOp::Mul, R0, 100);
        a.alu(AluOp::Add, R0, R7);
        a.exit();
    });
    assert_eq!(machine.run(&program, frame()).unwrap().return_value, 100_577);
    let cell = machine.map(MapId(ARRAY)).unwrap().get(&[0; 4]).unwrap().to_vec();
    assert_eq!(cell.get(8..), Some(&5u64.to_le_bytes()[..]));
    let misaligned = fault(|a| {
        value_of(a, R6, ARRAY, 0);
        a.mov(R7, 5);
        a.push(Insn::Atomic {
            op: AtomicOp::Xor { fetch: false },
            size: DW,
            base: R6,
            offset: 4,
            src: R7,
        });
    });
    assert!(
        matches!(
            misaligned,
            FaultKind::Misaligned {
                offset: 4,
                len: 8,
                ..
            }
        ),
        "{misaligned}"
    );
}

#[test]
fn lookups_must_be_checked_for_null() {
    let kind = fault(|a| {
        update(a, HASH, 1, 2, 0);
        key(a, HASH, 1);
        a.call(1);
        a.load(DW, R0, R0, 0);
    });
    assert_eq!(kind, FaultKind::NotCheckedForNull);
    let moved = fault(|a| {
        update(a, HASH, 1, 2, 0);
        key(a, HASH, 1);
        a.call(1);
        a.alu(AluOp::Add, R0, 4);
    });
    assert_eq!(moved, FaultKind::NotCheckedForNull);
    // A check counts for all copies of the pointer.
    let copied = run(|a| {
        update(a, HASH, 1, 2, 0);
        key(a, HASH, 1);
        a.call(1);
        a.mov(R6, R0);
        let found = a.label();
        a.jump(Ne, R0, 0, found);
        a.exit();
        a.bind(found);
        a.load(DW, R0, R6, 0);
        a.exit();
    });
    assert_eq!(copied, Ok(2));
}

#[test]
fn entries_do_not_outlive_their_deletion() {
    for update_again in [false, true] {
        let kind = fault(|a| {
            update(a, HASH, 1, 2, 0);
            key(a, HASH, 1);
            a.call(1);
            let found = a.label();
            a.jump(Ne, R0, 0, found);
            a.exit();
            a.bind(found);
            a.mov(R6, R0);
            if update_again {
                update(a, HASH, 1, 3, 0);
            } else {
                key(a, HASH, 1);
                a.call(3);
            }
            a.load(DW, R0, R6, 0);
        });
        assert_eq!(kind, FaultKind::StaleEntry { map: MapId(HASH) });
    }
}
