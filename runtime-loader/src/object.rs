//! What an ELF object says, apart from what the kernel makes of it.

use std::fmt;

use aya_obj::generated::bpf_map_type;
use aya_obj::{EbpfSectionKind, Object, ProgramSection};
use sha2::{Digest, Sha256};

/// Why a file is not one of our objects.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Not an eBPF ELF object.
    #[error("not an eBPF object: {0}")]
    Parse(#[from] aya_obj::ParseError),
    /// There has to be exactly one program: `tc` takes the first of many.
    #[error("an object holds exactly one program, this one holds {0}")]
    Programs(usize),
    /// The program's section has to be `classifier`, the name that aya, bpftool and `tc` all take.
    #[error("the program `{program}` is not in a section `classifier`")]
    Section {
        /// The program's symbol.
        program: String,
    },
}

/// The SHA-256 of an object's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectDigest([u8; 32]);

impl ObjectDigest {
    /// The first 16 hex digits: what a pin's name and `status` show.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// All 64 hex digits.
impl fmt::Display for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectDigest({self})")
    }
}

/// The shape of a map: two maps of one shape can stand for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapShape {
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries; for a ring buffer, bytes.
    pub max_entries: u32,
}

impl fmt::Display for MapShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "type {}, key {} B, value {} B, {} entries",
            self.map_type, self.key_size, self.value_size, self.max_entries
        )
    }
}

/// One endpoint's program for one direction, with the tables it brings along; not yet known to the kernel.
#[derive(Clone)]
pub struct PolicyObject {
    bytes: Vec<u8>,
    digest: ObjectDigest,
    program: String,
    maps: Vec<(String, MapShape)>,
}

impl fmt::Debug for PolicyObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyObject")
            .field("program", &self.program)
            .field("digest", &self.digest)
            .field("bytes", &self.bytes.len())
            .field("maps", &self.maps)
            .finish()
    }
}

impl PolicyObject {
    /// Reads an object from its bytes.
    ///
    /// # Errors
    /// When it is no ELF object, or not one program in a section `classifier`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        // A copy of our own: the parser wants aligned memory, which an allocation of this size has.
        let bytes = bytes.to_vec();
        let object = Object::parse(&bytes)?;
        let mut programs = object.programs.iter();
        let program = match (programs.next(), programs.next()) {
            (Some((name, program)), None) => {
                if !matches!(program.section, ProgramSection::SchedClassifier) {
                    return Err(ObjectError::Section {
                        program: name.clone(),
                    });
                }
                name.clone()
            }
            _ => return Err(ObjectError::Programs(object.programs.len())),
        };
        let mut maps: Vec<(String, MapShape)> = object
            .maps
            .iter()
            .filter(|(_, map)| map.section_kind() == EbpfSectionKind::BtfMaps)
            .map(|(name, map)| (name.clone(), MapShape::of(map)))
            .collect();
        maps.sort_by(|(a, _), (b, _)| a.cmp(b));
        let digest = ObjectDigest(Sha256::digest(&bytes).into());
        Ok(Self {
            bytes,
            digest,
            program,
            maps,
        })
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What tells this object from any other.
    #[must_use]
    pub fn digest(&self) -> ObjectDigest {
        self.digest
    }

    /// The program's symbol.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The maps that the object defines, sorted by name; the read-only tables are not among them.
    #[must_use]
    pub fn maps(&self) -> &[(String, MapShape)] {
        &self.maps
    }

    /// The shape of one of its maps.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<MapShape> {
        self.maps.iter().find(|(n, _)| n == name).map(|(_, shape)| *shape)
    }
}

impl MapShape {
    fn of(map: &aya_obj::Map) -> Self {
        let map_type = map.map_type();
        // The kernel knows no key and no value of a ring buffer, whatever the definition says.
        let ring = map_type == bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32;
        Self {
            map_type,
            key_size: if ring { 0 } else { map.key_size() },
            value_size: if ring { 0 } else { map.value_size() },
            max_entries: map.max_entries(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(matches!(PolicyObject::parse(b""), Err(ObjectError::Parse(_))));
        assert!(matches!(
            PolicyObject::parse(&[0x7f, b'E', b'L', b'F', 2, 1, 1]),
            Err(ObjectError::Parse(_))
        ));
    }
}
