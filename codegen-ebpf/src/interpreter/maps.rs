//! Maps and their contents, which outlive a run.
//!
//! Differences from the kernel, all towards determinism: an LRU map evicts exactly the entry that
//! was used longest ago (the kernel approximates), per-CPU maps have one CPU, and a pointer to an
//! entry that was replaced or deleted is a fault rather than a pointer to recycled memory.

use std::collections::BTreeMap;
use std::fmt;

/// A map of a machine; the number stands where the kernel has a file descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(pub i32);

impl fmt::Display for MapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An entry of a map. Ids are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64);

/// How a map finds its entries (`enum bpf_map_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MapKind {
    /// `BPF_MAP_TYPE_HASH`
    Hash,
    /// `BPF_MAP_TYPE_ARRAY`
    Array,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`
    PerCpuArray,
    /// `BPF_MAP_TYPE_LRU_HASH`
    LruHash,
    /// `BPF_MAP_TYPE_LPM_TRIE`: keys are a `u32` prefix length and the address bytes.
    LpmTrie,
    /// `BPF_MAP_TYPE_RINGBUF`: no keys; `max_entries` is its size in bytes.
    RingBuf,
}

impl MapKind {
    /// The kind with this number in `enum bpf_map_type`.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Hash,
            2 => Self::Array,
            6 => Self::PerCpuArray,
            9 => Self::LruHash,
            11 => Self::LpmTrie,
            27 => Self::RingBuf,
            _ => return None,
        })
    }

    const fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::PerCpuArray)
    }
}

/// The definition of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapDef {
    /// Its name in the object.
    pub name: String,
    /// Its kind.
    pub kind: MapKind,
    /// Bytes of a key.
    pub key_size: usize,
    /// Bytes of a value.
    pub value_size: usize,
    /// Most entries it can hold; for a ring buffer its size in bytes.
    pub max_entries: usize,
    /// Whether programs may only read it (`BPF_F_RDONLY_PROG`).
    pub read_only: bool,
}

/// Why an update or deletion failed: the negative `errno` that the helper returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum MapError {
    /// No such entry.
    NotFound = -2,
    /// The map is full, or the index is beyond its end.
    TooBig = -7,
    /// No room in the ring buffer.
    Again = -11,
    /// There is such an entry already.
    Exists = -17,
    /// An LPM trie is full.
    NoSpace = -28,
    /// Bad flags, or an operation this kind of map does not have.
    Invalid = -22,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Vec<u8>,
    value: Vec<u8>,
    /// When it was last used; the key of `Map::by_use`.
    used: u64,
}

/// A map and its contents.
#[derive(Debug, Clone)]
pub struct Map {
    spec: MapDef,
    /// Normalised key to entry; for LPM tries the key's bits beyond the prefix are 0.
    index: BTreeMap<Vec<u8>, EntryId>,
    entries: BTreeMap<EntryId, Entry>,
    by_use: BTreeMap<u64, EntryId>,
    ticks: u64,
    records: Vec<Vec<u8>>,
    /// Bytes of the ring buffer that are taken by submitted and reserved records.
    ring_used: usize,
}

impl Map {
    /// An empty map; arrays are filled with zeros.
    #[must_use]
    pub fn new(spec: MapDef) -> Self {
        let mut map = Self {
            index: BTreeMap::new(),
            entries: BTreeMap::new(),
            by_use: BTreeMap::new(),
            ticks: 0,
            records: Vec::new(),
            ring_used: 0,
            spec,
        };
        if map.spec.kind.is_array() {
            for index in 0..map.spec.max_entries {
                let key = u32::try_from(index).unwrap_or(u32::MAX).to_le_bytes().to_vec();
                map.insert(key, vec![0; map.spec.value_size]);
            }
        }
        map
    }

    /// Its definition.
    #[must_use]
    pub fn spec(&self) -> &MapDef {
        &self.spec
    }

    /// The value behind `key`, as a lookup from user space finds it: recency does not change.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let id = self.find(key)?;
        self.entries.get(&id).map(|e| e.value.as_slice())
    }

    /// Entries in the order of their keys' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let entry = |id| {
            self.entries
                .get(id)
                .map(|e| (e.key.as_slice(), e.value.as_slice()))
        };
        self.index.values().filter_map(entry)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Sets an entry, as user space does; read-only maps can be filled this way.
    ///
    /// # Errors
    /// As the `BPF_MAP_UPDATE_ELEM` command: wrong sizes, full, beyond the end.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), MapError> {
        self.update(key, value, 0)
    }

    /// Takes the ring buffer's submitted records, oldest first.
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        let records = std::mem::take(&mut self.records);
        let freed: usize = records.iter().map(|r| ring_bytes(r.len())).sum();
        self.ring_used = self.ring_used.saturating_sub(freed);
        records
    }

    /// A program's lookup: counts as a use.
    pub(super) fn lookup(&mut self, key: &[u8]) -> Option<EntryId> {
        let id = self.find(key)?;
        self.touch(id);
        Some(id)
    }

    /// The only entry of a single-element array, whose value instructions can address directly.
    pub(super) fn sole_entry(&self) -> Option<EntryId> {
        let sole = self.spec.kind == MapKind::Array && self.spec.max_entries == 1;
        sole.then(|| self.index.values().next().copied()).flatten()
    }

    pub(super) fn value(&self, id: EntryId) -> Option<&[u8]> {
        self.entries.get(&id).map(|e| e.value.as_slice())
    }

    pub(super) fn value_mut(&mut self, id: EntryId) -> Option<&mut [u8]> {
        self.entries.get_mut(&id).map(|e| e.value.as_mut_slice())
    }

    /// `bpf_map_update_elem`: flags 0 any, 1 only if absent, 2 only if present.
    pub(super) fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        const ONLY_IF_ABSENT: u64 = 1;
        const ONLY_IF_PRESENT: u64 = 2;
        let sizes_match = key.len() == self.spec.key_size && value.len() == self.spec.value_size;
        if flags > ONLY_IF_PRESENT || !sizes_match || self.spec.kind == MapKind::RingBuf {
            return Err(MapError::Invalid);
        }
        let key = self.normalise(key).ok_or(MapError::Invalid)?;
        let present = self.index.get(&key).copied();
        if self.spec.kind.is_array() {
            let id = present.ok_or(MapError::TooBig)?;
            if flags == ONLY_IF_ABSENT {
                return Err(MapError::Exists);
            }
            // Arrays are overwritten in place: pointers to the element stay good.
            let entry = self.entries.get_mut(&id).ok_or(MapError::NotFound)?;
            entry.value.copy_from_slice(value);
            return Ok(());
        }
        match present {
            Some(_) if flags == ONLY_IF_ABSENT => return Err(MapError::Exists),
            None if flags == ONLY_IF_PRESENT => return Err(MapError::NotFound),
            Some(id) => self.remove(id),
            None if self.index.len() < self.spec.max_entries => {}
            None if self.spec.kind == MapKind::LruHash => match self.by_use.values().next().copied() {
                Some(oldest) => self.remove(oldest),
                None => return Err(MapError::TooBig),
            },
            // `trie_update_elem` reports a full trie differently from a full hash table.
            None if self.spec.kind == MapKind::LpmTrie => return Err(MapError::NoSpace),
            None => return Err(MapError::TooBig),
        }
        self.insert(key, value.to_vec());
        Ok(())
    }

    /// `bpf_map_delete_elem`.
    pub(super) fn delete(&mut self, key: &[u8]) -> Result<(), MapError> {
        if self.spec.kind.is_array() || self.spec.kind == MapKind::RingBuf {
            return Err(MapError::Invalid);
        }
        let key = self.normalise(key).ok_or(MapError::Invalid)?;
        let id = self.index.get(&key).copied().ok_or(MapError::NotFound)?;
        self.remove(id);
        Ok(())
    }

    /// Takes room for a record of `len` bytes.
    pub(super) fn reserve(&mut self, len: usize) -> Result<(), MapError> {
        let bytes = ring_bytes(len);
        if self.ring_used + bytes > self.spec.max_entries {
            return Err(MapError::Again);
        }
        self.ring_used += bytes;
        Ok(())
    }

    /// Hands over a record for which room was taken.
    pub(super) fn submit(&mut self, record: Vec<u8>) {
        self.records.push(record);
    }

    /// Gives back the room of a record that is not handed over.
    pub(super) fn discard(&mut self, len: usize) {
        self.ring_used = self.ring_used.saturating_sub(ring_bytes(len));
    }

    fn find(&self, key: &[u8]) -> Option<EntryId> {
        if key.len() != self.spec.key_size {
            return None;
        }
        if self.spec.kind != MapKind::LpmTrie {
            return self.index.get(key).copied();
        }
        let (prefix, _) = prefix(key)?;
        (0..=prefix)
            .rev()
            .find_map(|len| self.index.get(&masked(key, len)?).copied())
    }

    fn normalise(&self, key: &[u8]) -> Option<Vec<u8>> {
        if self.spec.kind == MapKind::LpmTrie {
            masked(key, prefix(key)?.0)
        } else {
            Some(key.to_vec())
        }
    }

    fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.ticks += 1;
        let id = EntryId(self.ticks);
        self.index.insert(key.clone(), id);
        self.by_use.insert(self.ticks, id);
        self.entries.insert(
            id,
            Entry {
                key,
                value,
                used: self.ticks,
            },
        );
    }

    fn remove(&mut self, id: EntryId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.index.remove(&entry.key);
            self.by_use.remove(&entry.used);
        }
    }

    fn touch(&mut self, id: EntryId) {
        self.ticks += 1;
        if let Some(entry) = self.entries.get_mut(&id) {
            self.by_use.remove(&entry.used);
            entry.used = self.ticks;
            self.by_use.insert(self.ticks, id);
        }
    }
}

/// Bytes that a record takes: an 8-byte header, and a multiple of 8 (`__bpf_ringbuf_reserve`).
fn ring_bytes(len: usize) -> usize {
    (len + 8).next_multiple_of(8)
}

/// Prefix length and address bytes of an LPM key; none when the prefix is longer than the address.
fn prefix(key: &[u8]) -> Option<(u32, &[u8])> {
    let (len, address) = key.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len);
    (usize::try_from(len).ok()? <= address.len() * 8).then_some((len, address))
}

/// The LPM key with prefix length `len` and the bits beyond it cleared.
fn masked(key: &[u8], len: u32) -> Option<Vec<u8>> {
    let (_, address) = key.split_first_chunk::<4>()?;
    let mut result = len.to_le_bytes().to_vec();
    let mut left = len;
    for byte in address {
        let bits = left.min(8);
        result.push(byte & (0xff_u16 << (8 - bits)) as u8);
        left -= bits;
    }
    Some(result)
}
