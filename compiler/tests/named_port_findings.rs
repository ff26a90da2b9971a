//! Findings about port names against brute force, on generated models: what they claim is so, and what is so they say.
//!
//! Which pods a rule reaches is asked of the reference evaluator, one pod at a time, in a model that holds this rule
//! alone; what a name means on a pod is asked of `ir::named_port`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a failed look-up is a failed test"
)]

use ir::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, EndpointId, Family, Workload};
use ir::evaluator;
use ir::flow::{Because, Flow, Party};
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{PeerMatch, Peers};
use ir::policy::{Action, Direction, Directions, Policy, PolicyKind, Rank, Rule, Subject};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Selector};
use ir::testing::{Profile, models};
use portcullis_compiler::diagnostic::Finding;
use portcullis_compiler::lints::{self, ground::Ground};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One use of a name, with what brute force says of it.
struct Use<'m> {
    policy: &'m Policy,
    rule: &'m Rule,
    port: &'m Port,
    name: &'m str,
    protocol: ProtocolSet,
    reached: Vec<&'m Endpoint>,
}

type Numbers = BTreeSet<(Protocol, u16)>;

impl Use<'_> {
    fn numbers(&self, pod: &Endpoint) -> Numbers {
        ir::named_port::definitions(pod, self.name, self.protocol)
            .map(|port| (port.protocol, port.number))
            .collect()
    }

    fn meanings(&self) -> BTreeSet<Numbers> {
        let numbers = self.reached.iter().map(|pod| self.numbers(pod));
        numbers.filter(|numbers| !numbers.is_empty()).collect()
    }
}

fn uses(model: &Model) -> Vec<Use<'_>> {
    let mut uses = Vec::new();
    for policy in model.policies() {
        for rule in &policy.rules {
            let Ports::OneOf(ports) = &rule.ports else {
                continue;
            };
            for port in ports {
                let PortMatch::Name { protocol, name } = &port.matches else {
                    continue;
                };
                let reached = model
                    .cluster
                    .endpoint_ids()
                    .filter(|(id, pod)| reaches(model, policy, rule, *id, pod))
                    .map(|(_, pod)| pod)
                    .collect();
                uses.push(Use {
                    policy,
                    rule,
                    port,
                    name,
                    protocol: *protocol,
                    reached,
                });
            }
        }
    }
    uses
}

/// Whether a rule reaches a pod as a destination: asked of the evaluator, with a pod beside it that is nobody's peer.
fn reaches(model: &Model, policy: &Policy, rule: &Rule, id: EndpointId, pod: &Endpoint) -> bool {
    if pod.host_network {
        return false;
    }
    let probe = Endpoint {
        namespace: "zzz".to_owned(),
        name: "probe".to_owned(),
        workload: Workload {
            kind: "Pod".to_owned(),
            name: "probe".to_owned(),
            replicated: false,
        },
        labels: BTreeMap::new(),
        service_account: "default".to_owned(),
        addresses: Vec::new(),
        node: None,
        host_network: false,
        ports: Vec::new(),
        origin: Origin::synthetic("probe.yaml"),
    };
    let cluster = &model.cluster;
    let namespaces = cluster
        .namespaces()
        .iter()
        .map(|(name, labels)| (name.clone(), labels.clone()));
    // It sorts behind all others, so that their ids stay.
    let endpoints = cluster.endpoints().iter().cloned().chain([probe]);
    let cluster =
        Cluster::new(namespaces, endpoints, cluster.nodes().iter().cloned()).named(model.cluster.name());
    let (probe, _) = cluster.endpoint_ids().last().unwrap();
    let both = Directions {
        ingress: true,
        egress: true,
    };
    let (subject, peers) = match rule.direction {
        Direction::Ingress => (policy.subject.clone(), Peers::Any),
        Direction::Egress => (Subject::Endpoints(Selector::default()), rule.peers.clone()),
    };
    let alone = Policy {
        kind: PolicyKind::CiliumClusterwideNetworkPolicy,
        namespace: None,
        name: "alone".to_owned(),
        subject,
        applies: both,
        default_deny: both,
        rules: vec![Rule {
            rank: Rank::NAMESPACED,
            action: Action::Allow,
            peers,
            ports: Ports::Any,
            beyond: Vec::new(),
            ..rule.clone()
        }],
        origin: Origin::synthetic("alone.yaml"),
    };
    let model = Model::new(cluster, [alone]);
    let mut addresses: Vec<_> = pod.addresses.iter().copied().map(Some).collect();
    if addresses.is_empty() {
        addresses.push(None);
    }
    addresses.into_iter().any(|address| {
        let reached = Party::Endpoint { id, address };
        let other = Party::Endpoint {
            id: probe,
            address: None,
        };
        let (subject, peer) = match rule.direction {
            Direction::Ingress => (id, other),
            Direction::Egress => (probe, reached),
        };
        let decision = evaluator::decide(&model, subject, rule.direction, peer, Protocol::Tcp, 1);
        matches!(decision.because, Because::Rules(_))
    })
}

