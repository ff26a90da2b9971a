//! Own address: what leaves a pod must come from it, and what goes to it must be meant for it.
//!
//! A pod that could send from another's address would borrow that pod's permissions, and a packet for another address
//! would be judged by the wrong policy.

use std::net::IpAddr;

use super::parse::Parsed;
use super::records::Reason;
use super::{Exits, Hook, Subject, frame};
use crate::asm::Assembler;
use crate::insn::Condition::{Eq, Ne};
use crate::insn::Reg::{R0, R1, R2, R10};
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
    // Compared as they lie in memory, in network order.
    asm.bind(parsed.v4);
    asm.load(Size::W, R0, R10, frame::LOCAL + 12);
    for address in subject.addresses {
        if let IpAddr::V4(address) = address {
            asm.jump32(Eq, R0, i32::from_le_bytes(address.octets()), parsed.own_v4);
        }
    }
    asm.goto(foreign);

    asm.bind(parsed.v6);
    asm.load(Size::DW, R0, R10, frame::LOCAL);
    asm.load(Size::DW, R1, R10, frame::LOCAL + 8);
    for address in subject.addresses {
        if let IpAddr::V6(address) = address {
            let (upper, lower) = ((address.to_bits() >> 64) as u64, address.to_bits() as u64);
            let other = asm.label();
            asm.constant(R2, upper.swap_bytes());
            asm.jump(Ne, R0, R2, other);
            asm.constant(R2, lower.swap_bytes());
            asm.jump(Eq, R1, R2, parsed.own_v6);
            asm.bind(other);
        }
    }
    asm.goto(foreign);
}
