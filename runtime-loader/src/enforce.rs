//! One slot's enforcement: which generation is in force, put one in force, take it off.
//!
//! Each function may be cut short by a kill at any point; [`recover`] finishes what one left half done. The order of
//! steps keeps these true at every moment:
//! - a program that is in force is pinned (so that its generation can be told and rolled back to);
//! - [`put`] takes nothing off: where it does not replace a program in one step it adds one, and both judge until
//!   [`settle`] takes the old one off or [`withdraw`] the new one.

use std::io;

use aya::programs::{ProgramError, ProgramInfo, SchedClassifier};

use crate::attach::{AttachError, Clsact, Hook, Mechanism, TcxLink};
use crate::device::{DevicePlace, NamespaceNumber};
use crate::pins::{EndpointPins, GenerationPins, PinsError, Slot, remove_pin};

/// Why a slot's enforcement could not be told or changed.
#[derive(Debug, thiserror::Error)]
pub enum EnforceError {
    /// The attachment.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The directory.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// A pinned program cannot be opened.
    #[error("cannot open the pinned program `{}`: {source}", path.display())]
    Program {
        /// The pin.
        path: std::path::PathBuf,
        /// The reason.
        source: Box<ProgramError>,
    },
    /// The slot has a clsact filter in another network namespace.
    #[error(
        "its clsact filter is on `{}` in {}, and this is {here}: run this there (`--netns`), or, when that \
         namespace is gone for good, `unload --forget-elsewhere`",
        place.device, place.namespace
    )]
    Elsewhere {
        /// Where the filter is.
        place: DevicePlace,
        /// The calling thread's namespace.
        here: NamespaceNumber,
    },
}

/// What judges packets at a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The generation, by its pins.
    pub generation: GenerationPins,
    /// The program's id.
    pub program: u32,
    /// How it is attached.
    pub mechanism: Mechanism,
}

/// Finishes a replacement of links that was cut short: the new link is attached already, so it takes the old one's
/// place.
///
/// # Errors
/// What the kernel refused.
pub fn recover(slot: &Slot) -> Result<(), EnforceError> {
    if slot.next_link().exists() {
        if let Some(old) = TcxLink::open(&slot.link())? {
            old.detach()?;
        }
        TcxLink::rename(&slot.next_link(), &slot.link())?;
    }
    Ok(())
}

/// Refuses a slot with a filter in another network namespace than the calling thread's: from here it can be neither
/// seen nor removed, and forgetting it would leave it in force unknown to anybody. tcx links need no such check.
///
/// # Errors
/// [`EnforceError::Elsewhere`].
pub fn reachable(slot: &Slot, here: NamespaceNumber) -> Result<(), EnforceError> {
    match slot.filters()?.into_iter().find(|place| place.namespace != here) {
        Some(place) => Err(EnforceError::Elsewhere { place, here }),
        None => Ok(()),
    }
}

/// Which generation of the slot judges packets at the hook now, according to the kernel. `place` is the hook's device.
///
/// # Errors
/// What the kernel refused.
pub fn in_force(slot: &Slot, hook: &Hook, place: &DevicePlace) -> Result<Option<InForce>, EnforceError> {
    let tcx = match TcxLink::open(&slot.link())? {
        Some(link) if link.is_at(hook)? => Some((link.program()?, Mechanism::Tcx)),
        _ => None,
    };
    let attached = match tcx {
        Some(found) => Some(found),
        None if slot.filters()?.contains(place) => Clsact::open()?
            .program(hook)?
            .map(|program| (program, Mechanism::Clsact)),
        None => None,
    };
    let Some((program, mechanism)) = attached else {
        return Ok(None);
    };
    let generation = generation_of(slot, program)?;
    Ok(generation.map(|generation| InForce {
        generation,
        program,
        mechanism,
    }))
}

/// The generation whose program has this id.
fn generation_of(slot: &Slot, program: u32) -> Result<Option<GenerationPins>, EnforceError> {
    for generation in slot.generations()? {
        let info = ProgramInfo::from_pin(&generation.program).map_err(|error| EnforceError::Program {
            path: generation.program.clone(),
            source: Box::new(error),
        })?;
        if info.id() == program {
            return Ok(Some(generation));
        }
    }
    Ok(None)
}

