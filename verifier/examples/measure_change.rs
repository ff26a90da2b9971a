//! Wall time of comparing two policy sets of growing size that differ in one line, for the first time and for the second,
//! when the solver's answers are known.
//!
//! `cargo run --release -p portcullis-verifier --example measure_change`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people, not part of the product"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ir::model::Model;
use portcullis_verifier::answers::{Answers, Store};
use portcullis_verifier::change::compare;
use portcullis_verifier::options::Options;

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

/// As repositories look: many namespaces, each policy about its own application.
fn apps(policies: usize, changed: &str) -> Model {
    let mut text = String::new();
    for number in 0..policies {
        let (ns, app) = (number / 8, number % 8);
        let first = if number == policies / 2 { changed } else { "" };
        write!(
            text,
            "
policy NetworkPolicy ns{ns}/app{app} on pods [ns=ns{ns}, app=app{app}] denies both {{
  allow ingress from pods [ns=ns{ns}, app in (app{}, app{})] ports http/TCP, 9090/TCP{first}
  allow ingress from pods [ns:team=t{}] ports {}/TCP
  allow egress to cidr 10.{}.0.0/16 except 10.{}.1.0/24 ports 443/TCP
  allow egress to pods [ns=ns{ns}]
}}",
            (app + 1) % 8,
            (app + 2) % 8,
            number % 5,
            8000 + number % 50,
            number % 250,
            number % 250,
        )
        .unwrap();
    }
    ir::text::parse(&text).unwrap()
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
