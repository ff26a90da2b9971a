//! Areas out of cubes.

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use ir::flow::Judgement;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::selector::Attribute;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::exact::Part;
use super::wording::{
    attribute_in_words, end_in_words, namespaces_in_words, ports_in_words, take_in_names, values_in_words,
};
use super::{Area, End, Exception};
use crate::algebra::Words;
use crate::algebra::cube::{Addresses, Bits, Cube, Fact, PortKey};
use crate::algebra::values::{ABSENT, Attributes, Values, Word};
use crate::encode::assignment::Class;
use crate::encode::pieces::Piece;
use crate::witness::Witness;

/// Tells what a change opens or closes.
pub(super) fn area(words: &Words, part: &Part, witness: Witness, [before, after]: [Judgement; 2]) -> Area {
    let tell = |cube: &Cube| told(words, cube, part.direction);
    let base = tell(&part.flows.base);
    let mut except: Vec<Exception> = part.flows.except.iter().map(tell).collect();
    let mut seen = vec![];
    except.retain(|one| {
        let new = !seen.contains(one);
        seen.push(one.clone());
        new
    });
    Area {
        from: base.from,
        to: base.to,
        ports: base.ports,
        besides: base.besides,
        other_end: part.other_end.then_some(match part.direction {
            Direction::Ingress => End::Source,
            Direction::Egress => End::Destination,
        }),
        except,
        witness,
        before,
        after,
    }
}

fn told(words: &Words, cube: &Cube, direction: Direction) -> Exception {
    let mut besides = vec![];
    let mut names = vec![];
    for (fact, yes) in &cube.facts {
        match fact {
            Fact::SubjectName(name) | Fact::PeerName(name) => {
                names.extend(words.name_of(*name).map(|name| (name.to_owned(), *yes)));
            }
            Fact::Resolved(pattern) => {
                besides.extend(words.pattern_of(*pattern).map(|pattern| {
                    if *yes {
                        format!("where {} resolves to it", pattern.0)
                    } else {
                        format!("where {} does not resolve to it", pattern.0)
                    }
                }));
            }
            Fact::ApiServer => besides.push(
                if *yes {
                    "the API server alone"
                } else {
                    "the API server aside"
                }
                .to_owned(),
            ),
        }
    }
    // No policy decides what comes from a pod's own node.
    if direction == Direction::Egress && !cube.possible_classes().and(Bits::NODE).is_empty() {
        let own = match cube.own_node {
            Bits::TRUE => Some("the node is the pod's own"),
            Bits::FALSE => Some("the node is not the pod's own"),
            _ => None,
        };
        besides.extend(own.map(str::to_owned));
    }
    let mut ports = ports(cube);
    besides.extend(take_in_names(&mut ports, names));
    let subject = pod(words, &cube.subject, &cube.subject_addresses);
    let peer = peer(words, cube);
    let (from, to) = match direction {
        Direction::Ingress => (peer, subject),
        Direction::Egress => (subject, peer),
    };
    Exception {
        from,
        to,
        ports,
        besides,
    }
}

fn pod(words: &Words, attributes: &Attributes, addresses: &Addresses) -> String {
    let mut namespace = None;
    let mut facts = vec![];
    for (number, values) in attributes.iter() {
        let Some(attribute) = words.attribute_of(number) else {
            continue;
        };
        let (chosen, left_out) = pieces(words, values);
        let (chosen, left_out): (Vec<_>, Vec<_>) = (chosen.iter().collect(), left_out.iter().collect());
        if left_out.is_empty() && chosen.contains(&&Piece::Other) {
            continue;
        }
        match attribute {
            Attribute::Namespace => namespace = Some(namespaces_in_words(&chosen, &left_out)),
            _ => facts.push(values_in_words(
                &attribute_in_words(attribute),
                &chosen,
                &left_out,
            )),
        }
    }
    end_in_words(Class::Pod, namespace, &facts, blocks(addresses))
}

