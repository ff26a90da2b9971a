//! What stands in a box of a graph, in words.

use super::crowds::{Crowd, Who};
use super::graph::Box;
use crate::connectivity::Peer;
use std::collections::BTreeSet;

/// The most names, and the most notes, that a box shows.
const NAMES: usize = 8;
const NOTES: usize = 6;
/// The most characters of a line, and of a note.
pub(super) const WIDEST: usize = 34;
pub(super) const WIDEST_NOTE: usize = 40;

/// A box as it is drawn: a few short lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Card {
    /// The namespace, or what else all in it have in common.
    pub(super) under: String,
    /// What stands above the names.
    pub(super) heading: String,
    pub(super) names: Vec<String>,
    /// What is told of its connections.
    pub(super) notes: Vec<String>,
    /// Everybody in it, in full.
    pub(super) called: String,
    /// The notes in full.
    pub(super) told: Vec<String>,
    /// The number of the view that shows more.
    pub(super) leads_to: Option<usize>,
    /// Whether it holds addresses, not workloads.
    pub(super) is_outside: bool,
}

impl Card {
    /// A box of workloads, or of addresses.
    pub(super) fn of(content: &Box<'_>, notes: Vec<String>) -> Self {
        let heading = match kind(content) {
            Some(kind) => format!("{} · {kind}", content.heading()),
            None => content.heading(),
        };
        Self {
            names: shortened(
                content.peers.iter().map(|peer| name(peer)).collect(),
                NAMES,
                WIDEST,
            ),
            ..Self::new(heading, content, notes)
        }
    }

    /// A namespace as one box, or all addresses.
    pub(super) fn of_all(content: &Box<'_>, notes: Vec<String>) -> Self {
        let count = content.peers.len();
        let names = match (content.is_outside(), content.peers.as_slice()) {
            (true, [one]) => cut(&name(one), WIDEST),
            (true, _) => format!("{count} groups of addresses"),
            (false, [_]) => "1 workload".to_owned(),
            (false, _) => format!("{count} workloads"),
        };
        Self {
            names: vec![names],
            ..Self::new(content.heading(), content, notes)
        }
    }

    fn new(heading: String, content: &Box<'_>, notes: Vec<String>) -> Self {
        let called: Vec<String> = content.peers.iter().map(ToString::to_string).collect();
        Self {
            under: content.heading(),
            heading: cut(&heading, WIDEST),
            names: Vec::new(),
            notes: shortened(notes.clone(), NOTES, WIDEST_NOTE),
            called: called.join(", "),
            told: notes,
            leads_to: None,
            is_outside: content.is_outside(),
        }
    }
}

/// The first lines, each as far as there is room, and how many more there are.
fn shortened(lines: Vec<String>, most: usize, widest: usize) -> Vec<String> {
    let more = lines.len().saturating_sub(most);
    let mut short: Vec<String> = lines.iter().take(most).map(|line| cut(line, widest)).collect();
    if more > 0 {
        short.push(format!("and {more} more"));
    }
    short
}

/// What is in a box, where it is all of one kind.
fn kind(content: &Box<'_>) -> Option<String> {
    let kinds: BTreeSet<String> = content
        .peers
        .iter()
        .map(|peer| match peer {
            Peer::Workload {
                kind, host_network, ..
            } => format!("{kind}{}", if *host_network { ", host network" } else { "" }),
            Peer::Outside(_) => String::new(),
        })
        .collect();
    let count = content.peers.len();
    match kinds.first() {
        _ if content.is_outside() => None,
        Some(kind) if kinds.len() == 1 && count == 1 => Some(kind.clone()),
        Some(kind) if kinds.len() == 1 => Some(format!("{count} × {kind}")),
        _ => Some(format!("{count} workloads")),
    }
}

/// The name of a peer under its heading.
fn name(peer: &Peer) -> String {
    match peer {
        Peer::Workload { name, .. } => name.clone(),
        Peer::Outside(_) => {
            let said = peer.to_string();
            said.strip_prefix("outside: ").unwrap_or(&said).to_owned()
        }
    }
}

/// A box where it is spoken of: its first, and how many there are besides.
pub(super) fn called(content: &Box<'_>) -> String {
    let first = content.peers.first().map(ToString::to_string).unwrap_or_default();
    match content.peers.len() {
        0 | 1 => first,
        many => format!("{first} and {} more", many - 1),
    }
}

/// The same where there is little room: without namespace and kind.
pub(super) fn called_shortly(content: &Box<'_>) -> String {
    let first = content.peers.first().map(|peer| name(peer)).unwrap_or_default();
    match content.peers.len() {
        0 | 1 => cut(&first, WIDEST / 2),
        many => format!("{} (+{})", cut(&first, WIDEST / 2), many - 1),
    }
}

/// A crowd in a word, but for who is excepted; `unit` names what is counted.
pub(super) fn crowd(crowd: &Crowd, unit: &str) -> String {
    match &crowd.who {
        Who::Everyone { outside: true } => "anyone".to_owned(),
        Who::Everyone { outside: false } => format!("every {unit}"),
        Who::Namespace(namespace) => format!("all of {namespace}"),
    }
}

/// Shortens a text to so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}
