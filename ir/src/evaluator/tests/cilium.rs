//! §3, what CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy add, as far as peers and ports go.

use super::{Case, api, under};

const EVERY_PEER: [(&str, &str); 7] = [
    ("pod", "pay/till"),
    ("own node", "node n1"),
    ("other node", "node n2"),
    ("some node", "some-node"),
    ("v4", "203.0.113.9"),
    ("v6", "2001:db8::9"),
    ("unplaced pod", "ops/pending"),
];

/// Which of [`EVERY_PEER`] the egress of `shop/api` to `peer` reaches by an allow, and which by a deny.
fn reached(peer: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    let allow = api(&format!("allow egress to {peer}"));
    let deny = under(&format!(
        "policy CiliumNetworkPolicy shop/api on pods [ns=shop, app=api] applies egress {{\ndeny egress to {peer}\n}}"
    ));
    let to = |name: &str| format!("shop/api -> {name} 1/TCP");
    let reached = |case: &Case, allowed| {
        let hit = EVERY_PEER
            .iter()
            .filter(|(_, name)| case.judge(&to(name)).allowed() == allowed);
        hit.map(|(what, _)| *what).collect()
    };
    (reached(&allow, true), reached(&deny, false))
}

#[track_caller]
fn reaches_for_certain(peer: &str, expected: &[&str]) {
    assert_eq!(reached(peer), (expected.to_vec(), expected.to_vec()), "{peer}");
}

#[test]
fn entities_are_what_cilium_says() {
    let inside = ["pod", "own node", "other node", "some node", "unplaced pod"];
    reaches_for_certain("entity all", &EVERY_PEER.map(|(what, _)| what));
    reaches_for_certain("entity world", &["v4", "v6"]);
    reaches_for_certain("entity world-ipv4", &["v4"]);
    reaches_for_certain("entity world-ipv6", &["v6"]);
    reaches_for_certain("entity cluster", &inside);
    for nobody in ["none", "ingress", "health", "init", "unmanaged"] {
        reaches_for_certain(&format!("entity {nobody}"), &[]);
    }
}

#[test]
fn what_is_not_known_opens_nothing_and_closes_what_it_may() {
    assert_eq!(
        reached("entity host"),
        (vec!["own node"], vec!["own node", "some node"])
    );
    assert_eq!(
        reached("entity remote-node"),
        (vec!["other node"], vec!["other node", "some node"])
    );
    assert_eq!(
        reached("nodes [zone=b]"),
        (vec!["other node"], vec!["other node", "some node"])
    );
    assert_eq!(reached("nodes [!zone]"), (vec![], vec!["some node"]));
    reaches_for_certain("nodes []", &["own node", "other node", "some node"]);
    assert_eq!(
        reached("other-nodes []"),
        (vec!["other node"], vec!["other node", "some node"])
    );
    assert_eq!(reached("other-nodes [zone=a]"), (vec![], vec!["some node"]));
    // The API server is some nodes, or some addresses outside.
    assert_eq!(
        reached("entity kube-apiserver"),
        (vec![], vec!["own node", "other node", "some node", "v4", "v6"])
    );
    // Addresses of a domain are outside, and not known before DNS answers.
    assert_eq!(reached("domain example.com"), (vec![], vec!["v4", "v6"]));
}

#[test]
fn a_node_is_neither_the_host_nor_remote_where_the_subjects_own_is_not_known() {
    let pending = |rule: &str| {
        under(&format!(
            "policy CiliumNetworkPolicy ops/a on pods [app=pending] applies egress denies egress {{\n{rule}\n}}"
        ))
    };
    for entity in ["host", "remote-node"] {
        pending(&format!("allow egress to entity {entity}")).denies(&["ops/pending -> node n1 1/TCP"]);
        pending(&format!("allow egress\ndeny egress to entity {entity}"))
            .denies(&["ops/pending -> node n1 1/TCP"])
            .allows(&[
                "ops/pending -> pay/till 1/TCP",
                "ops/pending -> 203.0.113.9 1/TCP",
            ]);
    }
}

#[test]
fn selectors_may_ask_for_the_service_account_and_the_cluster() {
    api("allow ingress from pods [account=cashier]")
        .allows(&["pay/till -> shop/api 1/TCP"])
        .denies(&["pay/db -> shop/api 1/TCP"]);
    api("allow ingress from pods [cluster=default, ns=pay]").allows(&["pay/db -> shop/api 1/TCP"]);
    api("allow ingress from pods [cluster=other]").denies(&["pay/db -> shop/api 1/TCP"]);
}

#[test]
fn icmp_rules_match_their_family_and_type_only() {
    api("allow ingress ports 8/ICMP, 128/ICMPv6")
        .allows(&["pay/till -> shop/api 8/ICMP", "pay/till -> shop/api 128/ICMPv6"])
        .denies(&[
            "pay/till -> shop/api 0/ICMP",
            "pay/till -> shop/api 8/ICMPv6",
            "pay/till -> shop/api 8/TCP",
        ]);
}

#[test]
fn policies_on_nodes_do_not_apply_to_pods() {
    under("policy CiliumClusterwideNetworkPolicy host on nodes [] denies both {\n deny ingress\n deny egress\n}")
        .allows(&["pay/till -> shop/api 1/TCP", "pay/till -> node n1 1/TCP"]);
}
