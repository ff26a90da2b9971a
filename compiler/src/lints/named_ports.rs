//! Which rules use which port names, on which pods, and what the names mean there.
//!
//! A name stands, for each destination by itself, for that destination's own numbers: at ingress the subject's, at
//! egress the peer's. So each use of a name is listed with the pods that the rule reaches as destinations, and what
//! each of them defines.

use ir::cluster::{ContainerPort, Endpoint, EndpointId};
use ir::label_index::LabelIndex;
use ir::model::Model;
use ir::named_port;
use ir::peer::{CidrScope, Entity, Peer, PeerMatch, Peers};
use ir::policy::{Direction, Policy, Rule, RuleId, Subject};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::Selector;
use std::collections::{BTreeMap, BTreeSet};

/// One port entry of a rule that gives a name.
#[derive(Clone, Debug)]
pub struct NameUse<'m> {
    /// The rule's id.
    pub rule_id: RuleId,
    /// The rule's policy.
    pub policy: &'m Policy,
    /// The rule.
    pub rule: &'m Rule,
    /// The port entry.
    pub port: &'m Port,
    /// The name, as written.
    pub name: &'m str,
    /// The protocols asked for.
    pub protocol: ProtocolSet,
    /// The destinations that the rule reaches, in order.
    pub reached: Vec<Reached<'m>>,
    /// The pods that may be sources of what it matches.
    pub sources: BTreeSet<EndpointId>,
}

/// A pod that a rule reaches as a destination.
#[derive(Clone, Debug)]
pub struct Reached<'m> {
    /// Its id.
    pub id: EndpointId,
    /// The pod.
    pub endpoint: &'m Endpoint,
    /// Its container ports that the name stands for; empty where it defines none.
    pub ports: Vec<&'m ContainerPort>,
}

impl Reached<'_> {
    /// The numbers behind the name.
    #[must_use]
    pub fn numbers(&self) -> BTreeSet<(Protocol, u16)> {
        self.ports
            .iter()
            .map(|port| (port.protocol, port.number))
            .collect()
    }
}

/// Every use of a name, in the order of rules and ports.
#[must_use]
pub fn uses(model: &Model) -> Vec<NameUse<'_>> {
    let mut uses = Vec::new();
    for (policy_id, policy) in model.policy_ids() {
        for (rule_id, rule) in model.rule_ids(policy_id) {
            let Ports::OneOf(ports) = &rule.ports else {
                continue;
            };
            for port in ports {
                if let PortMatch::Name { protocol, name } = &port.matches {
                    uses.push(NameUse {
                        rule_id,
                        policy,
                        rule,
                        port,
                        name,
                        protocol: *protocol,
                        reached: Vec::new(),
                        sources: BTreeSet::new(),
                    });
                }
            }
        }
    }
    let pods = Pods::new(model, &uses);
    for one in &mut uses {
        let (subjects, peers) = (pods.subjects(one.policy), pods.peers(&one.rule.peers));
        let (sources, destinations) = match one.rule.direction {
            Direction::Ingress => (peers, subjects),
            Direction::Egress => (subjects, peers),
        };
        one.sources = sources;
        one.reached = destinations
            .into_iter()
            .filter_map(|id| {
                let endpoint = model.cluster.endpoint(id)?;
                let ports = named_port::definitions(endpoint, one.name, one.protocol).collect();
                Some(Reached { id, endpoint, ports })
            })
            .collect();
    }
    uses
}

/// Pods by what selects them.
pub struct Pods<'m> {
    model: &'m Model,
    index: LabelIndex,
    by_profile: BTreeMap<u32, Vec<EndpointId>>,
}

impl<'m> Pods<'m> {
    fn new(model: &'m Model, uses: &[NameUse<'m>]) -> Self {
        let mut selectors: Vec<&Selector> = Vec::new();
        for one in uses {
            match &one.policy.subject {
                Subject::Endpoints(selector) => selectors.push(selector),
                Subject::Nodes(_) => {}
            }
            for peer in listed(&one.rule.peers) {
                if let PeerMatch::Endpoints(selector) = &peer.matches {
                    selectors.push(selector);
                }
            }
        }
        let index = LabelIndex::new(&model.cluster, selectors);
        let mut by_profile: BTreeMap<u32, Vec<EndpointId>> = BTreeMap::new();
        for (id, _) in model.cluster.endpoint_ids() {
            if let Some(profile) = index.profile(id) {
                by_profile.entry(profile).or_default().push(id);
            }
        }
        Self {
            model,
            index,
            by_profile,
        }
    }

    /// The pods that a policy selects.
    #[must_use]
    pub fn subjects(&self, policy: &Policy) -> BTreeSet<EndpointId> {
        match &policy.subject {
            Subject::Endpoints(selector) => self.selected(selector),
            Subject::Nodes(_) => BTreeSet::new(),
        }
    }

    /// The pods among a rule's peers.
    #[must_use]
    pub fn peers(&self, peers: &Peers) -> BTreeSet<EndpointId> {
        match peers {
            Peers::Any => self.all(),
            Peers::OneOf(list) => list.iter().flat_map(|peer| self.peer(&peer.matches)).collect(),
        }
    }

    fn peer(&self, matches: &PeerMatch) -> BTreeSet<EndpointId> {
        match matches {
            PeerMatch::Endpoints(selector) => self.selected(selector),
            PeerMatch::Entity(Entity::All | Entity::Cluster) => self.all(),
            PeerMatch::Cidr(block) if block.scope == CidrScope::Everything => self
                .model
                .cluster
                .endpoint_ids()
                .filter(|(_, endpoint)| !endpoint.host_network)
                .filter(|(_, endpoint)| {
                    endpoint.addresses.iter().any(|address| block.contains(*address))
                        || (endpoint.addresses.is_empty() && block.is_whole_family())
                })
                .map(|(id, _)| id)
                .collect(),
            PeerMatch::Cidr(_)
            | PeerMatch::Nodes(_)
            | PeerMatch::OtherNodes(_)
            | PeerMatch::Entity(_)
            | PeerMatch::Domain(_) => BTreeSet::new(),
        }
    }

    fn selected(&self, selector: &Selector) -> BTreeSet<EndpointId> {
        self.index
            .select(selector)
            .into_iter()
            .filter_map(|profile| self.by_profile.get(&profile))
            .flatten()
            .copied()
            .collect()
    }

    fn all(&self) -> BTreeSet<EndpointId> {
        self.by_profile.values().flatten().copied().collect()
    }
}

fn listed(peers: &Peers) -> &[Peer] {
    match peers {
        Peers::Any => &[],
        Peers::OneOf(list) => list,
    }
}
