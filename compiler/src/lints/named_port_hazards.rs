//! What can be wrong with one use of a port name, and which of it is told.
//!
//! Several rules would report one mistake: a deny rule whose name is ambiguous is also a rule whose name has many
//! numbers. So a use is judged once, here, and has one [`Case`]; each lint tells its own. In the order in which they
//! are tried:
//!
//! | the pods that the rule reaches | case | told by |
//! |---|---|---|
//! | none of the peers has container ports | [`WithoutPods`](Case::WithoutPods) | PC213 |
//! | none defines the name with the protocol, but with another | [`OtherProtocol`](Case::OtherProtocol) | PC207 |
//! | …but on an init container | [`InitOnly`](Case::InitOnly) | PC209 |
//! | …but a Service of theirs does | [`ServicePort`](Case::ServicePort) | PC212 |
//! | …and all that could are in the input | [`Undefined`](Case::Undefined) | PC204, PC205 |
//! | numbers differ, in an egress deny | [`AmbiguousDeny`](Case::AmbiguousDeny) | PC203 |
//! | numbers differ between revisions of one workload | [`Revisions`](Case::Revisions) | PC216 |
//! | numbers differ between namespaces, in a cluster-wide policy | [`AcrossNamespaces`](Case::AcrossNamespaces) | PC217 |
//! | numbers differ | [`ManyNumbers`](Case::ManyNumbers) | PC201 |
//! | one meaning, in an egress deny, and another elsewhere | [`AmbiguousDeny`](Case::AmbiguousDeny) | PC203 |
//! | one meaning, at egress, and another elsewhere | [`Elsewhere`](Case::Elsewhere) | PC202 |
//!
//! Where the name has one meaning, pods that were picked and do not define it are [`missed`](Judged::missed) (PC206).
//!
//! What manifests do not show is not held against a rule: a name that nobody defines may be defined in a namespace
//! whose pods are not in the input.

use super::cilium_names::{self, CiliumNames};
use super::ground::Ground;
use super::named_port_report::{FirstDefinitions, first_definitions};
use super::named_ports::{self, NameUse, Reached};
use super::pc210_port_name_invalid;
use crate::selected::Selected;
use crate::services::{Service, ServicePort};
use ir::cluster::{ContainerPort, ContainerRole, Endpoint};
use ir::judge;
use ir::model::Model;
use ir::peer::{CidrBlock, CidrScope, Entity, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Policy, Subject};
use ir::port::{PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Selector};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

/// Every use of a name, judged, with what was needed for it.
pub struct Hazards<'m> {
    /// The model.
    pub model: &'m Model,
    /// The Services of the input.
    pub services: &'m [Service],
    /// Answers about flows.
    pub judge: &'m judge::Judge<'m>,
    /// What its policies' selectors pick.
    pub selected: &'m Selected,
    /// Names as Cilium keeps them.
    pub names: CiliumNames,
    /// For the protocols that uses ask for, the names of all pods.
    pub(super) first_definitions: BTreeMap<ProtocolSet, FirstDefinitions<'m>>,
    /// The uses, in the order of rules and ports.
    pub uses: Vec<Judged<'m>>,
    /// The addresses of pods and nodes.
    taken: HashSet<IpAddr>,
}

/// A use of a name with what is wrong about it.
pub struct Judged<'m> {
    /// The use.
    pub one: NameUse<'m>,
    /// What is wrong.
    pub case: Case<'m>,
    /// Indices in [`NameUse::reached`] of pods that were picked and on which the rule's names mean nothing, where
    /// others define the name.
    pub missed: Vec<usize>,
    /// Peers that have no container ports, beside others that may have some.
    pub without_pods: Vec<&'m Peer>,
}

/// What is wrong with a use of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Case<'m> {
    /// Nothing, or nothing that can be known.
    Fine,
    /// No peer has container ports.
    WithoutPods,
    /// Reached pods define the name with other protocols only.
    OtherProtocol,
    /// Reached pods define the name on init containers only.
    InitOnly,
    /// The name is a Service's.
    ServicePort(&'m Service, &'m ServicePort),
    /// No reached pod defines the name.
    Undefined,
    /// A deny at egress that Cilium up to 1.19 skips.
    AmbiguousDeny,
    /// The numbers differ between revisions of one workload.
    Revisions,
    /// In a cluster-wide policy the numbers differ between namespaces.
    AcrossNamespaces,
    /// The numbers differ.
    ManyNumbers,
    /// At egress one meaning, and another on a pod that is not reached.
    Elsewhere,
}

