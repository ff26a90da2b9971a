//! Identities: peers that no policy can tell apart share one.
//!
//! The set of identities is the quotient of everything that can stand at the other end of a flow (pods by address,
//! nodes by address, intervals of outside addresses) by the policies of the model: same answer to every peer entry of
//! every rule, and same numbers behind every port name that an egress rule uses. It is the coarsest partition that
//! stays exact, except that every node keeps an identity of its own, because a pod's own node is always let in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use roaring::RoaringBitmap;

use crate::address_map::AddressMap;
use crate::cluster::{Cluster, Endpoint, EndpointId, Family, NodeId};
use crate::flow::Party;
use crate::label_index::{self, LabelIndex};
use crate::model::Model;
use crate::named_port;
use crate::peer::{CidrBlock, CidrScope, Entity, Peer, PeerMatch, Peers};
use crate::policy::{Direction, Rule};
use crate::port::{PortMatch, Ports, Protocol, ProtocolSet};
use crate::selector::Selector;

/// One identity: a small number, dense from 0 within one [`Identities`].
///
/// Numbers mean nothing outside the [`Identities`] that gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub u32);

/// Which sort of peer an identity stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Pods with a network of their own.
    Endpoints,
    /// One node.
    Node(NodeId),
    /// Host-network pods whose node is not known.
    SomeNode,
    /// Addresses outside the cluster, of one family.
    Outside(Family),
}

/// One identity, as far as it can be described by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it stands for.
    pub class: Class,
    /// The first of its members in canonical order; any other member gets the same verdicts.
    pub example: Party,
}

/// A port name that an egress rule uses: the name in lower case, and the protocols asked for.
type NameUse = (String, ProtocolSet);

/// The answers that make two peers equal or different.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Signature {
    class: Class,
    /// Indices of the matchers that match, ascending.
    matched: Vec<u32>,
    /// For each used port name, the numbers behind it.
    named: Vec<BTreeSet<(Protocol, u16)>>,
}

/// The identities of a model.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    identities: Vec<Identity>,
    of_endpoint: BTreeMap<(EndpointId, Option<IpAddr>), IdentityId>,
    addresses: AddressMap,
    endpoints: RoaringBitmap,
    nodes: BTreeMap<NodeId, RoaringBitmap>,
    some_node: RoaringBitmap,
    outside: BTreeMap<Family, RoaringBitmap>,
    matched: BTreeMap<PeerMatch, RoaringBitmap>,
    named: BTreeMap<NameUse, BTreeMap<(Protocol, u16), RoaringBitmap>>,
}

