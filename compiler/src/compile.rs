//! The model → a bundle: two programs for each pod, and what they are, in one directory.
//!
//! Pods are compiled in parallel and collected in the model's order, so that the bytes do not depend on the number of
//! threads. A directory is written beside its place and put there in one step: it is the old bundle or the new one,
//! never a part of one.

use crate::diagnostic::{Code, Finding, ObjectName};
use crate::resolve::Resolved;
use crate::source::Sources;
use codegen_ebpf::bundle::{Bundle, BundleError, DESCRIPTION, File, InputDigest, OBJECTS};
use codegen_ebpf::compile::{self as codegen, Compiled, Input};
use codegen_ebpf::disasm::Listing;
use codegen_ebpf::elf::ReadError;
use codegen_ebpf::source_line::SourceText;
use ir::cluster::{Endpoint, EndpointId};
use ir::model::Model;
use ir::policy::BeyondKind;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
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

/// Why a bundle is not in its place.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The directory is somebody else's.
    #[error("`{path}` exists and is not a bundle, or holds more; remove it, or write elsewhere", path = .0.display())]
    NotABundle(PathBuf),
    /// The system refused.
    #[error("cannot {action} `{path}`: {error}", path = path.display())]
    System {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
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

/// What keeps a model from being compiled: rules that maps and programs cannot enforce, and pods that no packet could
/// be told by.
///
/// All pods count, also those of other nodes: a pod whose address is not known would be taken for the outside. A
/// model [narrowed](ir::enforceable::narrowed) to what can be enforced has no such rules left.
#[must_use]
pub fn obstacles(model: &Model) -> Vec<Finding> {
    let mut findings = unenforceable(model);
    let mut owner_of: BTreeMap<IpAddr, &Endpoint> = BTreeMap::new();
    for endpoint in model.cluster.endpoints().iter().filter(|pod| !pod.host_network) {
        if endpoint.addresses.is_empty() {
            findings.push(
                Finding::new(
                    Code::POD_WITHOUT_ADDRESS,
                    format!("{endpoint} has no address, so programs cannot tell its packets"),
                )
                .at(endpoint.origin.clone(), "")
                .about(object_name(endpoint))
                .help("compile what runs (`kubectl get pods -o yaml`), or let --place plan pods, nodes and addresses")
                .blocking(),
            );
        }
        for address in &endpoint.addresses {
            if let Some(owner) = owner_of.insert(*address, endpoint) {
                findings.push(
                    Finding::new(
                        Code::ADDRESS_TWICE,
                        format!("{endpoint} and {owner} both have the address {address}"),
                    )
                    .at(endpoint.origin.clone(), "")
                    .because(owner.origin.clone(), "")
                    .about(object_name(endpoint))
                    .about(object_name(owner))
                    .help("leave out pods that have ended, and pods of other clusters")
                    .blocking(),
                );
            }
        }
    }
    crate::diagnostic::sort(&mut findings);
    findings
}

/// Rules with demands beyond peers and ports. To leave a demand out would let more through than was written.
fn unenforceable(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in model.policies() {
        for demand in policy.rules.iter().flat_map(|rule| &rule.beyond) {
            let (code, what) = match demand.kind {
                BeyondKind::Layer7 => (Code::L7_RULES, "looks into requests"),
                BeyondKind::Authentication => (Code::AUTHENTICATION, "demands mutual authentication"),
                BeyondKind::Tls => (Code::TLS, "depends on TLS"),
                BeyondKind::Listener => (Code::LISTENER, "redirects to a listener"),
                BeyondKind::CloudGroups => (Code::CLOUD_GROUPS, "names a cloud provider's groups"),
            };
            findings.push(
                Finding::new(
                    code,
                    format!("this rule {what}, which programs alone cannot enforce"),
                )
                .at(demand.origin.clone(), "")
                .about(ObjectName {
                    kind: policy.kind.to_string(),
                    namespace: policy.namespace.clone(),
                    name: policy.name.clone(),
                })
                .help(
                    "with --unsupported=deny an allow rule like it is left out and a deny rule denies all of \
                         its peers and ports",
                )
                .blocking(),
            );
        }
    }
    findings
}

fn object_name(endpoint: &Endpoint) -> ObjectName {
    ObjectName {
        kind: endpoint.workload.kind.clone(),
        namespace: Some(endpoint.namespace.clone()),
        name: endpoint.workload.name.clone(),
    }
}

/// Compiles the pods that `wanted` picks, against all of the model. `listed` picks the pods whose programs are also
/// given as text.
///
/// # Errors
/// See [`CompileError`]. Call [`obstacles`] first.
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

/// Puts files (paths with `/`, none of them absolute or upwards) into `directory`, in one step.
///
/// They are written and synced beside it first. An old bundle changes places with the new one, and is then removed.
///
/// # Errors
/// See [`WriteError`]. The directory is as it was then.
pub fn write(directory: &Path, files: &[File]) -> Result<(), WriteError> {
    let exists = is_replaceable(directory)?;
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create(parent)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(directory.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    let partial = Partial(parent.join(name));
    create(&partial.0)?;
    for file in files {
        let path = partial.0.join(&file.path);
        if let Some(above) = path.parent() {
            create(above)?;
        }
        let written = fs::File::create_new(&path).and_then(|mut handle| {
            handle.write_all(&file.bytes)?;
            handle.sync_all()
        });
        written.map_err(failed("write", &path))?;
    }
    if exists {
        exchange(&partial.0, directory).map_err(failed("replace", directory))
    } else {
        fs::rename(&partial.0, directory).map_err(failed("make", directory))
    }
}

/// Removes what is left beside the place: a part of a new bundle, or the old one.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already after a plain rename; whatever else stays has a name that says what it is.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Both names change places at once (`renameat2` with `RENAME_EXCHANGE`).
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Elsewhere there is a moment without a directory; never one with half of it.
#[cfg(not(target_os = "linux"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    let aside = one.with_extension("old");
    fs::rename(other, &aside)?;
    fs::rename(one, other)?;
    fs::rename(aside, one)
}

/// Whether the directory is there; an error where it holds anything that this did not write.
///
/// A bundle is its description and objects, and nothing else; beside that, a directory of bundles (one for each node).
/// What somebody added to one would be lost, so it is not replaced.
fn is_replaceable(directory: &Path) -> Result<bool, WriteError> {
    let read = |path: &Path| -> Result<Vec<PathBuf>, WriteError> {
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        Ok(entries
            .map_err(failed("read", path))?
            .iter()
            .map(fs::DirEntry::path)
            .collect())
    };
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed("read", directory)(error)),
        Ok(metadata) if !metadata.is_dir() => return Err(WriteError::NotABundle(directory.to_owned())),
        Ok(_) => {}
    }
    let is_bundle = |path: &Path| -> Result<bool, WriteError> {
        if !describes_a_bundle(&path.join(DESCRIPTION)) {
            return Ok(false);
        }
        for entry in read(path)? {
            let ours = if entry.is_dir() {
                entry.ends_with(OBJECTS) && read(&entry)?.iter().all(|object| has_extension(object, "o"))
            } else {
                entry.ends_with(DESCRIPTION)
            };
            if !ours {
                return Ok(false);
            }
        }
        Ok(true)
    };
    if is_bundle(directory)? {
        return Ok(true);
    }
    for entry in read(directory)? {
        if !entry.is_dir() || !is_bundle(&entry)? {
            return Err(WriteError::NotABundle(directory.to_owned()));
        }
    }
    Ok(true)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.is_file() && path.extension().is_some_and(|own| own == extension)
}

