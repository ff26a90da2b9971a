//! What a program can do wrong, and where.

use thiserror::Error;

use super::maps::MapId;
use super::value::Region;
use crate::insn::Reg;

/// A run that ended in an error instead of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("instruction {instruction}: {kind}")]
pub struct Fault {
    /// Index into the program's instructions (a two-slot load counts once).
    pub instruction: usize,
    /// What happened.
    pub kind: FaultKind,
}

/// The kinds of fault. Each is something that the kernel's verifier exists to rule out, or, where
/// noted, that it tolerates from privileged programs and this interpreter does not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FaultKind {
    /// The program ran past its last instruction.
    #[error("execution fell off the end of the program")]
    FellOffTheEnd,
    /// A jump to no instruction, or into the middle of a two-slot load.
    #[error("jump to slot {target}, which starts no instruction")]
    BadJump {
        /// The slot, counted from the program's start.
        target: i64,
    },
    /// More instructions than the machine allows.
    #[error("more than {limit} instructions executed")]
    InstructionLimit {
        /// The machine's limit.
        limit: u64,
    },
    /// A register was read that nothing has written, or that a call has overwritten.
    #[error("{reg} is read before it is written")]
    UninitialisedRegister {
        /// Which.
        reg: Reg,
    },
    /// `r10` was written.
    #[error("the frame pointer r10 is read-only")]
    FramePointerWritten,
    /// The program ended with something other than a number in `r0`.
    #[error("exit with {found} in r0")]
    NoReturnValue {
        /// What r0 held.
        found: &'static str,
    },
    /// A number was used as an address.
    #[error("{found} is used as a pointer")]
    NotAPointer {
        /// What it is.
        found: &'static str,
    },
    /// A pointer that may be null was used before it was compared with 0.
    #[error("a pointer that may be null is used before it is compared with 0")]
    NotCheckedForNull,
    /// An access outside its region.
    #[error("{len} bytes at offset {offset} of {region}, which has {size}")]
    OutOfBounds {
        /// Where the pointer points into.
        region: Region,
        /// Offset of the access.
        offset: i64,
        /// Bytes accessed.
        len: usize,
        /// Bytes that are there.
        size: usize,
    },
    /// Packet bytes were touched that exist, but that no comparison with `data_end` vouches for.
    #[error("{len} packet bytes at offset {offset}, but comparisons with data_end vouch for {proven} only")]
    NotComparedWithDataEnd {
        /// Offset of the access.
        offset: i64,
        /// Bytes accessed.
        len: usize,
        /// Bytes from the start that a comparison has vouched for.
        proven: usize,
    },
    /// A packet pointer from before a helper that may move the packet.
    #[error("a packet pointer is used after a helper that may have moved the packet")]
    StalePacketPointer,
    /// A pointer to a map entry that has been deleted, evicted or replaced. The kernel tolerates
    /// it (the memory is not given back before the program ends), but what is read or written is
    /// then no longer the entry's.
    #[error("a pointer to an entry of map {map} is used after the entry was deleted or replaced")]
    StaleEntry {
        /// Which map.
        map: MapId,
    },
    /// A store to memory that the program may only read.
    #[error("write to {region}, which is read-only")]
    ReadOnly {
        /// Where.
        region: Region,
    },
    /// A stack or context access, or an atomic operation, not aligned to its size.
    #[error("{len} bytes at offset {offset} of {region} are not aligned")]
    Misaligned {
        /// Where.
        region: Region,
        /// Offset of the access.
        offset: i64,
        /// Bytes accessed.
        len: usize,
    },
    /// Stack bytes were read that nothing has written (tolerated by the kernel when privileged).
    #[error("stack byte {offset} (from r10) is read before it is written")]
    UninitialisedStack {
        /// Offset from r10, negative.
        offset: i64,
    },
    /// An access to the context that is none of the readable or writable fields modelled here.
    #[error("no {access} of {len} bytes at offset {offset} of struct __sk_buff")]
    Context {
        /// `load` or `store`.
        access: &'static str,
        /// Offset of the access.
        offset: i64,
        /// Bytes accessed.
        len: usize,
    },
    /// Arithmetic or a comparison that would turn an address into a number, or mix regions
    /// (tolerated by the kernel, in part, when privileged).
    #[error("a pointer is used as a number: {what}")]
    PointerLeak {
        /// The operation.
        what: &'static str,
    },
    /// A pointer was moved further than the kernel's verifier follows (2²⁹ bytes).
    #[error("a pointer is moved to offset {offset} of {region}")]
    PointerTooFar {
        /// Where it points into.
        region: Region,
        /// The new offset.
        offset: i64,
    },
    /// An instruction that reads as one but that the kernel refuses where it stands.
    #[error("{what}")]
    Unsupported {
        /// Why.
        what: &'static str,
    },
    /// A helper this interpreter does not have.
    #[error("helper {helper} is not available")]
    UnknownHelper {
        /// `enum bpf_func_id`.
        helper: u32,
    },
    /// A helper's argument has the wrong kind.
    #[error("helper {helper}: {reg} must be {expected}")]
    HelperArgument {
        /// `enum bpf_func_id`.
        helper: u32,
        /// Which argument.
        reg: Reg,
        /// What belongs there.
        expected: &'static str,
    },
    /// A map reference that names no map of this machine, or not one of the needed kind.
    #[error("map {map}: {what}")]
    BadMap {
        /// Which.
        map: MapId,
        /// Why.
        what: &'static str,
    },
    /// The program ended with a reserved ring buffer record neither submitted nor discarded.
    #[error("a reserved ring buffer record is neither submitted nor discarded at exit")]
    RecordLeaked,
}