impl Identities {
    /// Partitions everything that the model's policies can meet.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let questions = Questions::of(model);
        let mut partition = Partition::default();
        add_endpoints(model, &questions, &mut partition);
        add_nodes(model, &questions, &mut partition);
        add_outside(&questions, &mut partition);
        partition.finish(&questions)
    }

    /// The identities, indexed by [`IdentityId`].
    #[must_use]
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// Every identity.
    #[must_use]
    pub fn all(&self) -> RoaringBitmap {
        (0..u32::try_from(self.identities.len()).unwrap_or(u32::MAX)).collect()
    }

    /// Identities by address.
    #[must_use]
    pub fn addresses(&self) -> &AddressMap {
        &self.addresses
    }

    /// The identity of a party; `None` for one that is not of this model.
    #[must_use]
    pub fn of_party(&self, party: Party) -> Option<IdentityId> {
        match party {
            Party::Endpoint { id, address } => self.of_endpoint.get(&(id, address)).copied(),
            Party::Node { id, address } => {
                let own = self.nodes.get(&id)?;
                match address.and_then(|address| self.addresses.exact.get(&address)) {
                    Some(identity) if own.contains(identity.0) => Some(*identity),
                    _ => own.min().map(IdentityId),
                }
            }
            Party::SomeNode => self.some_node.min().map(IdentityId),
            Party::Outside(address) => self.addresses.identity(address),
        }
    }

    /// The identities of one node; empty for a node that is not of this model.
    #[must_use]
    pub fn of_node(&self, node: NodeId) -> RoaringBitmap {
        self.nodes.get(&node).cloned().unwrap_or_default()
    }

    /// The identities that `peers` matches, as `viewpoint` sees them.
    #[must_use]
    pub fn matching(&self, peers: &Peers, viewpoint: Viewpoint) -> RoaringBitmap {
        match peers {
            Peers::Any => self.all(),
            Peers::OneOf(list) => {
                let mut union = RoaringBitmap::new();
                for peer in list {
                    union |= self.matching_peer(&peer.matches, viewpoint);
                }
                union
            }
        }
    }

    /// For a port name used by an egress rule: each number that some peer gives it, with the identities that do.
    #[must_use]
    pub fn numbers(
        &self,
        name: &str,
        protocol: ProtocolSet,
    ) -> Option<&BTreeMap<(Protocol, u16), RoaringBitmap>> {
        self.named.get(&(name.to_ascii_lowercase(), protocol))
    }

    fn matching_peer(&self, matches: &PeerMatch, viewpoint: Viewpoint) -> RoaringBitmap {
        let answered = || self.matched.get(matches).cloned().unwrap_or_default();
        match matches {
            PeerMatch::Endpoints(_) | PeerMatch::Cidr(_) => answered(),
            PeerMatch::Nodes(_) if viewpoint.doubt => answered() | &self.some_node,
            PeerMatch::Nodes(_) => answered(),
            PeerMatch::Entity(entity) => self.matching_entity(*entity, viewpoint),
            // Which addresses a name has is known on a node only.
            PeerMatch::Domain(_) if viewpoint.doubt => self.all_outside(),
            PeerMatch::Domain(_) => RoaringBitmap::new(),
        }
    }

    fn matching_entity(&self, entity: Entity, viewpoint: Viewpoint) -> RoaringBitmap {
        let outside = |family| self.outside.get(&family).cloned().unwrap_or_default();
        match entity {
            Entity::All => self.all(),
            Entity::World => self.all_outside(),
            Entity::WorldIpv4 => outside(Family::V4),
            Entity::WorldIpv6 => outside(Family::V6),
            Entity::Cluster => self.all() - self.all_outside(),
            Entity::Host => self.nodes_where(viewpoint, |own| own),
            Entity::RemoteNode => self.nodes_where(viewpoint, |own| !own),
            // Which node or address the API server has is not written in manifests.
            Entity::KubeApiServer if viewpoint.doubt => self.all() - &self.endpoints,
            Entity::KubeApiServer
            | Entity::Ingress
            | Entity::Health
            | Entity::Init
            | Entity::Unmanaged
            | Entity::None => RoaringBitmap::new(),
        }
    }

    fn all_outside(&self) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for identities in self.outside.values() {
            union |= identities;
        }
        union
    }

    /// The nodes whose being the subject's own node (`true`) or another (`false`) is `wanted`; those of which it is
    /// not known where the viewpoint doubts.
    fn nodes_where(&self, viewpoint: Viewpoint, wanted: impl Fn(bool) -> bool) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for (node, identities) in &self.nodes {
            let is_wanted = match viewpoint.own_node {
                OwnNode::Unknown => viewpoint.doubt,
                OwnNode::NotOfTheCluster => wanted(false),
                OwnNode::Is(own) => wanted(own == *node),
            };
            if is_wanted {
                union |= identities;
            }
        }
        if viewpoint.doubt {
            union |= &self.some_node;
        }
        union
    }
}

/// What is known of the node that a subject runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnNode {
    /// Nothing.
    Unknown,
    /// It has a name, but the cluster does not know that node.
    NotOfTheCluster,
    /// This one.
    Is(NodeId),
}

