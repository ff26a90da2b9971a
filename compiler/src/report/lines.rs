//! The lines of a picture, and what is told in boxes instead: where there are more than the eye follows, and where many
//! lines fan into one box.

use super::card;
use super::views::arrow;
use crate::connectivity::PortSet;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// The most lines that a picture is drawn with where namespaces can be named instead.
const MOST: usize = 36;
/// The most boxes with a single line, all to one box, that are drawn around it.
const MOST_LEAVES: usize = 8;

/// The most lines whose labels are all shown.
pub(super) const MOST_LABELS: usize = 25;

/// A line of a picture.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) ports: PortSet,
    /// Whether it stands for as much in the other direction.
    pub(super) is_both_ways: bool,
    /// The row and the column of the matrix that tell why.
    pub(super) pair: Option<(usize, usize)>,
}

/// What becomes a box of a picture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    Own(NodeIndex),
    /// Another namespace, with those in it that lines lead to.
    Other(String),
}

/// Lines, by who opens and who receives.
pub(super) type Lines = BTreeMap<(Spot, Spot), Line>;

/// What boxes tell.
pub(super) type Notes = BTreeMap<Spot, Vec<String>>;

/// Makes one of two lines that say the same there and back.
pub(super) fn join_both_ways(lines: &mut Lines) {
    let back: Vec<(Spot, Spot)> = lines
        .iter()
        .filter(|((from, to), line)| {
            let there = lines.get(&(to.clone(), from.clone()));
            to < from && there.is_some_and(|there| there.ports == line.ports)
        })
        .map(|(ends, _)| ends.clone())
        .collect();
    for (from, to) in back {
        lines.remove(&(from.clone(), to.clone()));
        if let Some(there) = lines.get_mut(&(to, from)) {
            there.is_both_ways = true;
        }
    }
}

/// Of more lines than the eye follows, tells those to other namespaces by their names.
pub(super) fn name_namespaces(lines: &mut Lines) -> Notes {
    let mut named: BTreeMap<(Spot, Direction), BTreeSet<String>> = BTreeMap::new();
    if lines.len() > MOST {
        lines.retain(|(from, to), line| {
            let (own, other, way) = match (from, to) {
                (Spot::Own(_), Spot::Other(other)) => (from, other, Direction::Outgoing),
                (Spot::Other(other), Spot::Own(_)) => (to, other, Direction::Incoming),
                _ => return true,
            };
            let back = line.is_both_ways.then(|| way.opposite());
            for way in [way].into_iter().chain(back) {
                named.entry((own.clone(), way)).or_default().insert(other.clone());
            }
            false
        });
    }
    let mut notes = Notes::new();
    for ((spot, way), names) in named {
        let note = format!("{} {}", arrow(way), several(&names, card::WIDEST - 2));
        notes.entry(spot).or_default().push(note);
    }
    notes
}

/// Where many boxes have no line but one to the same box, tells those lines in them.
pub(super) fn name_hubs(
    lines: &mut Lines,
    called: impl Fn(&Spot) -> String,
    says_ports: bool,
    notes: &mut Notes,
) {
    let mut degree: BTreeMap<&Spot, usize> = BTreeMap::new();
    for spot in lines.keys().flat_map(|(from, to)| [from, to]) {
        *degree.entry(spot).or_default() += 1;
    }
    // The hub, the leaf, and the way as the leaf sees it.
    let mut fans: BTreeMap<Spot, Vec<(Spot, Direction)>> = BTreeMap::new();
    for (from, to) in lines.keys() {
        let (hub, leaf, way) = match (degree.get(from), degree.get(to)) {
            (Some(1), Some(2..)) => (to, from, Direction::Outgoing),
            (Some(2..), Some(1)) => (from, to, Direction::Incoming),
            _ => continue,
        };
        fans.entry(hub.clone()).or_default().push((leaf.clone(), way));
    }
    for (hub, leaves) in fans.into_iter().filter(|(_, leaves)| leaves.len() > MOST_LEAVES) {
        for way in [Direction::Outgoing, Direction::Incoming] {
            let here: Vec<&Spot> = leaves
                .iter()
                .filter(|leaf| leaf.1 == way)
                .map(|leaf| &leaf.0)
                .collect();
            if here.is_empty() {
                continue;
            }
            let note = format!("{} {} boxes that name it", arrow(way.opposite()), here.len());
            notes.entry(hub.clone()).or_default().push(note);
            for leaf in here {
                let ends = match way {
                    Direction::Outgoing => (leaf.clone(), hub.clone()),
                    Direction::Incoming => (hub.clone(), leaf.clone()),
                };
                let Some(line) = lines.remove(&ends) else { continue };
                let arrow = if line.is_both_ways { "⇄" } else { arrow(way) };
                let mut note = format!("{arrow} {}", called(&hub));
                if says_ports {
                    note = format!("{note}: {}", line.ports);
                }
                notes.entry(leaf.clone()).or_default().push(note);
            }
        }
    }
}

