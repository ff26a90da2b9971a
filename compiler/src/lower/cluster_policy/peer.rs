//! Entries of `from` and `to`, and what they share with subjects.

use super::rule::Context;
use super::{Edition, Networks, check_length, exactly_one, required};
use crate::diagnostic::{Applicability, Code, Fix};
use crate::lower::site::Site;
use crate::lower::{address_block, label_selector};
use crate::network_policy_api::{BaselineEgressPeer, EgressPeer, IngressPeer, NamespacedPod};
use crate::route::Route;
use ipnet::IpNet;
use ir::peer::{CidrBlock, DomainPattern, Peer, PeerMatch};
use ir::policy::{Action, Direction};
use ir::selector::{Attribute, Requirement, Selector};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// The most entries of `networks` and of `domainNames`, in every version.
const MOST_IN_ENTRY: usize = 25;

/// What a peer says, whatever kind says it.
pub(super) struct Entry<'a> {
    namespaces: Option<&'a LabelSelector>,
    pods: Option<&'a NamespacedPod>,
    nodes: Option<&'a LabelSelector>,
    networks: Option<&'a [String]>,
    domain_names: Option<&'a [String]>,
}

impl<'a> From<&'a IngressPeer> for Entry<'a> {
    fn from(peer: &'a IngressPeer) -> Self {
        Self {
            namespaces: peer.namespaces.as_ref(),
            pods: peer.pods.as_ref(),
            nodes: None,
            networks: None,
            domain_names: None,
        }
    }
}

impl<'a> From<&'a EgressPeer> for Entry<'a> {
    fn from(peer: &'a EgressPeer) -> Self {
        Self {
            namespaces: peer.namespaces.as_ref(),
            pods: peer.pods.as_ref(),
            nodes: peer.nodes.as_ref(),
            networks: peer.networks.as_deref(),
            domain_names: peer.domain_names.as_deref(),
        }
    }
}

impl<'a> From<&'a BaselineEgressPeer> for Entry<'a> {
    fn from(peer: &'a BaselineEgressPeer) -> Self {
        Self {
            namespaces: peer.namespaces.as_ref(),
            pods: peer.pods.as_ref(),
            nodes: peer.nodes.as_ref(),
            networks: peer.networks.as_deref(),
            domain_names: None,
        }
    }
}

impl Entry<'_> {
    /// The field that makes this a peer without container ports, if one does.
    pub(super) fn without_ports(&self) -> Option<&'static str> {
        let fields = [
            ("nodes", self.nodes.is_some()),
            ("networks", self.networks.is_some()),
            ("domainNames", self.domain_names.is_some()),
        ];
        fields.iter().find(|(_, given)| *given).map(|(field, _)| *field)
    }

    /// The peers that the entry stands for: several where it lists networks or domain names.
    pub(super) fn lower(
        &self,
        site: &mut Site<'_>,
        at: &Route,
        context: Context,
        action: Option<Action>,
    ) -> Vec<Peer> {
        let fields = [
            ("namespaces", self.namespaces.is_some()),
            ("pods", self.pods.is_some()),
            ("nodes", self.nodes.is_some()),
            ("networks", self.networks.is_some()),
            ("domainNames", self.domain_names.is_some()),
        ];
        let help = match context.direction {
            Direction::Ingress => "for every pod of the cluster write `namespaces: {}`",
            Direction::Egress => {
                "for every pod of the cluster write `namespaces: {}`, for every address `networks: [0.0.0.0/0, \"::/0\"]`"
            }
        };
        if exactly_one(site, at, &fields, help).is_none() {
            return Vec::new();
        }
        let mut lowered = Vec::new();
        let mut add = |site: &Site<'_>, at: &Route, matches| {
            lowered.push(Peer {
                matches,
                origin: site.origin(at),
            });
        };
        if let Some(selector) = self.namespaces {
            let requirements = namespaces(site, &at.then("namespaces"), selector);
            add(site, at, PeerMatch::Endpoints(Selector::new(requirements)));
        }
        if let Some(selectors) = self.pods {
            let requirements = pods(site, &at.then("pods"), context.edition, selectors);
            add(site, at, PeerMatch::Endpoints(Selector::new(requirements)));
        }
        if let Some(selector) = self.nodes {
            let at_nodes = at.then("nodes");
            let requirements = label_selector::requirements(site, &at_nodes, selector, Attribute::Label);
            add(site, at, PeerMatch::Nodes(Selector::new(requirements)));
        }
        if let Some(list) = self.networks {
            let at = at.then("networks");
            check_set(site, &at, list);
            for (index, text) in list.iter().enumerate() {
                let at = at.then(index);
                if let Some(cidr) = network(site, &at, context.edition, text) {
                    let block = CidrBlock {
                        cidr,
                        except: Vec::new(),
                        scope: context.options.cidr_match.of_cluster_network_policy(),
                    };
                    add(site, &at, PeerMatch::Cidr(block));
                }
            }
        }
        if let Some(list) = self.domain_names {
            let at = at.then("domainNames");
            if action.is_some_and(|action| action != Action::Allow) {
                let message = "domain names can only be allowed";
                let finding = site.key_refusal(Code::REFUSED_COMBINATION, &at, message);
                let help = "which addresses a name has is never known in full, so denying them would leave some open; \
                            allow the names, and deny the rest in a rule behind";
                site.report(finding.help(help));
            }
            check_set(site, &at, list);
            for (index, text) in list.iter().enumerate() {
                let at = at.then(index);
                if let Some(pattern) = domain(site, &at, text) {
                    add(site, &at, PeerMatch::Domain(pattern));
                }
            }
        }
        lowered
    }
}

