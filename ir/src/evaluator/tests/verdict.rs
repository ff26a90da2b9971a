//! §1, the verdict.

use super::{api, rules, under};
use crate::flow::Because;
use crate::policy::{Direction, PolicyId};

#[test]
fn a_flow_is_allowed_when_egress_and_ingress_both_allow_it() {
    under(
        "policy NetworkPolicy shop/out on pods [ns=shop, app=web] denies egress {\n\
           allow egress to pods [app=api] ports 1/TCP, 2/TCP\n}\n\
         policy NetworkPolicy shop/in on pods [ns=shop, app=api] denies ingress {\n\
           allow ingress from pods [app=web] ports 2/TCP, 3/TCP\n}",
    )
    .denies(&["shop/web-a -> shop/api 1/TCP"])
    .allows(&["shop/web-a -> shop/api 2/TCP"])
    .denies(&["shop/web-a -> shop/api 3/TCP"])
    .allows(&["shop/api -> shop/web-a 9/TCP"]);
}

#[test]
fn an_address_outside_a_node_and_a_host_network_pod_have_no_policy_and_allow_their_side() {
    let case = api("");
    for peer in ["203.0.113.9", "node n2", "some-node", "192.168.77.1", "ops/agent"] {
        let flow = format!("shop/api -> {peer} 80/TCP");
        case.because(&flow, Direction::Ingress, true, Because::NotAnEndpoint);
        let flow = format!("{peer} -> shop/api 80/TCP");
        case.because(&flow, Direction::Egress, true, Because::NotAnEndpoint);
    }
}

#[test]
fn policies_that_select_the_endpoint_and_have_the_direction_are_in_force() {
    under("policy NetworkPolicy shop/api on pods [ns=shop, app=api] applies ingress denies ingress {\n}")
        .denies(&["pay/till -> shop/api 80/TCP"])
        .allows(&["shop/api -> pay/till 80/TCP", "pay/till -> shop/web-a 80/TCP"]);
    // Default deny in a direction that the policy does not have is not in force either.
    under("policy CiliumNetworkPolicy shop/api on pods [ns=shop, app=api] applies ingress denies both {\n}")
        .allows(&["shop/api -> pay/till 80/TCP"]);
}

#[test]
fn a_matching_deny_rule_denies_whatever_allows() {
    under(
        "policy CiliumNetworkPolicy shop/a on pods [ns=shop, app=api] denies ingress {\n\
           allow ingress\n\
           deny ingress from pods [app=till] ports 80/TCP\n\
           allow ingress from pods [app=till] ports 80/TCP\n}",
    )
    .allows(&["pay/till -> shop/api 81/TCP", "pay/db -> shop/api 80/TCP"])
    .denies(&["pay/till -> shop/api 80/TCP"])
    .because(
        "pay/till -> shop/api 80/TCP",
        Direction::Ingress,
        false,
        rules(&[(0, 1)]),
    );
}

#[test]
fn where_none_in_force_asks_for_default_deny_what_is_not_denied_is_allowed() {
    under(
        "policy CiliumNetworkPolicy shop/a on pods [ns=shop, app=api] applies ingress {\n\
           deny ingress from pods [app=till]\n\
           allow ingress from pods [app=db] ports 80/TCP\n}",
    )
    .denies(&["pay/till -> shop/api 80/TCP"])
    .because(
        "pay/db -> shop/api 80/TCP",
        Direction::Ingress,
        true,
        rules(&[(0, 1)]),
    )
    .because(
        "pay/db -> shop/api 81/TCP",
        Direction::Ingress,
        true,
        Because::Unrestricted,
    )
    .because(
        "pay/db -> shop/web-a 81/TCP",
        Direction::Ingress,
        true,
        Because::Unrestricted,
    );
}

#[test]
fn under_default_deny_an_allow_rule_must_match() {
    api("allow ingress from pods [app=till] ports 80/TCP")
        .allows(&["pay/till -> shop/api 80/TCP"])
        .denies(&[
            "pay/till -> shop/api 81/TCP",
            "pay/till -> shop/api 80/UDP",
            "pay/db -> shop/api 80/TCP",
        ])
        .because(
            "pay/db -> shop/api 80/TCP",
            Direction::Ingress,
            false,
            Because::DefaultDeny(vec![PolicyId(0)]),
        );
}

#[test]
fn policies_of_all_namespaced_kinds_are_one_union() {
    under(
        "policy NetworkPolicy shop/z on pods [ns=shop, app=api] denies ingress {\n\
           allow ingress from pods [app=till] ports 1/TCP, 3/TCP\n}\n\
         policy CiliumNetworkPolicy shop/y on pods [ns=shop, app=api] denies ingress {\n\
           allow ingress from pods [app=till] ports 2/TCP, 3/TCP\n}\n\
         policy CiliumClusterwideNetworkPolicy x on pods [app=api] applies ingress {\n\
           allow ingress from pods [app=till] ports 3/TCP\n\
           deny ingress from pods [app=till] ports 4/TCP\n}",
    )
    .allows(&["pay/till -> shop/api 1/TCP", "pay/till -> shop/api 2/TCP"])
    .because(
        "pay/till -> shop/api 3/TCP",
        Direction::Ingress,
        true,
        rules(&[(0, 0), (1, 0), (2, 0)]),
    )
    .because(
        "pay/till -> shop/api 4/TCP",
        Direction::Ingress,
        false,
        rules(&[(2, 1)]),
    )
    // The third is in force and does not ask for default deny.
    .because(
        "pay/till -> shop/api 5/TCP",
        Direction::Ingress,
        false,
        Because::DefaultDeny(vec![PolicyId(0), PolicyId(1)]),
    );
}

