//! The lab end to end: compiled programs on real links, real packets, the reference evaluator's word.
#![cfg(test)]

use std::time::Duration;

use ir::evaluator::evaluate;
use ir::flow::Flow;
use ir::model::Model;
use runtime_loader::attach::Mechanism;
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

/// Two Deployments behind one selector whose `http` differs, a client that may reach `http`, a third team whose `http`
/// must stay closed, a block of the world with a hole. The first policy's default deny can be taken away.
const SHOP: &str = "
endpoint shop/web-old of Deployment/web-old single labels app=web ports http 8080/TCP
endpoint shop/web-new of Deployment/web-new labels app=web ports http 80/TCP
endpoint shop/client of Deployment/client single labels app=client ports http 9000/TCP
endpoint other/third of Deployment/third single labels app=web ports http 8443/TCP
policy NetworkPolicy shop/default-deny on pods [ns=shop] denies both @ shop.yaml:5:1 {
}
policy NetworkPolicy shop/client on pods [ns=shop, app=client] applies egress @ shop.yaml:20:1 {
  allow egress to pods [ns=shop, app=web] ports http/TCP @ shop.yaml:25:5
  allow egress to cidr 198.51.100.0/24 except 198.51.100.128/25 ports 53/UDP @ shop.yaml:29:5
}
policy NetworkPolicy shop/web on pods [ns=shop, app=web] applies ingress @ shop.yaml:40:1 {
  allow ingress from pods [ns=shop, app=client] ports http/TCP @ shop.yaml:45:5
  allow ingress from cidr 198.51.100.0/24 except 198.51.100.128/25 @ shop.yaml:49:5
}
";

fn shop() -> Model {
    ir::text::parse(SHOP).unwrap()
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
    for mechanism in [Mechanism::Tcx, Mechanism::Clsact] {
        let mut programs = Programs::new(&(), Preference::Only(mechanism));
        let report = run(&model, &model, &mut programs);
        let text = matrix::render(&report);
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
        let row = |from: &str| {
            text.lines()
                .find(|line| line.contains(&format!("] {from}")))
                .unwrap()
        };
        assert!(
            row("shop/client-0").contains("80/TCP  80/TCP  8080/TCP"),
            "{text}"
        );
        assert!(row("198.51.100.0").contains("all"), "{text}");
        assert!(!row("198.51.100.128").contains("all     all"), "{text}");
        assert_nothing_left();
    }
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
    let lax = ir::text::parse(&SHOP.replace("denies both", "applies both")).unwrap();
    let report = run(&lax, &shop(), &mut Programs::new(&(), Preference::Best));
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

#[test]
fn a_compiler_that_closes_too_much_is_caught() {
    if !root("a_compiler_that_closes_too_much_is_caught") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // One number for the name, as if it meant the same on every pod: the defect that this project is about.
    let strict =
        ir::text::parse(&SHOP.replace("ports http/TCP @ shop.yaml:45", "ports 80/TCP @ shop.yaml:45"))
            .unwrap();
    let report = run(&strict, &shop(), &mut Programs::new(&(), Preference::Best));
    let wrong: Vec<_> = report.mismatches().map(|(probe, _)| probe.to.port()).collect();
    // 8080 on the old Deployment's pod, over IPv4 and IPv6; nothing else changes.
    assert_eq!(wrong, [8080, 8080]);
    let text = matrix::render(&report);
    assert!(text.contains("allowed, by the rule at shop.yaml:45:5"), "{text}");
    assert!(
        text.contains("observed: packet dropped by the ingress program of shop/web-old-0 (policy)"),
        "{text}"
    );
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

/// Generated policies, each in a lab of its own: few, because each takes a second; the same ones every time.
#[test]
fn generated_policies_mean_on_the_wire_what_they_say() {
    use proptest::strategy::{Strategy, ValueTree};
    if !root("generated_policies_mean_on_the_wire_what_they_say") {
        return;
    }
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let models = std::env::var("PORTCULLIS_LAB_MODELS").map_or(3, |number| number.parse().unwrap());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = ir::testing::models(ir::testing::Profile::network_policy());
    let (mut run_through, mut flows) = (0, 0);
    while run_through < models {
        let model = strategy.new_tree(&mut runner).unwrap().current();
        let predict = |model: &Model, flow: &Flow| evaluate(model, flow);
        let mut programs = Programs::new(&(), Preference::Best);
        let cancel = Cancel::new().unwrap();
        let report = match lab::run(&model, &predict, &mut programs, Duration::from_secs(15), &cancel) {
            Ok(report) => report,
            // A generated cluster need not be one that a machine can lay out.
            Err(lab::LabError::Place(_)) => continue,
            Err(error) => panic!("{error}\n{}", ir::text::print(&model)),
        };
        let wrong = report.mismatches().count();
        assert_eq!(
            wrong,
            0,
            "{}\n{}",
            ir::text::print(&report.model),
            matrix::render(&report)
        );
        run_through += 1;
        flows += report.probes.len();
    }
    eprintln!("{flows} flows in {models} generated clusters");
    assert_nothing_left();
}
