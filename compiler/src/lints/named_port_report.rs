//! What the findings about port names have in common: tables, engines, flows that show them.

use super::cilium_names::{self, participle, verb};
use super::named_port_hazards::{Hazards, Judged, is_named};
use super::named_ports::Reached;
use super::{OUTSIDE, object_name};
use crate::de::suggest;
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Code, Engines, Finding, Witness};
use ir::cluster::{ContainerPort, ContainerRole, Endpoint, EndpointId, Family};
use ir::flow::{Because, Flow, Judgement, Party};
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{CidrBlock, Entity, PeerMatch, Peers};
use ir::policy::{Direction, RuleId};
use ir::port::{Ports, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A finding at a use of a name.
#[must_use]
pub(super) fn at_use(judged: &Judged<'_>, code: Code, message: String, label: impl Into<String>) -> Finding {
    Finding::new(code, message)
        .at(judged.one.port.origin.clone(), label)
        .about(object_name(judged.one.policy))
}

/// `shop/web-0`, or `shop/web-0 and 2 more`.
#[must_use]
pub(super) fn pods(first: &Endpoint, pods: usize) -> String {
    match pods.saturating_sub(1) {
        0 => first.to_string(),
        more => format!("{first} and {more} more"),
    }
}

/// The definitions of the name on reached pods, and what the reached pods that lack it have.
#[must_use]
pub(super) fn table(judged: &Judged<'_>) -> NamedPorts {
    let mut table = NamedPorts::default();
    for reached in judged.defining() {
        add_ports(&mut table, reached);
    }
    for index in &judged.missed {
        if let Some(reached) = judged.one.reached.get(*index) {
            let fitting = |port: &&ContainerPort| {
                port.role != ContainerRole::Init && judged.one.protocol.contains(port.protocol)
            };
            let mut ports = reached.endpoint.ports.iter().filter(fitting).peekable();
            if ports.peek().is_none() {
                table.add_without_port(reached.endpoint, reached.pods.len());
            }
            for port in ports {
                table.add_instead(reached.endpoint, reached.pods.len(), port);
            }
        }
    }
    table
}

/// Adds what the name stands for on a pod.
pub(super) fn add_ports(table: &mut NamedPorts, reached: &Reached<'_>) {
    for port in &reached.ports {
        table.add(reached.endpoint, reached.pods.len(), port);
    }
}

/// Every container port of reached pods, for names that none of them defines.
#[must_use]
pub(super) fn table_of_all(judged: &Judged<'_>) -> NamedPorts {
    let mut table = NamedPorts::default();
    for reached in judged.one.reached.iter() {
        if reached.endpoint.ports.is_empty() {
            table.add_without_port(reached.endpoint, reached.pods.len());
        }
        for port in &reached.endpoint.ports {
            table.add_instead(reached.endpoint, reached.pods.len(), port);
        }
    }
    table
}

/// For each number and file the first place, with the pods that have the number from that file: enough to see every
/// meaning in every file concerned, and no more however many pods there are.
#[must_use]
pub(super) fn with_places(mut finding: Finding, judged: &Judged<'_>) -> Finding {
    struct Place<'a> {
        origin: &'a Origin,
        protocol: Protocol,
        number: u16,
        first: &'a Endpoint,
        pods: usize,
    }
    let mut places: BTreeMap<(Protocol, u16, &str), Place<'_>> = BTreeMap::new();
    for reached in judged.defining() {
        for (index, port) in reached.ports.iter().enumerate() {
            let place = places
                .entry((port.protocol, port.number, &port.origin.file))
                .or_insert_with(|| Place {
                    origin: &port.origin,
                    protocol: port.protocol,
                    number: port.number,
                    first: reached.endpoint,
                    pods: 0,
                });
            place.origin = place.origin.min(&port.origin);
            // A pod may define the number twice.
            let mut before = reached.ports.iter().take(index);
            if before.all(|other| (other.protocol, other.number) != (port.protocol, port.number)) {
                place.pods += reached.pods.len();
            }
        }
    }
    let mut places: Vec<_> = places.into_values().collect();
    places.sort_by_key(|place| place.origin);
    let protocols: BTreeSet<Protocol> = places.iter().map(|place| place.protocol).collect();
    for place in places {
        let number = match protocols.len() {
            1 => place.number.to_string(),
            _ => format!("{}/{}", place.number, place.protocol),
        };
        let text = format!("{number} on {}", pods(place.first, place.pods));
        finding = finding.because(place.origin.clone(), text);
    }
    finding
}

