//! # PC201 named-port-many-numbers
//!
//! One rule's port name means different numbers on pods that it reaches.
//!
//! ## What is wrong
//! A port name in a rule stands, for each destination pod by itself, for the number that this pod's own containers
//! give the name. Where pods behind one selector differ, the rule opens (or closes) another number on each of them.
//! It does not say which, and one more Deployment behind the selector changes it without a change to the policy.
//!
//! ## What engines do
//!
//! | | an egress rule | an ingress rule |
//! |---|---|---|
//! | Kubernetes' text | each pod's own number, on that pod only | the pod's own number |
//! | Cilium 1.20 | the same | the same |
//! | Cilium up to 1.19 | the name is ambiguous: the whole entry is skipped, what it allows stays closed | the same |
//!
//! Cilium 1.20 takes a pod's port names into its identity, when the pod is made. Pods with equal labels that ran before
//! the upgrade and differ in a name's number are not told apart until they are made anew; for them the entry is skipped
//! as before (cilium/cilium#45760).
//!
//! So it is a warning at egress and a note at ingress. In an egress rule that denies it is PC203.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Ingress, Egress]
//!   egress:
//!     - to: [{podSelector: {matchLabels: {app: catalog}}}]
//!       ports: [{port: http}]        # 8080 on catalog-java, 80 on catalog-nginx
//!     - ports: [{port: 53, protocol: UDP}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: catalog-java, namespace: shop, labels: {app: catalog}}
//! spec: {containers: [{name: java, image: java, ports: [{name: http, containerPort: 8080}]}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: catalog-nginx, namespace: shop, labels: {app: catalog}}
//! spec: {containers: [{name: nginx, image: nginx, ports: [{name: http, containerPort: 80}]}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web, namespace: shop, labels: {app: web}}
//! spec: {containers: [{name: web, image: web}]}
//! ```
//!
//! ## How to fix it
//! Name the port the same number on all of the pods, or write the numbers: one rule for each, with a selector that
//! tells the pods apart.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Ingress, Egress]
//!   egress:
//!     - to: [{podSelector: {matchLabels: {app: catalog}}}]
//!       ports: [{port: http}]
//!     - ports: [{port: 53, protocol: UDP}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: catalog-java, namespace: shop, labels: {app: catalog}}
//! spec: {containers: [{name: java, image: java, ports: [{name: http, containerPort: 8080}]}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: catalog-nginx, namespace: shop, labels: {app: catalog}}
//! spec: {containers: [{name: nginx, image: nginx, ports: [{name: http, containerPort: 8080}]}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web, namespace: shop, labels: {app: web}}
//! spec: {containers: [{name: web, image: web}]}
//! ```

use super::cilium_names::and;
use super::named_port_hazards::{Case, Hazards, Judged, Numbers, skipped};
use super::named_port_report::{
    at_use, egress_engines, pod, skipped_part, table, with_engines, with_places, with_witness, witness,
};
use super::policy_name;
use crate::diagnostic::{Code, Finding, Severity};
use ir::policy::{Action, Direction};
use ir::port::Protocol;
use std::collections::{BTreeMap, BTreeSet};

/// Finds rules with such a name.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let uses = hazards.uses.iter();
    uses.filter(|judged| judged.case == Case::ManyNumbers)
        .map(|judged| finding(hazards, judged))
        .collect()
}

