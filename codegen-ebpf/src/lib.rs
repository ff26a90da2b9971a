//! Placeholder map; replaced with the first module.

pub mod asm;
pub mod btf;
pub mod compile;
pub mod datapath;
pub mod elf;
pub mod insn;
pub mod interpreter;
pub mod maps;
pub mod origins;
pub mod semantics;
pub mod source_line;
pub mod tables;
