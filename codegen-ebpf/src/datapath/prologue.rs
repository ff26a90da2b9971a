//! Entry: keeps the context, and clears the event so that nothing of an earlier call shows in it.

use super::frame;
use crate::asm::Assembler;
use crate::insn::Reg::{R1, R6, R10};
use crate::insn::Size;

pub(super) fn emit(asm: &mut Assembler) {
    asm.mov(R6, R1);
    for offset in (0..frame::EVENT_SIZE).step_by(8) {
        asm.store(Size::DW, R10, frame::EVENT + offset, 0);
    }
    // No row as yet.
    asm.store(Size::W, R10, frame::ROW, -1);
}
