//! What pods that could exist, and the outside, may exchange with each workload.
//!
//! Connections tell who is there; a rule opens ports to whoever fits it, today or tomorrow. An entry says: every pod
//! that fits this description may use these ports, but for those that an exception describes. It is about the
//! workload's own side; what the other pod's policies say cannot be known before it exists.
//!
//! Entries are read off the rules in force, in the order in which they are asked. A pod is let through on a port when
//! some entry describes it, lists the port, and none of the entry's exceptions does: for every pod, whatever its
//! labels, known or new namespace and address (`tests` asks the evaluator).

pub mod human;
pub(crate) mod json;
mod opening;
#[cfg(test)]
mod tests;
mod unknown;
mod words;

pub use opening::{NamedPort, Opening};
pub use unknown::Unknown;

use super::members::Members;
use super::{Apart, Connection, Connectivity, Peer};
use crate::resolve::Resolved;
use crate::selected::Selected;
use ipnet::IpNet;
use ir::cluster::{Cluster, Endpoint, EndpointId};
use ir::model::Model;
use ir::peer::Peers;
use ir::policy::{Action, Direction, Rule, Tier};
use ir::selecting::Selecting;
use std::collections::BTreeMap;

/// What one workload's own policies let in or out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The workload.
    pub workload: Peer,
    /// From whom (ingress) or to whom (egress).
    pub direction: Direction,
    /// Addresses outside, with their ports.
    pub outside: Outside,
    /// Pods that could exist.
    pub pods: Vec<Entry>,
}

/// Pods that could exist, and what they may use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Which pods.
    pub who: Unknown,
    /// The ports.
    pub opening: Opening,
    /// Pods among them that are denied some of the ports.
    pub except: Vec<(Unknown, Opening)>,
    /// Whether a pod of the input is one of them.
    pub exists: bool,
}

/// The exposure of every workload, sorted; both directions of each.
#[must_use]
pub fn exposures(resolved: &Resolved<'_>, connectivity: &Connectivity<'_, '_>) -> Vec<Exposure> {
    let members = Members::of(&resolved.model.cluster, &connectivity.apart());
    let mut grounds = Grounds::of(resolved.model);
    let connections = connectivity.connections(&Apart::new());
    let outside = outside(&connections);
    let mut exposures = Vec::new();
    for workload in connectivity.workloads() {
        let pods = members.behind(&workload);
        for direction in Direction::BOTH {
            let outside = outside.get(&(&workload, direction)).cloned().unwrap_or_default();
            let mut told: Vec<(Vec<Entry>, EndpointId)> = pods
                .iter()
                .map(|pod| (grounds.entries(*pod, direction), *pod))
                .collect();
            let alike = told.windows(2).all(|pair| match pair {
                [(one, _), (other, _)] => one == other,
                _ => true,
            });
            if alike {
                told.truncate(1);
            }
            for (pods, id) in told {
                let pod = resolved.model.cluster.endpoint(id).filter(|_| !alike);
                exposures.push(Exposure {
                    workload: pod.map_or_else(|| workload.clone(), as_peer),
                    direction,
                    outside: outside.clone(),
                    pods,
                });
            }
        }
    }
    exposures.sort_by(|a, b| (&a.workload, a.direction).cmp(&(&b.workload, b.direction)));
    exposures
}

fn as_peer(pod: &Endpoint) -> Peer {
    Peer::Workload {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        kind: "Pod".to_owned(),
        host_network: pod.host_network,
    }
}

/// Addresses that have the same ports, with the ports.
pub type Outside = Vec<(Vec<IpNet>, super::PortSet)>;

/// The addresses outside of each workload and direction.
fn outside(connections: &[Connection]) -> BTreeMap<(&Peer, Direction), Outside> {
    let mut outside: BTreeMap<_, Outside> = BTreeMap::new();
    for connection in connections {
        let (blocks, workload, direction) = match (&*connection.source, &*connection.destination) {
            (Peer::Outside(blocks), workload) => (blocks, workload, Direction::Ingress),
            (workload, Peer::Outside(blocks)) => (blocks, workload, Direction::Egress),
            _ => continue,
        };
        let of = outside.entry((workload, direction)).or_default();
        of.push((blocks.clone(), (*connection.ports).clone()));
    }
    outside
}

