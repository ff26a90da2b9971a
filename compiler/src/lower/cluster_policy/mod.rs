//! AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy (`policy.networking.k8s.io`) → [`Policy`].
//!
//! | written | meaning | source |
//! |---|---|---|
//! | `priority` and a rule's position | the rule's rank in its tier; the first that matches decides | API text of `priority`, `ingress` |
//! | no rule of a direction | the policy does not speak of it | "CNPs with no ingress rules do not affect ingress traffic" |
//! | what no rule matches | goes on to the next tier: there is no default deny | website, "General Notes" |
//! | `Pass` in the baseline tier | the rest of the tier is skipped, so the flow is allowed | NPEP-285 |
//! | `namespaces: {}`, `podSelector: {}`, `nodes: {}` | all of them | "if empty, it selects all" |
//! | no `ports`, no `protocols` | every protocol, ICMP included | API text of `protocols`, `networks` |
//! | `namedPort`, `destinationNamedPort` | the name, whatever the protocol | API text: no protocol belongs to it |
//! | `networks` | every address inside, pods and nodes too | "cluster-internal traffic will be checked against the rule as well" |
//! | `nodes` | the nodes' addresses, so their host-network pods too | API text of `nodes` |
//! | `*.example.com` | one or more labels in front, not `example.com` itself | API text of `DomainName` |
//!
//! What is refused is what the CustomResourceDefinitions refuse (`kubebuilder` markers in the Go types), and what
//! only their text forbids: `domainNames` outside allowing rules.

mod peer;
mod port;
mod rule;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;

use super::Options;
use super::site::Site;
use crate::diagnostic::Code;
use crate::network_policy_api::Subject as WrittenSubject;
use crate::network_policy_api::v1alpha1::{AdminNetworkPolicy, BaselineAdminNetworkPolicy};
use crate::network_policy_api::v1alpha2::ClusterNetworkPolicy;
use crate::route;
use crate::route::{Route, Step};
use ir::policy::{Direction, Directions, Policy, PolicyKind, Rank, Subject, Tier};
use ir::selector::Selector;
use std::ops::RangeInclusive;

/// The lowest precedence that a policy can have within its tier.
const LAST_PRIORITY: u32 = 1000;

/// Where the versions and kinds differ.
#[derive(Clone, Copy, Debug)]
struct Edition {
    kind: PolicyKind,
    /// The word for [`ir::policy::Action::Allow`].
    allow: &'static str,
    /// Whether rules may pass.
    passes: bool,
    /// The most entries of `ingress`, `egress`, `from`, `to`, `ports` and `protocols`.
    most: usize,
    /// Whether `namespaceSelector` may be left out, for every namespace.
    any_namespace: bool,
    /// What else the version asks of an address block.
    networks: Networks,
}

/// What a version asks of an address block beyond its being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Networks {
    /// `v1alpha1`: no IPv4 notation inside IPv6.
    OneNotation,
    /// `v1alpha2`: nothing.
    Any,
    /// `v1beta1`: no bits set behind the prefix.
    Masked,
}

/// An AdminNetworkPolicy; nothing when it has no `spec`.
pub(super) fn admin(site: &mut Site<'_>, policy: &AdminNetworkPolicy, options: Options) -> Option<Policy> {
    let edition = Edition {
        kind: PolicyKind::AdminNetworkPolicy,
        allow: "Allow",
        passes: true,
        most: 100,
        any_namespace: false,
        networks: Networks::OneNotation,
    };
    let spec = required(site, &Route::root(), "spec", policy.spec.as_ref())?;
    let at = Place {
        tier: Tier::Admin,
        priority: priority(site, spec.priority),
    };
    let subject = subject(site, edition, spec.subject.as_ref());
    let ingress = rule::all(spec.ingress.as_deref());
    let egress = rule::all(spec.egress.as_deref());
    Some(assemble(site, edition, options, at, subject, &ingress, &egress))
}

