//! # PC301 rule-never-matches
//!
//! No flow of any pod that could exist matches the rule.
//!
//! ## What is wrong
//! The rule says something that cannot be: a selector that contradicts itself, or the labels of a namespace in the
//! input; an empty list of peers or ports; a block whose exceptions cover all of it; ICMP towards addresses of the wrong
//! family. It neither opens nor closes anything.
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/9, 10.128.0.0/9]}}]   # nothing is left of the block
//! ```
//!
//! ## How to fix it
//! Correct the selector, the block or the list, or remove the rule.

use super::conflicts::{removable, rule_of};
use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding, Label};
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{Entity, PeerMatch, Peers};
use ir::policy::{Policy, Rule, RuleId, Subject};
use ir::port::Ports;
use ir::selector::{Attribute, Selector};

pub(super) fn finding(model: &Model, id: RuleId) -> Option<Finding> {
    let (policy, rule) = rule_of(model, id)?;
    if is_told_elsewhere(policy, rule) || speaks_of_others(rule) {
        return None;
    }
    let nothing_said = |what| format!("its list of {what} is empty");
    let why = match (&rule.peers, &rule.ports) {
        (Peers::OneOf(peers), _) if peers.is_empty() => nothing_said("peers"),
        (_, Ports::OneOf(ports)) if ports.is_empty() => nothing_said("ports"),
        _ => "what it asks for contradicts itself".to_owned(),
    };
    let message = format!(
        "no flow can match this {} {} rule of {}: {why}",
        rule.action.as_str(),
        rule.direction,
        policy_name(model, id),
    );
    Some(
        Finding::new(Code::RULE_NEVER_MATCHES, message)
            .at(rule.origin.clone(), "matches nothing")
            .about(object_name(policy))
            .help(removable(
                model,
                id,
                "correct what it asks for, or remove the rule",
            )),
    )
}

/// That a rule never matches (PC301) and why are one mistake. Where another finding in the rule says why, a name that
/// means nothing towards its peers (PC213) or an entry without effect (PC125), that one is told. Of a selector that
/// contradicts itself (PC127) the rule's finding takes in the place and the advice.
pub(crate) fn tell_once(findings: &mut Vec<Finding>) {
    let (rules, others): (Vec<_>, Vec<_>) = std::mem::take(findings)
        .into_iter()
        .partition(|finding| finding.code == Code::RULE_NEVER_MATCHES);
    *findings = others;
    for mut rule in rules {
        let Some(whole) = rule.primary().map(|label| label.origin.clone()) else {
            findings.push(rule);
            continue;
        };
        let inside = |finding: &Finding| {
            finding
                .primary()
                .is_some_and(|label| lies_in(&label.origin, &whole))
        };
        let is_reason = |finding: &Finding| {
            matches!(
                finding.code,
                Code::NAMED_PORT_WITHOUT_POD | Code::FIELD_WITHOUT_EFFECT
            )
        };
        if findings
            .iter()
            .any(|finding| is_reason(finding) && inside(finding))
        {
            continue;
        }
        let is_contradiction =
            |finding: &mut Finding| finding.code == Code::SELECTOR_CONTRADICTION && inside(finding);
        for contradiction in findings.extract_if(.., is_contradiction) {
            rule.labels
                .extend(contradiction.labels.into_iter().map(|label| Label {
                    primary: false,
                    ..label
                }));
            rule.help = contradiction.help;
        }
        findings.push(rule);
    }
}

fn lies_in(part: &Origin, whole: &Origin) -> bool {
    (&part.file, part.document) == (&whole.file, whole.document)
        && (whole.line, whole.column) <= (part.line, part.column)
        && (part.end_line, part.end_column) <= (whole.end_line, whole.end_column)
}

/// Whether it names peers that exist beside the pods, nodes and addresses of a cluster: Cilium's own endpoints (which take
/// a Gateway's traffic in, for one), pods of other clusters, or on purpose nobody.
fn speaks_of_others(rule: &Rule) -> bool {
    let Peers::OneOf(peers) = &rule.peers else {
        return false;
    };
    peers.iter().any(|peer| match &peer.matches {
        PeerMatch::Entity(entity) => matches!(
            entity,
            Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None
        ),
        PeerMatch::Endpoints(selector) => {
            let requirements = selector.requirements();
            requirements.iter().any(|one| one.attribute == Attribute::Cluster)
                && !contradicts_itself(selector)
        }
        _ => false,
    })
}

/// An empty list of Cilium's is PC702 where it is written; a policy that can select no pod is PC601.
fn is_told_elsewhere(policy: &Policy, rule: &Rule) -> bool {
    let empty_list = matches!(&rule.peers, Peers::OneOf(peers) if peers.is_empty());
    let nobody = match &policy.subject {
        Subject::Endpoints(selector) => contradicts_itself(selector),
        Subject::Nodes(_) => false,
    };
    empty_list || nobody
}

/// Whether two conditions of the selector on one attribute exclude each other.
fn contradicts_itself(selector: &Selector) -> bool {
    use ir::selector::Operator;
    let requirements = selector.requirements();
    requirements.iter().any(|one| {
        let of_same = || {
            requirements
                .iter()
                .filter(|other| other.attribute == one.attribute)
        };
        match &one.operator {
            Operator::In(values) => !values
                .iter()
                .any(|value| of_same().all(|other| other.operator.accepts(Some(value)))),
            Operator::Exists => of_same().any(|other| other.operator == Operator::DoesNotExist),
            Operator::NotIn(_) | Operator::DoesNotExist => false,
        }
    })
}