/// Whether a file is a bundle's description, of any version.
fn describes_a_bundle(path: &Path) -> bool {
    fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .is_some_and(|description| {
            description
                .get("format_version")
                .is_some_and(serde_json::Value::is_u64)
        })
}

fn create(directory: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(directory).map_err(failed("make", directory))
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> WriteError + use<'a> {
    move |error| WriteError::System {
        action,
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<String> {
        let model = ir::text::parse(text).unwrap();
        obstacles(&model)
            .iter()
            .map(|finding| finding.code.to_string())
            .collect()
    }

    #[test]
    fn what_cannot_be_enforced_or_told_apart_is_refused() {
        let pods = "endpoint a/b at 10.0.0.1\nendpoint a/c at 10.0.0.2\n";
        assert_eq!(codes(pods), [""; 0]);
        assert_eq!(codes("endpoint a/b\nendpoint a/host host-network\n"), ["PC506"]);
        assert_eq!(
            codes("endpoint a/b at 10.0.0.1\nendpoint a/c at 10.0.0.1\n"),
            ["PC507"]
        );
        for (demand, code) in [
            ("layer7", "PC501"),
            ("authentication", "PC502"),
            ("tls", "PC503"),
            ("listener", "PC504"),
            ("cloud-groups", "PC505"),
        ] {
            let policy = format!(
                "policy CiliumNetworkPolicy a/p on pods [] denies ingress {{\nallow ingress beyond {demand}\n}}\n"
            );
            let text = format!("{pods}{policy}");
            assert_eq!(codes(&text), [code]);
            let narrowed = ir::enforceable::narrowed(&ir::text::parse(&text).unwrap());
            assert_eq!(obstacles(&narrowed), []);
        }
    }
}
