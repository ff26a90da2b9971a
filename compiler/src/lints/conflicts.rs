//! The machinery of the `PC3xx` rules: what the verifier finds between rules and policies, told by one lint each.

use super::pc705_own_node_denied::{own_node, takes_in_own_node};
use super::{object_name, policy_name};
use super::{
    pc301_rule_never_matches, pc302_rule_redundant, pc303_allow_cut_by_deny, pc304_allow_partly_cut_by_deny,
    pc305_deny_without_effect, pc306_half_open_path, pc307_default_deny_disagreement,
    pc308_exception_reopened, pc309_shadowed_by_priority,
};
use crate::diagnostic::{Code, Finding};
use ir::cluster::Cluster;
use ir::model::Model;
use ir::policy::{Action, Direction, Policy, PolicyKind, Rule, RuleId, Subject};
use std::collections::BTreeSet;
use verifier::error::VerifierError;
use verifier::options::Options;
use verifier::{Cause, Redundancy};

/// What the verifier said.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The conflicts, unsorted.
    pub findings: Vec<Finding>,
    /// The rules about which it gave up, as sentences.
    pub undecided: Vec<String>,
}

/// Asks about every rule and policy.
///
/// # Errors
/// A mistake of ours; see [`VerifierError`].
pub fn check(model: &Model, options: &Options) -> Result<Answers, VerifierError> {
    let conflicts = verifier::conflicts(model, options)?;
    let removal = &Removal::of(model, &conflicts);
    let mut findings: Vec<Finding> = Vec::new();
    let of_rules = conflicts.never_matching.iter();
    findings.extend(of_rules.filter_map(|rule| pc301_rule_never_matches::finding(model, *rule, removal)));
    findings.extend(
        conflicts
            .redundant
            .iter()
            .filter(|redundancy| !keeps_own_node_out(model, redundancy))
            .filter_map(|redundancy| match redundancy.cause {
                Cause::Shadowed => pc309_shadowed_by_priority::finding(model, redundancy, removal),
                Cause::CutByDeny => pc303_allow_cut_by_deny::finding(model, redundancy, removal),
                Cause::DeniedAnyway => pc305_deny_without_effect::finding(model, redundancy),
                Cause::Repeated => pc302_rule_redundant::finding(model, redundancy, removal),
            }),
    );
    let cut = conflicts.partly_cut.iter();
    findings.extend(cut.filter_map(|cut| pc304_allow_partly_cut_by_deny::finding(model, cut)));
    let reopened = conflicts.reopened.iter();
    findings.extend(reopened.filter_map(|reopened| pc308_exception_reopened::finding(model, reopened)));
    let disagreements = conflicts.disagreements.iter();
    findings.extend(disagreements.filter_map(|one| pc307_default_deny_disagreement::finding(model, one)));
    let half_open = conflicts.half_open.iter();
    findings.extend(half_open.filter_map(|half| pc306_half_open_path::finding(model, half)));
    let mut answers = between_host_policies(model, options)?;
    answers.findings.append(&mut findings);
    answers.undecided.extend(not_known(model, &conflicts));
    Ok(answers)
}

/// A sentence for each rule about which the verifier gave up.
fn not_known<'a>(model: &'a Model, conflicts: &'a verifier::Conflicts) -> impl Iterator<Item = String> + 'a {
    conflicts.undecided.iter().map(|question| {
        let at = model
            .rule(question.rule)
            .map(|rule| &rule.origin)
            .or_else(|| model.policy(question.rule.policy).map(|policy| &policy.origin))
            .map_or_else(String::new, |origin| format!("{origin}: "));
        format!(
            "{at}whether this rule of {} conflicts with others is not known: {}",
            policy_name(model, question.rule),
            question.reason
        )
    })
}

/// Allows of policies on nodes that denies of such policies cut: what cuts what is a matter of peers and ports, whoever
/// the rules are about. Nothing else is said of these policies, which decide nothing about pods.
fn between_host_policies(model: &Model, options: &Options) -> Result<Answers, VerifierError> {
    let as_if_on_pods = |policy: &Policy| match &policy.subject {
        Subject::Nodes(nodes) => Some(Policy {
            subject: Subject::Endpoints(nodes.clone()),
            ..policy.clone()
        }),
        Subject::Endpoints(_) => None,
    };
    let policies: Vec<Policy> = model.policies().iter().filter_map(as_if_on_pods).collect();
    if policies.is_empty() {
        return Ok(Answers::default());
    }
    let cluster = &model.cluster;
    let without_pods = Cluster::new(cluster.namespaces().clone(), [], cluster.nodes().iter().cloned());
    let model = &Model::new(without_pods.named(cluster.name()), policies);
    let conflicts = verifier::conflicts(model, options)?;
    let removal = &Removal::of(model, &conflicts);
    // Of a pod's own node nothing is asked at ingress; of two nodes' rules one deny has to take it in.
    let of_own_node = |id: RuleId| {
        let rule = model.rule(id);
        rule.is_some_and(|rule| rule.direction == Direction::Ingress && takes_in_own_node(&rule.peers))
    };
    let cut = conflicts.redundant.iter().filter(|redundancy| {
        let by_one = matches!(redundancy.covered_by.as_slice(), [deny] if of_own_node(*deny));
        redundancy.cause == Cause::CutByDeny && (by_one || !of_own_node(redundancy.rule))
    });
    let whole = cut.filter_map(|redundancy| pc303_allow_cut_by_deny::finding(model, redundancy, removal));
    let partly = conflicts.partly_cut.iter();
    let partly = partly.filter_map(|cut| pc304_allow_partly_cut_by_deny::finding(model, cut));
    let findings = whole.chain(partly).map(|finding| Finding {
        // It would speak of a pod.
        witness: None,
        ..finding
    });
    Ok(Answers {
        findings: findings.collect(),
        undecided: not_known(model, &conflicts).collect(),
    })
}