fn peer(words: &Words, cube: &Cube) -> String {
    let classes = cube.possible_classes();
    let is = |class| !classes.and(class).is_empty();
    let plain = cube.peer.iter().next().is_none() && cube.node.iter().next().is_none();
    if classes == Bits::ANY_CLASS && plain {
        return match blocks(&cube.addresses) {
            None => "anyone".to_owned(),
            Some(blocks) => format!("anyone at {blocks}"),
        };
    }
    let mut ends = vec![];
    if is(Bits::POD) {
        ends.push(pod(words, &cube.peer, &cube.addresses));
    }
    if is(Bits::OUTSIDE) {
        ends.push(end_in_words(Class::Outside, None, &[], blocks(&cube.addresses)));
    }
    if is(Bits::NODE) {
        let facts: Vec<String> = cube
            .node
            .iter()
            .filter_map(|(number, values)| {
                let (chosen, left_out) = pieces(words, values);
                let (chosen, left_out): (Vec<_>, Vec<_>) =
                    (chosen.iter().collect(), left_out.iter().collect());
                let key = words.node_key_of(number)?;
                Some(values_in_words(key, &chosen, &left_out))
            })
            .collect();
        ends.push(end_in_words(Class::Node, None, &facts, blocks(&cube.addresses)));
    }
    ends.join(" and ")
}

/// What is meant of the values of an attribute, and what is not.
fn pieces(words: &Words, values: &Values) -> (Vec<Piece>, Vec<Piece>) {
    let piece = |word: &Word| match words.text(*word) {
        Some(text) => Piece::Is(text.to_owned()),
        None if *word == ABSENT => Piece::Absent,
        None => Piece::Other,
    };
    match values {
        Values::Only(listed) => (listed.iter().map(piece).collect(), vec![]),
        Values::AllBut(listed) => {
            let left_out: Vec<Piece> = listed.iter().map(piece).collect();
            let mut chosen = vec![Piece::Other];
            if !left_out.contains(&Piece::Absent) {
                chosen.push(Piece::Absent);
            }
            (chosen, left_out)
        }
    }
}

fn ports(cube: &Cube) -> String {
    let mut chosen = vec![];
    let mut all = true;
    for protocol in Protocol::ALL {
        let whole = (
            PortKey::of(protocol, 0),
            PortKey::of(protocol, protocol.highest_port()),
        );
        for (first, last) in cube.ports.intervals() {
            let part = (*first.max(&whole.0), *last.min(&whole.1));
            if part.0 <= part.1 {
                chosen.push(Piece::Ports(protocol, part.0.parts().1, part.1.parts().1));
            }
            all &= part == whole || part.0 > part.1;
        }
        all &= cube.ports.contains(whole.0) && cube.ports.contains(whole.1);
    }
    if all {
        return "any port".to_owned();
    }
    ports_in_words(&chosen.iter().collect::<Vec<_>>())
}

/// Address blocks and the blocks left out of them, as few as will do; `None` for every address.
fn blocks(addresses: &Addresses) -> Option<String> {
    if addresses.v4.is_all() && addresses.v6.is_all() {
        return None;
    }
    let everything = ["0.0.0.0/0", "::/0"].map(str::parse::<IpNet>);
    let mut told: Vec<(IpNet, Vec<IpNet>)> = vec![];
    for (whole, nets) in everything.into_iter().zip([in_v4(addresses), in_v6(addresses)]) {
        let [entries, _] = whole.map_or_else(|_| [vec![], vec![]], |whole| nested(whole, &nets));
        for (block, taken) in entries {
            if taken {
                told.push((block, vec![]));
            } else if let Some((_, holes)) = told.iter_mut().rev().find(|(own, _)| own.contains(&block)) {
                holes.push(block);
            }
        }
    }
    let list = |nets: &[IpNet]| {
        let nets: Vec<String> = nets.iter().map(IpNet::to_string).collect();
        nets.join(", ")
    };
    let told: Vec<String> = told
        .iter()
        .map(|(block, holes)| match holes.as_slice() {
            [] => block.to_string(),
            holes => format!("{block} (except {})", list(holes)),
        })
        .collect();
    Some(told.join(", "))
}

