//! The lab end to end: compiled programs on real links, real packets, the reference evaluator's word.
#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use ir::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, Workload};
use ir::evaluator::evaluate;
use ir::flow::Flow;
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{CidrBlock, CidrScope, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Directions, Policy, PolicyKind, Rank, Rule, Subject};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::{Attribute, Requirement, Selector};
use runtime_loader::lab::cancel::Cancel;
use runtime_loader::lab::evidence::DropSource;
use runtime_loader::lab::probe::Question;
use runtime_loader::lab::programs::Programs;
use runtime_loader::lab::run_id::RunId;
use runtime_loader::lab::topology::Topology;
use runtime_loader::lab::{self, Enforcer, matrix};
use runtime_loader::netns;
use runtime_loader::node::Preference;

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

fn origin(line: u32) -> Origin {
    Origin {
        line,
        end_line: line,
        ..Origin::synthetic("shop.yaml")
    }
}

fn deployment(namespace: &str, name: &str, app: &str, http: u16, replicated: bool) -> Endpoint {
    Endpoint {
        namespace: namespace.into(),
        name: name.into(),
        workload: Workload {
            kind: "Deployment".into(),
            name: name.into(),
            replicated,
        },
        labels: BTreeMap::from([("app".to_owned(), app.to_owned())]),
        service_account: "default".into(),
        addresses: Vec::new(),
        node: None,
        host_network: false,
        ports: vec![ContainerPort {
            container: "main".into(),
            role: ContainerRole::Main,
            name: Some("http".into()),
            number: http,
            protocol: Protocol::Tcp,
            origin: origin(1),
        }],
        origin: origin(1),
    }
}

fn pods(namespace: &str, app: Option<&str>) -> Selector {
    let own = Requirement::equals(Attribute::Namespace, namespace);
    let app = app.map(|app| Requirement::equals(Attribute::Label("app".into()), app));
    Selector::new([own].into_iter().chain(app))
}

fn peers(matches: PeerMatch) -> Peers {
    Peers::OneOf(vec![Peer {
        matches,
        origin: origin(2),
    }])
}

fn named(name: &str) -> Ports {
    let protocol = ProtocolSet::One(Protocol::Tcp);
    Ports::OneOf(vec![Port {
        matches: PortMatch::Name {
            protocol,
            name: name.into(),
        },
        origin: origin(3),
    }])
}

fn udp(port: u16) -> Ports {
    let protocol = ProtocolSet::One(Protocol::Udp);
    Ports::OneOf(vec![Port {
        matches: PortMatch::Numbers {
            protocol,
            first: port,
            last: port,
        },
        origin: origin(3),
    }])
}

fn policy(
    name: &str,
    subject: Selector,
    directions: Directions,
    rules: Vec<(Direction, Peers, Ports)>,
) -> Policy {
    let rules = (10..).zip(rules).map(|(line, (direction, peers, ports))| Rule {
        direction,
        rank: Rank::NAMESPACED,
        action: Action::Allow,
        peers,
        ports,
        origin: origin(line),
    });
    Policy {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some("shop".into()),
        name: name.into(),
        subject: Subject::Endpoints(subject),
        applies: directions,
        default_deny: directions,
        rules: rules.collect(),
        origin: origin(5),
    }
}

/// Two Deployments behind one selector whose `http` differs, a client that may reach `http`, a third team whose `http`
/// must stay closed, a block of the world with a hole.
fn shop() -> Model {
    let endpoints = [
        deployment("shop", "web-old", "web", 8080, false),
        deployment("shop", "web-new", "web", 80, true),
        deployment("shop", "client", "client", 9000, false),
        deployment("other", "third", "web", 8443, false),
    ];
    let both = Directions {
        ingress: true,
        egress: true,
    };
    let block = CidrBlock {
        cidr: "198.51.100.0/24".parse().unwrap(),
        except: vec!["198.51.100.128/25".parse().unwrap()],
        scope: CidrScope::Everything,
    };
    let policies = [
        policy("default-deny", pods("shop", None), both, Vec::new()),
        policy(
            "client",
            pods("shop", Some("client")),
            Directions {
                ingress: false,
                egress: true,
            },
            vec![
                (
                    Direction::Egress,
                    peers(PeerMatch::Endpoints(pods("shop", Some("web")))),
                    named("http"),
                ),
                (Direction::Egress, peers(PeerMatch::Cidr(block.clone())), udp(53)),
            ],
        ),
        policy(
            "web",
            pods("shop", Some("web")),
            Directions {
                ingress: true,
                egress: false,
            },
            vec![
                (
                    Direction::Ingress,
                    peers(PeerMatch::Endpoints(pods("shop", Some("client")))),
                    named("http"),
                ),
                (Direction::Ingress, peers(PeerMatch::Cidr(block)), Ports::Any),
            ],
        ),
    ];
    Model::new(Cluster::new([], endpoints, []), policies)
}

