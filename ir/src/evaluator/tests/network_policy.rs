//! §2, NetworkPolicy.

use super::{api, under};
use crate::evaluator::decide;
use crate::flow::{Because, Party};
use crate::policy::Direction;
use crate::port::Protocol;

#[test]
fn a_section_that_the_policy_types_leave_out_has_no_effect() {
    under("policy NetworkPolicy shop/a on pods [ns=shop] applies ingress denies ingress {\n deny egress\n allow egress\n}")
        .because("shop/api -> pay/till 80/TCP", Direction::Egress, true, Because::Unrestricted);
}

#[test]
fn a_rule_without_peers_matches_everybody_and_without_ports_every_protocol() {
    api("allow ingress ports 80/TCP").allows(&[
        "pay/till -> shop/api 80/TCP",
        "203.0.113.9 -> shop/api 80/TCP",
        "node n2 -> shop/api 80/TCP",
        "some-node -> shop/api 80/TCP",
        "ops/pending -> shop/api 80/TCP",
    ]);
    api("allow ingress from pods [app=till]").allows(&[
        "pay/till -> shop/api 0/TCP",
        "pay/till -> shop/api 65535/UDP",
        "pay/till -> shop/api 7/SCTP",
        "pay/till -> shop/api 8/ICMP",
        "pay/till -> shop/api 128/ICMPv6",
        "pay/till -> shop/api 0/other",
    ]);
}

#[test]
fn an_empty_rule_allows_all_and_no_rule_allows_nothing() {
    api("allow ingress").allows(&["203.0.113.9 -> shop/api 8/ICMP", "pay/till -> shop/api 1/TCP"]);
    api("").denies(&[
        "203.0.113.9 -> shop/api 8/ICMP",
        "pay/till -> shop/api 1/TCP",
        "shop/api -> pay/db 1/TCP",
    ]);
}

#[test]
fn an_empty_list_of_peers_or_ports_matches_nothing() {
    api("allow ingress from nothing").denies(&["pay/till -> shop/api 1/TCP"]);
    api("allow ingress ports nothing").denies(&["pay/till -> shop/api 1/TCP"]);
    under("policy CiliumNetworkPolicy shop/a on pods [] applies ingress {\n deny ingress from nothing\n deny ingress ports nothing\n}")
        .allows(&["pay/till -> shop/api 1/TCP"]);
}

#[test]
fn a_pod_selector_alone_means_pods_of_the_policys_namespace() {
    api("allow ingress from pods [ns=shop, app in (web, till)]")
        .allows(&["shop/web-a -> shop/api 1/TCP"])
        .denies(&["pay/till -> shop/api 1/TCP"]);
}

#[test]
fn a_namespace_selector_alone_means_all_pods_of_those_namespaces() {
    api("allow ingress from pods [ns:team=red]")
        .allows(&["pay/till -> shop/api 1/TCP", "pay/db -> shop/api 1/TCP"])
        .denies(&["shop/web-a -> shop/api 1/TCP", "ops/mesh -> shop/api 1/TCP"]);
    api("allow ingress from pods [ns:kubernetes.io/metadata.name=pay]")
        .allows(&["pay/till -> shop/api 1/TCP"])
        .denies(&["ops/mesh -> shop/api 1/TCP"]);
}

#[test]
fn both_selectors_in_one_peer_are_a_conjunction_and_in_two_a_union() {
    api("allow ingress from pods [ns:team=red, app=db]")
        .allows(&["pay/db -> shop/api 1/TCP"])
        .denies(&["pay/till -> shop/api 1/TCP"]);
    api("allow ingress from pods [ns:team=red], pods [app=web]")
        .allows(&["pay/db -> shop/api 1/TCP", "shop/web-a -> shop/api 1/TCP"])
        .denies(&["ops/mesh -> shop/api 1/TCP"]);
}

#[test]
fn an_empty_selector_matches_every_pod_and_nothing_else() {
    api("allow ingress from pods []")
        .allows(&["pay/db -> shop/api 1/TCP", "ops/pending -> shop/api 1/TCP"])
        .denies(&[
            "203.0.113.9 -> shop/api 1/TCP",
            "node n2 -> shop/api 1/TCP",
            "some-node -> shop/api 1/TCP",
        ]);
}

