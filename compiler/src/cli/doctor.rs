//! `portcullis doctor`

use super::args::{Format, Run};
use super::terminal::Terminal;
use super::{Failure, Status};
use crate::diagnostic::escape;
use crate::diagnostic::json::write_pretty;
use clap::Args;
use serde::Serialize;
use std::fs;
use std::io::Write;
use std::path::Path;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) run: Run,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// What this program is and rests on.
#[derive(Serialize)]
struct Facts {
    version: u32,
    portcullis: &'static str,
    solver: Solver,
    kernel: Kernel,
}

#[derive(Serialize)]
struct Solver {
    name: &'static str,
    version: &'static str,
    /// The file that it was loaded from; `None` where it is part of this program, or that is not known.
    library: Option<String>,
    /// Whether it answers a question whose answer is known.
    works: bool,
}

/// Of use to `portcullis-node`; nothing here needs a privilege.
#[derive(Serialize)]
struct Kernel {
    release: Option<String>,
    /// Whether the kernel describes its own types, as programs with line information need.
    btf: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let facts = Facts {
        version: 1,
        portcullis: env!("CARGO_PKG_VERSION"),
        solver: Solver {
            name: "z3",
            version: verifier::solver_version(),
            library: loaded_library("libz3"),
            works: verifier::solver_works(),
        },
        kernel: Kernel {
            release: fs::read_to_string("/proc/sys/kernel/osrelease")
                .ok()
                .map(|release| release.trim().to_owned()),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        },
    };
    match arguments.format {
        Format::Human => {
            let Solver {
                version,
                library,
                works,
                ..
            } = &facts.solver;
            let from = library.as_deref().unwrap_or("built in");
            let answers = if *works { "answers" } else { "does not answer" };
            let release = facts.kernel.release.as_deref().unwrap_or("not known");
            let btf = if facts.kernel.btf { "with" } else { "without" };
            let out = &mut terminal.out;
            writeln!(out, "portcullis  {}", facts.portcullis)?;
            writeln!(
                out,
                "z3          {version} ({}), {answers}",
                escape::message(from)
            )?;
            writeln!(out, "kernel      {} ({btf} BTF)", escape::message(release))?;
        }
        Format::Json => write_pretty(&mut terminal.out, &facts)?,
    }
    terminal.out.flush()?;
    Ok(if facts.solver.works {
        Status::Fine
    } else {
        Status::Failed
    })
}

/// The file of a shared library that this process has loaded.
fn loaded_library(name: &str) -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines()
        .filter_map(|line| line.find('/').and_then(|at| line.get(at..)))
        .find(|path| path.rsplit('/').next().is_some_and(|file| file.starts_with(name)))
        .map(str::to_owned)
}
