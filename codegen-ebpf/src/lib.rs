//! Placeholder map; replaced with the first module.

pub mod insn;
pub mod semantics;
