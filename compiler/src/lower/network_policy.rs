//! NetworkPolicy (`networking.k8s.io/v1`) → [`Policy`].
//!
//! | written | meaning | source |
//! |---|---|---|
//! | no `policyTypes` (or an empty list) | ingress; egress too when there are egress rules | `SetDefaults_NetworkPolicy` |
//! | `policyTypes` without a direction | that direction's section has no effect | API text of `policyTypes` |
//! | no `podSelector`, or `{}` | every pod of the namespace | API text of `podSelector` |
//! | rule without `from`/`to`, or an empty list | every peer | API text of `from`: "empty or missing" |
//! | rule without `ports`, or an empty list | every port of every protocol | API text of `ports` |
//! | `from: [{}]` | refused: a peer must say something | `ValidateNetworkPolicyPeer` |

use super::label_selector;
use super::site::Site;
use super::{Options, address_block, port};
use crate::diagnostic::{Applicability, Code, Fix};
use crate::route;
use crate::route::Route;
use ir::peer::{Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Directions, Policy, PolicyKind, Rank, Rule, Subject};
use ir::port::Ports;
use ir::selector::{Attribute, Requirement, Selector};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};

/// One policy. Where parts of it are refused they are missing, and a finding blocks analysis.
pub(super) fn lower(site: &mut Site<'_>, policy: &NetworkPolicy, options: Options) -> Policy {
    let namespace = site.object.name.namespace.clone().unwrap_or_default();
    let default = NetworkPolicySpec::default();
    let spec = policy.spec.as_ref().unwrap_or(&default);

    let mut subject = vec![Requirement::equals(Attribute::Namespace, &namespace)];
    if let Some(selector) = &spec.pod_selector {
        let at = route!["spec", "podSelector"];
        subject.extend(label_selector::requirements(
            site,
            &at,
            selector,
            Attribute::Label,
        ));
    }
    let applies = directions(site, spec);

    let mut rules = Vec::new();
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let section = Section {
            at: route!["spec", "ingress", index],
            direction: Direction::Ingress,
            peers_field: "from",
            peers: rule.from.as_deref(),
            ports: rule.ports.as_deref(),
        };
        rules.push(section.lower(site, &namespace, options));
    }
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let section = Section {
            at: route!["spec", "egress", index],
            direction: Direction::Egress,
            peers_field: "to",
            peers: rule.to.as_deref(),
            ports: rule.ports.as_deref(),
        };
        rules.push(section.lower(site, &namespace, options));
    }
    // A section that `policyTypes` leaves out was checked like any other, and says nothing.
    rules.retain(|rule| applies.has(rule.direction));

    Policy {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(namespace),
        name: site.object.name.name.clone(),
        subject: Subject::Endpoints(Selector::new(subject)),
        applies,
        default_deny: applies,
        rules,
        origin: site.object.key_origin(&route!["metadata", "name"]),
    }
}

/// The directions the policy is in force for.
///
/// `policyTypes` that are absent or empty default to ingress, and to egress when there is at least one egress rule:
/// the API server's `SetDefaults_NetworkPolicy` looks at lengths, so that `egress: []` alone does not isolate.
fn directions(site: &mut Site<'_>, spec: &NetworkPolicySpec) -> Directions {
    let types = spec.policy_types.as_deref().unwrap_or_default();
    if types.is_empty() {
        return Directions {
            ingress: true,
            egress: spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
        };
    }
    let at = route!["spec", "policyTypes"];
    let mut directions = Directions::default();
    for (index, written) in types.iter().enumerate() {
        match written.as_str() {
            "Ingress" => directions.ingress = true,
            "Egress" => directions.egress = true,
            other => {
                let message = format!("there is no policy type `{other}`");
                let finding = site.refusal(Code::INVALID_VALUE, &at.then(index), message);
                let near = ["Ingress", "Egress"]
                    .into_iter()
                    .find(|known| known.eq_ignore_ascii_case(other));
                site.report(match near {
                    Some(near) => {
                        let fix =
                            Fix::rewording(Applicability::Safe, site.origin(&at.then(index)), other, near);
                        finding.help(format!("write `{near}`")).fix(fix)
                    }
                    None => finding.help("one of `Ingress`, `Egress`"),
                });
            }
        }
    }
    if types.len() > 2 {
        let message = "`policyTypes` has more than two entries";
        let finding = site.refusal(Code::REFUSED_COMBINATION, &at, message);
        site.report(finding.help("list each direction once"));
    }
    directions
}

