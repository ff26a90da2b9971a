//! # PC310 same-priority
//!
//! Two policies of one tier and priority decide the same flow differently, and the API leaves open which one wins.
//!
//! ## What is wrong
//! ClusterNetworkPolicies (and AdminNetworkPolicies) are asked in the order of their priorities. Where two with the
//! same priority match a flow, "the implementation can apply any of the matching policies to the connection, and
//! there is no way for the user to reliably determine which one it will choose". Here the choice makes a difference:
//! one of them lets the flow through and the other does not. The answer may change with the engine, with the order in
//! which policies are created, or from one node to the next.
//!
//! Policies of equal priority are fine as long as they agree about what they both match.
//!
//! ## Example
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: no-cross-tenant}
//! spec:
//!   tier: Admin
//!   priority: 10
//!   subject: {namespaces: {}}
//!   ingress: [{action: Deny, from: [{namespaces: {matchLabels: {tenant: blue}}}]}]
//! ---
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: monitoring}
//! spec:
//!   tier: Admin
//!   priority: 10               # the same
//!   subject: {namespaces: {}}
//!   ingress: [{action: Accept, from: [{pods: {podSelector: {matchLabels: {app: metrics}}}}]}]
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: blue, labels: {tenant: blue}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: metrics, namespace: blue, labels: {app: metrics}}
//! spec: {containers: [{name: metrics, image: metrics}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: api, namespace: blue, labels: {app: api}}
//! spec: {containers: [{name: api, image: api}]}
//! ```
//!
//! ## How to fix it
//! Give the policies different priorities, the lower number to the one that must win.
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: no-cross-tenant}
//! spec:
//!   tier: Admin
//!   priority: 20
//!   subject: {namespaces: {}}
//!   ingress: [{action: Deny, from: [{namespaces: {matchLabels: {tenant: blue}}}]}]
//! ---
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: monitoring}
//! spec:
//!   tier: Admin
//!   priority: 10
//!   subject: {namespaces: {}}
//!   ingress: [{action: Accept, from: [{pods: {podSelector: {matchLabels: {app: metrics}}}}]}]
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: blue, labels: {tenant: blue}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: metrics, namespace: blue, labels: {app: metrics}}
//! spec: {containers: [{name: metrics, image: metrics}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: api, namespace: blue, labels: {app: api}}
//! spec: {containers: [{name: api, image: api}]}
//! ```

use super::object_name;
use crate::diagnostic::{Code, Finding, Witness};
use ir::cluster::{Cluster, Endpoint, EndpointId};
use ir::flow::Party;
use ir::identity::{Identities, IdentityId};
use ir::model::Model;
use ir::policy::{Action, Direction, Policy, PolicyId, Rank, RuleId, Subject, Tier};
use ir::port::Protocol;
use ir::table::{Cells, Matching, Row, VerdictTable};
use std::collections::{BTreeMap, BTreeSet};

/// Finds pairs of policies that some pod of the cluster meets, one finding for each pair.
#[must_use]
pub fn check(model: &Model) -> Vec<Finding> {
    let groups = groups(model);
    if groups.is_empty() {
        return Vec::new();
    }
    let identities = Identities::of(model);
    let mut search = Search {
        model,
        identities: &identities,
        seen: BTreeSet::new(),
        findings: Vec::new(),
    };
    for group in &groups {
        search.group(group);
    }
    search.findings
}

/// Policies of one tier and priority that do not all do the same.
struct Group {
    tier: Tier,
    priority: u32,
    policies: Vec<PolicyId>,
}

fn groups(model: &Model) -> Vec<Group> {
    let mut by_rank: BTreeMap<(Tier, u32), Vec<(PolicyId, &Policy)>> = BTreeMap::new();
    for (id, policy) in model.policy_ids() {
        if let Some(rule) = policy
            .rules
            .first()
            .filter(|rule| rule.rank.tier != Tier::Namespaced)
        {
            let rank = (rule.rank.tier, rule.rank.priority);
            by_rank.entry(rank).or_default().push((id, policy));
        }
    }
    by_rank
        .into_iter()
        .filter(|(_, policies)| {
            let rules = policies.iter().flat_map(|(_, policy)| &policy.rules);
            let actions: BTreeSet<_> = rules.map(|rule| rule.action).collect();
            policies.len() > 1 && actions.len() > 1
        })
        .map(|((tier, priority), policies)| Group {
            tier,
            priority,
            policies: policies.into_iter().map(|(id, _)| id).collect(),
        })
        .collect()
}

