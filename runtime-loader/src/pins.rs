//! The layout of our directory on the BPF file system, the only state that outlives the process.
//!
//! ```text
//! <root>/bundle=<digest>/                             the bundle that was loaded last
//! <root>/shared/conntrack, events                     maps that all programs of the node share
//! <root>/endpoints/<namespace>/<name>/
//!     qdisc=<namespace>-<device>/                     we made this device's clsact qdisc
//!     <ingress|egress>/                               one policy direction: a slot
//!         device=<namespace>-<device>/                the device that carries the endpoint
//!         program-<generation>-<digest>               a loaded program; the digest is its object's
//!         counters-<generation>                       that program's counters
//!         link                                        tcx: the attachment
//!         link-next                                   tcx: the attachment that is about to take its place
//!         clsact=<namespace>-<device>/                clsact: we have, or are about to have, a filter there
//! ```
//!
//! `<namespace>` is a [`NamespaceNumber`]: a filter can be asked for and removed only in the namespace of its device,
//! so its note says which one that is. (A tcx link can be asked and detached from anywhere.) While an endpoint moves to
//! another device there are notes of both.
//!
//! The BPF file system holds pinned objects and directories, no data: what has to be remembered is said by a name,
//! and an empty directory is a note. It refuses dots in names (`bpf_lookup` in kernel/bpf/inode.c), hence
//! [`encode`].
//!
//! Which generation is in force is never written down: the kernel is asked which program its link or filter holds,
//! and the pin of that program has the answer in its name. So no crash can make the two disagree.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aya::maps::MapInfo;
use ir::policy::Direction;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::device::{DevicePlace, EndpointName, NamespaceNumber};
use crate::object::MapShape;

/// Where a node keeps its pins unless told otherwise.
pub const DEFAULT_ROOT: &str = "/sys/fs/bpf/portcullis";

/// The mount point of the BPF file system that systemd, iproute2 and bpftool use.
const BPFFS: &str = "/sys/fs/bpf";

/// The map that remembers admitted flows, shared by all programs of the node.
pub const CONNTRACK: &str = "conntrack";
/// The ring buffer of drops, shared by all programs of the node.
pub const EVENTS: &str = "events";
/// The per-CPU counters, one map per endpoint and direction.
pub const COUNTERS: &str = "counters";

const BUNDLE_NOTE: &str = "bundle=";
const QDISC_NOTE: &str = "qdisc=";
const DEVICE_NOTE: &str = "device=";
const FILTER_NOTE: &str = "clsact=";

/// The maps that every program of the node shares.
pub const SHARED: [&str; 2] = [CONNTRACK, EVENTS];

