//! Lints over small clusters, written in the IR's own text form.

use super::*;
use crate::diagnostic::Severity;

const PODS: &str = "\
endpoint shop/java labels app=catalog ports http 8080/TCP (pods.yaml:1:1)
endpoint shop/nginx labels app=catalog ports http 80/TCP (pods.yaml:2:1)
endpoint shop/quiet labels app=catalog
endpoint shop/web labels app=web
endpoint other/java labels app=catalog ports http 9999/TCP (pods.yaml:3:1)
";

fn findings_of(policies: &str) -> Vec<Finding> {
    let text = format!("{PODS}{policies}");
    about_port_names(&Ground::of(&ir::text::parse(&text).unwrap()), &[], &[])
}

fn summary(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let witness = finding.witness.as_ref().map_or_else(String::new, |w| {
                format!(" {}->{}:{}", w.from, w.to, w.port.unwrap())
            });
            let lines: Vec<_> = finding
                .labels
                .iter()
                .map(|label| label.origin.to_string())
                .collect();
            format!(
                "{} {}{witness} [{}]",
                finding.code,
                finding.severity.as_str(),
                lines.join(" ")
            )
        })
        .collect()
}

#[test]
fn engines_differ_about_an_egress_rule_with_one_name_and_two_numbers() {
    let found = findings_of(
        "\
policy NetworkPolicy shop/p on pods [app=web, ns=shop] denies egress @ p.yaml:1:1 {
  allow egress to pods [app=catalog, ns=shop] ports http/TCP (p.yaml:2:1) @ p.yaml:2:1
}
",
    );
    assert_eq!(
        summary(&found),
        ["PC201 warning shop/web->shop/nginx:80 [p.yaml:2:1 pods.yaml:1:1 pods.yaml:2:1]"]
    );
    insta::assert_snapshot!(format!(
        "{}\n\n{}",
        found[0].message,
        found[0].help.as_deref().unwrap()
    ));
}

#[test]
fn a_deny_rule_fails_open_and_says_so_first() {
    let found = findings_of(
        "\
policy CiliumNetworkPolicy shop/p on pods [app=web, ns=shop] applies egress @ p.yaml:1:1 {
  deny egress to pods [app=catalog] ports http/TCP (p.yaml:2:1) @ p.yaml:2:1
}
",
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity.as_str(), "error");
    assert_eq!(found[0].code, Code::NAMED_PORT_AMBIGUOUS_DENY);
    assert!(
        found[0].message.starts_with("what this rule denies is open"),
        "{}",
        found[0].message
    );
    insta::assert_snapshot!(found[0].help.as_deref().unwrap());
    assert_eq!(found[0].witness.as_ref().unwrap().to, "shop/nginx");
}

#[test]
fn a_deny_rule_is_skipped_for_numbers_that_the_pod_itself_has() {
    // The last definition of a pod stands for Cilium: 80 on the one, 81 on the other.
    let text = "\
endpoint shop/db labels app=db ports http 81/TCP in a (pods.yaml:1:1), http 80/TCP in b (pods.yaml:2:1)
endpoint shop/other labels app=other ports http 81/TCP (pods.yaml:3:1)
endpoint shop/web labels app=web
policy CiliumNetworkPolicy shop/p on pods [app=web, ns=shop] denies egress @ p.yaml:1:1 {
  allow egress to pods [] @ p.yaml:2:1
  deny egress to pods [app=db, ns=shop] ports http/TCP (p.yaml:3:1) @ p.yaml:3:1
}
";
    let found = about_port_names(&Ground::of(&ir::text::parse(text).unwrap()), &[], &[]);
    let messages: Vec<_> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "what this rule denies is open on Cilium up to 1.19, which skips it: `http` means 80 and 81, and Cilium knows \
             one of these on some pods and another on others",
            "Cilium leaves 81 open on shop/db: the pod calls 80 and 81 `http`, and the last one stands",
        ]
    );
}

#[test]
fn at_ingress_it_is_a_note_because_every_engine_agrees() {
    let found = findings_of(
        "\
policy NetworkPolicy shop/p on pods [app=catalog, ns=shop] denies ingress @ p.yaml:1:1 {
  allow ingress ports http/TCP (p.yaml:2:1) @ p.yaml:2:1
}
",
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Note);
}

