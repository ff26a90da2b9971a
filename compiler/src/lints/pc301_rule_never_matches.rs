//! # PC301 rule-never-matches
//!
//! No flow of any pod that could exist matches the rule.
//!
//! ## What is wrong
//! The rule says something that cannot be: a selector that contradicts itself, or the labels of a namespace in the
//! input; a block whose exceptions cover all of it; ICMP towards addresses of the wrong family. It neither opens nor closes
//! anything. An empty list of peers or ports is told where it is written (PC702, PC125), and a name that means nothing
//! towards the peers as such (PC213).
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/9, 10.128.0.0/9]}}]   # nothing is left of the block
//! ```
//!
//! ## How to fix it
//! Correct the selector, the block or the list, or remove the rule.

use super::conflicts::{Removal, rule_of};
use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding, Label};
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{Entity, PeerMatch, Peers};
use ir::policy::{Policy, Rule, RuleId, Subject};
use ir::port::Ports;
use ir::selector::{Attribute, Selector};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn finding(model: &Model, id: RuleId, removal: &Removal<'_>) -> Option<Finding> {
    let (policy, rule) = rule_of(model, id)?;
    if is_told_elsewhere(policy, rule) || speaks_of_others(rule) {
        return None;
    }
    let message = format!(
        "no flow can match this {} {} rule of {}: what it asks for contradicts itself",
        rule.action.as_str(),
        rule.direction,
        policy_name(model, id),
    );
    Some(
        Finding::new(Code::RULE_NEVER_MATCHES, message)
            .at(rule.origin.clone(), "matches nothing")
            .about(object_name(policy))
            .help(removal.advice(id, "correct what it asks for, or remove the rule")),
    )
}

/// A rule that never matches because its port names mean nothing towards its peers (PC213) is one mistake, and that
/// finding says why. This one is left out where it is reported.
pub(crate) fn leave_to_named_ports(findings: &mut Vec<Finding>) {
    let mut reasons: HashMap<(Arc<str>, u32), Vec<Origin>> = HashMap::new();
    for finding in &*findings {
        if finding.code == Code::NAMED_PORT_WITHOUT_POD
            && let Some(label) = finding.primary()
        {
            let origin = &label.origin;
            let document = reasons.entry((Arc::clone(&origin.file), origin.document));
            document.or_default().push(origin.clone());
        }
    }
    findings.retain(|finding| {
        let explained = |whole: &Origin| {
            let inside = reasons.get(&(Arc::clone(&whole.file), whole.document));
            inside.is_some_and(|reasons| reasons.iter().any(|reason| lies_in(reason, whole)))
        };
        let rule = finding
            .primary()
            .filter(|_| finding.code == Code::RULE_NEVER_MATCHES);
        !rule.is_some_and(|label| explained(&label.origin))
    });
}

/// A selector that contradicts itself (PC127) in a rule that never matches (PC301) is one mistake: the rule's finding
/// takes in the place and the advice of the selector's.
pub(crate) fn take_in_contradictions(findings: &mut Vec<Finding>) {
    let is_contradiction = |finding: &mut Finding| finding.code == Code::SELECTOR_CONTRADICTION;
    let mut contradictions: Vec<Finding> = findings.extract_if(.., is_contradiction).collect();
    for rule in findings
        .iter_mut()
        .filter(|finding| finding.code == Code::RULE_NEVER_MATCHES)
    {
        let Some(whole) = rule.primary().map(|label| label.origin.clone()) else {
            continue;
        };
        let inside = |finding: &mut Finding| {
            finding
                .primary()
                .is_some_and(|label| lies_in(&label.origin, &whole))
        };
        for contradiction in contradictions.extract_if(.., inside) {
            rule.labels
                .extend(contradiction.labels.into_iter().map(|label| Label {
                    primary: false,
                    ..label
                }));
            rule.help = contradiction.help;
        }
    }
    findings.append(&mut contradictions);
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

/// An empty list of Cilium's is PC702 where it is written, or PC125 if it is one of ports; a policy that can select no pod
/// is PC601.
fn is_told_elsewhere(policy: &Policy, rule: &Rule) -> bool {
    let no_peers = matches!(&rule.peers, Peers::OneOf(peers) if peers.is_empty());
    let no_ports = matches!(&rule.ports, Ports::OneOf(ports) if ports.is_empty());
    let nobody = match &policy.subject {
        Subject::Endpoints(selector) => contradicts_itself(selector),
        Subject::Nodes(_) => false,
    };
    no_peers || no_ports || nobody
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