impl OwnNode {
    /// What is known of the node of `endpoint`.
    #[must_use]
    pub fn of(endpoint: &Endpoint, cluster: &Cluster) -> Self {
        match endpoint.node.as_deref() {
            None => Self::Unknown,
            Some(name) => cluster.node_named(name).map_or(Self::NotOfTheCluster, Self::Is),
        }
    }
}

/// From where a rule looks at its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewpoint {
    /// The node of the rule's subject.
    pub own_node: OwnNode,
    /// How a question counts that cannot be answered: as *yes* (a deny rule must not miss) or as *no* (every other
    /// rule must not open what is not known).
    pub doubt: bool,
}

/// Every question that the policies ask of a peer, each once, in canonical order.
struct Questions<'m> {
    matchers: Vec<&'m PeerMatch>,
    names: Vec<NameUse>,
}

impl<'m> Questions<'m> {
    fn of(model: &'m Model) -> Self {
        let mut matchers = BTreeSet::new();
        let mut names = BTreeSet::new();
        for rule in model.policies().iter().flat_map(|policy| &policy.rules) {
            matchers.extend(peers_of(rule).iter().map(|peer| &peer.matches).filter(|matches| {
                matches!(
                    matches,
                    PeerMatch::Endpoints(_) | PeerMatch::Nodes(_) | PeerMatch::Cidr(_)
                )
            }));
            if rule.direction == Direction::Egress {
                names.extend(names_of(rule));
            }
        }
        Self {
            matchers: matchers.into_iter().collect(),
            names: names.into_iter().collect(),
        }
    }

    /// The matchers for which `matches` holds.
    fn where_true(&self, mut matches: impl FnMut(&PeerMatch) -> bool) -> Vec<u32> {
        (0..)
            .zip(&self.matchers)
            .filter(|(_, matcher)| matches(matcher))
            .map(|(index, _)| index)
            .collect()
    }

    /// The pod selectors, with the index of their matcher.
    fn endpoint_selectors(&self) -> impl Iterator<Item = (u32, &'m Selector)> {
        (0..)
            .zip(&self.matchers)
            .filter_map(|(index, matcher)| match matcher {
                PeerMatch::Endpoints(selector) => Some((index, selector)),
                _ => None,
            })
    }

    /// The address blocks, with the index of their matcher.
    fn blocks(&self) -> impl Iterator<Item = (u32, &'m CidrBlock)> {
        (0..)
            .zip(&self.matchers)
            .filter_map(|(index, matcher)| match matcher {
                PeerMatch::Cidr(block) => Some((index, block)),
                _ => None,
            })
    }

    /// The blocks that hold a pod's or a node's address. Of an address not known yet only blocks that hold every
    /// address of a family are certain.
    fn blocks_of_member(&self, address: Option<IpAddr>) -> impl Iterator<Item = u32> {
        self.blocks()
            .filter(move |(_, block)| {
                block.scope == CidrScope::Everything
                    && address.map_or_else(|| block.is_whole_family(), |address| block.contains(address))
            })
            .map(|(index, _)| index)
    }

    fn numbers_of(&self, endpoint: &Endpoint) -> Vec<BTreeSet<(Protocol, u16)>> {
        self.names
            .iter()
            .map(|(name, protocol)| {
                named_port::definitions(endpoint, name, *protocol)
                    .map(|port| (port.protocol, port.number))
                    .collect()
            })
            .collect()
    }

    fn no_numbers(&self) -> Vec<BTreeSet<(Protocol, u16)>> {
        vec![BTreeSet::new(); self.names.len()]
    }
}

fn peers_of(rule: &Rule) -> &[Peer] {
    match &rule.peers {
        Peers::Any => &[],
        Peers::OneOf(list) => list,
    }
}

fn names_of(rule: &Rule) -> impl Iterator<Item = NameUse> {
    let ports = match &rule.ports {
        Ports::Any => &[][..],
        Ports::OneOf(list) => list,
    };
    ports.iter().filter_map(|port| match &port.matches {
        PortMatch::Name { protocol, name } => Some((name.to_ascii_lowercase(), *protocol)),
        PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => None,
    })
}

