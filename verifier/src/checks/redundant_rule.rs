//! A rule is redundant: for every pod that could exist, every peer, protocol and port, the pod's side of the flow
//! gets the same verdict with the rule and without it (`unsat(verdict with ≠ verdict without)`), and the rule does
//! match something.
//!
//! *Removing* a rule leaves its policy in force: what the policy asks for by being there (default deny) stays. Each
//! side of a flow is judged by itself: an ingress rule is not made redundant by a peer's egress policy. Flows that no
//! packet can have (ICMP over IPv6, a party without an address) do not count. A rule that never matches is
//! [`super::rule_never_matches`]; rules of host policies decide nothing about pods and are not asked about.
//!
//! # What is reported when rules make each other redundant
//!
//! Removing *all* reported rules at once changes no verdict. Of two equal rules, the later one (by rule id: policy
//! kind, namespace, name, then position) is reported, and the earlier one covers it: rules are taken up last to
//! first, and one that is found redundant is gone for those that come after it. This goes on in four phases
//! (`Phase`): baseline tier, allows and denies of the namespaced tier, admin tier; the weaker of two rules is the one
//! to go. Every phase finds the others as they were left, with one exception: allows find all denies, and denies all
//! allows, the redundant ones among them too. So a deny is never called redundant because the allow that it
//! cuts off has just been called so. Besides, a rule is only reported when it is also redundant with all others there.
//!
//! Why the exception is safe: with allows *A*, denies *D* and the default *N*, the verdict of the namespaced tier is
//! *V* = (A ∪ N) ∖ D. Let A' and D' be what is left, with (A' ∪ N) ∖ D = V and (A ∪ N) ∖ D' = V. A flow in V is in
//! A' ∪ N and not in D'. One outside V is in D', or not in A ∪ N and so not in A' ∪ N. Hence (A' ∪ N) ∖ D' = V. The
//! same holds for every A'' between A' and A and every D'' between D' and D, so of the rules reported in the
//! namespaced tier any part can be removed.
//!
//! # Why it makes no difference
//!
//! Each rule has one [`Cause`], the first of these that is true; so one mistake is told once, whatever else is true of
//! the rule. A rule that matches nothing at all ([`super::rule_never_matches`]) is none of them.
//!
//! 1. *Shadowed*: whoever is asked earlier decides every flow that it matches.
//! 2. *Cut by deny* (allows of the namespaced tier): deny rules, with what is asked before them, match all of it.
//! 3. *Denied anyway* (denies of the namespaced tier): part of it at least is denied by no other deny rule, but by
//!    default, because nothing allows it.
//! 4. *Repeated*: the other rules decide what it matches as it does.
//!
//! The first pass asks about every rule in parallel, against all others. A rule that is needed then is not asked
//! again: in the namespaced tier it would be needed again (a flow that only this allow lets through, or only this
//! deny stops, still is one when others of its phase are gone). Only what the first pass finds redundant goes
//! through the phases, and only those whose neighbours are gone are asked anew.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ir::model::Model;
use ir::policy::{Action, Rank, Rule, RuleId, Tier};
use rayon::prelude::*;

use crate::answer::{Answer, Report, Undecided};
use crate::encode::Found;
use crate::error::VerifierError;
use crate::options::Options;
use crate::oracle::{Cut, Oracle};
use crate::question::{Question, is_certain};
use crate::replay::Stage;
use crate::slice::decides;
use crate::support::{Stop, irreducible};
use crate::witness::Witness;

/// Why a redundant rule makes no difference; the order is that of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Rules that are asked earlier, or a default deny above a baseline rule, decide every flow that it matches; or all
    /// of them come from the pod's own node, which is let in before anybody is asked.
    Shadowed,
    /// Deny rules match everything that it allows.
    CutByDeny,
    /// What it denies is denied without it, because nothing allows it.
    DeniedAnyway,
    /// The other rules, or the default, give its flows the verdict that it asks for.
    Repeated,
}

/// A redundant rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redundancy {
    /// The rule.
    pub rule: RuleId,
    /// Why it makes no difference.
    pub cause: Cause,
    /// An irreducible set of other rules that are the cause whatever the remaining ones say, ascending; one rule
    /// where one suffices. Empty where no rule is needed for it: a deny of what nothing allows, an allow of what
    /// nothing denies, a rule about the pod's own node, a baseline rule below a default deny.
    pub covered_by: Vec<RuleId>,
    /// A flow that the rule matches; its verdict is the same with and without the rule.
    pub witness: Witness,
}

/// Finds a set of redundant rules that can be removed at once, in the order of their ids.
///
/// # Errors
///
/// A mistake in this crate; see [`VerifierError`].
pub fn redundant_rules(model: &Model, options: &Options) -> Result<Report<Redundancy>, VerifierError> {
    find(&Oracle::of(model, options))
}

