//! `portcullis check --watch`: again whenever a file changes.
//!
//! Files are looked at rather than listened to: that works the same on network file systems, in containers and for paths
//! that do not exist yet, and a few hundred `stat` calls twice a second cost nothing.

use super::args::Check;
use super::terminal::Terminal;
use super::{Failure, Status, check, tell};
use crate::load::states;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(400);

/// Checks again and again, until it is stopped or nobody reads any more.
pub(super) fn run(arguments: &Check, terminal: &mut Terminal) -> Result<Status, Failure> {
    if arguments.common.paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::Said("standard input cannot be watched".to_owned()));
    }
    let paths = watched(arguments);
    let clears = io::stdout().is_terminal();
    loop {
        // Taken first: what changes during the check is seen behind it.
        let seen = states(&paths);
        if clears {
            write!(terminal.out, "\u{1b}[2J\u{1b}[3J\u{1b}[H")?;
        }
        match check::once(arguments, terminal) {
            Ok(_) => {}
            Err(Failure::Output(error)) => return Err(error.into()),
            // A file in the middle of being saved is no reason to stop.
            Err(failure) => tell(&failure, terminal),
        }
        if !arguments.common.run.quiet {
            writeln!(terminal.err, "watching; stop with Ctrl-C")?;
            terminal.err.flush()?;
        }
        let mut now = seen.clone();
        while now == seen {
            sleep(INTERVAL);
            now = states(&paths);
        }
        // An editor writes several files, or one in several steps: wait until a look sees nothing new.
        loop {
            sleep(INTERVAL);
            let next = states(&paths);
            if next == now {
                break;
            }
            now = next;
        }
    }
}

/// The inputs, and the files that decide what is said of them.
fn watched(arguments: &Check) -> Vec<PathBuf> {
    let mut paths = arguments.common.paths.clone();
    paths.extend(arguments.common.run.config.clone());
    paths.extend(arguments.triage.baseline.clone());
    if arguments.common.run.config.is_none() && !arguments.common.run.no_config {
        paths.push(crate::config::FILE.into());
    }
    paths
}
