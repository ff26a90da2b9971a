//! The partition itself: pods, nodes and outside addresses, put together by their answers to every question.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use roaring::RoaringBitmap;

use super::questions::Questions;
use super::{Class, Identities, Identity, IdentityId};
use crate::cluster::{Endpoint, EndpointId, Family, NodeId};
use crate::flow::Party;
use crate::label_index::{self, LabelIndex};
use crate::model::Model;
use crate::peer::{CidrBlock, PeerMatch};
use crate::port::Protocol;

/// The answers that make two peers equal or different.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Signature {
    class: Class,
    /// Indices of the matchers that match, ascending.
    matched: Vec<u32>,
    /// For each used port name, the numbers behind it.
    named: Vec<BTreeSet<(Protocol, u16)>>,
}

/// The identities of everything that the policies of `model` can meet.
pub(super) fn of(model: &Model) -> Identities {
    let questions = Questions::of(model);
    let mut partition = Partition::default();
    add_endpoints(model, &questions, &mut partition);
    add_nodes(model, &questions, &mut partition);
    add_outside(&questions, &mut partition);
    partition.finish(&questions)
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
            matches!(matcher, PeerMatch::Nodes(selector) | PeerMatch::OtherNodes(selector)
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
    // At each cut, the blocks that may begin or end there: between two of theirs a block's answer does not change.
    let mut cuts_v4: BTreeMap<u32, Vec<(u32, &CidrBlock)>> = BTreeMap::from([(0, Vec::new())]);
    let mut cuts_v6: BTreeMap<u128, Vec<(u32, &CidrBlock)>> = BTreeMap::from([(0, Vec::new())]);
    for (index, block) in questions.blocks() {
        for net in std::iter::once(&block.cidr).chain(&block.except) {
            match net {
                IpNet::V4(net) => {
                    let behind = net.broadcast().to_bits().checked_add(1);
                    for cut in std::iter::once(net.network().to_bits()).chain(behind) {
                        cuts_v4.entry(cut).or_default().push((index, block));
                    }
                }
                IpNet::V6(net) => {
                    let behind = net.broadcast().to_bits().checked_add(1);
                    for cut in std::iter::once(net.network().to_bits()).chain(behind) {
                        cuts_v6.entry(cut).or_default().push((index, block));
                    }
                }
            }
        }
    }
    partition.result.addresses.v4 = intervals(cuts_v4, Ipv4Addr::from_bits, questions, partition);
    partition.result.addresses.v6 = intervals(cuts_v6, Ipv6Addr::from_bits, questions, partition);
}

/// The identities between the cuts of one family, which begin at 0.
fn intervals<B, A: Copy + Into<IpAddr>>(
    cuts: BTreeMap<B, Vec<(u32, &CidrBlock)>>,
    address: impl Fn(B) -> A,
    questions: &Questions<'_>,
    partition: &mut Partition,
) -> Vec<(A, IdentityId)> {
    let mut around = BTreeSet::new();
    let intervals = cuts
        .into_iter()
        .map(|(first, blocks)| {
            let first = address(first);
            for (index, block) in blocks {
                if block.contains(first.into()) {
                    around.insert(index);
                } else {
                    around.remove(&index);
                }
            }
            let signature = Signature {
                class: Class::Outside(Family::of(first.into())),
                matched: around.iter().copied().collect(),
                named: questions.no_numbers(),
            };
            (first, partition.add(signature, Party::Outside(first.into())))
        })
        .collect();
    merged(intervals)
}

/// Joins neighbours that have one identity.
fn merged<A>(mut intervals: Vec<(A, IdentityId)>) -> Vec<(A, IdentityId)> {
    intervals.dedup_by(|next, previous| next.1 == previous.1);
    intervals
}