/// What a selector of namespaces asks of pods.
pub(super) fn namespaces(site: &mut Site<'_>, at: &Route, selector: &LabelSelector) -> Vec<Requirement> {
    label_selector::requirements(site, at, selector, Attribute::NamespaceLabel)
}

/// What a pair of selectors asks of pods.
pub(super) fn pods(
    site: &mut Site<'_>,
    at: &Route,
    edition: Edition,
    selectors: &NamespacedPod,
) -> Vec<Requirement> {
    let mut asked = Vec::new();
    match &selectors.namespace_selector {
        Some(selector) => asked.extend(namespaces(site, &at.then("namespaceSelector"), selector)),
        None if edition.any_namespace => {}
        None => {
            required(site, at, "namespaceSelector", None::<()>);
        }
    }
    if let Some(selector) = required(site, at, "podSelector", selectors.pod_selector.as_ref()) {
        let at = at.then("podSelector");
        asked.extend(label_selector::requirements(
            site,
            &at,
            selector,
            Attribute::Label,
        ));
    }
    asked
}

/// `listType=set`, with 1 to 25 entries.
fn check_set(site: &mut Site<'_>, at: &Route, list: &[String]) {
    check_length(site, at, list.len(), 1..=MOST_IN_ENTRY);
    for (index, text) in list.iter().enumerate() {
        if let Some(first) = list.iter().take(index).position(|other| other == text) {
            let finding = site
                .refusal(
                    Code::INVALID_VALUE,
                    &at.then(index),
                    format!("`{text}` is listed twice"),
                )
                .because(site.origin(&at.then(first)), "first listed here");
            site.report(finding.help("list it once"));
        }
    }
}

fn network(site: &mut Site<'_>, at: &Route, edition: Edition, text: &str) -> Option<IpNet> {
    if edition.networks == Networks::OneNotation && text.contains(':') && text.contains('.') {
        let message = format!("`{text}` is not an address block: it writes IPv4 inside IPv6");
        let finding = site.refusal(Code::INVALID_CIDR, at, message);
        site.report(finding.help("write all of it in IPv6 notation"));
        return None;
    }
    if edition.networks == Networks::Masked
        && let Ok(block) = text.parse::<IpNet>()
        && block.trunc() != block
    {
        let message = format!("`{text}` has bits set behind its prefix");
        let finding = site.refusal(Code::INVALID_CIDR, at, message);
        let masked = block.trunc().to_string();
        let fix = Fix::rewording(Applicability::Suggestion, site.origin(at), text, &*masked);
        site.report(finding.help(format!("write `{masked}`")).fix(fix));
        return None;
    }
    address_block::network(site, at, text)
}

/// A name of at least two labels, or all names below one.
///
/// Source: the pattern of `DomainName`. Letters of either case are the same in DNS (RFC 4343), and a final dot says
/// only that the name is complete.
fn domain(site: &mut Site<'_>, at: &Route, text: &str) -> Option<DomainPattern> {
    let (below, name) = match text.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, text),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let ends = [label.bytes().next(), label.bytes().next_back()];
        label.bytes().all(inner)
            && ends
                .iter()
                .all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
    };
    if !name.contains('.') || !name.split('.').all(is_label) {
        let message = format!("`{text}` is not a domain name");
        let finding = site.refusal(Code::INVALID_NAME, at, message);
        site.report(finding.help(
            "write a name such as `www.example.com`, or `*.example.com` for every name below `example.com`",
        ));
        return None;
    }
    let name = name.to_ascii_lowercase();
    Some(DomainPattern(if below { format!("**.{name}") } else { name }))
}
