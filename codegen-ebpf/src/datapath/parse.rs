//! Parse: from the packet's bytes to the flow's key, by direct packet access.
//!
//! The code is there twice. The first copy reads what lies in the linear part of the packet; only when a header reaches
//! beyond it are more bytes pulled in, and the second copy starts over. What is short even then is truncated.
//!
//! Registers: `r2` is the header at hand, `r3` the end of the linear part; `r4` keeps the IPv6 hop limit, `r5` the next
//! header.

use super::records::Reason;
use super::{Exits, Hook, frame};
use crate::asm::{Assembler, Label};
use crate::insn::AluOp::{Add, And, Lsh, Rsh, Sub};
use crate::insn::Condition::{Eq, Ge, Gt, Le, Lt, Ne};
use crate::insn::Reg::{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10};
use crate::insn::Size;

/// Offsets in `struct __sk_buff`.
pub(super) mod context {
    pub(super) const LEN: i16 = 0;
    /// `skb->skb_iif`
    pub(in super::super) const INGRESS_IFINDEX: i16 = 36;
    pub(super) const DATA: i16 = 76;
    pub(super) const DATA_END: i16 = 80;
}

/// `bpf_skb_pull_data`
const SKB_PULL_DATA: u32 = 39;
const ETHERNET: i16 = 14;
/// Extension headers followed before giving up. RFC 8200 §4.1 has a use for five in front of the transport.
const MAX_EXTENSIONS: usize = 6;
/// Enough for every header that is followed: an extension header has at most 2,048 bytes.
const PULL: i32 = 14 + 40 + 2048 * MAX_EXTENSIONS as i32 + 20;

/// IP protocol numbers.
pub(super) mod protocol {
    pub(in super::super) const ICMP: i32 = 1;
    pub(in super::super) const TCP: i32 = 6;
    pub(in super::super) const UDP: i32 = 17;
    pub(in super::super) const ICMPV6: i32 = 58;
    pub(in super::super) const SCTP: i32 = 132;
}

/// ICMP message types.
pub(super) mod icmp {
    pub(in super::super) const ECHO_REPLY: i32 = 0;
    pub(in super::super) const ECHO_REQUEST: i32 = 8;
    pub(in super::super) const V6_ECHO_REQUEST: i32 = 128;
    pub(in super::super) const V6_ECHO_REPLY: i32 = 129;
    pub(super) const NEIGHBOUR_SOLICITATION: i32 = 135;
    pub(super) const NEIGHBOUR_ADVERTISEMENT: i32 = 136;
}

/// First 16 bits of `ff02::/16` (RFC 4291, 2.7).
const LINK_LOCAL_MULTICAST: i32 = 0xff02;
/// First 10 bits of `fe80::/10` (RFC 4291, 2.4), as the upper 10 of 16.
const LINK_LOCAL: i32 = 0xfe80;

const HOP_BY_HOP: i32 = 0;
const ROUTING: i32 = 43;
const FRAGMENT: i32 = 44;
/// RFC 4302. In IPv4 too it stands before a transport that it leaves in the clear, and hides it from a judge that takes
/// it for the transport.
const AUTHENTICATION: i32 = 51;
const DESTINATION: i32 = 60;
/// Extension headers that are not followed, and may hide a transport that the receiver understands: encapsulating
/// security payload, authentication, no next header, mobility, host identity, shim6, experiments (IANA's registry of
/// IPv6 extension header types).
const OPAQUE: [i32; 8] = [50, AUTHENTICATION, 59, 135, 139, 140, 253, 254];

/// Where parsed packets go.
pub(super) struct Parsed {
    /// IPv4, not yet checked against the endpoint's addresses.
    pub(super) v4: Label,
    /// IPv6, likewise.
    pub(super) v6: Label,
    /// IPv4, checked.
    pub(super) own_v4: Label,
    /// IPv6, checked.
    pub(super) own_v6: Label,
}

