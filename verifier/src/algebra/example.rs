//! Choosing one flow out of those that answer a question: the order of preference is that of `encode::smallest`, so
//! that witnesses read the same whoever answered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ir::cluster::{Endpoint, EndpointId};
use ir::model::Model;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::selector::Attribute;

use super::cube::{Addresses, Bits, Cube, Fact, PortKey};
use super::line::GaveUp;
use super::pod::{Mentioned, Role, counted};
use super::ranges::Ranges;
use super::values::{ABSENT, Attributes, Values, Word};
use super::words::Words;
use crate::encode::Preferred;
use crate::encode::assignment::{
    Assignment, Class, EndValues, Packet, PodValues, TRIED, WholeAssignment, likely_addresses,
};
use crate::encode::vocabulary::{Domain, Vocabulary};
use crate::encode::whole::can_be_two;

/// Some flows out of those of the cubes that answer the question.
pub(crate) type Ask<'a> = &'a dyn Fn(&[Cube]) -> Result<Option<Cube>, GaveUp>;

/// What is chosen from.
pub(crate) struct Choice<'a> {
    pub(crate) model: &'a Model,
    pub(crate) words: &'a Words,
    /// Everything that the rules in question mention.
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) direction: Direction,
    pub(crate) preferred: &'a Preferred,
    pub(crate) ask: Ask<'a>,
}

