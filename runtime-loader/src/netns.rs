//! Named network namespaces, each with one thread of its own.
//!
//! A namespace is created by a thread that leaves its old one with `unshare(CLONE_NEWNET)` and is kept alive
//! by a bind mount under `/run/netns`, the place and manner of iproute2: `ip netns list` shows it and
//! `nsenter --net=/run/netns/NAME` enters it.
//!
//! Invariant: a thread that has entered a namespace serves that namespace until it ends and never goes back.
//! A thread in the wrong namespace would silently make sockets and links in the wrong place, so there is no
//! operation that could leave one there. Sockets stay in the namespace that they were made in, whichever
//! thread uses them afterwards; jobs here are therefore short: make a socket, write a sysctl, attach a
//! program.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::netlink::{Netlink, NetlinkError};

/// Where iproute2 keeps named network namespaces (ip-netns(8)); `/var/run` is a link to `/run`.
pub const NETNS_DIR: &str = "/run/netns";

/// Why a namespace could not be made, entered or removed.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// A system call on the way failed.
    #[error("cannot {action} for network namespace `{name}`: {source}")]
    System {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// The namespace's name.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A namespace with this name is there already; it is not ours to take over.
    #[error("network namespace `{0}` exists already")]
    Exists(String),
    /// The name cannot be a file name under `/run/netns`.
    #[error("`{0}` cannot name a network namespace")]
    Name(String),
    /// A job panicked on the namespace's thread, which goes on serving.
    #[error("a job in network namespace `{name}` panicked: {message}")]
    Panicked {
        /// The namespace's name.
        name: String,
        /// The panic's message.
        message: String,
    },
    /// The namespace's thread is gone; a bug of ours.
    #[error("the thread of network namespace `{0}` has ended")]
    ThreadGone(String),
    /// The rtnetlink socket in this namespace could not be opened.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

type Job = Box<dyn FnOnce() + Send>;

/// A named network namespace that this process made. Dropping it removes the name; the kernel then takes the
/// namespace apart, links included, as soon as no socket of it is left.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Makes a namespace and its name. Needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    /// When the name is taken or unusable, or the kernel refuses.
    pub fn create(name: &str) -> Result<Self, NetnsError> {
        if name.is_empty() || name.len() > 255 || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(NetnsError::Name(name.to_owned()));
        }
        let path = path_of(name);
        prepare_directory(name)?;
        // The mount point; `create_new` makes taking the name atomic.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| {
                if source.kind() == io::ErrorKind::AlreadyExists {
                    NetnsError::Exists(name.to_owned())
                } else {
                    system("create the mount point", name, source)
                }
            })?;
        Self::start(name, &path).inspect_err(|_| {
            // The first error is the one to report; this only tidies up after it.
            let _ = umount2(&path, MntFlags::MNT_DETACH);
            let _ = fs::remove_file(&path);
        })
    }

    fn start(name: &str, path: &Path) -> Result<Self, NetnsError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, started) = mpsc::sync_channel(1);
        let mount_point = path.to_owned();
        let label = name.to_owned();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let entered = enter_new(&label, &mount_point);
                let failed = entered.is_err();
                if ready.send(entered).is_err() || failed {
                    return;
                }
                for job in queue {
                    job();
                }
            })
            .map_err(|source| system("start the thread", name, source))?;
        started
            .recv()
            .map_err(|_| NetnsError::ThreadGone(name.to_owned()))??;
        let file = File::open(path).map_err(|source| system("open the mounted name", name, source))?;
        Ok(Self {
            name: name.to_owned(),
            file,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// The name under `/run/netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A descriptor of the namespace, as `IFLA_NET_NS_FD` and `setns` take it.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs a job on the namespace's thread and waits for its answer. Jobs run one after the other.
    ///
    /// # Errors
    /// When the job panics, or the thread is gone.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, NetnsError> {
        let gone = || NetnsError::ThreadGone(self.name.clone());
        let (answer, result) = mpsc::sync_channel(1);
        let job: Job = Box::new(move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            // The receiver only goes away when the waiting thread itself is unwinding.
            let _ = answer.send(outcome);
        });
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .map_err(|_| gone())?;
        result
            .recv()
            .map_err(|_| gone())?
            .map_err(|panic| NetnsError::Panicked {
                name: self.name.clone(),
                message: panic_message(panic.as_ref()),
            })
    }

    /// An rtnetlink client of this namespace, usable from any thread.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn netlink(&self) -> Result<Netlink, NetnsError> {
        Ok(self.run(Netlink::open)??)
    }

    /// Removes the namespace now and says whether that worked; dropping it does the same in silence.
    ///
    /// # Errors
    /// When the name cannot be unmounted or removed.
    pub fn remove(mut self) -> Result<(), NetnsError> {
        self.take_down()
    }

    fn take_down(&mut self) -> Result<(), NetnsError> {
        // Closing the queue ends the thread.
        if self.jobs.take().is_none() {
            return Ok(());
        }
        if let Some(thread) = self.thread.take() {
            // It catches its jobs' panics, and there is nothing to do about one of its own here.
            let _ = thread.join();
        }
        remove_name(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nobody is left to tell; `lab --cleanup` finds what stays.
        let _ = self.take_down();
    }
}

