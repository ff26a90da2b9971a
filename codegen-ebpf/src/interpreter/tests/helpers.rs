//! Each helper, with its results and errors.

use super::*;

#[test]
fn hash_map() {
    let status = |flags, times: usize| {
        run(|a| {
            for _ in 0..times {
                update(a, HASH, 1, 2, flags);
            }
            a.exit();
        })
        .map(u32::cast_signed)
    };
    assert_eq!(
        (status(0, 2), status(1, 1), status(1, 2), status(2, 1)),
        (Ok(0), Ok(0), Ok(-17), Ok(-2))
    );
    assert_eq!(status(3, 1), Ok(-22));
    let full = run(|a| {
        for k in 0..3 {
            update(a, HASH, k, 2, 0);
        }
        a.exit();
    });
    assert_eq!(full, Ok(-7i32 as u32));
    let deleted = run(|a| {
        update(a, HASH, 1, 2, 0);
        key(a, HASH, 1);
        a.call(3);
        a.mov(R6, R0);
        key(a, HASH, 1);
        a.call(3);
        a.alu(AluOp::Mul, R0, 10);
        a.alu(AluOp::Add, R0, R6);
        a.exit();
    });
    assert_eq!(deleted, Ok(-20i32 as u32));
}

#[test]
fn contents_survive_the_run() {
    let mut machine = machine();
    let write = program(|a| {
        update(a, HASH, 1, 42, 0);
        a.exit();
    });
    let read = program(|a| {
        look_up(a, HASH, 1);
        a.exit();
    });
    assert_eq!(machine.run(&read, frame()).unwrap().return_value, u32::MAX);
    assert_eq!(machine.run(&write, frame()).unwrap().return_value, 0);
    assert_eq!(machine.run(&read, frame()).unwrap().return_value, 42);
    let contents: Vec<_> = machine.map(MapId(HASH)).unwrap().iter().collect();
    assert_eq!(contents, [(&1u32.to_le_bytes()[..], &42u64.to_le_bytes()[..])]);
}

#[test]
fn lru_evicts_what_was_used_longest_ago() {
    for (used, survivor, gone) in [(1, 1, 2), (2, 2, 1)] {
        let mut machine = machine();
        let fill = program(|a| {
            update(a, LRU, 1, 11, 0);
            update(a, LRU, 2, 22, 0);
            look_up(a, LRU, used);
            update(a, LRU, 3, 33, 0);
            a.exit();
        });
        assert_eq!(machine.run(&fill, frame()).unwrap().return_value, 0);
        let lru = machine.map(MapId(LRU)).unwrap();
        assert!(lru.get(&u32::to_le_bytes(survivor)).is_some());
        assert!(lru.get(&u32::to_le_bytes(gone)).is_none());
        assert_eq!(lru.len(), 2);
    }
}

#[test]
fn arrays() {
    let value = |k| {
        run(|a| {
            update(a, PER_CPU, 2, 9, 0);
            look_up(a, PER_CPU, k);
            a.exit();
        })
    };
    assert_eq!((value(0), value(2), value(3)), (Ok(0), Ok(9), Ok(u32::MAX)));
    let status = |k, flags| {
        run(|a| {
            update(a, PER_CPU, k, 9, flags);
            a.exit();
        })
        .map(u32::cast_signed)
    };
    assert_eq!(
        (status(3, 0), status(0, 1), status(0, 2)),
        (Ok(-7), Ok(-17), Ok(0))
    );
}

