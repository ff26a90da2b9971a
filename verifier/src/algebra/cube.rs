//! Cubes: sets of flows that are a product of one set for each thing that a policy can ask about.
//!
//! What a rule matches is a union of few cubes, and so is one cube without another: that is all it takes to decide
//! questions about policies exactly. Some things depend on each other (a namespace decides its labels, ICMP is IPv4);
//! [`Cube::is_empty`] knows all of these dependencies, the same that the formulas state
//! (`encode::flow`, "well formed" and "real").

use std::ops::ControlFlow;

use ipnet::IpNet;
use ir::port::Protocol;

use super::ranges::{Point, Ranges};
use super::values::{ABSENT, Attributes, Values, Word};
use super::words::Words;

/// A protocol's position in [`Protocol::ALL`] above a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PortKey(pub(crate) u32);

impl Point for PortKey {
    const UNIVERSE: &'static [(Self, Self)] = &[
        // TCP, UDP, SCTP and the message types of ICMP.
        (Self(0), Self(0x3_00ff)),
        // ICMPv6.
        (Self(0x4_0000), Self(0x4_00ff)),
        // Every other protocol.
        (Self(0x5_0000), Self(0x5_0000)),
    ];

    fn next(self) -> Self {
        Self(self.0 + 1)
    }

    fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}

impl PortKey {
    pub(crate) fn of(protocol: Protocol, port: u16) -> Self {
        let position = Protocol::ALL.iter().position(|one| *one == protocol).unwrap_or(0);
        Self(u32::try_from(position).unwrap_or(0) << 16 | u32::from(port))
    }

    pub(crate) fn parts(self) -> (Protocol, u16) {
        let protocol = Protocol::ALL.get((self.0 >> 16) as usize);
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the port")]
        (protocol.copied().unwrap_or(Protocol::Other), self.0 as u16)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct V4(pub(crate) u32);

impl Point for V4 {
    const UNIVERSE: &'static [(Self, Self)] = &[(Self(0), Self(u32::MAX))];

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct V6(pub(crate) u128);

impl Point for V6 {
    const UNIVERSE: &'static [(Self, Self)] = &[(Self(0), Self(u128::MAX))];

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// The IPv4 addresses from one number to another.
pub(crate) fn v4_range(first: u32, last: u32) -> Ranges<V4> {
    Ranges::of(vec![(V4(first), V4(last))])
}

/// The IPv6 addresses from one number to another.
pub(crate) fn v6_range(first: u128, last: u128) -> Ranges<V6> {
    Ranges::of(vec![(V6(first), V6(last))])
}

/// A set of addresses of both families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Ranges<V4>,
    pub(crate) v6: Ranges<V6>,
}

impl Addresses {
    pub(crate) fn all() -> Self {
        Self {
            v4: Ranges::all(),
            v6: Ranges::all(),
        }
    }

    pub(crate) fn none() -> Self {
        Self {
            v4: Ranges::none(),
            v6: Ranges::none(),
        }
    }

    /// With the addresses of the other's families in the place of its own.
    pub(crate) fn or_family(self, other: Self) -> Self {
        Self {
            v4: if other.v4.is_empty() { self.v4 } else { other.v4 },
            v6: if other.v6.is_empty() { self.v6 } else { other.v6 },
        }
    }

    pub(crate) fn only_v4() -> Self {
        Self {
            v4: Ranges::all(),
            v6: Ranges::none(),
        }
    }

    pub(crate) fn only_v6() -> Self {
        Self {
            v4: Ranges::none(),
            v6: Ranges::all(),
        }
    }

    pub(crate) fn of(net: &IpNet) -> Self {
        match net {
            IpNet::V4(net) => Self {
                v4: v4_range(net.network().to_bits(), net.broadcast().to_bits()),
                v6: Ranges::none(),
            },
            IpNet::V6(net) => Self {
                v4: Ranges::none(),
                v6: v6_range(net.network().to_bits(), net.broadcast().to_bits()),
            },
        }
    }

    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.v4.meets(&other.v4) || self.v6.meets(&other.v6)
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.and(&other.v4),
            v6: self.v6.and(&other.v6),
        }
    }

    pub(crate) fn without(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.without(&other.v4),
            v6: self.v6.without(&other.v6),
        }
    }

    pub(crate) fn is_inside(&self, other: &Self) -> bool {
        self.v4.is_inside(&other.v4) && self.v6.is_inside(&other.v6)
    }
}

/// A set of up to eight things, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits(u8);

