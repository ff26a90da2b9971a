//! The partition itself: pods, nodes and outside addresses, put together by their answers to every question.
//!
//! Answers are long lists and most members share them, so each list is kept once and known by a number: what is left
//! of a member is a short signature, and its cost does not grow with the number of policies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use roaring::RoaringBitmap;

use super::ground::Ground;
use super::questions::{NameAnswer, Questions};
use super::{Class, Identities, Identity, IdentityId};
use crate::cluster::{Endpoint, EndpointId, NodeId};
use crate::flow::Party;
use crate::label_index::{self, LabelIndex};
use crate::model::Model;

/// The answers that make two peers equal or different; lists of answers by their numbers in [`Answers`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Signature {
    class: Class,
    /// Which selectors match, or which node selectors.
    selected: u32,
    /// Which blocks match.
    blocks: u32,
    /// The numbers behind the used port names.
    named: u32,
}

/// Lists that occurred, each once.
struct Answers<T> {
    numbers: HashMap<Vec<T>, u32>,
    lists: Vec<Vec<T>>,
}

impl<T: Clone + Eq + Hash> Answers<T> {
    /// With the empty list as number 0.
    fn new() -> Self {
        Self {
            numbers: HashMap::from([(Vec::new(), 0)]),
            lists: vec![Vec::new()],
        }
    }

    fn number(&mut self, list: &[T]) -> u32 {
        if let Some(known) = self.numbers.get(list) {
            return *known;
        }
        let number = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.numbers.insert(list.to_vec(), number);
        self.lists.push(list.to_vec());
        number
    }

    fn list(&self, number: u32) -> &[T] {
        self.lists.get(number as usize).map_or(&[], Vec::as_slice)
    }
}

/// No list: the number of the empty one.
const NOTHING: u32 = 0;

/// The identities of everything that the policies of `model` can meet.
pub(super) fn of(model: &Model) -> Identities {
    let questions = Questions::of(model);
    let ground = Ground::of(&questions);
    let mut partition = Partition::new();
    partition.add_endpoints(model, &questions, &ground);
    partition.add_nodes(model, &questions, &ground);
    partition.add_outside(&ground);
    partition.finish(&questions)
}

/// The partition while it grows: members are added in canonical order and numbered by first appearance.
struct Partition {
    by_signature: HashMap<Signature, IdentityId>,
    signatures: Vec<Signature>,
    /// Lists of indices of matchers, ascending.
    matched: Answers<u32>,
    named: Answers<NameAnswer>,
    result: Identities,
}

impl Partition {
    fn new() -> Self {
        Self {
            by_signature: HashMap::new(),
            signatures: Vec::new(),
            matched: Answers::new(),
            named: Answers::new(),
            result: Identities::default(),
        }
    }

    fn add(&mut self, signature: Signature, member: Party) -> IdentityId {
        let next = IdentityId(u32::try_from(self.signatures.len()).unwrap_or(u32::MAX));
        let id = *self.by_signature.entry(signature).or_insert(next);
        if id == next {
            self.signatures.push(signature);
            self.result.identities.push(Identity {
                class: signature.class,
                example: member,
            });
        }
        id
    }

    /// Whoever has an address first keeps it.
    fn place(&mut self, address: Option<IpAddr>, identity: IdentityId) {
        if let Some(address) = address {
            self.result.addresses.exact.entry(address).or_insert(identity);
        }
    }

    /// Pods by address.
    fn add_endpoints(&mut self, model: &Model, questions: &Questions<'_>, ground: &Ground) {
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
        let selected: Vec<u32> = by_profile
            .iter()
            .map(|matchers| self.matched.number(matchers))
            .collect();
        for (id, endpoint) in cluster.endpoint_ids() {
            let profile = index
                .profile(id)
                .and_then(|profile| selected.get(profile as usize));
            let mut members = Vec::new();
            if let Some(selected) = profile {
                let named = self.named.number(&questions.numbers_of(endpoint));
                for address in known_or_none(endpoint.addresses.iter().copied()) {
                    let signature = Signature {
                        class: Class::Endpoints,
                        selected: *selected,
                        blocks: self.matched.number(ground.of_member(address)),
                        named,
                    };
                    let identity = self.add(signature, Party::Endpoint { id, address });
                    members.push((address, identity));
                    self.place(address, identity);
                }
            }
            self.result.of_endpoint.push(members);
        }
    }

