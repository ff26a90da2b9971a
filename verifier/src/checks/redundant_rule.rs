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
//! The first pass asks about every rule in parallel, against all others. A rule that is needed then is not asked
//! again: in the namespaced tier it would be needed again (a flow that only this allow lets through, or only this
//! deny stops, still is one when others of its phase are gone). Only what the first pass finds redundant goes
//! through the phases, and only those whose neighbours are gone are asked anew.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use ir::model::Model;
use ir::policy::{Action, PolicyId, Rank, Rule, RuleId, Tier};
use rayon::prelude::*;

use super::slice::{Neighbours, Slice, decides, preferred};
use crate::answer::{Answer, Report, Undecided};
use crate::encode::{Encoder, Found, Presence, in_own_context};
use crate::error::VerifierError;
use crate::options::Options;
use crate::replay::{Stage, all_but};
use crate::support::irreducible;
use crate::witness::Witness;

/// Why a redundant rule makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// The other rules, or the default, give its flows the verdict that it asks for.
    Repeated,
    /// No flow that it matches ever gets the verdict that it asks for: the other rules, or a default deny, decide all
    /// of them otherwise.
    Overruled,
}

/// A redundant rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redundancy {
    /// The rule.
    pub rule: RuleId,
    /// Why it makes no difference.
    pub effect: Effect,
    /// An irreducible set of other rules that make it redundant whatever the remaining ones say, ascending; one rule
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
    let mut undecided = BTreeSet::new();
    let neighbours = Neighbours::of(model);
    let mut candidates = screen(&neighbours, model, options, &mut undecided)?;
    candidates.sort_by_key(|id| model.rule(*id).map(|rule| turn(*id, rule)));

    let mut removed = BTreeSet::new();
    let mut redundant = vec![];
    for rule in candidates {
        let gone = gone_for(model, rule, &removed);
        let answer = if is_settled(&neighbours, rule, &gone) {
            Verdict::Redundant
        } else {
            in_own_context(|| ask(&neighbours, model, rule, &gone, options))?
        };
        match answer {
            Verdict::Redundant => {
                redundant.push((rule, gone));
                removed.insert(rule);
            }
            Verdict::Needed | Verdict::NeverMatches => {}
            Verdict::Unknown(reason) => {
                undecided.insert(Undecided { rule, reason });
            }
        }
    }

    let mut found = vec![];
    let answers: Vec<_> = redundant
        .par_iter()
        .map(|(rule, before)| {
            let gone = gone_for(model, *rule, &removed);
            in_own_context(|| explain(&neighbours, model, *rule, [&gone, before], &removed, options))
        })
        .collect::<Result<_, _>>()?;
    for ((rule, _), answer) in redundant.iter().zip(answers) {
        match answer {
            Ok(redundancy) => found.push(redundancy),
            Err(reason) => {
                undecided.insert(Undecided { rule: *rule, reason });
            }
        }
    }
    found.sort_by_key(|redundancy| redundancy.rule);
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
    let nothing = BTreeSet::new();
    let neighbours = &Neighbours::of(model);
    in_own_context(|| {
        Ok(match ask(neighbours, model, rule, &nothing, options)? {
            Verdict::NeverMatches => None,
            Verdict::Unknown(reason) => Some(Answer::Unknown(reason)),
            Verdict::Redundant => Some(
                match explain(neighbours, model, rule, [&nothing; 2], &nothing, options)? {
                    Ok(redundancy) => Answer::Holds(redundancy),
                    Err(reason) => Answer::Unknown(reason),
                },
            ),
            Verdict::Needed => Some(match counterexample(neighbours, model, rule, options)? {
                Ok(witness) => Answer::Fails(witness),
                Err(reason) => Answer::Unknown(reason),
            }),
        })
    })
}