/// Where there are too many lines to label, tells in each box who reaches it on which ports.
pub(super) fn name_sources(lines: &Lines, called: impl Fn(&Spot) -> String, notes: &mut Notes) {
    if lines.len() <= MOST_LABELS {
        return;
    }
    let mut sources: BTreeMap<(&Spot, &PortSet), BTreeSet<String>> = BTreeMap::new();
    for ((from, to), line) in lines {
        let back = line.is_both_ways.then_some((to, from));
        for (from, to) in [(from, to)].into_iter().chain(back) {
            sources.entry((to, &line.ports)).or_default().insert(called(from));
        }
    }
    for ((spot, ports), names) in sources {
        let ports = ports.to_string();
        let room = card::WIDEST_NOTE.saturating_sub(ports.chars().count() + 4);
        let note = format!("← {}: {ports}", several(&names, room));
        notes.entry(spot.clone()).or_default().push(note);
    }
}

/// As many names as there is room for, and at least one.
fn several(names: &BTreeSet<String>, room: usize) -> String {
    let mut said = String::new();
    for (at, name) in names.iter().enumerate() {
        // What follows is counted in " +99".
        if at > 0 && said.chars().count() + name.chars().count() + 6 > room {
            return format!("{said} +{}", names.len() - at);
        }
        if at > 0 {
            said.push_str(", ");
        }
        said.push_str(name);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(at: usize) -> Spot {
        Spot::Own(NodeIndex::new(at))
    }

    fn lines(pairs: impl IntoIterator<Item = (Spot, Spot)>) -> Lines {
        let line = Line {
            ports: PortSet::everything(),
            is_both_ways: false,
            pair: None,
        };
        pairs.into_iter().map(|ends| (ends, line.clone())).collect()
    }

    #[test]
    fn there_and_back_on_the_same_ports_is_one_line() {
        let mut lines = lines([(own(0), own(1)), (own(1), own(0)), (own(1), own(2))]);
        join_both_ways(&mut lines);
        let both: Vec<_> = lines
            .iter()
            .map(|(ends, line)| (ends, line.is_both_ways))
            .collect();
        assert_eq!(both, [(&(own(0), own(1)), true), (&(own(1), own(2)), false)]);
    }

    #[test]
    fn more_lines_than_the_eye_follows_are_told_by_namespace() {
        let other = |at: usize| Spot::Other(format!("team-{at:02}"));
        let few = (0..MOST - 1)
            .map(|at| (own(0), other(at)))
            .chain([(own(1), own(2))]);
        let mut few = lines(few);
        assert!(name_namespaces(&mut few).is_empty());
        let many = (0..MOST).map(|at| (other(at), own(0))).chain([(own(1), own(2))]);
        let mut many = lines(many);
        let notes = name_namespaces(&mut many);
        assert_eq!(many.keys().collect::<Vec<_>>(), [&(own(1), own(2))]);
        assert_eq!(notes[&own(0)], ["← team-00, team-01, team-02 +33"]);
    }

    #[test]
    fn many_lines_of_boxes_that_have_no_other_are_told_in_the_boxes() {
        let fan = |leaves: usize| lines((1..=leaves).map(|leaf| (own(leaf), own(0))));
        let tell = |lines: &mut Lines| {
            let mut notes = Notes::new();
            name_hubs(lines, |_| "hub".to_owned(), true, &mut notes);
            notes
        };
        let mut few = fan(MOST_LEAVES);
        assert!(tell(&mut few).is_empty() && few.len() == MOST_LEAVES);
        let mut many = fan(MOST_LEAVES + 1);
        let notes = tell(&mut many);
        assert!(many.is_empty());
        assert_eq!(notes[&own(1)], ["→ hub: every port"]);
        assert_eq!(notes[&own(0)], ["← 9 boxes that name it"]);
    }

    #[test]
    fn lines_without_labels_are_told_where_they_arrive() {
        let name = |spot: &Spot| match spot {
            Spot::Own(node) => format!("w{}", node.index()),
            Spot::Other(other) => other.clone(),
        };
        let tell = |lines: &Lines| {
            let mut notes = Notes::new();
            name_sources(lines, name, &mut notes);
            notes
        };
        let mut all = lines((1..=MOST_LABELS).map(|from| (own(from), own(0))));
        assert!(tell(&all).is_empty());
        all.extend(lines([(own(0), own(99))]));
        let notes = tell(&all);
        assert_eq!(notes[&own(0)], ["← w1, w10, w11, w12, w13 +20: every port"]);
        assert_eq!(notes[&own(99)], ["← w0: every port"]);
    }
}
