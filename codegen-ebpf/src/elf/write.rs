//! From an assembled program, its maps and its tables to the bytes of an object file.

use object::elf::R_BPF_64_64;
use object::write::{Object as Writer, Relocation, SectionId, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};
use thiserror::Error;

use super::{
    LICENSE, LICENSE_SECTION, LICENSE_SYMBOL, Object, PROGRAM_SECTION, RODATA_SECTION, TABLES_SYMBOL,
};
use crate::asm::{Program, Symbol};
use crate::btf::{self, Btf, Placed, TypeId, ext};
use crate::insn::encode;
use crate::maps::MapSpec;

/// The kernel's limit (`BTF_MAX_SIZE`).
const MAX_BTF: usize = 16 << 20;

/// Why an object cannot be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The program refers to a map that is not in the list.
    #[error("the program refers to the map `{0}`, which the object does not define")]
    UnknownMap(&'static str),
    /// The program refers to a place behind the end of the tables.
    #[error("the program refers to byte {offset} of tables that have {size}")]
    BeyondTables {
        /// The place.
        offset: u32,
        /// The size.
        size: usize,
    },
    /// Type information or tables beyond what the kernel takes.
    #[error("the {what} take {size} bytes; the kernel takes {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The ELF writer refused; a bug of ours.
    #[error("ELF writer: {0}")]
    Elf(#[from] object::write::Error),
}

/// The object with `program` under `name`, referring to `maps` (in this order) and to `rodata`.
///
/// # Errors
/// See [`WriteError`].
pub fn write(name: &str, program: &Program, maps: &[MapSpec], rodata: &[u8]) -> Result<Object, WriteError> {
    // A map's value size is a signed 32-bit number to some readers.
    let limit = i32::MAX as usize;
    if rodata.len() > limit {
        return Err(WriteError::TooLarge {
            what: "tables",
            size: rodata.len(),
            limit,
        });
    }
    let mut elf = Writer::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let code = section(
        &mut elf,
        PROGRAM_SECTION,
        SectionKind::Text,
        encode(&program.insns),
        8,
    );
    let size = elf.section(code).data().len();
    symbol(&mut elf, name, SymbolKind::Text, code, 0, size as u64);

    let map_symbols = add_maps(&mut elf, maps);
    let tables = (!rodata.is_empty()).then(|| {
        let id = section(
            &mut elf,
            RODATA_SECTION,
            SectionKind::ReadOnlyData,
            rodata.to_vec(),
            64,
        );
        symbol(
            &mut elf,
            TABLES_SYMBOL,
            SymbolKind::Data,
            id,
            0,
            rodata.len() as u64,
        )
    });
    let mut license = LICENSE.as_bytes().to_vec();
    license.push(0);
    let license_size = license.len();
    let id = section(&mut elf, LICENSE_SECTION, SectionKind::Data, license, 1);
    symbol(
        &mut elf,
        LICENSE_SYMBOL,
        SymbolKind::Data,
        id,
        0,
        license_size as u64,
    );

    for reference in &program.references {
        let target = match reference.symbol {
            Symbol::Map(name) => map_symbols
                .iter()
                .find_map(|(map, id)| (*map == name).then_some(*id))
                .ok_or(WriteError::UnknownMap(name))?,
            Symbol::Rodata(offset) => {
                tables
                    .filter(|_| (offset as usize) < rodata.len())
                    .ok_or(WriteError::BeyondTables {
                        offset,
                        size: rodata.len(),
                    })?
            }
        };
        elf.add_relocation(
            code,
            Relocation {
                offset: u64::from(reference.slot) * 8,
                symbol: target,
                addend: 0,
                flags: RelocationFlags::Elf { r_type: R_BPF_64_64 },
            },
        )?;
    }

    let mut btf = Btf::new();
    let function = describe(&mut btf, name, maps, rodata.len(), license_size);
    let ext = ext::encode(&mut btf, PROGRAM_SECTION, function, &program.lines);
    let btf = btf.to_bytes();
    if btf.len() > MAX_BTF {
        return Err(WriteError::TooLarge {
            what: "type and line information",
            size: btf.len(),
            limit: MAX_BTF,
        });
    }
    section(&mut elf, ".BTF", SectionKind::Metadata, btf, 4);
    section(&mut elf, ".BTF.ext", SectionKind::Metadata, ext, 4);
    Ok(Object { bytes: elf.write()? })
}

fn section(elf: &mut Writer<'_>, name: &str, kind: SectionKind, data: Vec<u8>, align: u64) -> SectionId {
    let id = elf.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
    elf.section_mut(id).set_data(data, align);
    id
}

/// A global symbol with default visibility: libbpf takes hidden functions for subprograms.
fn symbol(
    elf: &mut Writer<'_>,
    name: &str,
    kind: SymbolKind,
    section: SectionId,
    value: u64,
    size: u64,
) -> SymbolId {
    elf.add_symbol(object::write::Symbol {
        name: name.as_bytes().to_vec(),
        value,
        size,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    })
}

/// Zeroed definitions, one behind the other, as clang leaves them: what a map is stands in BTF.
fn add_maps(elf: &mut Writer<'_>, maps: &[MapSpec]) -> Vec<(&'static str, SymbolId)> {
    if maps.is_empty() {
        return Vec::new();
    }
    let sizes: Vec<u64> = maps
        .iter()
        .map(|map| u64::from(btf::maps::definition_size(map)))
        .collect();
    let total: u64 = sizes.iter().sum();
    let id = section(
        elf,
        btf::maps::SECTION,
        SectionKind::Data,
        vec![0; total as usize],
        8,
    );
    let mut offset = 0;
    let mut symbols = Vec::new();
    for (map, size) in maps.iter().zip(sizes) {
        symbols.push((
            map.name,
            symbol(elf, map.name, SymbolKind::Data, id, offset, size),
        ));
        offset += size;
    }
    symbols
}

/// Adds every type of the object and returns the program's.
fn describe(btf: &mut Btf, name: &str, maps: &[MapSpec], rodata: usize, license: usize) -> TypeId {
    let int = btf.int("int", 4, true);
    let buffer = btf.structure("__sk_buff", 0, &[]);
    let context = btf.pointer(buffer);
    let function = btf.function(name, int, &[("ctx", context)]);
    if !maps.is_empty() {
        btf::maps::add_section(btf, maps);
    }
    let byte = btf.int("__u8", 1, false);
    let character = btf.int("char", 1, true);
    for (section, variable, element, size) in [
        (RODATA_SECTION, TABLES_SYMBOL, byte, rodata),
        (LICENSE_SECTION, LICENSE_SYMBOL, character, license),
    ] {
        if size == 0 {
            continue;
        }
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let array = btf.array(element, size);
        let variable = btf.variable(variable, array);
        btf.section(
            section,
            size,
            &[Placed {
                variable,
                offset: 0,
                size,
            }],
        );
    }
    function
}
