//! A change of what a node enforces: all or nothing.
//!
//! 1. *Prepare*: every new program is loaded, verified and pinned.
//! 2. *Put*: each is swapped in, one atomic step for its endpoint and direction, or attached beside what it is going to
//!    replace. A failure up to here takes everything back: nothing that was in force has been taken off yet.
//! 3. *Settle*: what was replaced or is no longer wanted is taken off. A failure here leaves the change in force and
//!    something older beside it, which can only forbid more; the others are still taken off, and the error names each.

use std::collections::BTreeMap;

use ir::policy::Direction;

use crate::attach::{AttachError, Hook, Mechanism};
use crate::device::{DevicePlace, EndpointName, NamespaceNumber};
use crate::enforce::{self, EnforceError, InForce};
use crate::load::{LoadError, MapPins};
use crate::node::{Applied, Node, NodeError, Others, Preference, Wanted, here, reachable, take_off};
use crate::pins::{
    CONNTRACK, COUNTERS, EVENTS, EndpointPins, GenerationPins, PinsError, Slot, pinned_shape, remove_pin,
};

/// One wanted program, pinned.
struct Prepared<'a> {
    wanted: &'a Wanted,
    endpoint: EndpointPins,
    slot: Slot,
    hook: Hook,
    place: DevicePlace,
    mechanism: Mechanism,
    generation: GenerationPins,
    current: Option<InForce>,
    /// Whether the device's note was made for this change.
    moved: bool,
}

impl Prepared<'_> {
    /// In force before this change, byte for byte.
    fn unchanged(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.generation == self.generation)
    }

    fn failed(&self) -> impl Fn(EnforceError) -> NodeError {
        NodeError::of(&self.wanted.endpoint, self.wanted.direction)
    }

    fn put(&self) -> Result<(), NodeError> {
        enforce::put(
            &self.endpoint,
            &self.slot,
            &self.hook,
            &self.place,
            &self.generation,
            self.current.as_ref(),
            self.mechanism,
        )
        .map_err(self.failed())
    }

    fn take_back(&self) -> Result<(), NodeError> {
        match &self.current {
            Some(before) if before.mechanism == self.mechanism => {
                enforce::in_force(&self.slot, &self.hook, &self.place).and_then(|now| {
                    enforce::put(
                        &self.endpoint,
                        &self.slot,
                        &self.hook,
                        &self.place,
                        &before.generation,
                        now.as_ref(),
                        before.mechanism,
                    )
                })
            }
            _ => enforce::withdraw(&self.endpoint, &self.slot, &self.place, self.mechanism),
        }
        .map_err(self.failed())
    }

    fn settle(&self) -> Result<(), NodeError> {
        enforce::settle(
            &self.endpoint,
            &self.slot,
            &self.place,
            &self.generation,
            self.mechanism,
        )
        .map_err(self.failed())?;
        Ok(self.endpoint.tidy()?)
    }

    /// Forgets a program that is not in force.
    fn discard(&self) -> Result<(), PinsError> {
        if self.unchanged() {
            return Ok(());
        }
        remove_pin(&self.generation.program)?;
        remove_pin(&self.generation.counters)?;
        if self.moved {
            self.slot.forget_device(&self.place)?;
        }
        self.slot.tidy()?;
        self.endpoint.tidy()
    }
}