/// Finds a set of redundant rules that can be removed at once, in the order of their ids.
pub(crate) fn find(oracle: &Oracle<'_>) -> Result<Report<Redundancy>, VerifierError> {
    let model = oracle.model;
    let mut undecided = BTreeSet::new();
    let mut candidates = screen(oracle, &mut undecided)?;
    candidates.sort_by_key(|id| model.rule(*id).map(|rule| turn(*id, rule)));

    let mut removed = Removed::default();
    for rule in candidates {
        let gone = |other| removed.is_gone_for(model, rule, other, When::Ever);
        // What the first pass found still stands if nothing that it rests on has been taken away.
        let answer = if oracle.near(rule).0.into_iter().any(gone) {
            decide(oracle, rule, &gone)?
        } else {
            Verdict::Redundant
        };
        match answer {
            Verdict::Redundant => removed.add(rule),
            Verdict::Needed | Verdict::NeverMatches => {}
            Verdict::Unknown(reason) => {
                undecided.insert(Undecided { rule, reason });
            }
        }
    }

    let rules: Vec<RuleId> = removed.turns.keys().copied().collect();
    let answers: Vec<_> = rules
        .par_iter()
        .map(|rule| explain(oracle, *rule, &removed))
        .collect::<Result<_, _>>()?;
    let mut found = vec![];
    for (rule, answer) in rules.into_iter().zip(answers) {
        match answer {
            Ok(redundancy) => found.push(redundancy),
            Err(reason) => {
                undecided.insert(Undecided { rule, reason });
            }
        }
    }
    Ok(Report {
        found,
        undecided: undecided.into_iter().collect(),
    })
}

/// Asks about one rule against all others: redundant, with its cover; or needed, with a flow whose verdict changes
/// when the rule goes; or unknown. A rule that never matches is needed by no flow and covered by nothing: it comes
/// back as `Ok(None)`.
///
/// # Errors
///
/// A mistake in this crate, or a rule that is not of the model; see [`VerifierError`].
pub fn redundancy(
    model: &Model,
    rule: RuleId,
    options: &Options,
) -> Result<Option<Answer<Redundancy, Witness>>, VerifierError> {
    let oracle = &Oracle::of(model, options);
    model.rule(rule).ok_or(VerifierError::NoSuchRule(rule))?;
    Ok(match decide(oracle, rule, &|_| false)? {
        Verdict::NeverMatches => None,
        Verdict::Unknown(reason) => Some(Answer::Unknown(reason)),
        Verdict::Redundant => Some(match explain(oracle, rule, &Removed::default())? {
            Ok(redundancy) => Answer::Holds(redundancy),
            Err(reason) => Answer::Unknown(reason),
        }),
        Verdict::Needed => Some(match counterexample(oracle, rule)? {
            Ok(witness) => Answer::Fails(witness),
            Err(reason) => Answer::Unknown(reason),
        }),
    })
}

/// The question about one rule as SMT-LIB text: unsatisfiable iff no flow tells the rule from its absence.
///
/// # Errors
///
/// A mistake in this crate, or a rule that is not of the model; see [`VerifierError`].
pub fn smt_lib(model: &Model, rule: RuleId, options: &Options) -> Result<String, VerifierError> {
    Oracle::of(model, options).smt_lib(Question::Differs(rule), &|_| Some(true))
}

/// The answer for one rule, without what explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Redundant,
    Needed,
    NeverMatches,
    Unknown(String),
}

/// When rules are taken up, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Baseline,
    Allows,
    Denies,
    Admin,
}

impl Phase {
    fn of(rule: &Rule) -> Self {
        match (rule.rank.tier, rule.action) {
            (Tier::Baseline, _) => Self::Baseline,
            (Tier::Namespaced, Action::Allow | Action::Pass) => Self::Allows,
            (Tier::Namespaced, Action::Deny) => Self::Denies,
            (Tier::Admin, _) => Self::Admin,
        }
    }

    /// Whether rules of this phase miss the redundant rules of `other`.
    fn misses(self, other: Self) -> bool {
        other <= self && (self, other) != (Self::Denies, Self::Allows)
    }
}

/// When a rule's turn comes: by phase, in each the last first.
fn turn(id: RuleId, rule: &Rule) -> (Phase, Reverse<(Rank, RuleId)>) {
    (Phase::of(rule), Reverse((rule.rank, id)))
}

/// Which of the rules that are found redundant is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Every one.
    Ever,
    /// Those found before the rule's own turn.
    Before,
}

/// The rules that were found redundant, each with its turn.
#[derive(Debug, Default)]
struct Removed {
    turns: BTreeMap<RuleId, usize>,
}

impl Removed {
    fn add(&mut self, rule: RuleId) {
        self.turns.insert(rule, self.turns.len());
    }

