//! Checks where the algebra needs its patience, and where it gives up: the solver finds what is there then, and proves
//! what is not.

use std::fmt::Write as _;

use ir::model::Model;
use ir::policy::PolicyId;

use super::{default_deny_disagreement, exception_reopened, half_open_path};
use crate::options::Options;
use crate::oracle::Oracle;

/// A hundred steps of the algebra's, ten thousand where it is patient.
fn options() -> Options {
    Options {
        steps: 1_000_000,
        ..Options::default()
    }
}

/// Pairs that are too many for the algebra.
const MANY: usize = 16;

/// Who goes last: all without `a00` and all without `b00`, in two halves each.
const LAST: [&str; 4] = ["!a00, c", "!a00, !c", "!b00, d", "!b00, !d"];

/// Subjects that hold everybody between them, which is seen at the last one only: who has not both of `a00` and `b00`,
/// not both of `a01` and `b01`, … lacks one of each pair, which is 65,536 sets of pods for 16 pairs, until [`LAST`].
fn pieces(pairs: usize, last: &[&str]) -> Vec<String> {
    let pairs = (0..pairs).map(|number| format!("a{number:02}, b{number:02}"));
    pairs.chain(last.iter().map(|one| (*one).to_owned())).collect()
}

fn parse(text: &str) -> Model {
    ir::text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn isolating(pairs: usize, last: &[&str]) -> Model {
    let mut text =
        "namespace shop\npolicy CiliumNetworkPolicy shop/open on pods [ns=shop] applies ingress {\n  allow ingress from pods [app=x]\n}\n"
            .to_owned();
    for (number, subject) in pieces(pairs, last).iter().enumerate() {
        writeln!(
            text,
            "policy NetworkPolicy shop/p{number:02} on pods [ns=shop, {subject}] denies ingress {{\n}}"
        )
        .unwrap();
    }
    parse(&text)
}

#[test]
fn a_default_deny_of_many_pieces_overrules_the_switch() {
    let model = isolating(MANY, &LAST);
    let options = options();
    let report = default_deny_disagreement::find(&Oracle::of(&model, &options)).unwrap();
    assert_eq!(report.undecided, []);
    assert!(options.answers.asked() > 0, "the algebra did not give up");
    let [one] = report.found.as_slice() else {
        panic!("{:?}", report.found);
    };
    let names = |ids: &[PolicyId]| -> Vec<String> {
        ids.iter()
            .map(|id| model.policy(*id).unwrap().name.clone())
            .collect()
    };
    assert_eq!(names(&one.isolated_by), ["p00", "p16", "p17", "p18", "p19"]);
}

/// 256 sets of pods are more than a hundred steps, and fewer than ten thousand.
#[test]
fn what_patience_decides_is_not_asked_of_the_solver() {
    let options = options();
    let oracle = |model| Oracle::of(model, &options);
    let (isolating, reopening) = (isolating(8, &LAST), reopening(8, &LAST));
    let hurried = oracle(&isolating).algebra_steps();
    let report = default_deny_disagreement::find(&oracle(&isolating)).unwrap();
    assert_eq!((report.found.len(), report.undecided.len()), (1, 0));
    let report = exception_reopened::find(&oracle(&reopening)).unwrap();
    assert_eq!((report.found.len(), report.undecided.len()), (0, 0));
    assert_eq!((hurried, options.answers.asked()), (100, 0));
}

#[test]
fn a_default_deny_of_many_pieces_that_leaves_somebody_free_does_not() {
    let model = isolating(MANY, &LAST[..3]);
    let report = default_deny_disagreement::find(&Oracle::of(&model, &options())).unwrap();
    assert_eq!((report.found.len(), report.undecided.len()), (0, 0));
}

fn reopening(pairs: usize, last: &[&str]) -> Model {
    let mut text = "\
namespace shop
policy NetworkPolicy shop/all-but on pods [ns=shop] denies egress {
  allow egress to outside 10.0.0.0/8 except 10.1.0.0/16
}
policy NetworkPolicy shop/part on pods [ns=shop] denies egress {
  allow egress to outside 10.1.0.0/16
}
"
    .to_owned();
    for (number, subject) in pieces(pairs, last).iter().enumerate() {
        writeln!(
            text,
            "policy CiliumNetworkPolicy shop/guard{number:02} on pods [ns=shop, {subject}] applies egress {{\n  deny egress to outside 10.0.0.0/8\n}}"
        )
        .unwrap();
    }
    parse(&text)
}

#[test]
fn denies_of_many_pieces_keep_an_exception_closed() {
    let model = reopening(MANY, &LAST);
    let options = options();
    let report = exception_reopened::find(&Oracle::of(&model, &options)).unwrap();
    assert_eq!((report.found.len(), report.undecided.len()), (0, 0));
    assert!(options.answers.asked() > 0, "the algebra did not give up");
    // Without the last of them, one pod is left.
    let model = reopening(MANY, &LAST[..3]);
    let report = exception_reopened::find(&Oracle::of(&model, &options)).unwrap();
    assert_eq!((report.found.len(), report.undecided.len()), (1, 0));
}

fn path(accepted: &str) -> Model {
    parse(&format!(
        "\
namespace shop
endpoint shop/web labels app=web at 10.0.0.1
endpoint shop/api labels app=api at 10.0.0.2 ports http 8080/TCP
policy NetworkPolicy shop/web on pods [ns=shop, app=web] denies egress {{
  allow egress to pods [ns=shop, app=api] ports http/TCP
}}
policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies ingress {{
  allow ingress from pods [ns=shop, app=web] ports {accepted}
}}
"
    ))
}

/// Two pods have few flows, so that the algebra has to be kept from it: it gets no step, the solver some thousands.
#[test]
fn a_path_is_half_open_by_the_solver_too() {
    for (accepted, closed) in [("80/TCP", 1), ("8080/TCP", 0), ("http/TCP", 0), ("8080/UDP", 1)] {
        let model = path(accepted);
        let options = Options {
            steps: 9_999,
            ..Options::default()
        };
        let report = half_open_path::find(&Oracle::of(&model, &options), &[].into()).unwrap();
        assert_eq!(report.undecided, [], "{accepted}");
        assert!(options.answers.asked() > 0, "the algebra did not give up");
        assert_eq!(report.found.len(), closed, "{accepted}: {:?}", report.found);
        let patient = Oracle::of(&model, &Options::default());
        let by_algebra = half_open_path::find(&patient, &[].into()).unwrap();
        let told = |report: &crate::answer::Report<half_open_path::HalfOpen>| -> Vec<_> {
            let found = report.found.iter();
            found
                .map(|half| (half.rule, half.flow, half.counterpart))
                .collect()
        };
        assert_eq!(told(&report), told(&by_algebra), "{accepted}");
    }
}

/// Where neither has the budget, nothing is said to be so.
#[test]
fn without_a_budget_it_is_not_known() {
    let options = Options {
        steps: 1,
        ..Options::default()
    };
    let model = path("80/TCP");
    let report = half_open_path::find(&Oracle::of(&model, &options), &[].into()).unwrap();
    assert_eq!(report.found, []);
    assert!(!report.undecided.is_empty());
}