/// Where one copy of the parser leaves to.
struct Ends {
    short: Label,
    neighbour: Label,
    malformed: Label,
    unknown: Label,
    fragment: Label,
    ethertype: Label,
}

pub(super) fn emit(asm: &mut Assembler, hook: Hook, exits: &mut Exits) -> Parsed {
    let parsed = Parsed {
        v4: asm.label(),
        v6: asm.label(),
        own_v4: asm.label(),
        own_v6: asm.label(),
    };
    let truncated = exits.to(asm, Reason::Truncated);
    let pull = asm.label();
    let ends = Ends {
        short: pull,
        neighbour: exits.to(asm, Reason::Neighbour),
        malformed: exits.to(asm, Reason::Malformed),
        unknown: exits.to(asm, Reason::UnknownHeader),
        fragment: exits.to(asm, Reason::Fragment),
        ethertype: exits.to(asm, Reason::EtherType),
    };
    packet(asm, hook, &ends, &parsed);

    asm.bind(pull);
    let bounded = asm.label();
    asm.load(Size::W, R2, R6, context::LEN);
    asm.load(Size::W, R0, R6, context::DATA);
    asm.load(Size::W, R3, R6, context::DATA_END);
    asm.alu(Sub, R3, R0);
    // Nothing lies beyond the linear part.
    asm.jump(Ge, R3, R2, truncated);
    asm.jump(Le, R2, PULL, bounded);
    asm.mov(R2, PULL);
    asm.bind(bounded);
    asm.mov(R1, R6);
    // When it fails, the second copy finds the packet short.
    asm.call(SKB_PULL_DATA);
    packet(
        asm,
        hook,
        &Ends {
            short: truncated,
            ..ends
        },
        &parsed,
    );
    parsed
}

/// Leaves to `short` unless `length` bytes lie at `r2`.
fn need(asm: &mut Assembler, length: i16, ends: &Ends) {
    asm.mov(R0, R2);
    asm.alu(Add, R0, i32::from(length));
    asm.jump(Gt, R0, R3, ends.short);
}

fn packet(asm: &mut Assembler, hook: Hook, ends: &Ends, parsed: &Parsed) {
    let (not_v4, v6) = (asm.label(), asm.label());
    asm.load(Size::W, R2, R6, context::DATA);
    asm.load(Size::W, R3, R6, context::DATA_END);
    need(asm, ETHERNET, ends);
    asm.load(Size::H, R0, R2, 12);
    asm.alu(Add, R2, i32::from(ETHERNET));
    asm.jump32(Ne, R0, ethertype(0x0800), not_v4);
    ipv4(asm, hook, ends, parsed);
    asm.bind(not_v4);
    asm.jump32(Eq, R0, ethertype(0x86dd), v6);
    asm.jump32(Eq, R0, ethertype(0x0806), ends.neighbour);
    asm.goto(ends.ethertype);
    asm.bind(v6);
    ipv6(asm, hook, ends, parsed);
}

/// A number of the Ethernet header as it is loaded, in network order.
fn ethertype(number: u16) -> i32 {
    i32::from(number.swap_bytes())
}

fn ipv4(asm: &mut Assembler, hook: Hook, ends: &Ends, parsed: &Parsed) {
    need(asm, 20, ends);
    // Version, and the header's length in words.
    asm.load(Size::B, R1, R2, 0);
    asm.mov(R0, R1);
    asm.alu(Rsh, R0, 4);
    asm.jump32(Ne, R0, 4, ends.malformed);
    asm.alu(And, R1, 15);
    asm.jump32(Lt, R1, 5, ends.malformed);
    asm.alu(Lsh, R1, 2);

    let (local, peer) = match hook {
        Hook::ToPod => (16, 12),
        Hook::FromPod => (12, 16),
    };
    asm.store(Size::B, R10, frame::FAMILY, 4);
    asm.store(Size::B, R10, frame::DIRECTION, i32::from(hook.number()));
    for (offset, place) in [(local, frame::LOCAL), (peer, frame::PEER)] {
        asm.load(Size::W, R7, R2, offset);
        asm.store(Size::H, R10, place + 10, 0xffff);
        asm.store(Size::W, R10, place + 12, R7);
    }
    asm.to_be(Size::W, R7);

    asm.load(Size::B, R5, R2, 9);
    asm.store(Size::B, R10, frame::PROTOCOL, R5);
    // Fragment offset, in network order.
    asm.load(Size::H, R0, R2, 6);
    asm.alu(And, R0, i32::from(0x1fff_u16.swap_bytes()));
    asm.jump32(Ne, R0, 0, ends.fragment);
    asm.alu(Add, R2, R1);
    transport(asm, hook, Family::V4, ends, parsed.v4);
}