#[test]
fn the_nodes_own_host_always_reaches_its_local_pods() {
    under(
        "policy ClusterNetworkPolicy all on pods [] denies both {\n\
           deny ingress admin 0.0\n  deny egress admin 0.1\n  deny ingress\n}",
    )
    .because(
        "node n1 -> shop/api 80/TCP",
        Direction::Ingress,
        true,
        Because::OwnHost,
    )
    .allows(&[
        "192.168.77.1 -> shop/api 80/TCP",
        "ops/agent -> shop/api 80/TCP",
        "node n2 -> pay/till 1/UDP",
    ])
    // Another node, a node that may be another, and the way back are judged.
    .denies(&[
        "node n2 -> shop/api 80/TCP",
        "some-node -> shop/api 80/TCP",
        "shop/api -> node n1 80/TCP",
    ])
    // The pod's node is not known: no node is known to be its own.
    .denies(&["node n1 -> ops/pending 80/TCP"]);
}

#[test]
fn a_pod_always_reaches_itself_over_loopback() {
    let case =
        under("policy CiliumNetworkPolicy shop/a on pods [] denies both {\n deny ingress\n deny egress\n}");
    for direction in Direction::BOTH {
        case.because("shop/api -> shop/api 80/TCP", direction, true, Because::Loopback);
    }
    // Its other replicas are not itself.
    case.denies(&["shop/web-a -> shop/web-b 80/TCP"]);
}

#[test]
fn the_admin_tier_stands_above_the_namespaced_one() {
    under(
        "policy ClusterNetworkPolicy a on pods [app=api] {\n\
           deny ingress admin 5.0 ports 1/TCP\n\
           allow ingress admin 5.1 ports 1/TCP, 2/TCP\n\
           pass ingress admin 5.2 ports 3/TCP\n\
           deny ingress admin 5.3 ports 3/TCP\n}\n\
         policy CiliumNetworkPolicy shop/b on pods [ns=shop, app=api] denies ingress {\n\
           allow ingress ports 1/TCP, 3/TCP\n\
           deny ingress ports 2/TCP\n}",
    )
    .because(
        "pay/till -> shop/api 1/TCP",
        Direction::Ingress,
        false,
        rules(&[(1, 0)]),
    )
    .because(
        "pay/till -> shop/api 2/TCP",
        Direction::Ingress,
        true,
        rules(&[(1, 1)]),
    )
    .because(
        "pay/till -> shop/api 3/TCP",
        Direction::Ingress,
        true,
        rules(&[(0, 0)]),
    )
    .denies(&["pay/till -> shop/api 4/TCP"]);
}

#[test]
fn in_the_admin_tier_the_lowest_priority_and_then_the_lowest_order_decides() {
    under(
        "policy ClusterNetworkPolicy a on pods [app=api] {\n\
           allow ingress admin 20.0\n\
           deny ingress admin 20.1\n}\n\
         policy ClusterNetworkPolicy b on pods [app=api] {\n\
           pass ingress admin 3.7 ports 3/TCP\n\
           deny ingress admin 3.9 ports 1/TCP, 3/TCP\n}",
    )
    .because(
        "pay/till -> shop/api 1/TCP",
        Direction::Ingress,
        false,
        rules(&[(1, 1)]),
    )
    .because(
        "pay/till -> shop/api 2/TCP",
        Direction::Ingress,
        true,
        rules(&[(0, 0)]),
    )
    // `pass` skips the rest of the tier, of every priority.
    .because(
        "pay/till -> shop/api 3/TCP",
        Direction::Ingress,
        true,
        Because::Unrestricted,
    );
}

#[test]
fn the_baseline_tier_is_asked_only_where_the_namespaced_one_decides_nothing() {
    let baseline = "policy ClusterNetworkPolicy base on pods [ns=shop] {\n\
           allow ingress baseline 1.0 ports 5/TCP\n\
           deny ingress baseline 1.1\n\
           allow ingress baseline 1.2\n}\n";
    under(baseline)
        .because(
            "pay/till -> shop/api 5/TCP",
            Direction::Ingress,
            true,
            rules(&[(0, 0)]),
        )
        .because(
            "pay/till -> shop/api 6/TCP",
            Direction::Ingress,
            false,
            rules(&[(0, 1)]),
        )
        .because(
            "shop/api -> pay/till 6/TCP",
            Direction::Egress,
            true,
            Because::Unrestricted,
        );
    // A namespaced rule matched.
    under(&format!(
        "{baseline}policy CiliumNetworkPolicy shop/a on pods [ns=shop] applies ingress {{\nallow ingress ports 6/TCP\n}}"
    ))
    .allows(&["pay/till -> shop/api 6/TCP"])
    .denies(&["pay/till -> shop/api 7/TCP"]);
    // A namespaced policy isolates.
    under(&format!(
        "{baseline}policy NetworkPolicy shop/a on pods [ns=shop] denies ingress {{\n}}"
    ))
    .because(
        "pay/till -> shop/api 5/TCP",
        Direction::Ingress,
        false,
        Because::DefaultDeny(vec![PolicyId(0)]),
    );
}
