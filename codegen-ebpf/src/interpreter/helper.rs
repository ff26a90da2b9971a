//! The kernel helpers that data-path programs call, by their numbers in `enum bpf_func_id`.
//!
//! Return values and error numbers are those of the kernel's implementations in `kernel/bpf/` and
//! `net/core/filter.c`. A helper that is missing here is a fault: add it with its exact results.

use super::fault::FaultKind;
use super::maps::{MapError, MapId, MapKind};
use super::value::{Pointer, Region, Value};
use super::{Clock, Run};
use crate::insn::Reg;

const MAP_LOOKUP_ELEM: u32 = 1;
const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const KTIME_GET_NS: u32 = 5;
const GET_SMP_PROCESSOR_ID: u32 = 8;
const SKB_LOAD_BYTES: u32 = 26;
const SKB_PULL_DATA: u32 = 39;
const JIFFIES64: u32 = 118;
const RINGBUF_OUTPUT: u32 = 130;
const RINGBUF_RESERVE: u32 = 131;
const RINGBUF_SUBMIT: u32 = 132;
const RINGBUF_DISCARD: u32 = 133;
const KTIME_GET_COARSE_NS: u32 = 160;

const ENOMEM: i64 = -12;
const EFAULT: i64 = -14;

fn status(result: Result<(), MapError>) -> Value {
    errno(result.map_or_else(|error| error as i64, |()| 0))
}

const fn errno(number: i64) -> Value {
    Value::Number(number.cast_unsigned())
}

impl Clock {
    fn jiffies(self) -> u64 {
        let ticks = u128::from(self.nanoseconds) * u128::from(self.hz) / 1_000_000_000;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

impl Run<'_> {
    /// Calls a helper with `r1`–`r5`; what it leaves in `r0`.
    pub(super) fn call(&mut self, helper: u32) -> Result<Value, FaultKind> {
        let args = Arguments { run: self, helper };
        match helper {
            MAP_LOOKUP_ELEM => {
                let (map, key) = args.map_and_key()?;
                self.lookup(map, &key)
            }
            MAP_UPDATE_ELEM => {
                let (map, key) = args.map_and_key()?;
                let (value, flags) = (args.pointer(Reg::R3)?, args.number(Reg::R4)?);
                self.update(map, &key, value, flags)
            }
            MAP_DELETE_ELEM => {
                let (map, key) = args.map_and_key()?;
                self.writable_map(map)?;
                self.memory.map(map).map(|m| status(m.delete(&key)))
            }
            KTIME_GET_NS | KTIME_GET_COARSE_NS => Ok(Value::Number(self.clock.nanoseconds)),
            JIFFIES64 => Ok(Value::Number(self.clock.jiffies())),
            GET_SMP_PROCESSOR_ID => Ok(Value::Number(0)),
            SKB_LOAD_BYTES => {
                args.context(Reg::R1)?;
                let (from, to) = (args.number(Reg::R2)?, args.pointer(Reg::R3)?);
                let len = args.size(Reg::R4, 1)?;
                self.load_bytes(from, to, len)
            }
            SKB_PULL_DATA => {
                args.context(Reg::R1)?;
                let len = args.number(Reg::R2)? as u32;
                // A length of 0 asks for the linear part as it is.
                let pulled = self.memory.pull(len as usize);
                self.memory.packet_may_have_moved();
                Ok(errno(if pulled { 0 } else { ENOMEM }))
            }
            RINGBUF_OUTPUT => {
                let (map, data) = (args.map(Reg::R1)?, args.pointer(Reg::R2)?);
                let (len, flags) = (args.size(Reg::R3, 0)?, args.number(Reg::R4)?);
                self.ring_output(map, data, len, flags)
            }
            RINGBUF_RESERVE => {
                let (map, len) = (args.map(Reg::R1)?, args.size(Reg::R2, 0)?);
                let flags = args.number(Reg::R3)?;
                let record = self.memory.reserve(map, len)?;
                match record {
                    Some(pointer) if flags == 0 => Ok(Value::Pointer(pointer)),
                    Some(_) => Err(FaultKind::Unsupported {
                        what: "flags to ringbuf_reserve",
                    }),
                    None => Ok(Value::Number(0)),
                }
            }
            RINGBUF_SUBMIT | RINGBUF_DISCARD => {
                let (record, flags) = (args.pointer(Reg::R1)?, args.number(Reg::R2)?);
                wake_up_flags(flags)?;
                self.memory.end_record(record, helper == RINGBUF_SUBMIT)?;
                // Returns nothing: r0 may not be read.
                Ok(Value::Uninit)
            }
            _ => Err(FaultKind::UnknownHelper { helper }),
        }
    }

    fn lookup(&mut self, map: MapId, key: &[u8]) -> Result<Value, FaultKind> {
        Ok(match self.memory.map(map)?.lookup(key) {
            Some(entry) => Value::Pointer(self.memory.nullable(Region::Entry { map, entry })),
            None => Value::Number(0),
        })
    }

    fn update(&mut self, map: MapId, key: &[u8], value: Pointer, flags: u64) -> Result<Value, FaultKind> {
        self.writable_map(map)?;
        let size = self.memory.map(map)?.spec().value_size;
        let value = self.memory.read(value, size)?.to_vec();
        self.memory.map(map).map(|m| status(m.update(key, &value, flags)))
    }

    /// `check_map_access_type`: programs may not change a `BPF_F_RDONLY_PROG` map by helpers
    /// either.
    fn writable_map(&mut self, map: MapId) -> Result<(), FaultKind> {
        if self.memory.map(map)?.spec().read_only {
            Err(FaultKind::BadMap {
                map,
                what: "programs may only read it",
            })
        } else {
            Ok(())
        }
    }

    /// `bpf_skb_load_bytes`: reads the whole packet, linear or not; on failure the buffer is
    /// zeroed.
    fn load_bytes(&mut self, from: u64, to: Pointer, len: usize) -> Result<Value, FaultKind> {
        // The offset argument is a `u32`.
        let from = from as u32 as usize;
        let found = self
            .memory
            .packet()
            .bytes
            .get(from..from.saturating_add(len))
            .map(<[u8]>::to_vec);
        let result = if found.is_some() { 0 } else { EFAULT };
        self.memory.write(to, &found.unwrap_or_else(|| vec![0; len]))?;
        Ok(errno(result))
    }

    fn ring_output(&mut self, map: MapId, data: Pointer, len: usize, flags: u64) -> Result<Value, FaultKind> {
        wake_up_flags(flags)?;
        let data = self.memory.read(data, len)?.to_vec();
        let ring = self.memory.map(map)?;
        if ring.spec().kind != MapKind::RingBuf {
            return Err(FaultKind::BadMap {
                map,
                what: "not a ring buffer",
            });
        }
        let result = ring.reserve(len);
        if result.is_ok() {
            ring.submit(data);
        }
        Ok(status(result))
    }
}

/// `BPF_RB_NO_WAKEUP` and `BPF_RB_FORCE_WAKEUP` change nothing here; other flags are mistakes.
fn wake_up_flags(flags: u64) -> Result<(), FaultKind> {
    if flags <= 2 {
        Ok(())
    } else {
        Err(FaultKind::Unsupported {
            what: "unknown ring buffer flags",
        })
    }
}

/// The arguments of a call, each asked for by the kind it must have.
struct Arguments<'r, 'm> {
    run: &'r mut Run<'m>,
    helper: u32,
}

impl Arguments<'_, '_> {
    fn wrong(&self, reg: Reg, expected: &'static str) -> FaultKind {
        FaultKind::HelperArgument {
            helper: self.helper,
            reg,
            expected,
        }
    }

