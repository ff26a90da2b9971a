//! Redundant rules in policies written by hand: what is reported, what covers it, and the flow that shows it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "integration tests; a panic is a failed test"
)]

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use ir::model::Model;
use ir::policy::{PolicyId, RuleId};
use portcullis_verifier::answer::{Answer, Undecided};
use portcullis_verifier::checks::redundant_rule::{Cause, redundancy, smt_lib};
use portcullis_verifier::options::Options;
use portcullis_verifier::{never_matching_rules, redundant_rules};

fn model(text: &str) -> Model {
    ir::text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn name(model: &Model, id: RuleId) -> String {
    let policy = model.policy(id.policy).unwrap();
    format!("{}#{}", policy.name, id.rule)
}

/// What both checks report, one line for each finding.
fn report(text: &str) -> String {
    let model = model(text);
    let options = Options::default();
    let mut out = String::new();
    let redundant = redundant_rules(&model, &options).unwrap();
    assert_eq!(redundant.undecided, vec![]);
    for found in redundant.found {
        let covers: Vec<_> = found.covered_by.iter().map(|id| name(&model, *id)).collect();
        let effect = match found.cause {
            Cause::Repeated => "repeats",
            Cause::Shadowed => "is shadowed by",
            Cause::CutByDeny => "is cut by",
            Cause::DeniedAnyway => "denies what is denied anyway",
        };
        let verdict = if found.witness.allowed {
            "allowed"
        } else {
            "denied"
        };
        writeln!(
            out,
            "{} {effect} [{}]",
            name(&model, found.rule),
            covers.join(", ")
        )
        .unwrap();
        writeln!(out, "    {verdict}: {}", found.witness).unwrap();
    }
    for rule in never_matching_rules(&model, &options).unwrap().found {
        writeln!(out, "{} never matches", name(&model, rule)).unwrap();
    }
    out
}

const SHOP: &str = "
namespace shop team=blue
namespace dev team=red
endpoint shop/web labels app=web ports http 8080/TCP
endpoint shop/api labels app=api ports http 80/TCP, metrics 9090/TCP
";

fn shop(policies: &str) -> String {
    report(&format!("{SHOP}{policies}"))
}

#[test]
fn a_rule_inside_another_is_redundant() {
    insta::assert_snapshot!(shop(
        "
policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies ingress {
  allow ingress from pods [ns=shop] ports 80/TCP
  allow ingress from pods [ns=shop, app=web] ports 80/TCP
}
"
    ));
}

#[test]
fn a_union_across_policies_covers_a_rule() {
    insta::assert_snapshot!(shop(
        "
policy NetworkPolicy shop/a on pods [ns=shop, app=api] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports 80/TCP
}
policy NetworkPolicy shop/b on pods [ns=shop] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports 81/TCP
  allow ingress from pods [ns=dev] ports 81/TCP
}
policy NetworkPolicy shop/c on pods [ns=shop, app=api] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports 80-81/TCP
}
"
    ));
}

/// Complementary selectors cover everything between them, and only a proof over all labels shows it.
#[test]
fn complementary_selectors_cover_all_pods() {
    insta::assert_snapshot!(shop(
        "
policy NetworkPolicy shop/all on pods [ns=shop] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports 80/TCP
  allow ingress from pods [ns=shop, app!=web] ports 80/TCP
  allow ingress from pods [ns=shop] ports 80/TCP
}
"
    ));
}

/// No pod in the files tells the two rules apart, but one that could exist does.
#[test]
fn pods_that_could_exist_keep_a_rule() {
    insta::assert_snapshot!(shop(
        "
policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports 80/TCP
  allow ingress from pods [ns=shop, app in (web, cart)] ports 80/TCP
}
"
    ));
    let model = model(&format!(
        "{SHOP}
policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies ingress {{
  allow ingress from pods [ns=shop, app in (web, cart)] ports 80/TCP
}}"
    ));
    let rule = RuleId {
        policy: PolicyId(0),
        rule: 0,
    };
    let Some(Answer::Fails(witness)) = redundancy(&model, rule, &Options::default()).unwrap() else {
        panic!("the only rule is needed");
    };
    assert_eq!(
        witness.to_string(),
        "shop/web (app=web) → shop/api (app=api) port 80/TCP"
    );
    assert!(witness.allowed && !witness.source_invented);
}

#[test]
fn of_equal_rules_the_later_is_reported_and_both_never() {
    insta::assert_snapshot!(shop(
        "
policy NetworkPolicy shop/first on pods [ns=shop, app=api] denies ingress {
  allow ingress from pods [ns=shop] ports 80/TCP
}
policy NetworkPolicy shop/second on pods [ns=shop, app=api] denies ingress {
  allow ingress from pods [ns=shop] ports 80/TCP
  allow ingress from pods [ns=shop] ports 80/TCP
}
"
    ));
}