/// The numbers behind a name on one pod.
pub type Numbers = BTreeSet<(Protocol, u16)>;

impl<'m> Judged<'m> {
    /// The reached pods that define the name.
    pub fn defining(&self) -> impl Iterator<Item = &Reached<'m>> {
        self.one
            .reached
            .iter()
            .filter(|reached| !reached.ports.is_empty())
    }

    /// The different meanings of the name on reached pods, each with the first of them.
    #[must_use]
    pub fn meanings(&self) -> BTreeMap<Numbers, &Reached<'m>> {
        let mut meanings = BTreeMap::new();
        for reached in self.defining() {
            meanings.entry(reached.numbers()).or_insert(reached);
        }
        meanings
    }

    /// Whether the rule denies.
    #[must_use]
    pub fn denies(&self) -> bool {
        self.one.rule.action == Action::Deny
    }
}

impl<'m> Hazards<'m> {
    /// Judges every use of a name.
    #[must_use]
    pub fn of(ground: &'m Ground<'m>, services: &'m [Service]) -> Self {
        let Ground {
            model,
            judge: whole,
            selected,
        } = ground;
        let (names, uses) = rayon::join(|| CiliumNames::of(model), || named_ports::uses(model, selected));
        let populated: BTreeSet<&str> = model
            .cluster
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.namespace.as_str())
            .collect();
        let mut judge = Judge {
            model,
            services: by_namespace(services),
            names: &names,
            populated,
            closed: BTreeMap::new(),
            selected,
        };
        let protocols: BTreeSet<ProtocolSet> = uses.iter().map(|one| one.protocol).collect();
        let pods = || model.cluster.endpoints().iter();
        let addresses = pods().flat_map(|pod| &pod.addresses);
        let nodes = model.cluster.nodes().iter().flat_map(|node| &node.addresses);
        Self {
            uses: uses.into_iter().map(|one| judge.judge(one)).collect(),
            first_definitions: protocols
                .into_iter()
                .map(|protocol| (protocol, first_definitions(pods(), protocol)))
                .collect(),
            judge: whole,
            selected,
            taken: addresses.chain(nodes).copied().collect(),
            model,
            services,
            names,
        }
    }

    /// Whether the rule of this use has no port but names that no reached pod defines.
    #[must_use]
    pub fn is_undefined_throughout(&self, judged: &Judged<'_>) -> bool {
        let rule = judged.one.rule_id;
        let first = self.uses.partition_point(|other| other.one.rule_id < rule);
        let of_rule = self.uses.iter().skip(first);
        let undefined = of_rule
            .take_while(|other| other.one.rule_id == rule)
            .filter(|other| other.case == Case::Undefined)
            .count();
        matches!(&judged.one.rule.ports, Ports::OneOf(ports) if ports.len() == undefined)
    }

    /// Whether no pod and no node has the address.
    #[must_use]
    pub fn is_outside(&self, address: IpAddr) -> bool {
        !self.taken.contains(&address)
    }
}

/// The Services of each namespace, in order.
#[must_use]
pub fn by_namespace(services: &[Service]) -> BTreeMap<&str, Vec<&Service>> {
    let mut by_namespace: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in services {
        by_namespace.entry(&service.namespace).or_default().push(service);
    }
    by_namespace
}

struct Judge<'a, 'm> {
    model: &'m Model,
    services: BTreeMap<&'m str, Vec<&'m Service>>,
    names: &'a CiliumNames,
    /// Namespaces with pods in the input.
    populated: BTreeSet<&'m str>,
    /// Selectors whose answer is known.
    closed: BTreeMap<&'m Selector, bool>,
    /// What selectors pick.
    selected: &'m Selected,
}

