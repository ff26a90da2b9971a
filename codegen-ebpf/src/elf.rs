//! The object file: what every loader understands, written and read back.
//!
//! One program per object, in the section `classifier`: the only name that aya, libbpf's bpftool and iproute2 all
//! take for a traffic-control program, and iproute2 loads the first program it finds. No `pinning` attribute, since
//! each loader pins somewhere else; no `.maps` when there are none, which libbpf refuses.

mod read;
mod write;

pub use read::{LoadedProgram, ReadError};
pub use write::{WriteError, write};

/// Section and kind of the program.
pub const PROGRAM_SECTION: &str = "classifier";
/// The licence that the kernel is told. Helpers marked GPL-only stay available to it.
pub const LICENSE: &str = "Dual MIT/GPL";
/// Symbol of the whole of `.rodata`.
pub const TABLES_SYMBOL: &str = "tables";
const LICENSE_SECTION: &str = "license";
const LICENSE_SYMBOL: &str = "_license";
const RODATA_SECTION: &str = ".rodata";

/// An ELF relocatable for `EM_BPF`, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The file.
    pub bytes: Vec<u8>,
}

impl Object {
    /// Reads the file back as a loader would: instructions after relocation, maps and tables.
    ///
    /// # Errors
    /// Whatever makes the bytes not one of our objects.
    pub fn load(&self) -> Result<LoadedProgram, ReadError> {
        read::load(&self.bytes)
    }
}
