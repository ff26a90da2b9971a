//! Tiers at work, from manifests to verdicts. The evaluator answers, and the verdict table must say the same.
//!
//! Each scenario is one that the API's text or its conformance suite asks for, told anew; the expected answers are
//! worked out from the text.

use crate::lower::Lowered;
use crate::lower::tests::lowered;
use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::identity::Identities;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::table::VerdictTable;
use std::net::IpAddr;

/// Two teams, a namespace of the platform's, two nodes, a pod on a node's network.
const CLUSTER: &str = "
---
{apiVersion: v1, kind: Namespace, metadata: {name: red, labels: {team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: blue, labels: {team: blue}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: platform}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {role: worker}}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {role: control}}, status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: red, labels: {app: api}}
spec:
  nodeName: n1
  containers:
  - {name: c, ports: [{name: http, containerPort: 8080}, {name: feed, containerPort: 5000, protocol: UDP}]}
status: {podIP: 10.0.1.1}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: red, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}
status: {podIP: 10.0.1.2}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: blue, labels: {app: web}}
spec: {nodeName: n2, containers: [{name: c}]}
status: {podIP: 10.0.2.1}
---
apiVersion: v1
kind: Pod
metadata: {name: metrics, namespace: platform, labels: {app: metrics}}
spec: {nodeName: n2, containers: [{name: c}]}
status: {podIP: 10.0.2.2}
---
apiVersion: v1
kind: Pod
metadata: {name: exporter, namespace: platform, labels: {app: exporter}}
spec: {nodeName: n2, hostNetwork: true, containers: [{name: c, ports: [{name: http, containerPort: 9100}]}]}
status: {podIP: 192.168.0.2}
";

struct World(Lowered);

/// The cluster above and these policies. A policy is `kind name` and its `spec` behind.
fn world(policies: &[(&str, &str)]) -> World {
    let mut yaml = String::new();
    for (head, spec) in policies {
        let (kind, name) = head.split_once(' ').unwrap();
        let (version, namespace) = match kind {
            "NetworkPolicy" => ("networking.k8s.io/v1", "red"),
            "ClusterNetworkPolicy" => ("policy.networking.k8s.io/v1alpha2", "''"),
            _ => ("policy.networking.k8s.io/v1alpha1", "''"),
        };
        yaml.push_str(&format!(
            "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
        ));
        for line in spec.lines() {
            yaml.push_str(&format!("  {line}\n"));
        }
    }
    let lowered = lowered(&format!("{yaml}{CLUSTER}"));
    assert_eq!(lowered.findings, []);
    World(lowered)
}

impl World {
    fn party(&self, who: &str) -> Party {
        let cluster = &self.0.model.cluster;
        let address: Option<IpAddr> = who.parse().ok();
        if let Some((id, pod)) = cluster.endpoint_ids().find(|(_, pod)| pod.to_string() == who) {
            let address = pod.addresses.first().copied();
            return Party::Endpoint { id, address };
        }
        if let Some((id, node)) = cluster.node_ids().find(|(_, node)| node.name == who) {
            let address = node.addresses.first().copied();
            return Party::Node { id, address };
        }
        Party::Outside(address.unwrap())
    }

    /// `port` is `80/TCP`, `8/ICMP` or `0/other`.
    fn allows(&self, from: &str, to: &str, port: &str) -> bool {
        let (number, name) = port.split_once('/').unwrap();
        let model = &self.0.model;
        let flow = Flow {
            source: self.party(from),
            destination: self.party(to),
            protocol: Protocol::ALL
                .into_iter()
                .find(|one| one.to_string() == name)
                .unwrap(),
            port: number.parse().unwrap(),
        };
        let judgement = evaluator::evaluate(model, &flow);
        let identities = Identities::of(model);
        for (direction, subject, peer, decision) in [
            (
                Direction::Egress,
                flow.source,
                flow.destination,
                &judgement.egress,
            ),
            (
                Direction::Ingress,
                flow.destination,
                flow.source,
                &judgement.ingress,
            ),
        ] {
            // Host-network pods are nodes here: the table is asked about pods.
            let (Party::Endpoint { id, .. }, Some(peer)) = (subject, identities.of_party(peer)) else {
                continue;
            };
            if model.cluster.endpoint(id).unwrap().host_network || from == to {
                continue;
            }
            let table = VerdictTable::build(model, &identities, id, direction);
            let decided = table.decide(flow.protocol, flow.port, peer).unwrap();
            assert_eq!(&decided, decision, "{from} to {to} on {port}, {direction}");
        }
        judgement.allowed()
    }

