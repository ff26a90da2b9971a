//! What a rule matches, and whom a policy selects, as cubes.

use ir::peer::{CidrBlock, CidrScope, Entity, PeerMatch, Peers};
use ir::policy::{Action, Direction, Policy, Rule, Subject};
use ir::port::{PortMatch, Ports, Protocol};
use ir::selector::{Attribute, Selector};

use super::cube::{Addresses, Bits, Cube, Fact, PortKey};
use super::ranges::Ranges;
use super::values::Attributes;
use super::words::Words;
use crate::encode::vocabulary::canonical;

impl Words {
    /// The flows of pods that the policy is in force on; `None`: there are none.
    pub(crate) fn in_force(&self, policy: &Policy, direction: Direction) -> Option<Cube> {
        let Subject::Endpoints(selector) = &policy.subject else {
            return None;
        };
        let cube = Cube {
            subject: self.pods(selector)?,
            ..Cube::all()
        };
        (policy.applies.has(direction) && !cube.is_empty(self)).then_some(cube)
    }

    /// What the rule matches while its policy is in force.
    pub(crate) fn region(&self, policy: &Policy, rule: &Rule) -> Vec<Cube> {
        let Some(subject) = self.in_force(policy, rule.direction) else {
            return vec![];
        };
        let doubt = rule.action == Action::Deny;
        let peers: Vec<Cube> = match &rule.peers {
            Peers::Any => vec![subject],
            Peers::OneOf(peers) => peers
                .iter()
                .flat_map(|peer| self.peer(&peer.matches, doubt))
                .filter_map(|peer| subject.and(&peer, self))
                .collect(),
        };
        let ports = self.ports(&rule.ports, rule.direction);
        let mut cubes: Vec<Cube> = vec![];
        for peer in &peers {
            for ports in &ports {
                let Some(cube) = peer.and(ports, self) else {
                    continue;
                };
                if !cubes.iter().any(|other| cube.is_inside(other)) {
                    cubes.push(cube);
                }
            }
        }
        cubes
    }

    fn pods(&self, selector: &Selector) -> Option<Attributes> {
        let mut pods = Attributes::default();
        for requirement in selector.requirements() {
            match self.attribute(&canonical(&requirement.attribute)) {
                Some(attribute) => pods.restrict(attribute, &self.values(&requirement.operator)),
                // `Attribute::Cluster`, the same for every pod.
                None if requirement.operator.accepts(Some(self.cluster_name())) => {}
                None => return None,
            }
        }
        Some(pods)
    }

    fn nodes(&self, selector: &Selector) -> Option<Attributes> {
        let mut nodes = Attributes::default();
        for requirement in selector.requirements() {
            let constant = match &requirement.attribute {
                Attribute::Label(key) => {
                    if let Some(key) = self.node_key(key) {
                        nodes.restrict(key, &self.values(&requirement.operator));
                    }
                    continue;
                }
                Attribute::Cluster => Some(self.cluster_name()),
                Attribute::Namespace | Attribute::NamespaceLabel(_) | Attribute::ServiceAccount => None,
            };
            if !requirement.operator.accepts(constant) {
                return None;
            }
        }
        Some(nodes)
    }

    fn peer(&self, peer: &PeerMatch, doubt: bool) -> Option<Cube> {
        let everybody = Cube::all();
        Some(match peer {
            PeerMatch::Endpoints(selector) => Cube {
                classes: Bits::POD,
                peer: self.pods(selector)?,
                ..everybody
            },
            PeerMatch::Nodes(selector) => Cube {
                classes: Bits::NODE,
                node: self.nodes(selector)?,
                ..everybody
            },
            PeerMatch::OtherNodes(selector) => Cube {
                classes: Bits::NODE,
                node: self.nodes(selector)?,
                own_node: Bits::FALSE,
                ..everybody
            },
            PeerMatch::Cidr(block) => Cube {
                classes: match block.scope {
                    CidrScope::Everything => Bits::ANY_CLASS,
                    CidrScope::OutsideCluster => Bits::OUTSIDE,
                },
                addresses: addresses(block),
                ..everybody
            },
            PeerMatch::Domain(pattern) => Cube {
                classes: Bits::OUTSIDE,
                facts: vec![(Fact::Resolved(self.pattern(pattern)?), true)],
                ..everybody
            },
            PeerMatch::Entity(entity) => self.entity(*entity, doubt)?,
        })
    }

