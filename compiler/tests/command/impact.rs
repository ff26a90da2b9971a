//! `impact` and `diff --symbolic`: exit statuses, formats, and JSON as it is published.

use crate::program::{Scratch, err, out, run, status};
use crate::published::{as_published, schema};
use std::collections::BTreeSet;
use std::fs;

/// A default deny, an allow under it, the same allow once more for fewer, and a policy about nodes.
const POLICIES: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  podSelector: {matchLabels: {app: cart}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: http}, {port: 9090}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cart-again, namespace: shop}
spec:
  podSelector: {matchLabels: {app: cart}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: web, tier: front}}}]
      ports: [{port: 9090}]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: nodes}
spec:
  nodeSelector: {}
  ingress: [{fromEntities: [cluster]}]
";

#[test]
fn each_policy_is_told_for_people() {
    let scratch = Scratch::new("impact-human");
    let file = scratch.file("shop.yaml", POLICIES);
    let output = run(&["impact", "--no-config", &file]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(out(&output).replace(&file, "shop.yaml"));
    let said = err(&output);
    assert!(
        said.contains("4 policies: 2 open or close flows, 1 adds nothing, 1 selects nodes"),
        "{said}"
    );
}

#[test]
fn json_is_as_published() {
    let scratch = Scratch::new("impact-schema");
    let file = scratch.file("shop.yaml", POLICIES);
    let report = as_published(
        "impact.v1.json",
        &["impact", "--no-config", "--format", "json", &file],
    );
    assert_eq!(
        report["summary"],
        serde_json::json!({"policies": 4, "some": 2, "none": 1, "unknown": 0, "about_nodes": 1})
    );
    let of = |name: &str| {
        let policies = report["policies"].as_array().unwrap();
        policies.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(of("cart-again")["adds"], "none");
    assert_eq!(of("nodes")["adds"], "about-nodes");
    let opened = &of("cart")["opens"];
    assert_eq!(opened["complete"], true);
    let area = &opened["areas"][0];
    assert_eq!(area["before"]["allowed"], false);
    assert_eq!(area["after"]["allowed"], true);
    // Which line opens it.
    assert_eq!(area["after"]["ingress"]["rules"][0]["policy"]["name"], "cart");
    assert_eq!(area["before"]["ingress"]["reason"], "default-deny");
    assert_eq!(area["before"]["ingress"]["policies"][1]["name"], "closed");
}

#[test]
fn some_policies_may_be_named() {
    let scratch = Scratch::new("impact-named");
    let file = scratch.file("shop.yaml", POLICIES);
    let rows = |policies: &[&str]| {
        let mut arguments = vec!["impact", "--no-config", "--quiet", "--format", "csv", &file];
        for policy in policies {
            arguments.extend(["--policy", policy]);
        }
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(0));
        let text = out(&output);
        let named: BTreeSet<_> = text
            .lines()
            .skip(1)
            .map(|line| line.split(',').next().unwrap().to_owned())
            .collect();
        named.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(rows(&["shop/cart"]), ["NetworkPolicy shop/cart"]);
    assert_eq!(
        rows(&["NetworkPolicy/shop/closed", "nodes", "nodes"]),
        [
            "CiliumClusterwideNetworkPolicy nodes",
            "NetworkPolicy shop/closed"
        ]
    );
    assert_eq!(rows(&[]).len(), 4);
    for (asked, said) in [
        ("shop/carts", "did you mean shop/cart"),
        ("cart", "did you mean shop/cart?"),
        ("zzz", "there is no policy `zzz`"),
    ] {
        let output = run(&["impact", "--no-config", "--policy", asked, &file]);
        assert_eq!(output.status.code(), Some(2));
        let text = err(&output);
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn nothing_to_ask_about_is_no_answer() {
    let scratch = Scratch::new("impact-empty");
    let file = scratch.file(
        "none.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    );
    assert_eq!(status(&["impact", &file]), 2);
    assert_eq!(status(&["impact", "--allow-empty", &file]), 0);
    let refused = scratch.file("refused.yaml", &POLICIES.replace("podSelector", "podSelecter"));
    assert_eq!(status(&["impact", &refused]), 2);
}

#[test]
fn a_change_is_told_to_programs_and_pages() {
    let scratch = Scratch::new("impact-symbolic");
    let old = scratch.file("old.yaml", POLICIES);
    let new = scratch.file("new.yaml", &POLICIES.replacen("port: 9090", "port: 9091", 1));
    let written = scratch.file("change.json", "");
    let output = run(&[
        "diff",
        "--symbolic",
        "--no-config",
        "--format",
        "json",
        "-o",
        &written,
        &old,
        &new,
    ]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(&written).unwrap()).unwrap();
    assert!(schema("symbolic-diff.v1.json").is_valid(&report));
    assert_eq!(report["same"], false);
    let opened = &report["opened"]["areas"][0];
    assert_eq!(opened["ports"], "9091/TCP");
    assert_eq!(opened["before"]["allowed"], false);
    assert_eq!(opened["after"]["ingress"]["rules"][0]["policy"]["name"], "cart");

    let output = run(&["diff", "--symbolic", "--no-config", "--format", "md", &old, &new]);
    insta::assert_snapshot!(out(&output));

    let same = [
        "diff",
        "--symbolic",
        "--no-config",
        "--format",
        "json",
        &old,
        &old,
    ];
    assert_eq!(status(&same), 0);
    assert_eq!(as_published("symbolic-diff.v1.json", &same)["same"], true);
    let output = run(&["diff", "--symbolic", "--format", "dot", &old, &new]);
    assert_eq!(output.status.code(), Some(2));
}

/// A namespace that is given a label: decided, not left open.
#[test]
fn other_labels_of_a_namespace_are_a_change_like_any_other() {
    let scratch = Scratch::new("impact-relabelled");
    let with = |labels: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: dev, labels: {labels}}}\n---\n{}",
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  podSelector: {}
  ingress: [{from: [{namespaceSelector: {matchLabels: {env: prod}}}]}]
"
        )
    };
    let old = scratch.file("old.yaml", &with("{env: dev}"));
    let new = scratch.file("new.yaml", &with("{env: prod}"));
    let output = run(&["diff", "--symbolic", "--no-config", &old, &new]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    assert!(
        text.starts_with("opened  pods in dev → pods in shop, any port\n"),
        "{text}"
    );
    assert!(!text.contains("closed"), "{text}");
    let output = run(&[
        "check",
        "--no-config",
        "--format",
        "json",
        &new,
        "--against",
        &old,
        "--no-new-access",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("PC403"));
}

/// What a policy does to nodes is not looked into: a change of one is no proof that nothing changes.
#[test]
fn a_changed_policy_about_nodes_leaves_it_open() {
    let scratch = Scratch::new("impact-nodes");
    let with = |port: u16| {
        format!(
            "apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {{name: hosts}}
spec:
  nodeSelector: {{}}
  ingress: [{{toPorts: [{{ports: [{{port: '{port}', protocol: TCP}}]}}]}}]
"
        )
    };
    let old = scratch.file("old.yaml", &with(22));
    let new = scratch.file("new.yaml", &with(23));
    let diff = ["diff", "--symbolic", "--no-config", "--format", "json"];
    let change = [&diff[..], &[old.as_str(), &new]].concat();
    let output = run(&change);
    assert_eq!(output.status.code(), Some(3));
    let report = as_published("symbolic-diff.v1.json", &change);
    assert_eq!(
        (&report["same"], &report["about_nodes"][0]),
        (&false.into(), &"hosts".into())
    );
    assert!(
        err(&output).contains("the policy hosts differs and selects nodes"),
        "{}",
        err(&output)
    );
    let output = run(&[&diff[..], &[old.as_str(), &old]].concat());
    assert_eq!(output.status.code(), Some(0));
    for (flag, code) in [("--no-new-access", 3), ("--quiet", 0)] {
        let output = run(&["check", "--no-config", flag, &new, "--against", &old]);
        assert_eq!(output.status.code(), Some(code), "{flag}: {}", err(&output));
    }
}