fn ipv6(asm: &mut Assembler, hook: Hook, ends: &Ends, parsed: &Parsed) {
    need(asm, 40, ends);
    asm.load(Size::B, R0, R2, 0);
    asm.alu(Rsh, R0, 4);
    asm.jump32(Ne, R0, 6, ends.malformed);
    let (local, peer) = match hook {
        Hook::ToPod => (24, 8),
        Hook::FromPod => (8, 24),
    };
    asm.store(Size::B, R10, frame::FAMILY, 6);
    asm.store(Size::B, R10, frame::DIRECTION, i32::from(hook.number()));
    for (offset, place) in [(local, frame::LOCAL), (peer, frame::PEER)] {
        asm.load(Size::DW, R7, R2, offset);
        asm.load(Size::DW, R8, R2, offset + 8);
        asm.store(Size::DW, R10, place, R7);
        asm.store(Size::DW, R10, place + 8, R8);
    }
    asm.to_be(Size::DW, R7);
    asm.to_be(Size::DW, R8);
    asm.load(Size::B, R4, R2, 7);
    asm.load(Size::B, R5, R2, 6);
    asm.alu(Add, R2, 40);

    let found = asm.label();
    // Nearly every packet has none of the others in front.
    asm.jump32(Eq, R5, protocol::TCP, found);
    asm.jump32(Eq, R5, protocol::UDP, found);
    for _ in 0..MAX_EXTENSIONS {
        let (options, skip, next) = (asm.label(), asm.label(), asm.label());
        for header in [HOP_BY_HOP, ROUTING, DESTINATION] {
            asm.jump32(Eq, R5, header, options);
        }
        asm.jump32(Ne, R5, FRAGMENT, found);
        need(asm, 8, ends);
        asm.load(Size::B, R5, R2, 0);
        asm.load(Size::H, R0, R2, 2);
        asm.alu(And, R0, i32::from(0xfff8_u16.swap_bytes()));
        // The address check comes later, but the protocol behind a later fragment is known already.
        asm.store(Size::B, R10, frame::PROTOCOL, R5);
        asm.jump32(Ne, R0, 0, ends.fragment);
        asm.alu(Add, R2, 8);
        asm.goto(next);
        asm.bind(options);
        need(asm, 8, ends);
        asm.jump32(Ne, R5, ROUTING, skip);
        // While segments are left, the packet's destination is a stop on the way to another (RFC 8200, 4.4).
        asm.load(Size::B, R0, R2, 3);
        asm.jump32(Ne, R0, 0, ends.unknown);
        asm.bind(skip);
        asm.load(Size::B, R5, R2, 0);
        // Length in units of 8 bytes, not counting the first.
        asm.load(Size::B, R0, R2, 1);
        asm.alu(Add, R0, 1);
        asm.alu(Lsh, R0, 3);
        asm.alu(Add, R2, R0);
        asm.bind(next);
    }
    asm.bind(found);
    asm.store(Size::B, R10, frame::PROTOCOL, R5);
    transport(asm, hook, Family::V6, ends, parsed.v6);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// `r5` is the protocol, `r2` its header.
fn transport(asm: &mut Assembler, hook: Hook, family: Family, ends: &Ends, done: Label) {
    let (tcp, udp, sctp, icmp) = (asm.label(), asm.label(), asm.label(), asm.label());
    let ports = asm.label();
    asm.jump32(Eq, R5, protocol::TCP, tcp);
    asm.jump32(Eq, R5, protocol::UDP, udp);
    let (own, wrong) = match family {
        Family::V4 => (protocol::ICMP, protocol::ICMPV6),
        Family::V6 => (protocol::ICMPV6, protocol::ICMP),
    };
    asm.jump32(Eq, R5, own, icmp);
    asm.jump32(Eq, R5, protocol::SCTP, sctp);
    asm.jump32(Eq, R5, wrong, ends.unknown);
    if family == Family::V4 {
        asm.jump32(Eq, R5, AUTHENTICATION, ends.unknown);
    } else {
        for header in [HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION]
            .into_iter()
            .chain(OPAQUE)
        {
            asm.jump32(Eq, R5, header, ends.unknown);
        }
    }
    // Any other protocol has no ports; policies see port 0. What lies before it has to be there all the same.
    need(asm, 0, ends);
    asm.mov(R9, 0);
    asm.goto(done);

    asm.bind(icmp);
    // RFC 792 and 4443 know no message shorter than 8 bytes.
    need(asm, 8, ends);
    asm.load(Size::B, R9, R2, 0);
    asm.store(Size::B, R10, frame::DETAIL, R9);
    let (echo, request) = match family {
        Family::V4 => (icmp::ECHO_REPLY, icmp::ECHO_REQUEST),
        Family::V6 => (icmp::V6_ECHO_REPLY, icmp::V6_ECHO_REQUEST),
    };
    let identified = asm.label();
    if family == Family::V6 {
        let (discovery, policy) = (asm.label(), asm.label());
        asm.jump32(Eq, R9, icmp::NEIGHBOUR_SOLICITATION, discovery);
        asm.jump32(Ne, R9, icmp::NEIGHBOUR_ADVERTISEMENT, policy);
        asm.bind(discovery);
        // RFC 4861 §7.1: valid only with hop limit 255, which no router lets through, and code 0.
        asm.jump32(Ne, R4, 255, policy);
        if hook == Hook::FromPod {
            // The pod chose the hop limit: only the destination says that no router will carry the packet further.
            let on_link = asm.label();
            asm.mov(R0, R7);
            asm.alu(Rsh, R0, 48);
            asm.jump32(Eq, R0, LINK_LOCAL_MULTICAST, on_link);
            asm.alu(And, R0, 0xffc0);
            asm.jump32(Ne, R0, LINK_LOCAL, policy);
            asm.bind(on_link);
        }
        asm.load(Size::B, R0, R2, 1);
        asm.jump32(Eq, R0, 0, ends.neighbour);
        asm.bind(policy);
    }
    asm.jump32(Eq, R9, echo, identified);
    asm.jump32(Ne, R9, request, done);
    asm.bind(identified);
    asm.load(Size::H, R0, R2, 4);
    asm.store(Size::H, R10, frame::LOCAL_PORT, R0);
    asm.goto(done);

    asm.bind(tcp);
    need(asm, 20, ends);
    asm.load(Size::B, R0, R2, 13);
    asm.store(Size::B, R10, frame::DETAIL, R0);
    asm.goto(ports);
    asm.bind(sctp);
    need(asm, 12, ends);
    asm.goto(ports);
    asm.bind(udp);
    need(asm, 8, ends);
    asm.bind(ports);
    let (source, destination) = match hook {
        Hook::ToPod => (frame::PEER_PORT, frame::LOCAL_PORT),
        Hook::FromPod => (frame::LOCAL_PORT, frame::PEER_PORT),
    };
    asm.load(Size::H, R0, R2, 0);
    asm.load(Size::H, R9, R2, 2);
    asm.store(Size::H, R10, source, R0);
    asm.store(Size::H, R10, destination, R9);
    asm.to_be(Size::H, R9);
    asm.goto(done);
}