/// Exceptions that are asked before something is let through.
type Guards = Vec<(Unknown, Opening)>;

/// What entries are worked out from.
struct Grounds<'m> {
    model: &'m Model,
    selecting: Selecting,
    /// The pods of the input.
    selected: Selected,
    /// The first two pods of each description that was asked about.
    known: BTreeMap<Unknown, Vec<EndpointId>>,
}

impl<'m> Grounds<'m> {
    fn of(model: &'m Model) -> Self {
        let rules = model.policies().iter().flat_map(|policy| &policy.rules);
        let asked: Vec<Unknown> = rules.flat_map(unknowns).collect();
        let selectors = asked.iter().map(|who| &who.selector);
        Self {
            model,
            selecting: Selecting::new(model),
            selected: Selected::of(&model.cluster, selectors),
            known: BTreeMap::new(),
        }
    }

    fn entries(&mut self, id: EndpointId, direction: Direction) -> Vec<Entry> {
        let model = self.model;
        let gathered = gather(model, &self.selecting, id, direction);
        gathered.entries(&model.cluster, |who| self.exists(who, id))
    }

    /// Whether another pod of the input than `subject` fits.
    fn exists(&mut self, who: &Unknown, subject: EndpointId) -> bool {
        let cluster = &self.model.cluster;
        let selected = &self.selected;
        let known = self.known.entry(who.clone()).or_insert_with(|| {
            let pods = selected.pods(&who.selector);
            let fitting = pods.iter().filter(|id| {
                cluster.endpoint(*id).is_some_and(|pod| {
                    let mut addresses = pod.addresses.iter().copied().map(Some).chain([None]);
                    addresses.any(|address| who.fits(cluster, pod, address))
                })
            });
            fitting.take(2).collect()
        });
        known.iter().any(|id| *id != subject)
    }
}

/// What one endpoint's own side lets through, in one direction.
fn gather(model: &Model, selecting: &Selecting, id: EndpointId, direction: Direction) -> Gathered {
    let cluster = &model.cluster;
    let mut gathered = Gathered::default();
    let Some(subject) = cluster.endpoint(id).filter(|pod| !pod.host_network) else {
        gathered.add(Unknown::default(), Opening::everything(), &[]);
        return gathered;
    };
    let policies = selecting.policies(selecting.list(id)).iter();
    let in_force: Vec<_> = policies
        .filter_map(|id| Some((*id, model.policy(*id)?)))
        .filter(|(_, policy)| policy.applies.has(direction))
        .collect();
    let isolated = in_force
        .iter()
        .any(|(_, policy)| policy.default_deny.has(direction));
    let mut rules: Vec<_> = in_force
        .iter()
        .flat_map(|(id, _)| model.rule_ids(*id))
        .filter(|(_, rule)| rule.direction == direction)
        .collect();
    rules.sort_by_key(|(id, rule)| (rule.rank, *id));
    let tier = |wanted: Tier| {
        rules
            .iter()
            .map(|(_, rule)| *rule)
            .filter(move |rule| rule.rank.tier == wanted)
    };

    // Who comes to the namespaced tier, on which ports, and who of them does not.
    let mut arriving = Vec::new();
    let mut decided: Guards = Vec::new();
    let mut denied: Guards = Vec::new();
    for rule in tier(Tier::Admin) {
        let opening = Opening::of(rule, subject);
        for who in unknowns(rule) {
            match rule.action {
                Action::Allow => gathered.add(who, opening.clone(), &decided),
                Action::Deny => {
                    denied.push((who.clone(), opening.clone()));
                    decided.push((who, opening.clone()));
                }
                Action::Pass => {
                    arriving.push((who.clone(), opening.clone(), denied.clone()));
                    decided.push((who, opening.clone()));
                }
            }
        }
    }
    arriving.push((Unknown::default(), Opening::everything(), denied));

    let is_deny = |rule: &&Rule| rule.action == Action::Deny;
    let guards_of = |rule: &Rule| -> Guards {
        let opening = Opening::of(rule, subject);
        unknowns(rule)
            .into_iter()
            .map(|who| (who, opening.clone()))
            .collect()
    };
    let denies: Guards = tier(Tier::Namespaced)
        .filter(is_deny)
        .flat_map(guards_of)
        .collect();
    for (came, ports, mut guards) in arriving {
        guards.extend(denies.iter().cloned());
        for rule in tier(Tier::Namespaced).filter(|rule| rule.action == Action::Allow) {
            let opening = Opening::of(rule, subject).and(&ports);
            for who in unknowns(rule) {
                gathered.add(came.and(&who), opening.clone(), &guards);
            }
        }
        if isolated {
            continue;
        }
        for rule in tier(Tier::Baseline) {
            let opening = Opening::of(rule, subject);
            for who in unknowns(rule) {
                if rule.action == Action::Deny {
                    guards.push((who, opening.clone()));
                } else {
                    // Behind a pass of the last tier everything is allowed.
                    gathered.add(came.and(&who), opening.and(&ports), &guards);
                }
            }
        }
        gathered.add(came, ports, &guards);
    }
    gathered
}