/// Why our directory could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// A file-system operation failed.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system call's error.
        source: io::Error,
    },
    /// Another process is loading or unloading on this node.
    #[error("another process holds the lock on `{}`", .0.display())]
    Busy(PathBuf),
    /// A pinned map cannot be opened or asked.
    #[error("cannot read the pinned map `{}`: {source}", path.display())]
    Map {
        /// The pin.
        path: PathBuf,
        /// The reason.
        source: aya::maps::MapError,
    },
    /// A name in our directory that we did not give.
    #[error("`{}` is not ours: {reason}", path.display())]
    Foreign {
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PinsError {
    let path = path.to_owned();
    move |source| PinsError::Io { action, path, source }
}

/// Our directory, locked: no other process loads or unloads under the same root meanwhile. The kernel drops the
/// lock with the process, however that ends.
#[derive(Debug)]
pub struct Pins {
    root: PathBuf,
    _lock: Flock<File>,
}

impl Pins {
    /// Opens the directory, making it, and mounting the BPF file system, where they are missing: at `/sys/fs/bpf`
    /// for a root below that, otherwise at the root itself.
    ///
    /// # Errors
    /// [`PinsError::Busy`] when another process has it open; else what the system refused.
    pub fn open(root: &Path) -> Result<Self, PinsError> {
        mount_bpffs(root)?;
        loop {
            fs::create_dir_all(root).map_err(io_error("create", root))?;
            if let Some(pins) = Self::lock(root)? {
                return Ok(pins);
            }
        }
    }

    /// Opens the directory if it is there, and makes nothing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_existing(root: &Path) -> Result<Option<Self>, PinsError> {
        if !root.is_dir() || !on_bpffs(root)? {
            return Ok(None);
        }
        Self::lock(root)
    }

    /// `None`: the directory was removed between being seen and being locked.
    fn lock(root: &Path) -> Result<Option<Self>, PinsError> {
        let directory = match File::open(root) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", root)(error)),
        };
        let opened = directory.metadata().map_err(io_error("stat", root))?;
        let lock =
            Flock::lock(directory, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
                nix::Error::EWOULDBLOCK => PinsError::Busy(root.to_owned()),
                errno => io_error("lock", root)(errno.into()),
            })?;
        let same = fs::metadata(root).is_ok_and(|now| (now.dev(), now.ino()) == (opened.dev(), opened.ino()));
        Ok(same.then(|| Self {
            root: root.to_owned(),
            _lock: lock,
        }))
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The pin of a map that all programs share.
    #[must_use]
    pub fn shared_map(&self, name: &str) -> PathBuf {
        self.root.join("shared").join(name)
    }

    /// Makes the directory of the shared maps.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn prepare_shared(&self) -> Result<(), PinsError> {
        make_directory(&self.root.join("shared"))
    }

    /// Remembers which bundle is in force; `None` forgets it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn note_bundle(&self, digest: Option<&str>) -> Result<(), PinsError> {
        let note = digest.map(|digest| format!("{BUNDLE_NOTE}{digest}"));
        for name in names_in(&self.root)? {
            if name.starts_with(BUNDLE_NOTE) && Some(&name) != note.as_ref() {
                remove_if_empty(&self.root.join(name))?;
            }
        }
        note.map_or(Ok(()), |note| make_directory(&self.root.join(note)))
    }

    /// The bundle that was loaded last.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn bundle(&self) -> Result<Option<String>, PinsError> {
        let names = names_in(&self.root)?;
        Ok(names
            .iter()
            .find_map(|name| name.strip_prefix(BUNDLE_NOTE).map(str::to_owned)))
    }

    /// An endpoint's directory, whether or not it is there.
    #[must_use]
    pub fn endpoint(&self, name: &EndpointName) -> EndpointPins {
        let directory = self
            .root
            .join("endpoints")
            .join(encode(&name.namespace))
            .join(encode(&name.name));
        EndpointPins {
            name: name.clone(),
            directory,
        }
    }

    /// Every endpoint that has a directory, sorted by name.
    ///
    /// # Errors
    /// When the directory cannot be read or holds a name that is not ours.
    pub fn endpoints(&self) -> Result<Vec<EndpointPins>, PinsError> {
        let mut endpoints = Vec::new();
        let all = self.root.join("endpoints");
        for namespace in names_in(&all)? {
            let directory = all.join(&namespace);
            for name in names_in(&directory)? {
                let path = directory.join(&name);
                let (Some(namespace), Some(name)) = (decode(&namespace), decode(&name)) else {
                    return Err(PinsError::Foreign {
                        path,
                        reason: "not an encoded name",
                    });
                };
                endpoints.push(EndpointPins {
                    name: EndpointName::new(namespace, name),
                    directory: path,
                });
            }
        }
        endpoints.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(endpoints)
    }

    /// Removes what no endpoint needs any more: empty namespaces, and with the last endpoint the shared maps.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn tidy(&self) -> Result<(), PinsError> {
        let all = self.root.join("endpoints");
        for namespace in names_in(&all)? {
            remove_if_empty(&all.join(namespace))?;
        }
        if remove_if_empty(&all)? {
            let shared = self.root.join("shared");
            for name in SHARED {
                remove_pin(&shared.join(name))?;
            }
            remove_if_empty(&shared)?;
            self.note_bundle(None)?;
        }
        Ok(())
    }

    /// After [`Self::tidy`]: removes the directory itself if nothing is left in it, and unmounts a BPF file system
    /// that was mounted for it alone.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(self) -> Result<(), PinsError> {
        let Self { root, _lock: lock } = self;
        // Names with dots are the kernel's own: it puts `maps.debug` and `progs.debug` into each new mount
        // (`populate_bpffs` in kernel/bpf/inode.c).
        if names_in(&root)?.iter().any(|name| !name.contains('.')) {
            return Ok(());
        }
        if is_mount_point(&root)? {
            if root == Path::new(BPFFS) {
                return Ok(());
            }
            // The lock is an open file of the mount.
            drop(lock);
            umount(&root).map_err(|errno| io_error("unmount", &root)(errno.into()))?;
        }
        remove_if_empty(&root).map(drop)
    }
}

/// One endpoint's directory.
#[derive(Clone, Debug)]
pub struct EndpointPins {
    /// Whose it is.
    pub name: EndpointName,
    directory: PathBuf,
}

