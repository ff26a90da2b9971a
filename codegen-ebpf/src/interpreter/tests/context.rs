//! The packet and `struct __sk_buff`.

use super::*;

#[test]
fn packet_bytes_need_a_comparison() {
    let read = run(|a| {
        packet_of(a, 14);
        a.load(H, R0, R2, 12);
        a.exit();
    });
    assert_eq!(read, Ok(0x0008));
    let unproven = fault(|a| {
        packet_of(a, 13);
        a.load(H, R0, R2, 12);
    });
    assert_eq!(
        unproven,
        FaultKind::NotComparedWithDataEnd {
            offset: 12,
            len: 2,
            proven: 13
        }
    );
    let never = fault(|a| {
        a.load(W, R2, R1, 76);
        a.load(B, R0, R2, 0);
    });
    assert_eq!(
        never,
        FaultKind::NotComparedWithDataEnd {
            offset: 0,
            len: 1,
            proven: 0
        }
    );
}

/// Every way to write the comparison, and how many bytes each vouches for.
#[test]
fn what_comparisons_vouch_for() {
    let readable = |condition: Condition, swapped: bool, offset: i32, byte: i16| {
        run(|a| {
            let label = a.label();
            a.load(W, R2, R1, 76);
            a.load(W, R3, R1, 80);
            a.mov(R4, R2);
            a.alu(AluOp::Add, R4, offset);
            let (dst, src) = if swapped { (R3, R4) } else { (R4, R3) };
            a.jump(condition, dst, src, label);
            a.bind(label);
            a.load(B, R0, R2, byte);
            a.exit();
        })
        .is_ok()
    };
    for (condition, swapped) in [(Gt, false), (Le, false), (Lt, true), (Ge, true)] {
        assert!(
            readable(condition, swapped, 64, 63),
            "{condition:?} vouches for what lies before"
        );
        assert!(
            !readable(condition, swapped, 63, 63),
            "{condition:?} does not vouch for the byte itself"
        );
        assert!(
            !readable(condition, swapped, 65, 63),
            "{condition:?} the other way vouches for nothing"
        );
    }
    for (condition, swapped) in [(Ge, false), (Lt, false), (Le, true), (Gt, true)] {
        assert!(
            readable(condition, swapped, 63, 63),
            "{condition:?} vouches for the byte itself"
        );
        assert!(
            !readable(condition, swapped, 62, 63),
            "{condition:?} vouches for one byte only"
        );
        assert!(
            !readable(condition, swapped, 64, 63),
            "{condition:?} the other way vouches for nothing"
        );
    }
}

#[test]
fn packet_bounds() {
    let region = Region::Packet { generation: 0 };
    let beyond = fault(|a| {
        packet_of(a, 64);
        a.load(B, R0, R2, 64);
    });
    assert_eq!(
        beyond,
        FaultKind::OutOfBounds {
            region,
            offset: 64,
            len: 1,
            size: 64
        }
    );
    let before = fault(|a| {
        packet_of(a, 64);
        a.load(B, R0, R2, -1);
    });
    assert_eq!(
        before,
        FaultKind::OutOfBounds {
            region,
            offset: -1,
            len: 1,
            size: 64
        }
    );
    let atomic = fault(|a| {
        packet_of(a, 64);
        a.mov(R0, 1);
        a.push(Insn::Atomic {
            op: AtomicOp::Add { fetch: false },
            size: W,
            base: R2,
            offset: 0,
            src: R0,
        });
    });
    assert!(matches!(atomic, FaultKind::Unsupported { .. }), "{atomic}");
}

#[test]
fn packet_is_writable_and_returned() {
    let program = program(|a| {
        packet_of(a, 64);
        a.store(H, R2, 0, 0x2211);
        a.mov(R0, 0);
        a.exit();
    });
    let packet = machine().run(&program, frame()).unwrap().packet;
    assert_eq!(packet.bytes.get(..3), Some(&[0x11, 0x22, 2][..]));
}

#[test]
fn only_the_linear_part_is_addressable() {
    let build = |a: &mut Assembler| {
        packet_of(a, 34);
        a.load(B, R0, R2, 33);
        a.exit();
    };
    let machine = || machine();
    let short = machine()
        .run(&program(build), frame().with_linear_len(20))
        .unwrap();
    assert_eq!(short.return_value, u32::MAX);
    let pulled = program(|a| {
        a.mov(R6, R1);
        a.mov(R2, 34);
        a.call(39);
        a.mov(R1, R6);
        build(a);
    });
    let long = machine().run(&pulled, frame().with_linear_len(20)).unwrap();
    assert_eq!((long.return_value, long.packet.linear_len), (33, 34));
}

#[test]
fn pulling_makes_pointers_stale() {
    let kind = fault(|a| {
        a.mov(R6, R1);
        packet_of(a, 14);
        a.mov(R7, R2);
        a.mov(R1, R6);
        a.mov(R2, 14);
        a.call(39);
        a.load(B, R0, R7, 0);
    });
    assert_eq!(kind, FaultKind::StalePacketPointer);
    let too_long = run(|a| {
        a.mov(R2, 65);
        a.call(39);
        a.exit();
    });
    assert_eq!(too_long, Ok(-12i32 as u32));
}

#[test]
fn context_fields() {
    let mut packet = frame();
    packet.mark = 0xaabb_ccdd;
    packet.ifindex = 7;
    packet.ingress_ifindex = 6;
    packet.cb = [1, 2, 3, 4, 5];
    packet.vlan = Some((0x8100, 42));
    let load = |size, offset| {
        let program = program(|a| {
            a.load(size, R0, R1, offset);
            a.exit();
        });
        machine()
            .run(&program, packet.clone())
            .map(|o| o.return_value)
            .map_err(|f| f.kind)
    };
    assert_eq!(load(W, 0), Ok(64));
    assert_eq!(load(W, 8), Ok(0xaabb_ccdd));
    assert_eq!((load(B, 9), load(H, 10)), (Ok(0xcc), Ok(0xaabb)));
    assert_eq!(load(W, 16), Ok(0x0008));
    assert_eq!(
        (load(W, 20), load(W, 24), load(W, 28)),
        (Ok(1), Ok(42), Ok(0x0081))
    );
    assert_eq!((load(W, 36), load(W, 40)), (Ok(6), Ok(7)));
    assert_eq!((load(W, 48), load(W, 64)), (Ok(1), Ok(5)));
    for (size, offset, len) in [
        (DW, 0, 8),
        (W, 2, 4),
        (H, 76, 2),
        (W, 84, 4),
        (W, -4, 4),
        (B, 80, 1),
    ] {
        let kind = FaultKind::Context {
            access: "load",
            offset: i64::from(offset),
            len,
        };
        assert_eq!(load(size, offset), Err(kind));
    }
}

#[test]
fn context_stores() {
    let program = program(|a| {
        a.store(W, R1, 8, 0x1234);
        a.store(W, R1, 52, 99);
        a.mov(R0, 0);
        a.exit();
    });
    let packet = machine().run(&program, frame()).unwrap().packet;
    assert_eq!((packet.mark, packet.cb), (0x1234, [0, 99, 0, 0, 0]));
    for (size, offset, len) in [(W, 0, 4), (W, 40, 4), (W, 76, 4), (H, 8, 2), (W, 50, 4)] {
        let kind = FaultKind::Context {
            access: "store",
            offset: i64::from(offset),
            len,
        };
        assert_eq!(fault(|a| a.store(size, R1, offset, 1)), kind);
    }
}