/// The pods that a rule speaks of.
fn unknowns(rule: &Rule) -> Vec<Unknown> {
    match &rule.peers {
        Peers::Any => vec![Unknown::default()],
        Peers::OneOf(peers) => peers
            .iter()
            .filter_map(|peer| Unknown::of(&peer.matches))
            .collect(),
    }
}

/// Entries in the making.
#[derive(Default)]
struct Gathered(Vec<(Unknown, Opening, Guards)>);

impl Gathered {
    fn add(&mut self, who: Unknown, opening: Opening, guards: &[(Unknown, Opening)]) {
        self.0.push((who, opening, guards.to_vec()));
    }

    /// The entries that say something the others do not, sorted.
    fn entries(self, cluster: &Cluster, mut exists: impl FnMut(&Unknown) -> bool) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for (who, mut opening, guards) in self.0 {
            if !who.can_exist(cluster) {
                continue;
            }
            let mut except: Guards = Vec::new();
            for (denied, ports) in guards {
                if who.is_within(&denied, cluster) {
                    opening = opening.without(&ports);
                }
                except.push((denied, ports));
            }
            except.retain(|(denied, ports)| {
                opening.may_meet(ports)
                    && who.and(denied).can_exist(cluster)
                    // Taken away above, unless a name hides the number.
                    && (!who.is_within(denied, cluster) || opening.hides(ports))
            });
            except.sort();
            except.dedup();
            if opening.is_empty() {
                continue;
            }
            match entries
                .iter_mut()
                .find(|entry| entry.who == who && entry.except == except)
            {
                Some(entry) => entry.opening = entry.opening.or(&opening),
                None => entries.push(Entry {
                    exists: exists(&who),
                    who,
                    opening,
                    except,
                }),
            }
        }
        // What a wider entry says is not said again; the narrowest first, so that the widest stays.
        entries.sort_by_key(|entry| {
            std::cmp::Reverse((
                entry.who.selector.requirements().len() + entry.who.blocks.len(),
                entry.except.len(),
            ))
        });
        for index in 0..entries.len() {
            let Some(mut entry) = entries.get(index).cloned() else {
                continue;
            };
            for (_, wider) in entries.iter().enumerate().filter(|(other, _)| *other != index) {
                let covers = !wider.opening.is_empty()
                    && entry.who.is_within(&wider.who, cluster)
                    && wider.except.iter().all(|except| {
                        entry.except.contains(except) || !entry.who.and(&except.0).can_exist(cluster)
                    });
                if covers {
                    entry.opening = entry.opening.without(&wider.opening);
                }
            }
            if let Some(place) = entries.get_mut(index) {
                *place = entry;
            }
        }
        entries.retain(|entry| !entry.opening.is_empty());
        entries.sort();
        entries
    }
}