impl<'m> Judge<'_, 'm> {
    fn judge(&mut self, one: NameUse<'m>) -> Judged<'m> {
        let mut judged = Judged {
            one,
            case: Case::Fine,
            missed: Vec::new(),
            without_pods: Vec::new(),
        };
        let one = &judged.one;
        let defined = judged.defining().next().is_some();
        let mut without_pods = Vec::new();
        let mut with_pods = one.rule.direction == Direction::Ingress;
        if let (Direction::Egress, Peers::OneOf(peers)) = (one.rule.direction, &one.rule.peers) {
            // A policy that selects nobody is another lint's.
            if !one.sources.is_empty() {
                without_pods = peers
                    .iter()
                    .filter(|peer| self.has_no_ports(&peer.matches, defined))
                    .collect();
            }
            with_pods = without_pods.len() < peers.len() || peers.is_empty();
        } else if one.rule.direction == Direction::Egress {
            with_pods = true;
        }
        if !with_pods {
            judged.case = Case::WithoutPods;
        } else if defined {
            let case = self.of_defined(&judged);
            let many = judged.meanings().len() > 1;
            judged.missed = if many { Vec::new() } else { self.missed(&judged) };
            judged.case = case;
        } else if !one.reached.is_empty() {
            judged.case = self.of_undefined(&judged);
        }
        if judged.case != Case::WithoutPods {
            judged.without_pods = without_pods;
        }
        judged
    }

    fn of_defined(&self, judged: &Judged<'m>) -> Case<'m> {
        let one = &judged.one;
        let meanings = judged.meanings();
        let denies_egress = one.rule.direction == Direction::Egress
            && judged.denies()
            && cilium_names::enforces(one.policy.kind);
        if meanings.len() > 1 {
            if denies_egress {
                return Case::AmbiguousDeny;
            }
            let lineages: BTreeSet<_> = judged
                .defining()
                .map(|reached| lineage(reached.endpoint))
                .collect();
            if lineages.len() == 1 && lineages.first().is_some_and(Option::is_some) {
                return Case::Revisions;
            }
            let mut by_namespace: BTreeMap<&str, BTreeSet<Numbers>> = BTreeMap::new();
            for reached in judged.defining() {
                let namespace = by_namespace.entry(&reached.endpoint.namespace).or_default();
                namespace.insert(reached.numbers());
            }
            if one.policy.namespace.is_none() && by_namespace.values().all(|meanings| meanings.len() == 1) {
                return Case::AcrossNamespaces;
            }
            return Case::ManyNumbers;
        }
        if one.rule.direction == Direction::Egress
            && cilium_names::enforces(one.policy.kind)
            && other_numbers(self.names, judged).next().is_some()
        {
            return if denies_egress {
                Case::AmbiguousDeny
            } else {
                Case::Elsewhere
            };
        }
        Case::Fine
    }

    fn of_undefined(&mut self, judged: &Judged<'m>) -> Case<'m> {
        let one = &judged.one;
        // A number in disguise is told as such (PC210), and nobody has a port of that name.
        if pc210_port_name_invalid::is_like_a_number(one.name) {
            return Case::Fine;
        }
        let written = |wanted: &dyn Fn(&ContainerPort) -> bool| {
            one.reached.iter().any(|reached| {
                reached
                    .endpoint
                    .ports
                    .iter()
                    .any(|port| is_named(port, one.name) && wanted(port))
            })
        };
        if written(&|port| port.role != ContainerRole::Init) {
            // A rule that lists the name with several protocols lists them for whoever has one of them.
            let covered = one
                .reached
                .iter()
                .filter(|reached| {
                    let ports = &reached.endpoint.ports;
                    ports
                        .iter()
                        .any(|port| is_named(port, one.name) && port.role != ContainerRole::Init)
                })
                .all(|reached| another_name_means_something(one, reached.endpoint));
            return if covered { Case::Fine } else { Case::OtherProtocol };
        }
        if written(&|port| one.protocol.contains(port.protocol)) {
            return Case::InitOnly;
        }
        if let Some((service, port)) = self.service_port(one) {
            return Case::ServicePort(service, port);
        }
        if self.is_closed(one.policy, one.rule.direction, &one.rule.peers) {
            Case::Undefined
        } else {
            Case::Fine
        }
    }

    /// A port with this name of a Service that leads to reached pods.
    fn service_port(&self, one: &NameUse<'m>) -> Option<(&'m Service, &'m ServicePort)> {
        let namespaces: BTreeSet<&str> = one
            .reached
            .iter()
            .map(|reached| reached.endpoint.namespace.as_str())
            .collect();
        // A Service leads to pods of its own namespace.
        let services = namespaces
            .into_iter()
            .filter_map(|namespace| self.services.get(namespace));
        services.flatten().copied().find_map(|service| {
            let port = service.ports.iter().find(|port| {
                one.protocol.contains(port.protocol)
                    && port
                        .name
                        .as_deref()
                        .is_some_and(|name| name.eq_ignore_ascii_case(one.name))
            })?;
            let leads_there = one
                .reached
                .iter()
                .any(|reached| service.selects(reached.endpoint));
            leads_there.then_some((service, port))
        })
    }

    /// Whether no pod, known or not, is such a peer.
    fn has_no_ports(&self, matches: &PeerMatch, defined: bool) -> bool {
        match matches {
            PeerMatch::Endpoints(selector) => {
                // It picks pods, and all of them are on the host network.
                !self.selected.any(selector) && self.selected.any_on_host_network(selector)
            }
            PeerMatch::Cidr(block) => match block.scope {
                CidrScope::OutsideCluster => true,
                // Every address, pods included: meant for them where one has the name.
                CidrScope::Everything if block.is_whole_family() => !defined,
                CidrScope::Everything => is_public(block),
            },
            PeerMatch::Nodes(_) | PeerMatch::OtherNodes(_) | PeerMatch::Domain(_) => true,
            PeerMatch::Entity(entity) => match entity {
                Entity::All | Entity::Cluster | Entity::None | Entity::Unmanaged | Entity::Init => false,
                Entity::World
                | Entity::WorldIpv4
                | Entity::WorldIpv6
                | Entity::Host
                | Entity::RemoteNode
                | Entity::KubeApiServer
                | Entity::Ingress
                | Entity::Health => true,
            },
        }
    }

    /// Whether every pod that the rule can reach as a destination is in the input.
    fn is_closed(&mut self, policy: &'m Policy, direction: Direction, peers: &'m Peers) -> bool {
        match (direction, peers) {
            (Direction::Ingress, _) => match &policy.subject {
                Subject::Endpoints(selector) => self.selects_closed(selector),
                Subject::Nodes(_) => false,
            },
            (Direction::Egress, Peers::Any) => false,
            (Direction::Egress, Peers::OneOf(peers)) => peers.iter().all(|peer| match &peer.matches {
                PeerMatch::Endpoints(selector) => self.selects_closed(selector),
                other => self.has_no_ports(other, false) || other == &PeerMatch::Entity(Entity::None),
            }),
        }
    }

    /// Whether the namespaces that a selector names are known, and of each of them pods are in the input.
    fn selects_closed(&mut self, selector: &'m Selector) -> bool {
        if let Some(known) = self.closed.get(selector) {
            return *known;
        }
        let closed = self.namespaces_are_populated(selector);
        self.closed.insert(selector, closed);
        closed
    }

    fn namespaces_are_populated(&self, selector: &Selector) -> bool {
        let of_namespace =
            |attribute: &Attribute| matches!(attribute, Attribute::Namespace | Attribute::NamespaceLabel(_));
        let asked: Vec<_> = selector
            .requirements()
            .iter()
            .filter(|requirement| of_namespace(&requirement.attribute))
            .collect();
        let is_positive = |operator: &Operator| matches!(operator, Operator::In(_) | Operator::Exists);
        if !asked.iter().any(|requirement| is_positive(&requirement.operator)) {
            return false;
        }
        // Namespaces that are named must be there, whether or not the input holds an object for them.
        let named = asked.iter().filter(|requirement| match &requirement.attribute {
            Attribute::Namespace => true,
            Attribute::NamespaceLabel(key) => key == NAMESPACE_NAME_LABEL,
            _ => false,
        });
        let all_named = named.into_iter().all(|requirement| match &requirement.operator {
            Operator::In(names) => names.iter().all(|name| self.populated.contains(name.as_str())),
            _ => true,
        });
        let mut fitting = self
            .model
            .cluster
            .namespaces()
            .iter()
            .filter(|(name, labels)| {
                asked.iter().all(|requirement| {
                    let value = match &requirement.attribute {
                        Attribute::Namespace => Some(name.as_str()),
                        Attribute::NamespaceLabel(key) => labels.get(key).map(String::as_str),
                        _ => None,
                    };
                    requirement.operator.accepts(value)
                })
            })
            .peekable();
        all_named
            && fitting.peek().is_some()
            && fitting.all(|(name, _)| self.populated.contains(name.as_str()))
    }

    /// Pods that a selector picked, and on which none of the rule's names means anything.
    fn missed(&self, judged: &Judged<'m>) -> Vec<usize> {
        let one = &judged.one;
        let mut missed = Vec::new();
        for (index, reached) in one.reached.iter().enumerate() {
            if reached.ports.is_empty()
                && reached.pods.iter().any(|id| {
                    let pod = self.model.cluster.endpoint(*id);
                    pod.is_some_and(|pod| picked(self.model, judged, pod).is_some())
                })
                && !another_name_means_something(one, reached.endpoint)
            {
                missed.push(index);
            }
        }
        missed
    }
}

/// How a pod was picked as a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Picked {
    /// With every other pod of a namespace.
    WithNamespace,
    /// By its own labels.
    ByLabel,
}

/// How a rule picked a pod as a destination; `None` where it takes in everybody.
#[must_use]
pub fn picked(model: &Model, judged: &Judged<'_>, pod: &Endpoint) -> Option<Picked> {
    let one = &judged.one;
    picked_by(model, one.policy, one.rule.direction, &one.rule.peers, pod)
}

/// [`picked`], for any rule.
#[must_use]
pub fn picked_by(
    model: &Model,
    policy: &Policy,
    direction: Direction,
    peers: &Peers,
    pod: &Endpoint,
) -> Option<Picked> {
    let by = |selector: &Selector| {
        selector
            .matches(|attribute| model.cluster.attribute(pod, attribute))
            .then(|| {
                let by_label = selector
                    .requirements()
                    .iter()
                    .any(|requirement| matches!(requirement.attribute, Attribute::Label(_)));
                if by_label {
                    Picked::ByLabel
                } else {
                    Picked::WithNamespace
                }
            })
    };
    match (direction, peers) {
        (Direction::Ingress, _) => match &policy.subject {
            Subject::Endpoints(selector) => by(selector),
            Subject::Nodes(_) => None,
        },
        (Direction::Egress, Peers::Any) => None,
        (Direction::Egress, Peers::OneOf(peers)) => peers
            .iter()
            .filter_map(|peer| match &peer.matches {
                PeerMatch::Endpoints(selector) => by(selector),
                _ => None,
            })
            .max(),
    }
}

/// A rule that lists several names lists them for different pods.
fn another_name_means_something(one: &NameUse<'_>, pod: &Endpoint) -> bool {
    let Ports::OneOf(ports) = &one.rule.ports else {
        return false;
    };
    ports.iter().any(|port| match &port.matches {
        PortMatch::Name { protocol, name } => {
            ir::named_port::definitions(pod, name, *protocol).next().is_some()
        }
        PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => false,
    })
}

/// For a name with one meaning: other numbers that Cilium knows behind it, each with the first pod that has it.
pub fn other_numbers<'a>(
    names: &'a CiliumNames,
    judged: &'a Judged<'_>,
) -> impl Iterator<Item = (Protocol, u16, ir::cluster::EndpointId)> {
    let own: Numbers = judged.defining().flat_map(Reached::numbers).collect();
    // Of protocols that the reached pods do not use nothing is skipped.
    let protocols: BTreeSet<Protocol> = own.iter().map(|(protocol, _)| *protocol).collect();
    protocols.into_iter().flat_map(move |protocol| {
        let own = own.clone();
        names
            .numbers(judged.one.name, protocol)
            .filter(move |(number, _)| !own.contains(&(protocol, *number)))
            .map(move |(number, id)| (protocol, number, id))
    })
}