#[test]
fn selector_operators_are_those_of_kubernetes() {
    let from = |asked: &str| api(&format!("allow ingress from pods [{asked}]"));
    from("tier in (front, back)")
        .allows(&["pay/till -> shop/api 1/TCP"])
        .denies(&["pay/db -> shop/api 1/TCP"]);
    // `NotIn` and `DoesNotExist` match where the key is absent.
    from("tier!=front")
        .allows(&["pay/db -> shop/api 1/TCP"])
        .denies(&["pay/till -> shop/api 1/TCP"]);
    from("tier")
        .allows(&["pay/till -> shop/api 1/TCP"])
        .denies(&["pay/db -> shop/api 1/TCP"]);
    from("!tier")
        .allows(&["pay/db -> shop/api 1/TCP"])
        .denies(&["pay/till -> shop/api 1/TCP"]);
    from("ns:stage!=live")
        .allows(&["ops/mesh -> shop/api 1/TCP"])
        .denies(&["pay/till -> shop/api 1/TCP"]);
    from("app=Till").denies(&["pay/till -> shop/api 1/TCP"]);
}

#[test]
fn an_ip_block_holds_every_address_in_it_pods_and_nodes_included() {
    api("allow ingress from cidr 10.244.2.0/24, cidr 192.168.77.2/32, cidr 203.0.113.0/25")
        .allows(&[
            "pay/till -> shop/api 1/TCP",
            "node n2 -> shop/api 1/TCP",
            "203.0.113.0 -> shop/api 1/TCP",
            "203.0.113.127 -> shop/api 1/TCP",
        ])
        .denies(&[
            "shop/web-a -> shop/api 1/TCP",
            "203.0.112.255 -> shop/api 1/TCP",
            "203.0.113.128 -> shop/api 1/TCP",
        ]);
}

#[test]
fn an_address_in_any_except_is_outside_the_block() {
    let case = api("allow egress to cidr 0.0.0.0/0 except 10.244.2.0/24 203.0.113.64/26 255.255.255.255/32");
    case.allows(&[
        "shop/api -> 203.0.113.63 1/TCP",
        "shop/api -> 203.0.113.128 1/TCP",
        "shop/api -> pay/db 1/TCP",
        "shop/api -> 0.0.0.0 1/TCP",
        "shop/api -> 255.255.255.254 1/TCP",
    ])
    .denies(&[
        "shop/api -> 203.0.113.64 1/TCP",
        "shop/api -> 203.0.113.127 1/TCP",
        "shop/api -> pay/till 1/TCP",
        "shop/api -> 255.255.255.255 1/TCP",
    ]);
    // A hole in one entry does not cut another.
    api("allow egress to cidr 10.0.0.0/8 except 10.244.0.0/16, cidr 10.244.2.11/32")
        .allows(&["shop/api -> pay/till 1/TCP"])
        .denies(&["shop/api -> pay/db 1/TCP"]);
}

#[test]
fn a_block_holds_only_addresses_of_its_family() {
    let web = |block: &str| {
        under(&format!(
            "policy NetworkPolicy shop/a on pods [ns=shop] denies egress {{\nallow egress to cidr {block}\n}}"
        ))
    };
    web("0.0.0.0/0")
        .allows(&["shop/web-a -> 10.244.2.10 1/TCP"])
        .denies(&[
            "shop/web-a -> fd00:2::10 1/TCP",
            "shop/web-a -> ::ffff:10.244.2.10 1/TCP",
        ]);
    web("::/0")
        .allows(&["shop/web-a -> fd00:2::10 1/TCP"])
        .denies(&["shop/web-a -> 10.244.2.10 1/TCP"]);
    web("fd00:2::/64 except fd00:2::10/124")
        .allows(&["shop/web-a -> fd00:2::f 1/TCP", "shop/web-a -> fd00:2::20 1/TCP"])
        .denies(&[
            "shop/web-a -> fd00:2::10 1/TCP",
            "shop/web-a -> fd00:2::1f 1/TCP",
            "shop/web-a -> fd00:3:: 1/TCP",
        ]);
}

