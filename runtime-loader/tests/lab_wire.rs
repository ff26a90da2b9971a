//! The lab's cluster and its packets by themselves: without programs everything must get through, and what is
//! predicted otherwise must be reported.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ir::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, Workload};
use ir::evaluator::evaluate;
use ir::flow::{Because, Flow, Judgement};
use ir::model::Model;
use ir::origin::Origin;
use ir::port::Protocol;
use runtime_loader::lab::cancel::Cancel;
use runtime_loader::lab::evidence::DropSource;
use runtime_loader::lab::run_id::RunId;
use runtime_loader::lab::topology::Topology;
use runtime_loader::lab::{self, Enforcer, LabError, matrix};
use runtime_loader::netns;

/// One lab at a time in this process: its namespaces are named after the process.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// True when this test can do its work; otherwise says so loudly.
fn root(test: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    assert!(
        std::env::var_os("PORTCULLIS_REQUIRE_KERNEL").is_none(),
        "{test} needs root"
    );
    eprintln!("SKIPPED (needs root): {test}");
    false
}

/// No programs. Fails or panics where it is told to.
#[derive(Default)]
struct Nothing {
    panics: bool,
    fails: bool,
    detached: u32,
}

impl Enforcer for Nothing {
    fn attach(&mut self, run: RunId, _: &Model, _: &Topology) -> Result<Vec<Box<dyn DropSource>>, String> {
        let made = netns::names().unwrap();
        assert!(
            made.iter().any(|name| RunId::parse(name) == Some(run)),
            "the cluster is there by now"
        );
        assert!(!self.panics, "on purpose");
        if self.fails {
            Err("on purpose".to_owned())
        } else {
            Ok(Vec::new())
        }
    }

    fn detach(&mut self) -> Result<(), String> {
        self.detached += 1;
        Ok(())
    }
}

fn workload(kind: &str, name: &str, port: u16) -> Endpoint {
    Endpoint {
        namespace: "shop".into(),
        name: name.into(),
        workload: Workload {
            kind: kind.into(),
            name: name.into(),
            replicated: kind != "Pod",
        },
        labels: BTreeMap::new(),
        service_account: "default".into(),
        addresses: Vec::new(),
        node: None,
        host_network: false,
        ports: vec![ContainerPort {
            container: "main".into(),
            role: ContainerRole::Main,
            name: Some("http".into()),
            number: port,
            protocol: Protocol::Tcp,
            origin: Origin::synthetic("test"),
        }],
        origin: Origin::synthetic("test"),
    }
}

fn model() -> Model {
    let endpoints = [workload("Deployment", "web", 8080), workload("Pod", "cart", 80)];
    Model::new(Cluster::new([], endpoints, []), [])
}

fn run(
    predict: &dyn Fn(&Model, &Flow) -> Judgement,
    enforcer: &mut Nothing,
) -> Result<lab::Report, LabError> {
    lab::run(
        &model(),
        predict,
        enforcer,
        Duration::from_secs(15),
        &Cancel::new().unwrap(),
    )
}

/// What of this process's runs is still there.
fn left_behind() -> Vec<String> {
    let own = RunId::of_this_process().unwrap();
    netns::names()
        .unwrap()
        .into_iter()
        .filter(|name| RunId::parse(name) == Some(own))
        .collect()
}

fn links() -> BTreeSet<String> {
    let mut netlink = runtime_loader::netlink::Netlink::open().unwrap();
    netlink
        .links()
        .unwrap()
        .into_iter()
        .map(|link| link.name)
        .collect()
}

#[test]
fn without_programs_every_flow_gets_through() {
    if !root("without_programs_every_flow_gets_through") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = links();
    let mut nothing = Nothing::default();
    let report = run(&|model, flow| evaluate(model, flow), &mut nothing).unwrap();
    let text = matrix::render(&report);
    eprintln!("{text}");
    assert_eq!(report.mismatches().count(), 0, "{text}");
    // Three pods, two nodes, two outside addresses (one of each family), one port, TCP and UDP.
    // Ordered pairs of pods: 6; pods and nodes: 12; both families. Pods and outside: 6 and 6 of one family.
    let pairs = (6 + 12) * 2 + 12;
    // Two openings and two unsolicited answers each.
    assert_eq!(report.probes.len(), pairs * 4);
    assert_eq!(nothing.detached, 1);
    assert_eq!(left_behind(), Vec::<String>::new());
    assert_eq!(links(), before);
}

#[test]
fn a_wrong_prediction_is_reported_with_the_packet_and_the_evidence() {
    if !root("a_wrong_prediction_is_reported_with_the_packet_and_the_evidence") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let report = run(
        &|model, flow| {
            let mut judgement = evaluate(model, flow);
            if flow.protocol == Protocol::Tcp && flow.port < 10_000 {
                judgement.ingress.allowed = false;
                judgement.ingress.because = Because::DefaultDeny(Vec::new());
            }
            judgement
        },
        &mut Nothing::default(),
    )
    .unwrap();
    let wrong: Vec<_> = report.mismatches().collect();
    assert_eq!(
        wrong.len(),
        report.probes.len() / 3,
        "all of TCP and nothing else"
    );
    assert!(
        wrong
            .iter()
            .all(|(probe, seen)| probe.protocol == Protocol::Tcp && seen.answered)
    );
    let text = matrix::render(&report);
    assert!(
        text.contains("MISMATCH shop/web-0 → shop/cart: TCP 10.244."),
        "{text}"
    );
    assert!(
        text.contains("predicted: denied") && text.contains("observed: answered"),
        "{text}"
    );
    assert!(
        text.trim_end().ends_with(&format!("{} NOT", wrong.len())),
        "{text}"
    );
}

#[test]
fn a_failure_leaves_nothing_behind() {
    if !root("a_failure_leaves_nothing_behind") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut failing = Nothing {
        fails: true,
        ..Nothing::default()
    };
    let error = run(&|model, flow| evaluate(model, flow), &mut failing).unwrap_err();
    assert_eq!(error.to_string(), "cannot enforce the policies: on purpose");
    assert_eq!((failing.detached, left_behind()), (1, vec![]));
}

#[test]
fn a_panic_leaves_nothing_behind() {
    if !root("a_panic_leaves_nothing_behind") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut panicking = Nothing {
        panics: true,
        ..Nothing::default()
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&|model, flow| evaluate(model, flow), &mut panicking).map(|_| ())
    }));
    assert!(outcome.is_err());
    assert_eq!((panicking.detached, left_behind()), (1, vec![]));
}

#[test]
fn a_wish_to_stop_ends_the_run_and_leaves_nothing_behind() {
    if !root("a_wish_to_stop_ends_the_run_and_leaves_nothing_behind") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let cancel = Cancel::new().unwrap();
    cancel.request(nix::sys::signal::Signal::SIGTERM);
    let predict = |model: &Model, flow: &Flow| evaluate(model, flow);
    let outcome = lab::run(
        &model(),
        &predict,
        &mut Nothing::default(),
        Duration::from_secs(15),
        &cancel,
    );
    assert!(outcome.is_err_and(|error| error.is_interruption()));
    assert_eq!(left_behind(), Vec::<String>::new());
}
