//! Why a rule does not match a flow, in words: what would have to be otherwise for it to match.
//!
//! A rule matches exactly when nothing would have to be (`tests` compares with the evaluator). The fewer changes, the
//! nearer the rule.

use super::party;
use crate::cite::RuleRef;
use crate::resolve;
use ir::cluster::{Cluster, ContainerRole, Endpoint};
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{CidrBlock, CidrScope, Entity, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Rule};
use ir::port::{Port, PortMatch, Ports, Protocol};
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Requirement, Selector};
use std::net::IpAddr;

/// A rule that does not match, and what would have to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The rule.
    pub rule: RuleRef,
    /// Never empty.
    pub changes: Vec<Change>,
}

impl Near {
    /// What the rule misses, in one word.
    #[must_use]
    pub fn misses(&self) -> Misses {
        let port = self.changes.iter().any(|change| change.about == About::Port);
        let peer = self.changes.iter().any(|change| change.about != About::Port);
        match (port, peer) {
            (true, true) => Misses::Both,
            (true, false) => Misses::Port,
            (false, _) => Misses::Peer,
        }
    }

    /// How far away it is.
    pub(super) fn distance(&self) -> usize {
        let steps = self.changes.iter().map(|change| match change.about {
            About::Port | About::Label | About::Namespace => 1,
            About::Address => 2,
            About::Kind => 3,
        });
        steps.sum()
    }
}

/// What a rule would have to say differently to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misses {
    /// It matches the peer, on other ports.
    Port,
    /// It matches the port, for other peers.
    Peer,
    /// It matches neither.
    Both,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The port, its name or its protocol.
    Port,
    /// A label or the service account of the peer.
    Label,
    /// The peer's namespace or its labels.
    Namespace,
    /// The peer's address.
    Address,
    /// Whether the peer is a pod, a node or outside.
    Kind,
}

/// One thing that would have to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub about: About,
    /// In words, a clause.
    pub text: String,
    /// The entry of the rule that asks for it.
    pub origin: Origin,
}

/// A flow as one side's rules look at it.
pub(super) struct Question<'m> {
    pub(super) model: &'m Model,
    pub(super) subject: &'m Endpoint,
    pub(super) direction: Direction,
    /// The other end; a host-network pod is its node.
    pub(super) peer: Party,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
}

impl<'m> Question<'m> {
    /// The question of one side; `None` where it has no policy of its own.
    pub(super) fn of(model: &'m Model, flow: &Flow, direction: Direction) -> Option<Self> {
        let (subject, peer) = match direction {
            Direction::Egress => (flow.source, flow.destination),
            Direction::Ingress => (flow.destination, flow.source),
        };
        let Party::Endpoint { id, .. } = subject else {
            return None;
        };
        let peer = match peer {
            Party::Endpoint { id, address } => resolve::as_party(&model.cluster, id, address),
            peer => peer,
        };
        Some(Self {
            model,
            subject: model.cluster.endpoint(id).filter(|pod| !pod.host_network)?,
            direction,
            peer,
            protocol: flow.protocol,
            port: flow.port,
        })
    }

    /// What keeps a rule of this direction from matching; nothing when it matches.
    pub(super) fn changes(&self, rule: &Rule) -> Vec<Change> {
        // What is not known counts against the flow, as in the evaluator.
        let doubt = rule.action == Action::Deny;
        let peer = match &rule.peers {
            Peers::Any => Vec::new(),
            Peers::OneOf(peers) => peers
                .iter()
                .map(|peer| self.peer_changes(peer, doubt))
                .min_by_key(|changes| (changes.len(), changes.iter().map(|c| c.about).max()))
                .unwrap_or_else(|| vec![change(About::Kind, "the rule names no peer at all", &rule.origin)]),
        };
        let ports = match &rule.ports {
            Ports::Any => None,
            Ports::OneOf(ports) => self.port_change(ports, &rule.origin),
        };
        peer.into_iter().chain(ports).collect()
    }