    /// One cube for all numbers, one for each name.
    fn ports(&self, ports: &Ports, direction: Direction) -> Vec<Cube> {
        let Ports::OneOf(entries) = ports else {
            return vec![Cube::all()];
        };
        let mut numbers = vec![];
        let mut cubes = vec![];
        for entry in entries {
            match &entry.matches {
                PortMatch::Numbers {
                    protocol,
                    first,
                    last,
                } => numbers.extend(
                    Protocol::ALL
                        .into_iter()
                        .filter(|one| protocol.contains(*one))
                        .map(|one| (PortKey::of(one, *first), PortKey::of(one, *last))),
                ),
                PortMatch::Icmp {
                    protocol,
                    message_type,
                } => {
                    let key = PortKey::of(*protocol, u16::from(*message_type));
                    numbers.push((key, key));
                }
                PortMatch::Name { protocol, name } => {
                    let Some(name) = self.name(name) else {
                        continue;
                    };
                    let all_of = |one| (PortKey::of(one, 0), PortKey::of(one, one.highest_port()));
                    let protocols = Protocol::ALL.into_iter().filter(|one| protocol.contains(*one));
                    let (classes, fact) = match direction {
                        Direction::Ingress => (Bits::ANY_CLASS, Fact::SubjectName(name)),
                        Direction::Egress => (Bits::POD, Fact::PeerName(name)),
                    };
                    cubes.push(Cube {
                        classes,
                        ports: Ranges::of(protocols.map(all_of).collect()),
                        facts: vec![(fact, true)],
                        ..Cube::all()
                    });
                }
            }
        }
        if !numbers.is_empty() {
            cubes.insert(
                0,
                Cube {
                    ports: Ranges::of(numbers),
                    ..Cube::all()
                },
            );
        }
        cubes
    }
}

impl Words {
    fn entity(&self, entity: Entity, doubt: bool) -> Option<Cube> {
        if entity != Entity::KubeApiServer {
            return entity_cube(entity);
        }
        let maybe = Cube {
            classes: Bits::OUTSIDE.or(Bits::NODE),
            ..Cube::all()
        };
        if self.of_whole_flows() {
            return Some(Cube {
                facts: vec![(Fact::ApiServer, true)],
                ..maybe
            });
        }
        // The evaluator's answer, as in the formulas.
        doubt.then_some(maybe)
    }
}

/// The addresses of a block, its holes left out.
pub(crate) fn addresses(block: &CidrBlock) -> Addresses {
    block
        .except
        .iter()
        .fold(Addresses::of(&block.cidr), |left, hole| {
            left.without(&Addresses::of(hole))
        })
}

fn entity_cube(entity: Entity) -> Option<Cube> {
    let outside = |addresses| Cube {
        classes: Bits::OUTSIDE,
        addresses,
        ..Cube::all()
    };
    let node = |own_node| Cube {
        classes: Bits::NODE,
        own_node,
        ..Cube::all()
    };
    match entity {
        Entity::All => Some(Cube::all()),
        Entity::World => Some(outside(Addresses::all())),
        Entity::WorldIpv4 => Some(outside(Addresses::only_v4())),
        Entity::WorldIpv6 => Some(outside(Addresses::only_v6())),
        Entity::Cluster => Some(Cube {
            classes: Bits::POD.or(Bits::NODE),
            ..Cube::all()
        }),
        Entity::Host => Some(node(Bits::TRUE)),
        Entity::RemoteNode => Some(node(Bits::FALSE)),
        Entity::KubeApiServer
        | Entity::Ingress
        | Entity::Health
        | Entity::Init
        | Entity::Unmanaged
        | Entity::None => None,
    }
}
