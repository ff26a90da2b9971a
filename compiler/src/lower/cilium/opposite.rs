//! What is empty means the opposite in the two APIs: findings where a policy reads as if it were of the other.
//!
//! `ingress: [{}]` allows everything in a NetworkPolicy and denies everything in Cilium's. Both are idioms of their
//! API, so that it is reported only where something else in the policy says that the other meaning was meant.

use super::super::site::Site;
use super::entry::Entry;
use super::remark;
use crate::cilium::Rule as Spec;
use crate::diagnostic::Code;
use crate::route;
use crate::route::Route;
use ir::policy::{Action, Direction};
use k8s_openapi::api::networking::v1::NetworkPolicy;

/// An empty list of peers.
pub(super) fn empty_list(site: &mut Site<'_>, at: &Route, field: &str) {
    let message = format!("`{field}: []` is no peer at all, so the rule matches nothing");
    let finding = remark(site, Code::EMPTY_RULE_MEANS_THE_OPPOSITE, at, message);
    site.report(finding.help(format!(
        "in a NetworkPolicy an empty list is every peer. To let nobody in or out by the rule write `{{}}` for it; for \
         every peer leave `{field}` out, or name the entity `all`"
    )));
}

/// A Cilium policy with an empty allow rule that seems meant to allow.
pub(super) fn check_cilium_policy(site: &mut Site<'_>, spec: &Spec, entries: &[Entry<'_>]) {
    let description = spec.description.as_deref().unwrap_or_default();
    let name = site.object.name.name.clone();
    let says_allow = |text: &str| says(text, &["allow", "allows", "permit", "open"]) && !says(text, DENY);
    for direction in Direction::BOTH {
        let allows: Vec<_> = entries
            .iter()
            .filter(|entry| entry.direction == direction && entry.action == Action::Allow)
            .collect();
        for entry in allows.iter().filter(|entry| entry.says_nothing()) {
            let why = if says_allow(&name) || says_allow(description) {
                "although the policy says that it allows"
            } else if allows.len() > 1 {
                "so that it adds nothing to the rules beside it"
            } else {
                continue;
            };
            let message = format!("an empty rule allows nothing, {why}");
            let finding = remark(site, Code::EMPTY_RULE_MEANS_THE_OPPOSITE, &entry.at, message);
            let field = entry.field("Entities");
            site.report(finding.help(format!(
                "in a NetworkPolicy `{{}}` allows everything; here that is `{field}: [all]`"
            )));
        }
    }
}

/// A NetworkPolicy with an empty rule that seems meant to deny.
pub(crate) fn check_network_policy(site: &mut Site<'_>, policy: &NetworkPolicy) {
    let name = &site.object.name.name;
    if !says(name, DENY) || says(name, &["allow", "except"]) {
        return;
    }
    let Some(spec) = &policy.spec else {
        return;
    };
    let empty = |list: bool, ports: bool| !list && !ports;
    let ingress = spec.ingress.iter().flatten().map(|rule| {
        empty(
            rule.from.as_ref().is_some_and(|from| !from.is_empty()),
            rule.ports.as_ref().is_some_and(|ports| !ports.is_empty()),
        )
    });
    let egress = spec.egress.iter().flatten().map(|rule| {
        empty(
            rule.to.as_ref().is_some_and(|to| !to.is_empty()),
            rule.ports.as_ref().is_some_and(|ports| !ports.is_empty()),
        )
    });
    let mut found: Vec<Route> = Vec::new();
    for (section, rules) in [
        ("ingress", ingress.collect::<Vec<_>>()),
        ("egress", egress.collect()),
    ] {
        for (index, is_empty) in rules.into_iter().enumerate() {
            if is_empty {
                found.push(route!["spec", section, index]);
            }
        }
    }
    for at in found {
        let message = "an empty rule allows everything, although the policy's name says that it denies";
        let finding = remark(site, Code::EMPTY_RULE_MEANS_THE_OPPOSITE, &at, message);
        site.report(finding.help(
            "in a CiliumNetworkPolicy `[{}]` denies everything; here leave the rule out and keep the direction in `policyTypes`",
        ));
    }
}

const DENY: &[&str] = &["deny", "denies", "isolate", "isolation", "block", "lockdown"];

/// Whether one of these words stands in a name or a text.
fn says(text: &str, words: &[&str]) -> bool {
    text.to_ascii_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| words.contains(&word))
}
