//! Programs for generated tables: the kernel refuses code that nothing leads to, so there must be none, whatever the
//! tables are like; and the size limits hold.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, helpers included"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ir::identity::AddressMap;
use ir::identity::IdentityId;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::table::{Cells, Row, VerdictTable};
use portcullis_codegen_ebpf::asm::Program;
use portcullis_codegen_ebpf::datapath::{self, Hook, Subject, records};
use portcullis_codegen_ebpf::elf;
use portcullis_codegen_ebpf::insn::Insn;
use portcullis_codegen_ebpf::interpreter::{Machine, Packet};
use portcullis_codegen_ebpf::source_line::SourceLine;
use portcullis_codegen_ebpf::tables::Plan;
use portcullis_codegen_ebpf::tables::addresses::Addresses;
use proptest::prelude::*;
use roaring::RoaringBitmap;

fn line() -> SourceLine {
    SourceLine {
        file: "generated.yaml".into(),
        line: 1,
        column: 1,
        text: "".into(),
    }
}

/// A table over `identities` columns: for each row the port where it begins and who is let through.
fn table(direction: Direction, identities: u32, rows: &[(Protocol, u16, RoaringBitmap)]) -> VerdictTable {
    let columns: RoaringBitmap = (0..identities).collect();
    let mut table = VerdictTable {
        direction,
        rows: Vec::new(),
        cells: vec![Cells {
            allowed: RoaringBitmap::new(),
            rules: Vec::new(),
        }],
        default_deny: Vec::new(),
        in_force: Vec::new(),
        always: RoaringBitmap::new(),
        columns: columns.clone(),
    };
    for protocol in Protocol::ALL {
        let mut starts: Vec<(u16, &RoaringBitmap)> = rows
            .iter()
            .filter(|(row, first, _)| *row == protocol && *first <= protocol.highest_port())
            .map(|(_, first, allowed)| (*first, allowed))
            .collect();
        starts.sort_by_key(|(first, _)| *first);
        starts.dedup_by_key(|(first, _)| *first);
        let mut push = |first, last, cells| {
            table.rows.push(Row {
                protocol,
                first,
                last,
                cells,
            });
        };
        match starts.first() {
            Some((0, _)) => {}
            Some((first, _)) => push(0, first - 1, 0),
            None => push(0, protocol.highest_port(), 0),
        }
        for (index, (first, allowed)) in starts.iter().enumerate() {
            let last = starts
                .get(index + 1)
                .map_or(protocol.highest_port(), |next| next.0 - 1);
            let cells = table.cells.len();
            table.cells.push(Cells {
                allowed: *allowed & &columns,
                rules: Vec::new(),
            });
            table.rows.push(Row {
                protocol,
                first: *first,
                last,
                cells,
            });
        }
    }
    table
}

fn addresses(identities: u32, exact: &[(IpAddr, u32)], v4: &[(u32, u32)], v6: &[(u128, u32)]) -> AddressMap {
    let id = |n: u32| IdentityId(n % identities);
    let mut v4: Vec<(Ipv4Addr, IdentityId)> = v4.iter().map(|(a, n)| ((*a).into(), id(*n))).collect();
    let mut v6: Vec<(Ipv6Addr, IdentityId)> = v6.iter().map(|(a, n)| ((*a).into(), id(*n))).collect();
    v4.push((Ipv4Addr::UNSPECIFIED, id(0)));
    v6.push((Ipv6Addr::UNSPECIFIED, id(0)));
    v4.sort();
    v4.dedup_by_key(|(address, _)| *address);
    v6.sort();
    v6.dedup_by_key(|(address, _)| *address);
    AddressMap {
        exact: exact.iter().map(|(a, n)| (*a, id(*n))).collect(),
        v4,
        v6,
    }
}

fn emit(
    own: &VerdictTable,
    opposite: &VerdictTable,
    map: &AddressMap,
    own_addresses: &[IpAddr],
    own_node: &[IpAddr],
) -> (Plan, Program) {
    let addresses = Addresses::new(own, opposite, map).unwrap();
    let plan = Plan::new(own, opposite, &addresses).unwrap();
    let hook = match own.direction {
        Direction::Ingress => Hook::ToPod,
        Direction::Egress => Hook::FromPod,
    };
    let program = datapath::emit(&Subject {
        hook,
        endpoint: 1,
        addresses: own_addresses,
        own_node,
        plan: &plan,
        origin: &line(),
        rows: &[],
        opposite_rows: &[],
    })
    .unwrap();
    (plan, program)
}