    /// Asserts each `from to port`, allowed exactly where `+` stands in front.
    #[track_caller]
    fn answers(&self, expected: &[&str]) {
        for line in expected {
            let (sign, flow) = line.split_at(1);
            let words: Vec<_> = flow.split_whitespace().collect();
            let &[from, to, port] = words.as_slice() else {
                panic!("{line}")
            };
            assert_eq!(self.allows(from, to, port), sign == "+", "{line}");
        }
    }
}

const DENY_BLUE: &str = "\
tier: Admin
priority: 20
subject: {namespaces: {matchLabels: {team: red}}}
ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: blue}}}]}]
egress: [{action: Deny, to: [{namespaces: {matchLabels: {team: blue}}}]}]
";

const ONLY_BLUE: &str = "\
podSelector: {}
policyTypes: [Ingress, Egress]
ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]
egress: [{to: [{namespaceSelector: {matchLabels: {team: blue}}}]}]
";

fn with(spec: &str, from: &str, to: &str) -> String {
    assert!(spec.contains(from));
    spec.replace(from, to)
}

#[test]
fn an_admin_deny_stands_above_what_a_network_policy_allows() {
    let policies = [
        ("ClusterNetworkPolicy deny", DENY_BLUE),
        ("NetworkPolicy blue", ONLY_BLUE),
    ];
    world(&policies).answers(&[
        "- blue/web red/api 80/TCP",
        "- red/api blue/web 80/TCP",
        // Nothing matches in the admin tier: the NetworkPolicy decides.
        "- platform/metrics red/api 80/TCP",
        "+ blue/web platform/metrics 80/TCP",
    ]);
}

#[test]
fn a_pass_hands_over_to_network_policies_and_then_to_the_baseline() {
    let passing = with(DENY_BLUE, "Deny", "Pass");
    let behind = with(
        &with(DENY_BLUE, "20", "21"),
        "team: blue",
        "kubernetes.io/metadata.name: blue",
    );
    let baseline = with(DENY_BLUE, "Admin", "Baseline");
    let all = [
        ("ClusterNetworkPolicy pass", passing.as_str()),
        ("ClusterNetworkPolicy behind", &behind),
        ("NetworkPolicy blue", ONLY_BLUE),
        ("ClusterNetworkPolicy baseline", &baseline),
    ];
    // Passed over the deny behind it, allowed by the NetworkPolicy, the baseline is not asked.
    let flows = ["blue/web red/api 80/TCP", "red/api blue/web 80/TCP"];
    for flow in flows {
        world(&all).answers(&[&format!("+ {flow}")]);
        // Without the NetworkPolicy the baseline is asked, without the baseline nothing is left to deny.
        let mut fewer = all.to_vec();
        fewer.remove(2);
        world(&fewer).answers(&[&format!("- {flow}")]);
        fewer.pop();
        world(&fewer).answers(&[&format!("+ {flow}")]);
    }
}

#[test]
fn an_admin_accept_stands_above_the_default_deny_of_a_network_policy() {
    let accept = "\
tier: Admin
priority: 0
subject: {namespaces: {}}
ingress: [{action: Accept, from: [{pods: {podSelector: {matchLabels: {app: metrics}}}}], protocols: [{tcp: {destinationPort: {number: 9090}}}]}]
";
    let isolate = "podSelector: {}\npolicyTypes: [Ingress]\n";
    world(&[
        ("ClusterNetworkPolicy metrics", accept),
        ("NetworkPolicy isolate", isolate),
    ])
    .answers(&[
        "+ platform/metrics red/api 9090/TCP",
        "- platform/metrics red/api 9091/TCP",
        "- platform/metrics red/api 9090/UDP",
        "- blue/web red/api 9090/TCP",
        // The accept is on the receiver's side only.
        "+ red/api platform/metrics 1/TCP",
    ]);
}