impl Choice<'_> {
    /// The flow; `None` when there is none.
    pub(crate) fn make(&self) -> Result<Option<Assignment>, GaveUp> {
        let Some(mut search) = self.begin()? else {
            return Ok(None);
        };
        self.drive(&mut search).map(Some)
    }

    fn begin(&self) -> Result<Option<Search<'_>>, GaveUp> {
        let within = vec![Cube::all()];
        Ok((self.ask)(&within)?.map(|found| Search {
            ask: self.ask,
            words: self.words,
            within,
            found,
        }))
    }

    /// The same of a whole flow, where the answers of `ask` are such that both sides were asked.
    pub(crate) fn make_whole(&self) -> Result<Option<WholeAssignment>, GaveUp> {
        let Some(mut search) = self.begin()? else {
            return Ok(None);
        };
        let values = self.drive(&mut search)?;
        search.prefer(&[Cube {
            addresses: Addresses::of(&values.peer.address.into()),
            ..Cube::all()
        }])?;
        let own = own_address(&mut search, values.peer.address)?;
        let api_server =
            values.peer.class != Class::Pod && !search.prefer(&[with_fact(Fact::ApiServer, false)])?;
        let subject = EndValues {
            class: Class::Pod,
            pod: values.subject,
            address: own,
        };
        let peer = values.peer;
        let (source, destination) = match self.direction {
            Direction::Ingress => (peer, subject),
            Direction::Egress => (subject, peer),
        };
        Ok(Some(WholeAssignment {
            source,
            destination,
            packet: values.packet,
            api_server,
        }))
    }

    fn drive(&self, search: &mut Search<'_>) -> Result<Assignment, GaveUp> {
        let classes = [
            (Bits::POD, Class::Pod),
            (Bits::OUTSIDE, Class::Outside),
            (Bits::NODE, Class::Node),
        ];
        let mut class = Class::Node;
        for (bits, one) in classes {
            let classes = Cube {
                classes: bits,
                ..Cube::all()
            };
            if search.prefer(&[classes])? {
                class = one;
                break;
            }
        }
        let numbered = Protocol::TRANSPORT
            .map(|protocol| (PortKey::of(protocol, 1), PortKey::of(protocol, u16::MAX)))
            .to_vec();
        search.prefer(&[with_ports(numbered)])?;

        let mut subject = None;
        // A node that is (or is not) the subject's own has to be made up together with the subject.
        if class != Class::Node {
            subject = self.existing(search, Role::Subject, &self.preferred.subjects, None)?;
        }
        let mut peer = None;
        if class == Class::Pod {
            // Two pods of one workload look alike, where whole flows are told.
            let alone = subject.filter(|id| {
                let pod = self.model.cluster.endpoint(*id);
                !self.words.of_whole_flows() || !pod.is_some_and(can_be_two)
            });
            peer = self.existing(search, Role::Peer, &self.preferred.peers, alone)?;
        }
        let destination = match self.direction {
            Direction::Ingress => subject,
            Direction::Egress => peer,
        };
        if let Some(pod) = destination.and_then(|id| self.model.cluster.endpoint(id)) {
            let own = counted(pod).map(|(_, (protocol, number))| {
                let key = PortKey::of(protocol, number);
                (key, key)
            });
            search.prefer(&[with_ports(own.collect())])?;
        }

        let subject_attributes = self.pod(search, Role::Subject)?;
        let peer_attributes = match class {
            Class::Pod => self.pod(search, Role::Peer)?,
            Class::Outside | Class::Node | Class::SomeNode => BTreeMap::new(),
        };
        let mut node_labels = BTreeMap::new();
        if class == Class::Node {
            for (key, domain) in &self.vocabulary.nodes {
                let Some(number) = self.words.node_key(key) else {
                    continue;
                };
                let code = self.smallest(search, domain, |values| {
                    let mut cube = Cube::all();
                    cube.node.restrict(number, values);
                    cube
                })?;
                node_labels.insert(key.clone(), code);
            }
        }
        let not_own = Cube {
            own_node: Bits::FALSE,
            ..Cube::all()
        };
        let own_node = !search.prefer(&[not_own])?;
        let (protocol, port) = self.port(search)?;
        let subject_names = self.names(search, Fact::SubjectName)?;
        let peer_names = self.names(search, Fact::PeerName)?;
        let mut resolved = vec![];
        for pattern in &self.vocabulary.patterns {
            if let Some(number) = self.words.pattern(pattern)
                && !search.prefer(&[with_fact(Fact::Resolved(number), false)])?
            {
                resolved.push(pattern.clone());
            }
        }
        let address = address(search, class)?;
        Ok(Assignment {
            subject: PodValues {
                existing: subject,
                attributes: subject_attributes,
                names: subject_names,
            },
            peer: EndValues {
                class,
                pod: PodValues {
                    existing: peer,
                    attributes: peer_attributes,
                    names: peer_names,
                },
                address,
            },
            packet: Packet {
                node_labels,
                own_node,
                protocol,
                port,
                resolved,
            },
        })
    }

    /// The first of `candidates` that the pod can be; pods that look alike are tried once.
    fn existing(
        &self,
        search: &mut Search<'_>,
        role: Role,
        candidates: &[EndpointId],
        not: Option<EndpointId>,
    ) -> Result<Option<EndpointId>, GaveUp> {
        let cluster = &self.model.cluster;
        let mut seen = BTreeSet::new();
        for id in candidates.iter().filter(|id| Some(**id) != not) {
            let Some(pod) = cluster.endpoint(*id) else {
                continue;
            };
            let values: Vec<_> = self
                .vocabulary
                .pods
                .keys()
                .map(|attribute| cluster.attribute(pod, attribute))
                .collect();
            let ports: Vec<_> = counted(pod).collect();
            if !seen.insert((values, ports, &pod.addresses)) {
                continue;
            }
            if search.prefer(&self.as_pod(pod, role))? {
                return Ok(Some(*id));
            }
            if seen.len() >= TRIED {
                break;
            }
        }
        Ok(None)
    }

    /// "The pod is this one", as far as the rules in question can tell.
    fn as_pod(&self, pod: &Endpoint, role: Role) -> Vec<Cube> {
        let mentioned = Mentioned {
            attributes: self.vocabulary.pods.keys().cloned().collect(),
            names: self.vocabulary.names.iter().cloned().collect(),
        };
        self.words.as_pod(&self.model.cluster, pod, role, &mentioned)
    }

    fn pod(&self, search: &mut Search<'_>, role: Role) -> Result<BTreeMap<Attribute, u64>, GaveUp> {
        let mut codes = BTreeMap::new();
        for (attribute, domain) in &self.vocabulary.pods {
            let Some(number) = self.words.attribute(attribute) else {
                continue;
            };
            let code = self.smallest(search, domain, |values| {
                let mut cube = Cube::all();
                let attributes: &mut Attributes = match role {
                    Role::Subject => &mut cube.subject,
                    Role::Peer => &mut cube.peer,
                };
                attributes.restrict(number, values);
                cube
            })?;
            codes.insert(attribute.clone(), code);
        }
        Ok(codes)
    }

    /// The smallest code that the value can have: absent, then the mentioned ones, then any other.
    fn smallest(
        &self,
        search: &mut Search<'_>,
        domain: &Domain,
        with: impl Fn(&Values) -> Cube,
    ) -> Result<u64, GaveUp> {
        if search.prefer(&[with(&Values::Only(vec![ABSENT]))])? {
            return Ok(Domain::ABSENT);
        }
        let mut mentioned: Vec<Word> = vec![ABSENT];
        for (text, code) in domain.mentioned() {
            let word = self.words.word(Some(text));
            mentioned.push(word);
            if search.prefer(&[with(&Values::Only(vec![word]))])? {
                return Ok(code);
            }
        }
        search.prefer(&[with(&Values::AllBut(mentioned))])?;
        Ok(domain.other())
    }

    fn port(&self, search: &mut Search<'_>) -> Result<(Protocol, u16), GaveUp> {
        for protocol in Protocol::ALL {
            let all = (
                PortKey::of(protocol, 0),
                PortKey::of(protocol, protocol.highest_port()),
            );
            if search.prefer(&[with_ports(vec![all])])? {
                break;
            }
        }
        let mut lowest = search.found.possible_ports().lowest().unwrap_or(PortKey(0));
        while lowest.0 > 0 && search.prefer(&[with_ports(vec![(PortKey(0), PortKey(lowest.0 - 1))])])? {
            lowest = search.found.possible_ports().lowest().unwrap_or(PortKey(0));
        }
        search.prefer(&[with_ports(vec![(lowest, lowest)])])?;
        Ok(lowest.parts())
    }

    fn names(&self, search: &mut Search<'_>, fact: impl Fn(u32) -> Fact) -> Result<Vec<String>, GaveUp> {
        let mut given = vec![];
        for name in &self.vocabulary.names {
            if let Some(number) = self.words.name(name)
                && !search.prefer(&[with_fact(fact(number), false)])?
            {
                given.push(name.clone());
            }
        }
        Ok(given)
    }
}