/// Instructions that no path from the first one leads to.
fn unreachable(insns: &[Insn]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut slot = 0;
    for insn in insns {
        starts.push(slot);
        slot += insn.slots() as i64;
    }
    let mut seen = vec![false; insns.len()];
    let mut open = vec![0usize];
    while let Some(index) = open.pop() {
        if std::mem::replace(&mut seen[index], true) {
            continue;
        }
        if let Some(offset) = insns[index].jump_offset() {
            let target = starts[index] + 1 + i64::from(offset);
            open.push(starts.binary_search(&target).unwrap());
        }
        if !matches!(
            insns[index],
            Insn::Exit | Insn::Goto { .. } | Insn::GotoLong { .. }
        ) {
            open.push(index + 1);
        }
    }
    (0..insns.len()).filter(|index| !seen[*index]).collect()
}

fn bitmap() -> impl Strategy<Value = RoaringBitmap> {
    prop_oneof![
        Just(RoaringBitmap::new()),
        Just((0..10).collect()),
        prop::collection::vec(0..10u32, 0..6).prop_map(|ids| ids.into_iter().collect()),
    ]
}

fn rows() -> impl Strategy<Value = Vec<(Protocol, u16, RoaringBitmap)>> {
    let protocol = prop::sample::select(&Protocol::ALL[..]);
    let port = prop_oneof![Just(0), 0..300u16, any::<u16>()];
    let some = prop::collection::vec((protocol, port, bitmap()), 0..20);
    let whole = bitmap().prop_map(|allowed| {
        Protocol::ALL
            .into_iter()
            .map(|protocol| (protocol, 0, allowed.clone()))
            .collect()
    });
    prop_oneof![some, whole]
}

proptest! {
    #[test]
    fn nothing_is_unreachable(
        ingress in rows(),
        egress in rows(),
        exact in prop::collection::vec((any::<IpAddr>(), any::<u32>()), 0..30),
        v4 in prop::collection::vec((any::<u32>(), any::<u32>()), 0..10),
        v6 in prop::collection::vec((any::<u128>(), any::<u32>()), 0..10),
        own in prop::collection::vec(any::<IpAddr>(), 0..3),
        own_node in prop::collection::vec(any::<IpAddr>(), 0..3),
    ) {
        let ingress = table(Direction::Ingress, 10, &ingress);
        let egress = table(Direction::Egress, 10, &egress);
        let map = addresses(10, &exact, &v4, &v6);
        for (first, second) in [(&ingress, &egress), (&egress, &ingress)] {
            let (plan, program) = emit(first, second, &map, &own, &own_node);
            prop_assert_eq!(unreachable(&program.insns), Vec::<usize>::new());
            let object = elf::write("program", &program, &records::MAPS, &plan.rodata).unwrap();
            let read = object.load().unwrap();
            prop_assert_eq!(read.insns.len(), program.insns.len());
            prop_assert_eq!(read.tables, plan.rodata);
        }
    }
}