/// A BaselineAdminNetworkPolicy; nothing when it has no `spec`.
pub(super) fn baseline(
    site: &mut Site<'_>,
    policy: &BaselineAdminNetworkPolicy,
    options: Options,
) -> Option<Policy> {
    let edition = Edition {
        kind: PolicyKind::BaselineAdminNetworkPolicy,
        allow: "Allow",
        passes: false,
        most: 100,
        any_namespace: false,
        networks: Networks::OneNotation,
    };
    if policy.metadata.name.as_deref() != Some("default") {
        let message = "a BaselineAdminNetworkPolicy can only be named `default`: a cluster has one";
        let finding = site.refusal(Code::INVALID_NAME, &route!["metadata", "name"], message);
        site.report(finding.help("name it `default`, or write a ClusterNetworkPolicy of tier `Baseline`"));
    }
    let spec = required(site, &Route::root(), "spec", policy.spec.as_ref())?;
    let at = Place {
        tier: Tier::Baseline,
        priority: 0,
    };
    let subject = subject(site, edition, spec.subject.as_ref());
    let ingress = rule::all(spec.ingress.as_deref());
    let egress = rule::all(spec.egress.as_deref());
    Some(assemble(site, edition, options, at, subject, &ingress, &egress))
}

/// A ClusterNetworkPolicy; nothing when it has no `spec`.
pub(super) fn cluster(
    site: &mut Site<'_>,
    policy: &ClusterNetworkPolicy,
    options: Options,
) -> Option<Policy> {
    let beta = policy.api_version.as_deref() == Some("policy.networking.k8s.io/v1beta1");
    let edition = Edition {
        kind: PolicyKind::ClusterNetworkPolicy,
        allow: "Accept",
        passes: true,
        most: 25,
        any_namespace: true,
        networks: if beta { Networks::Masked } else { Networks::Any },
    };
    let spec = required(site, &Route::root(), "spec", policy.spec.as_ref())?;
    let tier = tier(site, spec.tier.as_deref());
    let at = Place {
        tier,
        priority: priority(site, spec.priority),
    };
    let subject = subject(site, edition, spec.subject.as_ref());
    let ingress = rule::all(spec.ingress.as_deref());
    let egress = rule::all(spec.egress.as_deref());
    Some(assemble(site, edition, options, at, subject, &ingress, &egress))
}

/// When a policy is asked.
#[derive(Clone, Copy)]
struct Place {
    tier: Tier,
    priority: u32,
}

