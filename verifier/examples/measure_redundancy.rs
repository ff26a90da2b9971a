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

use std::fmt::Write as _;
use std::time::Instant;

use ir::model::Model;
use portcullis_verifier::conflicts;
use portcullis_verifier::options::Options;

fn apps(rules: usize) -> String {
    let mut text = String::new();
    for number in 0..rules.div_ceil(3) {
        let (ns, app) = (number / 8, number % 8);
        write!(
            text,
            "
policy NetworkPolicy ns{ns}/app{app} on pods [ns=ns{ns}, app=app{app}] denies both {{
  allow ingress from pods [ns=ns{ns}, app in (app{}, app{})] ports http/TCP, 9090/TCP
  allow ingress from pods [ns:team=t{}] ports {}/TCP
  allow egress to cidr 10.{}.0.0/16 except 10.{}.1.0/24 ports 443/TCP
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
    text
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