/// Whether a rule is needed on Cilium to keep the pods' own node out (PC705), which is always let in here.
fn keeps_own_node_out(model: &Model, redundancy: &Redundancy) -> bool {
    let denies = |id| rule_of(model, id).is_some_and(|(policy, rule)| own_node(policy, rule).is_some());
    denies(redundancy.rule) && !redundancy.covered_by.iter().any(|id| denies(*id))
}

/// A rule with its policy.
pub(super) fn rule_of(model: &Model, id: RuleId) -> Option<(&Policy, &Rule)> {
    Some((model.policy(id.policy)?, model.rule(id)?))
}

/// `allow ingress rule of shop/web`.
pub(super) fn described(model: &Model, id: RuleId) -> String {
    model.rule(id).map_or_else(String::new, |rule| {
        format!(
            "{} {} rule of {}",
            rule.action.as_str(),
            rule.direction,
            policy_name(model, id)
        )
    })
}

/// What removing rules does besides.
///
/// A policy of Cilium's is in force where it has an entry ("Rule Basics": a pod is denied by default as soon as a rule with
/// a section of the direction selects it), and one of Kubernetes' whose `policyTypes` are left out is in force for egress
/// if it has an egress rule (API text of `policyTypes`). So the last rule of a direction is not removed without a change,
/// whatever it says, nor are all of them where the others are called removable too.
pub(super) struct Removal<'m> {
    model: &'m Model,
    /// The rules that never match or are redundant: those that findings call removable are among them.
    all: BTreeSet<RuleId>,
}

impl<'m> Removal<'m> {
    fn of(model: &'m Model, conflicts: &verifier::Conflicts) -> Self {
        let redundant = conflicts.redundant.iter().map(|redundancy| redundancy.rule);
        Self {
            model,
            all: conflicts
                .never_matching
                .iter()
                .copied()
                .chain(redundant)
                .collect(),
        }
    }

    /// Of one rule, the others staying.
    pub(super) fn of_one(model: &'m Model) -> Self {
        Self {
            model,
            all: BTreeSet::new(),
        }
    }

    /// An advice that ends in removing the rule, with what else that would do.
    pub(super) fn advice(&self, id: RuleId, advice: &str) -> String {
        let Some((policy, rule)) = rule_of(self.model, id).filter(|_| self.takes_the_last(id)) else {
            return advice.to_owned();
        };
        let direction = rule.direction;
        if policy.kind.is_cilium() {
            format!(
                "{advice} and write `{direction}: [{{}}]` in its place: with no {direction} rule left the policy no longer \
                 denies what nobody allows"
            )
        } else {
            format!(
                "{advice} and let `policyTypes` name Egress, if it does not: left out, it stands for egress only while \
                 there is an egress rule"
            )
        }
    }

    /// Whether no rule of its direction is left once all that are called removable are gone.
    fn takes_the_last(&self, id: RuleId) -> bool {
        let Some((policy, rule)) = rule_of(self.model, id) else {
            return false;
        };
        let by_rules = policy.kind.is_cilium()
            || (policy.kind == PolicyKind::NetworkPolicy && rule.direction == Direction::Egress);
        by_rules
            && policy.default_deny.has(rule.direction)
            && self
                .model
                .rule_ids(id.policy)
                .filter(|(_, other)| other.direction == rule.direction)
                .all(|(other, _)| other == id || self.all.contains(&other))
    }
}

/// Whether a policy of Cilium's says of a direction only what it denies, and so denies all that nobody allows.
pub(super) fn only_denies(policy: &Policy, direction: Direction) -> bool {
    let mut rules = policy.rules.iter().filter(|rule| rule.direction == direction);
    policy.kind.is_cilium()
        && policy.default_deny.has(direction)
        && rules.all(|rule| rule.action == Action::Deny)
}

/// A finding about a rule that changes nothing, with the rules that are the cause.
pub(super) fn of_redundant(
    model: &Model,
    redundancy: &Redundancy,
    code: Code,
    (message, at, because): (String, &str, &str),
) -> Option<Finding> {
    let (policy, rule) = rule_of(model, redundancy.rule)?;
    let finding = Finding::new(code, message)
        .at(rule.origin.clone(), at)
        .about(object_name(policy))
        .witness(super::witness(&redundancy.witness));
    Some(with_rules(model, finding, &redundancy.covered_by, because))
}

/// Points at rules that explain a finding.
pub(super) fn with_rules(model: &Model, mut finding: Finding, rules: &[RuleId], because: &str) -> Finding {
    for id in rules {
        let Some((policy, rule)) = rule_of(model, *id) else {
            continue;
        };
        finding = finding.because(
            rule.origin.clone(),
            format!("{because} this {}", described(model, *id)),
        );
        finding = with_policy(finding, policy);
    }
    finding
}

/// Adds a policy to those that a finding is about.
pub(super) fn with_policy(finding: Finding, policy: &Policy) -> Finding {
    let name = object_name(policy);
    if finding.objects.contains(&name) {
        finding
    } else {
        finding.about(name)
    }
}