/// A name is one number on one pod and another on the next: no number covers it, and it covers no number, but a
/// range of every port does.
#[test]
fn a_name_is_covered_only_by_every_number_it_could_be() {
    insta::assert_snapshot!(shop(
        "
policy NetworkPolicy shop/numbers on pods [ns=shop, app=api] denies ingress {
  allow ingress from pods [ns=shop] ports http/TCP
  allow ingress from pods [ns=shop] ports 80/TCP
}
policy NetworkPolicy shop/range on pods [ns=shop, app=web] denies egress {
  allow egress to pods [ns=dev] ports http/TCP
  allow egress to pods [ns=dev] ports 0-65535/TCP
}
policy NetworkPolicy shop/case on pods [ns=shop, app=other] denies egress {
  allow egress to pods [ns=dev] ports \"HTTP\"/TCP
  allow egress to pods [ns=dev] ports http/ANY
}
"
    ));
}

#[test]
fn address_blocks_cover_pods_and_outside_alike() {
    insta::assert_snapshot!(shop(
        "
policy NetworkPolicy shop/halves on pods [ns=shop] denies egress {
  allow egress to cidr 10.0.0.0/9
  allow egress to cidr 10.128.0.0/9
  allow egress to cidr 10.0.0.0/8 except 10.1.0.0/16
}
policy NetworkPolicy shop/world on pods [ns=shop] denies egress {
  allow egress to cidr 0.0.0.0/0 ports 443/TCP
  allow egress to pods [ns=dev] ports 443/TCP
  allow egress to outside 192.0.2.0/24 ports 443/TCP
  allow egress to cidr ::/0 ports 443/TCP
}
"
    ));
}

#[test]
fn namespace_labels_are_those_of_known_namespaces() {
    insta::assert_snapshot!(shop(
        "
policy NetworkPolicy shop/by-label on pods [ns=shop] denies ingress {
  allow ingress from pods [ns:team=red]
  allow ingress from pods [ns=dev]
  allow ingress from pods [ns:kubernetes.io/metadata.name=dev, app=web]
  allow ingress from pods [ns=dev, ns:team=green]
  allow ingress from pods [ns=nowhere, ns:team=green]
}
"
    ));
}

/// Nobody knows this namespace's labels, but it has only one set of them.
#[test]
fn two_pods_of_an_unknown_namespace_see_the_same_labels() {
    assert_eq!(
        shop(
            "
policy NetworkPolicy nowhere/red on pods [ns=nowhere, ns:team=red] denies ingress {
  allow ingress from pods [ns=nowhere, ns:team=blue]
  allow ingress from pods [ns=elsewhere, ns:team=blue]
}
"
        ),
        "red#0 never matches\n"
    );
}

#[test]
fn denies_and_allows() {
    insta::assert_snapshot!(shop(
        "
policy CiliumNetworkPolicy shop/cut on pods [ns=shop, app=api] denies ingress {
  allow ingress from pods [ns=shop] ports 80/TCP
  allow ingress from pods [ns=dev] ports 80/TCP
  deny ingress from pods [ns=dev]
  deny ingress from pods [ns=dev, app=web]
  deny ingress from pods [ns=ops]
}
policy CiliumNetworkPolicy shop/open on pods [ns=shop, app=web] applies ingress {
  allow ingress from pods [ns=shop]
  deny ingress from pods [ns=dev]
}
"
    ));
}

#[test]
fn tiers() {
    insta::assert_snapshot!(shop(
        "
policy ClusterNetworkPolicy admin on pods [] applies ingress {
  allow ingress admin 10.0 from pods [ns=monitoring] ports 9090/TCP
  deny ingress admin 10.1 from pods [ns=dev]
  deny ingress admin 10.2 from pods [ns=dev, app=web]
}
policy ClusterNetworkPolicy baseline on pods [] applies ingress {
  deny ingress baseline 10.0
  deny ingress baseline 10.1 from pods [ns=dev]
}
policy NetworkPolicy shop/api on pods [ns=shop] denies ingress {
  allow ingress from pods [ns=dev] ports 80/TCP
  allow ingress from pods [ns=monitoring] ports 9090/TCP
}
"
    ));
}

#[test]
fn entities_nodes_domains_and_icmp() {
    insta::assert_snapshot!(shop(
        "
policy CiliumNetworkPolicy shop/all on pods [ns=shop] denies both {
  allow ingress from entity host
  allow egress to entity world
  allow egress to outside 192.0.2.0/24
  allow egress to domain \"*.example.org\" ports 443/TCP
  allow egress to entity cluster
  allow egress to nodes [zone=a]
  allow ingress from cidr ::/0 ports 128/ICMPv6
  allow ingress from cidr ::/0 ports 128/ICMPv6, 80/TCP
  allow ingress from cidr ::/0 ports 8/ICMP
  allow ingress from pods [] ports nothing
  allow ingress from nothing
}
"
    ));
}

