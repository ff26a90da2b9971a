//! Who can talk to whom as a list: for readers of paper, for those who listen, and where the matrix would be too large.

use super::pairs::End;
use crate::connectivity::{Connection, Peer, PortSet};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// The most connections that are listed.
const MOST: usize = 20_000;

/// The list, folded unless it stands for the matrix.
pub(super) fn of(connections: &[Connection], ends: &[End], is_all_there_is: bool) -> Markup {
    let names: BTreeMap<&Peer, String> = ends.iter().map(|end| (&end.peer, end.full_name())).collect();
    let name = |peer: &Peer| names.get(peer).cloned().unwrap_or_else(|| peer.to_string());
    html! {
        @if connections.len() > MOST {
            p {
                (connections.len()) " connections are too many for a page; " code { "portcullis connectivity" }
                " lists them."
            }
        } @else {
            details.list open[is_all_there_is] {
                summary { "As a list" }
                @for from in connections.chunk_by(|one, next| one.source == next.source) {
                    @if let Some(first) = from.first() {
                        div.from {
                            h3 { (name(&first.source)) }
                            ul {
                                @for (ports, to) in by_ports(from) {
                                    li {
                                        b.opened { (ports) } " → "
                                        (to.into_iter().map(name).collect::<Vec<_>>().join(", "))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whom one source reaches, by the ports, in the order of destinations.
fn by_ports(from: &[Connection]) -> Vec<(&PortSet, Vec<&Peer>)> {
    let mut by_ports: Vec<(&PortSet, Vec<&Peer>)> = Vec::new();
    for one in from {
        match by_ports.iter_mut().find(|(ports, _)| **ports == *one.ports) {
            Some((_, to)) => to.push(&one.destination),
            None => by_ports.push((&one.ports, vec![&one.destination])),
        }
    }
    by_ports
}