    fn cluster(&self) -> &'m Cluster {
        &self.model.cluster
    }

    fn peer_name(&self) -> String {
        party::show(self.model, self.peer).name
    }

    fn peer_changes(&self, peer: &Peer, doubt: bool) -> Vec<Change> {
        let is = match self.peer {
            Party::Endpoint { .. } => "a pod",
            Party::Node { .. } | Party::SomeNode => "a node",
            Party::Outside(_) => "an address outside the cluster",
        };
        let kind = |asked: &str| {
            let text = format!("{} is {is}, the rule asks for {asked}", self.peer_name());
            vec![change(About::Kind, &text, &peer.origin)]
        };
        let unknown = |what: &str| {
            if doubt {
                return Vec::new();
            }
            vec![change(About::Kind, what, &peer.origin)]
        };
        match &peer.matches {
            PeerMatch::Endpoints(selector) => match self.peer {
                Party::Endpoint { id, .. } => {
                    let Some(pod) = self.cluster().endpoint(id) else {
                        return kind("pods");
                    };
                    self.unmet(selector, peer, &pod.namespace, |a| {
                        self.cluster().attribute(pod, a)
                    })
                }
                _ => kind("pods"),
            },
            PeerMatch::Nodes(selector) | PeerMatch::OtherNodes(selector) => {
                let others = matches!(peer.matches, PeerMatch::OtherNodes(_));
                match self.peer {
                    Party::Node { id, .. } => {
                        let Some(node) = self.cluster().node(id) else {
                            return kind("nodes");
                        };
                        let mut changes =
                            self.unmet(selector, peer, "", |a| self.cluster().node_attribute(node, a));
                        match self.peer_is_own_node() {
                            Some(true) if others => {
                                changes.extend(kind("other nodes than the pod's own"));
                            }
                            None if others => changes.extend(unknown("the pod's own node is not known")),
                            _ => {}
                        }
                        changes
                    }
                    Party::SomeNode if !others && selector.requirements().is_empty() => Vec::new(),
                    Party::SomeNode => unknown("which node this is, is not known"),
                    Party::Endpoint { .. } | Party::Outside(_) => kind("nodes"),
                }
            }
            PeerMatch::Cidr(block) => self.block_change(block, &peer.origin).into_iter().collect(),
            PeerMatch::Entity(entity) => self.entity_changes(*entity, &kind, &unknown),
            PeerMatch::Domain(pattern) => match self.peer {
                Party::Outside(_) => unknown(&format!(
                    "whether the address is one of `{}`'s is known on nodes only",
                    pattern.0
                )),
                _ => kind(&format!("addresses of `{}`", pattern.0)),
            },
        }
    }

    fn entity_changes(
        &self,
        entity: Entity,
        kind: &dyn Fn(&str) -> Vec<Change>,
        unknown: &dyn Fn(&str) -> Vec<Change>,
    ) -> Vec<Change> {
        let none = Vec::new;
        let asked = format!("`{}`", entity.name());
        let own = self.peer_is_own_node();
        match (entity, self.peer) {
            (Entity::All, _)
            | (Entity::World, Party::Outside(_))
            | (Entity::WorldIpv4, Party::Outside(IpAddr::V4(_)))
            | (Entity::WorldIpv6, Party::Outside(IpAddr::V6(_)))
            | (Entity::Cluster, Party::Endpoint { .. } | Party::Node { .. } | Party::SomeNode) => none(),
            (Entity::Host | Entity::RemoteNode, Party::Node { .. } | Party::SomeNode) => match own {
                None => unknown("whether this is the pod's own node is not known"),
                Some(own) if own == (entity == Entity::Host) => none(),
                Some(_) => kind(&asked),
            },
            (Entity::KubeApiServer, Party::Node { .. } | Party::SomeNode | Party::Outside(_)) => {
                unknown("whether this is the API server is not known")
            }
            _ => kind(&asked),
        }
    }

    /// Whether the peer is the node that runs the subject; `None` when that is not known.
    fn peer_is_own_node(&self) -> Option<bool> {
        match self.peer {
            Party::Node { id, .. } => {
                let own = self.subject.node.as_deref()?;
                Some(self.cluster().node(id).is_some_and(|node| node.name == own))
            }
            Party::SomeNode => None,
            Party::Endpoint { .. } | Party::Outside(_) => Some(false),
        }
    }

    fn unmet<'a>(
        &self,
        selector: &Selector,
        peer: &Peer,
        namespace: &str,
        value_of: impl Fn(&Attribute) -> Option<&'a str>,
    ) -> Vec<Change> {
        selector
            .requirements()
            .iter()
            .filter_map(|asked| {
                let value = value_of(&asked.attribute);
                if asked.operator.accepts(value) {
                    return None;
                }
                let about = match asked.attribute {
                    Attribute::Namespace | Attribute::NamespaceLabel(_) => About::Namespace,
                    Attribute::Label(_) | Attribute::ServiceAccount | Attribute::Cluster => About::Label,
                };
                let text = format!(
                    "{}, {}",
                    has(self, asked, namespace, value),
                    wants(&asked.operator)
                );
                Some(change(about, &text, &peer.origin))
            })
            .collect()
    }

    fn block_change(&self, block: &CidrBlock, origin: &Origin) -> Option<Change> {
        let name = self.peer_name();
        let text = match (block.scope, self.peer, self.peer.address()) {
            (CidrScope::OutsideCluster, Party::Endpoint { .. } | Party::Node { .. } | Party::SomeNode, _) => {
                format!(
                    "{name} is in the cluster, the block {} is of addresses outside it",
                    block.cidr
                )
            }
            (_, _, None) if block.is_whole_family() => return None,
            (_, _, None) => {
                format!(
                    "the address of {name} is not known, so no block but a whole family is sure to hold it"
                )
            }
            (_, _, Some(address)) if !block.cidr.contains(&address) => {
                format!("{address} is not in {}", block.cidr)
            }
            (_, _, Some(address)) => {
                let hole = block.except.iter().find(|hole| hole.contains(&address))?;
                format!("{address} is in {hole}, which the rule excepts")
            }
        };
        Some(change(About::Address, &text, origin))
    }

    /// What keeps all of these ports from matching.
    fn port_change(&self, ports: &[Port], rule: &Origin) -> Option<Change> {
        let Some(first) = ports.first() else {
            return Some(change(About::Port, "the rule names no port at all", rule));
        };
        let destination = match (self.direction, self.peer) {
            (Direction::Ingress, _) => Some(self.subject),
            (Direction::Egress, Party::Endpoint { id, .. }) => self.cluster().endpoint(id),
            (Direction::Egress, _) => None,
        };
        let mut numbers = Vec::new();
        // Other ports of other protocols: two things would have to be otherwise.
        let mut elsewhere = Vec::new();
        let mut protocols = Vec::new();
        let mut undefined = Vec::new();
        for port in ports {
            match &port.matches {
                PortMatch::Numbers {
                    protocol,
                    first,
                    last,
                } => {
                    let inside = (*first..=*last).contains(&self.port);
                    match (protocol.contains(self.protocol), inside) {
                        (true, true) => return None,
                        (true, false) if first == last => numbers.push(format!("{first}")),
                        (true, false) => numbers.push(format!("{first}-{last}")),
                        (false, true) => protocols.push(protocol.to_string()),
                        (false, false) if first == last => elsewhere.push(format!("{first}/{protocol}")),
                        (false, false) => elsewhere.push(format!("{first}-{last}/{protocol}")),
                    }
                }
                PortMatch::Name { protocol, name } => {
                    let mut defined = false;
                    for own in destination.into_iter().flat_map(|pod| &pod.ports) {
                        let named = own
                            .name
                            .as_deref()
                            .is_some_and(|own| own.eq_ignore_ascii_case(name));
                        if !named || own.role == ContainerRole::Init || !protocol.contains(own.protocol) {
                            continue;
                        }
                        defined = true;
                        match (own.protocol == self.protocol, own.number == self.port) {
                            (true, true) => return None,
                            (true, false) => numbers.push(format!("{} (`{name}`)", own.number)),
                            (false, true) => protocols.push(own.protocol.to_string()),
                            (false, false) => {
                                elsewhere.push(format!("{}/{} (`{name}`)", own.number, own.protocol));
                            }
                        }
                    }
                    if !defined {
                        undefined.push(format!("`{name}`/{protocol}"));
                    }
                }
                PortMatch::Icmp {
                    protocol,
                    message_type,
                } => {
                    if *protocol == self.protocol && u16::from(*message_type) == self.port {
                        return None;
                    }
                    elsewhere.push(format!("{protocol} type {message_type}"));
                }
            }
        }
        let text = if !protocols.is_empty() {
            format!("would match if the protocol were {}", either(protocols))
        } else if !numbers.is_empty() {
            format!("would match if the port were {}", either(numbers))
        } else if !elsewhere.is_empty() {
            format!("would match if the port were {}", either(elsewhere))
        } else if let Some(pod) = destination {
            format!("{pod} has no port named {}", either(undefined))
        } else {
            format!(
                "the rule asks for a port named {}, and only pods have such",
                either(undefined)
            )
        };
        let origin = if ports.len() == 1 { &first.origin } else { rule };
        Some(change(About::Port, &text, origin))
    }
}

