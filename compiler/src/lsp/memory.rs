//! The solver's answers for as long as the server runs: a change asks only what it changed.

use std::collections::HashMap;
use std::sync::Mutex;
use verifier::answers::Store;

/// Bytes of questions and answers, before all are forgotten. Nothing is wrong with a question that is asked again.
const MOST: usize = 64 << 20;

/// Answers by the whole text of their question.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    answers: HashMap<String, String>,
    bytes: usize,
}

impl Store for Memory {
    fn get(&self, question: &str) -> Option<String> {
        let held = self.0.lock().ok()?;
        held.answers.get(question).cloned()
    }

    fn put(&self, question: &str, answer: &str) {
        let Ok(mut held) = self.0.lock() else {
            return;
        };
        if held.bytes > MOST {
            *held = Held::default();
        }
        held.bytes += question.len() + answer.len();
        held.answers.insert(question.to_owned(), answer.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_remembered_until_there_are_too_many() {
        let memory = Memory::default();
        memory.put("one", "1");
        assert_eq!(memory.get("one").as_deref(), Some("1"));
        assert_eq!(memory.get("two"), None);
        memory.put("long", &"x".repeat(MOST));
        assert!(memory.get("one").is_some());
        memory.put("two", "2");
        assert_eq!(
            (memory.get("one"), memory.get("two").as_deref()),
            (None, Some("2"))
        );
    }
}