impl Bits {
    /// The classes of peers: a pod, an address outside, a node.
    pub(crate) const POD: Self = Self(1);
    pub(crate) const OUTSIDE: Self = Self(2);
    pub(crate) const NODE: Self = Self(4);
    pub(crate) const ANY_CLASS: Self = Self(7);

    /// The two truth values.
    pub(crate) const FALSE: Self = Self(1);
    pub(crate) const TRUE: Self = Self(2);
    pub(crate) const EITHER: Self = Self(3);

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Something that is either true of a flow or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    /// The subject gives this name to the flow's protocol and port.
    SubjectName(u32),
    /// The peer does.
    PeerName(u32),
    /// The peer's address answers to this DNS pattern.
    Resolved(u32),
    /// The peer is the API server; asked where both sides of a flow are judged.
    ApiServer,
}

impl Fact {
    /// Whether it is about the name of a port.
    pub(crate) fn is_name(self) -> bool {
        match self {
            Self::SubjectName(_) | Self::PeerName(_) => true,
            Self::Resolved(_) | Self::ApiServer => false,
        }
    }
}

/// What is left of a cube.
#[derive(Debug)]
pub(crate) enum Left {
    Nothing,
    One(Box<Cube>),
    Several,
}

/// A product of sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cube {
    pub(crate) classes: Bits,
    pub(crate) subject: Attributes,
    /// Of use where the class is a pod.
    pub(crate) peer: Attributes,
    /// Labels of the peer where it is a node.
    pub(crate) node: Attributes,
    /// Whether the peer is the node that runs the subject.
    pub(crate) own_node: Bits,
    /// Of the peer.
    pub(crate) addresses: Addresses,
    /// Of the subject. Only the other side of a flow asks about them: see [`super::whole`].
    pub(crate) subject_addresses: Addresses,
    pub(crate) ports: Ranges<PortKey>,
    /// What is settled, ascending by fact.
    pub(crate) facts: Vec<(Fact, bool)>,
}

impl Cube {
    /// Every flow.
    pub(crate) fn all() -> Self {
        Self {
            classes: Bits::ANY_CLASS,
            subject: Attributes::default(),
            peer: Attributes::default(),
            node: Attributes::default(),
            own_node: Bits::EITHER,
            addresses: Addresses::all(),
            subject_addresses: Addresses::all(),
            ports: Ranges::all(),
            facts: vec![],
        }
    }

    fn fact(&self, fact: Fact) -> Option<bool> {
        let at = self.facts.binary_search_by_key(&fact, |(own, _)| *own).ok()?;
        self.facts.get(at).map(|(_, value)| *value)
    }

    /// Adds a fact; `false` when the opposite is settled.
    pub(crate) fn settle(&mut self, fact: Fact, value: bool) -> bool {
        match self.facts.binary_search_by_key(&fact, |(own, _)| *own) {
            Ok(at) => self.facts.get(at).is_some_and(|(_, own)| *own == value),
            Err(at) => {
                self.facts.insert(at, (fact, value));
                true
            }
        }
    }

    /// What is in both; `None` where that is nothing.
    pub(crate) fn and(&self, other: &Self, words: &Words) -> Option<Self> {
        if !self.may_meet(other) {
            return None;
        }
        let mut both = Self {
            classes: self.classes.and(other.classes),
            own_node: self.own_node.and(other.own_node),
            addresses: self.addresses.and(&other.addresses),
            subject_addresses: self.subject_addresses.and(&other.subject_addresses),
            ports: self.ports.and(&other.ports),
            ..self.clone()
        };
        for (attribute, values) in other.subject.iter() {
            both.subject.restrict(attribute, values);
        }
        for (attribute, values) in other.peer.iter() {
            both.peer.restrict(attribute, values);
        }
        for (attribute, values) in other.node.iter() {
            both.node.restrict(attribute, values);
        }
        let settled = other.facts.iter().all(|(fact, value)| both.settle(*fact, *value));
        (settled && !both.is_empty(words)).then_some(both)
    }

    /// Whether nothing by itself rules out that the two share a flow.
    fn may_meet(&self, other: &Self) -> bool {
        !self.classes.and(other.classes).is_empty()
            && self.subject.meets(&other.subject)
            && self.peer.meets(&other.peer)
            && self.ports.meets(&other.ports)
            && self.addresses.meets(&other.addresses)
            && self.subject_addresses.meets(&other.subject_addresses)
            && !self.own_node.and(other.own_node).is_empty()
            && self.node.meets(&other.node)
    }

