//! Wall and processor time of saying what each policy of a set adds, for sets of growing size.
//!
//! `cargo run --release -p portcullis-verifier --example measure_impact [LARGEST SET]`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people, not part of the product"
)]

mod sets;

use std::fmt::Write as _;
use std::time::Instant;

use ir::model::Model;
use portcullis_verifier::impact::impacts;
use portcullis_verifier::options::Options;
use sets::App;

/// As repositories look: many namespaces, each with its default deny, and policies about one application each.
fn apps(policies: usize, pods: bool, everywhere: bool) -> Model {
    let mut text = String::new();
    if everywhere {
        text.push_str("policy CiliumClusterwideNetworkPolicy all on pods [] denies both {\n}\n");
    }
    for number in 0..policies {
        let (ns, app) = (number / 8, number % 8);
        if pods {
            writeln!(
                text,
                "endpoint ns{ns}/app{app} of Deployment/app{app} labels app=app{app} ports http {}/TCP",
                8000 + app
            )
            .unwrap();
        }
        if app == 7 {
            writeln!(
                text,
                "policy NetworkPolicy ns{ns}/closed on pods [ns=ns{ns}] denies both {{
}}"
            )
            .unwrap();
            continue;
        }
        let app = App {
            number,
            more_ports: "",
            block: "outside",
            within_namespace: true,
        };
        text += &app.text();
    }
    ir::text::parse(&text).unwrap()
}

/// Seconds that this process has spent on processors, as Linux counts them: in hundredths.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, behind_name) = stat.rsplit_once(") ").unwrap();
    let spent = behind_name.split(' ').skip(11).take(2);
    spent.map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn main() {
    let most: usize = std::env::args()
        .nth(1)
        .map_or(10_000, |argument| argument.parse().unwrap());
    for (what, pods, everywhere) in [
        ("policies alone", false, false),
        ("with pods", true, false),
        ("with pods, under one default deny for all", true, true),
    ] {
        for policies in [100, 1_000, 10_000].into_iter().filter(|size| *size <= most) {
            let model = apps(policies, pods, everywhere);
            let all: Vec<_> = model.policy_ids().map(|(id, _)| id).collect();
            let (start, before) = (Instant::now(), processor_time());
            let impacts = impacts(&model, &all, 32, &Options::default()).unwrap();
            let (seconds, busy) = (start.elapsed().as_secs_f64(), processor_time() - before);
            let (areas, idle) = impacts.iter().fold((0, 0), |(areas, idle), impact| {
                let told = impact.opens.areas.len() + impact.closes.areas.len();
                (areas + told, idle + usize::from(impact.is_proved_idle()))
            });
            println!(
                "{what}: {policies:>6} policies: {seconds:.3} s ({busy:.2} s of processor time), {areas} sets of flows, {idle} policies without effect"
            );
        }
    }
}
