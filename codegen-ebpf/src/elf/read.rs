//! Reading an object back, independent of what the writer remembers: translation validation and the interpreter work
//! on these bytes.

use object::elf::R_BPF_64_64;
use object::read::elf::ElfFile64;
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget,
    SymbolKind,
};
use thiserror::Error;

use super::{PROGRAM_SECTION, RODATA_SECTION};
use crate::btf::ext::{self, LineStart};
use crate::btf::maps::SECTION as MAPS_SECTION;
use crate::insn::{DecodeError, Imm64, Insn, decode};

/// Why bytes are not an object of ours.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Not an ELF file that the reader understands.
    #[error("ELF reader: {0}")]
    Elf(#[from] object::read::Error),
    /// The program section does not hold a program.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A section or symbol is missing.
    #[error("the object has no {0}")]
    Missing(&'static str),
    /// A relocation that is not a two-slot load of a map or of a place in `.rodata`.
    #[error("the relocation at byte {0} of the program is not one of ours")]
    Relocation(u64),
    /// Line information in a form that we do not write.
    #[error("the line information is not in a form of ours")]
    Lines,
}

/// A program as the kernel gets it, with symbolic numbers for maps in place of file descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedProgram {
    /// The program's name.
    pub name: String,
    /// The instructions. In [`Imm64::Map`] and [`Imm64::MapValue`], `map` is an index into `maps`; the index
    /// `maps.len()` stands for the tables.
    pub insns: Vec<Insn>,
    /// Names of the maps in `.maps`, in order of their definitions.
    pub maps: Vec<String>,
    /// The contents of `.rodata`, empty when there are none.
    pub tables: Vec<u8>,
    /// The policy lines that instructions come from, ascending by slot.
    pub lines: Vec<LineStart>,
}

impl LoadedProgram {
    /// The number that stands for the tables in [`Imm64::MapValue`].
    #[must_use]
    pub fn tables_number(&self) -> i32 {
        i32::try_from(self.maps.len()).unwrap_or(i32::MAX)
    }
}

pub(super) fn load(bytes: &[u8]) -> Result<LoadedProgram, ReadError> {
    let elf = ElfFile64::<Endianness>::parse(bytes)?;
    let code = elf
        .section_by_name(PROGRAM_SECTION)
        .ok_or(ReadError::Missing("section `classifier`"))?;
    let name = elf
        .symbols()
        .find(|symbol| symbol.kind() == SymbolKind::Text && symbol.section_index() == Some(code.index()))
        .ok_or(ReadError::Missing("program symbol"))?
        .name()?
        .to_owned();
    let tables_section = elf.section_by_name(RODATA_SECTION);
    let tables = match &tables_section {
        Some(section) => section.data()?.to_vec(),
        None => Vec::new(),
    };
    let mut maps: Vec<(u64, String)> = Vec::new();
    let maps_section = elf.section_by_name(MAPS_SECTION);
    if let Some(section) = &maps_section {
        for symbol in elf.symbols() {
            if symbol.kind() == SymbolKind::Data && symbol.section_index() == Some(section.index()) {
                maps.push((symbol.address(), symbol.name()?.to_owned()));
            }
        }
    }
    maps.sort();
    let maps: Vec<String> = maps.into_iter().map(|(_, name)| name).collect();

    let mut insns = decode(code.data()?)?;
    let mut slots = Vec::with_capacity(insns.len());
    let mut slot = 0u64;
    for insn in &insns {
        slots.push(slot);
        slot += insn.slots() as u64;
    }
    for (offset, relocation) in code.relocations() {
        let bad = || ReadError::Relocation(offset);
        let RelocationTarget::Symbol(symbol) = relocation.target() else {
            return Err(bad());
        };
        let symbol = elf.symbol_by_index(symbol)?;
        let RelocationFlags::Elf { r_type } = relocation.flags() else {
            return Err(bad());
        };
        let index = slots.binary_search(&(offset / 8)).map_err(|_| bad())?;
        let Some(Insn::LoadImm64 { value, .. }) = insns.get_mut(index) else {
            return Err(bad());
        };
        let Imm64::Plain(addend) = *value else {
            return Err(bad());
        };
        if r_type != R_BPF_64_64 || offset % 8 != 0 {
            return Err(bad());
        }
        let number = |index: usize| i32::try_from(index).map_err(|_| bad());
        *value = if symbol.section_index() == maps_section.as_ref().map(|section| section.index()) {
            let name = symbol.name()?;
            let index = maps.iter().position(|map| map == name).ok_or_else(bad)?;
            Imm64::Map(number(index)?)
        } else if symbol.section_index() == tables_section.as_ref().map(|section| section.index()) {
            Imm64::MapValue {
                map: number(maps.len())?,
                offset: u32::try_from(symbol.address() + addend).map_err(|_| bad())?,
            }
        } else {
            return Err(bad());
        };
    }
    let contents = |name, missing| {
        let section = elf.section_by_name(name).ok_or(ReadError::Missing(missing))?;
        Ok::<_, ReadError>(section.data()?)
    };
    let lines = ext::decode(
        contents(".BTF", "section `.BTF`")?,
        contents(".BTF.ext", "section `.BTF.ext`")?,
    )
    .ok_or(ReadError::Lines)?;
    Ok(LoadedProgram {
        name,
        insns,
        maps,
        tables,
        lines,
    })
}