#[test]
fn an_accept_on_one_side_leaves_the_other_side_its_say() {
    let accept = "\
tier: Admin
priority: 0
subject: {namespaces: {matchLabels: {team: blue}}}
egress: [{action: Accept, to: [{namespaces: {}}]}]
";
    let deny = with(DENY_BLUE, "20", "1");
    world(&[
        ("ClusterNetworkPolicy accept", accept),
        ("ClusterNetworkPolicy deny", &deny),
    ])
    .answers(&["- blue/web red/api 80/TCP", "+ blue/web platform/metrics 80/TCP"]);
}

#[test]
fn the_lower_priority_number_is_asked_first() {
    let deny = with(DENY_BLUE, "priority: 20", "priority: 5");
    let accept = with(&with(DENY_BLUE, "Deny", "Accept"), "priority: 20", "priority: 4");
    let late = with(&accept, "priority: 4", "priority: 6");
    let pair = |other: &str| {
        world(&[
            ("ClusterNetworkPolicy deny", &deny),
            ("ClusterNetworkPolicy accept", other),
        ])
    };
    pair(&accept).answers(&["+ blue/web red/api 80/TCP", "+ red/api blue/web 80/TCP"]);
    pair(&late).answers(&["- blue/web red/api 80/TCP", "- red/api blue/web 80/TCP"]);
}

#[test]
fn tiers_come_before_priorities() {
    let baseline = with(
        &with(&with(DENY_BLUE, "Deny", "Accept"), "Admin", "Baseline"),
        "20",
        "0",
    );
    world(&[
        ("ClusterNetworkPolicy baseline", &baseline),
        ("ClusterNetworkPolicy admin", DENY_BLUE),
    ])
    .answers(&["- blue/web red/api 80/TCP"]);
}

#[test]
fn in_one_policy_the_first_rule_that_matches_decides_each_direction_by_itself() {
    let spec = "\
tier: Admin
priority: 3
subject: {pods: {namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {app: api}}}}
ingress:
- {action: Accept, from: [{namespaces: {matchLabels: {team: blue}}}], protocols: [{tcp: {destinationPort: {number: 80}}}]}
- {action: Pass, from: [{namespaces: {matchLabels: {team: blue}}}], protocols: [{tcp: {destinationPort: {range: {start: 80, end: 81}}}}]}
- {action: Deny, from: [{namespaces: {}}]}
egress:
- {action: Deny, to: [{namespaces: {}}]}
- {action: Accept, to: [{namespaces: {}}]}
";
    world(&[("ClusterNetworkPolicy p", spec)]).answers(&[
        "+ blue/web red/api 80/TCP",
        "+ blue/web red/api 81/TCP",
        "- blue/web red/api 82/TCP",
        "- blue/web red/api 80/SCTP",
        "- red/db red/api 80/TCP",
        "- red/api blue/web 80/TCP",
        // Another pod of the namespace is not the subject; addresses outside are not `namespaces: {}`.
        "+ red/db blue/web 80/TCP",
        "+ 203.0.113.7 red/api 82/TCP",
        // A pod reaches itself by its own address, whatever policies say.
        "+ red/api red/api 80/TCP",
    ]);
}

#[test]
fn the_baseline_decides_only_where_no_network_policy_isolates() {
    let baseline = "\
subject: {namespaces: {matchLabels: {team: red}}}
ingress: [{action: Allow, from: [{namespaces: {matchLabels: {team: blue}}}]}, {action: Deny, from: [{namespaces: {}}]}]
egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]
";
    let isolate_db = "podSelector: {matchLabels: {app: db}}\npolicyTypes: [Ingress]\ningress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: platform}}}]}]\n";
    world(&[
        ("BaselineAdminNetworkPolicy default", baseline),
        ("NetworkPolicy db", isolate_db),
    ])
    .answers(&[
        "+ blue/web red/api 80/TCP",
        "- platform/metrics red/api 80/TCP",
        // `db` is isolated by its NetworkPolicy: the baseline neither allows nor denies its ingress...
        "- blue/web red/db 80/TCP",
        "+ platform/metrics red/db 80/TCP",
        // ...but the NetworkPolicy does not speak of its egress.
        "- red/db 203.0.113.7 443/TCP",
    ]);
}