    fn number(&self, reg: Reg) -> Result<u64, FaultKind> {
        match self.run.get(reg)? {
            Value::Number(number) => Ok(number),
            _ => Err(self.wrong(reg, "a number")),
        }
    }

    /// The size of a buffer: between `least` and the 2²⁹ bytes that the verifier allows.
    fn size(&self, reg: Reg, least: usize) -> Result<usize, FaultKind> {
        let number = self.number(reg)?;
        match usize::try_from(number) {
            Ok(size) if size >= least && size < 1 << 29 => Ok(size),
            _ => Err(self.wrong(reg, "the size of a buffer")),
        }
    }

    fn pointer(&self, reg: Reg) -> Result<Pointer, FaultKind> {
        match self.run.get(reg)? {
            Value::Pointer(pointer) => self.run.memory.non_null(pointer),
            _ => Err(self.wrong(reg, "a pointer")),
        }
    }

    fn context(&self, reg: Reg) -> Result<(), FaultKind> {
        match self.run.get(reg)? {
            Value::Pointer(Pointer {
                region: Region::Context,
                ..
            }) => Ok(()),
            _ => Err(self.wrong(reg, "the context")),
        }
    }

    fn map(&self, reg: Reg) -> Result<MapId, FaultKind> {
        match self.run.get(reg)? {
            Value::Map(map) => Ok(map),
            _ => Err(self.wrong(reg, "a map")),
        }
    }

    /// A map in `r1` and its key behind `r2`.
    fn map_and_key(&self) -> Result<(MapId, Vec<u8>), FaultKind> {
        let map = self.map(Reg::R1)?;
        let index = usize::try_from(map.0).unwrap_or(usize::MAX);
        let missing = FaultKind::BadMap {
            map,
            what: "there is no such map",
        };
        let spec = self.run.memory.maps.get(index).ok_or(missing)?.spec();
        if spec.kind == MapKind::RingBuf {
            return Err(FaultKind::BadMap {
                map,
                what: "a ring buffer has no keys",
            });
        }
        let key = self.run.memory.read(self.pointer(Reg::R2)?, spec.key_size)?;
        Ok((map, key.to_vec()))
    }
}