/// Whether a selector, and not a rule for everybody, picked the pod.
fn is_picked(model: &Model, one: &Use<'_>, pod: &Endpoint) -> bool {
    let fits = |selector: &Selector| {
        selector.requirements().iter().all(|asked| {
            asked
                .operator
                .accepts(model.cluster.attribute(pod, &asked.attribute))
        })
    };
    match (one.rule.direction, &one.rule.peers) {
        (Direction::Ingress, _) => true,
        (Direction::Egress, Peers::Any) => false,
        (Direction::Egress, Peers::OneOf(peers)) => peers
            .iter()
            .any(|peer| matches!(&peer.matches, PeerMatch::Endpoints(selector) if fits(selector))),
    }
}

/// Whether a port of the rule is one of the pod.
fn any_port_means_something(one: &Use<'_>, pod: &Endpoint) -> bool {
    let Ports::OneOf(ports) = &one.rule.ports else {
        panic!("a rule with a name has ports");
    };
    ports.iter().any(|port| match &port.matches {
        PortMatch::Name { protocol, name } => {
            ir::named_port::definitions(pod, name, *protocol).next().is_some()
        }
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => pod.ports.iter().any(|port| {
            port.role != ContainerRole::Init
                && protocol.contains(port.protocol)
                && *first <= port.number
                && port.number <= *last
        }),
        PortMatch::Icmp { .. } => false,
    })
}

/// Whether all namespaces that a selector speaks of are known, and have pods.
fn is_closed(model: &Model, selector: &Selector) -> bool {
    let populated = |name: &str| model.cluster.endpoints().iter().any(|pod| pod.namespace == name);
    let asked: Vec<_> = selector
        .requirements()
        .iter()
        .filter(|asked| {
            matches!(
                asked.attribute,
                Attribute::Namespace | Attribute::NamespaceLabel(_)
            )
        })
        .collect();
    let positive = asked
        .iter()
        .any(|asked| matches!(asked.operator, Operator::In(_) | Operator::Exists));
    let named = asked
        .iter()
        .all(|asked| match (&asked.attribute, &asked.operator) {
            (Attribute::Namespace, Operator::In(names)) => names.iter().all(|name| populated(name)),
            (Attribute::NamespaceLabel(key), Operator::In(names)) if key == NAMESPACE_NAME_LABEL => {
                names.iter().all(|name| populated(name))
            }
            _ => true,
        });
    let fitting: Vec<_> = model
        .cluster
        .namespaces()
        .iter()
        .filter(|(name, labels)| {
            asked.iter().all(|asked| {
                asked.operator.accepts(match &asked.attribute {
                    Attribute::NamespaceLabel(key) => labels.get(key).map(String::as_str),
                    _ => Some(name.as_str()),
                })
            })
        })
        .collect();
    positive && named && !fitting.is_empty() && fitting.iter().all(|(name, _)| populated(name))
}

/// The codes at the place of a use; of those that are told once for several uses, where one of their labels is there.
fn codes_at(findings: &[Finding], origin: &Origin) -> BTreeSet<String> {
    findings
        .iter()
        .filter(|finding| finding.labels.iter().any(|label| label.origin == *origin))
        .map(|finding| finding.code.to_string())
        .collect()
}

