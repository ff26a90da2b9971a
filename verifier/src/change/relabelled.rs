//! Namespaces that have other labels after a change than before it.
//!
//! Both sides are judged over one cluster, in which a namespace has its labels once. So what a policy asks of the
//! labels of such a namespace is answered beforehand, by the labels of the policy's own side: a selector that asks for
//! labels of namespaces becomes two, "in none of these namespaces, and with the labels" and "in one of those of them
//! that have the labels". A policy whose subjects are told so becomes two with the same rules, which is the same:
//! policies add up, and no pod is in both halves.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::Cluster;
use ir::peer::{Peer, PeerMatch, Peers};
use ir::policy::{Policy, Subject};
use ir::selector::{Attribute, Labels, NAMESPACE_NAME_LABEL, Operator, Requirement, Selector};

use crate::witness::Witness;

/// The policies of one side, with what they ask of these namespaces' labels answered.
pub(super) fn answered(policies: &[Policy], namespaces: &BTreeMap<String, Labels>) -> Vec<Policy> {
    if namespaces.is_empty() {
        return policies.to_vec();
    }
    let mut all = vec![];
    for policy in policies {
        let mut policy = policy.clone();
        for rule in &mut policy.rules {
            if let Peers::OneOf(peers) = &mut rule.peers {
                *peers = peers.iter().flat_map(|peer| peers_of(peer, namespaces)).collect();
            }
        }
        match &policy.subject {
            Subject::Endpoints(selector) => {
                for selector in halves(selector, namespaces) {
                    all.push(Policy {
                        subject: Subject::Endpoints(selector),
                        ..policy.clone()
                    });
                }
            }
            Subject::Nodes(_) => all.push(policy),
        }
    }
    all
}

fn peers_of(peer: &Peer, namespaces: &BTreeMap<String, Labels>) -> Vec<Peer> {
    let PeerMatch::Endpoints(selector) = &peer.matches else {
        return vec![peer.clone()];
    };
    halves(selector, namespaces)
        .into_iter()
        .map(|selector| Peer {
            matches: PeerMatch::Endpoints(selector),
            origin: peer.origin.clone(),
        })
        .collect()
}

/// One selector where nothing is asked of labels of namespaces, else two, the second of which may select nothing.
fn halves(selector: &Selector, namespaces: &BTreeMap<String, Labels>) -> Vec<Selector> {
    let (asked, rest): (Vec<&Requirement>, Vec<&Requirement>) =
        selector.requirements().iter().partition(|requirement| {
            matches!(&requirement.attribute, Attribute::NamespaceLabel(key) if key != NAMESPACE_NAME_LABEL)
        });
    if asked.is_empty() {
        return vec![selector.clone()];
    }
    let with_the_labels: BTreeSet<String> = namespaces
        .iter()
        .filter(|(_, labels)| {
            asked.iter().all(|requirement| match &requirement.attribute {
                Attribute::NamespaceLabel(key) => {
                    requirement.operator.accepts(labels.get(key).map(String::as_str))
                }
                _ => false,
            })
        })
        .map(|(name, _)| name.clone())
        .collect();
    let in_namespace = |operator| Requirement {
        attribute: Attribute::Namespace,
        operator,
    };
    let elsewhere = in_namespace(Operator::NotIn(namespaces.keys().cloned().collect()));
    let all = selector.requirements().iter().cloned();
    let mut halves = vec![Selector::new(all.chain([elsewhere]))];
    if !with_the_labels.is_empty() {
        let here = in_namespace(Operator::In(with_the_labels));
        halves.push(Selector::new(rest.into_iter().cloned().chain([here])));
    }
    halves
}

/// The witness where these namespaces have these labels.
pub(super) fn before(witness: &Witness, namespaces: &BTreeMap<String, Labels>) -> Witness {
    let cluster = &witness.cluster;
    let mut known = cluster.namespaces().clone();
    for (name, labels) in &mut known {
        if let Some(own) = namespaces.get(name) {
            labels.clone_from(own);
        }
    }
    let cluster =
        Cluster::new(known, cluster.endpoints().to_vec(), cluster.nodes().to_vec()).named(cluster.name());
    let mut before = witness.clone();
    before.cluster = cluster;
    before
}
