//! Sets of flows: who sends to whom, on which ports.
//!
//! What a guarantee speaks of, and what a change opens or closes, are sets of whole flows. This file says what such a
//! set *is*, one flow at a time, and shares nothing with its reading as a formula ([`crate::encode::whole`]): the two
//! are compared, and every counterexample has to lie in the set by this reading too.

use std::collections::BTreeSet;

use ir::cluster::{Cluster, Endpoint};
use ir::flow::{Flow, Party};
use ir::origin::Origin;
use ir::peer::{Entity, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Rank, Rule};
use ir::port::{Port, PortMatch, Ports};
use ir::selector::{Attribute, Operator, Requirement, Selector};

/// One description of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// What a peer entry of a rule would match.
    Matching(PeerMatch),
    /// This pod as it is written: its labels and no others, its port names, its address where it has one.
    Exactly(Box<Endpoint>),
}

/// Who stands at one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Whoever.
    Anyone,
    /// One of these.
    OneOf(Vec<Who>),
    /// None of these. A pod in the namespace of a written one with all of its labels counts as that one: it is whom
    /// selectors take it for.
    NoneOf(Vec<Who>),
}

/// Flows between two ends on some ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) from: Ends,
    pub(crate) to: Ends,
    /// Every protocol and port where there is none.
    pub(crate) ports: Option<Vec<PortMatch>>,
}

/// Flows of one of some clauses, and of none of some others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) any_of: Vec<Clause>,
    pub(crate) except: Vec<Clause>,
    /// Only flows between pods that are in the input.
    pub(crate) existing: bool,
}

/// One flow, with what is taken to be true of it beyond the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) flow: &'a Flow,
    /// Whether the end that is no pod is the API server.
    pub(crate) api_server: bool,
}

impl Region {
    /// Whether the flow lies in it. That its pods are in the input is not looked at.
    pub(crate) fn contains(&self, scene: Scene<'_>) -> bool {
        let lies_in = |clauses: &[Clause]| clauses.iter().any(|clause| clause.contains(scene));
        lies_in(&self.any_of) && !lies_in(&self.except)
    }

    /// A rule that mentions everything that this does.
    pub(crate) fn mentions(&self) -> Rule {
        let mut peers = vec![];
        let mut ports = vec![];
        for clause in self.any_of.iter().chain(&self.except) {
            for ends in [&clause.from, &clause.to] {
                if let Ends::OneOf(list) | Ends::NoneOf(list) = ends {
                    peers.extend(list.iter().map(Who::described));
                }
            }
            ports.extend(clause.ports.iter().flatten().cloned());
        }
        synthetic(Direction::Ingress, Some(peers), Some(ports))
    }

    /// For the side of one direction: who can be its subject, and rules that match whatever its flows can be.
    pub(crate) fn seen_from(&self, direction: Direction) -> Vec<(Option<Vec<PeerMatch>>, Rule)> {
        let possible = |ends: &Ends| match ends {
            Ends::OneOf(list) => Some(list.iter().map(Who::described).collect::<Vec<_>>()),
            Ends::Anyone | Ends::NoneOf(_) => None,
        };
        self.any_of
            .iter()
            .map(|clause| {
                let (subject, peer) = match direction {
                    Direction::Egress => (&clause.from, &clause.to),
                    Direction::Ingress => (&clause.to, &clause.from),
                };
                let rule = synthetic(direction, possible(peer), clause.ports.clone());
                (possible(subject), rule)
            })
            .collect()
    }

    /// The pods that it names, as they are written.
    pub(crate) fn written(&self) -> Vec<&Endpoint> {
        let clauses = self.any_of.iter().chain(&self.except);
        clauses
            .flat_map(|clause| [&clause.from, &clause.to])
            .flat_map(|ends| match ends {
                Ends::OneOf(list) | Ends::NoneOf(list) => list.as_slice(),
                Ends::Anyone => &[],
            })
            .filter_map(|who| match who {
                Who::Exactly(pod) => Some(&**pod),
                Who::Matching(_) => None,
            })
            .collect()
    }
}

fn synthetic(direction: Direction, peers: Option<Vec<PeerMatch>>, ports: Option<Vec<PortMatch>>) -> Rule {
    let origin = Origin::synthetic("<guarantee>");
    Rule {
        direction,
        rank: Rank::NAMESPACED,
        action: Action::Allow,
        peers: peers.map_or(Peers::Any, |peers| {
            let peer = |matches| Peer {
                matches,
                origin: origin.clone(),
            };
            Peers::OneOf(peers.into_iter().map(peer).collect())
        }),
        ports: ports.map_or(Ports::Any, |ports| {
            let port = |matches| Port {
                matches,
                origin: origin.clone(),
            };
            Ports::OneOf(ports.into_iter().map(port).collect())
        }),
        beyond: vec![],
        origin: origin.clone(),
    }
}

impl Who {
    /// The nearest thing that a rule could say: of a written pod, its namespace and its labels.
    pub(crate) fn described(&self) -> PeerMatch {
        match self {
            Self::Matching(peer) => peer.clone(),
            Self::Exactly(pod) => {
                let namespace = Requirement::equals(Attribute::Namespace, &pod.namespace);
                let labels = pod
                    .labels
                    .iter()
                    .map(|(key, value)| Requirement::equals(Attribute::Label(key.clone()), value));
                PeerMatch::Endpoints(Selector::new(std::iter::once(namespace).chain(labels)))
            }
        }
    }

