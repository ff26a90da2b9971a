//! Finish: count the packet, report it when it is dropped, and return.

use super::records::{COUNTERS, DROP, EVENTS, PASS, Reason};
use super::{Exits, Subject, frame};
use crate::asm::{Assembler, Symbol};
use crate::insn::AluOp::Add;
use crate::insn::Condition::Eq;
use crate::insn::Reg::{R0, R1, R2, R3, R4, R6, R7, R10};
use crate::insn::Size;

const MAP_LOOKUP_ELEM: u32 = 1;
const RINGBUF_OUTPUT: u32 = 130;

/// Binds every exit in use. ARP always passes and truncated packets never, so there are some of both sorts.
pub(super) fn emit(asm: &mut Assembler, subject: &Subject<'_>, exits: &Exits) {
    let pass = asm.label();
    for (reason, label) in exits.used(true) {
        asm.bind(label);
        asm.mov(R7, counter(subject, reason));
        asm.goto(pass);
    }
    asm.bind(pass);
    count(asm);
    asm.mov(R0, PASS);
    asm.exit();

    let drop = asm.label();
    for (reason, label) in exits.used(false) {
        asm.bind(label);
        asm.store(Size::B, R10, frame::REASON, i32::from(reason.number()));
        asm.mov(R7, counter(subject, reason));
        asm.goto(drop);
    }
    asm.bind(drop);
    count(asm);
    asm.store(Size::W, R10, frame::ENDPOINT, subject.endpoint.cast_signed());
    asm.store(Size::B, R10, frame::DIRECTION, i32::from(subject.hook.number()));
    asm.load(Size::W, R1, R6, 0);
    asm.store(Size::W, R10, frame::LENGTH, R1);
    asm.load_symbol(R1, Symbol::Map(EVENTS.name));
    asm.mov(R2, R10);
    asm.alu(Add, R2, i32::from(frame::EVENT));
    asm.mov(R3, i32::from(frame::EVENT_SIZE));
    asm.mov(R4, 0);
    asm.call(RINGBUF_OUTPUT);
    let reported = asm.label();
    asm.jump(Eq, R0, 0, reported);
    asm.mov(R7, counter(subject, Reason::EventLost));
    count(asm);
    asm.bind(reported);
    asm.mov(R0, DROP);
    asm.exit();
}

fn counter(subject: &Subject<'_>, reason: Reason) -> i32 {
    i32::from(subject.hook.number()) << 4 | i32::from(reason.number())
}

/// Adds the packet to the counter whose key is in `r7`. Not atomic: the map has a value for each processor.
fn count(asm: &mut Assembler) {
    let none = asm.label();
    asm.store(Size::W, R10, frame::COUNTER, R7);
    asm.load_symbol(R1, Symbol::Map(COUNTERS.name));
    asm.mov(R2, R10);
    asm.alu(Add, R2, i32::from(frame::COUNTER));
    asm.call(MAP_LOOKUP_ELEM);
    asm.jump(Eq, R0, 0, none);
    asm.load(Size::DW, R1, R0, 0);
    asm.alu(Add, R1, 1);
    asm.store(Size::DW, R0, 0, R1);
    asm.load(Size::W, R2, R6, 0);
    asm.load(Size::DW, R1, R0, 8);
    asm.alu(Add, R1, R2);
    asm.store(Size::DW, R0, 8, R1);
    asm.bind(none);
}