impl Group {
    fn has(&self, rank: Rank) -> bool {
        (rank.tier, rank.priority) == (self.tier, self.priority)
    }
}

struct Search<'a> {
    model: &'a Model,
    identities: &'a Identities,
    /// Pairs that were reported.
    seen: BTreeSet<(PolicyId, PolicyId)>,
    findings: Vec<Finding>,
}

impl Search<'_> {
    fn group(&mut self, group: &Group) {
        let cluster = &self.model.cluster;
        // Pods that policies cannot tell apart are asked about once.
        let mut asked = BTreeSet::new();
        for (id, pod) in cluster.endpoint_ids().filter(|(_, pod)| !pod.host_network) {
            let numbers: Vec<_> = pod
                .ports
                .iter()
                .map(|port| (&port.name, port.number, port.protocol))
                .collect();
            if !asked.insert((&pod.namespace, &pod.labels, &pod.service_account, numbers)) {
                continue;
            }
            for direction in Direction::BOTH {
                let selecting: Vec<_> = group
                    .policies
                    .iter()
                    .filter_map(|id| self.model.policy(*id))
                    .filter(|policy| policy.applies.has(direction) && selects(cluster, policy, pod))
                    .collect();
                if selecting.len() > 1 {
                    self.subject(group, id, direction);
                }
            }
        }
    }

    /// Asks the table of one pod for a flow about which two policies of the group disagree.
    fn subject(&mut self, group: &Group, id: EndpointId, direction: Direction) {
        let table = VerdictTable::build(self.model, self.identities, id, direction);
        let mut done = BTreeSet::new();
        for row in &table.rows {
            let Some(cells) = table.cells(row).filter(|_| done.insert(row.cells)) else {
                continue;
            };
            if cells.rules.iter().filter(|rule| group.has(rule.rank)).count() < 2 {
                continue;
            }
            for identity in (&table.columns - &table.always).iter().map(IdentityId) {
                for (first, second) in disagreeing(&table, cells, identity, group) {
                    let pair = (first.policy, second.policy);
                    if self.seen.contains(&pair) {
                        continue;
                    }
                    if let Some(peer) = self.peer(id, identity) {
                        let flow = self.flow(id, direction, row, peer);
                        self.findings
                            .extend(finding(self.model, group, first, second, flow));
                        self.seen.insert(pair);
                    }
                }
            }
        }
    }

    /// A party of this identity other than the subject, which reaches itself whatever policies say.
    fn peer(&self, subject: EndpointId, identity: IdentityId) -> Option<Party> {
        let is_subject = |party| matches!(party, Party::Endpoint { id, .. } if id == subject);
        let example = self.identities.identities().get(identity.0 as usize)?.example;
        if !is_subject(example) {
            return Some(example);
        }
        let others = self
            .model
            .cluster
            .endpoint_ids()
            .map(|(id, _)| own(self.model, id));
        others
            .filter(|party| !is_subject(*party))
            .find(|party| self.identities.of_party(*party) == Some(identity))
    }

    fn flow(&self, id: EndpointId, direction: Direction, row: &Row, peer: Party) -> Witness {
        let subject = name(&self.model.cluster, own(self.model, id));
        let peer = name(&self.model.cluster, peer);
        let (from, to) = match direction {
            Direction::Ingress => (peer, subject),
            Direction::Egress => (subject, peer),
        };
        let lowest = if row.protocol.has_ports() { 1 } else { 0 };
        Witness {
            from,
            to,
            protocol: row.protocol.to_string(),
            port: (row.protocol != Protocol::Other).then_some(row.first.max(lowest).min(row.last)),
        }
    }
}

fn own(model: &Model, id: EndpointId) -> Party {
    let address = model
        .cluster
        .endpoint(id)
        .and_then(|pod| pod.addresses.first().copied());
    Party::Endpoint { id, address }
}

fn selects(cluster: &Cluster, policy: &Policy, pod: &Endpoint) -> bool {
    match &policy.subject {
        Subject::Endpoints(selector) => selector.matches(|attribute| cluster.attribute(pod, attribute)),
        Subject::Nodes(_) => false,
    }
}

