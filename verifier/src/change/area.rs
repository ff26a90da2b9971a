//! One area: a set of flows described so that a person can read it.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;
use ir::flow::{Judgement, Party};
use ir::policy::Direction;
use ir::port::Protocol;
use ir::selector::Attribute;

use super::Taken;
use crate::encode::assignment::Class;
use crate::encode::pieces::{Asked, Dimension, Piece};
use crate::witness::Witness;

/// A set of flows, all of which a change opens, or closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Who sends, in words: `pods in shop with app=web`.
    pub from: String,
    /// Who receives.
    pub to: String,
    /// On which ports: `443/TCP`, `http/TCP`, `any port`.
    pub ports: String,
    /// What else is true of the flows; mostly nothing.
    pub besides: Vec<String>,
    /// One of them, confirmed by the evaluator with both sets of policies.
    pub witness: Witness,
    /// What the old policies say of the example; rules and policies are those of the old model.
    pub before: Judgement,
    /// What the new ones say; of the new model.
    pub after: Judgement,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}, {}", self.from, self.to, self.ports)?;
        for fact in &self.besides {
            write!(f, ", {fact}")?;
        }
        Ok(())
    }
}

impl Area {
    pub(super) fn new(
        witness: Witness,
        [before, after]: [Judgement; 2],
        classes: (Class, Class),
        dimensions: &[Dimension],
        taken: &Taken,
    ) -> Self {
        let mut facts: [Vec<String>; 2] = [vec![], vec![]];
        let mut namespaces = [None, None];
        let mut blocks = [None, None];
        let mut ports = String::new();
        let mut names = vec![];
        let mut besides = vec![];
        // The node, where one end is one.
        let node = if classes.0 == Class::Node {
            Direction::Ingress
        } else {
            Direction::Egress
        };
        for (dimension, taken) in dimensions.iter().zip(taken) {
            let all = taken.len() == dimension.pieces.len();
            let chosen: Vec<&Piece> = taken
                .iter()
                .filter_map(|index| dimension.pieces.get(*index))
                .map(|(piece, _)| piece)
                .collect();
            let left_out: Vec<&Piece> = dimension
                .pieces
                .iter()
                .enumerate()
                .filter(|(index, _)| !taken.contains(index))
                .map(|(_, (piece, _))| piece)
                .collect();
            let yes = chosen.contains(&&Piece::Whether(true));
            match &dimension.asked {
                Asked::Ports => {
                    ports = if all {
                        "any port".to_owned()
                    } else {
                        ports_in_words(&chosen)
                    }
                }
                _ if all => {}
                Asked::PortName(name) => names.push((name.clone(), yes)),
                Asked::Attribute(side, Attribute::Namespace) => {
                    *end_of(&mut namespaces, *side) = Some(namespaces_in_words(&chosen, &left_out));
                }
                Asked::Attribute(side, attribute) => {
                    let key = match attribute {
                        Attribute::Label(key) => key.clone(),
                        Attribute::NamespaceLabel(key) => format!("namespace label {key}"),
                        Attribute::ServiceAccount => "service account".to_owned(),
                        Attribute::Namespace | Attribute::Cluster => String::new(),
                    };
                    end_of(&mut facts, *side).push(values_in_words(&key, &chosen, &left_out));
                }
                Asked::Address(side) => *end_of(&mut blocks, *side) = Some(blocks_in_words(&chosen)),
                Asked::NodeLabel(key) => {
                    end_of(&mut facts, node).push(values_in_words(key, &chosen, &left_out))
                }
                Asked::OwnNode => besides.push(
                    if yes {
                        "the node is the pod's own"
                    } else {
                        "the node is not the pod's own"
                    }
                    .to_owned(),
                ),
                Asked::ApiServer => besides.push(
                    if yes {
                        "the API server alone"
                    } else {
                        "the API server aside"
                    }
                    .to_owned(),
                ),
                Asked::Domain(name) => besides.push(if yes {
                    format!("where {name} resolves to it")
                } else {
                    format!("where {name} does not resolve to it")
                }),
            }
        }
        for (name, yes) in names {
            match (yes, ports.as_str()) {
                (true, "any port") => ports = format!("the port that the destination calls {name}"),
                (true, "any TCP" | "any UDP" | "any SCTP") => {
                    ports = ports.replace("any ", &format!("{name}/"))
                }
                (true, _) => besides.push(format!("where the destination calls it {name}")),
                (false, _) => besides.push(format!("where the destination does not call it {name}")),
            }
        }
        let [from_facts, to_facts] = facts;
        let [from_namespace, to_namespace] = namespaces;
        let [from_blocks, to_blocks] = blocks;
        Self {
            from: end_in_words(classes.0, from_namespace, &from_facts, from_blocks),
            to: end_in_words(classes.1, to_namespace, &to_facts, to_blocks),
            ports,
            besides,
            witness,
            before,
            after,
        }
    }

    /// Whether both ends of its example are in the input.
    #[must_use]
    pub fn example_exists(&self) -> bool {
        let made_up = |party, invented: bool| invented && matches!(party, Party::Endpoint { .. });
        !made_up(self.witness.flow.source, self.witness.source_invented)
            && !made_up(self.witness.flow.destination, self.witness.destination_invented)
    }
}