    /// Whether `other` is gone for `rule`.
    fn is_gone_for(&self, model: &Model, rule: RuleId, other: RuleId, when: When) -> bool {
        let Some(turn) = self.turns.get(&other).filter(|_| other != rule) else {
            return false;
        };
        let in_time = when == When::Ever || self.turns.get(&rule).is_none_or(|own| turn < own);
        let phase = |id| model.rule(id).map(Phase::of);
        in_time
            && phase(rule)
                .zip(phase(other))
                .is_some_and(|(own, other)| own.misses(other))
    }
}

/// Every rule that is redundant when all others are there.
fn screen(oracle: &Oracle<'_>, undecided: &mut BTreeSet<Undecided>) -> Result<Vec<RuleId>, VerifierError> {
    let model = oracle.model;
    let asked: Vec<RuleId> = model
        .policy_ids()
        .flat_map(|(id, policy)| {
            let rules = model.rule_ids(id);
            rules.filter(|(_, rule)| decides(policy, rule.direction))
        })
        .map(|(id, _)| id)
        .collect();
    let answers: Vec<_> = asked
        .par_iter()
        .map(|rule| decide(oracle, *rule, &|_| false))
        .collect::<Result<_, _>>()?;
    let mut candidates = vec![];
    for (rule, verdict) in asked.into_iter().zip(answers) {
        match verdict {
            Verdict::Redundant => candidates.push(rule),
            Verdict::Needed | Verdict::NeverMatches => {}
            Verdict::Unknown(reason) => {
                undecided.insert(Undecided { rule, reason });
            }
        }
    }
    Ok(candidates)
}

fn decide(
    oracle: &Oracle<'_>,
    rule: RuleId,
    gone: &(dyn Fn(RuleId) -> bool + Sync),
) -> Result<Verdict, VerifierError> {
    match oracle.ask(Question::Differs(rule), &|other| there(oracle.model, other, gone))? {
        Found::Some => return Ok(Verdict::Needed),
        Found::Unknown(reason) => return Ok(Verdict::Unknown(reason)),
        Found::None => {}
    }
    Ok(match oracle.ask(Question::Matches(rule), &|_| None)? {
        Found::Some => Verdict::Redundant,
        Found::None => Verdict::NeverMatches,
        Found::Unknown(reason) => Verdict::Unknown(reason),
    })
}

/// Whether a rule is there. Whether one that is not certain matches a flow is left open: the answer must hold either
/// way.
fn there(model: &Model, other: RuleId, gone: &dyn Fn(RuleId) -> bool) -> Option<bool> {
    if gone(other) {
        Some(false)
    } else if is_certain(model, other) {
        Some(true)
    } else {
        None
    }
}

/// Finds the cause, the cover and the witness of a redundant rule. They are looked for without all rules that are gone
/// in the end; where that fails (in ordered tiers one of them may be needed), without those that were gone when this
/// rule's turn came. Rules that are not removed themselves are preferred.
fn explain(oracle: &Oracle<'_>, rule: RuleId, removed: &Removed) -> Result<Cut<Redundancy>, VerifierError> {
    for when in [When::Ever, When::Before] {
        let gone = |other| removed.is_gone_for(oracle.model, rule, other, when);
        match decide(oracle, rule, &gone)? {
            Verdict::Redundant => {}
            Verdict::Unknown(reason) => return Ok(Err(reason)),
            Verdict::Needed | Verdict::NeverMatches => continue,
        }
        let (cause, question) = match cause(oracle, rule, &gone)? {
            Ok(cause) => cause,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut others = oracle.near(rule).0;
        others.retain(|other| !gone(*other) && is_certain(oracle.model, *other));
        others.sort_by_key(|other| (removed.turns.contains_key(other), *other));
        let covered_by = match cover(oracle, question, &others, &gone)? {
            Ok(covered_by) => covered_by,
            Err(reason) => return Ok(Err(reason)),
        };
        return Ok(witness(oracle, rule, cause, &gone)?.map(|witness| Redundancy {
            rule,
            cause,
            covered_by,
            witness,
        }));
    }
    Err(VerifierError::Solver("repeat an answer"))
}

/// Why a redundant rule makes no difference, and the question whose "no" says so.
fn cause(
    oracle: &Oracle<'_>,
    id: RuleId,
    gone: &(dyn Fn(RuleId) -> bool + Sync),
) -> Result<Cut<(Cause, Question)>, VerifierError> {
    let rule = oracle.model.rule(id).ok_or(VerifierError::NoSuchRule(id))?;
    let presence = |other| there(oracle.model, other, gone);
    let undenied = match (rule.rank.tier, rule.action) {
        (Tier::Namespaced, Action::Allow) => Some((Cause::CutByDeny, Cause::Repeated)),
        (Tier::Namespaced, Action::Deny) => Some((Cause::Repeated, Cause::DeniedAnyway)),
        _ => None,
    };
    let questions = std::iter::once((Question::Reached(id), Cause::Shadowed))
        .chain(undenied.map(|(none, _)| (Question::Undenied(id), none)));
    for (question, cause) in questions {
        match oracle.ask(question, &presence)? {
            Found::None => return Ok(Ok((cause, question))),
            Found::Some => {}
            Found::Unknown(reason) => return Ok(Err(reason)),
        }
    }
    let otherwise = undenied.map_or(Cause::Repeated, |(_, some)| some);
    Ok(Ok((otherwise, Question::Differs(id))))
}

/// An irreducible set of the `others` for which the answer to the question is "no" whatever the rest says; one rule
/// where one suffices.
fn cover(
    oracle: &Oracle<'_>,
    question: Question,
    others: &[RuleId],
    gone: &(dyn Fn(RuleId) -> bool + Sync),
) -> Result<Cut<Vec<RuleId>>, VerifierError> {
    let mut covers = |rules: &[RuleId]| {
        let chosen: BTreeSet<RuleId> = rules.iter().copied().collect();
        let presence = |other| match (gone(other), chosen.contains(&other)) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        };
        Stop::no_flow(oracle.ask(question, &presence))
    };
    // A guardrail is best covered by guardrails.
    let admin: Vec<RuleId> = others
        .iter()
        .copied()
        .filter(|other| is_admin(oracle.model, *other))
        .collect();
    let mut search = || {
        let others = match is_admin(oracle.model, question.rule()) && covers(&admin)? {
            true => admin.as_slice(),
            false => others,
        };
        let mut set = irreducible(others, &mut covers)?;
        if set.len() > 1 {
            for other in others {
                if covers(std::slice::from_ref(other))? {
                    return Ok(vec![*other]);
                }
            }
        }
        set.sort();
        Ok(set)
    };
    Stop::settled(search())
}

