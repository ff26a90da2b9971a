//! Differences against the connections of both sides.

use super::*;
use crate::connectivity::{Connection, blocks};
use ir::cluster::Family;
use ir::model::Model;
use ir::testing::{Profile, models};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// An end, addresses outside cut into pieces that no block cuts any further.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Workload(String, String, String),
    Piece(Family, u128),
}

type Table = BTreeMap<(End, End), PortSet>;

/// Where pieces begin.
fn cuts<'a>(peers: impl Iterator<Item = &'a Peer>) -> BTreeSet<(Family, u128)> {
    peers
        .filter_map(|peer| match peer {
            Peer::Outside(blocks) => Some(blocks),
            Peer::Workload { .. } => None,
        })
        .flatten()
        .flat_map(|block| {
            let family = Family::of(block.addr());
            let behind = blocks::number(block.broadcast()).checked_add(1);
            [
                Some((family, blocks::number(block.network()))),
                behind.map(|next| (family, next)),
            ]
        })
        .flatten()
        .collect()
}

fn ends(peer: &Peer, cuts: &BTreeSet<(Family, u128)>) -> Vec<End> {
    match peer {
        Peer::Workload {
            namespace,
            name,
            kind,
            ..
        } => {
            vec![End::Workload(namespace.clone(), name.clone(), kind.clone())]
        }
        Peer::Outside(blocks) => blocks
            .iter()
            .flat_map(|block| {
                let family = Family::of(block.addr());
                let inside =
                    (family, blocks::number(block.network()))..=(family, blocks::number(block.broadcast()));
                cuts.range(inside)
                    .map(|(family, first)| End::Piece(*family, *first))
            })
            .collect(),
    }
}

fn table(connections: &[Connection], cuts: &BTreeSet<(Family, u128)>) -> Table {
    let mut table = Table::new();
    for connection in connections {
        for source in ends(&connection.source, cuts) {
            for destination in ends(&connection.destination, cuts) {
                let before = table.insert((source.clone(), destination), (*connection.ports).clone());
                assert_eq!(before, None, "a pair has one entry");
            }
        }
    }
    table
}

