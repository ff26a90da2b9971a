//! Choosing one flow out of all that answer a question, always the same one.
//!
//! The first model that a solver happens on differs between versions. A witness must not: so every variable is
//! driven to its smallest value, in a fixed order, each step a yes-or-no question whose answer is a fact and not an
//! accident. What is smallest is also what reads best: a pod before an address, an existing pod before an invented
//! one, no label before a label, TCP before UDP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ir::cluster::{Cluster, ContainerRole, Endpoint, EndpointId};
use ir::policy::Direction;
use ir::port::Protocol;
use z3::Model;
use z3::ast::{BV, Bool};

use super::assignment::{Assignment, Class, EndValues, Packet, PodValues, TRIED, likely_addresses};
use super::flow::{Pod, SymbolicFlow, protocol_code};
use super::matching::Matching;
use super::solver::{Found, Session, value};
use super::terms::{all, any, is};
use super::{Encoder, Presence, Question};
use crate::error::VerifierError;

/// Existing pods to try first, in order of preference.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preferred {
    pub(crate) subjects: Vec<EndpointId>,
    pub(crate) peers: Vec<EndpointId>,
}

/// Likely addresses, then any that a host can have.
///
/// Source: RFC 1122 section 3.2.1.3 and RFC 4291 (what is no host's address).
fn address_preferences(class: Class) -> impl Iterator<Item = AddressRange> {
    likely_addresses(class)
        .into_iter()
        .map(AddressRange::Inside)
        .chain([AddressRange::HostV4, AddressRange::HostV6])
}

enum AddressRange {
    Inside(IpNet),
    /// 1.0.0.0 to 223.255.255.255.
    HostV4,
    /// 2000::/3 and above it up to fdff:….
    HostV6,
}