    /// Nodes by address, and the one identity of host-network pods whose node is unknown. A host-network pod is its
    /// node: the addresses it reports are the node's.
    fn add_nodes(&mut self, model: &Model, questions: &Questions<'_>, ground: &Ground) {
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
            let selected = questions.nodes_where(|selector| {
                selector.matches(|attribute| cluster.node_attribute(node, attribute))
            });
            let selected = self.matched.number(&selected);
            let addresses: BTreeSet<IpAddr> = hosted(Some(id))
                .iter()
                .flat_map(|(_, endpoint)| &endpoint.addresses)
                .chain(&node.addresses)
                .copied()
                .collect();
            for address in known_or_none(addresses) {
                let signature = Signature {
                    class: Class::Node(id),
                    selected,
                    blocks: self.matched.number(ground.of_member(address)),
                    named: NOTHING,
                };
                let identity = self.add(signature, Party::Node { id, address });
                self.place(address, identity);
            }
        }

        let signature = Signature {
            class: Class::SomeNode,
            selected: self.matched.number(&questions.any_node()),
            blocks: self.matched.number(ground.of_member(None)),
            named: NOTHING,
        };
        let some_node = self.add(signature, Party::SomeNode);
        for address in hosted(None).iter().flat_map(|(_, endpoint)| &endpoint.addresses) {
            self.place(Some(*address), some_node);
        }
    }

    /// Outside addresses, by the stretches between which no block begins or ends.
    fn add_outside(&mut self, ground: &Ground) {
        let v4 = ground.v4().map(|(first, family, blocks)| {
            let identity = self.outside(Class::Outside(family), blocks, first.into());
            (first, identity)
        });
        let v4 = merged(v4.collect());
        let v6 = ground.v6().map(|(first, family, blocks)| {
            let identity = self.outside(Class::Outside(family), blocks, first.into());
            (first, identity)
        });
        let v6 = merged(v6.collect());
        self.result.addresses.v4 = v4;
        self.result.addresses.v6 = v6;
    }

    fn outside(&mut self, class: Class, blocks: &[u32], first: IpAddr) -> IdentityId {
        let signature = Signature {
            class,
            selected: NOTHING,
            blocks: self.matched.number(blocks),
            named: NOTHING,
        };
        self.add(signature, Party::Outside(first))
    }

    fn finish(self, questions: &Questions<'_>) -> Identities {
        let mut result = self.result;
        let mut matched = vec![RoaringBitmap::new(); questions.matchers.len()];
        let mut named = vec![BTreeMap::new(); questions.names.len()];
        for (id, signature) in (0u32..).zip(&self.signatures) {
            match signature.class {
                Class::Endpoints => result.endpoints.insert(id),
                Class::Node(node) => result.nodes.entry(node).or_default().insert(id),
                Class::SomeNode => result.some_node.insert(id),
                Class::Outside(family) => result.outside.entry(family).or_default().insert(id),
            };
            for matchers in [signature.selected, signature.blocks] {
                for matcher in self.matched.list(matchers) {
                    if let Some(identities) = matched.get_mut(*matcher as usize) {
                        identities.insert(id);
                    }
                }
            }
            for (name, protocol, number) in self.named.list(signature.named) {
                if let Some(by_number) = named.get_mut(*name as usize) {
                    by_number
                        .entry((*protocol, *number))
                        .or_insert_with(RoaringBitmap::new)
                        .insert(id);
                }
            }
        }
        let matchers = questions.matchers.iter().copied().cloned();
        result.matched = matchers.zip(matched).collect();
        result.named = questions.names.iter().cloned().zip(named).collect();
        result
    }
}

/// The addresses, or the one unknown address of a member that has none.
fn known_or_none(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<Option<IpAddr>> {
    let known: Vec<_> = addresses.into_iter().map(Some).collect();
    if known.is_empty() { vec![None] } else { known }
}

/// Joins neighbours that have one identity.
fn merged<A>(mut intervals: Vec<(A, IdentityId)>) -> Vec<(A, IdentityId)> {
    intervals.dedup_by(|next, previous| next.1 == previous.1);
    intervals
}
