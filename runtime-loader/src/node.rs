//! What a node enforces, as a whole: change it, describe it, take it off.
//!
//! A change is all or nothing: every new program is loaded, verified and pinned before the first is swapped in, and a
//! swap that fails takes the earlier ones back. Each swap is one atomic step for its endpoint and direction.

use std::collections::BTreeMap;
use std::path::Path;

use ir::policy::Direction;

use crate::attach::{AttachError, Hook, Mechanism};
use crate::device::EndpointName;
use crate::enforce::{self, EnforceError, InForce};
use crate::load::{LoadError, Loader, MapPins};
use crate::object::PolicyObject;
use crate::pins::{
    CONNTRACK, COUNTERS, EVENTS, EndpointPins, GenerationPins, Pins, PinsError, Slot, pinned_shape,
    remove_pin,
};

/// One endpoint's program for one direction, and the device to enforce it on.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose policy it is.
    pub endpoint: EndpointName,
    /// The device that carries the endpoint, in the calling thread's network namespace.
    pub device: String,
    /// The policy direction, seen from the pod.
    pub direction: Direction,
    /// The program.
    pub object: PolicyObject,
}

/// What to do with endpoints and directions that a change does not speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They stay as they are.
    Keep,
    /// They are taken off: the node enforces what the change says and nothing else.
    Remove,
}

/// Which mechanism to attach by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// What is in force already; else tcx where the kernel has it, else clsact.
    #[default]
    Best,
    /// This one.
    Only(Mechanism),
}

/// What a change did, counted in programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Attached where nothing was in force.
    pub attached: usize,
    /// Swapped for another.
    pub replaced: usize,
    /// In force already, byte for byte.
    pub unchanged: usize,
    /// Taken off.
    pub removed: usize,
}

/// Why a node's enforcement could not be told or changed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A program could not be loaded; what was in force still is.
    #[error("{direction} of {endpoint}: {source}")]
    Load {
        /// Whose program.
        endpoint: EndpointName,
        /// Which direction.
        direction: Direction,
        /// The reason.
        source: Box<LoadError>,
    },
    /// A program could not be put in force or taken off.
    #[error("{direction} of {endpoint}: {source}")]
    Enforce {
        /// Whose program.
        endpoint: EndpointName,
        /// Which direction.
        direction: Direction,
        /// The reason.
        source: Box<EnforceError>,
    },
    /// A change failed, and so did taking back a part of it that had succeeded.
    #[error("{failure}; and {endpoint} could not be put back as it was: {rollback}")]
    Rollback {
        /// Why the change failed.
        failure: Box<NodeError>,
        /// Whose program is the new one still.
        endpoint: EndpointName,
        /// Why.
        rollback: Box<EnforceError>,
    },
    /// One endpoint and direction twice in one change.
    #[error("{direction} of {endpoint} is given twice")]
    Twice {
        /// Whose.
        endpoint: EndpointName,
        /// Which direction.
        direction: Direction,
    },
    /// The directory.
    #[error(transparent)]
    Pins(#[from] PinsError),
}

/// A node's enforcement. Holds the lock on its pins: one change at a time.
#[derive(Debug)]
pub struct Node {
    pins: Pins,
    loader: Loader,
    preference: Preference,
}

/// A program that is loaded and pinned, not yet in force.
struct Prepared<'a> {
    wanted: &'a Wanted,
    endpoint: EndpointPins,
    slot: Slot,
    hook: Hook,
    generation: GenerationPins,
    current: Option<InForce>,
}

impl Prepared<'_> {
    fn enforce_error(&self, source: EnforceError) -> NodeError {
        NodeError::Enforce {
            endpoint: self.wanted.endpoint.clone(),
            direction: self.wanted.direction,
            source: Box::new(source),
        }
    }
}

impl Node {
    /// Opens a node's pins, making the directory, and mounting the BPF file system, where they are missing.
    ///
    /// # Errors
    /// When another process has them open, or the system refuses.
    pub fn open(root: &Path, preference: Preference) -> Result<Self, NodeError> {
        Ok(Self {
            pins: Pins::open(root)?,
            loader: Loader::new(),
            preference,
        })
    }

