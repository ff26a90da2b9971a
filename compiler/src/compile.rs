//! The model → a bundle: two programs for each pod, and what they are, in one directory.
//!
//! Pods are compiled in parallel and collected in the model's order, so that the bytes do not depend on the number of
//! threads. A directory is written beside its place and put there in one step: it is the old bundle or the new one,
//! never a part of one.

mod directory;
mod obstacles;

pub use directory::{WriteError, write};
pub use obstacles::{obstacles, unpatched};

use crate::resolve::Resolved;
use crate::source::Sources;
use codegen_ebpf::bundle::{Bundle, BundleError, File, InputDigest};
use codegen_ebpf::compile::{self as codegen, Compiled, Input};
use codegen_ebpf::disasm::Listing;
use codegen_ebpf::elf::ReadError;
use codegen_ebpf::source_line::SourceText;
use ir::cluster::{Endpoint, EndpointId};
use rayon::prelude::*;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why there is no bundle.
#[derive(Debug, Error)]
pub enum CompileError {
    /// A pod cannot be compiled.
    #[error(transparent)]
    Codegen(#[from] codegen::CompileError),
    /// The bundle cannot be described.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// An object just written does not read back: a bug of ours.
    #[error("{endpoint}: the object does not read back: {error}")]
    ReadBack {
        /// The pod.
        endpoint: String,
        /// Why.
        error: ReadError,
    },
}

/// A compiled bundle.
#[derive(Debug)]
pub struct Output {
    /// Its files, sorted by path.
    pub files: Vec<File>,
    /// How many pods it is for.
    pub pods: usize,
    /// Instruction slots of all programs.
    pub instructions: usize,
    /// The programs as text, where they were asked for, in the order of pods.
    pub listings: Vec<String>,
}

/// Compiles the pods that `wanted` picks, against all of the model. `listed` picks the pods whose programs are also
/// given as text.
///
/// # Errors
/// See [`CompileError`]. Call [`obstacles`] and [`unpatched`] first.
pub fn compile(
    resolved: &Resolved<'_>,
    sources: &Sources,
    wanted: impl Fn(&Endpoint) -> bool,
    listed: impl Fn(&Endpoint) -> bool + Sync,
) -> Result<Output, CompileError> {
    let model = resolved.model;
    let text = Lines::of(sources);
    let ids: Vec<EndpointId> = model
        .cluster
        .endpoint_ids()
        .filter(|(_, endpoint)| !endpoint.host_network && wanted(endpoint))
        .map(|(id, _)| id)
        .collect();
    let inputs: Vec<Input<'_>> = ids
        .iter()
        .filter_map(|id| {
            let tables = resolved.tables(*id)?;
            Some(Input {
                model,
                endpoint: *id,
                ingress: &tables.ingress,
                egress: &tables.egress,
                addresses: resolved.identities.addresses(),
                text: &text,
            })
        })
        .collect();
    let compiled: Vec<([Compiled; 2], Vec<String>)> = ids
        .par_iter()
        .filter_map(|id| Some((*id, resolved.tables(*id)?)))
        .map(|(id, tables)| {
            let programs = codegen::endpoint(&Input {
                model,
                endpoint: id,
                ingress: &tables.ingress,
                egress: &tables.egress,
                addresses: resolved.identities.addresses(),
                text: &text,
            })?;
            let listings = match model.cluster.endpoint(id) {
                Some(endpoint) if listed(endpoint) => listings(endpoint, &programs)?,
                _ => Vec::new(),
            };
            Ok((programs, listings))
        })
        .collect::<Result<_, CompileError>>()?;

    let digests = sources
        .iter()
        .map(|(_, source)| InputDigest::of(source.name(), source.text().as_bytes()))
        .collect();
    let mut bundle = Bundle::new(digests);
    let mut output = Output {
        files: Vec::new(),
        pods: compiled.len(),
        instructions: 0,
        listings: Vec::new(),
    };
    for (input, (programs, listings)) in inputs.iter().zip(compiled) {
        output.instructions += programs.iter().map(|program| program.slots).sum::<usize>();
        output.listings.extend(listings);
        bundle.add(input, programs)?;
    }
    output.files = bundle.into_files()?;
    Ok(output)
}

fn listings(endpoint: &Endpoint, programs: &[Compiled; 2]) -> Result<Vec<String>, CompileError> {
    programs
        .iter()
        .map(|compiled| {
            let program = compiled.object.load().map_err(|error| CompileError::ReadBack {
                endpoint: endpoint.to_string(),
                error,
            })?;
            let listing = Listing {
                program: &program,
                lines: true,
            };
            Ok(format!(
                "# {endpoint}, {}: {} instructions\n{listing}",
                compiled.hook.program_name(),
                compiled.slots
            ))
        })
        .collect()
}

/// The manifests' lines by file, for the line info of programs.
#[derive(Debug)]
pub struct Lines<'a>(BTreeMap<&'a str, &'a crate::source::Source>);

impl<'a> Lines<'a> {
    /// The lines of all sources.
    #[must_use]
    pub fn of(sources: &'a Sources) -> Self {
        Self(
            sources
                .iter()
                .map(|(_, source)| (&**source.name(), source))
                .collect(),
        )
    }
}

impl SourceText for Lines<'_> {
    fn line(&self, file: &str, line: u32) -> Option<&str> {
        self.0.get(file)?.line(line).map(|(_, text)| text)
    }
}
