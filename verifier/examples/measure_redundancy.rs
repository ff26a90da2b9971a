//! Time of all conflict checks over generated policy sets of growing size, with the exponent of growth.
//!
//! `cargo run --release -p portcullis-verifier --example measure_redundancy`
//!
//! Three shapes: `apps`, as repositories look (many namespaces, each policy about its own application); `namespace`
//! and `cluster`, as bad as it gets (every policy of one namespace, or of the cluster, selects the same pods, so
//! every rule may meet every other).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people, not part of the product"
)]

mod sets;

use std::fmt::Write as _;
use std::time::Instant;

use ir::model::Model;
use portcullis_verifier::conflicts;
use portcullis_verifier::options::Options;
use sets::App;

fn apps(rules: usize) -> String {
    let policies = (0..rules.div_ceil(3)).map(|number| {
        let app = App {
            number,
            more_ports: "",
            block: "cidr",
            within_namespace: false,
        };
        app.text()
    });
    policies.collect()
}

fn one_subject(rules: usize, subject: &str) -> String {
    let mut text = String::new();
    for number in 0..rules {
        write!(
            text,
            "
policy NetworkPolicy shop/p{number} on pods [{subject}] denies ingress {{
  allow ingress from pods [ns=shop, app in (a{}, b{number})], cidr 10.{}.0.0/16 ports {}-{}/TCP, http/TCP
}}",
            number % 10,
            number % 200,
            8000 + number % 7,
            8020 + number,
        )
        .unwrap();
    }
    text
}

fn measure(name: &str, sizes: &[usize], text: impl Fn(usize) -> String) {
    let mut previous: Option<(usize, f64)> = None;
    for rules in sizes {
        let model: Model = ir::text::parse(&text(*rules)).unwrap();
        let start = Instant::now();
        let report = conflicts(&model, &Options::default()).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let exponent = previous.map_or(String::new(), |(before, time)| {
            let growth = (seconds / time).ln() / (*rules as f64 / before as f64).ln();
            format!(", exponent {growth:.2}")
        });
        println!(
            "{name:>10} {rules:>6} rules: {seconds:>8.3} s, {} redundant, {} undecided{exponent}",
            report.redundant.len(),
            report.undecided.len()
        );
        previous = Some((*rules, seconds));
    }
}

fn main() {
    measure("apps", &[300, 3_000, 30_000], apps);
    measure("namespace", &[25, 100, 200], |rules| {
        one_subject(rules, "ns=shop")
    });
    measure("cluster", &[25, 100, 200], |rules| one_subject(rules, ""));
}
