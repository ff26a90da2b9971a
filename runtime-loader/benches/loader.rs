//! What loading, attaching and replacing cost, with the programs of compiled manifests. Needs root.
//!
//! Medians, one program at a time, as an update of one endpoint and direction does it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a benchmark stops at the first thing that fails, and prints"
)]
#![expect(dead_code, reason = "the tests' support has more than is used here")]

#[path = "../tests/kernel/support.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use aya::programs::SchedClassifier;
use codegen_ebpf::compile;
use compiler::limits::Limits;
use compiler::{load, lower};
use ir::cluster::EndpointId;
use ir::identity::Identities;
use ir::policy::Direction;
use ir::table::VerdictTable;
use runtime_loader::attach::{Clsact, Hook, Mechanism, TcxLink};
use runtime_loader::load::Loader;
use runtime_loader::node::{Node, Others, Preference, Wanted};
use runtime_loader::object::PolicyObject;
use runtime_loader::pins::DEFAULT_ROOT;
use support::{Wire, sandbox};

const RUNS: usize = 201;

fn main() {
    sandbox("loader benchmark", || {
        println!("medians of {RUNS} runs");
        let small = ingress_program(&manifests(1));
        let large = ingress_program(&manifests(2000));
        for (name, bytes) in [("1 rule", &small), ("2,000 CIDR rules", &large)] {
            let kernel = loading(bytes);
            println!("{name}: object of {} bytes", bytes.len());
            println!(
                "  parse            {:>10.1?}",
                median(|| drop(PolicyObject::parse(bytes).unwrap()))
            );
            println!("  load and verify  {kernel:>10.1?}");
        }
        for mechanism in [Mechanism::Tcx, Mechanism::Clsact] {
            println!("{}", mechanism.name());
            changing(mechanism, &small);
        }
        swapping(&small);
    });
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

fn loading(bytes: &[u8]) -> Duration {
    let mut loader = Loader::new();
    let object = PolicyObject::parse(bytes).unwrap();
    median(|| drop(loader.load(&object, None).unwrap()))
}

/// The whole of a change: load, verify, pin, put in force, forget the old.
fn changing(mechanism: Mechanism, elf: &[u8]) {
    let wire = Wire::new("bench");
    let wanted = |license: &[u8; 8]| {
        // Another licence text makes another object, and so another generation, of the same program.
        let mut elf = elf.to_vec();
        let place = elf.windows(8).position(|window| window == b"Dual MIT").unwrap();
        elf[place..place + 8].copy_from_slice(license);
        [Wanted {
            endpoint: wire.endpoint.clone(),
            device: wire.device.clone(),
            direction: Direction::Ingress,
            object: PolicyObject::parse(&elf).unwrap(),
        }]
    };
    let objects = [wanted(b"Dual MIT"), wanted(b"Dual BSD")];
    let open = || Node::open(Path::new(DEFAULT_ROOT), Preference::Only(mechanism)).unwrap();
    let mut node = open();
    node.apply(&objects[0], Others::Keep).unwrap();
    let mut turn = 0;
    let replace = median(|| {
        turn += 1;
        let applied = node.apply(&objects[turn % 2], Others::Keep).unwrap();
        assert_eq!(applied.replaced, 1);
    });
    let mut none = || assert_eq!(node.apply(&objects[turn % 2], Others::Keep).unwrap().unchanged, 1);
    println!("  apply, replacing {replace:>10.1?}");
    println!("  apply, unchanged {:>10.1?}", median(&mut none));
    node.unload().unwrap();
}

/// The one step that makes a program the one in force.
fn swapping(elf: &[u8]) {
    let wire = Wire::new("swap");
    let hook = Hook::find(&wire.device, Direction::Ingress).unwrap();
    let mut loader = Loader::new();
    let object = PolicyObject::parse(elf).unwrap();
    let mut programs = [
        loader.load(&object, None).unwrap(),
        loader.load(&object, None).unwrap(),
    ];
    let pin = Path::new("/sys/fs/bpf/bench-link");
    let attach = median(|| {
        TcxLink::create(programs[0].classifier_mut().unwrap(), &hook, pin).unwrap();
        TcxLink::open(pin).unwrap().unwrap().detach().unwrap();
    });
    println!("tcx: attach, pin, detach, unpin {attach:.1?}");
    TcxLink::create(programs[0].classifier_mut().unwrap(), &hook, pin).unwrap();
    let mut turn = 0;
    let swap = |program: &mut SchedClassifier| TcxLink::open(pin).unwrap().unwrap().replace(program, &hook);
    let replace = median(|| {
        turn += 1;
        swap(programs[turn % 2].classifier_mut().unwrap()).unwrap();
    });
    println!("tcx: open the pinned link, replace its program {replace:.1?}");
    TcxLink::open(pin).unwrap().unwrap().detach().unwrap();
    let mut clsact = Clsact::open().unwrap();
    clsact.ensure_qdisc(&hook).unwrap();
    let replace = median(|| {
        turn += 1;
        clsact
            .set(programs[turn % 2].classifier().unwrap(), "bench", &hook)
            .unwrap();
    });
    println!("clsact: replace the filter {replace:.1?}");
}

fn manifests(rules: u32) -> String {
    let mut text = String::from(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: bench, namespace: test, labels: {app: bench}}\n\
         spec: {containers: [{name: c, image: i}]}\nstatus: {podIPs: [{ip: 10.9.7.2}]}\n---\n\
         apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: bench, namespace: test}\n\
         spec:\n  podSelector: {}\n  ingress:\n",
    );
    for rule in 0..rules {
        let (high, low) = (rule / 250 + 1, rule % 250);
        let port = 1024 + rule % 64;
        text += &format!(
            "  - from: [{{ipBlock: {{cidr: 172.{high}.{low}.0/24}}}}]\n    ports: [{{port: {port}, protocol: TCP}}]\n"
        );
    }
    text
}

fn ingress_program(manifests: &str) -> Vec<u8> {
    let input = load::load_bytes([("bench.yaml", manifests.as_bytes())], &Limits::default());
    let lowered = lower::lower(&input, &lower::Options::default());
    assert!(
        input.findings.is_empty() && lowered.findings.is_empty(),
        "{:?}",
        lowered.findings
    );
    let (model, endpoint) = (&lowered.model, EndpointId(0));
    let identities = Identities::of(model);
    let table = |direction| VerdictTable::build(model, &identities, endpoint, direction);
    let [to_pod, _] = compile::endpoint(&compile::Input {
        model,
        endpoint,
        ingress: &table(Direction::Ingress),
        egress: &table(Direction::Egress),
        addresses: identities.addresses(),
        text: &(),
    })
    .unwrap();
    to_pod.object.bytes
}