fn finding(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Finding {
    let one = &judged.one;
    let engines = egress_engines(hazards, judged);
    let is_skipped = skipped(&hazards.names, judged).next().is_some();
    let message = format!(
        "`{}` means {} in this {} rule: {}",
        one.name,
        listed_numbers(judged.meanings().keys()),
        one.rule.direction,
        if is_skipped {
            format!(
                "Cilium up to 1.19 skips {}, and what it allows is closed",
                skipped_part(judged)
            )
        } else {
            "which port is meant depends on the pod".to_owned()
        },
    );
    let label = format!("`{}` stands for each pod's own number", one.name);
    let mut finding = with_places(
        at_use(judged, Code::NAMED_PORT_MANY_NUMBERS, message, label),
        judged,
    );
    if !is_skipped {
        finding.severity = Severity::Note;
    }
    let verb = match one.rule.direction {
        Direction::Ingress => "selects",
        Direction::Egress => "reaches",
    };
    let help = format!(
        "give `{}` one number on all pods that {} {verb}, or write numbers with selectors that tell the pods apart",
        one.name,
        policy_name(hazards.model, one.rule_id),
    );
    let flow = shows_itself(hazards, judged);
    with_witness(
        with_engines(finding.named_ports(table(judged)), engines).help(help),
        flow,
    )
}

/// A flow that the rule decides on one of its numbers: for an allow one that is let through, for a deny one that is
/// not. An engine that skips the rule says the opposite.
pub(super) fn shows_itself(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Option<crate::diagnostic::Witness> {
    let wanted = judged.one.rule.action != Action::Deny;
    let destinations: Vec<_> = judged
        .meanings()
        .into_iter()
        .flat_map(|(numbers, reached)| {
            let id = reached.id;
            numbers
                .into_iter()
                .map(move |(protocol, number)| (pod(id), protocol, number))
        })
        .collect();
    witness(hazards, judged, destinations, |tried| {
        tried.decided_here && tried.judgement.allowed() == wanted
    })
}

/// `80 on some pods and 8080 on others`, in the order of numbers. What all pods share is not listed, nor a protocol in
/// which no two differ, and where several are, each number has its own: `80/TCP, 8080/TCP and …`.
pub(super) fn listed_numbers<'a>(meanings: impl IntoIterator<Item = &'a Numbers>) -> String {
    let meanings: Vec<&Numbers> = meanings.into_iter().collect();
    let is_shared = |number: &(Protocol, u16)| meanings.iter().all(|meaning| meaning.contains(number));
    let own = |meaning: &&Numbers| -> Numbers {
        let own = meaning.iter().filter(|number| !is_shared(number));
        own.copied().collect()
    };
    let differing: Vec<Numbers> = meanings.iter().map(own).filter(|own| !own.is_empty()).collect();
    // The others have what is shared, and nothing else.
    if let [more] = differing.as_slice() {
        let more = more
            .iter()
            .map(|(protocol, number)| format!("{number}/{protocol}"));
        return format!("also {} on some pods", and(more));
    }
    let all: Numbers = differing.into_iter().flatten().collect();
    let mut by_protocol: BTreeMap<Protocol, usize> = BTreeMap::new();
    for (protocol, _) in &all {
        *by_protocol.entry(*protocol).or_default() += 1;
    }
    let differ = |protocol: &Protocol| by_protocol.get(protocol).is_some_and(|numbers| *numbers > 1);
    let ambiguous: Numbers = all
        .iter()
        .filter(|(protocol, _)| differ(protocol))
        .copied()
        .collect();
    let shown = if ambiguous.is_empty() { all } else { ambiguous };
    let protocols: BTreeSet<Protocol> = shown.iter().map(|(protocol, _)| *protocol).collect();
    let numbers: Vec<_> = shown
        .iter()
        .map(|(protocol, number)| match protocols.len() {
            1 => number.to_string(),
            _ => format!("{number}/{protocol}"),
        })
        .collect();
    match numbers.split_last() {
        Some((last, rest)) if !rest.is_empty() => {
            format!("{} on some pods and {last} on others", rest.join(", "))
        }
        _ => numbers.join(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_where_they_differ() {
        let listed = |meanings: &[&[(Protocol, u16)]]| {
            let meanings: Vec<Numbers> = meanings.iter().map(|one| one.iter().copied().collect()).collect();
            listed_numbers(&meanings)
        };
        let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
        assert_eq!(
            listed(&[&[(tcp, 80)], &[(tcp, 8080)]]),
            "80 on some pods and 8080 on others"
        );
        assert_eq!(
            listed(&[&[(tcp, 80), (udp, 82)], &[(tcp, 8080)]]),
            "80 on some pods and 8080 on others"
        );
        assert_eq!(
            listed(&[&[(tcp, 80), (udp, 80)], &[(tcp, 8080), (udp, 53)]]),
            "80/TCP, 8080/TCP, 53/UDP on some pods and 80/UDP on others"
        );
        assert_eq!(
            listed(&[&[(tcp, 80)], &[(udp, 80)]]),
            "80/TCP on some pods and 80/UDP on others"
        );
        // What all share is no difference.
        assert_eq!(
            listed(&[&[(tcp, 80), (udp, 53)], &[(tcp, 80)]]),
            "also 53/UDP on some pods"
        );
        assert_eq!(
            listed(&[&[(tcp, 80), (tcp, 8080), (udp, 53)], &[(tcp, 80)]]),
            "also 8080/TCP and 53/UDP on some pods"
        );
        assert_eq!(
            listed(&[&[(tcp, 80), (udp, 53)], &[(tcp, 80), (udp, 54)], &[(tcp, 80)]]),
            "53 on some pods and 54 on others"
        );
    }
}