/// Whether this is the one finding about revisions of a workload, which many rules may use: it shows the first uses only,
/// but it is about the policy of each, and shows each of the numbers where it is defined.
fn tells_of_revisions(finding: &Finding, one: &Use<'_>) -> bool {
    let shown = |port: &ContainerPort| {
        let mut labels = finding.labels.iter().filter(|label| label.primary);
        labels.any(|label| label.origin == port.origin)
    };
    let definitions = |pod| ir::named_port::definitions(pod, one.name, one.protocol);
    finding.code.to_string() == "PC216"
        && finding
            .objects
            .iter()
            .any(|object| object.name == one.policy.name && object.namespace == one.policy.namespace)
        && one.meanings().iter().all(|meaning| {
            let mut pods = one.reached.iter().filter(|pod| one.numbers(pod) == *meaning);
            pods.any(|pod| definitions(pod).all(shown))
        })
}

/// What Cilium up to 1.19 looks names of egress rules up in: of each pod the last definition of the main containers.
fn numbers_of_older_cilium(model: &Model, one: &Use<'_>, protocol: Protocol) -> BTreeSet<u16> {
    let is_asked = one.rule.direction == Direction::Egress
        && !matches!(
            one.policy.kind,
            PolicyKind::ClusterNetworkPolicy
                | PolicyKind::AdminNetworkPolicy
                | PolicyKind::BaselineAdminNetworkPolicy
        );
    let pods = model.cluster.endpoints().iter();
    pods.filter(|pod| is_asked && !pod.host_network)
        .filter_map(|pod| {
            let mut ports = pod.ports.iter().filter(|port| {
                let name = port.name.as_deref();
                port.role == ContainerRole::Main && name.is_some_and(|own| own.eq_ignore_ascii_case(one.name))
            });
            ports.next_back()
        })
        .filter(|port| port.protocol == protocol)
        .map(|port| port.number)
        .collect()
}

/// Whether it skips the name for a protocol with which it means something.
fn skipped_by_older_cilium(model: &Model, one: &Use<'_>) -> bool {
    let meanings = one.meanings();
    let mut own = meanings.iter().flatten();
    own.any(|(protocol, _)| numbers_of_older_cilium(model, one, *protocol).len() > 1)
}

