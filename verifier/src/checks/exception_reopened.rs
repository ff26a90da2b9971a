//! An exception is reopened: everything that an `except` cuts out of a block is open all the same, by one other peer or
//! rule, for some pod that the rule is about (`sat(a pod of both ∧ allowed)`, where the other rule's addresses and ports
//! hold the exception's).
//!
//! Allow rules are a union: an exception only says what *this* block does not open. A rule that opens a part of the
//! exception, or other ports, is how a union is meant to be used, and is not told; nor is one that names pods.

use std::collections::BTreeMap;

use ipnet::IpNet;
use ir::peer::{CidrBlock, CidrScope, Peer, PeerMatch, Peers};
use ir::policy::{Action, Policy, Rule, RuleId, Tier};
use rayon::prelude::*;

use crate::algebra::cube::Cube;
use crate::answer::{Report, Undecided};
use crate::error::VerifierError;
use crate::oracle::pods::CutOut;
use crate::oracle::{Cut, Oracle};
use crate::question::is_certain;
use crate::replay::Stage;
use crate::slice::decides;
use crate::witness::Witness;

/// Exceptions of a rule that another one opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reopened {
    /// The rule with the exceptions.
    pub rule: RuleId,
    /// Every rule that opens them, ascending. It can be the same one, by another of its peers.
    pub opened_by: Vec<RuleId>,
    /// The exceptions, in the order written.
    pub exceptions: Vec<IpNet>,
    /// A flow to or from an address of the first of them, which is allowed.
    pub witness: Witness,
}

/// Finds every exception that is reopened.
pub(crate) fn find(oracle: &Oracle<'_>) -> Result<Report<Reopened>, VerifierError> {
    let model = oracle.model;
    let asked: Vec<_> = model
        .policy_ids()
        .flat_map(|(id, policy)| model.rule_ids(id).map(move |(id, rule)| (id, policy, rule)))
        .filter(|(_, policy, rule)| {
            decides(policy, rule.direction)
                && rule.rank.tier == Tier::Namespaced
                && rule.action == Action::Allow
                && blocks(rule).next().is_some()
        })
        .collect();
    let answers: Vec<_> = asked
        .par_iter()
        .map(|(id, policy, rule)| reopened(oracle, *id, policy, rule))
        .collect::<Result<_, VerifierError>>()?;
    let mut report = Report {
        found: vec![],
        undecided: vec![],
    };
    for ((rule, ..), answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(found) => report.found.extend(found),
            Err(reason) => report.undecided.push(Undecided { rule, reason }),
        }
    }
    Ok(report)
}

/// The blocks of a rule that have exceptions.
fn blocks(rule: &Rule) -> impl Iterator<Item = &CidrBlock> {
    let peers = match &rule.peers {
        Peers::Any => &[][..],
        Peers::OneOf(peers) => peers,
    };
    peers.iter().filter_map(|peer| match &peer.matches {
        PeerMatch::Cidr(block) if !block.except.is_empty() => Some(block),
        _ => None,
    })
}

fn reopened(
    oracle: &Oracle<'_>,
    id: RuleId,
    policy: &Policy,
    rule: &Rule,
) -> Result<Cut<Vec<Reopened>>, VerifierError> {
    let mut found: BTreeMap<Vec<RuleId>, Reopened> = BTreeMap::new();
    let mut exceptions: Vec<IpNet> = blocks(rule).flat_map(|block| block.except.clone()).collect();
    exceptions.sort();
    exceptions.dedup();
    for exception in exceptions {
        let with_peers = only_to(rule, exception);
        let cut_out = oracle.algebra().words().region(policy, &with_peers);
        let (near, _) = oracle.algebra().near(&cut_out, rule.direction);
        let mut opened_by = vec![];
        let mut shown = None;
        for by in near {
            let Some(opened) = opened(oracle, by, &cut_out) else {
                continue;
            };
            let cut_out = CutOut {
                rule: id,
                with_peers: &with_peers,
                cubes: &opened,
            };
            let witness = match oracle.opened(by, &cut_out)? {
                Ok(Some(witness)) => witness,
                Ok(None) => continue,
                Err(reason) => return Ok(Err(reason)),
            };
            let stage = Stage::new(oracle.model, &witness, by);
            stage.expect_match()?;
            stage.expect_verdict_of_all(true)?;
            opened_by.push(by);
            shown.get_or_insert(witness);
        }
        if let Some(witness) = shown {
            found
                .entry(opened_by.clone())
                .or_insert_with(|| Reopened {
                    rule: id,
                    opened_by,
                    exceptions: vec![],
                    witness,
                })
                .exceptions
                .push(exception);
        }
    }
    Ok(Ok(found.into_values().collect()))
}

/// The rule with the exception alone as its peer.
fn only_to(rule: &Rule, exception: IpNet) -> Rule {
    Rule {
        peers: Peers::OneOf(vec![Peer {
            matches: PeerMatch::Cidr(CidrBlock {
                cidr: exception,
                except: vec![],
                scope: CidrScope::OutsideCluster,
            }),
            origin: rule.origin.clone(),
        }]),
        ..rule.clone()
    }
}

/// What is cut out, for the pods that the other rule is about too, if that rule's addresses and ports hold all of it.
fn opened(oracle: &Oracle<'_>, by: RuleId, cut_out: &[Cube]) -> Option<Vec<Cube>> {
    let rule = oracle.model.rule(by)?;
    if rule.rank.tier != Tier::Namespaced || rule.action != Action::Allow || !is_certain(oracle.model, by) {
        return None;
    }
    let words = oracle.algebra().words();
    cut_out
        .iter()
        .map(|cube| {
            oracle.algebra().region(by).iter().find_map(|region| {
                let pods = Cube {
                    subject: region.subject.clone(),
                    ..Cube::all()
                };
                cube.and(&pods, words).filter(|both| both.is_inside(region))
            })
        })
        .collect()
}
