//! Flows as text: `shop/web-0 -> shop/api-0 8080/TCP`, for tests and for questions at a terminal.

use std::net::IpAddr;

use nom::Parser;
use nom::branch::alt;
use nom::combinator::eof;
use nom::sequence::{preceded, separated_pair, terminated};

use super::ParseError;
use super::parse::protocol;
use super::token::{Mismatch, Parsed, address, expect, keyword, number, sign, spaces, whole, word, wrong};
use crate::cluster::{Cluster, Family};
use crate::flow::{Flow, Party};

/// Reads a flow between parties of `cluster`.
///
/// ```text
/// flow  = party "->" party number "/" protocol
/// party = namespace "/" name | "node" name | "some-node" | address
/// ```
///
/// The number is the destination port, the ICMP message type, or 0 for `other`. An address stands for the pod or
/// the node that has it, and for an address outside where none does. A pod or a node given by name uses its address
/// of the other party's family, or its first where the other leaves the choice.
///
/// # Errors
/// [`ParseError`] where the text is not a flow or names a pod or a node that the cluster does not have.
pub fn parse_flow(cluster: &Cluster, text: &str) -> Result<Flow, ParseError> {
    whole(text, |text| flow(cluster, text))
}

fn flow<'a>(cluster: &Cluster, text: &'a str) -> Parsed<'a, Flow> {
    let (rest, _) = spaces(text)?;
    let (rest, (source, destination)) =
        separated_pair(party(cluster), sign("->"), party(cluster)).parse(rest)?;
    let at_number = rest;
    let (rest, (port, protocol)) =
        separated_pair(number::<u16>("a destination port"), sign("/"), protocol()).parse(rest)?;
    if port > protocol.highest_port() {
        return wrong(
            at_number,
            format!("{protocol} goes up to {}", protocol.highest_port()),
        );
    }
    let (rest, _) = expect("the end of the flow", eof).parse(rest)?;
    let (source, destination) = (
        settle(cluster, source, destination),
        settle(cluster, destination, source),
    );
    let flow = Flow {
        source,
        destination,
        protocol,
        port,
    };
    Ok((rest, flow))
}

fn party<'a>(cluster: &Cluster) -> impl Parser<&'a str, Output = Party, Error = Mismatch<'a>> {
    move |text: &'a str| {
        let outside = terminated(address, spaces).map(|address| owner(cluster, address));
        let unknown = keyword("some-node").map(|()| Some(Party::SomeNode));
        let node = preceded(keyword("node"), word("a node's name")).map(|name| {
            let id = cluster.node_named(&name)?;
            Some(Party::Node { id, address: None })
        });
        let pod = separated_pair(word("a namespace's name"), sign("/"), word("a pod's name")).map(
            |(namespace, name)| {
                let found = cluster
                    .endpoint_ids()
                    .find(|(_, pod)| pod.namespace == namespace && pod.name == name);
                found.map(|(id, _)| Party::Endpoint { id, address: None })
            },
        );
        match alt((outside.map(Some), unknown, node, pod)).parse(text)? {
            (rest, Some(party)) => Ok((rest, party)),
            (_, None) => wrong(text, "the cluster has none of this name".to_owned()),
        }
    }
}

/// Who has an address.
fn owner(cluster: &Cluster, address: IpAddr) -> Party {
    let node = cluster
        .node_ids()
        .find(|(_, node)| node.addresses.contains(&address));
    let pod = cluster
        .endpoint_ids()
        .find(|(_, pod)| !pod.host_network && pod.addresses.contains(&address));
    let address_of = Some(address);
    match (node, pod) {
        (Some((id, _)), _) => Party::Node {
            id,
            address: address_of,
        },
        (None, Some((id, _))) => Party::Endpoint {
            id,
            address: address_of,
        },
        (None, None) => Party::Outside(address),
    }
}

/// A party with its address of the family that it shares with the other.
fn settle(cluster: &Cluster, party: Party, other: Party) -> Party {
    let own = addresses(cluster, party);
    let others = addresses(cluster, other);
    let shared = Family::BOTH.into_iter().find_map(|family| {
        let of_family = |address: &&IpAddr| Family::of(**address) == family;
        others.iter().find(of_family).and(own.iter().find(of_family))
    });
    let address = if others.is_empty() { own.first() } else { shared };
    match party {
        Party::Endpoint { id, address: None } => Party::Endpoint {
            id,
            address: address.copied(),
        },
        Party::Node { id, address: None } => Party::Node {
            id,
            address: address.copied(),
        },
        settled => settled,
    }
}

/// The addresses that a party may use.
fn addresses(cluster: &Cluster, party: Party) -> Vec<IpAddr> {
    match party {
        Party::Endpoint { id, address: None } => cluster
            .endpoint(id)
            .map_or_else(Vec::new, |pod| pod.addresses.clone()),
        Party::Node { id, address: None } => cluster
            .node(id)
            .map_or_else(Vec::new, |node| node.addresses.clone()),
        settled => settled.address().into_iter().collect(),
    }
}