#[test]
fn a_block_of_outside_addresses_holds_neither_pods_nor_nodes() {
    api("allow egress to outside 0.0.0.0/0")
        .allows(&["shop/api -> 203.0.113.9 1/TCP", "shop/api -> 10.9.9.9 1/TCP"])
        .denies(&[
            "shop/api -> pay/till 1/TCP",
            "shop/api -> node n2 1/TCP",
            "shop/api -> some-node 1/TCP",
        ]);
}

#[test]
fn an_unknown_address_is_in_a_block_only_when_that_is_a_whole_family() {
    for block in ["0.0.0.0/0", "::/0"] {
        api(&format!("allow egress to cidr {block}"))
            .allows(&["shop/api -> ops/pending 1/TCP", "shop/api -> some-node 1/TCP"]);
    }
    for block in [
        "0.0.0.0/1, cidr 128.0.0.0/1",
        "0.0.0.0/0 except 203.0.113.9/32",
        "10.0.0.0/8",
    ] {
        api(&format!("allow egress to cidr {block}"))
            .denies(&["shop/api -> ops/pending 1/TCP", "shop/api -> some-node 1/TCP"]);
    }
    api("allow egress to outside 0.0.0.0/0").denies(&["shop/api -> ops/pending 1/TCP"]);
}

#[test]
fn end_port_is_included_and_the_protocol_must_be_the_rules() {
    api("allow ingress ports 8000-8010/TCP, 53/UDP")
        .allows(&[
            "pay/till -> shop/api 8000/TCP",
            "pay/till -> shop/api 8010/TCP",
            "pay/till -> shop/api 53/UDP",
        ])
        .denies(&[
            "pay/till -> shop/api 7999/TCP",
            "pay/till -> shop/api 8011/TCP",
            "pay/till -> shop/api 8000/UDP",
            "pay/till -> shop/api 53/TCP",
            "pay/till -> shop/api 8000/SCTP",
        ]);
}

#[test]
fn an_empty_port_is_every_port_of_its_protocol() {
    api("allow ingress ports */TCP")
        .allows(&["pay/till -> shop/api 0/TCP", "pay/till -> shop/api 65535/TCP"])
        .denies(&[
            "pay/till -> shop/api 53/UDP",
            "pay/till -> shop/api 8/ICMP",
            "pay/till -> shop/api 0/other",
        ]);
    api("allow ingress ports */ANY")
        .allows(&[
            "pay/till -> shop/api 1/TCP",
            "pay/till -> shop/api 1/UDP",
            "pay/till -> shop/api 1/SCTP",
        ])
        .denies(&[
            "pay/till -> shop/api 8/ICMP",
            "pay/till -> shop/api 128/ICMPv6",
            "pay/till -> shop/api 0/other",
        ]);
}

#[test]
fn host_network_pods_are_nodes_as_peers_and_no_policy_applies_to_them() {
    under("policy NetworkPolicy ops/all on pods [] denies both {\n}").because(
        "ops/agent -> 203.0.113.9 1/TCP",
        Direction::Egress,
        true,
        Because::NotAnEndpoint,
    );
    let case = api("allow egress to pods [app=agent], pods []");
    case.denies(&["shop/api -> ops/agent 1/TCP"]);
    // Also for who asks with the pod's own id.
    let (id, _) = case
        .0
        .cluster
        .endpoint_ids()
        .find(|(_, pod)| pod.name == "agent")
        .unwrap();
    let (api, _) = case
        .0
        .cluster
        .endpoint_ids()
        .find(|(_, pod)| pod.name == "api")
        .unwrap();
    let agent = Party::Endpoint { id, address: None };
    let ask = |direction| decide(&case.0, api, direction, agent, Protocol::Tcp, 1);
    assert!(!ask(Direction::Egress).allowed);
    assert_eq!(ask(Direction::Ingress).because, Because::OwnHost);
    let of_agent = decide(&case.0, id, Direction::Ingress, Party::SomeNode, Protocol::Tcp, 1);
    assert_eq!(of_agent.because, Because::NotAnEndpoint);
}
