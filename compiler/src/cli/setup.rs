//! `portcullis init`, `completions` and `man`: what is written once, beside the work.

use super::args::{self, Completions, Init, Man};
use super::terminal::Terminal;
use super::{Failure, Status};
use crate::config;
use std::fs;
use std::io::{self, Write};

/// Writes a configuration file that says what holds without it.
pub(super) fn init(arguments: &Init, terminal: &mut Terminal) -> Result<Status, Failure> {
    let path = arguments.file.clone().unwrap_or_else(|| config::FILE.into());
    let written =
        fs::File::create_new(&path).and_then(|mut file| file.write_all(config::TEMPLATE.as_bytes()));
    match written {
        Ok(()) => {
            writeln!(terminal.err, "wrote {}", path.display())?;
            Ok(Status::Fine)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::Said(format!(
            "`{}` exists, and is left as it is",
            path.display()
        ))),
        Err(error) => Err(Failure::Said(format!(
            "cannot write `{}`: {error}",
            path.display()
        ))),
    }
}

/// Writes a shell's completions to standard output.
pub(super) fn completions(arguments: &Completions, terminal: &mut Terminal) -> Result<Status, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut args::command(), "portcullis", &mut text);
    terminal.out.write_all(&text)?;
    terminal.out.flush()?;
    Ok(Status::Fine)
}

/// Writes a manual page for the command and for each verb.
pub(super) fn man(arguments: &Man, terminal: &mut Terminal) -> Result<Status, Failure> {
    let directory = &arguments.directory;
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(args::command(), directory))
        .map_err(|error| Failure::Said(format!("cannot write to `{}`: {error}", directory.display())))?;
    writeln!(terminal.err, "wrote the manual to {}", directory.display())?;
    Ok(Status::Fine)
}
