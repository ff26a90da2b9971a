//! Placeholder map; replaced with the first module.

pub mod asm;
pub mod btf;
pub mod elf;
pub mod insn;
pub mod interpreter;
pub mod maps;
pub mod semantics;
pub mod source_line;
