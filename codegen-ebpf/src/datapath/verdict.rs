//! Verdict: the port picks a row by a binary tree of jumps on constants, or where there are many rows by an index in
//! `.rodata` ([`crate::tables::port_index`]); the peer's column picks a bit of the row.

use ir::port::Protocol;

use super::parse::protocol;
use super::records::Reason;
use super::{Exits, Subject, frame};
use crate::asm::{Assembler, Label, Symbol};
use crate::insn::AluOp::{Add, And, Lsh, Rsh};
use crate::insn::Condition::{Eq, Ge, Gt};
use crate::insn::Reg::{R0, R1, R2, R3, R9, R10};
use crate::insn::Size;
use crate::source_line::SourceLine;
use crate::tables::port_index::{self, PortIndex};
use crate::tables::verdicts::{Entry, Leaf, Verdicts};

const NUMBERED: [(Protocol, i32); 5] = [
    (Protocol::Tcp, protocol::TCP),
    (Protocol::Udp, protocol::UDP),
    (Protocol::Sctp, protocol::SCTP),
    (Protocol::Icmp, protocol::ICMP),
    (Protocol::Icmpv6, protocol::ICMPV6),
];

/// The verdict of the program's own direction on the port in `r9`. Remembers the row for events.
pub(super) fn own(
    asm: &mut Assembler,
    subject: &Subject<'_>,
    exits: &mut Exits,
    allowed: Label,
    denied: Label,
) {
    Search {
        verdicts: &subject.plan.own,
        lines: subject.rows,
        keep_row: true,
        allowed,
        denied,
        lookup: None,
    }
    .emit(asm, subject, exits);
}

/// The verdict of the opposite direction on the port in `r9`.
pub(super) fn opposite(
    asm: &mut Assembler,
    subject: &Subject<'_>,
    exits: &mut Exits,
    allowed: Label,
    denied: Label,
) {
    Search {
        verdicts: &subject.plan.opposite,
        lines: subject.opposite_rows,
        keep_row: false,
        allowed,
        denied,
        lookup: None,
    }
    .emit(asm, subject, exits);
}

struct Search<'a> {
    verdicts: &'a Verdicts,
    lines: &'a [SourceLine],
    keep_row: bool,
    allowed: Label,
    denied: Label,
    /// The look-up in the matrix, made by the first leaf that needs it.
    lookup: Option<Label>,
}

