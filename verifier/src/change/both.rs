//! Two sets of policies in one model: what both have is there once.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::Cluster;
use ir::flow::Judgement;
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{Peer, PeerMatch, Peers};
use ir::policy::{Beyond, Direction, Directions, Policy, PolicyId, Rule, RuleId, Subject};
use ir::port::{Port, Ports};
use ir::selector::Labels;

use super::relabelled;
use crate::algebra::Owner;
use crate::algebra::versions::Versions;
use crate::region::{Clause, Ends, Region, Who};
use crate::replay::{judge, without_rules};
use crate::witness::Witness;

/// Both sets of policies in one model.
pub(super) struct Both {
    pub(super) model: Model,
    pub(super) old: BTreeSet<PolicyId>,
    pub(super) new: BTreeSet<PolicyId>,
    /// The old labels of namespaces that have other ones now.
    pub(super) labels_before: BTreeMap<String, Labels>,
}

impl Both {
    pub(super) fn of(old: &Model, new: &Model) -> Self {
        let mut namespaces = old.cluster.namespaces().clone();
        let mut labels_before = BTreeMap::new();
        let mut labels_after = BTreeMap::new();
        for (name, labels) in new.cluster.namespaces() {
            // A namespace that both speak of has, on each side, the labels that it has there, as it has for every other
            // verb. One that only one side knows could exist on the other, just so.
            match namespaces.get(name) {
                Some(before) if before == labels => {}
                Some(before) => {
                    labels_before.insert(name.clone(), before.clone());
                    labels_after.insert(name.clone(), labels.clone());
                    namespaces.insert(name.clone(), labels.clone());
                }
                None => {
                    namespaces.insert(name.clone(), labels.clone());
                }
            }
        }
        let mut pods = new.cluster.endpoints().to_vec();
        let there: BTreeSet<(&str, &str)> = new
            .cluster
            .endpoints()
            .iter()
            .map(|pod| (pod.namespace.as_str(), pod.name.as_str()))
            .collect();
        let gone = old.cluster.endpoints().iter();
        pods.extend(
            gone.filter(|pod| !there.contains(&(pod.namespace.as_str(), pod.name.as_str())))
                .cloned(),
        );
        let nodes = new.cluster.nodes().to_vec();
        let name = new.cluster.name();

        let old = relabelled::answered(old.policies(), &labels_before);
        let new = relabelled::answered(new.policies(), &labels_after);
        // Equal policies are one. Of equal ones on one side, each finds its own on the other.
        let mut left: BTreeMap<Policy, Vec<usize>> = BTreeMap::new();
        for (index, policy) in old.iter().enumerate() {
            left.entry(bare(policy)).or_default().push(index);
        }
        let mut policies = vec![];
        for policy in new {
            let stays = left.get_mut(&bare(&policy)).and_then(Vec::pop).is_some();
            policies.push((policy, stays, true));
        }
        let gone: BTreeSet<usize> = left.into_values().flatten().collect();
        policies.extend(
            old.into_iter()
                .enumerate()
                .filter(|(index, _)| gone.contains(index))
                .map(|(_, policy)| (policy, true, false)),
        );
        // The order in which a model has them, so that positions stand for the same policies.
        policies.sort_by(|(a, ..), (b, ..)| {
            (a.kind, &a.namespace, &a.name, &a.origin).cmp(&(b.kind, &b.namespace, &b.name, &b.origin))
        });
        let ids = |of: fn(&(Policy, bool, bool)) -> bool| {
            (0..)
                .map(PolicyId)
                .zip(&policies)
                .filter(|(_, policy)| of(policy))
                .map(|(id, _)| id)
                .collect()
        };
        let (before, after) = (ids(|policy| policy.1), ids(|policy| policy.2));
        Self {
            model: Model::new(
                Cluster::new(namespaces, pods, nodes).named(name),
                policies.into_iter().map(|(policy, ..)| policy),
            ),
            old: before,
            new: after,
            labels_before,
        }
    }

    /// The namespaces whose labels differ.
    pub(super) fn relabelled(&self) -> Vec<String> {
        self.labels_before.keys().cloned().collect()
    }

    /// The names of policies that differ and are about nodes.
    pub(super) fn about_nodes(&self) -> Vec<String> {
        let differ = self.old.symmetric_difference(&self.new);
        let names: BTreeSet<String> = differ
            .filter_map(|id| self.model.policy(*id))
            .filter(|policy| matches!(policy.subject, Subject::Nodes(_)))
            .map(|policy| policy.name.clone())
            .collect();
        names.into_iter().collect()
    }

    /// Which of the policies go and come, and what of them is in both of their versions.
    pub(super) fn versions(&self) -> Versions {
        let mut versions = Versions {
            gone: self.old.difference(&self.new).copied().collect(),
            come: self.new.difference(&self.old).copied().collect(),
            ..Versions::default()
        };
        let later = self.policies(&versions.come);
        let later: BTreeMap<Policy, PolicyId> = later.map(|(id, policy)| (frame(policy), id)).collect();
        for (gone, before) in self.policies(&versions.gone) {
            let Some(come) = later.get(&frame(before)) else {
                continue;
            };
            versions.doubled.insert(Owner::DefaultDeny(gone));
            versions.kept.insert(Owner::DefaultDeny(*come));
            let mut left: BTreeMap<Rule, Vec<RuleId>> = BTreeMap::new();
            for (id, rule) in self.model.rule_ids(gone) {
                left.entry(bare_rule(rule)).or_default().push(id);
            }
            for (id, rule) in self.model.rule_ids(*come) {
                if let Some(twin) = left.get_mut(&bare_rule(rule)).and_then(Vec::pop) {
                    versions.doubled.insert(Owner::Rule(twin));
                    versions.kept.insert(Owner::Rule(id));
                }
            }
        }
        versions
    }