#[test]
fn every_number_is_shown_that_a_name_has_on_some_revision_that_some_rule_reaches() {
    let pods = [("aa", 1), ("bb", 2), ("cc", 3)].map(|(hash, line)| {
        format!(
            "endpoint shop/c-{hash} of ReplicaSet/c-{hash} labels app=c pod-template-hash={hash} ports http 808{line}/TCP (pods.yaml:{line}:1)\n"
        )
    });
    let text = format!(
        "{}policy NetworkPolicy shop/p on pods [ns=shop] denies egress @ p.yaml:1:1 {{
  allow egress to pods [ns=shop, pod-template-hash in (aa, bb)] ports http/TCP @ p.yaml:2:1
  allow egress to pods [ns=shop, pod-template-hash in (bb, cc)] ports http/TCP @ p.yaml:3:1
}}
",
        pods.concat()
    );
    let found = about_port_names(&Ground::of(&ir::text::parse(&text).unwrap()), &[], &[]);
    assert_eq!(
        summary(&found),
        [
            "PC216 warning shop/c-bb->shop/c-aa:8081 [pods.yaml:1:1 pods.yaml:2:1 pods.yaml:3:1 p.yaml:2:1 p.yaml:3:1]"
        ]
    );
}

#[test]
fn one_meaning_is_told_where_older_cilium_does_not_know_it() {
    let found = findings_of(
        "\
policy NetworkPolicy shop/p on pods [ns=shop] denies egress @ p.yaml:1:1 {
  allow egress to pods [ns=other] ports http/TCP (p.yaml:2:1) @ p.yaml:2:1
}
",
    );
    // The place of the rule, of the other numbers, and of its own.
    assert_eq!(
        summary(&found),
        ["PC202 warning shop/java->other/java:9999 [p.yaml:2:1 pods.yaml:3:1 pods.yaml:2:1 pods.yaml:1:1]"]
    );
}

#[test]
fn names_that_nothing_is_known_of_are_no_finding() {
    for rule in [
        // Nobody who defines it is reached.
        "allow egress to pods [app=web] ports http/TCP @ p.yaml:2:1",
        // A number is no name.
        "allow egress ports 80/TCP @ p.yaml:2:1",
    ] {
        let found = findings_of(&format!(
            "policy NetworkPolicy shop/p on pods [ns=shop] denies egress @ p.yaml:1:1 {{\n{rule}\n}}\n"
        ));
        assert_eq!(summary(&found), [""; 0], "{rule}");
    }
}

#[test]
fn pods_are_reached_through_every_kind_of_peer() {
    for rule in [
        "allow egress ports http/TCP @ p.yaml:2:1",
        "allow egress to entity all ports http/TCP @ p.yaml:2:1",
        "allow egress to entity cluster ports http/TCP @ p.yaml:2:1",
        "allow egress to cidr 0.0.0.0/0 ports http/TCP @ p.yaml:2:1",
        "allow egress to pods [ns=shop], pods [ns=other] ports http/TCP @ p.yaml:2:1",
    ] {
        let found = findings_of(&format!(
            "policy CiliumNetworkPolicy shop/p on pods [app=web] denies egress @ p.yaml:1:1 {{\n{rule}\n}}\n"
        ));
        assert_eq!(found.len(), 1, "{rule}");
        assert_eq!(found[0].labels.len(), 4, "{rule}");
    }
}

#[test]
fn a_redundant_rule_points_at_the_rules_that_cover_it() {
    let model = ir::text::parse(
        "\
namespace shop
policy NetworkPolicy shop/wide on pods [ns=shop] denies ingress @ wide.yaml:1:1 {
  allow ingress from pods [ns=shop] @ wide.yaml:2:1
}
policy NetworkPolicy shop/narrow on pods [app=api, ns=shop] denies ingress @ narrow.yaml:1:1 {
  allow ingress from pods [app=web, ns=shop] ports 80/TCP @ narrow.yaml:2:1
}
",
    )
    .unwrap();
    let answers = conflicts::check(&model, &verifier::options::Options::default()).unwrap();
    assert_eq!(answers.undecided, [""; 0]);
    assert_eq!(answers.findings.len(), 1);
    let finding = &answers.findings[0];
    let places: Vec<_> = finding
        .labels
        .iter()
        .map(|label| (label.origin.to_string(), label.primary))
        .collect();
    assert_eq!(
        places,
        [
            ("narrow.yaml:2:1".to_owned(), true),
            ("wide.yaml:2:1".to_owned(), false)
        ]
    );
    assert_eq!(finding.objects.len(), 2);
    assert!(finding.witness.is_some());
}