/// Whether it opens another port of a reached pod, which has a name of its own.
fn opened_by_older_cilium(model: &Model, one: &Use<'_>) -> bool {
    let others = one.reached.iter().filter(|pod| one.numbers(pod).is_empty());
    let mut ports = others
        .flat_map(|pod| &pod.ports)
        .filter(|port| port.role != ContainerRole::Init && port.name.is_some());
    ports.any(|port| {
        one.protocol.contains(port.protocol)
            && numbers_of_older_cilium(model, one, port.protocol) == BTreeSet::from([port.number])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn findings_say_what_is_so_and_nothing_else(model in models(Profile::everything())) {
        let findings = lints::about_port_names(&Ground::of(&model), &[], &[]);
        for one in uses(&model) {
            let codes = codes_at(&findings, &one.port.origin);
            let has = |code: &str| codes.contains(code);
            let meanings = one.meanings();
            let deny = one.rule.action == Action::Deny;
            let whole = one.reached.len();

            // Several meanings are told, in one way or another; PC201 claims nothing else.
            let told = ["PC201", "PC203", "PC215", "PC216", "PC217"].iter().any(|code| has(code));
            if meanings.len() > 1 {
                let told = told || findings.iter().any(|finding| tells_of_revisions(finding, &one));
                prop_assert!(told, "{}: several meanings are not told: {codes:?}", one.port.origin);
            }
            if has("PC201") {
                prop_assert!(meanings.len() > 1, "{}", one.port.origin);
                prop_assert!(!(deny && skipped_by_older_cilium(&model, &one)), "{}", one.port.origin);
            }
            if deny && skipped_by_older_cilium(&model, &one) {
                prop_assert!(has("PC203") || has("PC215"), "{}: skipped and not told", one.port.origin);
            }
            if has("PC203") {
                prop_assert!(deny && skipped_by_older_cilium(&model, &one), "{}", one.port.origin);
            }
            if has("PC202") {
                prop_assert!(!deny && skipped_by_older_cilium(&model, &one), "{}", one.port.origin);
            }

            // PC204 and PC205: pods are reached, and none of them defines the name in any way.
            let written = one.reached.iter().flat_map(|pod| &pod.ports).any(|port| {
                let named = port.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(one.name));
                named && (port.role != ContainerRole::Init || one.protocol.contains(port.protocol))
            });
            let closed = match (one.rule.direction, &one.policy.subject, &one.rule.peers) {
                (Direction::Ingress, Subject::Endpoints(selector), _) => is_closed(&model, selector),
                (Direction::Egress, _, Peers::OneOf(peers)) => peers.iter().all(|peer| {
                    matches!(&peer.matches, PeerMatch::Endpoints(selector) if is_closed(&model, selector))
                }),
                _ => false,
            };
            let undefined = whole > 0 && meanings.is_empty() && !written;
            let code = if deny { "PC205" } else { "PC204" };
            if has("PC204") || has("PC205") {
                prop_assert!(undefined && has(code), "{}", one.port.origin);
            }
            if undefined && closed {
                prop_assert!(has(code), "{}: undefined and not told: {codes:?}", one.port.origin);
            }

            // PC206: one meaning, and a pod that was picked and has no name of the rule.
            let missed = meanings.len() == 1
                && one.reached.iter().any(|pod| {
                    is_picked(&model, &one, pod) && !any_port_means_something(&one, pod)
                });
            let opened = !deny && !meanings.is_empty() && opened_by_older_cilium(&model, &one);
            if has("PC206") {
                prop_assert!(missed || opened, "{}", one.port.origin);
            }
            if opened {
                prop_assert!(has("PC206") || has("PC215"), "{}: opened and not told: {codes:?}", one.port.origin);
            }
            if missed {
                prop_assert!(has("PC206") || has("PC215"), "{}: {codes:?}", one.port.origin);
            }

            // PC207 replaces what would follow from it.
            if has("PC207") {
                prop_assert!(meanings.is_empty() && written, "{}", one.port.origin);
                for other in ["PC204", "PC205", "PC206", "PC213"] {
                    prop_assert!(!has(other) || other == "PC213", "{}: {codes:?}", one.port.origin);
                }
            }
            // One root cause, one finding.
            let exclusive = ["PC201", "PC203", "PC204", "PC205", "PC207", "PC217"];
            let told: Vec<_> = exclusive.iter().filter(|code| has(code)).collect();
            prop_assert!(told.len() <= 1, "{}: {told:?}", one.port.origin);
        }
        for finding in &findings {
            replay(&model, finding);
        }
    }
}

/// Asks the evaluator about a finding's flow: a finding that something is open shows an open flow, and the reverse.
fn replay(model: &Model, finding: &Finding) {
    let Some(witness) = &finding.witness else {
        return;
    };
    let party = |name: &str| {
        let mut pods = model.cluster.endpoint_ids();
        match pods.find(|(_, pod)| pod.to_string() == name) {
            Some((id, _)) => (id, Vec::new()),
            None => (EndpointId(u32::MAX), vec![name.parse().unwrap()]),
        }
    };
    let address = |id: EndpointId, family: Family| model.cluster.endpoint(id)?.address(family);
    let ((from, outside_from), (to, outside_to)) = (party(&witness.from), party(&witness.to));
    let family = Family::BOTH
        .into_iter()
        .find(|family| address(from, *family).is_some() && address(to, *family).is_some());
    let end = |id: EndpointId, outside: &[std::net::IpAddr]| match outside.first() {
        Some(address) => Party::Outside(*address),
        None => Party::Endpoint {
            id,
            address: family.and_then(|family| address(id, family)),
        },
    };
    let protocol = Protocol::ALL
        .into_iter()
        .find(|protocol| protocol.to_string() == witness.protocol)
        .unwrap();
    let flow = Flow {
        source: end(from, &outside_from),
        destination: end(to, &outside_to),
        protocol,
        port: witness.port.unwrap(),
    };
    let allowed = evaluator::evaluate(model, &flow).allowed();
    let code = finding.code.to_string();
    let place = &finding.primary().unwrap().origin;
    match code.as_str() {
        "PC203" => assert!(!allowed, "{code} {place}"),
        "PC202" => assert!(allowed, "{code} {place}"),
        "PC204" => assert!(!allowed, "{code} {place}"),
        "PC205" | "PC215" => assert!(allowed, "{code} {place}"),
        _ => {}
    }
}