impl Search<'_> {
    fn emit(mut self, asm: &mut Assembler, subject: &Subject<'_>, exits: &mut Exits) {
        if self.verdicts.allows_all() {
            asm.goto(self.allowed);
            return;
        }
        asm.load(Size::B, R0, R10, frame::PROTOCOL);
        let trees: Vec<(Protocol, Label)> = NUMBERED
            .into_iter()
            .map(|(protocol, number)| {
                let tree = asm.label();
                asm.jump32(Eq, R0, number, tree);
                (protocol, tree)
            })
            .collect();
        self.tree(asm, self.verdicts.entries(Protocol::Other));
        for (protocol, tree) in trees {
            asm.bind(tree);
            match self.verdicts.index_of(protocol) {
                Some(index) => {
                    asm.mark(subject.origin);
                    let entries = self.verdicts.entries(protocol);
                    self.indexed(asm, index, entries, exits);
                }
                None => self.tree(asm, self.verdicts.entries(protocol)),
            }
        }
        if let Some(lookup) = self.lookup {
            asm.mark(subject.origin);
            asm.bind(lookup);
            bit(asm, subject, exits);
            asm.jump32(Eq, R0, 0, self.denied);
            asm.goto(self.allowed);
        }
    }

    fn tree(&mut self, asm: &mut Assembler, entries: &[Entry]) {
        let (lower, upper) = entries.split_at(entries.len() / 2);
        let Some(entry) = upper.first() else {
            // No rows: nothing was ever said of this protocol.
            asm.goto(self.denied);
            return;
        };
        if let Some(line) = self.lines.get(entry.row as usize) {
            asm.mark(line);
        }
        if lower.is_empty() {
            self.leaf(asm, entry);
            return;
        }
        let right = asm.label();
        asm.jump32(Ge, R9, i32::from(entry.first), right);
        self.tree(asm, lower);
        asm.bind(right);
        self.tree(asm, upper);
    }

    /// The same by two loads. Bounds are never exceeded; the kernel's verifier needs to see them.
    fn indexed(&mut self, asm: &mut Assembler, index: &PortIndex, entries: &[Entry], exits: &mut Exits) {
        let internal = exits.to(asm, Reason::Internal);
        asm.mov(R1, R9);
        asm.alu(Rsh, R1, 8);
        asm.alu(And, R1, 0xff);
        asm.alu(Lsh, R1, 1);
        asm.load_symbol(R2, Symbol::Rodata(index.pages));
        asm.alu(Add, R2, R1);
        asm.load(Size::H, R1, R2, 0);
        asm.jump32(Gt, R1, i32::from(index.last_chunk), internal);
        asm.alu(Lsh, R1, 9);
        asm.mov(R2, R9);
        asm.alu(And, R2, 0xff);
        asm.alu(Lsh, R2, 1);
        asm.alu(Add, R1, R2);
        asm.load_symbol(R2, Symbol::Rodata(index.chunks));
        asm.alu(Add, R2, R1);
        asm.load(Size::H, R1, R2, 0);
        asm.jump32(Gt, R1, i32::from(index.last_entry), internal);
        if self.keep_row {
            asm.mov(R2, R1);
            asm.alu(Add, R2, index.first_row.cast_signed());
            asm.store(Size::W, R10, frame::ROW, R2);
        }
        asm.alu(Lsh, R1, 2);
        asm.load_symbol(R2, Symbol::Rodata(index.leaves));
        asm.alu(Add, R2, R1);
        asm.load(Size::W, R1, R2, 0);
        asm.jump32(Eq, R1, port_index::DENIED.cast_signed(), self.denied);
        if entries.iter().any(|entry| matches!(entry.leaf, Leaf::Row(_))) {
            asm.jump32(Eq, R1, port_index::ALLOWED.cast_signed(), self.allowed);
            let lookup = *self.lookup.get_or_insert_with(|| asm.label());
            asm.goto(lookup);
        } else {
            asm.goto(self.allowed);
        }
    }

    fn leaf(&mut self, asm: &mut Assembler, entry: &Entry) {
        if self.keep_row && entry.leaf != Leaf::Allow {
            asm.store(Size::W, R10, frame::ROW, entry.row.cast_signed());
        }
        match entry.leaf {
            Leaf::Allow => asm.goto(self.allowed),
            Leaf::Deny => asm.goto(self.denied),
            Leaf::Row(offset) => {
                let lookup = *self.lookup.get_or_insert_with(|| asm.label());
                asm.mov(R1, offset.cast_signed());
                asm.goto(lookup);
            }
        }
    }
}

/// `r0` = the bit of the peer's column in the matrix row at `r1`.
fn bit(asm: &mut Assembler, subject: &Subject<'_>, exits: &mut Exits) {
    let internal = exits.to(asm, Reason::Internal);
    asm.store(Size::W, R10, frame::ROW_OFFSET, R1);
    asm.load(Size::W, R1, R10, frame::ROW_OFFSET);
    asm.load(Size::H, R2, R10, frame::COLUMN);
    // Never exceeded; these tell the kernel's verifier how far the load can reach.
    asm.jump32(Gt, R1, subject.plan.matrix.last().cast_signed(), internal);
    asm.jump32(Gt, R2, i32::from(subject.plan.columns), internal);
    asm.mov(R3, R2);
    asm.alu(Rsh, R3, 3);
    asm.alu(Add, R1, R3);
    asm.load_symbol(R3, Symbol::Rodata(0));
    asm.alu(Add, R3, R1);
    asm.load(Size::B, R0, R3, 0);
    asm.alu(And, R2, 7);
    asm.alu(Rsh, R0, R2);
    asm.alu(And, R0, 1);
}
