//! What a program can reach: stack, context, packet, map values, reserved records; and the rules
//! about pointers into them.

use std::collections::BTreeMap;

use super::fault::FaultKind;
use super::maps::{Map, MapId, MapKind};
use super::packet::{self, Field, Packet};
use super::stack::{Stack, little_endian};
use super::value::{Pointer, Region, Value};
use crate::insn::{Condition, Size};

/// A reserved ring buffer record.
pub(super) struct Record {
    pub(super) map: MapId,
    bytes: Vec<u8>,
}

/// Memory of one run; maps belong to the machine.
pub(super) struct Memory<'m> {
    packet: Packet,
    stack: Stack,
    pub(super) maps: &'m mut [Map],
    records: BTreeMap<u32, Record>,
    /// Numbers for what helpers return: nullable pointers and records.
    issued: u32,
    /// Nullable pointers that were compared with 0, by the number of the call.
    checked: Vec<u32>,
    /// How often the packet may have moved.
    generation: u32,
    /// Packet bytes from the start that a comparison with `data_end` has vouched for.
    proven: usize,
}

impl<'m> Memory<'m> {
    pub(super) fn new(packet: Packet, maps: &'m mut [Map]) -> Self {
        Self {
            packet,
            stack: Stack::new(),
            maps,
            records: BTreeMap::new(),
            issued: 0,
            checked: Vec::new(),
            generation: 0,
            proven: 0,
        }
    }

    pub(super) fn into_packet(self) -> Packet {
        self.packet
    }

    pub(super) fn packet(&self) -> &Packet {
        &self.packet
    }

    pub(super) fn check_exit(&self) -> Result<(), FaultKind> {
        if self.records.is_empty() {
            Ok(())
        } else {
            Err(FaultKind::RecordLeaked)
        }
    }

    // Maps.

    pub(super) fn map(&mut self, id: MapId) -> Result<&mut Map, FaultKind> {
        usize::try_from(id.0)
            .ok()
            .and_then(|index| self.maps.get_mut(index))
            .ok_or(FaultKind::BadMap {
                map: id,
                what: "there is no such map",
            })
    }

    pub(super) fn check_map(&mut self, id: MapId) -> Result<MapId, FaultKind> {
        self.map(id).map(|_| id)
    }

    /// The direct address of a byte in the value of a single-element array
    /// (`BPF_PSEUDO_MAP_VALUE`).
    pub(super) fn map_value(&mut self, id: MapId, offset: u32) -> Result<Pointer, FaultKind> {
        let map = self.map(id)?;
        let what = "only a single-element array's value has an address";
        let entry = map.sole_entry().ok_or(FaultKind::BadMap { map: id, what })?;
        let size = map.spec().value_size;
        let region = Region::Entry { map: id, entry };
        let offset = i64::from(offset);
        if usize::try_from(offset).is_ok_and(|o| o < size) {
            Ok(Pointer::new(region, offset))
        } else {
            Err(FaultKind::OutOfBounds {
                region,
                offset,
                len: 0,
                size,
            })
        }
    }

    // Rules about pointers.

    /// A number for what a helper returns.
    fn issue(&mut self) -> u32 {
        self.issued += 1;
        self.issued
    }

    /// A pointer that the program has to compare with 0.
    pub(super) fn nullable(&mut self, region: Region) -> Pointer {
        let nullable = Some(self.issue());
        Pointer {
            region,
            offset: 0,
            nullable,
        }
    }

    pub(super) fn checked_for_null(&mut self, pointer: Pointer) {
        self.checked.extend(pointer.nullable);
    }

    pub(super) fn non_null(&self, pointer: Pointer) -> Result<Pointer, FaultKind> {
        match pointer.nullable {
            Some(call) if !self.checked.contains(&call) => Err(FaultKind::NotCheckedForNull),
            _ => Ok(pointer),
        }
    }

    fn current(&self, generation: u32) -> Result<(), FaultKind> {
        if generation == self.generation {
            Ok(())
        } else {
            Err(FaultKind::StalePacketPointer)
        }
    }

    /// All packet pointers become stale, as after every helper that may move the packet
    /// (`bpf_helper_changes_pkt_data`).
    pub(super) fn packet_may_have_moved(&mut self) {
        self.generation += 1;
        self.proven = 0;
    }

    /// Makes the linear part at least `len` bytes long; false when the packet is shorter.
    pub(super) fn pull(&mut self, len: usize) -> bool {
        let possible = len <= self.packet.bytes.len();
        if possible {
            self.packet.linear_len = self.packet.linear_len.max(len);
        }
        possible
    }

    /// Offset of a pointer into the packet or to its end, for comparing and subtracting.
    fn packet_offset(&self, pointer: Pointer) -> Result<Option<i64>, FaultKind> {
        match pointer.region {
            Region::Packet { generation } => self.current(generation).map(|()| Some(pointer.offset)),
            Region::PacketEnd { generation } => {
                let end = i64::try_from(self.packet.linear().len()).unwrap_or(i64::MAX);
                self.current(generation).map(|()| Some(end))
            }
            _ => Ok(None),
        }
    }

