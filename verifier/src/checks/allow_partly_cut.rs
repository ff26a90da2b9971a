//! An allow rule is partly cut: some flow matches it and a deny rule of the same tier, and nobody asked earlier decides
//! it (`sat(allow matches ∧ deny matches ∧ ¬ admin tier decides)`).
//!
//! That is what deny rules are for, so only what reads as a contradiction is told: the allow names its peers (by labels or
//! by blocks smaller than a whole family; not everybody, a namespace or the world), the deny is of another policy and
//! speaks of them in the same way, and neither is one that changes nothing ([`super::redundant_rule`]; an allow that deny rules
//! cut off *whole* is told there). One finding for each allow rule, with every deny rule that cuts it.

use std::collections::BTreeSet;

use ir::peer::{PeerMatch, Peers};
use ir::policy::{Action, Rule, RuleId, Tier};
use ir::selector::Attribute;
use rayon::prelude::*;

use crate::answer::{Report, Undecided};
use crate::encode::Found;
use crate::error::VerifierError;
use crate::oracle::{Cut, Oracle};
use crate::question::{Question, is_certain};
use crate::replay::Stage;
use crate::slice::decides;
use crate::witness::Witness;

/// An allow rule of which deny rules take a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartlyCut {
    /// The allow rule.
    pub rule: RuleId,
    /// Every deny rule that takes something, ascending.
    pub cut_by: Vec<RuleId>,
    /// A flow that the first of them takes.
    pub witness: Witness,
}

/// Finds every allow rule that is partly cut, leaving out the rules of `told`.
pub(crate) fn find(oracle: &Oracle<'_>, told: &BTreeSet<RuleId>) -> Result<Report<PartlyCut>, VerifierError> {
    let model = oracle.model;
    let asked: Vec<RuleId> = model
        .policy_ids()
        .flat_map(|(id, policy)| {
            let rules = model.rule_ids(id);
            rules.filter(|(_, rule)| {
                decides(policy, rule.direction)
                    && rule.rank.tier == Tier::Namespaced
                    && rule.action == Action::Allow
                    && names_its_peers(rule)
            })
        })
        .map(|(id, _)| id)
        .filter(|id| !told.contains(id))
        .collect();
    let answers: Vec<_> = asked
        .par_iter()
        .map(|rule| cuts(oracle, *rule, told))
        .collect::<Result<_, _>>()?;
    let mut report = Report {
        found: vec![],
        undecided: vec![],
    };
    for (rule, answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(cut) => report.found.extend(cut),
            Err(reason) => report.undecided.push(Undecided { rule, reason }),
        }
    }
    Ok(report)
}

fn names_its_peers(rule: &Rule) -> bool {
    let Peers::OneOf(peers) = &rule.peers else {
        return false;
    };
    peers.iter().all(|peer| match &peer.matches {
        PeerMatch::Endpoints(selector) | PeerMatch::Nodes(selector) | PeerMatch::OtherNodes(selector) => {
            selector.requirements().iter().any(|requirement| {
                matches!(
                    requirement.attribute,
                    Attribute::Label(_) | Attribute::ServiceAccount
                )
            })
        }
        PeerMatch::Cidr(block) => block.cidr.prefix_len() > 0,
        PeerMatch::Domain(_) => true,
        PeerMatch::Entity(_) => false,
    })
}

/// Whether the deny speaks of peers in a way in which the allow does: that a block may hold the address of some pod is
/// no contradiction to a deny of pods by their labels.
fn speak_alike(allow: &Rule, deny: &Rule) -> bool {
    let (Peers::OneOf(allowed), Peers::OneOf(denied)) = (&allow.peers, &deny.peers) else {
        return true;
    };
    let apart = |allow: &PeerMatch, deny: &PeerMatch| {
        use PeerMatch::{Cidr, Domain, Endpoints, Nodes, OtherNodes};
        matches!(
            (allow, deny),
            (Endpoints(_), Cidr(_) | Domain(_))
                | (Cidr(_) | Domain(_), Endpoints(_))
                | (Nodes(_) | OtherNodes(_), Cidr(_))
                | (Cidr(_), Nodes(_) | OtherNodes(_))
        )
    };
    denied
        .iter()
        .any(|deny| allowed.iter().any(|allow| !apart(&allow.matches, &deny.matches)))
}

fn cuts(
    oracle: &Oracle<'_>,
    id: RuleId,
    told: &BTreeSet<RuleId>,
) -> Result<Cut<Option<PartlyCut>>, VerifierError> {
    let model = oracle.model;
    let is_deny = |other: RuleId| {
        model
            .rule(other)
            .is_some_and(|rule| rule.rank.tier == Tier::Namespaced && rule.action == Action::Deny)
    };
    let (near, _) = oracle.near(id);
    let denies = near.into_iter().filter(|other| {
        other.policy != id.policy
            && is_deny(*other)
            && is_certain(model, *other)
            && !told.contains(other)
            && model
                .rule(id)
                .zip(model.rule(*other))
                .is_some_and(|(allow, deny)| speak_alike(allow, deny))
    });
    let everybody = |_| Some(true);
    let mut cut_by = vec![];
    for deny in denies {
        match oracle.ask(Question::BothMatch(id, deny), &everybody)? {
            Found::Some => cut_by.push(deny),
            Found::None => {}
            Found::Unknown(reason) => return Ok(Err(reason)),
        }
    }
    let Some(first) = cut_by.first() else {
        return Ok(Ok(None));
    };
    let witness = match oracle.example(Question::BothMatch(id, *first), &everybody, false)? {
        Ok(Some(witness)) => witness,
        Ok(None) => {
            return Err(VerifierError::Solver(
                "find a flow again that it had found before",
            ));
        }
        Err(reason) => return Ok(Err(reason)),
    };
    let stage = Stage::new(model, &witness, id);
    stage.expect_match()?;
    stage.expect_verdict_of_all(false)?;
    stage.expect_verdict(true, "it is denied without any deny rule", |other| {
        !is_deny(other)
    })?;
    Stage::new(model, &witness, *first).expect_match()?;
    Ok(Ok(Some(PartlyCut {
        rule: id,
        cut_by,
        witness,
    })))
}
