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
//! kind, namespace, name, then position) is reported, and the earlier one covers it. Greedily: rules are taken up in
//! a fixed order, and one that is found redundant is gone for those that come after it. The order is: the namespaced
//! tier's denies, its allows, then the admin and the baseline tier; in each, later rules first. Denies come before
//! allows, so that a deny is never called redundant because an allow that it cuts off has just been taken away.
//!
//! The rules that cover a redundant one are never redundant themselves (in the two ordered tiers: unless no surviving
//! set covers it).
//!
//! # Why asking each rule once is almost always enough
//!
//! First every rule is asked about in parallel, against all others. In the namespaced tier, a rule that is needed
//! there stays needed when redundant ones are taken away in the order above: with allows *A*, denies *D* and the
//! default *N*, the verdict is (A ∪ N) ∖ D. While denies are taken away, A is whole, so a flow that only this deny
//! stops is still stopped by it alone; while allows are taken away, A shrinks, so a flow that only this allow lets
//! through is still let through by it alone. Only rules that this pass finds redundant, and those of the ordered
//! tiers, go through the sequential one, and there only those whose neighbours have been taken away are asked again.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use ir::model::Model;
use ir::policy::{Action, PolicyId, Rule, RuleId, Tier};
use rayon::prelude::*;

use super::slice::{Slice, decides, preferred};
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
    /// No flow that it matches ever gets the verdict that it asks for: stronger rules decide all of them.
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
    /// nothing denies, a rule about the pod's own node.
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
    let mut candidates = screen(model, options, &mut undecided)?;
    candidates.sort_by_key(|id| model.rule(*id).map(|rule| turn(*id, rule)));

    let mut removed = BTreeSet::new();
    let mut redundant = vec![];
    for rule in candidates {
        let answer = if is_settled(model, rule, &removed) {
            Verdict::Redundant
        } else {
            in_own_context(|| ask(model, rule, &removed, options))?
        };
        match answer {
            Verdict::Redundant => {
                redundant.push((rule, removed.clone()));
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
        .map(|(rule, before)| in_own_context(|| explain(model, *rule, &removed, before, options)))
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
    in_own_context(|| {
        Ok(match ask(model, rule, &nothing, options)? {
            Verdict::NeverMatches => None,
            Verdict::Unknown(reason) => Some(Answer::Unknown(reason)),
            Verdict::Redundant => Some(match explain(model, rule, &nothing, &nothing, options)? {
                Ok(redundancy) => Answer::Holds(redundancy),
                Err(reason) => Answer::Unknown(reason),
            }),
            Verdict::Needed => Some(match counterexample(model, rule, options)? {
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
    in_own_context(|| {
        let asked = Asked::new(model, rule, &BTreeSet::new(), options)?;
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

/// When a rule's turn comes in the sequential pass.
fn turn(id: RuleId, rule: &Rule) -> (u8, Reverse<RuleId>) {
    let phase = match (rule.rank.tier, rule.action) {
        (Tier::Namespaced, Action::Deny) => 0,
        (Tier::Namespaced, Action::Allow | Action::Pass) => 1,
        (Tier::Admin, _) => 2,
        (Tier::Baseline, _) => 3,
    };
    (phase, Reverse(id))
}

/// Every rule that may be redundant: in the namespaced tier those that are when all others are there, and the rules
/// of the ordered tiers.
fn screen(
    model: &Model,
    options: &Options,
    undecided: &mut BTreeSet<Undecided>,
) -> Result<Vec<RuleId>, VerifierError> {
    let policies: Vec<_> = model.policy_ids().map(|(id, _)| id).collect();
    let answers: Vec<_> = policies
        .into_par_iter()
        .map(|policy| in_own_context(|| screen_policy(model, policy, options)))
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

fn screen_policy(
    model: &Model,
    policy: PolicyId,
    options: &Options,
) -> Result<Vec<(RuleId, Verdict)>, VerifierError> {
    let asked: Vec<_> = model
        .rule_ids(policy)
        .filter(|(id, rule)| is_asked(model, *id, rule))
        .map(|(id, _)| id)
        .collect();
    if asked.is_empty() {
        return Ok(vec![]);
    }
    let slice = Slice::of(model, policy, &asked, &BTreeSet::new());
    let encoder = Encoder::new(model, &slice.policies, &slice.rules, options)?;
    encoder.assume_real_flows();
    asked
        .into_iter()
        .map(|id| {
            let others = slice.others.get(&id).map_or(&[][..], Vec::as_slice);
            let in_order = model
                .rule(id)
                .is_some_and(|rule| rule.rank.tier != Tier::Namespaced);
            let verdict = if in_order {
                Verdict::Redundant
            } else {
                decide(&encoder, id, others)?
            };
            Ok((id, verdict))
        })
        .collect()
}

fn is_asked(model: &Model, id: RuleId, rule: &Rule) -> bool {
    model
        .policy(id.policy)
        .is_some_and(|policy| decides(policy, rule.direction))
}

/// Whether what the first pass found still stands: nothing that it rests on has been taken away.
fn is_settled(model: &Model, rule: RuleId, removed: &BTreeSet<RuleId>) -> bool {
    let namespaced = model
        .rule(rule)
        .is_some_and(|rule| rule.rank.tier == Tier::Namespaced);
    let slice = Slice::of(model, rule.policy, &[rule], &BTreeSet::new());
    namespaced && slice.rules.is_disjoint(removed)
}

fn ask(
    model: &Model,
    rule: RuleId,
    removed: &BTreeSet<RuleId>,
    options: &Options,
) -> Result<Verdict, VerifierError> {
    let asked = Asked::new(model, rule, removed, options)?;
    decide(&asked.encoder, rule, &asked.others)
}

fn decide(encoder: &Encoder<'_>, rule: RuleId, others: &[RuleId]) -> Result<Verdict, VerifierError> {
    let presence: Vec<Presence> = others.iter().map(|other| (*other, true)).collect();
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
        model: &'m Model,
        rule: RuleId,
        removed: &BTreeSet<RuleId>,
        options: &Options,
    ) -> Result<Self, VerifierError> {
        let slice = Slice::of(model, rule.policy, &[rule], removed);
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

/// Finds the cover and the witness of a redundant rule. The cover is looked for among the rules that survive all
/// removals, else (ordered tiers) among those that were there when this rule's turn came.
fn explain(
    model: &Model,
    rule: RuleId,
    removed: &BTreeSet<RuleId>,
    removed_before: &BTreeSet<RuleId>,
    options: &Options,
) -> Result<Cut<Redundancy>, VerifierError> {
    for gone in [removed, removed_before] {
        let asked = Asked::new(model, rule, gone, options)?;
        match decide(&asked.encoder, rule, &asked.others)? {
            Verdict::Redundant => {
                return Ok(match cover(&asked, rule)? {
                    Ok(covered_by) => witness(model, &asked, rule, gone)?.map(|(effect, witness)| Redundancy {
                        rule,
                        effect,
                        covered_by,
                        witness,
                    }),
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
    let mut search = || {
        let set = irreducible(&asked.others, &mut covers)?;
        if set.len() > 1 {
            for other in &asked.others {
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
    Err(VerifierError::Solver("find a flow again that it had found before"))
}

/// A flow whose verdict changes when a needed rule goes, replayed with and without it.
fn counterexample(
    model: &Model,
    id: RuleId,
    options: &Options,
) -> Result<Cut<Witness>, VerifierError> {
    let rule = model.rule(id).ok_or(VerifierError::NoSuchRule(id))?;
    let asked = Asked::new(model, id, &BTreeSet::new(), options)?;
    let question = asked.encoder.differs(id, &asked.others)?;
    let smallest = asked.encoder.smallest(
        &question,
        &asked.all_present(),
        rule.direction,
        &preferred(model, id),
    )?;
    let values = match smallest {
        Ok(Some(values)) => values,
        Ok(None) => return Err(VerifierError::Solver("find a flow again that it had found before")),
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
