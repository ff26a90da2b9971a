//! Conntrack: flows that were let through are remembered, so that replies to them pass.
//!
//! An entry says that some packet of the flow was allowed once; it permits nothing by itself. A reply passes only when
//! the verdict of the flow's own direction still allows it. Where both directions let everything through, nobody asks
//! for entries, and none are written. One unrestricted direction is not enough: its program would take replies for flows
//! that the peer opened and remember them so, and these entries would outlive a revocation of the other direction.

use super::parse::{icmp, protocol};
use super::records::{CONNTRACK, Reason};
use super::{Exits, Hook, Subject, frame, verdict};
use crate::asm::{Assembler, Label, Symbol};
use crate::insn::AluOp::{Add, And, Sub};
use crate::insn::Condition::{Eq, Ne, SGt};
use crate::insn::Reg::{R0, R1, R2, R3, R4, R7, R8, R9, R10};
use crate::insn::Size;

const MAP_LOOKUP_ELEM: u32 = 1;
const MAP_UPDATE_ELEM: u32 = 2;
/// Not inlined, but the same time for every loader: jiffies would be cheaper, and need the kernel's `HZ`.
const KTIME_GET_COARSE_NS: u32 = 160;

const SECOND: u64 = 1_000_000_000;
/// How long an idle flow is remembered: TCP and SCTP (whose associations also outlive silence) as long as Cilium does.
const LONG: u64 = 8_000 * SECOND;
/// Likewise for UDP and ICMP echo.
const BRIEF: u64 = 60 * SECOND;

const SYN_ACK: i32 = 0x12;
const SYN: i32 = 0x02;

/// A packet that the policy denies: continues at `pass` when it is a reply, else drops it.
pub(super) fn reply(asm: &mut Assembler, subject: &Subject<'_>, exits: &mut Exits, denied: Label) {
    asm.bind(denied);
    let policy = exits.to(asm, Reason::Policy);
    if subject.plan.opposite.denies_all() {
        // Nothing to reply to.
        asm.goto(policy);
        return;
    }
    let (ports, tcp, v4, v6, judge) = (asm.label(), asm.label(), asm.label(), asm.label(), asm.label());
    asm.load(Size::B, R0, R10, frame::PROTOCOL);
    asm.load(Size::B, R1, R10, frame::DETAIL);
    asm.jump32(Eq, R0, protocol::TCP, tcp);
    asm.jump32(Eq, R0, protocol::UDP, ports);
    asm.jump32(Eq, R0, protocol::SCTP, ports);
    asm.jump32(Eq, R0, protocol::ICMP, v4);
    asm.jump32(Eq, R0, protocol::ICMPV6, v6);
    asm.goto(policy);
    asm.bind(v4);
    asm.jump32(Ne, R1, icmp::ECHO_REPLY, policy);
    asm.mov(R9, icmp::ECHO_REQUEST);
    asm.goto(judge);
    asm.bind(v6);
    asm.jump32(Ne, R1, icmp::V6_ECHO_REPLY, policy);
    asm.mov(R9, icmp::V6_ECHO_REQUEST);
    asm.goto(judge);
    asm.bind(tcp);
    // A request for a new connection is never a reply.
    asm.alu(And, R1, SYN_ACK);
    asm.jump32(Eq, R1, SYN, policy);
    asm.bind(ports);
    // The original flow went to where this packet comes from.
    let source = match subject.hook {
        Hook::ToPod => frame::PEER_PORT,
        Hook::FromPod => frame::LOCAL_PORT,
    };
    asm.load(Size::H, R9, R10, source);
    asm.to_be(Size::H, R9);
    asm.bind(judge);

    let known = asm.label();
    verdict::opposite(asm, subject, exits, known, policy);
    asm.mark(subject.origin);
    asm.bind(known);
    look_up(asm, subject.hook.opposite());
    asm.store(Size::B, R10, frame::DIRECTION, i32::from(subject.hook.number()));
    asm.jump(Eq, R0, 0, policy);
    asm.mov(R7, R0);
    unless_fresh(asm, policy);
    asm.store(Size::DW, R7, 0, R0);
    let pass = exits.to(asm, Reason::Reply);
    asm.goto(pass);
}

