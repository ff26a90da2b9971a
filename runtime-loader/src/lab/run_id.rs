//! What one run of the lab is called, and how another run knows whether it still lives.
//!
//! Everything that a run makes carries its name: `pc-<pid>-<start>-…`, with the process's id and its start time,
//! which together are never given twice until the machine restarts (and a restart takes namespaces and pins with
//! it). So what a SIGKILL left behind is told from what a running lab still needs by looking at `/proc`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::netns::{self, NetnsError};

/// What every name of ours begins with.
const PREFIX: &str = "pc-";

/// Where the runs' pins are: one directory each.
const BPFFS: &str = "/sys/fs/bpf";

/// The name of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    pid: u32,
    /// Clock ticks between the machine's start and the process's (proc_pid_stat(5), field 22).
    start: u64,
}

impl RunId {
    /// This process's run.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn of_this_process() -> io::Result<Self> {
        let pid = std::process::id();
        let start = start_time(pid)?.ok_or_else(|| io::Error::other("/proc/self/stat has no start time"))?;
        Ok(Self { pid, start })
    }

    /// The name of a namespace of this run.
    #[must_use]
    pub fn namespace(self, part: &str) -> String {
        format!("{self}-{part}")
    }

    /// The directory for a node's pins on the BPF file system.
    #[must_use]
    pub fn pins(self, node: &str) -> PathBuf {
        self.pin_directory().join(node.replace('.', "_"))
    }

    /// The directory that holds all of this run's pins.
    #[must_use]
    pub fn pin_directory(self) -> PathBuf {
        Path::new(BPFFS).join(self.to_string())
    }

    /// The run that a name belongs to.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.splitn(3, '-');
        let pid = parts.next()?.parse().ok()?;
        let start = parts.next()?.parse().ok()?;
        Some(Self { pid, start })
    }

    /// Whether the run's process is there. When in doubt it is: the lab never takes away what may be in use.
    #[must_use]
    pub fn lives(self) -> bool {
        match start_time(self.pid) {
            Ok(start) => start.is_none_or(|start| start == self.start),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }
}

/// `pc-<pid>-<start>`.
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-{}", self.pid, self.start)
    }
}

/// Field 22 of `/proc/PID/stat`. The second field, the command, may hold spaces and parentheses; the last closing
/// one ends it.
fn start_time(pid: u32) -> io::Result<Option<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(19)?.parse().ok()))
}

/// Why leftovers could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// A namespace stays.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// Pins stay.
    #[error("cannot remove the pins under `{}`: {source}", path.display())]
    Pins {
        /// The directory.
        path: PathBuf,
        /// The system call's error.
        source: io::Error,
    },
}

/// Removes what runs left that are no more, and says what that was: namespaces (and with them their links) and
/// pins. Running labs are not touched.
///
/// # Errors
/// At the first thing that cannot be removed.
pub fn remove_leftovers() -> Result<Vec<String>, CleanupError> {
    let mut removed = Vec::new();
    let dead = |name: &str| RunId::parse(name).is_some_and(|run| !run.lives());
    for name in netns::names()?.into_iter().filter(|name| dead(name)) {
        netns::remove_name(&name)?;
        removed.push(format!("namespace {name}"));
    }
    let mut directories: Vec<PathBuf> = fs::read_dir(BPFFS)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    directories.sort();
    for path in directories {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(dead) {
            remove_pins(&path)?;
            removed.push(format!("pins {}", path.display()));
        }
    }
    Ok(removed)
}

/// Removes a directory of pins; one that is not there is no error.
///
/// # Errors
/// When the kernel refuses.
pub fn remove_pins(path: &Path) -> Result<(), CleanupError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CleanupError::Pins {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_run() {
        let run = RunId::of_this_process().unwrap();
        assert_eq!(RunId::parse(&run.namespace("pod-shop-web-0")), Some(run));
        assert_eq!(RunId::parse(&run.to_string()), Some(run));
        for foreign in ["pc-", "pc-1", "pc-x-1-a", "cni-1-2-3", "pctest-1-2", ""] {
            assert_eq!(RunId::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_process_id_given_again_is_another_run() {
        let run = RunId::of_this_process().unwrap();
        assert!(run.lives());
        assert!(
            !RunId {
                start: run.start + 1,
                ..run
            }
            .lives()
        );
        assert!(
            !RunId {
                pid: u32::MAX,
                start: 1
            }
            .lives()
        );
    }
}
