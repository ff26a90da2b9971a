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
//! | numbers differ, in an egress deny that Cilium up to 1.19 skips | [`AmbiguousDeny`](Case::AmbiguousDeny) | PC203 |
//! | numbers differ between revisions of one workload | [`Revisions`](Case::Revisions) | PC216 |
//! | numbers differ between namespaces, in a cluster-wide policy | [`AcrossNamespaces`](Case::AcrossNamespaces) | PC217 |
//! | numbers differ | [`ManyNumbers`](Case::ManyNumbers) | PC201 |
//! | one meaning, in such a deny, and another elsewhere | [`AmbiguousDeny`](Case::AmbiguousDeny) | PC203 |
//! | one meaning, in such an allow, and another elsewhere | [`Elsewhere`](Case::Elsewhere) | PC202 |
//!
//! Where the name has one meaning, pods that were picked and do not define it are [`missed`](Judged::missed) (PC206).
//!
//! What manifests do not show is not held against a rule: a name that nobody defines may be defined in a namespace
//! whose pods are not in the input.

use super::cilium_names::{self, CiliumNames, Meaning};
use super::ground::Ground;
use super::named_port_judge::NameJudge;
use super::named_ports::{self, NameUse, Reached};
use crate::selected::Selected;
use crate::services::{Service, ServicePort};
use ir::cluster::{ContainerPort, Endpoint};
use ir::judge;
use ir::model::Model;
use ir::peer::Peer;
use ir::policy::{Action, Direction};
use ir::port::{PortMatch, Ports, Protocol};
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

impl Case<'_> {
    /// Whether the name means nothing wherever the rule reaches.
    #[must_use]
    pub const fn is_vain(&self) -> bool {
        matches!(
            self,
            Self::WithoutPods
                | Self::OtherProtocol
                | Self::InitOnly
                | Self::ServicePort(..)
                | Self::Undefined
        )
    }
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
        let mut judge = NameJudge::new(ground, services, &names);
        let pods = || model.cluster.endpoints().iter();
        let addresses = pods().flat_map(|pod| &pod.addresses);
        let nodes = model.cluster.nodes().iter().flat_map(|node| &node.addresses);
        Self {
            uses: uses.into_iter().map(|one| judge.judge(one)).collect(),
            judge: whole,
            selected,
            taken: addresses.chain(nodes).copied().collect(),
            model,
            services,
            names,
        }
    }

    /// Whether the rule of this use has no port but names that mean nothing where it reaches.
    #[must_use]
    pub fn is_vain_throughout(&self, judged: &Judged<'_>) -> bool {
        let rule = judged.one.rule_id;
        let first = self.uses.partition_point(|other| other.one.rule_id < rule);
        let of_rule = self.uses.iter().skip(first);
        let vain = of_rule
            .take_while(|other| other.one.rule_id == rule)
            .filter(|other| other.case.is_vain())
            .count();
        matches!(&judged.one.rule.ports, Ports::OneOf(ports) if ports.len() == vain)
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

/// The protocols under which Cilium up to 1.19 skips an egress rule's name that means something: several numbers stand
/// behind it somewhere in the cluster.
pub fn skipped<'a>(
    names: &'a CiliumNames,
    judged: &'a Judged<'_>,
) -> impl Iterator<Item = (Protocol, Vec<u16>)> + 'a {
    let one = &judged.one;
    let is_asked = one.rule.direction == Direction::Egress && cilium_names::enforces(one.policy.kind);
    let own: BTreeSet<Protocol> = judged
        .defining()
        .flat_map(|reached| &reached.ports)
        .map(|port| port.protocol)
        .collect();
    own.into_iter()
        .filter(move |_| is_asked)
        .filter_map(|protocol| match names.meaning(one.name, protocol) {
            Meaning::Ambiguous(numbers) => Some((protocol, numbers)),
            Meaning::One(_) | Meaning::Unknown => None,
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

/// Whether a container port is among a rule's.
#[must_use]
pub fn covers(ports: &Ports, container: &ContainerPort) -> bool {
    let Ports::OneOf(ports) = ports else {
        return true;
    };
    ports.iter().any(|port| match &port.matches {
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => protocol.contains(container.protocol) && (*first..=*last).contains(&container.number),
        PortMatch::Name { protocol, name } => {
            protocol.contains(container.protocol) && is_named(container, name)
        }
        PortMatch::Icmp { .. } => false,
    })
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