/// The fewest blocks, each taken in or left out with all that a later one does not say otherwise of, that tell which
/// addresses of `block` are in `nets` (disjoint): where what surrounds it is left out, and where it is taken in.
fn nested(block: IpNet, nets: &[IpNet]) -> [Vec<(IpNet, bool)>; 2] {
    if nets.iter().any(|net| net.contains(&block)) {
        return [vec![(block, true)], vec![]];
    }
    let inside: Vec<IpNet> = nets.iter().copied().filter(|net| block.contains(net)).collect();
    let halves = match block {
        _ if inside.is_empty() => None,
        IpNet::V4(net) => net
            .subnets(net.prefix_len() + 1)
            .ok()
            .map(|halves| halves.map(IpNet::V4).collect()),
        IpNet::V6(net) => net
            .subnets(net.prefix_len() + 1)
            .ok()
            .map(|halves| halves.map(IpNet::V6).collect()),
    };
    let Some(halves): Option<Vec<IpNet>> = halves else {
        return [vec![], vec![(block, false)]];
    };
    let [out, taken] = halves.into_iter().fold([vec![], vec![]], |[out, taken], half| {
        let [more_out, more_taken] = nested(half, &inside);
        [[out, more_out].concat(), [taken, more_taken].concat()]
    });
    let turned = |entries: &[(IpNet, bool)], to| [&[(block, to)], entries].concat();
    [
        if taken.len() + 1 < out.len() {
            turned(&taken, true)
        } else {
            out.clone()
        },
        if out.len() + 1 < taken.len() {
            turned(&out, false)
        } else {
            taken.clone()
        },
    ]
}

fn in_v4(addresses: &Addresses) -> Vec<IpNet> {
    let ranges = addresses.v4.intervals().iter();
    let ranges = ranges.map(|(first, last)| (Ipv4Addr::from_bits(first.0), Ipv4Addr::from_bits(last.0)));
    let nets = ranges.flat_map(|(first, last)| Ipv4Subnets::new(first, last, 0));
    nets.map(IpNet::V4).collect()
}

fn in_v6(addresses: &Addresses) -> Vec<IpNet> {
    let ranges = addresses.v6.intervals().iter();
    let ranges = ranges.map(|(first, last)| (Ipv6Addr::from_bits(first.0), Ipv6Addr::from_bits(last.0)));
    let nets = ranges.flat_map(|(first, last)| Ipv6Subnets::new(first, last, 0));
    nets.map(IpNet::V6).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_in_few_words() {
        let set = |parts: &[(&str, bool)]| {
            parts.iter().fold(Addresses::none(), |set, (net, taken)| {
                let net = Addresses::of(&net.parse().unwrap());
                if *taken {
                    Addresses::all().without(&Addresses::all().without(&set).without(&net))
                } else {
                    set.without(&net)
                }
            })
        };
        for (parts, told) in [
            (&[("10.0.0.0/8", true)][..], "10.0.0.0/8"),
            (&[("10.0.0.0/8", true), ("11.0.0.0/8", true)], "10.0.0.0/7"),
            (
                &[("10.0.0.0/8", true), ("10.1.0.0/16", false)],
                "10.0.0.0/8 (except 10.1.0.0/16)",
            ),
            (
                &[
                    ("0.0.0.0/0", true),
                    ("10.0.0.0/8", false),
                    ("10.1.0.0/16", true),
                    ("::/0", true),
                ],
                "0.0.0.0/0 (except 10.0.0.0/8), 10.1.0.0/16, ::/0",
            ),
            (
                &[("::/0", true), ("fd00::/8", false), ("192.168.0.0/16", true)],
                "192.168.0.0/16, ::/0 (except fd00::/8)",
            ),
            (
                &[("10.0.0.1/32", true), ("10.0.0.3/32", true)],
                "10.0.0.1/32, 10.0.0.3/32",
            ),
        ] {
            assert_eq!(blocks(&set(parts)).as_deref(), Some(told));
        }
    }
}