impl EndpointPins {
    /// The devices whose clsact qdisc is of our making.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn qdiscs(&self) -> Result<Vec<DevicePlace>, PinsError> {
        places(&self.directory, QDISC_NOTE)
    }

    /// Remembers that a device's clsact qdisc is of our making.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn note_qdisc(&self, place: &DevicePlace) -> Result<(), PinsError> {
        make_directory(&self.directory.join(note(QDISC_NOTE, place)))
    }

    /// Forgets that a device's clsact qdisc is of our making.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget_qdisc(&self, place: &DevicePlace) -> Result<(), PinsError> {
        remove_if_empty(&self.directory.join(note(QDISC_NOTE, place))).map(drop)
    }

    /// The slot of one policy direction, whether or not it is there.
    #[must_use]
    pub fn slot(&self, direction: Direction) -> Slot {
        let name = match direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        };
        Slot {
            direction,
            directory: self.directory.join(name),
        }
    }

    /// Removes the directory when neither slot is left. A qdisc of ours that is still there has filters of others by
    /// then, and is theirs from now on.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn tidy(&self) -> Result<(), PinsError> {
        if Direction::BOTH
            .into_iter()
            .any(|direction| self.slot(direction).exists())
        {
            return Ok(());
        }
        for place in self.qdiscs()? {
            self.forget_qdisc(&place)?;
        }
        remove_if_empty(&self.directory).map(drop)
    }
}

/// One endpoint's directory for one policy direction.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The direction.
    pub direction: Direction,
    directory: PathBuf,
}

/// What a slot keeps for one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationPins {
    /// The number, from 1.
    pub generation: u64,
    /// The first 16 hex digits of the object's SHA-256.
    pub digest: String,
    /// The program's pin.
    pub program: PathBuf,
    /// The counters' pin.
    pub counters: PathBuf,
}

impl Slot {
    /// Whether the slot is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.directory.is_dir()
    }

    /// Makes the slot.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn prepare(&self) -> Result<(), PinsError> {
        make_directory(&self.directory)
    }

    /// The pin of the tcx link.
    #[must_use]
    pub fn link(&self) -> PathBuf {
        self.directory.join("link")
    }

    /// Where a new link is pinned before it is renamed over [`Self::link`].
    #[must_use]
    pub fn next_link(&self) -> PathBuf {
        self.directory.join("link-next")
    }

    /// The devices that carry, or are about to carry, the endpoint.
    ///
    /// # Errors
    /// When the slot cannot be read.
    pub fn devices(&self) -> Result<Vec<DevicePlace>, PinsError> {
        places(&self.directory, DEVICE_NOTE)
    }

    /// Remembers a device that is about to carry the endpoint.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn note_device(&self, place: &DevicePlace) -> Result<(), PinsError> {
        make_directory(&self.directory.join(note(DEVICE_NOTE, place)))
    }

    /// Forgets a device.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget_device(&self, place: &DevicePlace) -> Result<(), PinsError> {
        remove_if_empty(&self.directory.join(note(DEVICE_NOTE, place))).map(drop)
    }

    /// Where we have, or are about to have, a clsact filter for this slot.
    ///
    /// # Errors
    /// When the slot cannot be read.
    pub fn filters(&self) -> Result<Vec<DevicePlace>, PinsError> {
        places(&self.directory, FILTER_NOTE)
    }

    /// Remembers that there is a clsact filter of ours.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn note_filter(&self, place: &DevicePlace) -> Result<(), PinsError> {
        make_directory(&self.directory.join(note(FILTER_NOTE, place)))
    }

    /// Forgets the clsact filter.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget_filter(&self, place: &DevicePlace) -> Result<(), PinsError> {
        remove_if_empty(&self.directory.join(note(FILTER_NOTE, place))).map(drop)
    }

    /// The pins of a generation that need not exist.
    #[must_use]
    pub fn generation(&self, generation: u64, digest: &str) -> GenerationPins {
        GenerationPins {
            generation,
            digest: digest.to_owned(),
            program: self.directory.join(format!("program-{generation}-{digest}")),
            counters: self.directory.join(format!("counters-{generation}")),
        }
    }

    /// Every generation that has a program pinned, oldest first.
    ///
    /// # Errors
    /// When the slot cannot be read.
    pub fn generations(&self) -> Result<Vec<GenerationPins>, PinsError> {
        let mut generations: Vec<_> = names_in(&self.directory)?
            .iter()
            .filter_map(|name| {
                let (generation, digest) = name.strip_prefix("program-")?.split_once('-')?;
                Some(self.generation(generation.parse().ok()?, digest))
            })
            .collect();
        generations.sort_by_key(|pins| pins.generation);
        Ok(generations)
    }

    /// Removes every program and counter except those of the generation to keep.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget_all_but(&self, keep: Option<&GenerationPins>) -> Result<(), PinsError> {
        for name in names_in(&self.directory)? {
            let path = self.directory.join(&name);
            let generation = name.starts_with("program-") || name.starts_with("counters-");
            let kept = keep.is_some_and(|keep| path == keep.program || path == keep.counters);
            if generation && !kept {
                remove_pin(&path)?;
            }
        }
        Ok(())
    }

    /// Removes the slot if it has neither program nor attachment.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn tidy(&self) -> Result<(), PinsError> {
        let names = names_in(&self.directory)?;
        if names.iter().any(|name| !name.starts_with(DEVICE_NOTE)) {
            return Ok(());
        }
        for name in names {
            remove_if_empty(&self.directory.join(name))?;
        }
        remove_if_empty(&self.directory).map(drop)
    }
}