    /// The number of bytes from `b` to `a`, both in one region.
    pub(super) fn distance(&self, a: Pointer, b: Pointer) -> Result<u64, FaultKind> {
        let (a, b) = (self.non_null(a)?, self.non_null(b)?);
        let (from, to) = match (self.packet_offset(b)?, self.packet_offset(a)?) {
            (Some(from), Some(to)) => (from, to),
            _ if a.region == b.region => (b.offset, a.offset),
            _ => {
                return Err(FaultKind::PointerLeak {
                    what: "difference between regions",
                });
            }
        };
        Ok((to - from).cast_unsigned())
    }

    /// A comparison of two packet pointers, one of them possibly `data_end`. What it says about
    /// the packet's length is remembered (`find_good_pkt_pointers`).
    pub(super) fn compare(
        &mut self,
        condition: Condition,
        a: Pointer,
        b: Pointer,
    ) -> Result<bool, FaultKind> {
        let (Some(left), Some(right)) = (self.packet_offset(a)?, self.packet_offset(b)?) else {
            return Err(FaultKind::PointerLeak {
                what: "comparison of pointers",
            });
        };
        let (holds, strict) = match condition {
            Condition::Eq => return Ok(left == right),
            Condition::Ne => return Ok(left != right),
            Condition::Gt => (left > right, true),
            Condition::Ge => (left >= right, false),
            Condition::Lt => (left < right, true),
            Condition::Le => (left <= right, false),
            _ => {
                return Err(FaultKind::PointerLeak {
                    what: "signed comparison of pointers",
                });
            }
        };
        // What was learnt: `smaller <= larger`, or `smaller < larger` where `strictly`.
        let left_is_smaller = matches!(condition, Condition::Lt | Condition::Le) == holds;
        let strictly = strict == holds;
        let (smaller, larger) = if left_is_smaller { (a, b) } else { (b, a) };
        if matches!(smaller.region, Region::Packet { .. })
            && matches!(larger.region, Region::PacketEnd { .. })
            && let Ok(offset) = usize::try_from(smaller.offset)
        {
            self.proven = self.proven.max(offset + usize::from(strictly));
        }
        Ok(holds)
    }

    pub(super) fn check_atomic(&self, pointer: Pointer, size: Size) -> Result<(), FaultKind> {
        let len = usize::from(size.bytes());
        match pointer.region {
            Region::Stack | Region::Entry { .. } | Region::Record { .. } => {}
            // `check_atomic_rmw` refuses the context and the packet.
            _ => {
                return Err(FaultKind::Unsupported {
                    what: "atomic on the context or the packet",
                });
            }
        }
        if pointer.offset.rem_euclid(i64::from(size.bytes())) != 0 {
            return Err(FaultKind::Misaligned {
                region: pointer.region,
                offset: pointer.offset,
                len,
            });
        }
        Ok(())
    }

    // Access.

    /// A load instruction.
    pub(super) fn load(&self, pointer: Pointer, size: Size) -> Result<Value, FaultKind> {
        let pointer = self.non_null(pointer)?;
        match pointer.region {
            Region::Stack => self.stack.load(pointer.offset, size),
            Region::Context => Ok(match packet::load(&self.packet, pointer.offset, size)? {
                Field::Number(number) => Value::Number(number),
                Field::Data => Value::Pointer(Pointer::new(
                    Region::Packet {
                        generation: self.generation,
                    },
                    0,
                )),
                Field::DataEnd => Value::Pointer(Pointer::new(
                    Region::PacketEnd {
                        generation: self.generation,
                    },
                    0,
                )),
            }),
            _ => Ok(Value::Number(little_endian(
                self.read(pointer, usize::from(size.bytes()))?,
            ))),
        }
    }

    /// A store instruction.
    pub(super) fn store(&mut self, pointer: Pointer, size: Size, value: Value) -> Result<(), FaultKind> {
        let pointer = self.non_null(pointer)?;
        if pointer.region == Region::Stack {
            return self.stack.store(pointer.offset, size, value);
        }
        let Value::Number(number) = value else {
            return Err(FaultKind::PointerLeak {
                what: "a pointer is stored outside the stack",
            });
        };
        if pointer.region == Region::Context {
            return packet::store(&mut self.packet, pointer.offset, size, number);
        }
        let bytes = number.to_le_bytes();
        self.write(
            pointer,
            bytes.get(..usize::from(size.bytes())).unwrap_or_default(),
        )
    }

