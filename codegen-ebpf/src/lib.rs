//! From verdict tables to eBPF: programs that enforce one endpoint's policy, as ordinary object files.
//!
//! Input: an endpoint's two [`ir::table::VerdictTable`]s and the [`ir::identity::AddressMap`]. Output: two ELF
//! relocatables ([`elf::Object`]), one for each direction, and a [`bundle`] that describes them. No clang and no LLVM.
//!
//! ```text
//!  verdict tables ─▶ tables (.rodata) ─┐
//!  origins, text ──▶ source lines ─────┴▶ datapath ─▶ asm ─▶ elf + btf ─▶ bundle
//!                                                              │
//!                                  interpreter, disasm ◀── elf::Object::load
//! ```
//!
//! Start reading at [`compile::endpoint`].
//!
//! Invariants:
//! - identical input gives identical bytes;
//! - a program calls no helper between parsing a packet and the verdict on it;
//! - every instruction has a line of the policy (or of the endpoint) beside it, and no instruction is unreachable;
//! - what a program cannot judge it drops, under a reason of its own.
//!
//! Deliberately absent: the kernel (loading, attaching, pinning), YAML, and whether the policy is a good one.

// From verdict tables to data and constants.
pub mod tables;

// What is shown beside instructions.
pub mod origins;
pub mod source_line;

// The programs, and the maps they share with user space.
pub mod datapath;
pub mod maps;

// From instructions to a file.
pub mod asm;
pub mod btf;
pub mod elf;

// The whole way: one endpoint, then many.
pub mod compile;

pub mod bundle;

// What instructions are and do; running and showing them.
pub mod disasm;
pub mod insn;
pub mod interpreter;
pub mod semantics;
