//! BTF-defined maps, in the encoding that clang produces for libbpf's `__uint` and `__type` macros: an anonymous
//! struct whose numbers are pointers to arrays of that many `int`s, and whose types are pointers to the type.

use super::{Btf, Member, Placed, TypeId};
use crate::maps::{FieldType, MapSpec, Record};

/// The section that holds the definitions.
pub const SECTION: &str = ".maps";

/// Bytes that `map`'s definition takes in the section: one pointer for each attribute.
#[must_use]
pub fn definition_size(map: &MapSpec) -> u32 {
    8 * (2 + u32::from(map.key.is_some()) + u32::from(map.value.is_some()))
}

/// Adds the section's type, its maps in the given order, each right behind the one before.
pub fn add_section(btf: &mut Btf, maps: &[MapSpec]) {
    let mut placed = Vec::new();
    let mut offset = 0;
    for map in maps {
        let definition = definition(btf, map);
        let size = definition_size(map);
        placed.push(Placed {
            variable: btf.variable(map.name, definition),
            offset,
            size,
        });
        offset += size;
    }
    btf.section(SECTION, offset, &placed);
}

fn definition(btf: &mut Btf, map: &MapSpec) -> TypeId {
    let mut attributes = vec![("type", number(btf, map.kind.number()))];
    for (name, record) in [("key", map.key), ("value", map.value)] {
        if let Some(record) = record {
            let type_id = self::record(btf, &record);
            attributes.push((name, btf.pointer(type_id)));
        }
    }
    attributes.push(("max_entries", number(btf, map.max_entries)));
    let members: Vec<Member<'_>> = (0u32..)
        .zip(&attributes)
        .map(|(i, &(name, type_id))| Member {
            name,
            type_id,
            offset: 8 * i,
        })
        .collect();
    btf.structure("", definition_size(map), &members)
}

fn number(btf: &mut Btf, value: u32) -> TypeId {
    let int = btf.int("int", 4, true);
    let array = btf.array(int, value);
    btf.pointer(array)
}

/// The type of a key or value.
fn record(btf: &mut Btf, record: &Record) -> TypeId {
    if let [field] = record.fields
        && field.name == record.name
    {
        // Array maps want a bare integer as their key.
        return field_type(btf, field.field_type);
    }
    let types: Vec<TypeId> = record
        .fields
        .iter()
        .map(|field| field_type(btf, field.field_type))
        .collect();
    let members: Vec<Member<'_>> = record
        .fields
        .iter()
        .zip(types)
        .map(|(field, type_id)| Member {
            name: field.name,
            type_id,
            offset: field.offset,
        })
        .collect();
    btf.structure(record.name, record.size, &members)
}

fn field_type(btf: &mut Btf, field_type: FieldType) -> TypeId {
    match field_type {
        FieldType::U8 => btf.int("__u8", 1, false),
        FieldType::U16 => btf.int("__u16", 2, false),
        FieldType::U32 => btf.int("__u32", 4, false),
        FieldType::U64 => btf.int("__u64", 8, false),
        FieldType::Bytes(count) => {
            let byte = btf.int("__u8", 1, false);
            btf.array(byte, count)
        }
    }
}
