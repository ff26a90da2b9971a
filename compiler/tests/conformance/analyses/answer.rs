//! The answers to a question, as the other program counts them.

use super::read::{Question, Sets};
use ir::cluster::Cluster;
use ir::model::Model;
use ir::peer::{PeerMatch, Peers};
use ir::policy::{Policy, Subject};
use ir::selector::Selector;
use libtest_mimic::Failed;
use portcullis_compiler::check::{self, Understood};
use portcullis_compiler::diagnostic::Code;
use portcullis_compiler::diff::diff;
use portcullis_compiler::resolve::Resolved;
use std::collections::BTreeSet;
use verifier::options::Options;

/// One question, three times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Over the pods of the file, each policy and rule taken away by itself.
    pub(crate) over_pods: usize,
    /// The same over every pod that could exist.
    pub(crate) over_all: usize,
    /// What the program tells.
    pub(crate) told: usize,
}

impl Answers {
    fn all(number: usize) -> Self {
        Self {
            over_pods: number,
            over_all: number,
            told: number,
        }
    }

    /// The sum for the pods of the file and for all pods; what is told is the latter.
    fn of_both(mut number: impl FnMut(Over) -> Result<usize, Failed>) -> Result<Self, Failed> {
        let (over_pods, over_all) = (number(Over::Pods)?, number(Over::All)?);
        Ok(Self {
            over_pods,
            over_all,
            told: over_all,
        })
    }

    fn and(self, other: Self) -> Self {
        Self {
            over_pods: self.over_pods + other.over_pods,
            over_all: self.over_all + other.over_all,
            told: self.told + other.told,
        }
    }
}

/// Whose flows are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// Those of the pods of the file, by `diff`.
    Pods,
    /// Those of every pod that could exist, by `diff --symbolic`.
    All,
}

impl Over {
    /// Whether `new` lets a flow pass that `old` does not.
    fn gains(self, old: &Model, new: &Model) -> Result<bool, Failed> {
        if self == Self::Pods {
            let difference = diff(&Resolved::of(old), &Resolved::of(new));
            return Ok(difference.changes.iter().any(|change| !change.added().is_empty()));
        }
        let opened = verifier::change::compare(old, new, 1, &Options::default())?.opened;
        match opened.unknown {
            Some(reason) => Err(format!("not decided: {reason}").into()),
            None => Ok(!opened.is_proved_empty()),
        }
    }

    fn are_equal(self, one: &Model, other: &Model) -> Result<bool, Failed> {
        Ok(!self.gains(one, other)? && !self.gains(other, one)?)
    }
}

/// Answers a question.
pub(crate) fn answers(sets: &Sets, question: &Question) -> Result<Answers, Failed> {
    let read: Vec<_> = question
        .sets
        .iter()
        .map(|name| sets.understood(name))
        .collect::<Result<_, _>>()?;
    let models: Vec<_> = read.iter().map(|read| &read.model).collect();
    let first = *models.first().ok_or("of which sets?")?;
    let sum = |one: &dyn Fn(&Understood) -> Result<Answers, Failed>| {
        read.iter()
            .try_fold(Answers::default(), |sum, read| Ok(sum.and(one(read)?)))
    };
    let count = |pairs: Vec<(&Model, &Model)>, is: &dyn Fn(Over, &Model, &Model) -> Result<bool, Failed>| {
        Answers::of_both(|over| {
            pairs.iter().try_fold(
                0,
                |sum, (one, other)| Ok(sum + usize::from(is(over, one, other)?)),
            )
        })
    };
    let with_first = || models.iter().skip(1).map(|other| (first, *other)).collect();
    let pairs = || {
        let all = models.iter().enumerate();
        all.flat_map(|(place, one)| models.iter().skip(place + 1).map(|other| (*one, *other)))
            .collect::<Vec<_>>()
    };
    match &*question.kind {
        "emptiness" => sum(&emptiness),
        "vacuity" => sum(&|read| vacuity(sets, &read.model)),
        "redundancy" => sum(&|read| redundancy(&read.model, &|_, _| false)),
        "sanity" => sum(&|read| sanity(sets, read)),
        "equivalence" => count(pairs(), &|over, one, other| Ok(!over.are_equal(one, other)?)),
        "strongEquivalence" => count(pairs(), &differ_by_policy),
        "containment" => count(with_first(), &|over, whole, part| Ok(!over.gains(whole, part)?)),
        "twoWayContainment" => Answers::of_both(|over| {
            // 1: the second is part of the first; 2: the first is part of the second; 3: both.
            with_first()
                .iter()
                .try_fold(0, |sum, (one, other): &(&Model, &Model)| {
                    let (second, first) = (!over.gains(one, other)?, !over.gains(other, one)?);
                    Ok(sum + usize::from(second) + 2 * usize::from(first))
                })
        }),
        "interferes" => count(with_first(), &interferes),
        "pairwiseInterferes" => {
            let there = pairs();
            let back = there.iter().map(|(one, other)| (*other, *one));
            count(there.iter().copied().chain(back).collect(), &interferes)
        }
        other => Err(format!("no such question: {other}").into()),
    }
}

/// Whether `other` opens something for the pods that `one` selects. What it opens for others is open without it.
fn interferes(over: Over, one: &Model, other: &Model) -> Result<bool, Failed> {
    let both = one.policies().iter().chain(other.policies()).cloned();
    over.gains(one, &Model::new(one.cluster.clone(), both))
}