impl Encoder<'_> {
    /// The smallest flow that answers the question; `None` when there is none, `Err` inside when undecided.
    ///
    /// Nothing but a complete search gives a witness that is worth showing, so a step that the budget cuts short
    /// makes the whole answer unknown.
    pub(crate) fn smallest(
        &self,
        question: &Question,
        presence: &[Presence],
        direction: Direction,
        preferred: &Preferred,
    ) -> Result<Result<Option<Assignment>, String>, VerifierError> {
        let assumptions = self.assumptions(question, presence)?;
        self.session.scoped(|session| {
            for assumption in assumptions {
                session.assert(&assumption);
            }
            let mut search = match Search::start(session)? {
                Ok(Some(search)) => search,
                Ok(None) => return Ok(Ok(None)),
                Err(reason) => return Ok(Err(reason)),
            };
            let found = self.drive(&mut search, direction, preferred);
            search.unwind();
            found
        })
    }

    fn drive(
        &self,
        search: &mut Search<'_>,
        direction: Direction,
        preferred: &Preferred,
    ) -> Result<Result<Option<Assignment>, String>, VerifierError> {
        let flow = &self.flow;
        let class = search.minimise(&flow.class)?;
        let class = Class::ALL
            .into_iter()
            .find(|one| one.code() == class)
            .unwrap_or(Class::Pod);
        // Port 0 is reserved (IANA), and an ICMP type of 0 is as good as any.
        let numbered = any(Protocol::TRANSPORT.map(|protocol| flow.protocol_is(protocol)));
        search.prefer(&all([numbered, !is(&flow.port, 0)]))?;

        let mut subject = None;
        // A node that is (or is not) the subject's own has to be made up together with the subject.
        if matches!(class, Class::Pod | Class::Outside) {
            subject = self.existing(search, &flow.subject, &preferred.subjects, None, TRIED, |_| None)?;
        }
        let mut peer = None;
        if class == Class::Pod {
            peer = self.existing(search, &flow.peer, &preferred.peers, subject, TRIED, |pod| {
                (!pod.addresses.is_empty()).then(|| any(pod.addresses.iter().map(|a| flow.address_is(*a))))
            })?;
        }
        let destination = match direction {
            Direction::Ingress => subject,
            Direction::Egress => peer,
        };
        if let Some(pod) = destination.and_then(|id| self.model.cluster.endpoint(id)) {
            search.prefer(&any(counted(pod).map(|(_, port)| port).map(
                |(protocol, number)| all([flow.protocol_is(protocol), is(&flow.port, u64::from(number))]),
            )))?;
        }

        let mut pods = vec![];
        for (pod, existing) in [(&flow.subject, subject), (&flow.peer, peer)] {
            let mut attributes = BTreeMap::new();
            for (attribute, term) in &pod.attributes {
                attributes.insert(attribute.clone(), search.minimise(term)?);
            }
            pods.push((existing, attributes));
        }
        let node = Self::node(search, flow)?;
        let (packet, names) = Self::packet(search, flow, [&flow.subject, &flow.peer], node)?;
        let address = self.address(search, flow, class)?;

        let mut sides = pods
            .into_iter()
            .zip(names)
            .map(|((existing, attributes), names)| PodValues {
                existing,
                attributes,
                names,
            });
        let (Some(subject), Some(pod)) = (sides.next(), sides.next()) else {
            return Err(VerifierError::Solver("give every variable a value in its domain"));
        };
        if let Some(reason) = search.gave_up.take() {
            return Ok(Err(reason));
        }
        Ok(Ok(Some(Assignment {
            subject,
            peer: EndValues { class, pod, address },
            packet,
        })))
    }

    /// The labels of the node at one end, and whether it is the other end's own.
    pub(super) fn node(
        search: &mut Search<'_>,
        flow: &SymbolicFlow,
    ) -> Result<(BTreeMap<String, u64>, bool), VerifierError> {
        let mut labels = BTreeMap::new();
        for (key, term) in &flow.node_labels {
            labels.insert(key.clone(), search.minimise(term)?);
        }
        Ok((labels, !search.prefer(&!&flow.own_node)?))
    }

    /// What is left beside the ends, and the names that two pods give to the port.
    pub(super) fn packet(
        search: &mut Search<'_>,
        flow: &SymbolicFlow,
        pods: [&Pod; 2],
        (node_labels, own_node): (BTreeMap<String, u64>, bool),
    ) -> Result<(Packet, Vec<Vec<String>>), VerifierError> {
        let protocol = search.minimise(&flow.protocol)?;
        let port = search.minimise(&flow.port)?;
        let mut names = vec![];
        for pod in pods {
            let mut given = vec![];
            for (name, term) in &pod.names {
                if !search.prefer(&!term)? {
                    given.push(name.clone());
                }
            }
            names.push(given);
        }
        let mut resolved = vec![];
        for (pattern, term) in &flow.resolved {
            if !search.prefer(&!term)? {
                resolved.push(pattern.clone());
            }
        }
        let protocol = Protocol::ALL
            .into_iter()
            .find(|one| protocol_code(*one) == protocol);
        let (Some(protocol), Ok(port)) = (protocol, u16::try_from(port)) else {
            return Err(VerifierError::Solver("give every variable a value in its domain"));
        };
        let packet = Packet {
            node_labels,
            own_node,
            protocol,
            port,
            resolved,
        };
        Ok((packet, names))
    }

    /// The first of `candidates` that the symbolic pod can be; pods that look alike are tried once, and at most
    /// `tried` that do not.
    pub(super) fn existing(
        &self,
        search: &mut Search<'_>,
        pod: &Pod,
        candidates: &[EndpointId],
        not: Option<EndpointId>,
        tried: usize,
        address: impl Fn(&Endpoint) -> Option<Bool>,
    ) -> Result<Option<EndpointId>, VerifierError> {
        let cluster = &self.model.cluster;
        let mut seen = BTreeSet::new();
        for id in candidates.iter().filter(|id| Some(**id) != not) {
            let Some(endpoint) = cluster.endpoint(*id) else {
                continue;
            };
            let codes = self.codes(cluster, endpoint);
            let ports: Vec<_> = counted(endpoint).collect();
            if !seen.insert((codes.clone(), ports.clone(), endpoint.addresses.clone())) {
                continue;
            }
            let labels = pod
                .attributes
                .values()
                .zip(codes)
                .map(|(term, code)| is(term, code));
            let names = pod.names.iter().map(|(name, term)| {
                let numbers = ports.iter().filter(|(own, _)| own == name).map(|(_, port)| *port);
                term.iff(any(numbers.map(|(protocol, number)| {
                    all([
                        self.flow.protocol_is(protocol),
                        is(&self.flow.port, u64::from(number)),
                    ])
                })))
            });
            if search.prefer(&all(labels.chain(names).chain(address(endpoint))))? {
                return Ok(Some(*id));
            }
            if seen.len() >= tried {
                break;
            }
        }
        Ok(None)
    }

    /// The codes of a pod's attributes, in the order of the vocabulary.
    pub(super) fn codes(&self, cluster: &Cluster, pod: &Endpoint) -> Vec<u64> {
        self.vocabulary
            .pods
            .iter()
            .map(|(attribute, domain)| domain.code(cluster.attribute(pod, attribute)))
            .collect()
    }

    /// The peer's address in one view of the flow.
    pub(super) fn address(
        &self,
        search: &mut Search<'_>,
        flow: &SymbolicFlow,
        class: Class,
    ) -> Result<IpAddr, VerifierError> {
        for range in address_preferences(class) {
            let inside = match range {
                AddressRange::Inside(net) => Matching {
                    flow,
                    vocabulary: &self.vocabulary,
                    cluster: self.model.cluster.name(),
                }
                .net(&net),
                AddressRange::HostV4 => all([
                    !&flow.is_v6,
                    flow.v4.bvuge(0x0100_0000u64),
                    flow.v4.bvule(0xdfff_ffffu64),
                ]),
                AddressRange::HostV6 => {
                    let first = flow.v6.extract(127, 120);
                    all([flow.is_v6.clone(), first.bvuge(0x20u64), first.bvule(0xfdu64)])
                }
            };
            if search.prefer(&inside)? {
                break;
            }
        }
        // The all-zeros host number names the network (RFC 1122 section 3.2.1.3): take it last.
        search.prefer(&all([
            !is(&flow.v4.extract(7, 0), 0),
            !is(&flow.v6.extract(15, 0), 0),
        ]))?;
        if search.prefer(&!&flow.is_v6)? {
            let bits = search.minimise(&flow.v4)?;
            Ok(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into())
        } else {
            let high = search.minimise(&flow.v6.extract(127, 64))?;
            let low = search.minimise(&flow.v6.extract(63, 0))?;
            Ok(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into())
        }
    }
}

