//! Writes a made-up cluster as manifests into a directory, to measure `portcullis` or another program with.
//!
//! `synthetic_cluster DIRECTORY [--workloads N] [--pods N] [--policies N] [--namespaces N] [--cilium] [--seed N]`
#![expect(clippy::print_stderr, reason = "a small program of its own")]

use std::error::Error;
use std::path::PathBuf;

use portcullis_compiler::synthetic::{Shape, manifests};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("say into which directory")?);
    let mut shape = Shape::repository(1000);
    while let Some(flag) = arguments.next() {
        if flag == "--cilium" {
            shape.cilium = true;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a number"))?;
        let number: usize = value.parse()?;
        match flag.as_str() {
            "--workloads" => shape.workloads = number,
            "--pods" => shape.pods = number,
            "--policies" => shape.policies = number,
            "--namespaces" => shape.namespaces = number,
            "--seed" => shape.seed = number as u64,
            _ => return Err(format!("there is no {flag}").into()),
        }
    }
    std::fs::create_dir_all(&directory)?;
    let files = manifests(&shape);
    for (name, text) in &files {
        std::fs::write(directory.join(name), text)?;
    }
    eprintln!("{} files in {}", files.len(), directory.display());
    Ok(())
}