/// The shape of a pinned map, if there is one at this path.
///
/// # Errors
/// When there is one and it cannot be asked.
pub fn pinned_shape(path: &Path) -> Result<Option<MapShape>, PinsError> {
    if !path.exists() {
        return Ok(None);
    }
    let map_error = |source| PinsError::Map {
        path: path.to_owned(),
        source,
    };
    let info = MapInfo::from_pin(path).map_err(map_error)?;
    Ok(Some(MapShape {
        map_type: info.map_type().map_err(map_error)? as u32,
        key_size: info.key_size(),
        value_size: info.value_size(),
        max_entries: info.max_entries(),
    }))
}

/// Removes a pin; that it is gone already is no error.
///
/// # Errors
/// When the file system refuses.
pub fn remove_pin(path: &Path) -> Result<(), PinsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A name as the BPF file system takes it: `.`, `/` and `%` as `%2e`, `%2f` and `%25`.
#[must_use]
pub fn encode(name: &str) -> String {
    name.replace('%', "%25").replace('.', "%2e").replace('/', "%2f")
}

/// The inverse of [`encode`]; `None` for what it cannot have made.
#[must_use]
pub fn decode(name: &str) -> Option<String> {
    let decoded = name.replace("%2e", ".").replace("%2f", "/").replace("%25", "%");
    (encode(&decoded) == name).then_some(decoded)
}

/// The name of a note about a device.
fn note(kind: &str, place: &DevicePlace) -> String {
    format!("{kind}{}-{}", place.namespace.0, encode(&place.device))
}

/// The devices that a directory has notes of this kind about, sorted.
fn places(directory: &Path, kind: &str) -> Result<Vec<DevicePlace>, PinsError> {
    let mut places = Vec::new();
    for name in names_in(directory)? {
        let Some(text) = name.strip_prefix(kind) else {
            continue;
        };
        let place = text.split_once('-').and_then(|(number, device)| {
            Some(DevicePlace {
                namespace: NamespaceNumber(number.parse().ok()?),
                device: decode(device)?,
            })
        });
        // Not skipped: what a note says of a filter that goes on enforcing must not be lost.
        places.push(place.ok_or_else(|| PinsError::Foreign {
            path: directory.join(&name),
            reason: "not a note about a device",
        })?);
    }
    places.sort();
    Ok(places)
}

fn make_directory(path: &Path) -> Result<(), PinsError> {
    fs::create_dir_all(path).map_err(io_error("create", path))
}

/// The names in a directory, sorted; none when it is missing.
fn names_in(path: &Path) -> Result<Vec<String>, PinsError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(io_error("read", path))?.file_name();
        let name = name.into_string().map_err(|name| PinsError::Foreign {
            path: path.join(name),
            reason: "its name is not UTF-8",
        })?;
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// Removes an empty directory and says whether it is gone.
fn remove_if_empty(path: &Path) -> Result<bool, PinsError> {
    match fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(true),
            io::ErrorKind::DirectoryNotEmpty => Ok(false),
            _ => Err(io_error("remove", path)(error)),
        },
    }
}

fn on_bpffs(path: &Path) -> Result<bool, PinsError> {
    let info = statfs(path).map_err(|errno| io_error("statfs", path)(errno.into()))?;
    Ok(info.filesystem_type() == BPF_FS_MAGIC)
}

fn is_mount_point(path: &Path) -> Result<bool, PinsError> {
    let here = fs::metadata(path).map_err(io_error("stat", path))?;
    let above = fs::metadata(path.join("..")).map_err(io_error("stat", path))?;
    Ok(here.dev() != above.dev())
}

fn mount_bpffs(root: &Path) -> Result<(), PinsError> {
    let existing = root.ancestors().find(|path| path.exists()).unwrap_or(root);
    if on_bpffs(existing)? {
        return Ok(());
    }
    let target = if root.starts_with(BPFFS) {
        Path::new(BPFFS)
    } else {
        root
    };
    fs::create_dir_all(target).map_err(io_error("create", target))?;
    // As systemd mounts it, so that whoever comes after us finds what they expect.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), target, Some("bpf"), flags, Some("mode=0700"))
        .map_err(|errno| io_error("mount the BPF file system at", target)(errno.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn encoding_is_injective_and_free_of_dots(name in "[a-z0-9.%/:-]{1,40}") {
            let encoded = encode(&name);
            prop_assert!(!encoded.contains(['.', '/']));
            prop_assert_eq!(decode(&encoded), Some(name));
        }
    }

    #[test]
    fn foreign_names_are_not_decoded() {
        for name in ["a.b", "50%", "%41", "a%2"] {
            assert_eq!(decode(name), None, "{name}");
        }
    }
}