/// One rule of either section.
struct Section<'a> {
    at: Route,
    direction: Direction,
    peers_field: &'static str,
    peers: Option<&'a [NetworkPolicyPeer]>,
    ports: Option<&'a [NetworkPolicyPort]>,
}

impl Section<'_> {
    fn lower(&self, site: &mut Site<'_>, namespace: &str, options: Options) -> Rule {
        let peers = match self.peers {
            None | Some([]) => Peers::Any,
            Some(list) => {
                let mut peers = Vec::new();
                for (index, peer) in list.iter().enumerate() {
                    let at = self.at.then(self.peers_field).then(index);
                    peers.extend(lower_peer(site, &at, peer, namespace, options));
                }
                Peers::OneOf(peers)
            }
        };
        let ports = match self.ports {
            None | Some([]) => Ports::Any,
            Some(list) => {
                let mut ports = Vec::new();
                for (index, port) in list.iter().enumerate() {
                    ports.extend(port::lower(site, &self.at.then("ports").then(index), port));
                }
                Ports::OneOf(ports)
            }
        };
        Rule {
            direction: self.direction,
            rank: Rank::NAMESPACED,
            action: Action::Allow,
            peers,
            ports,
            beyond: Vec::new(),
            origin: site.origin(&self.at),
        }
    }
}

fn lower_peer(
    site: &mut Site<'_>,
    at: &Route,
    peer: &NetworkPolicyPeer,
    namespace: &str,
    options: Options,
) -> Option<Peer> {
    let matches = match (&peer.ip_block, &peer.pod_selector, &peer.namespace_selector) {
        (None, None, None) => {
            let message = "a peer must say whom it means; `{}` says nothing";
            let finding = site.refusal(Code::REFUSED_COMBINATION, at, message);
            site.report(finding.help(
                "for every pod of the namespace write `podSelector: {}`; for everything leave the whole list out",
            ));
            return None;
        }
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let message = "`ipBlock` cannot stand beside a selector in one peer";
            let mut finding = site.key_refusal(Code::REFUSED_COMBINATION, &at.then("ipBlock"), message);
            for (field, given) in [
                ("podSelector", peer.pod_selector.is_some()),
                ("namespaceSelector", peer.namespace_selector.is_some()),
            ] {
                if given {
                    finding = finding.because(site.object.key_origin(&at.then(field)), "beside it");
                }
            }
            site.report(finding.help("make two peers of them, each with its own `-`"));
            return None;
        }
        (Some(block), None, None) => {
            let scope = options.cidr_match.of_network_policy();
            PeerMatch::Cidr(address_block::lower(site, &at.then("ipBlock"), block, scope)?)
        }
        (None, pods, namespaces) => {
            let mut requirements = Vec::new();
            match namespaces {
                None => requirements.push(Requirement::equals(Attribute::Namespace, namespace)),
                Some(selector) => {
                    let at = at.then("namespaceSelector");
                    requirements.extend(label_selector::requirements(
                        site,
                        &at,
                        selector,
                        Attribute::NamespaceLabel,
                    ));
                }
            }
            if let Some(selector) = pods {
                let at = at.then("podSelector");
                requirements.extend(label_selector::requirements(
                    site,
                    &at,
                    selector,
                    Attribute::Label,
                ));
            }
            PeerMatch::Endpoints(Selector::new(requirements))
        }
    };
    Some(Peer {
        matches,
        origin: site.origin(at),
    })
}
