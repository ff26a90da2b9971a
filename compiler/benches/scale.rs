//! How long each stage takes on made-up clusters of several sizes, and how the time grows.
//!
//! `cargo bench -p portcullis-compiler --bench scale`, or `./dev bench`. Medians of a few runs on as many threads as
//! there are cores; the exponent is the slope between the smallest and the largest size on logarithmic scales: 1 is
//! linear. `SIZES=1000,10000` measures other clusters, in pods.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first thing that fails, and prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use ir::identity::Identities;
use ir::table::Subjects;
use portcullis_compiler::check::{Options, check, understand_input};
use portcullis_compiler::connectivity::exposure::exposures;
use portcullis_compiler::connectivity::{Connectivity, connections, human};
use portcullis_compiler::limits::Limits;
use portcullis_compiler::query::{Query, Services, query};
use portcullis_compiler::resolve::Resolved;
use portcullis_compiler::synthetic::{Manifest, Shape, manifests};
use portcullis_compiler::{lints, load, lower};

const RUNS: usize = 3;

/// As the command has it.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    println!("a repository: as many workloads as policies, no pods");
    let mut table = Table::default();
    for size in [100, 1000, 10_000] {
        repository(size, &mut table);
    }
    table.print();

    println!("\na cluster: a workload for 20 pods, a policy for 10, pods on nodes");
    let mut table = Table::default();
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "10000,30000,100000".to_owned());
    for size in sizes.split(',') {
        cluster(size.parse().unwrap(), &mut table);
    }
    table.print();
    if let Some(peak) = peak_memory() {
        println!("most memory held at once, in all of the above: {peak} MB");
    }
}

/// Everything that `portcullis connectivity` does, from text to text.
fn repository(size: usize, table: &mut Table) {
    let files = manifests(&Shape::repository(size));
    table.size(size, &files);
    table.time("text to connections", || {
        let input = read(&files);
        let understood = understand_input(input, &Options::default());
        let connections = connections(&Resolved::of(&understood.model));
        let mut out = Vec::new();
        human::write(&mut out, &connections).unwrap();
        out
    });
    let understood = understand_input(read(&files), &Options::default());
    table.time("check without a solver, once read", || {
        check(&understood, None).unwrap()
    });
    table.time("of that, connectivity", || {
        connections(&Resolved::of(&understood.model))
    });
    table.time("what unknown pods and the outside reach", || {
        let resolved = Resolved::of(&understood.model);
        exposures(&resolved, &Connectivity::of(&resolved))
    });
    // From the last pod to the first.
    let [first, .., last] = understood.model.cluster.endpoints() else {
        return;
    };
    let question = Query {
        from: last.to_string().parse().unwrap(),
        to: first.to_string().parse().unwrap(),
        port: Some("8080/TCP".parse().unwrap()),
    };
    let services = Services::of(&understood.input);
    table.time("one question", || {
        query(&understood.model, &services, &question).unwrap()
    });
}

/// What a node's agent does, from text to the tables of its own pods, and the checks of the whole.
fn cluster(pods: usize, table: &mut Table) {
    let files = manifests(&Shape::cluster(pods));
    table.size(pods, &files);
    table.time("read", || read(&files));
    let input = read(&files);
    table.time("lower", || lower::lower(&input, &lower::Options::default()));
    let model = lower::lower(&input, &lower::Options::default()).model;
    drop(input);
    table.time("identities", || Identities::of(&model));
    let identities = Identities::of(&model);
    table.time("index of policies", || Subjects::new(&model, &identities));
    let on_node = |endpoint: &ir::cluster::Endpoint| endpoint.node.as_deref() == Some("node-0");
    table.time("identities and the tables of one node's pods", || {
        Resolved::of_endpoints(&model, on_node)
    });
    table.time("checks without a solver", || lints::findings(&model, &[], &[]));
}

fn read(files: &[Manifest]) -> load::Input {
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes()));
    load::load_bytes(texts, &Limits::default())
}

/// Times by stage and size.
#[derive(Default)]
struct Table {
    sizes: Vec<usize>,
    megabytes: Vec<f64>,
    rows: Vec<(&'static str, Vec<Duration>)>,
}

impl Table {
    #[expect(clippy::cast_precision_loss, reason = "megabytes to two places")]
    fn size(&mut self, size: usize, files: &[Manifest]) {
        let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
        self.sizes.push(size);
        self.megabytes.push(bytes as f64 / 1e6);
    }

    /// The median of some runs; giving back what was made is not measured.
    fn time<T>(&mut self, stage: &'static str, mut work: impl FnMut() -> T) {
        let mut times: Vec<_> = (0..RUNS)
            .map(|_| {
                let begin = Instant::now();
                let made = black_box(work());
                let time = begin.elapsed();
                drop(made);
                time
            })
            .collect();
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        match self.rows.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, times)) => times.push(median),
            None => self.rows.push((stage, vec![median])),
        }
    }

    fn print(&self) {
        print!("{:46}", "");
        self.sizes.iter().for_each(|size| print!("{size:>12}"));
        println!("{:>10}", "exponent");
        print!("{:46}", "megabytes of text");
        self.megabytes.iter().for_each(|size| print!("{size:>12.1}"));
        println!();
        for (stage, times) in &self.rows {
            print!("{stage:46}");
            times.iter().for_each(|time| print!("{:>12.1?}", time));
            println!("{:>10.2}", self.exponent(times));
            if *stage == "read" {
                print!("{:46}", "  megabytes a second");
                for (time, size) in times.iter().zip(&self.megabytes) {
                    print!("{:>12.1}", size / time.as_secs_f64());
                }
                println!();
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    fn exponent(&self, times: &[Duration]) -> f64 {
        match (self.sizes.first(), self.sizes.last(), times.first(), times.last()) {
            (Some(small), Some(large), Some(short), Some(long)) => {
                (long.as_secs_f64() / short.as_secs_f64()).ln() / (*large as f64 / *small as f64).ln()
            }
            _ => f64::NAN,
        }
    }
}

/// In megabytes, where the system says it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1000)
}
