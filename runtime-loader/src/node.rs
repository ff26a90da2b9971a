//! What a node enforces, as a whole: change it, describe it, take it off.
//!
//! How it is changed is in [`change`](crate::change).

use std::path::{Path, PathBuf};

use ir::policy::Direction;

use crate::attach::{Hook, Mechanism};
use crate::device::{DevicePlace, EndpointName, NamespaceNumber};
use crate::enforce::{self, EnforceError, InForce};
use crate::load::{LoadError, Loader};
use crate::object::PolicyObject;
use crate::pins::{EndpointPins, Pins, PinsError};

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
    #[error(
        "{failure}; what was in force before is in force again, except where the new program still judges: {}",
        list(left)
    )]
    Rollback {
        /// Why the change failed.
        failure: Box<NodeError>,
        /// What could not be put back, each with its reason.
        left: Vec<NodeError>,
    },
    /// A change is in force, and something older could not be taken off.
    #[error(
        "the change is in force, but what it replaces or leaves out could not all be taken off and may still judge \
             packets (loading or unloading again tries again): {}",
        list(left)
    )]
    Leftover {
        /// What the change did.
        applied: Applied,
        /// What could not be taken off, each with its reason.
        left: Vec<NodeError>,
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

fn list(errors: &[NodeError]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl NodeError {
    /// What went wrong with one endpoint and direction.
    pub(crate) fn of(endpoint: &EndpointName, direction: Direction) -> impl Fn(EnforceError) -> Self {
        let endpoint = endpoint.clone();
        move |source| Self::Enforce {
            endpoint: endpoint.clone(),
            direction,
            source: Box::new(source),
        }
    }
}

/// A node's enforcement. Holds the lock on its pins: one change at a time.
#[derive(Debug)]
pub struct Node {
    pub(crate) pins: Pins,
    pub(crate) loader: Loader,
    pub(crate) preference: Preference,
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

    /// Takes every program off and removes every pin, the directory included; says how many programs were taken off.
    /// Nothing of others is touched.
    ///
    /// # Errors
    /// [`EnforceError::Elsewhere`] when a clsact filter is in another network namespace than the calling thread's:
    /// then nothing is taken off. Else what the kernel refused; calling it again goes on.
    pub fn unload(self) -> Result<usize, NodeError> {
        let (here, endpoints) = (here()?, self.pins.endpoints()?);
        for endpoint in &endpoints {
            reachable(endpoint, here)?;
        }
        let mut removed = 0;
        for endpoint in endpoints {
            for direction in Direction::BOTH {
                removed += usize::from(take_off(&endpoint, direction, here)?);
            }
            endpoint.tidy()?;
        }
        self.pins.tidy()?;
        self.pins.remove()?;
        Ok(removed)
    }

    /// Forgets the clsact filters in other network namespaces than the calling thread's, and says where they were. For
    /// namespaces that are gone: in one that is not, the filters stay in force and `tc` has to remove them.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget_elsewhere(&self) -> Result<Vec<DevicePlace>, NodeError> {
        let here = here()?;
        let mut forgotten = Vec::new();
        for endpoint in self.pins.endpoints()? {
            for direction in Direction::BOTH {
                let slot = endpoint.slot(direction);
                for place in slot.filters()? {
                    if place.namespace != here {
                        slot.forget_filter(&place)?;
                        forgotten.push(place);
                    }
                }
            }
        }
        Ok(forgotten)
    }

    /// What is in force, endpoint by endpoint, sorted.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn slots(&self) -> Result<Vec<SlotStatus>, NodeError> {
        let here = here()?;
        let mut slots = Vec::new();
        for endpoint in self.pins.endpoints()? {
            for direction in Direction::BOTH {
                let slot = endpoint.slot(direction);
                if !slot.exists() {
                    continue;
                }
                let (mut found, mut place) = (None, None);
                for device in slot.devices()? {
                    if found.is_none()
                        && device.namespace == here
                        && let Some(hook) = Hook::find(&device.device, direction)
                    {
                        found = enforce::in_force(&slot, &hook, &device)
                            .map_err(NodeError::of(&endpoint.name, direction))?;
                        if found.is_some() {
                            place = Some(device);
                            continue;
                        }
                    }
                    place.get_or_insert(device);
                }
                slots.push(SlotStatus {
                    endpoint: endpoint.name.clone(),
                    place: place.unwrap_or_else(|| DevicePlace {
                        namespace: here,
                        device: endpoint.name.host_device(),
                    }),
                    direction,
                    in_force: found,
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
    pub place: DevicePlace,
    /// The policy direction.
    pub direction: Direction,
    /// What judges packets there; `None` when the device or the attachment is gone, or in another network namespace
    /// than the calling thread's.
    pub in_force: Option<InForce>,
}

/// The calling thread's network namespace.
pub(crate) fn here() -> Result<NamespaceNumber, PinsError> {
    NamespaceNumber::here().map_err(|source| PinsError::Io {
        action: "stat",
        path: PathBuf::from("/proc/thread-self/ns/net"),
        source,
    })
}

/// Whether both slots of an endpoint can be changed from here.
pub(crate) fn reachable(endpoint: &EndpointPins, here: NamespaceNumber) -> Result<(), NodeError> {
    for direction in Direction::BOTH {
        enforce::reachable(&endpoint.slot(direction), here)
            .map_err(NodeError::of(&endpoint.name, direction))?;
    }
    Ok(())
}

/// Says whether there was anything to take off.
pub(crate) fn take_off(
    endpoint: &EndpointPins,
    direction: Direction,
    here: NamespaceNumber,
) -> Result<bool, NodeError> {
    let slot = endpoint.slot(direction);
    if !slot.exists() {
        return Ok(false);
    }
    enforce::take_off(endpoint, &slot, here).map_err(NodeError::of(&endpoint.name, direction))?;
    Ok(true)
}
