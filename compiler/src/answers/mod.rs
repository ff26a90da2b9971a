//! The solver's answers in a directory, for the next run: a file for each, named by the SHA-256 of its question.
//!
//! A question's text names everything that its answer depends on ([`verifier::answers`]), so that a file never has to
//! be thrown away for being wrong: what no question leads to lies there until there is no room for it (`room`), and
//! deleting the directory, or any of it, at any time costs the asking and nothing else. Files are put in place whole.
//! One that is not as it was written is none.

mod room;

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;
use verifier::answers::Store;

/// The first line of every file.
const MARK: &str = "portcullis answer 1";

/// Larger files are not ours: an answer is some hundred bytes, some kilobytes at most.
const MOST_BYTES: u64 = 1 << 20;

/// A directory of answers.
#[derive(Debug)]
pub struct Directory {
    place: PathBuf,
    /// Tells the temporary files of one run apart.
    written: AtomicU64,
    /// The directories that it wrote to.
    grown: Mutex<BTreeSet<PathBuf>>,
    /// The first thing that went wrong in writing.
    trouble: OnceLock<String>,
}

impl Directory {
    /// The directory at a path; it is made when there is something to keep.
    #[must_use]
    pub fn at(place: PathBuf) -> Self {
        Self {
            place,
            written: AtomicU64::new(0),
            grown: Mutex::default(),
            trouble: OnceLock::new(),
        }
    }

    /// Why answers could not be kept, where they could not.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    /// Throws away what there is no room for, where something was written; to be called when a run ends.
    pub fn make_room(&self) {
        let grown = self.grown.lock().map(|mut grown| std::mem::take(&mut *grown));
        let now = SystemTime::now();
        for directory in grown.unwrap_or_default() {
            room::make(&directory, now);
        }
    }

    /// The file of a question: two hexadecimal digits of its hash name a directory, the others the file.
    fn file(&self, hash: &str) -> PathBuf {
        let (directory, file) = hash.split_at_checked(2).unwrap_or(("", hash));
        self.place.join(directory).join(file)
    }

    fn write(&self, question: &str, answer: &str) -> io::Result<()> {
        let hash = sha256(question);
        let file = self.file(&hash);
        let beside = file.parent().unwrap_or(&self.place);
        fs::create_dir_all(beside)?;
        if let Ok(mut grown) = self.grown.lock()
            && !grown.contains(beside)
        {
            grown.insert(beside.to_owned());
        }
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = beside.join(format!(".{}-{number}.tmp", std::process::id()));
        let text = format!("{MARK}\n{hash}\n{}\n{answer}", sha256(answer));
        let placed = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &file));
        if placed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        placed
    }
}

impl Store for Directory {
    fn get(&self, question: &str) -> Option<String> {
        let hash = sha256(question);
        let file = self.file(&hash);
        let text = read(&file)?;
        let rest = text.strip_prefix(MARK)?.strip_prefix('\n')?;
        let (named, rest) = rest.split_once('\n')?;
        let (sum, answer) = rest.split_once('\n')?;
        let is_whole = named == hash && sum == sha256(answer);
        is_whole.then(|| {
            room::used(&file, SystemTime::now());
            answer.to_owned()
        })
    }

    fn put(&self, question: &str, answer: &str) {
        if let Err(error) = self.write(question, answer) {
            let _ = self.trouble.set(error.to_string());
        }
    }
}

/// The text of an ordinary file of our size.
fn read(path: &Path) -> Option<String> {
    let facts = fs::metadata(path).ok()?;
    (facts.is_file() && facts.len() <= MOST_BYTES)
        .then(|| fs::read_to_string(path).ok())
        .flatten()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold(String::with_capacity(64), |mut hash, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hash, "{byte:02x}");
            hash
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("portcullis-answers-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn an_answer_is_found_under_its_question_alone() {
        let place = scratch("found");
        let directory = Directory::at(place.clone());
        assert_eq!(directory.get("why?"), None);
        directory.put("why?", "because\nof that");
        directory.put("who?", "");
        assert_eq!(
            Directory::at(place.clone()).get("why?").as_deref(),
            Some("because\nof that")
        );
        assert_eq!(directory.get("who?").as_deref(), Some(""));
        assert_eq!(directory.get("why"), None);
        directory.put("why?", "else");
        assert_eq!(directory.get("why?").as_deref(), Some("else"));
        assert_eq!(directory.trouble(), None);
        // Nothing but answers is left.
        let files = fs::read_dir(&place)
            .unwrap()
            .flat_map(|directory| fs::read_dir(directory.unwrap().path()).unwrap());
        assert_eq!(files.count(), 2);
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn what_is_not_as_it_was_written_is_no_answer() {
        let place = scratch("foreign");
        let directory = Directory::at(place.clone());
        directory.put("why?", "because");
        directory.put("who?", "me");
        let (why, who) = (directory.file(&sha256("why?")), directory.file(&sha256("who?")));
        let whole = fs::read_to_string(&why).unwrap();
        let others = [
            String::new(),
            "because".to_owned(),
            whole.replace("because", "becausf"),
            whole.replace(MARK, "portcullis answer 2"),
            whole[..whole.len() - 1].to_owned(),
            // The answer to another question.
            fs::read_to_string(&who).unwrap(),
        ];
        for other in others {
            fs::write(&why, &other).unwrap();
            assert_eq!(directory.get("why?"), None, "{other}");
        }
        fs::write(&why, [0xff, 0xfe, 0]).unwrap();
        assert_eq!(directory.get("why?"), None);
        fs::remove_file(&why).unwrap();
        fs::create_dir(&why).unwrap();
        assert_eq!(directory.get("why?"), None);
        // Nor can one be written there; that is no failure of the run.
        directory.put("why?", "because");
        assert!(directory.trouble().is_some());
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_run_makes_room_where_it_wrote() {
        let place = scratch("room");
        let month = std::time::Duration::from_secs(31 * 24 * 60 * 60);
        let directory = Directory::at(place.clone());
        let questions: Vec<String> = (0..2_000).map(|number| format!("question {number}")).collect();
        let (mine, others) = questions.split_at(1);
        for question in &questions {
            directory.put(question, "yes");
        }
        let old = |question: &str| {
            let file = fs::File::options()
                .write(true)
                .open(directory.file(&sha256(question)));
            file.unwrap().set_modified(SystemTime::now() - month).unwrap();
        };
        questions.iter().for_each(|question| old(question));
        // What is asked for stays; what another run wrote goes only from where this one writes to.
        let run = Directory::at(place.clone());
        assert!(run.get(&mine[0]).is_some());
        run.put("a new question", "yes");
        run.make_room();
        let there = |question: &String| directory.file(&sha256(question)).exists();
        assert!(there(&mine[0]));
        let beside = &sha256("a new question")[..2];
        for question in others {
            assert_eq!(
                there(question),
                !sha256(question).starts_with(beside),
                "{question}"
            );
        }
        assert!(run.get("a new question").is_some());
        assert!(
            others.iter().any(|question| !there(question)),
            "nobody shares its directory"
        );
        fs::remove_dir_all(&place).unwrap();
    }
}