    /// Whether everything in this cube is seen to be in the other, one thing at a time.
    pub(crate) fn is_inside(&self, other: &Self) -> bool {
        self.classes.without(other.classes).is_empty()
            && self.own_node.without(other.own_node).is_empty()
            && self.subject.is_inside(&other.subject)
            && self.peer.is_inside(&other.peer)
            && self.node.is_inside(&other.node)
            && self.ports.is_inside(&other.ports)
            && self.addresses.is_inside(&other.addresses)
            && self.subject_addresses.is_inside(&other.subject_addresses)
            && other
                .facts
                .iter()
                .all(|(fact, value)| self.fact(*fact) == Some(*value))
    }

    /// This cube without the other, as disjoint cubes. The class is split first: what is asked of pods is asked only
    /// where the peer is one.
    pub(crate) fn without(&self, other: &Self, words: &Words) -> Vec<Self> {
        let mut pieces = vec![];
        let _ = self.part(other, words, &mut |piece| {
            pieces.push(piece);
            ControlFlow::Continue(())
        });
        pieces
    }

    /// What is left without the other, where that is not several cubes.
    pub(crate) fn left_without(&self, other: &Self, words: &Words) -> Left {
        let mut left = Left::Nothing;
        let _ = self.part(other, words, &mut |piece| match left {
            Left::Nothing => {
                left = Left::One(Box::new(piece));
                ControlFlow::Continue(())
            }
            Left::One(_) | Left::Several => {
                left = Left::Several;
                ControlFlow::Break(())
            }
        });
        left
    }

