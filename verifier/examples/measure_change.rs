//! Wall time of comparing two policy sets of growing size that differ in one line, and in a line of every policy.
//!
//! `cargo run --release -p portcullis-verifier --example measure_change`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people, not part of the product"
)]

mod sets;

use std::time::Instant;

use ir::model::Model;
use portcullis_verifier::change::compare;
use portcullis_verifier::options::Options;
use sets::App;

/// `policies` policies, of which those that `is_changed` says open one port more.
fn apps(policies: usize, is_changed: impl Fn(usize) -> bool) -> Model {
    let texts = (0..policies).map(|number| {
        let app = App {
            number,
            more_ports: if is_changed(number) { ", 7777/TCP" } else { "" },
            block: "cidr",
            within_namespace: true,
        };
        app.text()
    });
    ir::text::parse(&texts.collect::<String>()).unwrap()
}

fn main() {
    for policies in [10, 100, 1000, 10_000] {
        let old = apps(policies, |_| false);
        for (what, new) in [
            ("one line", apps(policies, |number| number == policies / 2)),
            ("all of them", apps(policies, |_| true)),
        ] {
            let start = Instant::now();
            let comparison = compare(&old, &new, 8, &Options::default()).unwrap();
            let time = start.elapsed().as_secs_f64();
            println!("{policies:>6} policies, {what} changed: {time:.3} s");
            for area in comparison.opened.areas.iter().take(1) {
                println!("       opened: {area}");
            }
            assert!(comparison.closed.is_proved_empty());
        }
    }
}