/// What engines do with an egress rule, where they may differ: Cilium up to 1.19 knows one number for a name.
#[must_use]
pub(super) fn egress_engines(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Option<Engines> {
    let one = &judged.one;
    if one.rule.direction != Direction::Egress || !cilium_names::enforces(one.policy.kind) {
        return None;
    }
    let nothing = format!("nothing is {}", participle(one.rule.action));
    let per_pod = format!(
        "{} each pod's own number, on that pod only",
        verb(one.rule.action)
    );
    let (kubernetes, cilium_1_20) = match judged.defining().next() {
        None => (nothing.clone(), nothing),
        Some(_) => {
            let but = judged.defining().find_map(|reached| less_known(judged, reached));
            (per_pod.clone(), per_pod + &but.unwrap_or_default())
        }
    };
    Some(Engines {
        kubernetes,
        cilium_1_20,
        cilium_1_19: hazards.names.egress(one.name, one.protocol, one.rule.action),
    })
}

/// Where Cilium knows less of the name than Kubernetes' text says: nothing, or one number of several.
fn less_known(judged: &Judged<'_>, reached: &Reached<'_>) -> Option<String> {
    let one = &judged.one;
    let ports = reached.endpoint.ports.iter();
    let named: Vec<_> = ports.filter(|port| is_named(port, one.name)).collect();
    let kept = cilium_names::kept(&named).filter(|kept| one.protocol.contains(kept.protocol));
    let place = pods(reached.endpoint, reached.pods.len());
    match kept {
        None => Some(format!("; `{}` does not exist on {place}", one.name)),
        Some(kept) if reached.numbers().len() > 1 => {
            Some(format!("; on {place} {}/{} alone", kept.number, kept.protocol))
        }
        Some(_) => None,
    }
}

/// What Cilium up to 1.19 skips for a name that is ambiguous: the rule, or this entry of it.
#[must_use]
pub(super) fn skipped_part(judged: &Judged<'_>) -> &'static str {
    match &judged.one.rule.ports {
        Ports::OneOf(ports) if ports.len() > 1 => "this port of the rule",
        _ => "the rule",
    }
}

/// What matches nothing: the rule, or the name where the rule has other ports.
#[must_use]
pub(super) fn vain_part(hazards: &Hazards<'_>, judged: &Judged<'_>) -> String {
    match hazards.is_vain_throughout(judged) {
        true => "this rule".to_owned(),
        false => format!("`{}`", judged.one.name),
    }
}

/// [`Finding::engines`], where there is something to say.
#[must_use]
pub(super) fn with_engines(finding: Finding, engines: Option<Engines>) -> Finding {
    match engines {
        Some(engines) => finding.engines(engines),
        None => finding,
    }
}

/// The nearest name of a pod that the rule reaches, with where it is defined. What other pods define would mean no more
/// than the name that is written.
#[must_use]
pub(super) fn nearest<'m>(judged: &Judged<'m>) -> Option<(&'m str, &'m Origin)> {
    let asked = judged.one.name;
    let mut names: BTreeMap<&str, &Origin> = BTreeMap::new();
    let reached = judged.one.reached.iter().map(|reached| reached.endpoint);
    for port in reached.flat_map(|pod| &pod.ports) {
        let fits = port.role != ContainerRole::Init && judged.one.protocol.contains(port.protocol);
        if let Some(name) = port.name.as_deref().filter(|_| fits) {
            names.entry(name).or_insert(&port.origin);
        }
    }
    let others = names.keys().copied();
    let candidates: Vec<_> = others.filter(|name| !name.eq_ignore_ascii_case(asked)).collect();
    let name = suggest::nearest(asked, &candidates).first().copied()?;
    Some((name, *names.get(name)?))
}

/// Sources and destinations that are tried for a witness; the first that fit are nearly always the first.
const TRIED: usize = 8;

/// What a rule does with a flow, by the evaluator.
pub(super) struct Tried<'a> {
    /// The whole verdict.
    pub(super) judgement: &'a Judgement,
    /// Whether this rule is among those that decide its side.
    pub(super) decided_here: bool,
}

