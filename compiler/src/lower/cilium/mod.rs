//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`cilium.io/v2`) → [`Policy`].
//!
//! Each of `spec` and `specs` becomes a policy of its own. What an empty or missing part means is the opposite of
//! NetworkPolicy's in places:
//!
//! | written | meaning |
//! |---|---|
//! | `egress: [{}]` | an entry that matches nothing: default deny, and no more |
//! | `egress: []` in every section | refused: the policy would say nothing |
//! | no list of peers, but ports | every peer |
//! | a list of peers, empty | no peer |
//! | `fromEndpoints: [{}]` | pods of the policy's namespace; in a cluster-wide policy, every pod |
//! | `toPorts: []` | as if absent |
//! | `toPorts: [{}]` | no port: the entry matches nothing |
//! | `port: "0"` | every port |
//!
//! Source: `pkg/policy/api/rule_validation.go` and `pkg/k8s/apis/cilium.io/utils` of Cilium 1.20 for what is refused
//! and how a policy's namespace enters its selectors; the documentation's "Layer 3" and "Layer 4" pages for the rest.

mod cidr;
mod context;
mod demand;
mod domain;
mod entry;
mod icmp;
mod opposite;
mod peer;
mod port;
mod selector;
mod service;
mod subject;
#[cfg(test)]
mod tests;

pub(super) use context::Context;
pub(super) use opposite::check_network_policy;

use super::Options;
use super::site::Site;
use crate::cilium::{CiliumPolicy, Rule as Spec};
use crate::diagnostic::{Code, Finding};
use crate::route;
use crate::route::Route;
use ir::policy::{Action, Direction, Directions, Policy, PolicyKind, Subject};
use ir::selector::Selector;

/// What an entry is lowered against.
struct Scope<'a> {
    /// The policy's namespace; `None` in a cluster-wide policy.
    namespace: Option<&'a str>,
    /// Whether the policy is about nodes.
    host_policy: bool,
    context: &'a Context,
    options: Options,
}

/// The policies of one object. Where parts of it are refused they are missing, and a finding blocks analysis.
pub(super) fn lower(
    site: &mut Site<'_>,
    policy: &CiliumPolicy,
    kind: PolicyKind,
    context: &Context,
    options: Options,
) -> Vec<Policy> {
    let mut specs: Vec<(Route, &Spec)> = policy.spec.iter().map(|spec| (route!["spec"], spec)).collect();
    for (index, spec) in policy.specs.iter().flatten().enumerate() {
        specs.push((route!["specs", index], spec));
    }
    if specs.is_empty() {
        let message = "this policy has neither `spec` nor `specs`";
        let finding = site.key_refusal(Code::MISSING_FIELD, &route!["kind"], message);
        site.report(finding.help("add a `spec` with a selector and at least one rule"));
    }
    specs
        .into_iter()
        .map(|(at, spec)| lower_spec(site, &at, spec, kind, context, options))
        .collect()
}

fn lower_spec(
    site: &mut Site<'_>,
    at: &Route,
    spec: &Spec,
    kind: PolicyKind,
    context: &Context,
    options: Options,
) -> Policy {
    let namespace = site.object.name.namespace.clone();
    let subject = subject::lower(site, at, spec, namespace.as_deref());
    let scope = Scope {
        namespace: namespace.as_deref(),
        host_policy: matches!(subject, Some(Subject::Nodes(_))),
        context,
        options,
    };
    let entries = entry::of(at, spec);
    let applies = Directions {
        ingress: entries.iter().any(|entry| entry.direction == Direction::Ingress),
        egress: entries.iter().any(|entry| entry.direction == Direction::Egress),
    };
    check_sections(site, at, spec, applies);
    let default_deny = default_deny(site, at, spec, applies);
    opposite::check_cilium_policy(site, spec, &entries);
    let mut rules = Vec::new();
    for entry in &entries {
        rules.extend(entry.lower(site, &scope));
    }
    Policy {
        kind,
        name: site.object.name.name.clone(),
        subject: subject.unwrap_or_else(|| Subject::Endpoints(Selector::default())),
        applies,
        default_deny,
        rules,
        origin: if at.steps().len() == 1 {
            site.object.key_origin(&route!["metadata", "name"])
        } else {
            site.origin(at)
        },
        namespace,
    }
}

/// "rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny": Cilium looks at lengths.
fn check_sections(site: &mut Site<'_>, at: &Route, spec: &Spec, applies: Directions) {
    if applies == Directions::default() {
        let message = "this policy has no rule, so Cilium refuses it and protects nothing";
        let written = ["ingress", "ingressDeny", "egress", "egressDeny"]
            .into_iter()
            .zip([
                spec.ingress.is_some(),
                spec.ingress_deny.is_some(),
                spec.egress.is_some(),
                spec.egress_deny.is_some(),
            ])
            .find(|(_, written)| *written);
        let (place, help) = match written {
            Some((section, _)) => (
                at.then(section),
                format!("to deny everything write `{section}: [{{}}]`: an empty list means nothing here"),
            ),
            None => (
                at.clone(),
                "add `ingress`, `ingressDeny`, `egress` or `egressDeny`".to_owned(),
            ),
        };
        let finding = site.key_refusal(Code::MISSING_FIELD, &place, message);
        site.report(finding.help(help));
        return;
    }
    for (section, empty, direction) in [
        (
            "ingress",
            spec.ingress.as_ref().is_some_and(Vec::is_empty),
            Direction::Ingress,
        ),
        (
            "egress",
            spec.egress.as_ref().is_some_and(Vec::is_empty),
            Direction::Egress,
        ),
    ] {
        if empty && !applies.has(direction) {
            let message =
                format!("`{section}: []` has no effect: the policy is not in force for {direction}");
            let finding = remark(
                site,
                Code::EMPTY_RULE_MEANS_THE_OPPOSITE,
                &at.then(section),
                message,
            );
            site.report(finding.help(format!(
                "in a NetworkPolicy it denies everything; here that is `{section}: [{{}}]`"
            )));
        }
    }
}

/// `enableDefaultDeny`, unset: exactly if the policy has entries of the direction.
fn default_deny(site: &mut Site<'_>, at: &Route, spec: &Spec, applies: Directions) -> Directions {
    let asked = spec.enable_default_deny.clone().unwrap_or_default();
    let at = at.then("enableDefaultDeny");
    let mut one = |written: Option<bool>, direction: Direction| {
        if written == Some(true) && !applies.has(direction) && applies != Directions::default() {
            let message = format!(
                "`enableDefaultDeny` has no effect on {direction}: there is no rule of that direction"
            );
            let field = direction.to_string();
            let finding = remark(site, Code::FIELD_WITHOUT_EFFECT, &at.then(&*field), message);
            site.report(finding.help(format!("to deny everything write `{direction}: [{{}}]`")));
        }
        applies.has(direction) && written.unwrap_or(true)
    };
    Directions {
        ingress: one(asked.ingress, Direction::Ingress),
        egress: one(asked.egress, Direction::Egress),
    }
}

/// Something that the API takes, at the value of `route`: analysis goes on.
fn remark(site: &Site<'_>, code: Code, route: &Route, message: impl Into<String>) -> Finding {
    Finding::new(code, message)
        .at(site.origin(route), "")
        .about(site.object.name.clone())
}

/// How the action reads in a sentence about a rule that matches nothing.
fn verb(action: Action) -> &'static str {
    match action {
        Action::Deny => "denies",
        Action::Allow | Action::Pass => "allows",
    }
}