/// Removes a namespace's name, whoever made it. A name that is only an empty file (its maker was killed before
/// mounting) is removed as well; one that is already gone is no error.
///
/// # Errors
/// When the kernel refuses the unmount or the removal.
pub fn remove_name(name: &str) -> Result<(), NetnsError> {
    let path = path_of(name);
    match umount2(&path, MntFlags::MNT_DETACH) {
        // EINVAL: not a mount point.
        Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
        Err(errno) => return Err(system("unmount the name", name, errno.into())),
    }
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(system("remove the name", name, source)),
    }
}

/// The names under `/run/netns`, sorted.
///
/// # Errors
/// When the directory is there and cannot be read.
pub fn names() -> Result<Vec<String>, NetnsError> {
    let entries = match fs::read_dir(NETNS_DIR) {
        Ok(entries) => entries,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(system("list the directory", NETNS_DIR, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| system("list the directory", NETNS_DIR, source))?;
        // A name that is not UTF-8 is none of ours.
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn path_of(name: &str) -> PathBuf {
    Path::new(NETNS_DIR).join(name)
}

fn system(action: &'static str, name: &str, source: io::Error) -> NetnsError {
    NetnsError::System {
        action,
        name: name.to_owned(),
        source,
    }
}

/// On a fresh thread: a new namespace, mounted on its name.
fn enter_new(name: &str, mount_point: &Path) -> Result<(), NetnsError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| system("unshare", name, errno.into()))?;
    mount(
        Some("/proc/thread-self/ns/net"),
        mount_point,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|errno| system("mount the name", name, errno.into()))
}

/// Makes `/run/netns` a shared mount, as iproute2 does, so that names made and removed here are made and
/// removed in other mount namespaces too (`on_netns_add`'s preparation in iproute2's `ip/ipnetns.c`). The lock
/// on the directory is the one iproute2 takes, against two processes stacking the bind mount.
fn prepare_directory(name: &str) -> Result<(), NetnsError> {
    fs::create_dir_all(NETNS_DIR).map_err(|source| system("create /run/netns", name, source))?;
    let directory = File::open(NETNS_DIR).map_err(|source| system("open /run/netns", name, source))?;
    let _lock = Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, errno)| system("lock /run/netns", name, errno.into()))?;
    let share = || {
        mount(
            None::<&str>,
            NETNS_DIR,
            None::<&str>,
            MsFlags::MS_SHARED | MsFlags::MS_REC,
            None::<&str>,
        )
    };
    match share() {
        Ok(()) => Ok(()),
        // EINVAL: not a mount point yet.
        Err(nix::Error::EINVAL) => {
            let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(NETNS_DIR), NETNS_DIR, None::<&str>, bind, None::<&str>)
                .and_then(|()| share())
                .map_err(|errno| system("share /run/netns", name, errno.into()))
        }
        Err(errno) => Err(system("share /run/netns", name, errno.into())),
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