/// The partition while it grows: members are added in canonical order and numbered by first appearance.
#[derive(Default)]
struct Partition {
    by_signature: BTreeMap<Signature, IdentityId>,
    signatures: Vec<Signature>,
    result: Identities,
}

impl Partition {
    fn add(&mut self, signature: Signature, member: Party) -> IdentityId {
        if let Some(id) = self.by_signature.get(&signature) {
            return *id;
        }
        let id = IdentityId(u32::try_from(self.signatures.len()).unwrap_or(u32::MAX));
        self.result.identities.push(Identity {
            class: signature.class,
            example: member,
        });
        self.signatures.push(signature.clone());
        self.by_signature.insert(signature, id);
        id
    }

    fn finish(self, questions: &Questions<'_>) -> Identities {
        let mut result = self.result;
        for matcher in &questions.matchers {
            result.matched.insert((*matcher).clone(), RoaringBitmap::new());
        }
        for name in &questions.names {
            result.named.insert(name.clone(), BTreeMap::new());
        }
        for (id, signature) in (0u32..).zip(&self.signatures) {
            match signature.class {
                Class::Endpoints => result.endpoints.insert(id),
                Class::Node(node) => result.nodes.entry(node).or_default().insert(id),
                Class::SomeNode => result.some_node.insert(id),
                Class::Outside(family) => result.outside.entry(family).or_default().insert(id),
            };
            for matcher in signature
                .matched
                .iter()
                .filter_map(|index| questions.matchers.get(*index as usize))
            {
                if let Some(identities) = result.matched.get_mut(*matcher) {
                    identities.insert(id);
                }
            }
            for (name, numbers) in questions.names.iter().zip(&signature.named) {
                if let Some(by_number) = result.named.get_mut(name) {
                    for number in numbers {
                        by_number.entry(*number).or_default().insert(id);
                    }
                }
            }
        }
        result
    }
}

/// Pods by address.
fn add_endpoints(model: &Model, questions: &Questions<'_>, partition: &mut Partition) {
    let cluster = &model.cluster;
    let index = LabelIndex::new(
        cluster,
        questions.endpoint_selectors().map(|(_, selector)| selector),
    );
    let by_profile = label_index::transposed(
        &index,
        questions
            .endpoint_selectors()
            .map(|(matcher, selector)| (matcher, index.select(selector))),
    );
    for (id, endpoint) in cluster.endpoint_ids() {
        let Some(selected) = index
            .profile(id)
            .and_then(|profile| by_profile.get(profile as usize))
        else {
            continue;
        };
        let named = questions.numbers_of(endpoint);
        for address in known_or_none(endpoint.addresses.iter().copied()) {
            let mut matched = selected.clone();
            matched.extend(questions.blocks_of_member(address));
            matched.sort_unstable();
            let signature = Signature {
                class: Class::Endpoints,
                matched,
                named: named.clone(),
            };
            let identity = partition.add(signature, Party::Endpoint { id, address });
            partition.result.of_endpoint.insert((id, address), identity);
            if let Some(address) = address {
                partition
                    .result
                    .addresses
                    .exact
                    .entry(address)
                    .or_insert(identity);
            }
        }
    }
}

