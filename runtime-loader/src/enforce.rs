//! One slot's enforcement: which generation is in force, put one in force, take it off.
//!
//! Each function may be cut short by a kill at any point; [`recover`] finishes what one left half done. The order of
//! steps keeps these true at every moment:
//! - a program that is in force is pinned (so that its generation can be told and rolled back to);
//! - an old link is taken off only when the new one is attached.

use std::io;

use aya::programs::{ProgramError, ProgramInfo, SchedClassifier};

use crate::attach::{AttachError, Clsact, Hook, Mechanism, TcxLink};
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
        install_next_link(slot)?;
    }
    Ok(())
}

fn install_next_link(slot: &Slot) -> Result<(), EnforceError> {
    if let Some(old) = TcxLink::open(&slot.link())? {
        old.detach()?;
    }
    Ok(TcxLink::rename(&slot.next_link(), &slot.link())?)
}

/// Which generation of the slot judges packets at the hook now, according to the kernel.
///
/// # Errors
/// What the kernel refused.
pub fn in_force(slot: &Slot, hook: &Hook) -> Result<Option<InForce>, EnforceError> {
    let tcx = match TcxLink::open(&slot.link())? {
        Some(link) if link.is_at(hook)? => Some((link.program()?, Mechanism::Tcx)),
        _ => None,
    };
    let attached = match tcx {
        Some(found) => Some(found),
        None if slot.has_filter() => Clsact::open()?
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
/// in one step; else the new one is attached before the old one is taken off, and in between both judge.
///
/// # Errors
/// What the kernel refused; the generation that was in force then still is.
pub fn put(
    endpoint: &EndpointPins,
    slot: &Slot,
    hook: &Hook,
    generation: &GenerationPins,
    current: Option<&InForce>,
    mechanism: Mechanism,
) -> Result<(), EnforceError> {
    let mut program =
        SchedClassifier::from_pin(&generation.program).map_err(|error| EnforceError::Program {
            path: generation.program.clone(),
            source: Box::new(error),
        })?;
    let same = current.is_some_and(|current| current.mechanism == mechanism);
    match mechanism {
        Mechanism::Tcx => {
            match TcxLink::open(&slot.link())? {
                Some(link) if same => link.replace(&mut program, hook)?,
                _ => {
                    remove_pin(&slot.next_link())?;
                    TcxLink::create(&mut program, hook, &slot.next_link())?;
                    install_next_link(slot)?;
                }
            }
            if slot.has_filter() {
                remove_filter(endpoint, slot, Some(hook))?;
            }
        }
        Mechanism::Clsact => {
            let mut clsact = Clsact::open()?;
            if clsact.ensure_qdisc(hook)? {
                endpoint.note_qdisc()?;
            }
            if let Some(there) = clsact.program(hook)?
                && generation_of(slot, there)?.is_none()
            {
                return Err(AttachError::Occupied {
                    device: hook.device.clone(),
                }
                .into());
            }
            slot.note_filter()?;
            // What `tc filter show` calls it.
            let name = format!("portcullis/{}", endpoint.name);
            clsact.set(&program, &name, hook)?;
            if let Some(link) = TcxLink::open(&slot.link())? {
                link.detach()?;
            }
        }
    }
    Ok(())
}

/// Takes a slot's program off its device and forgets the slot. `hook` is `None` when the device is gone, and its
/// filters with it.
///
/// # Errors
/// What the kernel refused.
pub fn take_off(endpoint: &EndpointPins, slot: &Slot, hook: Option<&Hook>) -> Result<(), EnforceError> {
    detach(endpoint, slot, hook)?;
    slot.forget_all_but(None)?;
    Ok(slot.tidy()?)
}

/// Takes a slot's program off its device and keeps its pins.
///
/// # Errors
/// What the kernel refused.
pub fn detach(endpoint: &EndpointPins, slot: &Slot, hook: Option<&Hook>) -> Result<(), EnforceError> {
    for pin in [slot.next_link(), slot.link()] {
        if let Some(link) = TcxLink::open(&pin)? {
            link.detach()?;
        }
    }
    if slot.has_filter() {
        remove_filter(endpoint, slot, hook)?;
    }
    Ok(())
}

fn remove_filter(endpoint: &EndpointPins, slot: &Slot, hook: Option<&Hook>) -> Result<(), EnforceError> {
    if let Some(hook) = hook {
        let mut clsact = Clsact::open()?;
        if let Some(program) = clsact.program(hook)?
            && generation_of(slot, program)?.is_some()
        {
            clsact.remove(hook)?;
        }
        if endpoint.made_qdisc() && clsact.remove_empty_qdisc(hook.index)? {
            endpoint.forget_qdisc()?;
        }
    } else {
        endpoint.forget_qdisc()?;
    }
    Ok(slot.forget_filter()?)
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