/// A packet that the policy allows: makes sure that replies will be known, and passes it.
pub(super) fn track(asm: &mut Assembler, subject: &Subject<'_>, exits: &mut Exits, allowed: Label) {
    asm.bind(allowed);
    let pass = exits.to(asm, Reason::Allowed);
    if subject.plan.own.allows_all() && subject.plan.opposite.allows_all() {
        asm.goto(pass);
        return;
    }
    let (flow, v4, v6, first, new) = (asm.label(), asm.label(), asm.label(), asm.label(), asm.label());
    asm.load(Size::B, R0, R10, frame::PROTOCOL);
    asm.load(Size::B, R9, R10, frame::DETAIL);
    asm.jump32(Eq, R0, protocol::TCP, flow);
    asm.jump32(Eq, R0, protocol::UDP, flow);
    asm.jump32(Eq, R0, protocol::SCTP, flow);
    asm.jump32(Eq, R0, protocol::ICMP, v4);
    asm.jump32(Eq, R0, protocol::ICMPV6, v6);
    // Nothing is a reply to other protocols.
    asm.goto(pass);
    asm.bind(v4);
    asm.jump32(Eq, R9, icmp::ECHO_REQUEST, flow);
    asm.goto(pass);
    asm.bind(v6);
    asm.jump32(Ne, R9, icmp::V6_ECHO_REQUEST, pass);

    asm.bind(flow);
    look_up(asm, subject.hook);
    asm.jump(Eq, R0, 0, first);
    asm.mov(R7, R0);
    asm.call(KTIME_GET_COARSE_NS);
    asm.store(Size::DW, R7, 0, R0);
    asm.goto(pass);

    // No entry: a new flow, or packets that answer one which the peer opened. The latter must not get an entry, or
    // they would keep the peer's packets coming after its own direction is no longer allowed.
    asm.bind(first);
    let opened_by_peer = asm.label();
    asm.load(Size::B, R0, R10, frame::PROTOCOL);
    asm.jump32(Ne, R0, protocol::TCP, opened_by_peer);
    asm.alu(And, R9, SYN_ACK);
    asm.jump32(Eq, R9, SYN, new);
    asm.bind(opened_by_peer);
    look_up(asm, subject.hook.opposite());
    asm.store(Size::B, R10, frame::DIRECTION, i32::from(subject.hook.number()));
    asm.jump(Eq, R0, 0, new);
    unless_fresh(asm, new);
    asm.goto(pass);

    asm.bind(new);
    asm.call(KTIME_GET_COARSE_NS);
    asm.store(Size::DW, R10, frame::NOW, R0);
    asm.load_symbol(R1, Symbol::Map(CONNTRACK.name));
    asm.mov(R2, R10);
    asm.alu(Add, R2, i32::from(frame::KEY));
    asm.mov(R3, R10);
    asm.alu(Add, R3, i32::from(frame::NOW));
    asm.mov(R4, 0);
    asm.call(MAP_UPDATE_ELEM);
    asm.jump(Eq, R0, 0, pass);
    let untracked = exits.to(asm, Reason::Untracked);
    asm.goto(untracked);
}

/// `r0` = the value of the flow opened at `hook`, or 0. Leaves the key's direction at `hook`.
fn look_up(asm: &mut Assembler, hook: Hook) {
    asm.store(Size::B, R10, frame::DIRECTION, i32::from(hook.number()));
    asm.load_symbol(R1, Symbol::Map(CONNTRACK.name));
    asm.mov(R2, R10);
    asm.alu(Add, R2, i32::from(frame::KEY));
    asm.call(MAP_LOOKUP_ELEM);
}

/// `r0` points to a flow's value. Goes to `stale` when its time is over; else `r0` is now.
fn unless_fresh(asm: &mut Assembler, stale: Label) {
    let (long, compare) = (asm.label(), asm.label());
    asm.load(Size::DW, R8, R0, 0);
    asm.call(KTIME_GET_COARSE_NS);
    asm.mov(R1, R0);
    asm.alu(Sub, R1, R8);
    asm.load(Size::B, R2, R10, frame::PROTOCOL);
    asm.jump32(Eq, R2, protocol::TCP, long);
    asm.jump32(Eq, R2, protocol::SCTP, long);
    asm.constant(R3, BRIEF);
    asm.goto(compare);
    asm.bind(long);
    asm.constant(R3, LONG);
    asm.bind(compare);
    // Signed: another processor may have written a moment ahead of this one's clock.
    asm.jump(SGt, R1, R3, stale);
}