/// The first flow between a source of the use and one of the destinations of which the evaluator says what is wanted.
#[must_use]
pub(super) fn witness(
    hazards: &Hazards<'_>,
    judged: &Judged<'_>,
    destinations: impl IntoIterator<Item = (Party, Protocol, u16)>,
    wanted: impl Fn(&Tried<'_>) -> bool,
) -> Option<Witness> {
    let model = hazards.model;
    let sources = sources(hazards, judged);
    for (destination, protocol, port) in destinations.into_iter().take(TRIED) {
        for source in &sources {
            if same_pod(*source, destination) {
                continue;
            }
            let Some(flow) = flow(model, *source, destination, protocol, port) else {
                continue;
            };
            let judgement = hazards.judge.evaluate(&flow);
            let decided_here = decided_by(&judgement, judged.one.rule.direction, judged.one.rule_id);
            if wanted(&Tried {
                judgement: &judgement,
                decided_here,
            }) {
                return Some(shown(model, &flow));
            }
        }
    }
    None
}

/// Whether a rule is among those that decide its side of a flow.
#[must_use]
pub(super) fn decided_by(judgement: &Judgement, direction: Direction, rule: RuleId) -> bool {
    let side = match direction {
        Direction::Ingress => &judgement.ingress,
        Direction::Egress => &judgement.egress,
    };
    matches!(&side.because, Because::Rules(rules) if rules.contains(&rule))
}

/// The first sources of a use: pods, else an address of a block that it names, or one outside where it takes in all.
#[must_use]
pub(super) fn sources(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Vec<Party> {
    let pods: Vec<_> = judged.one.sources.iter().take(TRIED).map(pod).collect();
    if pods.len() > 1 || judged.one.rule.direction == Direction::Egress {
        return pods;
    }
    let outside = match &judged.one.rule.peers {
        Peers::Any => vec![OUTSIDE],
        Peers::OneOf(peers) => peers
            .iter()
            .filter_map(|peer| match &peer.matches {
                PeerMatch::Cidr(block) => address_in(block),
                PeerMatch::Entity(Entity::All | Entity::World | Entity::WorldIpv4) => Some(OUTSIDE),
                _ => None,
            })
            .collect(),
    };
    let outside = outside
        .into_iter()
        .filter(|address| hazards.is_outside(*address))
        .take(TRIED)
        .map(Party::Outside);
    pods.into_iter().chain(outside).collect()
}

/// One of the first addresses of a block that is in none of its holes.
#[must_use]
pub(super) fn address_in(block: &CidrBlock) -> Option<IpAddr> {
    block
        .cidr
        .hosts()
        .take(TRIED * TRIED)
        .find(|address| block.contains(*address))
}

/// A pod as a party; its address is chosen with the flow.
#[must_use]
pub(super) fn pod(id: EndpointId) -> Party {
    Party::Endpoint { id, address: None }
}

fn same_pod(one: Party, other: Party) -> bool {
    matches!((one, other), (Party::Endpoint { id, .. }, Party::Endpoint { id: same, .. }) if id == same)
}

/// A flow between two parties, with addresses of one family where both have one.
#[must_use]
pub(super) fn flow(
    model: &Model,
    source: Party,
    destination: Party,
    protocol: Protocol,
    port: u16,
) -> Option<Flow> {
    let family = Family::BOTH.into_iter().find(|family| {
        addressed(model, source, *family).is_some() && addressed(model, destination, *family).is_some()
    });
    let party = |party: Party| match (party, family) {
        (Party::Endpoint { id, .. }, family) => Some(Party::Endpoint {
            id,
            address: family.and_then(|family| addressed(model, party, family)),
        }),
        (party, _) => Some(party),
    };
    Some(Flow {
        source: party(source)?,
        destination: party(destination)?,
        protocol,
        port,
    })
}

fn addressed(model: &Model, party: Party, family: Family) -> Option<IpAddr> {
    match party {
        Party::Endpoint { id, .. } => model.cluster.endpoint(id)?.address(family),
        other => other.address().filter(|address| Family::of(*address) == family),
    }
}

/// A flow as findings show it.
#[must_use]
pub(super) fn shown(model: &Model, flow: &Flow) -> Witness {
    let name = |party: Party| match party {
        Party::Endpoint { id, .. } => model
            .cluster
            .endpoint(id)
            .map_or_else(String::new, ToString::to_string),
        Party::Node { id, .. } => model
            .cluster
            .node(id)
            .map_or_else(String::new, |node| node.name.clone()),
        Party::SomeNode => "a node".to_owned(),
        Party::Outside(address) => address.to_string(),
    };
    Witness {
        from: name(flow.source),
        to: name(flow.destination),
        protocol: flow.protocol.to_string(),
        port: Some(flow.port),
    }
}

/// Adds a witness, where there is one.
#[must_use]
pub(super) fn with_witness(finding: Finding, witness: Option<Witness>) -> Finding {
    match witness {
        Some(witness) => finding.witness(witness),
        None => finding,
    }
}

/// `8080`, `80 and 8080`: numbers, with the protocol where one alone does not say it.
#[must_use]
pub(super) fn numbers(numbers: impl IntoIterator<Item = (Protocol, u16)>) -> String {
    let numbers: BTreeSet<(Protocol, u16)> = numbers.into_iter().collect();
    let protocols: BTreeSet<Protocol> = numbers.iter().map(|(protocol, _)| *protocol).collect();
    let alone = protocols.len() == 1;
    cilium_names::and(numbers.into_iter().map(|(protocol, number)| {
        if alone {
            number.to_string()
        } else {
            format!("{number}/{protocol}")
        }
    }))
}
