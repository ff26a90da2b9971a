//! How much room answers may take: what nobody has asked for in a long time goes, and then what was used longest ago.
//!
//! Hashes fall evenly into the directories, so each has its share of the room, and a run looks only into those that it
//! wrote to. So the whole is never larger than it may be, and nothing has to be counted that did not grow. A file that
//! is no answer is left alone. Whoever misses an answer asks again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// An answer that was not used for so long is not missed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A run does not write down that an answer was used when that is known of the last hour.
const KNOWN: Duration = Duration::from_secs(60 * 60);

/// What a run that was killed in writing leaves behind is not looked for by a run that goes on.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// The room of one directory. There are 256 of them.
const MOST_BYTES: u64 = 1 << 20;

/// Files take whole blocks.
const BLOCK: u64 = 4 << 10;

/// One answer.
struct Held {
    used: SystemTime,
    path: PathBuf,
    bytes: u64,
}

/// Makes room in one directory: what may go, goes.
pub(super) fn make(directory: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut held: Vec<Held> = Vec::new();
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let Some((facts, used)) = facts(&path) else {
            continue;
        };
        let unused = now.duration_since(used).unwrap_or_default();
        let name = name.to_string_lossy();
        if is_temporary(&name) && unused > ABANDONED || is_answer(&name) && unused > KEPT {
            let _ = fs::remove_file(&path);
        } else if is_answer(&name) {
            held.push(Held {
                used,
                path,
                bytes: facts.len().next_multiple_of(BLOCK),
            });
        }
    }
    held.sort_by(|a, b| (b.used, &b.path).cmp(&(a.used, &a.path)));
    let mut bytes = 0;
    for one in held {
        bytes += one.bytes;
        if bytes > MOST_BYTES {
            let _ = fs::remove_file(&one.path);
        }
    }
}

/// Writes down that an answer was used; where that cannot be, it goes earlier than it might.
pub(super) fn used(path: &Path, now: SystemTime) {
    let Some((_, used)) = facts(path) else {
        return;
    };
    if now.duration_since(used).unwrap_or_default() >= KNOWN
        && let Ok(file) = fs::File::options().write(true).open(path)
    {
        let _ = file.set_modified(now);
    }
}

/// Of an ordinary file.
fn facts(path: &Path) -> Option<(fs::Metadata, SystemTime)> {
    let facts = fs::symlink_metadata(path).ok()?;
    let used = facts.modified().ok()?;
    facts.is_file().then_some((facts, used))
}

/// The other 62 digits of a hash.
fn is_answer(name: &str) -> bool {
    name.len() == 62 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A directory with files: name, size, days since they were used.
    fn directory(name: &str, files: &[(&str, usize, u32)]) -> (PathBuf, SystemTime) {
        let place = std::env::temp_dir().join(format!("portcullis-room-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&place);
        fs::create_dir(&place).unwrap();
        let now = SystemTime::now();
        for (name, size, days) in files {
            let file = fs::File::create(place.join(name)).unwrap();
            file.set_len(*size as u64).unwrap();
            file.set_modified(now - DAY * *days).unwrap();
        }
        (place, now)
    }

    /// What is left, and the directory removed.
    fn left(place: &Path) -> Vec<String> {
        let entries = fs::read_dir(place).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        fs::remove_dir_all(place).unwrap();
        names
    }

    fn answer(digit: char) -> String {
        digit.to_string().repeat(62)
    }

    #[test]
    fn what_was_not_used_for_a_month_goes_and_nothing_else() {
        let (old, new, foreign) = (answer('a'), answer('b'), "a".repeat(63));
        let (place, now) = directory(
            "old",
            &[
                (&old, 10, 31),
                (&new, 10, 29),
                // No answers of ours.
                (&foreign, 10, 400),
                ("notes.txt", 10, 400),
                (".7-1.tmp", 10, 2),
                (".7-2.tmp", 10, 0),
            ],
        );
        fs::create_dir(place.join(answer('c'))).unwrap();
        make(&place, now);
        assert_eq!(
            left(&place),
            [".7-2.tmp", &*foreign, &*new, &*answer('c'), "notes.txt"]
        );
    }

    #[test]
    fn the_least_recently_used_goes_where_there_is_no_room() {
        let half = usize::try_from(MOST_BYTES / 2).unwrap();
        let [a, b, c] = ['a', 'b', 'c'].map(answer);
        let (place, now) = directory("full", &[(&a, half, 1), (&b, half, 3), (&c, half, 2)]);
        make(&place, now);
        assert_eq!(left(&place), [&*a, &*c]);

        // One that is used stays.
        let (place, now) = directory("used", &[(&a, half, 1), (&b, half, 3), (&c, half, 2)]);
        used(&place.join(&b), now);
        make(&place, now);
        assert_eq!(left(&place), [&*a, &*b]);
    }

    #[test]
    fn small_answers_take_blocks() {
        let names: Vec<String> = (0..300).map(|number| format!("{number:062}")).collect();
        let files: Vec<(&str, usize, u32)> = names.iter().map(|name| (&**name, 300, 0)).collect();
        let (place, now) = directory("small", &files);
        make(&place, now);
        assert_eq!(left(&place).len(), 256);
    }

    #[test]
    fn a_directory_that_is_not_there_is_no_trouble() {
        make(Path::new("/nowhere/at/all"), SystemTime::now());
        used(Path::new("/nowhere/at/all"), SystemTime::now());
    }
}