fn assemble(
    site: &mut Site<'_>,
    edition: Edition,
    options: Options,
    place: Place,
    subject: Selector,
    ingress: &[rule::Written<'_>],
    egress: &[rule::Written<'_>],
) -> Policy {
    let mut rules = Vec::new();
    for (direction, field, written) in [
        (Direction::Ingress, "ingress", ingress),
        (Direction::Egress, "egress", egress),
    ] {
        let at = route!["spec", field];
        check_length(site, &at, written.len(), 0..=edition.most);
        for (order, (index, rule)) in (0..).zip(written.iter().enumerate()) {
            let rank = Rank {
                tier: place.tier,
                priority: place.priority,
                order,
            };
            let context = rule::Context {
                edition,
                options,
                direction,
                rank,
            };
            rules.extend(context.lower(site, &at.then(index), rule));
        }
    }
    Policy {
        kind: edition.kind,
        namespace: None,
        name: site.object.name.name.clone(),
        subject: Subject::Endpoints(subject),
        applies: Directions {
            ingress: !ingress.is_empty(),
            egress: !egress.is_empty(),
        },
        default_deny: Directions::default(),
        rules,
        origin: site.object.key_origin(&route!["metadata", "name"]),
    }
}

fn subject(site: &mut Site<'_>, edition: Edition, written: Option<&WrittenSubject>) -> Selector {
    let Some(written) = required(site, &route!["spec"], "subject", written) else {
        return Selector::default();
    };
    let at = route!["spec", "subject"];
    let requirements = match (&written.namespaces, &written.pods) {
        (Some(namespaces), None) => peer::namespaces(site, &at.then("namespaces"), namespaces),
        (None, Some(pods)) => peer::pods(site, &at.then("pods"), edition, pods),
        (None, None) => {
            let message = "the subject says nothing, where it must be one of `namespaces` and `pods`";
            let finding = site.refusal(Code::SUBJECT_MISSING_OR_DOUBLE, &at, message);
            site.report(finding.help("for every pod of the cluster write `namespaces: {}`"));
            Vec::new()
        }
        (Some(_), Some(_)) => {
            let message = "the subject is given twice, as `namespaces` and as `pods`";
            let finding = site
                .key_refusal(Code::SUBJECT_MISSING_OR_DOUBLE, &at.then("pods"), message)
                .because(site.object.key_origin(&at.then("namespaces")), "beside it");
            site.report(finding.help("put the namespaces into `pods.namespaceSelector`"));
            Vec::new()
        }
    };
    Selector::new(requirements)
}

fn tier(site: &mut Site<'_>, written: Option<&str>) -> Tier {
    match required(site, &route!["spec"], "tier", written) {
        Some("Admin") | None => Tier::Admin,
        Some("Baseline") => Tier::Baseline,
        Some(other) => {
            let message = format!("there is no tier `{other}`");
            let finding = site.refusal(Code::INVALID_VALUE, &route!["spec", "tier"], message);
            site.report(finding.help("`Admin`, above NetworkPolicy, or `Baseline`, below it"));
            Tier::Admin
        }
    }
}

fn priority(site: &mut Site<'_>, written: Option<i32>) -> u32 {
    let Some(written) = required(site, &route!["spec"], "priority", written) else {
        return LAST_PRIORITY;
    };
    match u32::try_from(written) {
        Ok(priority) if priority <= LAST_PRIORITY => priority,
        _ => {
            let message = format!("{written} is not a priority: they are 0 to {LAST_PRIORITY}");
            let finding = site.refusal(Code::INVALID_VALUE, &route!["spec", "priority"], message);
            site.report(finding.help("lower numbers are asked earlier"));
            LAST_PRIORITY
        }
    }
}

/// A field that must be there; `at` is the object that lacks it.
fn required<T>(site: &mut Site<'_>, at: &Route, field: &str, value: Option<T>) -> Option<T> {
    if value.is_none() {
        let message = format!("`{field}` is missing");
        let finding = site.refusal(Code::MISSING_FIELD, at, message);
        site.report(finding.help(format!("add `{field}`: the API requires it")));
    }
    value
}

/// Whether a list at `at` has as many entries as the API allows.
fn check_length(site: &mut Site<'_>, at: &Route, length: usize, allowed: RangeInclusive<usize>) {
    if allowed.contains(&length) {
        return;
    }
    let (least, most) = allowed.into_inner();
    let message = if length < least {
        "this list is empty, and needs an entry".to_owned()
    } else {
        format!("this list has {length} entries, and {most} are allowed")
    };
    let finding = site.key_refusal(Code::LIST_LENGTH, at, message);
    site.report(if length < least {
        finding
    } else {
        finding.help("spread them over several rules or policies")
    });
}

/// The one field that is given, of which exactly one must be.
///
/// Source: `MinProperties=1`, `MaxProperties=1` on every union of the API.
fn exactly_one<'f>(
    site: &mut Site<'_>,
    at: &Route,
    fields: &[(&'f str, bool)],
    help: &str,
) -> Option<&'f str> {
    let given: Vec<_> = fields
        .iter()
        .filter(|(_, given)| *given)
        .map(|(field, _)| *field)
        .collect();
    match given.as_slice() {
        [one] => Some(one),
        [] => {
            let names: Vec<_> = fields.iter().map(|(field, _)| format!("`{field}`")).collect();
            let message = format!("nothing is said here, where one of {} must be", names.join(", "));
            let finding = site.refusal(Code::REFUSED_COMBINATION, at, message);
            site.report(finding.help(help));
            None
        }
        [first, others @ ..] => {
            let message = format!("`{first}` cannot stand beside `{}`", others.join("` and `"));
            let mut finding = site.key_refusal(Code::REFUSED_COMBINATION, &at.then(*first), message);
            for other in others {
                finding = finding.because(site.object.key_origin(&at.then(*other)), "beside it");
            }
            site.report(match at.steps().last() {
                Some(Step::Index(_)) => finding.help("make an entry of each, with its own `-`"),
                _ => finding.help("keep one of them"),
            });
            None
        }
    }
}
