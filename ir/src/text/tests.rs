use proptest::prelude::*;

use super::{parse, parse_flow, print};
use crate::origin::Origin;
use crate::testing::{Profile, models};

const SHOP: &str = r#"# The example of the module's documentation, and one of everything else.
namespace shop team=blue "odd key"="odd \"value\""

node node-a at 192.168.77.1 fd77::1 slice 10.244.1.0/24 fd00:1::/64 labels zone=a @ nodes.yaml:1:1-7:9
endpoint shop/web-0 of Deployment/web labels app=web
  at 10.244.1.5
"#;

/// Every construct once, by hand.
const EVERYTHING: &str = r#"# One of everything.
namespace shop team=blue "odd key"="odd \"value\""
node node-a at 192.168.77.1 fd77::1 slice 10.244.1.0/24 fd00:1::/64 labels zone=a @ nodes.yaml:1:1-7:9
node node-b
endpoint shop/web-0 of Deployment/web labels app=web tier="" at 10.244.1.5 on node-a ports http 8080/TCP,
  named 80/TCP (pods.yaml#2:14:9 spec.containers[0].ports[0]),   # a list may go on in the next line
  9090/TCP, dns 53/UDP in proxy sidecar, debug 5005/TCP in setup init @ pods.yaml#2:3:1-20:1
endpoint shop/migrate of Job/migrate single account robot
endpoint shop/agent host-network on node-a

policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies ingress @ shop.yaml:9:1 {
  # comments and empty lines are welcome

  allow ingress from pods [ns=shop, app in (web, cart)] (shop.yaml:13:9), pods [ns:team!=red,
    !legacy, "ns"] ports http/TCP (shop.yaml:20:9), 9000-9010/UDP, */SCTP, "8o"/TCP @ shop.yaml:12:5-21 spec.ingress[0]
  allow ingress from nothing ports nothing
  allow ingress
}
policy NetworkPolicy shop/silent on pods [] applies both denies egress { # nothing
}
policy CiliumClusterwideNetworkPolicy guard on nodes [zone notin (a, b), cluster=default] applies nothing {
  deny egress to entity world-ipv4, outside 10.0.0.0/8 except 10.2.0.0/16 10.1.0.0/16, nodes [zone] ports 80/ANY
  allow egress to domain "*.example.com", domain example.com, cidr ::/0, pods [account=robot] ports 8/ICMP, 128/ICMPv6
}
policy ClusterNetworkPolicy tiers on pods [app in ()] {
  pass ingress admin 10.2 from entity all
  deny ingress baseline 0.1
}
"#;

#[test]
fn everything_prints_in_canonical_form() {
    let model = parse(EVERYTHING).unwrap();
    insta::assert_snapshot!(print(&model));
    assert_eq!(parse(&print(&model)).unwrap(), model);
}

#[test]
fn what_is_left_out_is_filled_in() {
    let model = parse("endpoint shop/web ports 80/TCP\npolicy NetworkPolicy a/p on pods [] denies egress {\nallow ingress ports 80/TCP\n}").unwrap();
    let pod = &model.cluster.endpoints()[0];
    assert_eq!(
        (
            pod.workload.kind.as_str(),
            pod.workload.name.as_str(),
            pod.workload.replicated
        ),
        ("Pod", "web", false)
    );
    assert_eq!(pod.service_account, "default");
    assert_eq!(pod.ports[0].container, "main");
    assert_eq!(pod.origin, Origin::synthetic(super::UNNAMED));
    assert_eq!(
        model.cluster.namespaces()["shop"]["kubernetes.io/metadata.name"],
        "shop"
    );
    let policy = &model.policies()[0];
    assert!(policy.applies.ingress && policy.applies.egress && !policy.default_deny.ingress);
    assert_eq!(policy.rules[0].origin, policy.origin);
}

#[test]
fn a_line_goes_on_only_where_it_may() {
    assert_eq!(
        parse(SHOP).unwrap_err().to_string(),
        "6:3: expected `cluster`, `endpoint`, `namespace`, `node` or `policy`, found `at`"
    );
}

/// One mistake a line, and what is said about it.
#[test]
fn mistakes_are_explained() {
    let mistakes = [
        "namespace",
        "namespace shop team",
        "namespace shop team=blue team=red",
        "namespace shop\nnamespace shop",
        "nodes",
        "node a at 10.0.0.300",
        "node a at 10.0.0.1 at 10.0.0.2",
        "endpoint web",
        "endpoint shop/web of Deployment",
        "endpoint shop/web ports http",
        "endpoint shop/web ports http 80",
        "endpoint shop/web ports http 80000/TCP",
        "endpoint shop/web ports http 80/tcp",
        "endpoint shop/web @ file:1",
        "endpoint shop/web labels app=\"we\nb\"",
        "endpoint shop/web labels app=\"\\q\"",
        "endpoint shop/web on a on b",
        "policy NetworkPolicies shop/api",
        "policy NetworkPolicy shop/api",
        "policy NetworkPolicy shop/api on pods",
        "policy NetworkPolicy shop/api on pods [app=]",
        "policy NetworkPolicy shop/api on pods [app in web] {\n}",
        "policy NetworkPolicy shop/api on pods [app~web] {\n}",
        "policy NetworkPolicy shop/api on pods [] denies all {\n}",
        "policy NetworkPolicy shop/api on pods []\n{\n}",
        "policy NetworkPolicy shop/api on pods [] {\n",
        "policy NetworkPolicy shop/api on pods [] {\nallow\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress to pods []\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress from web\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress from pods [],\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress ports 80\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress ports 90-80/TCP\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress ports 256/ICMP\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress ports http/ICMP\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress from cidr 10.0.0.1/8\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress from cidr 10.0.0.0/40\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress from entity wrld\n}",
        "policy NetworkPolicy shop/api on pods [] {\nallow ingress admin 3\n}",
    ];
    let explained: Vec<_> = mistakes
        .into_iter()
        .map(|text| format!("{text}\n  => {}", parse(text).unwrap_err()))
        .collect();
    insta::assert_snapshot!(explained.join("\n\n"));
}

#[test]
fn flows_are_read_between_parties_of_the_cluster() {
    let model = parse(
        "node a at 192.168.77.1\n\
         endpoint shop/both at 10.244.1.5 fd00::5\n\
         endpoint shop/six at fd00::6\n\
         endpoint shop/unknown\n",
    )
    .unwrap();
    let flows = [
        "shop/both -> shop/six 80/TCP",
        "shop/both -> shop/unknown 80/TCP",
        "10.244.1.5 -> 203.0.113.1 443/UDP",
        "2001:db8::1 -> shop/both 8/ICMPv6",
        "192.168.77.1 -> shop/both 0/other",
        "node a -> shop/both 1/SCTP",
        "some-node -> shop/six 1/TCP",
        "shop/none -> shop/six 1/TCP",
        "shop/both -> shop/six 256/ICMP",
        "shop/both shop/six 1/TCP",
        "shop/both -> shop/six 1/TCP now",
    ];
    let read: Vec<_> = flows
        .into_iter()
        .map(|text| match parse_flow(&model.cluster, text) {
            Ok(flow) => format!("{text}\n  => {:?} -> {:?}", flow.source, flow.destination),
            Err(error) => format!("{text}\n  => {error}"),
        })
        .collect();
    insta::assert_snapshot!(read.join("\n\n"));
}

fn odd() -> Profile {
    Profile {
        odd_text: true,
        ..Profile::everything()
    }
}

proptest! {
    #[test]
    fn a_printed_model_parses_to_itself(model in models(odd())) {
        let text = print(&model);
        let parsed = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&parsed, &model, "{}", text);
        prop_assert_eq!(print(&parsed), text);
    }

    #[test]
    fn any_string_is_quoted_so_that_it_comes_back(value in any::<String>(), key in any::<String>()) {
        let mut model = parse("endpoint shop/web labels app=web\n").unwrap();
        let mut pod = model.cluster.endpoints()[0].clone();
        pod.labels.insert(key.clone(), value.clone());
        pod.name = value.clone();
        pod.origin.path = value.as_str().into();
        pod.origin.file = key.as_str().into();
        model.cluster = crate::cluster::Cluster::new([(key, [(value.clone(), value)].into())], [pod], []);
        prop_assert_eq!(parse(&print(&model)).unwrap(), model);
    }

    /// Cutting, doubling and overwriting pieces of valid text gives a model or an error inside the text.
    #[test]
    fn damaged_text_never_panics(
        model in models(odd()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[\\[\\](){}@#:,/\"\\\\\n =!*-]{0,3}|[a-z0-9é]{0,3}"), 1..6),
    ) {
        let mut text: Vec<char> = print(&model).chars().collect();
        for (place, length, piece) in damage {
            let start = place.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = parse(&text) {
            let lines = text.matches('\n').count() + 1;
            prop_assert!((1..=lines).contains(&error.line), "{}", error);
            let line = text.split('\n').nth(error.line - 1).unwrap_or_default();
            prop_assert!((1..=line.chars().count() + 1).contains(&error.column), "{}", error);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), flow in any::<String>()) {
        let _ = parse(&text);
        let _ = parse_flow(&crate::cluster::Cluster::default(), &flow);
    }
}