#[test]
fn a_pass_in_the_baseline_is_the_last_word() {
    let pass = "\
tier: Baseline
priority: 1
subject: {namespaces: {matchLabels: {team: red}}}
ingress: [{action: Pass, from: [{namespaces: {matchLabels: {team: blue}}}]}]
";
    let deny = "\
tier: Baseline
priority: 2
subject: {namespaces: {}}
ingress: [{action: Deny, from: [{namespaces: {}}]}]
";
    world(&[
        ("ClusterNetworkPolicy pass", pass),
        ("ClusterNetworkPolicy deny", deny),
    ])
    .answers(&[
        "+ blue/web red/api 80/TCP",
        "- platform/metrics red/api 80/TCP",
        "- blue/web platform/metrics 80/TCP",
    ]);
}

#[test]
fn nodes_and_networks_are_told_apart_by_the_order_of_rules() {
    let spec = "\
tier: Admin
priority: 75
subject: {namespaces: {matchLabels: {team: red}}}
egress:
- {action: Accept, to: [{nodes: {matchLabels: {role: worker}}}], protocols: [{tcp: {destinationPort: {number: 10250}}}]}
- {action: Pass, to: [{networks: [198.51.100.0/24]}]}
- {action: Deny, to: [{nodes: {}}, {networks: [0.0.0.0/0]}]}
";
    let network =
        "podSelector: {}\npolicyTypes: [Egress]\negress: [{to: [{ipBlock: {cidr: 198.51.100.0/25}}]}]\n";
    world(&[("ClusterNetworkPolicy p", spec), ("NetworkPolicy net", network)]).answers(&[
        "+ red/api n1 10250/TCP",
        "- red/api n2 10250/TCP",
        "- red/api n1 10250/UDP",
        "+ red/api 198.51.100.7 1/TCP",
        "- red/api 198.51.100.200 1/TCP",
        "- red/api 203.0.113.7 1/TCP",
        // "cluster-internal traffic will be checked against the rule as well"
        "- red/api blue/web 80/TCP",
        // A host-network pod is its node.
        "- red/api platform/exporter 9100/TCP",
        // ICMP goes with the addresses.
        "- red/api 203.0.113.7 8/ICMP",
        "+ blue/web 203.0.113.7 8/ICMP",
    ]);
}

#[test]
fn a_pass_for_pods_keeps_networks_to_the_outside() {
    let spec = "\
tier: Admin
priority: 75
subject: {namespaces: {}}
egress:
- {action: Pass, to: [{namespaces: {}}]}
- {action: Deny, to: [{networks: [0.0.0.0/0, '::/0']}]}
";
    world(&[("ClusterNetworkPolicy p", spec)]).answers(&[
        "+ red/api blue/web 80/TCP",
        "- red/api 203.0.113.7 80/TCP",
        "- red/api 2001:db8::1 80/TCP",
        "- red/api n1 80/TCP",
        "- red/api platform/exporter 80/TCP",
    ]);
}

#[test]
fn pods_on_the_host_network_are_neither_subjects_nor_pods_as_peers() {
    let spec = "\
tier: Admin
priority: 1
subject: {namespaces: {}}
ingress: [{action: Deny, from: [{namespaces: {}}]}]
egress: [{action: Deny, to: [{namespaces: {}}]}]
";
    world(&[("ClusterNetworkPolicy p", spec)]).answers(&[
        "- red/api blue/web 80/TCP",
        "+ red/api platform/exporter 9100/TCP",
        "+ platform/exporter red/api 80/TCP",
        "+ platform/exporter 203.0.113.7 80/TCP",
    ]);
}