/// Whether a container port carries a name.
#[must_use]
pub fn is_named(port: &ContainerPort, name: &str) -> bool {
    port.name
        .as_deref()
        .is_some_and(|own| own.eq_ignore_ascii_case(name))
}

/// Labels that tell the revisions of one workload apart.
const REVISION_LABELS: [&str; 3] = [
    "pod-template-hash",
    "controller-revision-hash",
    "rollouts-pod-template-hash",
];

/// What stays the same from one revision of a workload to the next. A pod that nobody owns has no revisions.
///
/// A ReplicaSet is called after its Deployment and the hash that its pods carry as a label.
#[must_use]
pub fn lineage(endpoint: &Endpoint) -> Option<String> {
    let workload = &endpoint.workload;
    let hash = REVISION_LABELS
        .iter()
        .find_map(|label| endpoint.labels.get(*label));
    let base = hash.and_then(|hash| workload.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    match base {
        Some(base) => Some(format!("{}/Deployment/{base}", endpoint.namespace)),
        None if workload.kind == "Pod" => None,
        None => Some(format!(
            "{}/{}/{}",
            endpoint.namespace, workload.kind, workload.name
        )),
    }
}

/// Whether a block lies outside the addresses that clusters use for themselves.
fn is_public(block: &CidrBlock) -> bool {
    const PRIVATE: [&str; 6] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "fe80::/10",
    ];
    let overlaps = |private: &str| {
        private.parse::<ipnet::IpNet>().is_ok_and(|private| {
            private.contains(&block.cidr.network()) || block.cidr.contains(&private.network())
        })
    };
    let is_loopback = match block.cidr.network() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    !is_loopback && !PRIVATE.into_iter().any(overlaps)
}