/// Rules of two policies of the group, each the first of its policy that matches, that lead to different verdicts.
fn disagreeing(
    table: &VerdictTable,
    cells: &Cells,
    identity: IdentityId,
    group: &Group,
) -> Vec<(RuleId, RuleId)> {
    let matching: Vec<_> = cells
        .rules
        .iter()
        .filter(|rule| rule.identities.contains(identity.0))
        .collect();
    let mut firsts: BTreeMap<PolicyId, &Matching> = BTreeMap::new();
    for rule in matching.iter().filter(|rule| group.has(rule.rank)) {
        firsts.entry(rule.rule.policy).or_insert(rule);
    }
    if firsts.len() < 2 || decided_before(table, &matching, group) {
        return Vec::new();
    }
    let verdict = |rule: &Matching| match rule.action {
        Action::Allow => true,
        Action::Deny => false,
        Action::Pass => behind(table, &matching, group.tier),
    };
    let firsts: Vec<_> = firsts
        .into_values()
        .map(|rule| (rule.rule, verdict(rule)))
        .collect();
    let mut pairs = Vec::new();
    for (index, (first, one)) in firsts.iter().enumerate() {
        for (second, other) in firsts.iter().skip(index + 1) {
            if one != other {
                pairs.push((*first, *second));
            }
        }
    }
    pairs
}

/// Whether a tier or a priority in front of the group's decides.
fn decided_before(table: &VerdictTable, matching: &[&Matching], group: &Group) -> bool {
    let earlier = |rule: &&&Matching| rule.rank.tier == group.tier && rule.rank.priority < group.priority;
    if matching.iter().any(|rule| earlier(&rule)) {
        return true;
    }
    group.tier == Tier::Baseline
        && (first(Tier::Admin, matching).is_some_and(|rule| rule.action != Action::Pass)
            || first(Tier::Namespaced, matching).is_some()
            || !table.default_deny.is_empty())
}

/// The verdict of what comes behind a tier.
fn behind(table: &VerdictTable, matching: &[&Matching], tier: Tier) -> bool {
    if tier == Tier::Admin {
        let does = |action| {
            matching
                .iter()
                .any(|rule| rule.rank.tier == Tier::Namespaced && rule.action == action)
        };
        if does(Action::Deny) {
            return false;
        }
        if does(Action::Allow) {
            return true;
        }
        if !table.default_deny.is_empty() {
            return false;
        }
        return first(Tier::Baseline, matching).is_none_or(|rule| rule.action != Action::Deny);
    }
    true
}

fn first<'m>(tier: Tier, matching: &[&'m Matching]) -> Option<&'m Matching> {
    matching.iter().copied().find(|rule| rule.rank.tier == tier)
}

fn name(cluster: &Cluster, party: Party) -> String {
    match party {
        Party::Endpoint { id, .. } => cluster.endpoint(id).map_or_else(String::new, Endpoint::to_string),
        Party::Node { id, .. } => cluster
            .node(id)
            .map_or_else(String::new, |node| node.name.clone()),
        Party::SomeNode => "a node".to_owned(),
        Party::Outside(address) => address.to_string(),
    }
}