/// Of a pair of source and destination, the end that one side sees as its peer.
fn end_of<T>(pair: &mut [T; 2], side: Direction) -> &mut T {
    let [source, destination] = pair;
    match side {
        Direction::Ingress => source,
        Direction::Egress => destination,
    }
}

fn end_in_words(class: Class, namespace: Option<String>, facts: &[String], blocks: Option<String>) -> String {
    let with = if facts.is_empty() {
        String::new()
    } else {
        format!(" with {}", facts.join(" and "))
    };
    match class {
        Class::Pod => {
            let namespace = namespace.unwrap_or_else(|| "any namespace".to_owned());
            let at = blocks.map_or(String::new(), |blocks| format!(" at {blocks}"));
            format!("pods in {namespace}{with}{at}")
        }
        Class::Outside => match blocks {
            None => "any address outside".to_owned(),
            Some(blocks) => format!("addresses outside in {blocks}"),
        },
        Class::Node | Class::SomeNode => {
            let at = blocks.map_or(String::new(), |blocks| format!(" at {blocks}"));
            format!("nodes{with}{at}")
        }
    }
}

fn mentioned(pieces: &[&Piece]) -> Vec<String> {
    pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Is(value) => Some(value.clone()),
            _ => None,
        })
        .collect()
}

fn namespaces_in_words(chosen: &[&Piece], left_out: &[&Piece]) -> String {
    if chosen.contains(&&Piece::Other) {
        format!("any namespace but {}", mentioned(left_out).join(", "))
    } else {
        mentioned(chosen).join(", ")
    }
}

fn values_in_words(key: &str, chosen: &[&Piece], left_out: &[&Piece]) -> String {
    let (values, missing) = (mentioned(chosen), mentioned(left_out));
    let list = |values: &[String]| values.join(", ");
    let (absent, other) = (chosen.contains(&&Piece::Absent), chosen.contains(&&Piece::Other));
    match (absent, other, values.as_slice()) {
        (false, false, [one]) => format!("{key}={one}"),
        (false, false, many) => format!("{key} in ({})", list(many)),
        (true, true, _) => match missing.as_slice() {
            [one] => format!("{key}!={one}"),
            many => format!("{key} notin ({})", list(many)),
        },
        (true, false, []) => format!("no {key}"),
        (true, false, some) => format!("{key} absent or in ({})", list(some)),
        (false, true, _) if missing.is_empty() => format!("some {key}"),
        (false, true, _) => format!("some {key} that is none of ({})", list(&missing)),
    }
}

/// Pieces put together again: a block whose holes are taken too has none.
fn blocks_in_words(chosen: &[&Piece]) -> String {
    let blocks: Vec<(IpNet, &Vec<IpNet>)> = chosen
        .iter()
        .filter_map(|piece| match piece {
            Piece::Block(block, holes) => Some((*block, holes)),
            _ => None,
        })
        .collect();
    let taken: BTreeSet<IpNet> = blocks.iter().map(|(block, _)| *block).collect();
    // The holes of a block that are left out, looked for through those that are taken.
    fn open(block: &IpNet, blocks: &[(IpNet, &Vec<IpNet>)], out: &mut Vec<IpNet>) {
        for (own, holes) in blocks {
            if own == block {
                for hole in *holes {
                    if blocks.iter().any(|(other, _)| other == hole) {
                        open(hole, blocks, out);
                    } else {
                        out.push(*hole);
                    }
                }
            }
        }
    }
    let inside_taken = |block: &IpNet| blocks.iter().any(|(_, holes)| holes.contains(block));
    let shown: Vec<String> = taken
        .iter()
        .filter(|block| !inside_taken(block))
        .map(|block| {
            let mut holes = vec![];
            open(block, &blocks, &mut holes);
            holes.sort();
            match holes.as_slice() {
                [] => block.to_string(),
                some => {
                    let some: Vec<_> = some.iter().map(IpNet::to_string).collect();
                    format!("{block} (except {})", some.join(", "))
                }
            }
        })
        .collect();
    shown.join(", ")
}

fn ports_in_words(chosen: &[&Piece]) -> String {
    let mut parts = vec![];
    for protocol in Protocol::ALL {
        let mut runs: Vec<(u16, u16)> = vec![];
        for piece in chosen {
            if let Piece::Ports(of, first, last) = piece
                && *of == protocol
            {
                match runs.last_mut() {
                    Some(run) if run.1.checked_add(1) == Some(*first) => run.1 = *last,
                    _ => runs.push((*first, *last)),
                }
            }
        }
        for (first, last) in runs {
            parts.push(match protocol {
                Protocol::Other => "other protocols".to_owned(),
                _ if first == 0 && last == protocol.highest_port() => format!("any {protocol}"),
                Protocol::Icmp | Protocol::Icmpv6 if first == last => format!("{protocol} type {first}"),
                Protocol::Icmp | Protocol::Icmpv6 => format!("{protocol} types {first}-{last}"),
                _ if first == last => format!("{first}/{protocol}"),
                _ => format!("{first}-{last}/{protocol}"),
            });
        }
    }
    parts.join(", ")
}