#[test]
fn a_port_name_is_each_destinations_own_whatever_the_protocol() {
    let ingress = |name: &str| {
        format!(
            "tier: Admin\npriority: 1\nsubject: {{namespaces: {{matchLabels: {{team: red}}}}}}\ningress: [{{action: Deny, from: [{{namespaces: {{}}}}], protocols: [{{destinationNamedPort: {name}}}]}}]"
        )
    };
    world(&[("ClusterNetworkPolicy p", &ingress("http"))]).answers(&[
        "- blue/web red/api 8080/TCP",
        "+ blue/web red/api 80/TCP",
        "- blue/web red/db 80/TCP",
        "+ blue/web red/db 8080/TCP",
    ]);
    world(&[("ClusterNetworkPolicy p", &ingress("feed"))]).answers(&[
        "- blue/web red/api 5000/UDP",
        "+ blue/web red/api 5000/TCP",
        "+ blue/web red/db 5000/UDP",
    ]);
    let egress = "\
priority: 1
subject: {namespaces: {matchLabels: {team: blue}}}
egress:
- {action: Allow, to: [{namespaces: {}}], ports: [{namedPort: http}]}
- {action: Deny, to: [{namespaces: {}}, {nodes: {}}]}
";
    world(&[("AdminNetworkPolicy p", egress)]).answers(&[
        "+ blue/web red/api 8080/TCP",
        "- blue/web red/api 80/TCP",
        "+ blue/web red/db 80/TCP",
        // A pod on the host network has no port names towards policies.
        "- blue/web platform/exporter 9100/TCP",
    ]);
}

#[test]
fn each_protocol_is_asked_about_by_itself() {
    let spec = "\
tier: Admin
priority: 1
subject: {namespaces: {matchLabels: {team: red}}}
ingress:
- {action: Deny, from: [{namespaces: {}}], protocols: [{udp: {destinationPort: {number: 53}}}, {sctp: {destinationPort: {range: {start: 9000, end: 9005}}}}]}
";
    world(&[("ClusterNetworkPolicy p", spec)]).answers(&[
        "- blue/web red/api 53/UDP",
        "+ blue/web red/api 53/TCP",
        "+ blue/web red/api 53/SCTP",
        "- blue/web red/api 9000/SCTP",
        "- blue/web red/api 9005/SCTP",
        "+ blue/web red/api 9006/SCTP",
        "+ blue/web red/api 8999/SCTP",
        "+ blue/web red/api 8/ICMP",
    ]);
}

#[test]
fn policies_of_one_priority_all_apply() {
    let policy = |team: &str, peer: &str, port: u16| {
        format!(
            "tier: Admin\npriority: 15\nsubject: {{namespaces: {{matchLabels: {{team: {team}}}}}}}\ningress: [{{action: Deny, from: [{{namespaces: {{matchLabels: {{kubernetes.io/metadata.name: {peer}}}}}}}], protocols: [{{tcp: {{destinationPort: {{number: {port}}}}}}}]}}]"
        )
    };
    // The first two share a subject, the first and the third a peer.
    world(&[
        ("ClusterNetworkPolicy a", &policy("red", "platform", 80)),
        ("ClusterNetworkPolicy b", &policy("red", "blue", 80)),
        ("ClusterNetworkPolicy c", &policy("blue", "platform", 8080)),
    ])
    .answers(&[
        "- platform/metrics red/api 80/TCP",
        "- blue/web red/api 80/TCP",
        "- platform/metrics blue/web 8080/TCP",
        "+ platform/metrics red/api 8080/TCP",
        "+ platform/metrics blue/web 80/TCP",
        "+ red/db red/api 80/TCP",
    ]);
}

#[test]
fn a_domain_that_may_be_meant_opens_nothing_here() {
    let spec = "\
tier: Admin
priority: 1
subject: {namespaces: {matchLabels: {team: red}}}
egress:
- {action: Accept, to: [{domainNames: ['*.example.com']}]}
- {action: Deny, to: [{networks: [0.0.0.0/0]}]}
";
    world(&[("ClusterNetworkPolicy p", spec)])
        .answers(&["- red/api 203.0.113.7 443/TCP", "+ blue/web 203.0.113.7 443/TCP"]);
}