/// The named ports of a pod that count, with names in lower case.
pub(super) fn counted(pod: &Endpoint) -> impl Iterator<Item = (String, (Protocol, u16))> {
    pod.ports
        .iter()
        .filter(|port| port.role != ContainerRole::Init)
        .filter_map(|port| {
            let name = port.name.as_ref()?;
            Some((name.to_ascii_lowercase(), (port.protocol, port.number)))
        })
}

/// A satisfiable set of assertions that only grows, with a model of it.
pub(super) struct Search<'s> {
    session: &'s Session,
    model: Model,
    depth: u32,
    pub(super) gave_up: Option<String>,
}

impl<'s> Search<'s> {
    pub(super) fn start(session: &'s Session) -> Result<Result<Option<Self>, String>, VerifierError> {
        Ok(match session.check(&[]) {
            Found::None => Ok(None),
            Found::Unknown(reason) => Err(reason),
            Found::Some => Ok(Some(Self {
                session,
                model: session.model()?,
                depth: 0,
                gave_up: None,
            })),
        })
    }

    fn holds(&self, fact: &Bool) -> Result<bool, VerifierError> {
        Ok(value(&self.model, fact)?.as_bool() == Some(true))
    }

    /// Asserts `fact` if that leaves a flow, else its negation, and says which.
    pub(super) fn prefer(&mut self, fact: &Bool) -> Result<bool, VerifierError> {
        if self.holds(fact)? {
            self.session.assert(fact);
            return Ok(true);
        }
        self.session.push();
        self.session.assert(fact);
        match self.session.check(&[]) {
            Found::Some => {
                self.depth += 1;
                self.model = self.session.model()?;
                return Ok(true);
            }
            Found::None => {}
            Found::Unknown(reason) => {
                self.gave_up.get_or_insert(reason);
            }
        }
        self.session.pop(1);
        self.session.assert(&!fact);
        Ok(false)
    }

    /// Drives a vector of at most 64 bits to its smallest value, the highest bit first.
    pub(super) fn minimise(&mut self, term: &BV) -> Result<u64, VerifierError> {
        if self.prefer(&is(term, 0))? {
            return Ok(0);
        }
        let mut smallest = 0;
        for bit in (0..term.get_size()).rev() {
            if !self.prefer(&is(&term.extract(bit, bit), 0))? {
                smallest |= 1 << bit;
            }
        }
        Ok(smallest)
    }

    pub(super) fn unwind(&mut self) {
        if self.depth > 0 {
            self.session.pop(self.depth);
            self.depth = 0;
        }
    }
}
