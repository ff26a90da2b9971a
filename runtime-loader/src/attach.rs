//! Where a program sits on a device, and how it gets there, is replaced and leaves.
//!
//! Every function works on the network namespace of the calling thread.
//!
//! A policy program comes first on its hook: a program before it that answers `TC_ACT_OK` would let a packet past
//! the policy. What others have on the same hook stays there in its order, and goes on seeing what the policy
//! admits as long as our programs answer `TC_ACT_UNSPEC` ("go on") for that.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use aya::pin::PinError;
use aya::programs::links::{FdLink, LinkError, LinkOrder, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{MultiProgLink, ProgramError, SchedClassifier, TcAttachType};
use ir::policy::Direction;
use nix::net::if_::if_nametoindex;

use crate::netlink::{ClsactSide, FilterPlace, Netlink, NetlinkError};
use crate::sys;

/// How programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// A tcx link (Linux 6.6, commit 053c8e1f235d).
    Tcx,
    /// A `bpf` filter under a clsact qdisc (Linux 4.5).
    Clsact,
}

impl Mechanism {
    /// The name that people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

/// The place of our filters under clsact: the first priority, and a handle that nobody gets by default ("PC").
const FILTER_PRIORITY: u16 = 1;
const FILTER_HANDLE: u32 = 0x5043;

/// Why a program was not attached, replaced or detached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No such device in this network namespace.
    #[error("no device `{0}` in this network namespace")]
    NoDevice(String),
    /// aya or the kernel refused a program operation.
    #[error("cannot {action} `{device}`: {source}")]
    Program {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// The device.
        device: String,
        /// The reason.
        source: Box<ProgramError>,
    },
    /// aya or the kernel refused a link operation.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Link {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// The link's pin.
        path: PathBuf,
        /// The reason.
        source: Box<LinkError>,
    },
    /// A link could not be pinned.
    #[error("cannot pin a link at `{}`: {source}", path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// The reason.
        source: Box<PinError>,
    },
    /// A file of the BPF file system could not be renamed or removed, or a link not be detached.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system call's error.
        source: io::Error,
    },
    /// Our place under clsact holds somebody else's filter.
    #[error(
        "the clsact place of policy programs on `{device}` (priority 1, handle 0x5043) holds another's filter"
    )]
    Occupied {
        /// The device.
        device: String,
    },
    /// The kernel refused a change of qdiscs or filters.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// One direction of one endpoint's device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The device's name.
    pub device: String,
    /// Its index in the calling thread's network namespace.
    pub index: u32,
    /// The policy direction, seen from the pod.
    pub direction: Direction,
}

impl Hook {
    /// The hook of a device, or `None` when this network namespace has no such device.
    #[must_use]
    pub fn find(device: &str, direction: Direction) -> Option<Self> {
        let index = if_nametoindex(device).ok()?;
        Some(Self {
            device: device.to_owned(),
            index,
            direction,
        })
    }

    /// The kernel's side: what comes *from* the pod enters the node by the host end of its veth pair, so egress
    /// policy sits on the device's ingress hook and the other way round.
    fn side(&self) -> ClsactSide {
        match self.direction {
            Direction::Ingress => ClsactSide::Egress,
            Direction::Egress => ClsactSide::Ingress,
        }
    }

    fn attach_type(&self) -> TcAttachType {
        match self.side() {
            ClsactSide::Ingress => TcAttachType::Ingress,
            ClsactSide::Egress => TcAttachType::Egress,
        }
    }

    fn place(&self) -> FilterPlace {
        FilterPlace {
            index: self.index,
            side: self.side(),
            priority: FILTER_PRIORITY,
            handle: FILTER_HANDLE,
        }
    }

    /// The ids of the programs that tcx runs here, in their order; `None` where the kernel has no tcx.
    ///
    /// # Errors
    /// When the kernel refuses for another reason.
    pub fn tcx_programs(&self) -> Result<Option<Vec<u32>>, AttachError> {
        match SchedClassifier::query_tcx(&self.device, self.attach_type()) {
            Ok((_, programs)) => Ok(Some(
                programs.iter().map(aya::programs::ProgramInfo::id).collect(),
            )),
            Err(ProgramError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::EINVAL) => {
                Ok(None)
            }
            Err(source) => Err(self.program_error("ask for the programs of")(source)),
        }
    }

    fn program_error(&self, action: &'static str) -> impl FnOnce(ProgramError) -> AttachError {
        let device = self.device.clone();
        move |error| AttachError::Program {
            action,
            device,
            source: Box::new(error),
        }
    }
}

/// A tcx link that is pinned, wherever it may be attached.
#[derive(Debug)]
pub struct TcxLink {
    link: FdLink,
    path: PathBuf,
}

impl TcxLink {
    /// Opens a pin, if there is one.
    ///
    /// # Errors
    /// When there is one and it is no link.
    pub fn open(path: &Path) -> Result<Option<Self>, AttachError> {
        if !path.exists() {
            return Ok(None);
        }
        let link = PinnedLink::from_pin(path).map_err(link_error("open the link", path))?;
        Ok(Some(Self {
            link: link.into(),
            path: path.to_owned(),
        }))
    }

