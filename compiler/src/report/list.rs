//! Who can talk to whom as a list: for readers of paper, for those who listen, and where the matrix would be too large.

use super::holds::{self, Ends};
use super::pairs::End;
use crate::connectivity::{Connection, Peer, PortSet};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// A list of more bytes than this is left to the command that prints nothing else.
const MOST: usize = 4_000_000;

/// The list.
pub(super) fn of(connections: &[Connection], ends: &[End]) -> Markup {
    let places: BTreeMap<&Peer, usize> = ends.iter().map(|end| &end.peer).zip(0..).collect();
    let list = html! {
        details.list {
            summary { "As a list" }
            @for from in connections.chunk_by(|one, next| one.source == next.source) {
                (of_source(from, ends, &places))
            }
        }
    };
    if list.0.len() <= MOST {
        return list;
    }
    html! {
        p {
            (connections.len()) " connections are too many to list on a page; " code { "portcullis connectivity" }
            " lists them."
        }
    }
}

/// Whom one source reaches, by ports.
fn of_source(from: &[Connection], ends: &[End], places: &BTreeMap<&Peer, usize>) -> Markup {
    let mut by_ports: Vec<(&PortSet, Ends, Vec<String>)> = Vec::new();
    for one in from {
        let at = by_ports.iter().position(|(ports, ..)| **ports == *one.ports);
        let at = at.unwrap_or_else(|| {
            by_ports.push((&one.ports, Ends::new(), Vec::new()));
            by_ports.len() - 1
        });
        let Some((_, inside, outside)) = by_ports.get_mut(at) else {
            continue;
        };
        match places.get(&*one.destination) {
            Some(place) => {
                inside.insert(*place);
            }
            None => outside.push(one.destination.to_string()),
        }
    }
    let source = from.first().map(|one| match places.get(&*one.source) {
        Some(place) => holds::words(&Ends::from([*place]), ends),
        None => one.source.to_string(),
    });
    html! {
        div.from {
            h3 { (source.unwrap_or_default()) }
            ul {
                @for (ports, inside, outside) in by_ports {
                    li { b.opened { (ports) } " → " (told(&inside, &outside, ends)) }
                }
            }
        }
    }
}

fn told(inside: &Ends, outside: &[String], ends: &[End]) -> String {
    let inside = Some(holds::words(inside, ends)).filter(|words| !words.is_empty());
    let all: Vec<String> = inside.into_iter().chain(outside.iter().cloned()).collect();
    all.join(", ")
}