    fn is(&self, party: Party, other: Party, scene: Scene<'_>) -> bool {
        match self {
            Self::Matching(peer) => matches(peer, party, other, scene),
            Self::Exactly(written) => match party {
                Party::Endpoint { id, address } => scene.cluster.endpoint(id).is_some_and(|pod| {
                    let identity = |pod: &Endpoint| {
                        let Endpoint {
                            namespace,
                            workload,
                            name,
                            labels,
                            service_account,
                            ports,
                            ..
                        } = pod.clone();
                        (namespace, workload, name, labels, service_account, ports)
                    };
                    identity(pod) == identity(written)
                        && address.is_none_or(|address| {
                            written.addresses.is_empty() || written.addresses.contains(&address)
                        })
                }),
                Party::Node { .. } | Party::SomeNode | Party::Outside(_) => false,
            },
        }
    }

    fn is_alike(&self, party: Party, other: Party, scene: Scene<'_>) -> bool {
        match (self, party) {
            (Self::Exactly(written), Party::Endpoint { id, .. }) => scene
                .cluster
                .endpoint(id)
                .is_some_and(|pod| looks_like(pod, written)),
            _ => self.is(party, other, scene),
        }
    }
}

/// Whether selectors that are meant for the written pod take the other for it.
fn looks_like(pod: &Endpoint, written: &Endpoint) -> bool {
    pod.namespace == written.namespace
        && written
            .labels
            .iter()
            .all(|(key, value)| pod.labels.get(key) == Some(value))
}

impl Ends {
    fn include(&self, party: Party, other: Party, scene: Scene<'_>) -> bool {
        match self {
            Self::Anyone => true,
            Self::OneOf(list) => list.iter().any(|who| who.is(party, other, scene)),
            Self::NoneOf(list) => !list.iter().any(|who| who.is_alike(party, other, scene)),
        }
    }
}

impl Clause {
    fn contains(&self, scene: Scene<'_>) -> bool {
        let Flow {
            source, destination, ..
        } = *scene.flow;
        self.from.include(source, destination, scene)
            && self.to.include(destination, source, scene)
            && self
                .ports
                .as_ref()
                .is_none_or(|ports| ports.iter().any(|port| port_matches(port, scene)))
    }
}

fn port_matches(port: &PortMatch, scene: Scene<'_>) -> bool {
    let flow = scene.flow;
    match port {
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => protocol.contains(flow.protocol) && (*first..=*last).contains(&flow.port),
        PortMatch::Icmp {
            protocol,
            message_type,
        } => (*protocol, u16::from(*message_type)) == (flow.protocol, flow.port),
        PortMatch::Name { protocol, name } => match flow.destination {
            Party::Endpoint { id, .. } => {
                let numbers: BTreeSet<u16> = scene
                    .cluster
                    .endpoint(id)
                    .into_iter()
                    .flat_map(|pod| ir::named_port::definitions(pod, name, *protocol))
                    .filter(|defined| defined.protocol == flow.protocol)
                    .map(|defined| defined.number)
                    .collect();
                numbers.contains(&flow.port)
            }
            Party::Node { .. } | Party::SomeNode | Party::Outside(_) => false,
        },
    }
}

fn matches(peer: &PeerMatch, party: Party, other: Party, scene: Scene<'_>) -> bool {
    let cluster = scene.cluster;
    let node = |selector: &Selector| match party {
        Party::Node { id, .. } => cluster
            .node(id)
            .is_some_and(|node| selector.matches(|asked| cluster.node_attribute(node, asked))),
        Party::Endpoint { .. } | Party::SomeNode | Party::Outside(_) => false,
    };
    let own_node = || match (party, other) {
        (Party::Node { id: node, .. }, Party::Endpoint { id: pod, .. }) => cluster
            .node(node)
            .zip(cluster.endpoint(pod))
            .is_some_and(|(node, pod)| pod.node.as_deref() == Some(node.name.as_str())),
        _ => false,
    };
    let is_node = matches!(party, Party::Node { .. });
    match peer {
        PeerMatch::Endpoints(selector) => match party {
            Party::Endpoint { id, .. } => cluster
                .endpoint(id)
                .is_some_and(|pod| selector.matches(|asked| cluster.attribute(pod, asked))),
            Party::Node { .. } | Party::SomeNode | Party::Outside(_) => false,
        },
        PeerMatch::Nodes(selector) => node(selector),
        PeerMatch::OtherNodes(selector) => node(selector) && !own_node(),
        PeerMatch::Cidr(block) => match party {
            Party::Outside(address) => block.contains(address),
            Party::Endpoint { .. } | Party::Node { .. } | Party::SomeNode => false,
        },
        PeerMatch::Entity(entity) => match entity {
            Entity::All => true,
            Entity::World => matches!(party, Party::Outside(_)),
            Entity::WorldIpv4 => matches!(party, Party::Outside(address) if address.is_ipv4()),
            Entity::WorldIpv6 => matches!(party, Party::Outside(address) if address.is_ipv6()),
            Entity::Cluster => !matches!(party, Party::Outside(_)),
            Entity::Host => is_node && own_node(),
            Entity::RemoteNode => is_node && !own_node(),
            Entity::KubeApiServer => scene.api_server && !matches!(party, Party::Endpoint { .. }),
            Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None => false,
        },
        PeerMatch::Domain(_) => false,
    }
}

/// The namespaces that a selector of pods names by their names.
pub(crate) fn namespaces_named(selector: &Selector) -> impl Iterator<Item = &String> {
    selector
        .requirements()
        .iter()
        .filter_map(
            |requirement| match (&requirement.attribute, &requirement.operator) {
                (Attribute::Namespace, Operator::In(names)) => Some(names),
                _ => None,
            },
        )
        .flatten()
}