fn finding(model: &Model, group: &Group, first: RuleId, second: RuleId, witness: Witness) -> Option<Finding> {
    let tier = match group.tier {
        Tier::Admin => "admin",
        Tier::Namespaced => "namespaced",
        Tier::Baseline => "baseline",
    };
    let (one, other) = (model.policy(first.policy)?, model.policy(second.policy)?);
    let (rule, against) = (model.rule(second)?, model.rule(first)?);
    let message = format!(
        "`{}` and `{}` both have priority {} in the {tier} tier, and disagree about flows that both match",
        one.name, other.name, group.priority
    );
    // What the evaluator does: the earlier position, then the earlier policy.
    let winner = if (against.rank.order, first) <= (rule.rank.order, second) {
        one
    } else {
        other
    };
    let help = format!(
        "give them different priorities: the API leaves open which of the two is applied (answers here apply `{}`)",
        winner.name
    );
    let does = |action| match action {
        Action::Allow => "lets them through",
        Action::Deny => "denies them",
        Action::Pass => "passes them on",
    };
    Some(
        Finding::new(Code::SAME_PRIORITY, message)
            .at(rule.origin.clone(), does(rule.action))
            .because(against.origin.clone(), does(against.action))
            .about(object_name(one))
            .about(object_name(other))
            .witness(witness)
            .help(help),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "\
endpoint red/api labels app=api ports http 8080/TCP
endpoint blue/web labels app=web
endpoint blue/metrics labels app=metrics
";

    /// `first / second: from -> to port` of each finding.
    fn found(policies: &str) -> Vec<String> {
        let model = ir::text::parse(&format!("{CLUSTER}{policies}")).unwrap();
        let line = |finding: &Finding| {
            let names: Vec<_> = finding
                .objects
                .iter()
                .map(|object| object.name.as_str())
                .collect();
            let witness = finding.witness.as_ref().unwrap();
            format!(
                "{}: {} -> {} {}/{}",
                names.join(" / "),
                witness.from,
                witness.to,
                witness.port.unwrap(),
                witness.protocol
            )
        };
        check(&model).iter().map(line).collect()
    }

    fn policy(name: &str, subject: &str, rules: &str) -> String {
        format!("policy ClusterNetworkPolicy {name} on pods [{subject}] {{\n{rules}\n}}\n")
    }

    #[test]
    fn a_flow_that_two_policies_decide_differently_is_told_once() {
        let deny = policy("a", "", "deny ingress admin 7.0 from pods [ns=blue]");
        let allow = policy(
            "b",
            "ns=red",
            "allow ingress admin 7.0 from pods [app=metrics] ports 80/TCP",
        );
        assert_eq!(
            found(&format!("{deny}{allow}")),
            ["a / b: blue/metrics -> red/api 80/TCP"]
        );
    }

    #[test]
    fn policies_that_agree_or_do_not_meet_are_left_in_peace() {
        let deny = policy("a", "", "deny ingress admin 7.0 from pods [ns=blue]");
        for other in [
            // Another priority, another tier, another direction.
            policy("b", "", "allow ingress admin 8.0 from pods [ns=blue]"),
            policy("b", "", "allow ingress baseline 7.0 from pods [ns=blue]"),
            policy("b", "", "allow egress admin 7.0 to pods [ns=blue]"),
            // Other peers, another subject, the same action first.
            policy("b", "", "allow ingress admin 7.0 from pods [ns=red]"),
            policy("b", "ns=green", "allow ingress admin 7.0 from pods [ns=blue]"),
            policy(
                "b",
                "",
                "deny ingress admin 7.0 from pods [ns=blue]\nallow ingress admin 7.1 from pods []",
            ),
        ] {
            assert_eq!(found(&format!("{deny}{other}")), [] as [&str; 0], "{other}");
        }
    }

    #[test]
    fn a_pod_by_itself_is_no_witness_but_its_twin_is() {
        let pair = policy("a", "ns=red", "deny ingress admin 7.0 from pods [ns=red]")
            + &policy("b", "ns=red", "allow ingress admin 7.0 from pods [ns=red]");
        assert_eq!(found(&pair), [] as [&str; 0]);
        let twin = "endpoint red/twin labels app=api ports http 8080/TCP\n";
        assert_eq!(
            found(&format!("{twin}{pair}")),
            ["a / b: red/twin -> red/api 1/TCP"]
        );
    }

    #[test]
    fn what_is_decided_before_is_no_conflict() {
        let pair = policy("a", "", "deny ingress admin 7.0 from pods [ns=blue]")
            + &policy("b", "ns=red", "allow ingress admin 7.0 from pods [app=metrics]");
        assert_eq!(found(&pair).len(), 1);
        let before = policy("c", "ns=red", "pass ingress admin 6.0 from pods []");
        assert_eq!(found(&format!("{pair}{before}")), [] as [&str; 0]);
    }

    #[test]
    fn a_pass_disagrees_only_where_what_is_behind_does() {
        let pass = policy("a", "ns=red", "pass ingress admin 7.0 from pods [app=web]");
        let allow = policy("b", "ns=red", "allow ingress admin 7.0 from pods [app=web]");
        let pair = format!("{pass}{allow}");
        assert_eq!(found(&pair), [] as [&str; 0]);
        let isolating = "policy NetworkPolicy red/p on pods [ns=red] denies ingress {\n}\n";
        assert_eq!(found(&format!("{pair}{isolating}")).len(), 1);
        // In the baseline a pass is an allow.
        let baseline = pair.replace("admin", "baseline");
        assert_eq!(found(&baseline), [] as [&str; 0]);
    }

    #[test]
    fn a_baseline_that_is_not_asked_has_no_conflict() {
        let pair = policy("a", "", "deny ingress baseline 1.0 from pods []")
            + &policy("b", "ns=red", "allow ingress baseline 1.0 from pods [app=web]");
        assert_eq!(found(&pair).len(), 1);
        let isolating = "policy NetworkPolicy red/p on pods [ns=red] denies ingress {\n}\n";
        assert_eq!(found(&format!("{pair}{isolating}")), [] as [&str; 0]);
    }
}
