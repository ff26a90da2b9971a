//! The one list of peers that an entry has.

use super::super::site::Site;
use super::entry::Entry;
use super::selector::Outside;
use super::{Scope, cidr, domain, remark, selector, service, verb};
use crate::de::suggest;
use crate::diagnostic::{Code, Fix, Severity};
use crate::route::Route;
use ir::peer::{Entity, Peer, PeerMatch};
use ir::policy::Action;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// The peers, in the order written.
pub(super) fn lower(entry: &Entry<'_>, site: &mut Site<'_>, scope: &Scope<'_>) -> Vec<Peer> {
    let mut peers = Vec::new();
    let place = |name: &str| entry.at.then(&*entry.field(name));
    for (index, selector) in entry.endpoints.iter().copied().flatten().enumerate() {
        peers.extend(endpoints(
            entry,
            site,
            scope,
            &place("Endpoints").then(index),
            selector,
        ));
    }
    for (index, selector) in entry.nodes.iter().copied().flatten().enumerate() {
        let at = place("Nodes").then(index);
        let selector = selector::nodes(site, &at, selector, selector::Source::Node);
        peers.push(peer(site, &at, PeerMatch::OtherNodes(selector)));
    }
    for (index, written) in entry.entities.iter().copied().flatten().enumerate() {
        let at = place("Entities").then(index);
        if let Some(entity) = entity(site, &at, written) {
            peers.push(peer(site, &at, PeerMatch::Entity(entity)));
        }
    }
    for (index, text) in entry.cidr.iter().copied().flatten().enumerate() {
        peers.extend(cidr::prefix(site, scope, &place("CIDR").then(index), text));
    }
    for (index, rule) in entry.cidr_set.iter().copied().flatten().enumerate() {
        peers.extend(cidr::rule(
            site,
            scope,
            &place("CIDRSet").then(index),
            rule,
            entry.action,
        ));
    }
    for (index, written) in entry.services.iter().copied().flatten().enumerate() {
        peers.extend(service::lower(
            site,
            scope,
            &place("Services").then(index),
            written,
            entry.action,
        ));
    }
    for (index, written) in entry.fqdns.iter().copied().flatten().enumerate() {
        let at = place("FQDNs").then(index);
        let (name, pattern) = (written.match_name.as_deref(), written.match_pattern.as_deref());
        if let Some(pattern) = domain::lower(site, &at, name, pattern) {
            peers.push(peer(site, &at, PeerMatch::Domain(pattern)));
        }
    }
    // Which addresses a cloud's groups have is not known: none for an allow, any outside address for a deny.
    if entry.action == Action::Deny {
        for index in 0..entry.groups.map_or(0, <[_]>::len) {
            let at = place("Groups").then(index);
            peers.push(peer(site, &at, PeerMatch::Entity(Entity::World)));
        }
    }
    peers
}

/// A peer written at `at`.
pub(super) fn peer(site: &Site<'_>, at: &Route, matches: PeerMatch) -> Peer {
    Peer {
        matches,
        origin: site.origin(at),
    }
}

fn entity(site: &mut Site<'_>, at: &Route, written: &str) -> Option<Entity> {
    let known = Entity::named(written);
    if known.is_none() {
        let message = format!("there is no entity `{written}`");
        let finding = site.refusal(Code::UNKNOWN_ENTITY, at, message);
        let names: Vec<_> = Entity::ALL.into_iter().map(Entity::name).collect();
        let near = suggest::nearest(&written.to_ascii_lowercase(), &names);
        let finding = match suggest::sole(written, &names) {
            Some((name, applicability)) => {
                finding.fix(Fix::rewording(applicability, site.origin(at), written, name))
            }
            None => finding,
        };
        site.report(finding.help(match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of `{}`", names.join("`, `")),
        }));
    }
    known
}

fn endpoints(
    entry: &Entry<'_>,
    site: &mut Site<'_>,
    scope: &Scope<'_>,
    at: &Route,
    selector: &LabelSelector,
) -> Vec<Peer> {
    let conditions = selector::conditions(site, at, selector);
    let Some(matched) = selector::peers(site, &conditions, scope.namespace) else {
        return Vec::new();
    };
    if matched.pods.is_none() && matched.entities.is_empty() {
        let message = "this selector matches nothing: pods have no such label";
        let mut finding = remark(site, Code::PEER_SELECTS_NOTHING, at, message);
        finding.severity = Severity::Error;
        site.report(finding.help(
            "labels from `cidrgroup:` are for addresses (`cidrGroupSelector`), from `node:` for nodes (`fromNodes`, `toNodes`)",
        ));
    }
    let mut matches: Vec<PeerMatch> = matched.pods.into_iter().map(PeerMatch::Endpoints).collect();
    // What Cilium starts itself does not exist here; naming it is worth showing, excluding something else is not.
    let exists = |entity: &Entity| {
        matches!(entity, Entity::World | Entity::Host | Entity::RemoteNode) || matched.outside == Outside::No
    };
    matches.extend(
        matched
            .entities
            .iter()
            .copied()
            .filter(exists)
            .map(PeerMatch::Entity),
    );
    reaches_outside(entry, site, at, matched.outside);
    matches
        .into_iter()
        .map(|matches| peer(site, at, matches))
        .collect()
}

/// A selector that only excludes fits everything without labels, unless Cilium adds something that does not.
fn reaches_outside(entry: &Entry<'_>, site: &mut Site<'_>, at: &Route, outside: Outside) {
    let who = match outside {
        Outside::No => return,
        Outside::Yes => "this selector",
        Outside::WithoutCluster => {
            "in Cilium before 1.19, and with `policy-default-local-cluster` off, this selector"
        }
    };
    let message = format!(
        "{who} also {} every address outside the cluster and every node: they lack the labels that it excludes",
        verb(entry.action)
    );
    let mut finding = remark(site, Code::SELECTOR_REACHES_OUTSIDE, at, message);
    if entry.action == Action::Deny || outside == Outside::WithoutCluster {
        finding.severity = Severity::Warning;
    }
    site.report(finding.help(
        "for pods alone add `{key: k8s:io.kubernetes.pod.namespace, operator: Exists}` to `matchExpressions`",
    ));
}