#[test]
fn longest_prefix_match() {
    let mut machine = machine();
    let trie = machine.map_mut(MapId(TRIE)).unwrap();
    let key = |len: u32, address: [u8; 4]| [len.to_le_bytes(), address].concat();
    let mut set = |len, address, value: u64| trie.set(&key(len, address), &value.to_le_bytes());
    assert_eq!(set(8, [10, 0, 0, 0], 8), Ok(()));
    // Bits beyond the prefix do not matter.
    assert_eq!(set(16, [10, 1, 77, 77], 16), Ok(()));
    assert_eq!(set(32, [10, 1, 2, 3], 32), Ok(()));
    assert_eq!(set(33, [10, 1, 2, 3], 33), Err(MapError::Invalid));
    assert_eq!(set(0, [0; 4], 0), Ok(()));
    assert_eq!(set(1, [0; 4], 1), Err(MapError::NoSpace));
    let trie = machine.map(MapId(TRIE)).unwrap();
    let found = |len, address| trie.get(&key(len, address)).map(little);
    assert_eq!(found(32, [10, 1, 2, 3]), Some(32));
    assert_eq!(found(32, [10, 1, 2, 4]), Some(16));
    assert_eq!(found(32, [10, 2, 2, 4]), Some(8));
    assert_eq!(found(32, [11, 0, 0, 0]), Some(0));
    assert_eq!(found(24, [10, 1, 2, 3]), Some(16));
    assert_eq!(found(33, [10, 1, 2, 3]), None);
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

#[test]
fn clocks_and_cpu() {
    let call = |helper| {
        run(|a| {
            a.call(helper);
            a.exit();
        })
    };
    assert_eq!((call(5), call(160)), (Ok(2_000_000_007), Ok(2_000_000_007)));
    assert_eq!((call(118), call(8)), (Ok(500), Ok(0)));
    assert_eq!(call(4_000), Err(FaultKind::UnknownHelper { helper: 4_000 }));
}

#[test]
fn loading_packet_bytes() {
    let load = |from: i32, len: i32| {
        let build = |a: &mut Assembler| {
            a.mov(R2, from);
            a.mov(R3, R10);
            a.alu(AluOp::Add, R3, -8);
            a.mov(R4, len);
            a.call(26);
            a.load(W, R6, R10, -8);
            a.alu(AluOp::Lsh, R6, 8);
            a.alu(AluOp::Sub, R6, R0);
            a.mov(R0, R6);
            a.exit();
        };
        let packet = frame().with_linear_len(14);
        machine()
            .run(&program(build), packet)
            .map(|o| o.return_value)
            .map_err(|f| f.kind)
    };
    // Beyond the linear part; at the very end; one too far, which zeroes the buffer.
    assert_eq!(load(16, 4), Ok(0x0012_1110 << 8));
    assert_eq!(load(60, 4), Ok(0x003e_3d3c << 8));
    assert_eq!(load(61, 4), Ok(14));
    assert_eq!(load(-1, 4), Ok(14));
    let expected = "the size of a buffer";
    assert_eq!(
        load(0, 0),
        Err(FaultKind::HelperArgument {
            helper: 26,
            reg: R4,
            expected
        })
    );
    assert!(matches!(
        load(0, 9),
        Err(FaultKind::OutOfBounds {
            region: Region::Stack,
            ..
        })
    ));
}

#[test]
fn helper_arguments_have_kinds() {
    let expect = |helper, reg, expected| FaultKind::HelperArgument {
        helper,
        reg,
        expected,
    };
    let no_map = fault(|a| {
        a.mov(R2, R10);
        a.call(1);
    });
    assert_eq!(no_map, expect(1, R1, "a map"));
    let no_key = fault(|a| {
        map(a, R1, HASH);
        a.mov(R2, 0);
        a.call(1);
    });
    assert_eq!(no_key, expect(1, R2, "a pointer"));
    let no_context = fault(|a| {
        a.mov(R1, 0);
        a.mov(R2, 0);
        a.call(39);
    });
    assert_eq!(no_context, expect(39, R1, "the context"));
    let unwritten_key = fault(|a| {
        map(a, R1, HASH);
        a.mov(R2, R10);
        a.alu(AluOp::Add, R2, -4);
        a.call(1);
    });
    assert_eq!(unwritten_key, FaultKind::UninitialisedStack { offset: -4 });
    let ring_key = fault(|a| {
        key(a, RING, 0);
        a.call(1);
    });
    assert!(matches!(ring_key, FaultKind::BadMap { .. }), "{ring_key}");
}

#[test]
fn ring_buffer_output() {
    let mut machine = machine();
    let output = program(|a| {
        a.store(DW, R10, -8, 0x77);
        map(a, R1, RING);
        a.mov(R2, R10);
        a.alu(AluOp::Add, R2, -8);
        a.mov(R3, 8);
        a.mov(R4, 0);
        a.call(130);
        a.exit();
    });
    // Two records of 8 + 8 bytes fill the 32 bytes.
    let mut status = |_| machine.run(&output, frame()).unwrap().return_value.cast_signed();
    assert_eq!([0, 1, 2].map(&mut status), [0, 0, -11]);
    let ring = machine.map_mut(MapId(RING)).unwrap();
    assert_eq!(ring.take_records(), vec![0x77u64.to_le_bytes().to_vec(); 2]);
    assert_eq!(machine.run(&output, frame()).unwrap().return_value, 0);
}

#[test]
fn ring_buffer_reservations() {
    let reserve = |a: &mut Assembler, len: i32| {
        map(a, R1, RING);
        a.mov(R2, len);
        a.mov(R3, 0);
        a.call(131);
        let got = a.label();
        a.jump(Ne, R0, 0, got);
        a.exit();
        a.bind(got);
    };
    let end = |a: &mut Assembler, helper| {
        a.mov(R1, R0);
        a.mov(R2, 0);
        a.call(helper);
        a.mov(R0, 1);
        a.exit();
    };
    let mut machine = machine();
    let submit = program(|a| {
        reserve(a, 24);
        a.store(W, R0, 20, 5);
        end(a, 132);
    });
    let discard = program(|a| {
        reserve(a, 24);
        end(a, 133);
    });
    let mut result = |p: &Program| machine.run(p, frame()).unwrap().return_value;
    assert_eq!((result(&discard), result(&submit), result(&submit)), (1, 1, 0));
    let records = machine.map_mut(MapId(RING)).unwrap().take_records();
    assert_eq!(records.iter().map(Vec::len).collect::<Vec<_>>(), [24]);
    let leaked = fault(|a| {
        reserve(a, 8);
        a.mov(R0, 0);
        a.exit();
    });
    assert_eq!(leaked, FaultKind::RecordLeaked);
    let beyond = fault(|a| {
        reserve(a, 8);
        a.store(W, R0, 8, 0);
    });
    assert!(
        matches!(
            beyond,
            FaultKind::OutOfBounds {
                offset: 8,
                len: 4,
                size: 8,
                ..
            }
        ),
        "{beyond}"
    );
    let twice = fault(|a| {
        reserve(a, 8);
        a.mov(R6, R0);
        a.mov(R1, R0);
        a.mov(R2, 0);
        a.call(132);
        a.mov(R1, R6);
        a.mov(R2, 0);
        a.call(132);
    });
    assert_eq!(
        twice,
        FaultKind::NotAPointer {
            found: "no reserved record"
        }
    );
}