fn run(enforced: &Model, predicted: &Model, enforcer: &mut dyn Enforcer) -> lab::Report {
    let predict = |placed: &Model, flow: &Flow| {
        let other = Model::new(placed.cluster.clone(), predicted.policies().to_vec());
        evaluate(&other, flow)
    };
    lab::run(
        enforced,
        &predict,
        enforcer,
        Duration::from_secs(15),
        &Cancel::new().unwrap(),
    )
    .unwrap()
}

fn assert_nothing_left() {
    let own = RunId::of_this_process().unwrap();
    let names: Vec<_> = netns::names()
        .unwrap()
        .into_iter()
        .filter(|name| RunId::parse(name) == Some(own))
        .collect();
    assert_eq!(names, Vec::<String>::new());
    assert!(
        !own.pin_directory().exists(),
        "{} is still there",
        own.pin_directory().display()
    );
}

#[test]
fn packets_do_what_the_policies_say() {
    if !root("packets_do_what_the_policies_say") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let model = shop();
    let begin = std::time::Instant::now();
    let report = run(&model, &model, &mut Programs::new(&(), Preference::Best));
    let text = matrix::render(&report);
    eprintln!("{text}{:?}", begin.elapsed());
    assert_eq!(report.mismatches().count(), 0, "{text}");
    let count = |question, allowed| {
        let asked = report.probes.iter().filter(|probe| probe.question == question);
        asked.filter(|probe| probe.predicted.allowed() == allowed).count()
    };
    for question in [Question::Open, Question::UnsolicitedReply] {
        assert!(
            count(question, true) > 0 && count(question, false) > 0,
            "both verdicts are asked for"
        );
    }
    assert_nothing_left();
}

#[test]
fn a_compiler_that_opens_too_much_is_caught() {
    if !root("a_compiler_that_opens_too_much_is_caught") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // What is enforced does not deny by default, what is predicted does.
    let model = shop();
    let lax = model.policies().iter().cloned().map(|policy| Policy {
        default_deny: Directions::default(),
        ..policy
    });
    let lax = Model::new(model.cluster.clone(), lax);
    let report = run(&lax, &model, &mut Programs::new(&(), Preference::Best));
    assert!(report.mismatches().count() > 0);
    let text = matrix::render(&report);
    assert!(text.contains("predicted: denied"), "{text}");
    assert!(
        text.contains("denied by default by default-deny (shop.yaml:5:1)"),
        "{text}"
    );
    assert!(text.contains("observed: answered"), "{text}");
    assert_nothing_left();
}

/// Programs, and then a failure or a panic while they are attached.
struct Failing<'a> {
    programs: Programs<'a>,
    panics: bool,
}

impl Enforcer for Failing<'_> {
    fn attach(
        &mut self,
        run: RunId,
        model: &Model,
        topology: &Topology,
    ) -> Result<Vec<Box<dyn DropSource>>, String> {
        self.programs.attach(run, model, topology)?;
        assert!(run.pin_directory().exists(), "the programs are pinned by now");
        assert!(!self.panics, "on purpose");
        Err("on purpose".into())
    }

    fn detach(&mut self) -> Result<(), String> {
        self.programs.detach()
    }
}

#[test]
fn programs_and_pins_go_with_a_run_that_fails_or_panics() {
    if !root("programs_and_pins_go_with_a_run_that_fails_or_panics") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for panics in [false, true] {
        let mut failing = Failing {
            programs: Programs::new(&(), Preference::Best),
            panics,
        };
        let model = shop();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let predict = |model: &Model, flow: &Flow| evaluate(model, flow);
            let cancel = Cancel::new().unwrap();
            lab::run(&model, &predict, &mut failing, Duration::from_secs(15), &cancel).map(drop)
        }));
        match outcome {
            Ok(result) => assert!(!panics && result.unwrap_err().to_string().ends_with("on purpose")),
            Err(_) => assert!(panics),
        }
        assert_nothing_left();
    }
}
