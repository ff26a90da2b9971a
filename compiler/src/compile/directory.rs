//! A bundle as a directory: put in place in one step, and never over what is somebody else's.

use codegen_ebpf::bundle::{DESCRIPTION, File, OBJECTS};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

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
