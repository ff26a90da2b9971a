//! What is wrong with one use of a port name; the cases and their order are those of [`super::named_port_hazards`].

use super::cilium_names::CiliumNames;
use super::ground::Ground;
use super::named_port_hazards::{Case, Judged, Numbers, by_namespace, covers, is_named, lineage, skipped};
use super::named_ports::NameUse;
use super::pc210_port_name_invalid;
use super::picked::picked;
use crate::selected::Selected;
use crate::services::{Service, ServicePort};
use ipnet::IpNet;
use ir::cluster::{ContainerPort, ContainerRole, Endpoint};
use ir::model::Model;
use ir::peer::{CidrBlock, CidrScope, Entity, PeerMatch, Peers};
use ir::policy::{Direction, Policy, Subject};
use ir::port::{PortMatch, Ports};
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Selector};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What uses are judged by.
pub(super) struct NameJudge<'a, 'm> {
    model: &'m Model,
    services: BTreeMap<&'m str, Vec<&'m Service>>,
    names: &'a CiliumNames,
    /// Namespaces with pods in the input.
    populated: BTreeSet<&'m str>,
    /// The addresses of pods that are not on the host network.
    addresses: BTreeSet<IpAddr>,
    /// The nodes' slices of the pod network.
    slices: Vec<IpNet>,
    /// Selectors whose answer is known.
    closed: BTreeMap<&'m Selector, bool>,
    /// What selectors pick.
    selected: &'m Selected,
}

impl<'a, 'm> NameJudge<'a, 'm> {
    pub(super) fn new(ground: &'m Ground<'m>, services: &'m [Service], names: &'a CiliumNames) -> Self {
        let cluster = &ground.model.cluster;
        let endpoints = || cluster.endpoints().iter();
        let on_pod_network = endpoints().filter(|endpoint| !endpoint.host_network);
        let slices: BTreeSet<IpNet> = cluster
            .nodes()
            .iter()
            .flat_map(|node| &node.pod_cidrs)
            .copied()
            .collect();
        Self {
            model: ground.model,
            services: by_namespace(services),
            names,
            populated: endpoints().map(|endpoint| endpoint.namespace.as_str()).collect(),
            addresses: on_pod_network
                .flat_map(|endpoint| &endpoint.addresses)
                .copied()
                .collect(),
            slices: slices.into_iter().collect(),
            closed: BTreeMap::new(),
            selected: &ground.selected,
        }
    }

    /// Judges one use.
    pub(super) fn judge(&mut self, one: NameUse<'m>) -> Judged<'m> {
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
        let is_skipped = skipped(self.names, judged).next().is_some();
        if meanings.len() > 1 {
            if is_skipped && judged.denies() {
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
        match (is_skipped, judged.denies()) {
            (true, true) => Case::AmbiguousDeny,
            (true, false) => Case::Elsewhere,
            (false, _) => Case::Fine,
        }
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
                .all(|reached| the_name_means_something(one, reached.endpoint));
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
                CidrScope::Everything => is_public(block) && !self.holds_pods(block),
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

    /// Whether an address of a pod, or of a node's slice for pods, is in the block.
    fn holds_pods(&self, block: &CidrBlock) -> bool {
        let (first, last) = (block.cidr.network(), block.cidr.broadcast());
        let mut addresses = self.addresses.range(first..=last);
        addresses.any(|address| block.contains(*address))
            || self
                .slices
                .iter()
                .any(|slice| slice.contains(&block.cidr) || block.cidr.contains(slice))
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
                && !another_port_means_something(one, reached.endpoint)
            {
                missed.push(index);
            }
        }
        missed
    }
}

/// Whether the rule lists the name with a protocol with which the pod defines it.
fn the_name_means_something(one: &NameUse<'_>, pod: &Endpoint) -> bool {
    let Ports::OneOf(ports) = &one.rule.ports else {
        return false;
    };
    ports.iter().any(|port| match &port.matches {
        PortMatch::Name { protocol, name } => {
            name.eq_ignore_ascii_case(one.name)
                && ir::named_port::definitions(pod, name, *protocol).next().is_some()
        }
        PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => false,
    })
}

/// Whether a port of the rule is one of the pod: a rule that lists several lists them for different pods.
fn another_port_means_something(one: &NameUse<'_>, pod: &Endpoint) -> bool {
    let mut ports = pod.ports.iter().filter(|port| port.role != ContainerRole::Init);
    !pod.host_network && ports.any(|port| covers(&one.rule.ports, port))
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
        private.parse::<IpNet>().is_ok_and(|private| {
            private.contains(&block.cidr.network()) || block.cidr.contains(&private.network())
        })
    };
    let is_loopback = match block.cidr.network() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    !is_loopback && !PRIVATE.into_iter().any(overlaps)
}