pub(crate) fn is_admin(model: &Model, rule: RuleId) -> bool {
    model.rule(rule).is_some_and(|rule| rule.rank.tier == Tier::Admin)
}

/// A flow that the redundant rule matches, replayed with and without the rule: for a rule that is overruled one that
/// gets another verdict than it asks for, if there is such a flow, else one that gets it.
fn witness(
    oracle: &Oracle<'_>,
    id: RuleId,
    cause: Cause,
    gone: &(dyn Fn(RuleId) -> bool + Sync),
) -> Result<Cut<Witness>, VerifierError> {
    let model = oracle.model;
    let rule = model.rule(id).ok_or(VerifierError::NoSuchRule(id))?;
    let asked_for = rule.action != Action::Deny;
    let first = match cause {
        Cause::Shadowed | Cause::CutByDeny => !asked_for,
        Cause::DeniedAnyway | Cause::Repeated => asked_for,
    };
    for allowed in [first, !first] {
        let question = Question::MatchesWithVerdict(id, allowed);
        let presence = |other| Some(!gone(other));
        let witness = match oracle.example(question, &presence, allowed)? {
            Ok(Some(witness)) => witness,
            Ok(None) => continue,
            Err(reason) => return Ok(Err(reason)),
        };
        let stage = Stage::new(model, &witness, id);
        stage.expect_match()?;
        stage.expect_verdict_of_all(allowed)?;
        stage.expect_verdict(allowed, "the verdict with the rule is another one", |other| {
            other == id || !gone(other)
        })?;
        stage.expect_verdict(allowed, "the verdict without the rule is another one", |other| {
            other != id && !gone(other)
        })?;
        return Ok(Ok(witness));
    }
    Err(VerifierError::Solver(
        "find a flow again that it had found before",
    ))
}

/// A flow whose verdict changes when a needed rule goes, replayed with and without it.
fn counterexample(oracle: &Oracle<'_>, id: RuleId) -> Result<Cut<Witness>, VerifierError> {
    let model = oracle.model;
    let mut witness = match oracle.example(Question::Differs(id), &|_| Some(true), true)? {
        Ok(Some(witness)) => witness,
        Ok(None) if oracle.near(id).0.iter().any(|other| !is_certain(model, *other)) => {
            return Ok(Err(
                "it depends on what another rule demands beyond addresses and ports".to_owned(),
            ));
        }
        Ok(None) => {
            return Err(VerifierError::Solver(
                "find a flow again that it had found before",
            ));
        }
        Err(reason) => return Ok(Err(reason)),
    };
    witness.allowed = Stage::new(model, &witness, id).verdict(|_| true);
    let stage = Stage::new(model, &witness, id);
    stage.expect_match()?;
    stage.expect_verdict(!witness.allowed, "the rule makes no difference to it", |other| {
        other != id
    })?;
    Ok(Ok(witness))
}
