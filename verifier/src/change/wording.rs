//! The words in which sets of flows are told.

use std::collections::BTreeSet;

use ipnet::IpNet;
use ir::port::Protocol;
use ir::selector::Attribute;

use crate::encode::assignment::Class;
use crate::encode::pieces::Piece;

/// The key of an attribute, as it stands before a value.
pub(crate) fn attribute_in_words(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Label(key) => key.clone(),
        Attribute::NamespaceLabel(key) => format!("namespace label {key}"),
        Attribute::ServiceAccount => "service account".to_owned(),
        Attribute::Namespace | Attribute::Cluster => String::new(),
    }
}

/// Puts what is known of the destination's names for the port into the ports; what does not fit there is said besides.
pub(crate) fn take_in_names(ports: &mut String, names: Vec<(String, bool)>) -> Vec<String> {
    let mut besides = vec![];
    for (name, yes) in names {
        match (yes, ports.as_str()) {
            (true, "any port") => *ports = format!("the port that the destination calls {name}"),
            (true, "any TCP" | "any UDP" | "any SCTP") => *ports = ports.replace("any ", &format!("{name}/")),
            (true, _) => besides.push(format!("where the destination calls it {name}")),
            (false, _) => besides.push(format!("where the destination does not call it {name}")),
        }
    }
    besides
}

pub(crate) fn end_in_words(
    class: Class,
    namespace: Option<String>,
    facts: &[String],
    blocks: Option<String>,
) -> String {
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

pub(crate) fn namespaces_in_words(chosen: &[&Piece], left_out: &[&Piece]) -> String {
    if chosen.contains(&&Piece::Other) {
        format!("any namespace but {}", mentioned(left_out).join(", "))
    } else {
        mentioned(chosen).join(", ")
    }
}

pub(crate) fn values_in_words(key: &str, chosen: &[&Piece], left_out: &[&Piece]) -> String {
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
pub(crate) fn blocks_in_words(chosen: &[&Piece]) -> String {
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

pub(crate) fn ports_in_words(chosen: &[&Piece]) -> String {
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
