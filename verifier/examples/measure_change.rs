//! Wall time of comparing two policy sets of growing size that differ in one line, for the first time and for the second,
//! when the solver's answers are known.
//!
//! `cargo run --release -p portcullis-verifier --example measure_change`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people, not part of the product"
)]

mod sets;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ir::model::Model;
use portcullis_verifier::answers::{Answers, Store};
use portcullis_verifier::change::compare;
use portcullis_verifier::options::Options;
use sets::App;

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, String>>);

impl Store for Memory {
    fn get(&self, question: &str) -> Option<String> {
        self.0.lock().unwrap().get(question).cloned()
    }

    fn put(&self, question: &str, answer: &str) {
        let mut kept = self.0.lock().unwrap();
        kept.insert(question.to_owned(), answer.to_owned());
    }
}

fn apps(policies: usize, changed: &str) -> Model {
    let texts = (0..policies).map(|number| {
        let app = App {
            number,
            more_ports: if number == policies / 2 { changed } else { "" },
            block: "cidr",
            within_namespace: true,
        };
        app.text()
    });
    ir::text::parse(&texts.collect::<String>()).unwrap()
}

fn main() {
    for policies in [10, 100, 1000, 4000] {
        let [old, new] = ["", ", 7777/TCP"].map(|changed| apps(policies, changed));
        let options = Options {
            answers: Answers::kept_in(Arc::new(Memory::default())),
            ..Options::default()
        };
        let timed = || {
            let start = Instant::now();
            let comparison = compare(&old, &new, 8, &options).unwrap();
            (comparison, start.elapsed().as_secs_f64())
        };
        let (comparison, first) = timed();
        let (_, second) = timed();
        println!("{policies:>6} policies, one line changed: {first:.3} s, once known {second:.3} s");
        for area in &comparison.opened.areas {
            println!("       opened: {area}");
        }
        assert!(comparison.opened.complete && comparison.closed.is_proved_empty());
    }
}