/// Policies without a pod in common do not meet, however equal their rules.
#[test]
fn other_subjects_and_directions_cover_nothing() {
    assert_eq!(
        shop(
            "
policy NetworkPolicy dev/a on pods [ns=dev] denies ingress {
  allow ingress from pods [ns=shop]
}
policy NetworkPolicy shop/a on pods [ns=shop, app=a] denies ingress {
  allow ingress from pods [ns=shop]
}
policy NetworkPolicy shop/b on pods [ns=shop, app=b] denies both {
  allow ingress from pods [ns=shop]
  allow egress to pods [ns=shop]
}
"
        ),
        ""
    );
}

#[test]
fn out_of_budget_is_unknown_and_no_finding() {
    let model = model(&format!(
        "{SHOP}
policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies ingress {{
  allow ingress from pods [ns=shop] ports 80/TCP
  allow ingress from pods [ns=shop, app=web] ports 80/TCP
}}"
    ));
    let options = Options {
        steps: 1,
        ..Options::default()
    };
    let report = redundant_rules(&model, &options).unwrap();
    assert_eq!(report.found, vec![]);
    let rule = |rule| RuleId {
        policy: PolicyId(0),
        rule,
    };
    let undecided: Vec<_> = report
        .undecided
        .iter()
        .map(|undecided: &Undecided| undecided.rule)
        .collect();
    assert_eq!(undecided, [rule(0), rule(1)]);
    assert!(matches!(
        redundancy(&model, rule(1), &options).unwrap(),
        Some(Answer::Unknown(_))
    ));
}

/// Another solver process gives the answers that ours gave, from the text alone.
#[test]
fn questions_as_smt_lib_can_be_checked_by_others() {
    let model = model(&format!(
        "{SHOP}
policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies ingress {{
  allow ingress from pods [ns=shop] ports 80/TCP
  allow ingress from pods [ns=shop, app=web] ports http/TCP, 80/TCP
  allow ingress from cidr fd00::/8 except fd00:1::/32
  allow ingress from pods [ns=shop, app=web] ports 80/TCP
}}"
    ));
    for (rule, expected) in [(0, "sat"), (1, "sat"), (2, "sat"), (3, "unsat")] {
        let rule = RuleId {
            policy: PolicyId(0),
            rule,
        };
        let text = smt_lib(&model, rule, &Options::default()).unwrap();
        assert!(text.contains("(check-sat)"), "{text}");
        let solver = Command::new("z3")
            .arg("-in")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut solver) = solver else {
            eprintln!("SKIPPED (needs the z3 program): questions as SMT-LIB are not re-checked");
            return;
        };
        std::io::Write::write_all(&mut solver.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let output = solver.wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            expected,
            "rule {rule:?}"
        );
    }
}

/// The order in which objects are given, and the number of threads, make no difference.
#[test]
fn answers_do_not_depend_on_threads() {
    let policies: String = (0..12).fold(SHOP.to_owned(), |mut text, number| {
        write!(
            text,
            "
policy NetworkPolicy shop/p{number:02} on pods [ns=shop] denies ingress {{
  allow ingress from pods [ns=shop, app=a{number}] ports 80/TCP
  allow ingress from pods [ns=shop, app in (a1, a2, a{number})] ports 80-90/TCP
}}
"
        )
        .unwrap();
        text
    });
    let model = model(&policies);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| redundant_rules(&model, &Options::default()).unwrap())
    };
    let one = run(1);
    assert!(!one.found.is_empty());
    assert_eq!(one, run(4));
}

#[test]
fn a_rule_that_demands_more_than_ports_covers_nothing() {
    let policies = |one: &str, other: &str| {
        shop(&format!(
            "policy CiliumNetworkPolicy shop/one on pods [ns=shop] denies egress {{\n{one}\n}}\npolicy CiliumNetworkPolicy shop/other on pods [ns=shop] denies egress {{\n{other}\n}}\n"
        ))
    };
    let plain = "allow egress to entity world ports 80/TCP";
    let demanding = "allow egress to entity world ports 80/TCP beyond layer7";
    let covered = policies(plain, demanding);
    assert!(covered.starts_with("other#0 repeats [one#0]\n"), "{covered}");
    assert_eq!(covered.lines().count(), 2, "{covered}");
    // Of two demanding rules neither is known to let through what the other does.
    assert_eq!(policies(demanding, demanding), "");
}

#[test]
fn the_api_server_is_neither_nobody_nor_everybody() {
    let policies = |rules: &str| {
        shop(&format!(
            "policy CiliumNetworkPolicy shop/p on pods [ns=shop] denies egress {{\n{rules}\n}}\n"
        ))
    };
    assert_eq!(policies("allow egress to entity kube-apiserver"), "");
    assert_eq!(
        policies("allow egress to entity world\ndeny egress to entity kube-apiserver"),
        ""
    );
}