fn address(search: &mut Search<'_>, class: Class) -> Result<IpAddr, GaveUp> {
    let hosts = [
        Addresses {
            v4: super::cube::v4_range(0x0100_0000, 0xdfff_ffff),
            v6: Ranges::none(),
        },
        Addresses {
            v4: Ranges::none(),
            v6: super::cube::v6_range(0x20 << 120, (0xfe << 120) - 1),
        },
    ];
    for addresses in likely_addresses(class).iter().map(Addresses::of).chain(hosts) {
        let cube = Cube {
            addresses,
            ..Cube::all()
        };
        if search.prefer(&[cube])? {
            break;
        }
    }
    let v4 = Cube {
        addresses: Addresses::only_v4(),
        ..Cube::all()
    };
    search.prefer(&[v4])?;
    Ok(lowest(&search.found.addresses))
}

/// The lowest address, IPv4 before IPv6.
fn lowest(addresses: &Addresses) -> IpAddr {
    // The all-zeros host number names the network (RFC 1122 section 3.2.1.3): take it last.
    match addresses.v4.lowest() {
        Some(first) => {
            let next = super::cube::V4(first.0.saturating_add(1));
            let takes_next = first.0 & 0xff == 0 && addresses.v4.contains(next);
            Ipv4Addr::from_bits(if takes_next { next.0 } else { first.0 }).into()
        }
        None => {
            let first = addresses.v6.lowest().map_or(0, |first| first.0);
            let next = super::cube::V6(first.saturating_add(1));
            let takes_next = first & 0xffff == 0 && addresses.v6.contains(next);
            Ipv6Addr::from_bits(if takes_next { next.0 } else { first }).into()
        }
    }
}

/// The subject's own address, another one than the peer's and of its family.
fn own_address(search: &mut Search<'_>, peer: IpAddr) -> Result<IpAddr, GaveUp> {
    let taken = Addresses::of(&peer.into());
    // The all-zeros host number names the network.
    let likely: Vec<Addresses> = likely_addresses(Class::Pod)
        .iter()
        .map(|block| Addresses::of(block).without(&Addresses::of(&block.network().into())))
        .chain([Addresses::only_v4(), Addresses::only_v6()])
        .map(|addresses| addresses.without(&taken))
        .filter(|addresses| addresses.v4.is_empty() == peer.is_ipv6())
        .collect();
    for subject_addresses in likely {
        let cube = Cube {
            subject_addresses,
            ..Cube::all()
        };
        if search.prefer(&[cube])? {
            break;
        }
    }
    Ok(lowest(&search.found.subject_addresses))
}

fn with_ports(keys: Vec<(PortKey, PortKey)>) -> Cube {
    Cube {
        ports: Ranges::of(keys),
        ..Cube::all()
    }
}

fn with_fact(fact: Fact, value: bool) -> Cube {
    Cube {
        facts: vec![(fact, value)],
        ..Cube::all()
    }
}

/// A set of flows that only shrinks, with some of them known to answer the question.
struct Search<'a> {
    ask: Ask<'a>,
    words: &'a Words,
    within: Vec<Cube>,
    found: Cube,
}

impl Search<'_> {
    /// Stays within the union of `cubes` if that leaves a flow, and says whether it does.
    fn prefer(&mut self, cubes: &[Cube]) -> Result<bool, GaveUp> {
        let narrowed: Vec<Cube> = self
            .within
            .iter()
            .flat_map(|within| cubes.iter().map(move |cube| (within, cube)))
            .filter_map(|(within, cube)| within.and(cube, self.words))
            .collect();
        if narrowed.is_empty() {
            return Ok(false);
        }
        let here = cubes.iter().find_map(|cube| self.found.and(cube, self.words));
        match here {
            Some(found) => self.found = found,
            None => match (self.ask)(&narrowed)? {
                Some(found) => self.found = found,
                None => return Ok(false),
            },
        }
        self.within = narrowed;
        Ok(true)
    }
}
