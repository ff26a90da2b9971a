//! Packets made to slip past the policy: each says one thing to a judge that reads too little, and another to the
//! kernel that acts on it.
#![cfg(test)]

use std::net::Ipv6Addr;

use ir::identity::Identities;
use ir::policy::Direction;
use ir::table::VerdictTable;
use portcullis_codegen_ebpf::compile::{self, Input};
use portcullis_codegen_ebpf::datapath::Hook;
use portcullis_codegen_ebpf::datapath::records::{COUNTERS, MAPS, Reason};
use portcullis_codegen_ebpf::interpreter::{Machine, Packet};

/// A pod that may send to one address, and hear from it.
const POLICY: &str = "endpoint shop/pod labels app=pod at 10.0.0.1 fd00::1\n\
    policy NetworkPolicy shop/p on pods [ns=shop] denies both {\n\
    allow egress to cidr 2001:db8::1/128\n\
    allow ingress from cidr 2001:db8::1/128\n}\n";
const POD: &str = "fd00::1";
const ALLOWED: &str = "2001:db8::1";
const FORBIDDEN: &str = "2001:db8::2";

/// What becomes of a packet.
fn judged(hook: Hook, frame: &[u8]) -> Reason {
    let model = ir::text::parse(POLICY).unwrap();
    let endpoint = model.cluster.endpoint_ids().next().unwrap().0;
    let identities = Identities::of(&model);
    let [ingress, egress] =
        Direction::BOTH.map(|direction| VerdictTable::build(&model, &identities, endpoint, direction));
    let programs = compile::endpoint(&Input {
        model: &model,
        endpoint,
        ingress: &ingress,
        egress: &egress,
        addresses: identities.addresses(),
        text: &(),
    })
    .unwrap();
    let mut machine = Machine::new();
    let program = &programs[usize::from(hook.number())];
    let program = machine.load(&program.object.load().unwrap(), &MAPS).unwrap();
    machine.run(&program, Packet::ethernet(frame.to_vec())).unwrap();
    let counters = machine.map_named(COUNTERS.name).unwrap();
    let counted = |reason: &Reason| {
        let key = u32::from(hook.number() << 4 | reason.number()).to_le_bytes();
        machine.map(counters).unwrap().get(&key).unwrap()[0] != 0
    };
    Reason::ALL.into_iter().find(counted).unwrap()
}

/// An IPv6 frame.
fn v6(source: &str, destination: &str, next_header: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0];
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([next_header, hop_limit]);
    frame.extend(address(source));
    frame.extend(address(destination));
    frame.extend(payload);
    frame
}

/// Hop limit 255 proves to a receiver that a packet has met no router. It proves nothing of where a sender's packet
/// is going: a router would forward it, whatever it carries.
#[test]
fn neighbour_discovery_of_a_pod_stays_on_its_link() {
    for kind in [135, 136] {
        let message = [
            &[kind, 0, 0, 0, 0, 0, 0, 0][..],
            b"anything that should not leave",
        ]
        .concat();
        let from_pod =
            |source, destination| judged(Hook::FromPod, &v6(source, destination, 58, 255, &message));
        for destination in ["ff02::1", "ff02::1:ff00:2", "fe80::1", "febf::1"] {
            assert_eq!(
                from_pod("fe80::2", destination),
                Reason::Neighbour,
                "to {destination}"
            );
            // Duplicate address detection has no address to send from yet.
            assert_eq!(from_pod("::", destination), Reason::Neighbour, "to {destination}");
        }
        for destination in [FORBIDDEN, "ff05::1", "ff0e::1", "fec0::1", "fd00::2"] {
            assert_eq!(from_pod(POD, destination), Reason::Policy, "to {destination}");
            assert_eq!(
                from_pod("2001:db8::9", destination),
                Reason::Spoofed,
                "to {destination}"
            );
        }
        assert_eq!(from_pod(POD, ALLOWED), Reason::Allowed);
        // What a router lets through has at most 254; here 255 does prove it.
        let to_pod = |hops| judged(Hook::ToPod, &v6(FORBIDDEN, POD, 58, hops, &message));
        assert_eq!(to_pod(255), Reason::Neighbour);
        assert_eq!(to_pod(254), Reason::Policy);
    }
}

/// While segments are left, the destination in the IPv6 header is one stop on the way (RFC 8200, 4.4).
#[test]
fn a_routing_header_hides_no_destination() {
    let tcp = [
        0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
    ];
    let last_stop = FORBIDDEN.parse::<Ipv6Addr>().unwrap().octets();
    // Type 0 (RFC 5095 forbids it), type 2 (mobile hosts), 3 (RPL), 4 (segment routing), and one nobody knows.
    for kind in [0, 2, 3, 4, 99] {
        for left in [0, 1, 255] {
            let packet = [&[6, 2, kind, left, 0, 0, 0, 0][..], &last_stop, &tcp].concat();
            let expected = if left == 0 {
                Reason::Allowed
            } else {
                Reason::UnknownHeader
            };
            let from_pod = v6(POD, ALLOWED, 43, 64, &packet);
            assert_eq!(
                judged(Hook::FromPod, &from_pod),
                expected,
                "type {kind}, {left} left"
            );
            let to_pod = v6(ALLOWED, POD, 43, 64, &packet);
            assert_eq!(judged(Hook::ToPod, &to_pod), expected, "type {kind}, {left} left");
        }
    }
}