impl Node {
    /// Makes the node enforce what is wanted, on devices of the calling thread's network namespace.
    ///
    /// # Errors
    /// When a device is missing, a program is refused, a swap fails, or an endpoint to change has a clsact filter in
    /// another network namespace. What was in force then still is, and nothing else, unless the error is
    /// [`NodeError::Rollback`] or [`NodeError::Leftover`], which say what is.
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
        let here = here()?;
        let is_wanted = |name: &EndpointName| {
            Direction::BOTH
                .iter()
                .any(|way| by_slot.contains_key(&(name, *way)))
        };
        for endpoint in self.pins.endpoints()? {
            if others == Others::Remove || is_wanted(&endpoint.name) {
                reachable(&endpoint, here)?;
            }
        }
        self.pins.prepare_shared()?;
        let mut prepared = Vec::new();
        for one in by_slot.values() {
            match self.prepare(one, here) {
                Ok(ready) => prepared.push(ready),
                Err(error) => {
                    self.discard(prepared.iter())?;
                    return Err(error);
                }
            }
        }
        let mut tried = Vec::new();
        for one in prepared.iter().filter(|one| !one.unchanged()) {
            tried.push(one);
            if let Err(failure) = one.put() {
                return Err(self.take_back(failure, &tried, &prepared));
            }
        }
        let mut applied = Applied::default();
        let mut left = Vec::new();
        for one in &prepared {
            match &one.current {
                Some(_) if one.unchanged() => applied.unchanged += 1,
                Some(_) => applied.replaced += 1,
                None => applied.attached += 1,
            }
            left.extend(one.settle().err());
        }
        if others == Others::Remove {
            for endpoint in self.pins.endpoints()? {
                for direction in Direction::BOTH {
                    if !by_slot.contains_key(&(&endpoint.name, direction)) {
                        match take_off(&endpoint, direction, here) {
                            Ok(removed) => applied.removed += usize::from(removed),
                            Err(error) => left.push(error),
                        }
                    }
                }
                left.extend(endpoint.tidy().err().map(NodeError::from));
            }
        }
        left.extend(self.pins.tidy().err().map(NodeError::from));
        if left.is_empty() {
            Ok(applied)
        } else {
            Err(NodeError::Leftover { applied, left })
        }
    }

    /// Loads and pins the next generation of a slot, unless the wanted object is in force already.
    fn prepare<'a>(&mut self, wanted: &'a Wanted, here: NamespaceNumber) -> Result<Prepared<'a>, NodeError> {
        let failed = NodeError::of(&wanted.endpoint, wanted.direction);
        let hook = Hook::find(&wanted.device, wanted.direction)
            .ok_or_else(|| failed(AttachError::NoDevice(wanted.device.clone()).into()))?;
        let place = DevicePlace {
            namespace: here,
            device: wanted.device.clone(),
        };
        let endpoint = self.pins.endpoint(&wanted.endpoint);
        let slot = endpoint.slot(wanted.direction);
        enforce::recover(&slot).map_err(&failed)?;
        let current = enforce::in_force(&slot, &hook, &place).map_err(&failed)?;
        let mechanism = match (self.preference, &current) {
            (Preference::Only(mechanism), _) => mechanism,
            (Preference::Best, Some(current)) => current.mechanism,
            (Preference::Best, None) => match hook.tcx_programs().map_err(|error| failed(error.into()))? {
                Some(_) => Mechanism::Tcx,
                None => Mechanism::Clsact,
            },
        };
        let digest = wanted.object.digest().short();
        let same = current
            .as_ref()
            .filter(|current| current.mechanism == mechanism && current.generation.digest == digest)
            .map(|current| current.generation.clone());
        let moved = !slot.devices()?.contains(&place);
        let mut prepared = Prepared {
            wanted,
            // Whatever a killed predecessor left is behind us, in force or not.
            generation: slot.generation(
                slot.generations()?.last().map_or(0, |pins| pins.generation) + 1,
                &digest,
            ),
            endpoint,
            slot,
            hook,
            place,
            mechanism,
            current,
            moved,
        };
        if let Some(same) = same {
            prepared.generation = same;
            return Ok(prepared);
        }
        prepared.slot.note_device(&prepared.place)?;
        if let Err(source) = self.load(&prepared) {
            self.discard([&prepared])?;
            return Err(NodeError::Load {
                endpoint: wanted.endpoint.clone(),
                direction: wanted.direction,
                source: Box::new(source),
            });
        }
        Ok(prepared)
    }

    fn load(&mut self, one: &Prepared<'_>) -> Result<(), LoadError> {
        let object = &one.wanted.object;
        // Left by a predecessor that was killed between its counters and its program.
        remove_pin(&one.generation.counters)?;
        if let Some(current) = &one.current
            && let Some(shape) = pinned_shape(&current.generation.counters)?
            && object.map(COUNTERS) == Some(shape)
        {
            enforce::share_map(&current.generation.counters, &one.generation.counters)?;
        }
        let maps = MapPins {
            conntrack: self.pins.shared_map(CONNTRACK),
            events: self.pins.shared_map(EVENTS),
            counters: one.generation.counters.clone(),
        };
        let mut loaded = self.loader.load(object, Some(&maps))?;
        loaded.pin(&one.generation.program)
    }

    /// Puts back what was in force before a change that failed, and forgets the change. The last of `tried` is the
    /// one that failed.
    fn take_back(&self, failure: NodeError, tried: &[&Prepared<'_>], all: &[Prepared<'_>]) -> NodeError {
        let mut left = Vec::new();
        let mut forget: Vec<&Prepared<'_>> = all.iter().collect();
        let mut last = true;
        for one in tried.iter().rev() {
            let replaces = one
                .current
                .as_ref()
                .is_some_and(|current| current.mechanism == one.mechanism);
            // A replacement that failed has changed nothing; an attachment may have got half way.
            if !(last && replaces)
                && let Err(error) = one.take_back()
            {
                // What is in force stays pinned.
                forget.retain(|other| !std::ptr::eq(*other, *one));
                left.push(error);
            }
            last = false;
        }
        // The pins that stay behind when this fails are in nobody's way; the failure is what matters.
        let _ = self.discard(forget);
        if left.is_empty() {
            failure
        } else {
            NodeError::Rollback {
                failure: Box::new(failure),
                left,
            }
        }
    }

    fn discard<'a, 'b: 'a>(
        &self,
        prepared: impl IntoIterator<Item = &'a Prepared<'b>>,
    ) -> Result<(), PinsError> {
        for one in prepared {
            one.discard()?;
        }
        self.pins.tidy()
    }
}
