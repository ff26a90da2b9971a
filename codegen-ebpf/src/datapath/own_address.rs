//! Own address: what leaves a pod must come from it, and what goes to it must be meant for it and not come from an
//! impostor of its node.
//!
//! A pod that could send from another's address would borrow that pod's permissions, and a packet for another address
//! would be judged by the wrong policy.
//!
//! Nor may a packet to the pod come in the name of the pod's own node from elsewhere. The node's host reaches its pods
//! whatever their policy, and the source address is all that tells it: whoever forges it would be let in everywhere
//! (IPv6 has no reverse path filter). What the host sends itself has met no interface (`skb->skb_iif` is 0 until
//! `__netif_receive_skb_core` sets it, and forwarding keeps it), so a packet that has met one is not the host's.
//! Services are translated at the sender's socket, and no packet on its way to a pod is given the node's address;
//! nothing honest is lost.

use std::net::{IpAddr, Ipv6Addr};

use super::parse::{Parsed, context};
use super::records::Reason;
use super::{Exits, Hook, Subject, frame};
use crate::asm::{Assembler, Label};
use crate::insn::Condition::{Eq, Ne};
use crate::insn::Reg::{R0, R1, R2, R6, R7, R8, R10};
use crate::insn::Size;

/// Binds the parsed packet's labels; continues at the checked ones.
pub(super) fn emit(asm: &mut Assembler, subject: &Subject<'_>, exits: &mut Exits, parsed: &Parsed) {
    let foreign = exits.to(
        asm,
        match subject.hook {
            Hook::ToPod => Reason::Foreign,
            Hook::FromPod => Reason::Spoofed,
        },
    );
    let (mine_v4, mine_v6) = (
        peer_check(asm, subject, parsed.own_v4, IpAddr::is_ipv4),
        peer_check(asm, subject, parsed.own_v6, IpAddr::is_ipv6),
    );
    // Compared as they lie in memory, in network order.
    asm.bind(parsed.v4);
    asm.load(Size::W, R0, R10, frame::LOCAL + 12);
    for address in subject.addresses {
        if let IpAddr::V4(address) = address {
            asm.jump32(Eq, R0, i32::from_le_bytes(address.octets()), mine_v4);
        }
    }
    asm.goto(foreign);

    asm.bind(parsed.v6);
    asm.load(Size::DW, R0, R10, frame::LOCAL);
    asm.load(Size::DW, R1, R10, frame::LOCAL + 8);
    for address in subject.addresses {
        if let IpAddr::V6(address) = address {
            let (upper, lower) = halves(*address);
            let other = asm.label();
            asm.constant(R2, upper.swap_bytes());
            asm.jump(Ne, R0, R2, other);
            asm.constant(R2, lower.swap_bytes());
            asm.jump(Eq, R1, R2, mine_v6);
            asm.bind(other);
        }
    }
    asm.goto(foreign);

    if mine_v4 != parsed.own_v4 {
        asm.bind(mine_v4);
        forged(asm, subject, exits, parsed.own_v4, IpAddr::is_ipv4);
    }
    if mine_v6 != parsed.own_v6 {
        asm.bind(mine_v6);
        forged(asm, subject, exits, parsed.own_v6, IpAddr::is_ipv6);
    }
}

/// Where packets of a family go whose own address is right: straight on to `checked`, unless the peer's address has
/// to be looked at as well.
fn peer_check(
    asm: &mut Assembler,
    subject: &Subject<'_>,
    checked: Label,
    family: fn(&IpAddr) -> bool,
) -> Label {
    let reached = subject.addresses.iter().any(family);
    if subject.hook == Hook::ToPod && reached && subject.own_node.iter().any(family) {
        asm.label()
    } else {
        checked
    }
}

/// Drops a forwarded packet that claims to come from the pod's own node; others go on to `checked`.
fn forged(
    asm: &mut Assembler,
    subject: &Subject<'_>,
    exits: &mut Exits,
    checked: Label,
    family: fn(&IpAddr) -> bool,
) {
    let spoofed = exits.to(asm, Reason::Spoofed);
    asm.load(Size::W, R0, R6, context::INGRESS_IFINDEX);
    asm.jump32(Eq, R0, 0, checked);
    for address in subject.own_node.iter().filter(|address| family(address)) {
        match address {
            IpAddr::V4(address) => asm.jump32(Eq, R7, address.to_bits().cast_signed(), spoofed),
            IpAddr::V6(address) => {
                let (upper, lower) = halves(*address);
                let other = asm.label();
                asm.constant(R0, upper);
                asm.jump(Ne, R7, R0, other);
                asm.constant(R0, lower);
                asm.jump(Eq, R8, R0, spoofed);
                asm.bind(other);
            }
        }
    }
    asm.goto(checked);
}

/// The upper and the lower 64 bits.
fn halves(address: Ipv6Addr) -> (u64, u64) {
    ((address.to_bits() >> 64) as u64, address.to_bits() as u64)
}