    /// Opens a node's pins if it has any.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_existing(root: &Path) -> Result<Option<Self>, NodeError> {
        let pins = Pins::open_existing(root)?;
        Ok(pins.map(|pins| Self {
            pins,
            loader: Loader::new(),
            preference: Preference::Best,
        }))
    }

    /// The pins.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Makes the node enforce what is wanted, on devices of the calling thread's network namespace.
    ///
    /// # Errors
    /// When a device is missing, a program is refused or a swap fails; what was in force then still is, unless the
    /// error is [`NodeError::Rollback`].
    pub fn apply(&mut self, wanted: &[Wanted], others: Others) -> Result<Applied, NodeError> {
        let mut by_slot: BTreeMap<(&EndpointName, Direction), &Wanted> = BTreeMap::new();
        for one in wanted {
            if by_slot.insert((&one.endpoint, one.direction), one).is_some() {
                return Err(NodeError::Twice {
                    endpoint: one.endpoint.clone(),
                    direction: one.direction,
                });
            }
        }
        self.pins.prepare_shared()?;
        let mut applied = Applied::default();
        let mut prepared = Vec::new();
        for one in by_slot.values() {
            match self.prepare(one) {
                Ok(Some(ready)) => prepared.push(ready),
                Ok(None) => applied.unchanged += 1,
                Err(error) => {
                    self.discard(&prepared)?;
                    return Err(error);
                }
            }
        }
        for (done, one) in prepared.iter().enumerate() {
            if let Err(error) = self.swap(one) {
                let failure = one.enforce_error(error);
                let swapped = prepared.get(..done).unwrap_or_default();
                return Err(self.take_back(swapped, failure, &prepared));
            }
        }
        for one in &prepared {
            one.slot.forget_all_but(Some(&one.generation))?;
            match one.current {
                Some(_) => applied.replaced += 1,
                None => applied.attached += 1,
            }
        }
        if others == Others::Remove {
            for endpoint in self.pins.endpoints()? {
                for direction in Direction::BOTH {
                    if !by_slot.contains_key(&(&endpoint.name, direction)) {
                        applied.removed += usize::from(take_off(&endpoint, direction)?);
                    }
                }
                endpoint.tidy()?;
            }
        }
        self.pins.tidy()?;
        Ok(applied)
    }

    /// Loads and pins the next generation of a slot; `None` when the wanted object is in force already.
    fn prepare<'a>(&mut self, wanted: &'a Wanted) -> Result<Option<Prepared<'a>>, NodeError> {
        let enforce_error = |source: EnforceError| NodeError::Enforce {
            endpoint: wanted.endpoint.clone(),
            direction: wanted.direction,
            source: Box::new(source),
        };
        let load_error = |source: LoadError| NodeError::Load {
            endpoint: wanted.endpoint.clone(),
            direction: wanted.direction,
            source: Box::new(source),
        };
        let hook = Hook::find(&wanted.device, wanted.direction)
            .ok_or_else(|| enforce_error(AttachError::NoDevice(wanted.device.clone()).into()))?;
        let endpoint = self.pins.endpoint(&wanted.endpoint);
        let slot = endpoint.slot(wanted.direction);
        enforce::recover(&slot).map_err(enforce_error)?;
        let current = enforce::in_force(&slot, &hook).map_err(enforce_error)?;
        let digest = wanted.object.digest().short();
        if let Some(current) = &current {
            let right = match self.preference {
                Preference::Best => true,
                Preference::Only(mechanism) => mechanism == current.mechanism,
            };
            if right && current.generation.digest == digest {
                slot.forget_all_but(Some(&current.generation))?;
                return Ok(None);
            }
        }
        endpoint.prepare(&wanted.device)?;
        slot.prepare()?;
        // Whatever a killed predecessor left is behind us, in force or not.
        let newest = slot.generations()?.last().map_or(0, |pins| pins.generation);
        let generation = slot.generation(newest + 1, &digest);
        let result = self.load(wanted, &generation, current.as_ref());
        if let Err(error) = result {
            discard(&endpoint, &slot, &generation)?;
            self.pins.tidy()?;
            return Err(load_error(error));
        }
        Ok(Some(Prepared {
            wanted,
            endpoint,
            slot,
            hook,
            generation,
            current,
        }))
    }

    fn load(
        &mut self,
        wanted: &Wanted,
        generation: &GenerationPins,
        current: Option<&InForce>,
    ) -> Result<(), LoadError> {
        // Left by a predecessor that was killed between its counters and its program.
        remove_pin(&generation.counters)?;
        if let Some(current) = current
            && let Some(shape) = pinned_shape(&current.generation.counters)?
            && wanted.object.map(COUNTERS) == Some(shape)
        {
            enforce::share_map(&current.generation.counters, &generation.counters)?;
        }
        let maps = MapPins {
            conntrack: self.pins.shared_map(CONNTRACK),
            events: self.pins.shared_map(EVENTS),
            counters: generation.counters.clone(),
        };
        let mut loaded = self.loader.load(&wanted.object, Some(&maps))?;
        loaded.pin(&generation.program)
    }

    fn swap(&self, one: &Prepared<'_>) -> Result<(), EnforceError> {
        let mechanism = match (self.preference, &one.current) {
            (Preference::Only(mechanism), _) => mechanism,
            (Preference::Best, Some(current)) => current.mechanism,
            (Preference::Best, None) => match one.hook.tcx_programs()? {
                Some(_) => Mechanism::Tcx,
                None => Mechanism::Clsact,
            },
        };
        enforce::put(
            &one.endpoint,
            &one.slot,
            &one.hook,
            &one.generation,
            one.current.as_ref(),
            mechanism,
        )
    }

    /// Puts back what was in force before a change that failed, and forgets the change.
    fn take_back(&self, swapped: &[Prepared<'_>], failure: NodeError, all: &[Prepared<'_>]) -> NodeError {
        for one in swapped.iter().rev() {
            let back = match &one.current {
                Some(before) => enforce::in_force(&one.slot, &one.hook).and_then(|now| {
                    let (slot, hook) = (&one.slot, &one.hook);
                    enforce::put(
                        &one.endpoint,
                        slot,
                        hook,
                        &before.generation,
                        now.as_ref(),
                        before.mechanism,
                    )
                }),
                None => enforce::detach(&one.endpoint, &one.slot, Some(&one.hook)),
            };
            if let Err(rollback) = back {
                let endpoint = one.wanted.endpoint.clone();
                return NodeError::Rollback {
                    failure: Box::new(failure),
                    endpoint,
                    rollback: Box::new(rollback),
                };
            }
        }
        match self.discard(all) {
            // The pins that stay behind are in nobody's way; the failure is what matters.
            Ok(()) | Err(_) => failure,
        }
    }

    fn discard(&self, prepared: &[Prepared<'_>]) -> Result<(), PinsError> {
        for one in prepared {
            discard(&one.endpoint, &one.slot, &one.generation)?;
        }
        self.pins.tidy()
    }

    /// Takes every program off and removes every pin, the directory included; says how many programs were taken off.
    /// Nothing of others is touched.
    ///
    /// # Errors
    /// What the kernel refused; calling it again goes on.
    pub fn unload(self) -> Result<usize, NodeError> {
        let mut removed = 0;
        for endpoint in self.pins.endpoints()? {
            for direction in Direction::BOTH {
                removed += usize::from(take_off(&endpoint, direction)?);
            }
            endpoint.tidy()?;
        }
        self.pins.tidy()?;
        self.pins.remove()?;
        Ok(removed)
    }

    /// What is in force, endpoint by endpoint, sorted.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn slots(&self) -> Result<Vec<SlotStatus>, NodeError> {
        let mut slots = Vec::new();
        for endpoint in self.pins.endpoints()? {
            let device = endpoint.device()?;
            for direction in Direction::BOTH {
                let slot = endpoint.slot(direction);
                if !slot.exists() {
                    continue;
                }
                let in_force = match Hook::find(&device, direction) {
                    None => None,
                    Some(hook) => enforce::in_force(&slot, &hook).map_err(|source| NodeError::Enforce {
                        endpoint: endpoint.name.clone(),
                        direction,
                        source: Box::new(source),
                    })?,
                };
                let (endpoint, device) = (endpoint.name.clone(), device.clone());
                slots.push(SlotStatus {
                    endpoint,
                    device,
                    direction,
                    in_force,
                });
            }
        }
        Ok(slots)
    }
}

/// One line of the node's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotStatus {
    /// Whose policy.
    pub endpoint: EndpointName,
    /// The device.
    pub device: String,
    /// The policy direction.
    pub direction: Direction,
    /// What judges packets there; `None` when the device or the attachment is gone.
    pub in_force: Option<InForce>,
}

/// Says whether there was anything to take off.
fn take_off(endpoint: &EndpointPins, direction: Direction) -> Result<bool, NodeError> {
    let slot = endpoint.slot(direction);
    if !slot.exists() {
        return Ok(false);
    }
    let hook = Hook::find(&endpoint.device()?, direction);
    enforce::take_off(endpoint, &slot, hook.as_ref()).map_err(|source| NodeError::Enforce {
        endpoint: endpoint.name.clone(),
        direction,
        source: Box::new(source),
    })?;
    Ok(true)
}

fn discard(endpoint: &EndpointPins, slot: &Slot, generation: &GenerationPins) -> Result<(), PinsError> {
    remove_pin(&generation.program)?;
    remove_pin(&generation.counters)?;
    slot.tidy()?;
    endpoint.tidy()
}
