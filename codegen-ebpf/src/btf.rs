//! BTF, the type information that loaders and the kernel read from an object.
//!
//! Only the kinds that our objects need, in the encoding of the kernel's `Documentation/bpf/btf.rst`. Types are
//! numbered from 1 in the order they are added; equal types are added once. [`ext`] holds `.BTF.ext`, [`maps`] the
//! definitions of BTF-defined maps.

pub mod ext;
pub mod maps;

use std::collections::BTreeMap;

/// First two bytes of `.BTF` and `.BTF.ext`.
pub(crate) const MAGIC: u16 = 0xeb9f;
/// The only version there is.
pub(crate) const VERSION: u8 = 1;
const HEADER_LENGTH: u32 = 24;

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;

const SIGNED: u32 = 1 << 24;
const LINKAGE_GLOBAL: u32 = 1;

/// A type's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeId(u32);

impl TypeId {
    /// The type without a size, which needs no entry.
    pub const VOID: Self = Self(0);

    /// The number as it stands in the file.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// A member of a struct.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The member's name.
    pub name: &'a str,
    /// Its type.
    pub type_id: TypeId,
    /// Bytes from the start of the struct.
    pub offset: u32,
}

/// A variable's place in its section.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// The variable.
    pub variable: TypeId,
    /// Bytes from the start of the section.
    pub offset: u32,
    /// Bytes taken.
    pub size: u32,
}

/// A table of NUL-terminated strings, each stored once, the empty one at 0.
#[derive(Debug)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    offsets: BTreeMap<String, u32>,
}

impl Strings {
    fn new() -> Self {
        Self {
            bytes: vec![0],
            offsets: BTreeMap::from([(String::new(), 0)]),
        }
    }

    /// The offset of `text`. A NUL inside ends the string, as C would read it.
    pub(crate) fn add(&mut self, text: &str) -> u32 {
        let text = text.split('\0').next().unwrap_or_default();
        if let Some(&offset) = self.offsets.get(text) {
            return offset;
        }
        let offset = length(&self.bytes);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
        self.offsets.insert(text.to_owned(), offset);
        offset
    }
}

/// The kernel refuses type information beyond 16 MiB, far below `u32::MAX`; [`crate::elf`] checks the size.
pub(crate) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Types and strings under construction.
#[derive(Debug)]
pub struct Btf {
    types: Vec<u8>,
    known: BTreeMap<Vec<u8>, TypeId>,
    pub(crate) strings: Strings,
}

impl Default for Btf {
    fn default() -> Self {
        Self::new()
    }
}

impl Btf {
    /// No types yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            types: Vec::new(),
            known: BTreeMap::new(),
            strings: Strings::new(),
        }
    }

    /// `words` is the whole entry: name, info, size or type, and what follows.
    fn add(&mut self, words: &[u32]) -> TypeId {
        let entry: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let next = TypeId(
            u32::try_from(self.known.len())
                .unwrap_or(u32::MAX)
                .saturating_add(1),
        );
        *self.known.entry(entry).or_insert_with_key(|entry| {
            self.types.extend(entry);
            next
        })
    }

    fn info(kind: u32, count: usize) -> u32 {
        kind << 24 | u32::try_from(count).unwrap_or(u32::MAX) & 0xffff
    }

    /// An integer of `size` bytes.
    pub fn int(&mut self, name: &str, size: u32, signed: bool) -> TypeId {
        let name = self.strings.add(name);
        let encoding = if signed { SIGNED } else { 0 };
        self.add(&[name, Self::info(KIND_INT, 0), size, encoding | (size * 8)])
    }

    /// A pointer.
    pub fn pointer(&mut self, to: TypeId) -> TypeId {
        self.add(&[0, Self::info(KIND_PTR, 0), to.0])
    }

    /// An array of `count` elements.
    pub fn array(&mut self, element: TypeId, count: u32) -> TypeId {
        let index = self.int("__ARRAY_SIZE_TYPE__", 4, false);
        self.add(&[0, Self::info(KIND_ARRAY, 0), 0, element.0, index.0, count])
    }

    /// A struct of `size` bytes; the empty name makes it anonymous.
    pub fn structure(&mut self, name: &str, size: u32, members: &[Member<'_>]) -> TypeId {
        let mut words = vec![
            self.strings.add(name),
            Self::info(KIND_STRUCT, members.len()),
            size,
        ];
        for member in members {
            words.extend([self.strings.add(member.name), member.type_id.0, member.offset * 8]);
        }
        self.add(&words)
    }

    /// A global function from `parameters` (name, type) to `result`.
    pub fn function(&mut self, name: &str, result: TypeId, parameters: &[(&str, TypeId)]) -> TypeId {
        let mut words = vec![0, Self::info(KIND_FUNC_PROTO, parameters.len()), result.0];
        for (parameter, type_id) in parameters {
            words.extend([self.strings.add(parameter), type_id.0]);
        }
        let prototype = self.add(&words);
        let name = self.strings.add(name);
        // A function's linkage stands where other kinds count their members.
        self.add(&[name, KIND_FUNC << 24 | LINKAGE_GLOBAL, prototype.0])
    }

    /// A global variable.
    pub fn variable(&mut self, name: &str, type_id: TypeId) -> TypeId {
        let name = self.strings.add(name);
        self.add(&[name, Self::info(KIND_VAR, 0), type_id.0, LINKAGE_GLOBAL])
    }

    /// A section of `size` bytes with its variables in order of their offsets.
    pub fn section(&mut self, name: &str, size: u32, variables: &[Placed]) -> TypeId {
        let mut words = vec![
            self.strings.add(name),
            Self::info(KIND_DATASEC, variables.len()),
            size,
        ];
        for placed in variables {
            words.extend([placed.variable.0, placed.offset, placed.size]);
        }
        self.add(&words)
    }

    /// The contents of the section `.BTF`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let types = length(&self.types);
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend([VERSION, 0]);
        for word in [HEADER_LENGTH, 0, types, types, length(&self.strings.bytes)] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings.bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_types_are_one_type() {
        let mut btf = Btf::new();
        let first = btf.int("int", 4, true);
        let pointer = btf.pointer(first);
        assert_eq!(btf.int("int", 4, true), first);
        assert_ne!(pointer, first);
        assert_eq!(pointer.number(), 2);
    }

    #[test]
    fn layout_is_that_of_the_kernel_documentation() {
        let mut btf = Btf::new();
        btf.int("int", 4, true);
        let bytes = btf.to_bytes();
        let mut expected = vec![0x9f, 0xeb, 1, 0];
        for word in [24u32, 0, 16, 16, 5, 1, 1 << 24, 4, (1 << 24) | 32] {
            expected.extend(word.to_le_bytes());
        }
        expected.extend(b"\0int\0");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_string_is_stored_once_and_ends_at_nul() {
        let mut strings = Strings::new();
        assert_eq!(strings.add(""), 0);
        assert_eq!(strings.add("a\0b"), 1);
        assert_eq!(strings.add("a"), 1);
        assert_eq!(strings.bytes, b"\0a\0");
    }
}
