//! Which entries of a rule decide: of its peers those that are the other end, of its ports those that are asked about.

use crate::cite::RuleRef;
use crate::connectivity::PortSet;
use crate::resolve::Resolved;
use ir::cluster::{Endpoint, EndpointId};
use ir::identity::{IdentityId, OwnNode, Viewpoint};
use ir::named_port;
use ir::origin::Origin;
use ir::peer::Peers;
use ir::policy::{Action, Direction, Rule, RuleId};
use ir::port::{PortMatch, Ports};

/// A rule, with what in it decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cited {
    /// The rule.
    pub(super) rule: RuleRef,
    /// The entries, in the order of lines; none where the rule decides as a whole.
    pub(super) entries: Vec<Origin>,
}

/// Cites a rule of `subject` that decides about `ports` of or for `others`.
pub(super) fn cited(
    resolved: &Resolved<'_>,
    subject: EndpointId,
    id: RuleId,
    ports: &PortSet,
    others: &[IdentityId],
) -> Option<Cited> {
    let rule = resolved.model.rule(id)?;
    let pod = resolved.model.cluster.endpoint(subject)?;
    let mut entries = peers(resolved, pod, rule, others);
    entries.extend(port_entries(resolved, pod, rule, ports, others));
    // What is written elsewhere, or is the rule itself, says nothing of where in it to look.
    entries.retain(|entry| {
        entry.file == rule.origin.file
            && start(entry) > start(&rule.origin)
            && end(entry) <= end(&rule.origin)
    });
    entries.sort_by_key(start);
    entries.dedup();
    Some(Cited {
        rule: RuleRef::by_id(resolved.model, id)?,
        entries,
    })
}

fn start(origin: &Origin) -> (u32, u32) {
    (origin.line, origin.column)
}

fn end(origin: &Origin) -> (u32, u32) {
    (origin.end_line, origin.end_column)
}

fn peers(resolved: &Resolved<'_>, pod: &Endpoint, rule: &Rule, others: &[IdentityId]) -> Vec<Origin> {
    let Peers::OneOf(peers) = &rule.peers else {
        return Vec::new();
    };
    let viewpoint = Viewpoint {
        own_node: OwnNode::of(pod, &resolved.model.cluster),
        doubt: rule.action == Action::Deny,
    };
    peers
        .iter()
        .filter(|peer| {
            let matching = resolved
                .identities
                .matching(&Peers::OneOf(vec![(*peer).clone()]), viewpoint);
            others.iter().any(|other| matching.contains(other.0))
        })
        .map(|peer| peer.origin.clone())
        .collect()
}

fn port_entries(
    resolved: &Resolved<'_>,
    pod: &Endpoint,
    rule: &Rule,
    asked: &PortSet,
    others: &[IdentityId],
) -> Vec<Origin> {
    let Ports::OneOf(entries) = &rule.ports else {
        return Vec::new();
    };
    let is_asked = |protocol, number| asked.contains(protocol, number);
    let decides = |matches: &PortMatch| match (matches, rule.direction) {
        (
            PortMatch::Numbers {
                protocol,
                first,
                last,
            },
            _,
        ) => asked
            .ranges()
            .iter()
            .any(|range| protocol.contains(range.protocol) && range.first <= *last && *first <= range.last),
        (PortMatch::Name { protocol, name }, Direction::Ingress) => {
            named_port::definitions(pod, name, *protocol).any(|port| is_asked(port.protocol, port.number))
        }
        (PortMatch::Name { protocol, name }, Direction::Egress) => {
            let mut numbers = resolved.identities.numbers(name, *protocol).into_iter().flatten();
            numbers.any(|((protocol, number), with)| {
                is_asked(*protocol, *number) && others.iter().any(|other| with.contains(other.0))
            })
        }
        (PortMatch::Icmp { .. }, _) => false,
    };
    let entries = entries.iter().filter(|entry| decides(&entry.matches));
    entries.map(|entry| entry.origin.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::page;

    const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: a, labels: {app: web}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cache, namespace: a, labels: {app: cache}}
spec:
  containers:
    - {name: c, image: i, ports: [{name: redis, containerPort: 6379}, {name: probe, containerPort: 80}]}
";

    /// What is marked in the explanations of a policy.
    fn marked(policy: &str) -> Vec<String> {
        let page = page(&[("pods.yaml", PODS), ("policy.yaml", policy)]);
        let why = page.split_once("<section id=\"why\">").map_or("", |(_, why)| why);
        let marks = why.split("<mark>").skip(1);
        let marks = marks.filter_map(|mark| mark.split_once("</mark>"));
        let mut marks: Vec<_> = marks.map(|(mark, _)| mark.to_owned()).collect();
        marks.sort();
        marks.dedup();
        marks
    }

    #[test]
    fn of_a_long_rule_the_peer_and_the_port_are_marked_that_decide() {
        let peer = |app: &str| {
            format!("        - podSelector:\n            matchLabels:\n              app: {app}\n")
        };
        let policy = format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: a}}\nspec:\n  podSelector: {{matchLabels: {{app: cache}}}}\n  policyTypes: [Ingress]\n  ingress:\n    - from:\n{}{}{}{}      ports:\n        - port: 53\n          protocol: UDP\n        - port: 6379\n",
            peer("one"),
            peer("two"),
            peer("three"),
            peer("web"),
        );
        assert_eq!(
            marked(&policy),
            ["53", "6379", "app: web", "matchLabels:", "podSelector:"]
        );
    }

    #[test]
    fn of_names_those_are_marked_that_mean_the_port() {
        let policy = |rest: &str| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: a}}\nspec:\n{rest}"
            )
        };
        let ports = "ports: [{port: redis}, {port: elsewhere}]";
        let ingress = format!("  podSelector: {{matchLabels: {{app: cache}}}}\n  ingress:\n    - {ports}\n");
        assert_eq!(marked(&policy(&ingress)), ["redis"]);
        let egress = format!(
            "  podSelector: {{matchLabels: {{app: web}}}}\n  policyTypes: [Egress]\n  egress:\n    - to: [{{podSelector: {{matchLabels: {{app: cache}}}}}}]\n      {ports}\n"
        );
        assert_eq!(
            marked(&policy(&egress)),
            ["redis", "{podSelector: {matchLabels: {app: cache}}}"]
        );
    }

    #[test]
    fn a_rule_without_entries_is_marked_whole() {
        let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: a}\nspec:\n  podSelector: {}\n  ingress:\n    - {}\n";
        assert_eq!(marked(policy), ["{}"]);
    }
}