    /// Attaches a program as the first of its hook and pins the link. Until it is pinned the link dies with this
    /// process.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn create(program: &mut SchedClassifier, hook: &Hook, pin: &Path) -> Result<(), AttachError> {
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = program
            .attach_with_options(&hook.device, hook.attach_type(), options)
            .map_err(hook.program_error("attach a program to"))?;
        let link = program
            .take_link(id)
            .map_err(hook.program_error("attach a program to"))?;
        let link = FdLink::try_from(link).map_err(link_error("pin", pin))?;
        // The kernel keeps the link for its pin; the descriptor that is dropped here is one more reference.
        link.pin(pin).map(drop).map_err(|source| AttachError::Pin {
            path: pin.to_owned(),
            source: Box::new(source),
        })
    }

    /// The id of the program that the link holds.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn program(&self) -> Result<u32, AttachError> {
        Ok(self
            .link
            .info()
            .map_err(link_error("ask the link", &self.path))?
            .program_id())
    }

    /// Whether the link is attached at this hook: not when its device is gone, has been made anew, or is another.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn is_at(&self, hook: &Hook) -> Result<bool, AttachError> {
        let program = self.program()?;
        Ok(hook
            .tcx_programs()?
            .is_some_and(|programs| programs.contains(&program)))
    }

    /// Replaces the link's program in one step (`BPF_LINK_UPDATE`): every packet meets the one or the other.
    /// The link keeps its place among the programs of the hook, and its pin.
    ///
    /// # Errors
    /// `ENOLINK` when the device is gone.
    pub fn replace(self, program: &mut SchedClassifier, hook: &Hook) -> Result<(), AttachError> {
        let link =
            SchedClassifierLink::try_from(self.link).map_err(link_error("open the link", &self.path))?;
        let id = program
            .attach_to_link(link)
            .map_err(hook.program_error("replace the program on"))?;
        // Closes our descriptor; the pin holds the link.
        program
            .take_link(id)
            .map(drop)
            .map_err(hook.program_error("replace the program on"))
    }

    /// Takes the link off its device, at once, and removes the pin.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn detach(self) -> Result<(), AttachError> {
        let link =
            SchedClassifierLink::try_from(self.link).map_err(link_error("open the link", &self.path))?;
        let descriptor = MultiProgLink::fd(&link).map_err(link_error("open the link", &self.path))?;
        sys::link_detach(descriptor.as_fd()).map_err(io_error("detach", &self.path))?;
        std::fs::remove_file(&self.path).map_err(io_error("remove", &self.path))
    }

    /// Renames the pin.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn rename(from: &Path, to: &Path) -> Result<(), AttachError> {
        std::fs::rename(from, to).map_err(io_error("rename", from))
    }
}

/// A device's clsact qdisc, through an rtnetlink socket of the device's namespace.
#[derive(Debug)]
pub struct Clsact {
    netlink: Netlink,
}

impl Clsact {
    /// For the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub fn open() -> Result<Self, AttachError> {
        Ok(Self {
            netlink: Netlink::open()?,
        })
    }

    /// Gives the device a clsact qdisc and says whether it had none.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn ensure_qdisc(&mut self, hook: &Hook) -> Result<bool, AttachError> {
        match self.netlink.add_clsact(hook.index) {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == Some(libc::EEXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The id of the program at our place, if there is a filter.
    ///
    /// # Errors
    /// [`AttachError::Occupied`] when the filter there holds no program.
    pub fn program(&mut self, hook: &Hook) -> Result<Option<u32>, AttachError> {
        let filters = self.netlink.filters(hook.index, hook.side())?;
        let ours = filters
            .iter()
            .find(|f| (f.priority, f.handle) == (FILTER_PRIORITY, FILTER_HANDLE));
        match ours {
            None => Ok(None),
            Some(filter) => match filter.program {
                Some(program) => Ok(Some(program)),
                None => Err(AttachError::Occupied {
                    device: hook.device.clone(),
                }),
            },
        }
    }

    /// Puts a program at our place, replacing in one step what is there.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn set(&mut self, program: &SchedClassifier, name: &str, hook: &Hook) -> Result<(), AttachError> {
        let descriptor = program.fd().map_err(hook.program_error("attach a program to"))?;
        Ok(self
            .netlink
            .set_bpf_filter(&hook.place(), name, descriptor.as_fd())?)
    }

    /// Removes the filter at our place.
    ///
    /// # Errors
    /// What the kernel refused; that it is gone already is no error.
    pub fn remove(&mut self, hook: &Hook) -> Result<(), AttachError> {
        match self.netlink.remove_filter(&hook.place()) {
            Err(error) if !matches!(error.errno(), Some(libc::ENOENT | libc::EINVAL)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes the device's clsact qdisc if no filter is left under it, and says whether it is gone.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn remove_empty_qdisc(&mut self, index: u32) -> Result<bool, AttachError> {
        for side in ClsactSide::BOTH {
            if !self.netlink.filters(index, side)?.is_empty() {
                return Ok(false);
            }
        }
        match self.netlink.remove_clsact(index) {
            Err(error) if !matches!(error.errno(), Some(libc::ENOENT | libc::EINVAL)) => Err(error.into()),
            _ => Ok(true),
        }
    }
}

fn link_error(action: &'static str, path: &Path) -> impl FnOnce(LinkError) -> AttachError {
    let path = path.to_owned();
    move |error| AttachError::Link {
        action,
        path,
        source: Box::new(error),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AttachError {
    let path = path.to_owned();
    move |source| AttachError::Io { action, path, source }
}