/// Whether some policy has another name or another meaning, by itself.
fn differ_by_policy(over: Over, one: &Model, other: &Model) -> Result<bool, Failed> {
    let alone = |model: &Model, policy: &Policy| Model::new(model.cluster.clone(), [policy.clone()]);
    if one.policies().len() != other.policies().len() {
        return Ok(true);
    }
    for (a, b) in one.policies().iter().zip(other.policies()) {
        if a.name != b.name || !over.are_equal(&alone(one, a), &alone(other, b))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn vacuity(sets: &Sets, model: &Model) -> Result<Answers, Failed> {
    let bare = sets.bare()?;
    Answers::of_both(|over| Ok(usize::from(over.are_equal(&bare, model)?)))
}

/// Policies that select no pod, and rules whose peers do not; told are PC301, PC601 and PC602.
fn emptiness(read: &Understood) -> Result<Answers, Failed> {
    let empty = empty(&read.model);
    let checked = check::check(read, Some(&Options::default()))?;
    let codes = [
        Code::RULE_NEVER_MATCHES,
        Code::POLICY_SELECTS_NOTHING,
        Code::PEER_SELECTS_NOTHING,
    ];
    let told = checked
        .findings
        .iter()
        .filter(|finding| codes.contains(&finding.code));
    Ok(Answers {
        told: told.count(),
        ..Answers::all(empty.len())
    })
}

/// Policies and, with the place, rules.
type Parts = BTreeSet<(usize, Option<usize>)>;

fn empty(model: &Model) -> Parts {
    let mut parts = Parts::new();
    for (place, policy) in model.policies().iter().enumerate() {
        if let Subject::Endpoints(subject) = &policy.subject
            && !selects(&model.cluster, subject)
        {
            parts.insert((place, None));
        }
        for (rule, written) in policy.rules.iter().enumerate() {
            if let Peers::OneOf(peers) = &written.peers
                && peers.iter().all(|peer| match &peer.matches {
                    PeerMatch::Endpoints(selector) => !selects(&model.cluster, selector),
                    _ => false,
                })
            {
                parts.insert((place, Some(rule)));
            }
        }
    }
    parts
}

fn selects(cluster: &Cluster, selector: &Selector) -> bool {
    let pods = cluster.endpoints().iter();
    pods.into_iter()
        .any(|pod| selector.matches(|attribute| cluster.attribute(pod, attribute)))
}

/// Policies without which all stays the same, and rules of the others; `leave_out` says which are not counted.
fn redundancy(model: &Model, leave_out: &dyn Fn(usize, Option<usize>) -> bool) -> Result<Answers, Failed> {
    let by_removal = Answers::of_both(|over| {
        let parts = superfluous(over, model)?;
        Ok(parts
            .iter()
            .filter(|(policy, rule)| !leave_out(*policy, *rule))
            .count())
    })?;
    let ids: Vec<_> = model.policy_ids().map(|(id, _)| id).collect();
    let impacts = verifier::impact::impacts(model, &ids, 1, &Options::default())?;
    let idle: BTreeSet<_> = impacts
        .iter()
        .filter(|impact| ids.len() > 1 && impact.is_proved_idle())
        .map(|impact| impact.policy)
        .collect();
    let conflicts = verifier::conflicts(model, &Options::default())?;
    let rules = conflicts.redundant.iter().map(|redundancy| redundancy.rule);
    let told = rules
        .filter(|rule| !idle.contains(&rule.policy))
        .map(|rule| (rule.policy.0 as usize, Some(rule.rule as usize)))
        .chain(idle.iter().map(|policy| (policy.0 as usize, None)))
        .filter(|(policy, rule)| !leave_out(*policy, *rule))
        .count();
    Ok(Answers { told, ..by_removal })
}

/// Takes away each policy, and each rule of those that are needed.
fn superfluous(over: Over, model: &Model) -> Result<Parts, Failed> {
    let mut parts = Parts::new();
    for (place, policy) in model.policies().iter().enumerate() {
        let others = model
            .policies()
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place);
        let others: Vec<_> = others.map(|(_, other)| other.clone()).collect();
        let with =
            |policy: Option<Policy>| Model::new(model.cluster.clone(), others.iter().cloned().chain(policy));
        if !others.is_empty() && over.are_equal(model, &with(None))? {
            parts.insert((place, None));
            continue;
        }
        for rule in 0..policy.rules.len() {
            let mut without = policy.clone();
            without.rules.remove(rule);
            if over.are_equal(model, &with(Some(without)))? {
                parts.insert((place, Some(rule)));
            }
        }
    }
    Ok(parts)
}

/// What is wrong with a set, each mistake once: it changes nothing, or parts of it do not; and what is empty.
fn sanity(sets: &Sets, read: &Understood) -> Result<Answers, Failed> {
    let empty_parts = empty(&read.model);
    let [nothing, wrong] = [vacuity(sets, &read.model)?, emptiness(read)?];
    let superfluous = redundancy(&read.model, &|policy, rule| {
        empty_parts.contains(&(policy, None)) || rule.is_some() && empty_parts.contains(&(policy, rule))
    })?;
    let of = |nothing: usize, superfluous: usize| if nothing == 1 { 1 } else { superfluous };
    Ok(wrong.and(Answers {
        over_pods: of(nothing.over_pods, superfluous.over_pods),
        over_all: of(nothing.over_all, superfluous.over_all),
        told: of(nothing.told, superfluous.told),
    }))
}
