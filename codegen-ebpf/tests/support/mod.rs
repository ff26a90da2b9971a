//! Shared by the tests that compare emitted programs with the reference evaluator, in the interpreter and in the kernel.

pub(crate) mod oracle;
pub(crate) mod packet;
pub(crate) mod scenario;
