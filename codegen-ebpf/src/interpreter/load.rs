//! Binding a program from an object's bytes to the maps of a machine, as a loader does.

use thiserror::Error;

use super::maps::{MapDef, MapError, MapId, MapKind};
use super::{Machine, Program};
use crate::elf::LoadedProgram;
use crate::insn::{Imm64, Insn};
use crate::maps;

/// Why a program cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// The object has a map that the given definitions do not have.
    #[error("map `{0}` has no definition")]
    Undefined(String),
    /// An instruction refers to a map that the object does not list.
    #[error("a reference to map number {0}, which the object does not list")]
    Unlisted(i32),
    /// The tables could not be stored.
    #[error("the tables cannot be stored")]
    Tables,
}

impl From<MapError> for LoadError {
    fn from(_: MapError) -> Self {
        Self::Tables
    }
}

impl From<&maps::MapSpec> for MapDef {
    fn from(spec: &maps::MapSpec) -> Self {
        let bytes = |record: &Option<maps::Record>| record.map_or(0, |r| r.size as usize);
        Self {
            name: spec.name.to_owned(),
            kind: match spec.kind {
                maps::MapKind::PerCpuArray => MapKind::PerCpuArray,
                maps::MapKind::LruHash => MapKind::LruHash,
                maps::MapKind::RingBuffer => MapKind::RingBuf,
            },
            key_size: bytes(&spec.key),
            value_size: bytes(&spec.value),
            max_entries: spec.max_entries as usize,
            read_only: false,
        }
    }
}

impl Machine {
    /// Binds a program to this machine. A map that the machine has under the same name is shared;
    /// others are made from `definitions`. The object's tables become a read-only map of their
    /// own.
    ///
    /// # Errors
    /// When the object refers to a map that neither the machine nor `definitions` have.
    pub fn load(
        &mut self,
        program: &LoadedProgram,
        definitions: &[maps::MapSpec],
    ) -> Result<Program, LoadError> {
        let mut ids = Vec::with_capacity(program.maps.len() + 1);
        for name in &program.maps {
            let id = match self.map_named(name) {
                Some(id) => id,
                None => {
                    let definition = definitions.iter().find(|d| d.name == name);
                    let definition = definition.ok_or_else(|| LoadError::Undefined(name.clone()))?;
                    self.add_map(definition.into())
                }
            };
            ids.push(id);
        }
        if !program.tables.is_empty() {
            ids.push(self.add_tables(&program.tables)?);
        }
        let bound = |number: i32| {
            let id = usize::try_from(number).ok().and_then(|index| ids.get(index));
            id.map(|id| id.0).ok_or(LoadError::Unlisted(number))
        };
        let insns = program.insns.iter().map(|insn| {
            Ok(match *insn {
                Insn::LoadImm64 {
                    dst,
                    value: Imm64::Map(map),
                } => Insn::LoadImm64 {
                    dst,
                    value: Imm64::Map(bound(map)?),
                },
                Insn::LoadImm64 {
                    dst,
                    value: Imm64::MapValue { map, offset },
                } => Insn::LoadImm64 {
                    dst,
                    value: Imm64::MapValue {
                        map: bound(map)?,
                        offset,
                    },
                },
                other => other,
            })
        });
        Ok(Program::new(insns.collect::<Result<_, LoadError>>()?))
    }

    /// Adds a read-only map holding these bytes, as a loader does for `.rodata`.
    ///
    /// # Errors
    /// [`LoadError::Tables`] if the map refuses them, which it does not.
    pub fn add_tables(&mut self, bytes: &[u8]) -> Result<MapId, LoadError> {
        let id = self.add_map(MapDef {
            name: ".rodata".to_owned(),
            kind: MapKind::Array,
            key_size: 4,
            value_size: bytes.len(),
            max_entries: 1,
            read_only: true,
        });
        self.map_mut(id).ok_or(LoadError::Tables)?.set(&[0; 4], bytes)?;
        Ok(id)
    }
}