fn change(about: About, text: &str, origin: &Origin) -> Change {
    Change {
        about,
        text: text.to_owned(),
        origin: origin.clone(),
    }
}

/// The values, the first few of them.
fn either(mut values: Vec<String>) -> String {
    const SHOWN: usize = 6;
    values.dedup();
    let more = match values.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" or one of {more} more"),
    };
    values.truncate(SHOWN);
    format!("{}{more}", values.join(" or "))
}

fn has(question: &Question<'_>, asked: &Requirement, namespace: &str, value: Option<&str>) -> String {
    let name = question.peer_name();
    let what = match &asked.attribute {
        Attribute::Label(key) => format!("label {key} of {name}"),
        Attribute::NamespaceLabel(key) if key == NAMESPACE_NAME_LABEL => format!("the namespace of {name}"),
        Attribute::Namespace => format!("the namespace of {name}"),
        Attribute::NamespaceLabel(key) => format!("label {key} of namespace {namespace}"),
        Attribute::ServiceAccount => format!("the service account of {name}"),
        Attribute::Cluster => format!("the cluster of {name}"),
    };
    match value {
        Some(value) => format!("{what} is `{value}`"),
        None => format!("{what} is absent"),
    }
}

fn wants(operator: &Operator) -> String {
    let listed = |values: &std::collections::BTreeSet<String>| -> Vec<String> {
        values.iter().map(|value| format!("`{value}`")).collect()
    };
    match operator {
        Operator::In(values) => format!("the rule asks for {}", either(listed(values))),
        Operator::NotIn(_) => "the rule excludes it".to_owned(),
        Operator::Exists => "the rule asks for any value".to_owned(),
        Operator::DoesNotExist => "the rule asks that it be absent".to_owned(),
    }
}