/// A model, and one that became of it: other policies, one policy less, or all other.
fn pairs() -> impl Strategy<Value = (Model, Model)> {
    let profile = Profile::everything();
    (models(profile), models(profile), any::<u8>()).prop_map(|(old, other, choice)| {
        let new = match choice % 3 {
            0 => Model::new(old.cluster.clone(), other.policies().to_vec()),
            1 => Model::new(old.cluster.clone(), old.policies().iter().skip(1).cloned()),
            _ => other,
        };
        (old, new)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn changes_applied_to_the_old_connections_give_the_new_ones((old, new) in pairs()) {
        let (old, new) = (Resolved::of(&old), Resolved::of(&new));
        let (before, after) = (Connectivity::of(&old), Connectivity::of(&new));
        let apart = apart(&before, &after);
        let (before, after) = (before.connections(&apart), after.connections(&apart));
        let diff = diff(&old, &new);
        let changed = diff.changes.iter().flat_map(|change| [&change.source, &change.destination]);
        let connected = before.iter().chain(&after);
        let connected = connected.flat_map(|connection| [&*connection.source, &*connection.destination]);
        let cuts = cuts(connected.chain(changed));
        let (mut applied, expected) = (table(&before, &cuts), table(&after, &cuts));
        for change in &diff.changes {
            prop_assert_ne!(&change.old, &change.new);
            for source in ends(&change.source, &cuts) {
                for destination in ends(&change.destination, &cuts) {
                    let pair = (source.clone(), destination);
                    let was = applied.remove(&pair).unwrap_or_default();
                    prop_assert_eq!(&was, &change.old, "{:?}", pair);
                    if !change.new.is_empty() {
                        applied.insert(pair, change.new.clone());
                    }
                }
            }
            // Every port that differs has a cause, and the cause says what happened to it.
            let mut explained = PortSet::NONE;
            for cause in &change.causes {
                let range = cause.ports.ranges()[0];
                let allowed = |verdict: &Option<Verdict>| verdict.as_ref().is_some_and(Verdict::allowed);
                prop_assert_eq!(allowed(&cause.old), change.old.contains(range.protocol, range.first), "{:#?}", change);
                prop_assert_eq!(allowed(&cause.new), change.new.contains(range.protocol, range.first), "{:#?}", change);
                prop_assert!(explained.and(&cause.ports).is_empty());
                explained = explained.or(&cause.ports);
            }
            prop_assert_eq!(explained, change.added().or(&change.removed()));
        }
        prop_assert_eq!(applied, expected);
    }

    #[test]
    fn nothing_differs_between_equal_inputs((model, _) in pairs()) {
        let resolved = Resolved::of(&model);
        prop_assert_eq!(diff(&resolved, &resolved), Diff::default());
    }
}

#[test]
fn a_workload_that_one_side_tells_pod_by_pod_is_told_so_on_both() {
    let model = |labels: &str| {
        ir::text::parse(&format!(
            "endpoint a/x-0 of StatefulSet/x labels app=a\nendpoint a/x-1 of StatefulSet/x labels app={labels}\n\
             policy NetworkPolicy a/p on pods [app=b, ns=a] denies both @ p.yaml:1:1 {{\n}}\n"
        ))
        .unwrap()
    };
    let (old, new) = (model("a"), model("b"));
    let diff = diff(&Resolved::of(&old), &Resolved::of(&new));
    assert_eq!((diff.only_old.len(), diff.only_new.len()), (0, 0));
    let told: Vec<_> = diff
        .changes
        .iter()
        .map(|change| {
            format!(
                "{} {} -> {}",
                change.kind().as_str(),
                change.source,
                change.destination
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "removed a/x-0 (Pod) -> a/x-1 (Pod)",
            "removed a/x-1 (Pod) -> a/x-0 (Pod)",
            "removed a/x-1 (Pod) -> anywhere outside",
            "removed anywhere outside -> a/x-1 (Pod)",
        ]
    );
}

#[test]
fn a_pod_that_a_controller_takes_over_is_gone_as_a_pod() {
    let model = |text: &str| ir::text::parse(text).unwrap();
    let old = model("endpoint a/x\nendpoint a/z\n");
    let new = model("endpoint a/x of Deployment/y\nendpoint a/z\n");
    let diff = diff(&Resolved::of(&old), &Resolved::of(&new));
    let names = |peers: &[Peer]| -> Vec<String> { peers.iter().map(ToString::to_string).collect() };
    assert_eq!(names(&diff.only_old), ["a/x (Pod)"]);
    assert_eq!(names(&diff.only_new), ["a/y (Deployment)"]);
    for change in &diff.changes {
        let cause = &change.causes[0];
        assert_eq!(cause.old.is_none(), change.kind() == Kind::Added);
        assert_eq!(cause.new.is_none(), change.kind() == Kind::Removed);
    }
}

#[test]
fn the_second_pod_of_a_workload_opens_what_one_alone_could_not_ask_for() {
    let model =
        |more: &str| ir::text::parse(&format!("endpoint a/x-0 of Pod/x at 10.0.0.1\n{more}")).unwrap();
    let (old, new) = (model(""), model("endpoint a/x-1 of Pod/x at 10.0.0.2\n"));
    let diff = diff(&Resolved::of(&old), &Resolved::of(&new));
    let causes: Vec<_> = diff.changes.iter().flat_map(|change| &change.causes).collect();
    assert!(!causes.is_empty());
    for cause in causes {
        assert_eq!(cause.old, None, "there was no second pod to talk to");
        assert!(cause.new.as_ref().is_some_and(Verdict::allowed));
    }
}