    /// The bytes that a pointer leads to, for an instruction or a helper.
    pub(super) fn read(&self, pointer: Pointer, len: usize) -> Result<&[u8], FaultKind> {
        let pointer = self.non_null(pointer)?;
        let bytes = match pointer.region {
            Region::Stack => return self.stack.read(pointer.offset, len),
            Region::Packet { generation } => {
                self.current(generation)?;
                self.check_proven(pointer, len)?;
                self.packet.linear()
            }
            Region::Entry { map, entry } => usize::try_from(map.0)
                .ok()
                .and_then(|index| self.maps.get(index)?.value(entry))
                .ok_or(FaultKind::StaleEntry { map })?,
            Region::Record { record } => {
                self.records
                    .get(&record)
                    .map(|r| r.bytes.as_slice())
                    .ok_or(FaultKind::NotAPointer {
                        found: "a submitted record",
                    })?
            }
            Region::Context => {
                return Err(FaultKind::Context {
                    access: "bytewise read",
                    offset: pointer.offset,
                    len,
                });
            }
            Region::PacketEnd { .. } => return Err(FaultKind::NotAPointer { found: "data_end" }),
        };
        let range = range(pointer, len, bytes.len())?;
        Ok(bytes.get(range).unwrap_or_default())
    }

    /// Overwrites the bytes that a pointer leads to, for an instruction or a helper.
    pub(super) fn write(&mut self, pointer: Pointer, data: &[u8]) -> Result<(), FaultKind> {
        let pointer = self.non_null(pointer)?;
        let len = data.len();
        let bytes = match pointer.region {
            Region::Stack => return self.stack.write(pointer.offset, data),
            Region::Packet { generation } => {
                self.current(generation)?;
                self.check_proven(pointer, len)?;
                self.packet.linear_mut()
            }
            Region::Entry { map, entry } => {
                let target = self.map(map)?;
                if target.spec().read_only {
                    return Err(FaultKind::ReadOnly {
                        region: pointer.region,
                    });
                }
                target.value_mut(entry).ok_or(FaultKind::StaleEntry { map })?
            }
            Region::Record { record } => self
                .records
                .get_mut(&record)
                .map(|r| r.bytes.as_mut_slice())
                .ok_or(FaultKind::NotAPointer {
                    found: "a submitted record",
                })?,
            Region::Context => {
                return Err(FaultKind::Context {
                    access: "bytewise write",
                    offset: pointer.offset,
                    len,
                });
            }
            Region::PacketEnd { .. } => return Err(FaultKind::NotAPointer { found: "data_end" }),
        };
        let range = range(pointer, len, bytes.len())?;
        if let Some(target) = bytes.get_mut(range) {
            target.copy_from_slice(data);
        }
        Ok(())
    }

    fn check_proven(&self, pointer: Pointer, len: usize) -> Result<(), FaultKind> {
        range(pointer, len, self.packet.linear().len())?;
        let (offset, proven) = (pointer.offset, self.proven);
        match range(pointer, len, proven) {
            Ok(_) => Ok(()),
            Err(_) => Err(FaultKind::NotComparedWithDataEnd { offset, len, proven }),
        }
    }

    // Ring buffer records.

    /// Reserves a record in a ring buffer; none when there is no room.
    pub(super) fn reserve(&mut self, map: MapId, len: usize) -> Result<Option<Pointer>, FaultKind> {
        let ring = self.map(map)?;
        if ring.spec().kind != MapKind::RingBuf {
            return Err(FaultKind::BadMap {
                map,
                what: "not a ring buffer",
            });
        }
        if ring.reserve(len).is_err() {
            return Ok(None);
        }
        let number = self.issue();
        self.records.insert(
            number,
            Record {
                map,
                bytes: vec![0; len],
            },
        );
        Ok(Some(Pointer {
            region: Region::Record { record: number },
            offset: 0,
            nullable: Some(number),
        }))
    }

    /// Ends a reservation: hands the record over, or gives it up.
    pub(super) fn end_record(&mut self, pointer: Pointer, submit: bool) -> Result<(), FaultKind> {
        let pointer = self.non_null(pointer)?;
        let record = match pointer {
            Pointer {
                region: Region::Record { record },
                offset: 0,
                ..
            } => self.records.remove(&record),
            _ => None,
        };
        let Record { map, bytes } = record.ok_or(FaultKind::NotAPointer {
            found: "no reserved record",
        })?;
        let ring = self.map(map)?;
        if submit {
            ring.submit(bytes);
        } else {
            ring.discard(bytes.len());
        }
        Ok(())
    }
}

/// Where in a region of `size` bytes an access of `len` bytes lies.
fn range(pointer: Pointer, len: usize, size: usize) -> Result<std::ops::Range<usize>, FaultKind> {
    let outside = FaultKind::OutOfBounds {
        region: pointer.region,
        offset: pointer.offset,
        len,
        size,
    };
    let start = usize::try_from(pointer.offset).map_err(|_| outside.clone())?;
    let end = start.checked_add(len).filter(|end| *end <= size).ok_or(outside)?;
    Ok(start..end)
}
