//! `portcullis check --watch`: again whenever a file changes.
//!
//! Files are looked at rather than listened to: that works the same on network file systems, in containers and for paths
//! that do not exist yet, and a few hundred `stat` calls twice a second cost nothing.

use super::args::Check;
use super::terminal::Terminal;
use super::{Failure, Status, check, settings, tell};
use crate::config::{self, Config};
use crate::load::states;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(400);

/// Checks again and again, until it is stopped or nobody reads any more.
pub(super) fn run(arguments: &Check, terminal: &mut Terminal) -> Result<Status, Failure> {
    let mut read = arguments
        .common
        .paths
        .iter()
        .chain(&arguments.guarantees)
        .chain(&arguments.against);
    if read.any(|path| path.as_os_str() == "-") {
        return Err(Failure::Said("standard input cannot be watched".to_owned()));
    }
    let clears = io::stdout().is_terminal();
    loop {
        // The configuration may name others by now. Where it cannot be read, the check says so.
        let run = &arguments.common.run;
        let config = settings::config(run).unwrap_or_default();
        let exclude = check::exclude(arguments, &config);
        let paths = watched(arguments, &config);
        // Taken first: what changes during the check is seen behind it.
        let seen = states(&paths, &exclude);
        if clears {
            write!(terminal.out, "\u{1b}[2J\u{1b}[3J\u{1b}[H")?;
        }
        let status = match check::once(arguments, terminal) {
            Ok(status) => status,
            Err(Failure::Output(error)) => return Err(error.into()),
            // A file in the middle of being saved is no reason to stop.
            Err(failure) => {
                tell(&failure, terminal);
                Status::Failed
            }
        };
        if !arguments.common.run.quiet {
            writeln!(terminal.err, "watching; stop with Ctrl-C")?;
            terminal.err.flush()?;
        }
        if !terminal.out.is_read() || !terminal.err.is_read() {
            return Ok(status);
        }
        let mut now = seen.clone();
        while now == seen {
            sleep(INTERVAL);
            now = states(&paths, &exclude);
        }
        // An editor writes several files, or one in several steps: wait until a look sees nothing new.
        loop {
            sleep(INTERVAL);
            let next = states(&paths, &exclude);
            if next == now {
                break;
            }
            now = next;
        }
    }
}

/// The inputs, and the files that decide what is said of them.
fn watched(arguments: &Check, config: &Config) -> Vec<PathBuf> {
    let run = &arguments.common.run;
    let mut paths = arguments.common.paths.clone();
    paths.extend(arguments.guarantees.clone());
    paths.extend(arguments.against.clone());
    paths.extend(run.config.clone());
    paths.extend(arguments.triage.baseline.clone());
    if run.config.is_none() && !run.no_config {
        // It may come to be here, where it hides the one above.
        paths.push(config::FILE.into());
        paths.extend(std::env::current_dir().ok().and_then(|here| config::above(&here)));
    }
    // One that each check writes would never be as it was.
    if arguments.triage.baseline.is_none() && arguments.write_baseline.is_none() {
        paths.extend(config.baseline.clone());
    }
    paths
}
