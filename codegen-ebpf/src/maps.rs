//! The maps an object refers to, as data: what BTF, the bundle and the interpreter need to know of them.

/// The kinds of map we use, by their number in `enum bpf_map_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MapKind {
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`
    PerCpuArray,
    /// `BPF_MAP_TYPE_LRU_HASH`
    LruHash,
    /// `BPF_MAP_TYPE_RINGBUF`
    RingBuffer,
}

impl MapKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::PerCpuArray, Self::LruHash, Self::RingBuffer];

    /// The number in `enum bpf_map_type`.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::PerCpuArray => 6,
            Self::LruHash => 9,
            Self::RingBuffer => 27,
        }
    }

    /// The name as bpftool prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerCpuArray => "percpu_array",
            Self::LruHash => "lru_hash",
            Self::RingBuffer => "ringbuf",
        }
    }
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Unsigned, one byte.
    U8,
    /// Unsigned, two bytes.
    U16,
    /// Unsigned, four bytes.
    U32,
    /// Unsigned, eight bytes.
    U64,
    /// This many bytes.
    Bytes(u32),
}

impl FieldType {
    /// Bytes taken.
    #[must_use]
    pub const fn size(self) -> u32 {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
            Self::Bytes(count) => count,
        }
    }
}

/// One field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Bytes from the start of the record.
    pub offset: u32,
    /// Its type.
    pub field_type: FieldType,
}

/// A C struct with a fixed layout. A record with one field named as the record itself is that bare integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The struct's name.
    pub name: &'static str,
    /// Bytes taken, padding included.
    pub size: u32,
    /// The fields in order of their offsets.
    pub fields: &'static [Field],
}

/// What is kept under which key in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSpec {
    /// The map's name, and its symbol in the object.
    pub name: &'static str,
    /// The kind of map.
    pub kind: MapKind,
    /// The key; ring buffers have none.
    pub key: Option<Record>,
    /// The value; ring buffers have none.
    pub value: Option<Record>,
    /// Entries; bytes for a ring buffer.
    pub max_entries: u32,
}