    fn policies(&self, ids: &BTreeSet<PolicyId>) -> impl Iterator<Item = (PolicyId, &Policy)> {
        ids.iter().filter_map(|id| Some((*id, self.model.policy(*id)?)))
    }

    /// What the old policies and the new ones say of a flow, each by their own labels of namespaces.
    pub(super) fn judged(&self, witness: &Witness, old: &Model, new: &Model) -> [Judgement; 2] {
        let then = relabelled::before(witness, &self.labels_before);
        [(&then, old), (witness, new)].map(|(witness, model)| judge(witness, model.policies(), |_| true))
    }

    /// The flows whose verdict can differ; `None` when no policy does.
    pub(super) fn region(&self) -> Option<Region> {
        let only = |one: &BTreeSet<PolicyId>, other: &BTreeSet<PolicyId>| -> Vec<&Policy> {
            one.difference(other)
                .filter_map(|id| self.model.policy(*id))
                .collect()
        };
        let (gone, come) = (only(&self.old, &self.new), only(&self.new, &self.old));
        if gone.is_empty() && come.is_empty() {
            return None;
        }
        let mut any_of = vec![];
        for (policies, others) in [(&gone, &come), (&come, &gone)] {
            for policy in policies {
                let twin = others.iter().find(|other| frame(policy) == frame(other));
                any_of.extend(differing(policy, twin.copied()));
            }
        }
        Some(Region {
            any_of,
            except: vec![],
            existing: false,
        })
    }
}

/// A policy without its places: what it says.
pub(crate) fn bare(policy: &Policy) -> Policy {
    Policy {
        rules: policy.rules.iter().map(bare_rule).collect(),
        ..frame(policy)
    }
}

/// A policy without its rules and places: two versions with the same one differ in nothing but their rules.
fn frame(policy: &Policy) -> Policy {
    Policy {
        origin: nowhere(),
        ..without_rules(policy)
    }
}

fn bare_rule(rule: &Rule) -> Rule {
    Rule {
        peers: match &rule.peers {
            Peers::Any => Peers::Any,
            Peers::OneOf(peers) => {
                let bare = |peer: &Peer| Peer {
                    matches: peer.matches.clone(),
                    origin: nowhere(),
                };
                Peers::OneOf(peers.iter().map(bare).collect())
            }
        },
        ports: match &rule.ports {
            Ports::Any => Ports::Any,
            Ports::OneOf(ports) => {
                let bare = |port: &Port| Port {
                    matches: port.matches.clone(),
                    origin: nowhere(),
                };
                Ports::OneOf(ports.iter().map(bare).collect())
            }
        },
        beyond: rule
            .beyond
            .iter()
            .map(|demand| Beyond {
                kind: demand.kind,
                origin: nowhere(),
            })
            .collect(),
        origin: nowhere(),
        ..rule.clone()
    }
}

fn nowhere() -> Origin {
    Origin::synthetic("")
}

/// The flows about which `policy` says something that its other version does not.
fn differing(policy: &Policy, twin: Option<&Policy>) -> Vec<Clause> {
    let Subject::Endpoints(subject) = &policy.subject else {
        return vec![];
    };
    let subject = || Ends::OneOf(vec![Who::Matching(PeerMatch::Endpoints(subject.clone()))]);
    let clause = |direction, peers: Ends, ports: Option<Vec<_>>| match direction {
        Direction::Ingress => Clause {
            from: peers,
            to: subject(),
            ports,
        },
        Direction::Egress => Clause {
            from: subject(),
            to: peers,
            ports,
        },
    };
    let Some(twin) = twin else {
        // All flows of its subjects, as it may deny what no rule allows.
        let Directions { ingress, egress } = policy.applies;
        return [(Direction::Ingress, ingress), (Direction::Egress, egress)]
            .into_iter()
            .filter(|(_, applies)| *applies)
            .map(|(direction, _)| clause(direction, Ends::Anyone, None))
            .collect();
    };
    let there: BTreeSet<Rule> = twin.rules.iter().map(bare_rule).collect();
    policy
        .rules
        .iter()
        .filter(|rule| policy.applies.has(rule.direction) && !there.contains(&bare_rule(rule)))
        .map(|rule| {
            let peers = match &rule.peers {
                Peers::Any => Ends::Anyone,
                Peers::OneOf(peers) => Ends::OneOf(
                    peers
                        .iter()
                        .map(|peer| Who::Matching(peer.matches.clone()))
                        .collect(),
                ),
            };
            let ports = match &rule.ports {
                Ports::Any => None,
                Ports::OneOf(ports) => Some(ports.iter().map(|port| port.matches.clone()).collect()),
            };
            clause(rule.direction, peers, ports)
        })
        .collect()
}
