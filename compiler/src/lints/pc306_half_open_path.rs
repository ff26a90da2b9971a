//! # PC306 half-open-path
//!
//! A rule names a workload, and the other side accepts none of what the rule lets through.
//!
//! ## What is wrong
//! A flow needs both sides: the source's egress and the destination's ingress. Here a rule of one side names the other by
//! its labels, and the policies of the other side deny everything of it, from each of the workloads that the rule is
//! about. Either the rule of the other side is missing, or it says another port, label or namespace.
//!
//! Rules that reach more than the other side accepts are not reported, nor are peers that are everybody, a namespace or
//! addresses, nor workloads that are not in the input.
//!
//! ## Example
//! ```yaml
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]
//! ---
//! metadata: {name: db, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: db}}
//!   ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}]}]   # not from web
//! ```
//!
//! ## How to fix it
//! Add the rule to the other side, or remove the peer from this one.

use super::conflicts::{rule_of, with_policy, with_rules};
use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding, Witness};
use ir::cluster::Endpoint;
use ir::flow::{Because, Party};
use ir::model::Model;
use ir::peer::Peers;
use ir::policy::Direction;
use ir::port::Protocol;
use verifier::HalfOpen;

pub(super) fn finding(model: &Model, half: &HalfOpen) -> Option<Finding> {
    let (policy, rule) = rule_of(model, half.rule)?;
    let workload = |pod: &Endpoint| format!("{}/{}", pod.namespace, pod.workload.name);
    let first = model.cluster.endpoint(*half.closed.first()?)?;
    let others = match half.closed.len() - 1 {
        0 => String::new(),
        others => format!(" (and of {others} more)"),
    };
    let (toward, side, missing) = match rule.direction {
        Direction::Egress => ("to", "ingress", "ingress rule"),
        Direction::Ingress => ("from", "egress", "egress rule"),
    };
    let message = format!(
        "this {} rule of {} lets flows through {toward} {}, and the {side} policies there{others} let none of them through",
        rule.direction,
        policy_name(model, half.rule),
        workload(first),
    );
    let origin = match &rule.peers {
        Peers::OneOf(peers) => peers.get(half.peer).map(|peer| &peer.origin),
        Peers::Any => None,
    };
    let name = |party| match party {
        Party::Endpoint { id, .. } => model.cluster.endpoint(id).map(workload),
        Party::Node { .. } | Party::SomeNode | Party::Outside(_) => None,
    };
    let flow = &half.flow;
    let mut finding = Finding::new(Code::HALF_OPEN_PATH, message)
        .at(origin.unwrap_or(&rule.origin).clone(), "named for nothing")
        .about(object_name(policy))
        .witness(Witness {
            from: name(flow.source)?,
            to: name(flow.destination)?,
            protocol: flow.protocol.to_string(),
            port: (flow.protocol != Protocol::Other).then_some(flow.port),
        });
    if let Some(counterpart) = half.counterpart {
        finding = with_rules(
            model,
            finding,
            &[counterpart],
            "the other side names it, with other ports, in",
        );
    }
    match &half.because {
        Because::Rules(rules) => finding = with_rules(model, finding, rules, "denied by"),
        Because::DefaultDeny(policies) => {
            for policy in policies.iter().filter_map(|id| model.policy(*id)) {
                finding = finding.because(
                    policy.origin.clone(),
                    format!(
                        "what no rule allows is denied by this {} `{}`",
                        policy.kind, policy.name
                    ),
                );
                finding = with_policy(finding, policy);
            }
        }
        Because::NotAnEndpoint | Because::Loopback | Because::OwnHost | Because::Unrestricted => {}
    }
    Some(finding.help(format!(
        "add an {missing} for it to the other side, or remove the peer from this one"
    )))
}
