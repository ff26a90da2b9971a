//! Writes a made-up cluster as manifests into a directory, to measure `portcullis` or another program with.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a small program of its own"
)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use portcullis_compiler::synthetic::{Shape, manifests};

const USAGE: &str = "\
usage: synthetic_cluster DIRECTORY [--workloads N] [--pods N] [--policies N] [--namespaces N] [--cilium] [--seed N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|one| one == "--help" || one == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let (directory, shape) = match understood(arguments) {
        Ok(wanted) => wanted,
        Err(sentence) => {
            eprintln!("{sentence}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match write(&directory, &shape) {
        Ok(files) => {
            eprintln!("{files} files in {}", directory.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::from(2)
        }
    }
}

/// The directory, which has no name that looks like a flag, and what to write into it.
fn understood(arguments: Vec<String>) -> Result<(PathBuf, Shape), String> {
    let mut arguments = arguments.into_iter();
    let directory = arguments.next().ok_or("say into which directory")?;
    if directory.starts_with('-') {
        return Err(format!(
            "`{directory}` is not a directory's name; `./{directory}` is"
        ));
    }
    let mut shape = Shape::repository(1000);
    while let Some(flag) = arguments.next() {
        let field = match flag.as_str() {
            "--cilium" => {
                shape.cilium = true;
                continue;
            }
            "--workloads" => &mut shape.workloads,
            "--pods" => &mut shape.pods,
            "--policies" => &mut shape.policies,
            "--namespaces" => &mut shape.namespaces,
            "--seed" => {
                shape.seed = number(&flag, arguments.next())?;
                continue;
            }
            _ => return Err(format!("there is no {flag}")),
        };
        *field = number(&flag, arguments.next())?;
    }
    Ok((directory.into(), shape))
}

fn number<N: std::str::FromStr>(flag: &str, value: Option<String>) -> Result<N, String> {
    let value = value.ok_or_else(|| format!("{flag} needs a number"))?;
    value
        .parse()
        .map_err(|_| format!("{flag} needs a number, and `{value}` is none"))
}

fn write(directory: &Path, shape: &Shape) -> io::Result<usize> {
    std::fs::create_dir_all(directory)?;
    let files = manifests(shape);
    for (name, text) in &files {
        std::fs::write(directory.join(name), text)?;
    }
    Ok(files.len())
}