/// Puts a pinned generation in force at a hook. Where one is in force by the same mechanism, the kernel replaces it
/// in one step; else the new one is attached beside what there is, here or on another device, and both judge.
///
/// # Errors
/// What the kernel refused; what was in force then still is.
pub fn put(
    endpoint: &EndpointPins,
    slot: &Slot,
    hook: &Hook,
    place: &DevicePlace,
    generation: &GenerationPins,
    current: Option<&InForce>,
    mechanism: Mechanism,
) -> Result<(), EnforceError> {
    let mut program =
        SchedClassifier::from_pin(&generation.program).map_err(|error| EnforceError::Program {
            path: generation.program.clone(),
            source: Box::new(error),
        })?;
    match mechanism {
        Mechanism::Tcx => {
            let same = current.is_some_and(|current| current.mechanism == mechanism);
            match TcxLink::open(&slot.link())? {
                Some(link) if same => link.replace(&mut program, hook)?,
                _ => {
                    remove_pin(&slot.next_link())?;
                    TcxLink::create(&mut program, hook, &slot.next_link())?;
                }
            }
        }
        Mechanism::Clsact => {
            let mut clsact = Clsact::open()?;
            if clsact.ensure_qdisc(hook)? {
                endpoint.note_qdisc(place)?;
            }
            if let Some(there) = clsact.program(hook)?
                && generation_of(slot, there)?.is_none()
            {
                return Err(AttachError::Occupied {
                    device: hook.device.clone(),
                }
                .into());
            }
            slot.note_filter(place)?;
            // What `tc filter show` calls it.
            let name = format!("portcullis/{}", endpoint.name);
            clsact.set(&program, &name, hook)?;
        }
    }
    Ok(())
}

/// Takes back a [`put`] that added a program, also one that failed half way.
///
/// # Errors
/// What the kernel refused.
pub fn withdraw(
    endpoint: &EndpointPins,
    slot: &Slot,
    place: &DevicePlace,
    mechanism: Mechanism,
) -> Result<(), EnforceError> {
    match mechanism {
        Mechanism::Tcx => {
            if let Some(link) = TcxLink::open(&slot.next_link())? {
                link.detach()?;
            }
            Ok(())
        }
        Mechanism::Clsact => remove_filter(endpoint, slot, place),
    }
}

/// After a [`put`] that stays: takes off what the slot has by the other mechanism or on other devices, and forgets
/// every other generation. Nothing is left to do when it is called again.
///
/// # Errors
/// What the kernel refused; then an older program still judges beside the new one.
pub fn settle(
    endpoint: &EndpointPins,
    slot: &Slot,
    place: &DevicePlace,
    generation: &GenerationPins,
    mechanism: Mechanism,
) -> Result<(), EnforceError> {
    match mechanism {
        Mechanism::Tcx => recover(slot)?,
        Mechanism::Clsact => detach_links(slot)?,
    }
    for filter in slot.filters()? {
        if mechanism == Mechanism::Tcx || filter != *place {
            remove_filter(endpoint, slot, &filter)?;
        }
    }
    for device in slot.devices()? {
        if device != *place {
            slot.forget_device(&device)?;
        }
    }
    Ok(slot.forget_all_but(Some(generation))?)
}

/// Takes a slot's programs off, wherever they are, and forgets the slot.
///
/// # Errors
/// [`EnforceError::Elsewhere`], before anything is taken off; what the kernel refused.
pub fn take_off(endpoint: &EndpointPins, slot: &Slot, here: NamespaceNumber) -> Result<(), EnforceError> {
    reachable(slot, here)?;
    detach_links(slot)?;
    for filter in slot.filters()? {
        remove_filter(endpoint, slot, &filter)?;
    }
    slot.forget_all_but(None)?;
    Ok(slot.tidy()?)
}

fn detach_links(slot: &Slot) -> Result<(), EnforceError> {
    for pin in [slot.next_link(), slot.link()] {
        if let Some(link) = TcxLink::open(&pin)? {
            link.detach()?;
        }
    }
    Ok(())
}

/// Removes the slot's filter from a device of the calling thread's network namespace, if both are there, and the
/// qdisc if that is ours and empty.
fn remove_filter(endpoint: &EndpointPins, slot: &Slot, place: &DevicePlace) -> Result<(), EnforceError> {
    let ours = endpoint.qdiscs()?.contains(place);
    let gone = match Hook::find(&place.device, slot.direction) {
        // With its filters and its qdisc.
        None => true,
        Some(hook) => {
            let mut clsact = Clsact::open()?;
            if let Some(program) = clsact.program(&hook)?
                && generation_of(slot, program)?.is_some()
            {
                clsact.remove(&hook)?;
            }
            ours && clsact.remove_empty_qdisc(hook.index)?
        }
    };
    if ours && gone {
        endpoint.forget_qdisc(place)?;
    }
    Ok(slot.forget_filter(place)?)
}

/// Loads pinned maps again under another name: the next generation goes on counting where this one stops.
///
/// # Errors
/// What the kernel refused.
pub fn share_map(from: &std::path::Path, to: &std::path::Path) -> Result<(), PinsError> {
    let map_error = |source| PinsError::Map {
        path: from.to_owned(),
        source,
    };
    let map = aya::maps::MapData::from_pin(from).map_err(map_error)?;
    map.pin(to).map_err(|error| PinsError::Io {
        action: "pin a map at",
        path: to.to_owned(),
        source: io::Error::other(error),
    })
}