/// Nodes by address, and the one identity of host-network pods whose node is unknown. A host-network pod is its node:
/// the addresses it reports are the node's.
fn add_nodes(model: &Model, questions: &Questions<'_>, partition: &mut Partition) {
    let cluster = &model.cluster;
    let mut hosted: BTreeMap<Option<NodeId>, Vec<(EndpointId, &Endpoint)>> = BTreeMap::new();
    for (id, endpoint) in cluster
        .endpoint_ids()
        .filter(|(_, endpoint)| endpoint.host_network)
    {
        let node = endpoint.node.as_deref().and_then(|name| cluster.node_named(name));
        hosted.entry(node).or_default().push((id, endpoint));
    }
    let hosted = |node| hosted.get(&node).map_or(&[][..], Vec::as_slice);

    for (id, node) in cluster.node_ids() {
        let selected = questions.where_true(|matcher| {
            matches!(matcher, PeerMatch::Nodes(selector)
                if selector.matches(|attribute| cluster.node_attribute(node, attribute)))
        });
        let addresses: BTreeSet<IpAddr> = hosted(Some(id))
            .iter()
            .flat_map(|(_, endpoint)| &endpoint.addresses)
            .chain(&node.addresses)
            .copied()
            .collect();
        for address in known_or_none(addresses) {
            let mut matched = selected.clone();
            matched.extend(questions.blocks_of_member(address));
            matched.sort_unstable();
            let signature = Signature {
                class: Class::Node(id),
                matched,
                named: questions.no_numbers(),
            };
            let identity = partition.add(signature, Party::Node { id, address });
            if let Some(address) = address {
                partition
                    .result
                    .addresses
                    .exact
                    .entry(address)
                    .or_insert(identity);
            }
        }
    }

    let mut matched = questions.where_true(
        |matcher| matches!(matcher, PeerMatch::Nodes(selector) if selector.requirements().is_empty()),
    );
    matched.extend(questions.blocks_of_member(None));
    matched.sort_unstable();
    let signature = Signature {
        class: Class::SomeNode,
        matched,
        named: questions.no_numbers(),
    };
    let some_node = partition.add(signature, Party::SomeNode);
    for address in hosted(None).iter().flat_map(|(_, endpoint)| &endpoint.addresses) {
        partition
            .result
            .addresses
            .exact
            .entry(*address)
            .or_insert(some_node);
    }
}

/// The addresses, or the one unknown address of a member that has none.
fn known_or_none(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<Option<IpAddr>> {
    let known: Vec<_> = addresses.into_iter().map(Some).collect();
    if known.is_empty() { vec![None] } else { known }
}

/// Outside addresses, cut wherever a block or a hole begins or ends.
fn add_outside(questions: &Questions<'_>, partition: &mut Partition) {
    let mut firsts_v4 = BTreeSet::from([0u32]);
    let mut firsts_v6 = BTreeSet::from([0u128]);
    for (_, block) in questions.blocks() {
        for net in std::iter::once(&block.cidr).chain(&block.except) {
            match net {
                IpNet::V4(net) => {
                    firsts_v4.insert(net.network().to_bits());
                    firsts_v4.extend(net.broadcast().to_bits().checked_add(1));
                }
                IpNet::V6(net) => {
                    firsts_v6.insert(net.network().to_bits());
                    firsts_v6.extend(net.broadcast().to_bits().checked_add(1));
                }
            }
        }
    }
    let mut interval = |first: IpAddr| {
        let signature = Signature {
            class: Class::Outside(Family::of(first)),
            matched: questions
                .where_true(|matcher| matches!(matcher, PeerMatch::Cidr(block) if block.contains(first))),
            named: questions.no_numbers(),
        };
        partition.add(signature, Party::Outside(first))
    };
    let v4: Vec<_> = firsts_v4
        .into_iter()
        .map(Ipv4Addr::from_bits)
        .map(|first| (first, interval(first.into())))
        .collect();
    let v6: Vec<_> = firsts_v6
        .into_iter()
        .map(Ipv6Addr::from_bits)
        .map(|first| (first, interval(first.into())))
        .collect();
    partition.result.addresses.v4 = merged(v4);
    partition.result.addresses.v6 = merged(v6);
}

/// Joins neighbours that have one identity.
fn merged<A>(mut intervals: Vec<(A, IdentityId)>) -> Vec<(A, IdentityId)> {
    intervals.dedup_by(|next, previous| next.1 == previous.1);
    intervals
}