    /// Hands out the pieces of this cube without the other, as long as they are taken.
    fn part(
        &self,
        other: &Self,
        words: &Words,
        take: &mut dyn FnMut(Self) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut keep = |piece: Self| {
            if piece.is_empty(words) {
                ControlFlow::Continue(())
            } else {
                take(piece)
            }
        };
        let mut rest = self.clone();
        if !rest.classes.without(other.classes).is_empty() {
            keep(Self {
                classes: rest.classes.without(other.classes),
                ..rest.clone()
            })?;
            rest.classes = rest.classes.and(other.classes);
        }
        if !rest.ports.is_inside(&other.ports) {
            keep(Self {
                ports: rest.ports.without(&other.ports),
                ..rest.clone()
            })?;
            rest.ports = rest.ports.and(&other.ports);
        }
        if !rest.addresses.is_inside(&other.addresses) {
            keep(Self {
                addresses: rest.addresses.without(&other.addresses),
                ..rest.clone()
            })?;
            rest.addresses = rest.addresses.and(&other.addresses);
        }
        if !rest.subject_addresses.is_inside(&other.subject_addresses) {
            keep(Self {
                subject_addresses: rest.subject_addresses.without(&other.subject_addresses),
                ..rest.clone()
            })?;
            rest.subject_addresses = rest.subject_addresses.and(&other.subject_addresses);
        }
        if !rest.own_node.without(other.own_node).is_empty() {
            keep(Self {
                own_node: rest.own_node.without(other.own_node),
                ..rest.clone()
            })?;
            rest.own_node = rest.own_node.and(other.own_node);
        }
        let parts: [fn(&mut Self) -> &mut Attributes; 3] = [
            |cube| &mut cube.subject,
            |cube| &mut cube.peer,
            |cube| &mut cube.node,
        ];
        for (part, asked) in parts.into_iter().zip([&other.subject, &other.peer, &other.node]) {
            for (attribute, values) in asked.iter() {
                let inside = part(&mut rest)
                    .get(attribute)
                    .is_some_and(|own| own.is_inside(values));
                if !inside {
                    let mut piece = rest.clone();
                    part(&mut piece).restrict(attribute, &values.complement());
                    keep(piece)?;
                    part(&mut rest).restrict(attribute, values);
                }
            }
        }
        for (fact, value) in &other.facts {
            let mut piece = rest.clone();
            if piece.settle(*fact, !value) {
                keep(piece)?;
            }
            if !rest.settle(*fact, *value) {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// The classes that the peer can have after all.
    pub(crate) fn possible_classes(&self) -> Bits {
        let mut classes = self.classes;
        if self.own_node == Bits::TRUE {
            classes = classes.and(Bits::NODE);
        }
        if self
            .facts
            .iter()
            .any(|(fact, value)| *value && matches!(fact, Fact::Resolved(_)))
        {
            classes = classes.and(Bits::OUTSIDE);
        }
        if self.fact(Fact::ApiServer) == Some(true) {
            classes = classes.and(Bits::OUTSIDE.or(Bits::NODE));
        }
        classes
    }

    /// Whether no flow is in it.
    pub(crate) fn is_empty(&self, words: &Words) -> bool {
        let classes = self.possible_classes();
        if classes.is_empty() || self.own_node.is_empty() {
            return true;
        }
        let (v4, v6) = self.families();
        if !v4 && !v6 {
            return true;
        }
        if self.possible_ports().is_empty() || !words.can_be_a_pod(&self.subject) {
            return true;
        }
        let as_pod = || {
            !classes.and(Bits::POD).is_empty()
                && words.can_be_a_pod(&self.peer)
                && words.can_be_together(&self.subject, &self.peer)
        };
        let as_outside = || !classes.and(Bits::OUTSIDE).is_empty();
        let as_node =
            || !classes.and(Bits::NODE).is_empty() && self.node.iter().all(|(_, values)| !values.is_empty());
        !(as_outside() || as_pod() || as_node())
    }

    /// The families, IPv4 and IPv6, that both ends can have, at two addresses.
    pub(crate) fn families(&self) -> (bool, bool) {
        fn can_differ<T: Point>(one: &Ranges<T>, other: &Ranges<T>) -> bool {
            let only = |ranges: &Ranges<T>| match ranges.intervals() {
                [(first, last)] if first == last => Some(*first),
                _ => None,
            };
            !one.is_empty() && !other.is_empty() && (only(one).is_none() || only(one) != only(other))
        }
        (
            can_differ(&self.addresses.v4, &self.subject_addresses.v4),
            can_differ(&self.addresses.v6, &self.subject_addresses.v6),
        )
    }

    /// The ports that some flow of the cube has: a named port is one of a transport, ICMP is IPv4, ICMPv6 is IPv6.
    pub(crate) fn possible_ports(&self) -> Ranges<PortKey> {
        let named = self.facts.iter().any(|(fact, value)| *value && fact.is_name());
        let mut ports = self.ports.clone();
        let (v4, v6) = self.families();
        if !named && v4 && v6 {
            return ports;
        }
        let only = |ports: &Ranges<PortKey>, first, last| {
            ports.and(&Ranges::of(vec![(PortKey(first), PortKey(last))]))
        };
        if named {
            ports = only(&ports, 0, 0x2_ffff);
        }
        if !v4 {
            let of_v4 = Ranges::of(vec![(PortKey(0x3_0000), PortKey(0x3_ffff))]);
            ports = ports.without(&of_v4);
        }
        if !v6 {
            let of_v6 = Ranges::of(vec![(PortKey(0x4_0000), PortKey(0x4_ffff))]);
            ports = ports.without(&of_v6);
        }
        ports
    }
}

impl Words {
    /// Whether some pod has values like these.
    fn can_be_a_pod(&self, pod: &Attributes) -> bool {
        if pod.iter().any(|(_, values)| values.is_empty()) {
            return false;
        }
        let there = |attribute| match pod.get(attribute) {
            Some(Values::Only(words)) => words.iter().any(|word| *word != ABSENT),
            Some(Values::AllBut(_)) | None => true,
        };
        self.always_there().all(there) && self.namespaces(pod).is_none_or(|mut some| some.next().is_some())
    }

    /// The namespaces that a pod with values like these can be in; `None`: there is no end of them.
    fn namespaces<'a>(&'a self, pod: &'a Attributes) -> Option<impl Iterator<Item = Word> + 'a> {
        let Some(Values::Only(names)) = pod.get(self.namespace()) else {
            return None;
        };
        let fits = |name: &Word| {
            self.known(*name).is_none_or(|labels| {
                labels
                    .iter()
                    .all(|(attribute, word)| pod.get(*attribute).is_none_or(|values| values.contains(*word)))
            })
        };
        Some(
            names
                .iter()
                .copied()
                .filter(|name| *name != ABSENT)
                .filter(move |name| fits(name)),
        )
    }

    /// Whether two pods that can be can be there together: two pods of one namespace see the same labels on it.
    fn can_be_together(&self, one: &Attributes, other: &Attributes) -> bool {
        let (Some(mut ones), Some(mut others)) = (self.namespaces(one), self.namespaces(other)) else {
            return true;
        };
        let (first, second) = (ones.next(), others.next());
        if first != second || ones.next().is_some() || others.next().is_some() {
            return true;
        }
        // One namespace for both. What is known of it fits each of them.
        first.is_some_and(|name| self.known(name).is_some())
            || self
                .namespace_labels()
                .iter()
                .all(|label| match (one.get(*label), other.get(*label)) {
                    (Some(one), Some(other)) => one.meets(other),
                    _ => true,
                })
    }
}
