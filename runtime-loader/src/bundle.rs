//! A compiled bundle, as `codegen_ebpf::bundle` writes it, read from a directory.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use codegen_ebpf::bundle::{DESCRIPTION, FORMAT_VERSION};
use ir::policy::Direction;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::device::EndpointName;
use crate::object::{ObjectError, PolicyObject};

/// Why a directory is not a bundle that can be loaded.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system call's error.
        source: io::Error,
    },
    /// The description is not JSON, or lacks something.
    #[error("`{}` does not describe a bundle: {source}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// The bundle is of a format that this version does not know.
    #[error("`{}` is of format {found}; this version reads format {FORMAT_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// An object's path leads out of the bundle.
    #[error("the object path `{0}` leads out of the bundle")]
    Path(String),
    /// A file is not the one that was compiled.
    #[error("`{}` is not the object that the bundle was made with: its SHA-256 is another", .0.display())]
    Changed(PathBuf),
    /// A direction that is neither ingress nor egress.
    #[error("{endpoint} has a program for the unknown direction `{direction}`")]
    Direction {
        /// Whose program.
        endpoint: EndpointName,
        /// What the description says.
        direction: String,
    },
    /// A file is no object of ours.
    #[error("`{}`: {source}", path.display())]
    Object {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ObjectError,
    },
}

/// A bundle's programs.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// SHA-256 of the description, which holds the digests of everything else.
    pub digest: String,
    /// Every program, in the bundle's order.
    pub programs: Vec<BundledProgram>,
}

/// One endpoint's program for one direction.
#[derive(Clone, Debug)]
pub struct BundledProgram {
    /// Whose policy it is.
    pub endpoint: EndpointName,
    /// The policy direction, seen from the pod.
    pub direction: Direction,
    /// The program.
    pub object: PolicyObject,
}

/// Read first, and alone: what else a description of another version holds is not known.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// What a loader needs of the description; the rest is for people and other tools.
#[derive(Deserialize)]
struct Description {
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    namespace: String,
    name: String,
    programs: Vec<Program>,
}

#[derive(Deserialize)]
struct Program {
    direction: String,
    object: String,
    sha256: String,
}

impl Bundle {
    /// Reads a bundle and checks every object against the description's digest of it.
    ///
    /// # Errors
    /// At the first file that is missing, changed, or not of this format.
    pub fn read(directory: &Path) -> Result<Self, BundleError> {
        let path = directory.join(DESCRIPTION);
        let bytes = read(&path)?;
        let description = |source| BundleError::Description {
            path: path.clone(),
            source,
        };
        let Version {
            format_version: found,
        } = serde_json::from_slice(&bytes).map_err(description)?;
        if found != FORMAT_VERSION {
            return Err(BundleError::Version { path, found });
        }
        let parsed: Description = serde_json::from_slice(&bytes).map_err(description)?;
        let mut programs = Vec::new();
        for endpoint in parsed.endpoints {
            let name = EndpointName::new(endpoint.namespace, endpoint.name);
            for program in endpoint.programs {
                let direction = Direction::BOTH
                    .into_iter()
                    .find(|direction| direction.to_string() == program.direction)
                    .ok_or_else(|| BundleError::Direction {
                        endpoint: name.clone(),
                        direction: program.direction.clone(),
                    })?;
                let object = object(directory, &program)?;
                programs.push(BundledProgram {
                    endpoint: name.clone(),
                    direction,
                    object,
                });
            }
        }
        Ok(Self {
            digest: hex(&bytes),
            programs,
        })
    }
}

fn object(directory: &Path, program: &Program) -> Result<PolicyObject, BundleError> {
    let relative = Path::new(&program.object);
    if !relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return Err(BundleError::Path(program.object.clone()));
    }
    let path = directory.join(relative);
    let bytes = read(&path)?;
    if hex(&bytes) != program.sha256 {
        return Err(BundleError::Changed(path));
    }
    PolicyObject::parse(&bytes).map_err(|source| BundleError::Object { path, source })
}

fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    fs::read(path).map_err(|source| BundleError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The SHA-256 of some bytes.
fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
