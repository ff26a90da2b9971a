//! From an object's bytes to a program that the kernel has verified.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aya::programs::{Program, ProgramError, SchedClassifier};
use aya::{Ebpf, EbpfError, EbpfLoader, VerifierLogLevel};

use crate::object::{MapShape, PolicyObject};
use crate::pins::{CONNTRACK, COUNTERS, EVENTS, PinsError, pinned_shape};

/// What the kernel's verifier said of a program it refused. Each instruction stands under the line of policy that
/// it comes from, as the object's line info gives it.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierLog(String);

impl VerifierLog {
    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The complaint: the last line that is not one of the closing statistics.
    #[must_use]
    pub fn complaint(&self) -> &str {
        let statistic = |line: &str| {
            ["processed ", "verification time ", "stack depth ", "peak_states "]
                .iter()
                .any(|prefix| line.starts_with(prefix))
        };
        self.0
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty() && !statistic(line))
            .unwrap_or("the verifier gave no reason")
    }
}

impl fmt::Debug for VerifierLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an object did not become a program.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel's verifier refused the program: a bug of the code generator's.
    #[error("the kernel's verifier refuses `{program}`: {}", log.complaint())]
    Rejected {
        /// The program's symbol.
        program: String,
        /// Everything the verifier said.
        log: VerifierLog,
        /// `EACCES`, `EINVAL`, `E2BIG`, …
        #[source]
        source: io::Error,
    },
    /// A shared map is pinned already and has another shape: it was made by another version.
    #[error("`{}` is another map than the programs need ({found}; needed: {needed})", path.display())]
    MapDiffers {
        /// The pin.
        path: PathBuf,
        /// The pinned map.
        found: MapShape,
        /// The object's definition.
        needed: MapShape,
    },
    /// aya could not make the maps or relocate the program.
    #[error("cannot load `{program}`: {source}")]
    Object {
        /// The program's symbol.
        program: String,
        /// aya's reason.
        source: Box<EbpfError>,
    },
    /// The kernel refused something other than the program itself.
    #[error("cannot load `{program}`: {source}")]
    Program {
        /// The program's symbol.
        program: String,
        /// aya's reason.
        source: Box<ProgramError>,
    },
    /// The program could not be pinned.
    #[error("cannot pin `{program}` at `{}`: {source}", path.display())]
    Pin {
        /// The program's symbol.
        program: String,
        /// The pin.
        path: PathBuf,
        /// aya's reason.
        source: Box<aya::pin::PinError>,
    },
    /// The pins could not be read.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// The program vanished between parsing and loading; a bug of ours.
    #[error("`{0}` is no classifier")]
    NotClassifier(String),
}

/// The pins of the maps that outlive a program. A pin that is missing is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPins {
    /// Admitted flows, shared by the node.
    pub conntrack: PathBuf,
    /// The ring buffer of drops, shared by the node.
    pub events: PathBuf,
    /// The counters, of one endpoint and direction.
    pub counters: PathBuf,
}

/// Loads objects one after the other. One loader serves a whole process: aya reads the kernel's BTF for each
/// `EbpfLoader` (about 30 ms), though our objects need none of it.
#[derive(Debug, Default)]
pub struct Loader {
    /// The pin paths of an `EbpfLoader` can be replaced and not taken back, hence one without any.
    unpinned: Option<EbpfLoader<'static>>,
    pinned: Option<EbpfLoader<'static>>,
}

impl Loader {
    /// A loader.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads an object's maps and its program. The three maps of `pins` are taken from, or pinned at, their paths;
    /// without `pins`, and all other maps in any case, they live as long as the program. `.rodata` is frozen.
    ///
    /// # Errors
    /// [`LoadError::Rejected`] with the verifier's log; [`LoadError::MapDiffers`]; what aya or the kernel refused.
    pub fn load(
        &mut self,
        object: &PolicyObject,
        pins: Option<&MapPins>,
    ) -> Result<LoadedProgram, LoadError> {
        let program = object.program().to_owned();
        let slot = if pins.is_some() {
            &mut self.pinned
        } else {
            &mut self.unpinned
        };
        let loader = slot.get_or_insert_with(|| {
            let mut loader = EbpfLoader::new();
            loader.btf(None).verifier_log_level(VerifierLogLevel::DEBUG);
            loader
        });
        if let Some(pins) = pins {
            let named = [
                (CONNTRACK, &pins.conntrack),
                (EVENTS, &pins.events),
                (COUNTERS, &pins.counters),
            ];
            for (name, path) in named {
                if let Some(needed) = object.map(name)
                    && let Some(found) = pinned_shape(path)?
                    && found != needed
                {
                    return Err(LoadError::MapDiffers {
                        path: path.clone(),
                        found,
                        needed,
                    });
                }
                loader.map_pin_path(name, path.clone());
            }
        }
        let ebpf = loader.load(object.bytes()).map_err(|source| LoadError::Object {
            program: program.clone(),
            source: Box::new(source),
        })?;
        let mut loaded = LoadedProgram {
            ebpf,
            program: program.clone(),
        };
        loaded.classifier_mut()?.load().map_err(|error| match error {
            ProgramError::LoadError {
                io_error,
                verifier_log,
            } => LoadError::Rejected {
                program,
                log: VerifierLog(verifier_log.to_string()),
                source: io_error,
            },
            error => LoadError::Program {
                program,
                source: Box::new(error),
            },
        })?;
        Ok(loaded)
    }
}

/// A verified program with its maps. Dropping it drops the program, unless it is attached or pinned.
#[derive(Debug)]
pub struct LoadedProgram {
    ebpf: Ebpf,
    program: String,
}

impl LoadedProgram {
    /// The program's symbol.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.program
    }

    /// The program.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn classifier(&self) -> Result<&SchedClassifier, LoadError> {
        match self.ebpf.program(&self.program) {
            Some(Program::SchedClassifier(classifier)) => Ok(classifier),
            _ => Err(LoadError::NotClassifier(self.program.clone())),
        }
    }

    /// The program, to attach it.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn classifier_mut(&mut self) -> Result<&mut SchedClassifier, LoadError> {
        match self.ebpf.program_mut(&self.program) {
            Some(Program::SchedClassifier(classifier)) => Ok(classifier),
            _ => Err(LoadError::NotClassifier(self.program.clone())),
        }
    }

    /// Pins the program, so that it outlives this process.
    ///
    /// # Errors
    /// When the path is taken or not on a BPF file system.
    pub fn pin(&mut self, path: &Path) -> Result<(), LoadError> {
        let program = self.program.clone();
        self.classifier_mut()?.pin(path).map_err(|error| LoadError::Pin {
            program,
            path: path.to_owned(),
            source: Box::new(error),
        })
    }

    /// One of its maps.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<&aya::maps::Map> {
        self.ebpf.map(name)
    }

    /// One of its maps, to write or to drain.
    pub fn map_mut(&mut self, name: &str) -> Option<&mut aya::maps::Map> {
        self.ebpf.map_mut(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complaint_stands_before_the_statistics() {
        let log = VerifierLog(
            "0: R1=ctx() R10=fp0\n; - port: 80 @ shop.yaml:12\n0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit 1000000) max_states_per_insn 0\n\n"
                .into(),
        );
        assert_eq!(log.complaint(), "R0 !read_ok");
        assert_eq!(
            VerifierLog(String::new()).complaint(),
            "the verifier gave no reason"
        );
    }
}