/// The question about one rule as SMT-LIB text: unsatisfiable iff no flow tells the rule from its absence.
///
/// # Errors
///
/// A mistake in this crate, or a rule that is not of the model; see [`VerifierError`].
pub fn smt_lib(model: &Model, rule: RuleId, options: &Options) -> Result<String, VerifierError> {
    let neighbours = &Neighbours::of(model);
    in_own_context(|| {
        let asked = Asked::new(neighbours, model, rule, &BTreeSet::new(), options)?;
        let question = asked.encoder.differs(rule, &asked.others)?;
        asked.encoder.to_smt_lib(&question, &asked.all_present())
    })
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

/// Those of the `removed` rules that are gone for `rule`.
fn gone_for(model: &Model, rule: RuleId, removed: &BTreeSet<RuleId>) -> BTreeSet<RuleId> {
    let phase = |id: RuleId| model.rule(id).map(Phase::of);
    let own = phase(rule);
    removed
        .iter()
        .copied()
        .filter(|other| *other != rule)
        .filter(|other| {
            own.zip(phase(*other))
                .is_some_and(|(own, other)| own.misses(other))
        })
        .collect()
}

/// How many policies are asked about in one solver context. Neighbours by id are mostly of one namespace: what one
/// of them needs, the next needs too. A constant, so that what a budget cuts short does not depend on the machine.
const POLICIES_AT_ONCE: usize = 16;

/// Every rule that is redundant when all others are there.
fn screen(
    neighbours: &Neighbours<'_>,
    model: &Model,
    options: &Options,
    undecided: &mut BTreeSet<Undecided>,
) -> Result<Vec<RuleId>, VerifierError> {
    let policies: Vec<_> = model.policy_ids().map(|(id, _)| id).collect();
    let answers: Vec<_> = policies
        .par_chunks(POLICIES_AT_ONCE)
        .map(|policies| in_own_context(|| screen_policies(neighbours, model, policies, options)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut candidates = vec![];
    for (rule, verdict) in answers.into_iter().flatten() {
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

fn screen_policies(
    neighbours: &Neighbours<'_>,
    model: &Model,
    policies: &[PolicyId],
    options: &Options,
) -> Result<Vec<(RuleId, Verdict)>, VerifierError> {
    let asked: Vec<_> = policies
        .iter()
        .flat_map(|policy| model.rule_ids(*policy))
        .filter(|(id, rule)| is_asked(model, *id, rule))
        .map(|(id, _)| id)
        .collect();
    let slice = Slice::of(neighbours, &asked, &BTreeSet::new());
    let encoder = Encoder::new(model, &slice.policies, &slice.rules, options)?;
    encoder.assume_real_flows();
    asked
        .into_iter()
        .map(|id| {
            let others = slice.others.get(&id).map_or(&[][..], Vec::as_slice);
            Ok((id, decide(&encoder, id, others)?))
        })
        .collect()
}

fn is_asked(model: &Model, id: RuleId, rule: &Rule) -> bool {
    model
        .policy(id.policy)
        .is_some_and(|policy| decides(policy, rule.direction))
}

/// Whether what the first pass found still stands: nothing that it rests on has been taken away.
fn is_settled(neighbours: &Neighbours<'_>, rule: RuleId, gone: &BTreeSet<RuleId>) -> bool {
    let slice = Slice::of(neighbours, &[rule], &BTreeSet::new());
    slice.rules.is_disjoint(gone)
}

fn ask(
    neighbours: &Neighbours<'_>,
    model: &Model,
    rule: RuleId,
    removed: &BTreeSet<RuleId>,
    options: &Options,
) -> Result<Verdict, VerifierError> {
    let asked = Asked::new(neighbours, model, rule, removed, options)?;
    decide(&asked.encoder, rule, &asked.others)
}

fn decide(encoder: &Encoder<'_>, rule: RuleId, others: &[RuleId]) -> Result<Verdict, VerifierError> {
    // Whether a rule that is not certain matches a flow is left open: the answer must hold either way.
    let presence: Vec<Presence> = others
        .iter()
        .filter(|other| encoder.is_certain(**other))
        .map(|other| (*other, true))
        .collect();
    match encoder.ask(&encoder.differs(rule, others)?, &presence)? {
        Found::Some => return Ok(Verdict::Needed),
        Found::Unknown(reason) => return Ok(Verdict::Unknown(reason)),
        Found::None => {}
    }
    Ok(match encoder.ask(&encoder.matches(rule)?, &[])? {
        Found::Some => Verdict::Redundant,
        Found::None => Verdict::NeverMatches,
        Found::Unknown(reason) => Verdict::Unknown(reason),
    })
}

/// One rule with all that its questions depend on.
struct Asked<'m> {
    encoder: Encoder<'m>,
    others: Vec<RuleId>,
}

impl<'m> Asked<'m> {
    fn new(
        neighbours: &Neighbours<'_>,
        model: &'m Model,
        rule: RuleId,
        removed: &BTreeSet<RuleId>,
        options: &Options,
    ) -> Result<Self, VerifierError> {
        let slice = Slice::of(neighbours, &[rule], removed);
        let encoder = Encoder::new(model, &slice.policies, &slice.rules, options)?;
        encoder.assume_real_flows();
        Ok(Self {
            encoder,
            others: slice.others.get(&rule).cloned().unwrap_or_default(),
        })
    }

    fn all_present(&self) -> Vec<Presence> {
        self.others.iter().map(|other| (*other, true)).collect()
    }
}

/// A question that the budget cut short.
type Cut<T> = Result<T, String>;

/// Finds the cover and the witness of a redundant rule. The cover is looked for without the rules of the first set
/// (all that are gone in the end), else (in ordered tiers it may need one of them) without those of the second (what
/// was gone when this rule's turn came); rules that are not `reported` themselves are preferred.
fn explain(
    neighbours: &Neighbours<'_>,
    model: &Model,
    rule: RuleId,
    without: [&BTreeSet<RuleId>; 2],
    reported: &BTreeSet<RuleId>,
    options: &Options,
) -> Result<Cut<Redundancy>, VerifierError> {
    for gone in without {
        let mut asked = Asked::new(neighbours, model, rule, gone, options)?;
        asked
            .others
            .sort_by_key(|other| (reported.contains(other), *other));
        match decide(&asked.encoder, rule, &asked.others)? {
            Verdict::Redundant => {
                return Ok(match cover(&asked, rule)? {
                    Ok(covered_by) => {
                        witness(model, &asked, rule, gone)?.map(|(effect, witness)| Redundancy {
                            rule,
                            effect,
                            covered_by,
                            witness,
                        })
                    }
                    Err(reason) => Err(reason),
                });
            }
            Verdict::Unknown(reason) => return Ok(Err(reason)),
            Verdict::Needed | Verdict::NeverMatches => {}
        }
    }
    Err(VerifierError::Solver("repeat an answer"))
}

/// An irreducible set of rules that make `rule` redundant, one rule where one suffices.
fn cover(asked: &Asked<'_>, rule: RuleId) -> Result<Cut<Vec<RuleId>>, VerifierError> {
    /// Ends the search early without being an error.
    enum Stop {
        Cut(String),
        Mistake(VerifierError),
    }
    let question = asked.encoder.differs(rule, &asked.others)?;
    let mut covers = |rules: &[RuleId]| {
        let presence: Vec<Presence> = rules.iter().map(|other| (*other, true)).collect();
        match asked.encoder.ask(&question, &presence) {
            Ok(Found::None) => Ok(true),
            Ok(Found::Some) => Ok(false),
            Ok(Found::Unknown(reason)) => Err(Stop::Cut(reason)),
            Err(mistake) => Err(Stop::Mistake(mistake)),
        }
    };
    let certain: Vec<RuleId> = asked
        .others
        .iter()
        .copied()
        .filter(|other| asked.encoder.is_certain(*other))
        .collect();
    let mut search = || {
        let set = irreducible(&certain, &mut covers)?;
        if set.len() > 1 {
            for other in &certain {
                if covers(std::slice::from_ref(other))? {
                    return Ok(vec![*other]);
                }
            }
        }
        Ok(set)
    };
    match search() {
        Ok(mut set) => {
            set.sort();
            Ok(Ok(set))
        }
        Err(Stop::Cut(reason)) => Ok(Err(reason)),
        Err(Stop::Mistake(mistake)) => Err(mistake),
    }
}

/// A flow that the redundant rule matches, with the verdict that it asks for if there is such a flow, replayed with
/// and without the rule.
fn witness(
    model: &Model,
    asked: &Asked<'_>,
    id: RuleId,
    gone: &BTreeSet<RuleId>,
) -> Result<Cut<(Effect, Witness)>, VerifierError> {
    let rule = model.rule(id).ok_or(VerifierError::NoSuchRule(id))?;
    let wanted = rule.action != Action::Deny;
    for (allowed, effect) in [(wanted, Effect::Repeated), (!wanted, Effect::Overruled)] {
        // A passing rule asks for no verdict of its own.
        let effect = match rule.action {
            Action::Pass => Effect::Repeated,
            Action::Allow | Action::Deny => effect,
        };
        let encoder = &asked.encoder;
        let question = encoder.matches_with_verdict(id, &asked.others, allowed)?;
        let smallest = encoder.smallest(
            &question,
            &asked.all_present(),
            rule.direction,
            &preferred(model, id),
        )?;
        let values = match smallest {
            Ok(Some(values)) => values,
            Ok(None) => continue,
            Err(reason) => return Ok(Err(reason)),
        };
        let witness = Witness::build(model, encoder.vocabulary(), &values, rule.direction, allowed);
        let stage = Stage::new(model, &witness, id);
        stage.expect_match()?;
        stage.expect_verdict_of_all(allowed)?;
        let kept = all_but(gone);
        stage.expect_verdict(allowed, "the verdict with the rule is another one", |other| {
            other == id || kept(other)
        })?;
        stage.expect_verdict(allowed, "the verdict without the rule is another one", |other| {
            other != id && kept(other)
        })?;
        return Ok(Ok((effect, witness)));
    }
    Err(VerifierError::Solver(
        "find a flow again that it had found before",
    ))
}

/// A flow whose verdict changes when a needed rule goes, replayed with and without it.
fn counterexample(
    neighbours: &Neighbours<'_>,
    model: &Model,
    id: RuleId,
    options: &Options,
) -> Result<Cut<Witness>, VerifierError> {
    let rule = model.rule(id).ok_or(VerifierError::NoSuchRule(id))?;
    let asked = Asked::new(neighbours, model, id, &BTreeSet::new(), options)?;
    let question = asked.encoder.differs(id, &asked.others)?;
    let smallest = asked.encoder.smallest(
        &question,
        &asked.all_present(),
        rule.direction,
        &preferred(model, id),
    )?;
    let values = match smallest {
        Ok(Some(values)) => values,
        Ok(None) if asked.others.iter().any(|other| !asked.encoder.is_certain(*other)) => {
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
    let vocabulary = asked.encoder.vocabulary();
    let mut witness = Witness::build(model, vocabulary, &values, rule.direction, true);
    witness.allowed = Stage::new(model, &witness, id).verdict(|_| true);
    let stage = Stage::new(model, &witness, id);
    stage.expect_match()?;
    stage.expect_verdict(!witness.allowed, "the rule makes no difference to it", |other| {
        other != id
    })?;
    Ok(Ok(witness))
}