/// A large policy: thousands of rows, intervals and addresses. The object is left in the target directory for loading by
/// hand.
#[test]
fn large_tables() {
    let identities = 500;
    let row = |index: u16| -> (Protocol, u16, RoaringBitmap) {
        let allowed = (0..identities)
            .filter(|id| (id * 7919 + u32::from(index) * 104_729) % 13 < 6)
            .collect();
        (Protocol::Tcp, index * 16, allowed)
    };
    let own: Vec<_> = (0..4_000).map(row).collect();
    let opposite: Vec<_> = (0..50).map(row).collect();
    let exact: Vec<(IpAddr, u32)> = (0..20_000u32)
        .flat_map(|n| {
            let v4 = Ipv4Addr::from_bits(0x0a00_0000 + n);
            let v6 = Ipv6Addr::from_bits((0xfd00_u128 << 112) | u128::from(n));
            [(IpAddr::V4(v4), n), (IpAddr::V6(v6), n)]
        })
        .collect();
    let v4: Vec<(u32, u32)> = (1..10_000).map(|n| (n * 400_000, n)).collect();
    let v6: Vec<(u128, u32)> = (1..3_000).map(|n| ((u128::from(n) << 96) | 1, n)).collect();
    let map = addresses(identities, &exact, &v4, &v6);
    let (v4_starts, v6_starts) = (v4, v6);
    let own = table(Direction::Ingress, identities, &own);
    let opposite = table(Direction::Egress, identities, &opposite);
    let (plan, program) = emit(
        &own,
        &opposite,
        &map,
        &["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        &[],
    );
    assert_eq!(unreachable(&program.insns), Vec::<usize>::new());
    // Its size does not depend on that of the policy.
    assert!(program.insns.len() < 1_500, "{}", program.insns.len());
    let object = elf::write("to_pod", &program, &records::MAPS, &plan.rodata).unwrap();
    std::fs::write(
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("large.o"),
        &object.bytes,
    )
    .unwrap();
    let loaded = object.load().unwrap();
    assert_eq!(loaded.insns.len(), program.insns.len());

    // Every boundary, by the table and by the program.
    let mut machine = Machine::new();
    let bound = machine.load(&loaded, &records::MAPS).unwrap();
    let around = |start: u128, top: u128| [start.saturating_sub(1), start, (start + 1).min(top)];
    let peers = v4_starts
        .iter()
        .step_by(7)
        .flat_map(|(start, _)| around((*start).into(), u32::MAX.into()))
        .map(|peer| IpAddr::V4(Ipv4Addr::from_bits(peer as u32)))
        .chain(
            v6_starts
                .iter()
                .step_by(7)
                .flat_map(|(start, _)| around(*start, u128::MAX))
                .map(|peer| IpAddr::V6(Ipv6Addr::from_bits(peer))),
        )
        .chain(map.exact.keys().copied().step_by(11))
        .chain(
            [
                "255.255.255.255",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "0.0.0.0",
                "::",
            ]
            .map(|a| a.parse().unwrap()),
        );
    let mut ports = own
        .rows
        .iter()
        .filter(|row| row.protocol == Protocol::Tcp)
        .flat_map(|row| [row.first, row.last])
        .cycle();
    let mut allowed = 0;
    let mut asked = 0;
    for peer in peers {
        for port in ports.by_ref().take(3) {
            let expected = own.allows(Protocol::Tcp, port, map.identity(peer).unwrap());
            let outcome = machine.run(&bound, Packet::ethernet(syn(peer, port))).unwrap();
            let passed = outcome.return_value.cast_signed() == records::PASS;
            assert_eq!(passed, expected, "{peer} {port}");
            allowed += usize::from(passed);
            asked += 1;
        }
    }
    assert!(
        asked > 20_000 && allowed > asked / 5 && allowed < asked * 4 / 5,
        "{allowed} of {asked}"
    );
}

/// The largest table there can be: a row for every port.
#[test]
fn a_row_for_every_port() {
    let rows: Vec<_> = (0..=u16::MAX)
        .map(|port| (Protocol::Tcp, port, RoaringBitmap::from([u32::from(port % 3)])))
        .collect();
    let own = table(Direction::Ingress, 3, &rows);
    let opposite = table(Direction::Egress, 3, &[]);
    let pods: Vec<(IpAddr, u32)> = (0..3u8)
        .map(|n| (IpAddr::from([10, 0, 1, n]), u32::from(n)))
        .collect();
    let map = addresses(3, &pods, &[], &[]);
    let (plan, program) = emit(&own, &opposite, &map, &["10.0.0.1".parse().unwrap()], &[]);
    let object = elf::write("to_pod", &program, &records::MAPS, &plan.rodata).unwrap();
    let mut machine = Machine::new();
    let bound = machine.load(&object.load().unwrap(), &records::MAPS).unwrap();
    for port in (0..=u16::MAX).step_by(257).chain([1, 255, 256, 65_534]) {
        for (address, identity) in &pods {
            let outcome = machine
                .run(&bound, Packet::ethernet(syn(*address, port)))
                .unwrap();
            let passed = outcome.return_value.cast_signed() == records::PASS;
            assert_eq!(passed, u32::from(port % 3) == *identity, "{address} {port}");
        }
    }
}

/// A first TCP packet to the pod, checksums left out.
fn syn(peer: IpAddr, port: u16) -> Vec<u8> {
    let mut packet = vec![2; 12];
    match peer {
        IpAddr::V4(peer) => {
            packet.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
            packet.extend(peer.octets());
            packet.extend([10, 0, 0, 1]);
        }
        IpAddr::V6(peer) => {
            packet.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64]);
            packet.extend(peer.octets());
            packet.extend("fd00::1".parse::<Ipv6Addr>().unwrap().octets());
        }
    }
    packet.extend(40_000_u16.to_be_bytes());
    packet.extend(port.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    packet
}
