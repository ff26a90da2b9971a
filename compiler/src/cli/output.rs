//! Where an answer goes: standard output, or a file that holds all of it or what it held before.

use super::Failure;
use super::terminal::Terminal;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// An answer, gathered until it is whole.
pub(super) struct Answer<'t> {
    terminal: &'t mut Terminal,
    /// The file, and what will be in it.
    file: Option<(PathBuf, Vec<u8>)>,
}

impl<'t> Answer<'t> {
    /// An answer for `file`, or for standard output.
    pub(super) fn new(terminal: &'t mut Terminal, file: Option<&Path>) -> Self {
        Self {
            terminal,
            file: file.map(|path| (path.to_owned(), Vec::new())),
        }
    }

    /// Where to write it.
    pub(super) fn out(&mut self) -> &mut dyn Write {
        match &mut self.file {
            Some((_, text)) => text,
            None => &mut self.terminal.out,
        }
    }

    /// Puts the answer in its place.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.file {
            None => Ok(self.terminal.out.flush()?),
            Some((path, text)) => placed(&path, &text),
        }
    }
}

/// Writes what `write` gives to a file, once it is whole.
pub(super) fn to_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut text = Vec::new();
    write(&mut text)?;
    placed(path, &text)
}

fn placed(path: &Path, text: &[u8]) -> Result<(), Failure> {
    put(path, text).map_err(|error| {
        let path = path.display();
        Failure::said(format!("cannot write `{path}`: {error}"))
    })
}

/// Writes a file whole or not at all. What is no ordinary file (a terminal, a pipe, `/dev/null`) is written to where it is.
fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(before) if before.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(before) if !before.is_file() => fs::OpenOptions::new().write(true).open(path)?.write_all(text),
        Ok(_) | Err(_) => Staged::new(path, text)?.take_place(),
    }
}

/// A text beside the file whose place it will take: a reader finds the old text or the new one, and no failure leaves a
/// part of either.
pub(super) struct Staged {
    place: PathBuf,
    partial: Partial,
}

impl Staged {
    /// Writes the text. What may not be written to is refused, though it could be replaced.
    pub(super) fn new(path: &Path, text: &[u8]) -> io::Result<Self> {
        // Through symbolic links, so that they stay.
        let place = match fs::canonicalize(path) {
            Ok(place) => place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error),
        };
        let before = fs::metadata(&place).ok();
        if let Some(before) = &before {
            // Root may write to every file, which is not meant to be asked here.
            if before.permissions().readonly() {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "the file is read-only",
                ));
            }
            fs::OpenOptions::new().write(true).open(&place)?;
        }
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.partial", std::process::id()));
        let partial = Partial(place.with_file_name(beside));
        let mut file = fs::File::create_new(&partial.0)?;
        file.write_all(text)?;
        if let Some(before) = before {
            #[cfg(unix)]
            keep_owner(&file, &before);
            file.set_permissions(before.permissions())?;
        }
        file.sync_all()?;
        Ok(Self { place, partial })
    }

    /// Puts the text in its place.
    pub(super) fn take_place(self) -> io::Result<()> {
        fs::rename(&self.partial.0, &self.place)
    }
}

/// Gives a file to whom it replaces another one of, as far as that is permitted: to root, and of groups to their members.
#[cfg(unix)]
fn keep_owner(file: &fs::File, before: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    let _ = fchown(file, None, Some(before.gid()));
    let _ = fchown(file, Some(before.uid()), None);
}

/// Removed unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already after the rename.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let directory = std::env::temp_dir().join(format!("portcullis-output-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("report.json");
        put(&file, b"one").unwrap();
        put(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        #[cfg(unix)]
        {
            let link = directory.join("link");
            std::os::unix::fs::symlink(&file, &link).unwrap();
            put(&link, b"three").unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(&file).unwrap(), b"three");
            fs::remove_file(&link).unwrap();
        }
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&file, permissions).unwrap();
        assert!(put(&file, b"four").is_err());
        assert!(put(&directory, b"x").is_err());
        assert!(put(&directory.join("absent/report.json"), b"x").is_err());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
