//! The verdict table: what one endpoint's policy says in one direction, as a flat table.
//!
//! Rows are port atoms: intervals of one protocol's ports between which no rule in force makes a difference. Columns
//! are peer identities. A cell says allow or deny, and which rules decide it. Rows with equal cells share them.

mod atoms;
mod rule;
mod subjects;

pub use subjects::{Standing, Subjects};

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::cluster::{Endpoint, EndpointId};
use crate::flow::{Because, Decision};
use crate::identity::{Identities, IdentityId, OwnNode};
use crate::model::Model;
use crate::policy::{Action, Direction, Policy, PolicyId, Rank, RuleId, Subject, Tier};
use crate::port::Protocol;
use atoms::Atoms;
use rule::{Contribution, RuleInForce};

/// One row: the ports `first..=last` of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The protocol.
    pub protocol: Protocol,
    /// Lowest port (message type for ICMP).
    pub first: u16,
    /// Highest port.
    pub last: u16,
    /// Index into [`VerdictTable::cells`].
    pub cells: usize,
}

/// The cells of a row (or of several equal rows).
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// The identities that are let through.
    pub allowed: RoaringBitmap,
    /// The rules that match some identity on these ports, in the order in which they are asked.
    pub rules: Vec<Matching>,
}

/// A rule with the identities that it matches on the ports of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// The rule.
    pub rule: RuleId,
    /// Its rank.
    pub rank: Rank,
    /// What it does.
    pub action: Action,
    /// The identities it matches.
    pub identities: Arc<RoaringBitmap>,
}

/// The verdicts of one endpoint in one direction, for every protocol, port and peer but the endpoint itself (which
/// reaches itself over loopback, whatever the policy).
#[derive(Clone, Debug)]
pub struct VerdictTable {
    /// The direction.
    pub direction: Direction,
    /// The rows, sorted by protocol and port; together they cover every port of every protocol.
    pub rows: Vec<Row>,
    /// The distinct contents of rows.
    pub cells: Vec<Cells>,
    /// Policies in force that ask for default deny, ascending.
    pub default_deny: Vec<PolicyId>,
    /// Policies in force, ascending.
    pub in_force: Vec<PolicyId>,
    /// Identities that are let in whatever the policy: the endpoint's own node, at ingress.
    pub always: RoaringBitmap,
    /// Every identity: the table's columns.
    pub columns: RoaringBitmap,
}

impl VerdictTable {
    /// The table of one endpoint. A host-network pod, and an id that is not of the model, are unrestricted.
    ///
    /// Looks at every policy: for many endpoints ask [`Subjects`].
    #[must_use]
    pub fn build(model: &Model, identities: &Identities, subject: EndpointId, direction: Direction) -> Self {
        let selecting = model
            .cluster
            .endpoint(subject)
            .into_iter()
            .flat_map(|endpoint| {
                let policies = model.policy_ids();
                policies.filter(move |(_, policy)| selects(model, policy, endpoint))
            })
            .map(|(id, _)| id);
        Self::of_policies(model, identities, subject, direction, selecting)
    }

    /// The table of an endpoint that exactly `selecting` select, ascending.
    fn of_policies(
        model: &Model,
        identities: &Identities,
        subject: EndpointId,
        direction: Direction,
        selecting: impl IntoIterator<Item = PolicyId>,
    ) -> Self {
        let cluster = &model.cluster;
        let endpoint = cluster
            .endpoint(subject)
            .filter(|endpoint| !endpoint.host_network);
        let own_node = endpoint.map_or(OwnNode::Unknown, |endpoint| OwnNode::of(endpoint, cluster));
        let mut table = Self {
            direction,
            rows: Vec::new(),
            cells: Vec::new(),
            default_deny: Vec::new(),
            in_force: Vec::new(),
            always: match (direction, own_node) {
                (Direction::Ingress, OwnNode::Is(node)) => identities.of_node(node),
                _ => RoaringBitmap::new(),
            },
            columns: identities.all(),
        };
        let mut rules = Vec::new();
        if let Some(endpoint) = endpoint {
            for id in selecting {
                let Some(policy) = model.policy(id).filter(|policy| policy.applies.has(direction)) else {
                    continue;
                };
                table.in_force.push(id);
                if policy.default_deny.has(direction) {
                    table.default_deny.push(id);
                }
                rules.extend(
                    model
                        .rule_ids(id)
                        .filter(|(_, rule)| rule.direction == direction)
                        .map(|(id, rule)| RuleInForce::new(id, rule, identities, endpoint, own_node)),
                );
            }
        }
        rules.sort_by_key(|rule| (rule.rank, rule.id));
        table.fill(&rules);
        table
    }

    /// The row of a port; `None` only for a port that the protocol cannot have.
    #[must_use]
    pub fn row(&self, protocol: Protocol, port: u16) -> Option<&Row> {
        let after = self
            .rows
            .partition_point(|row| (row.protocol, row.first) <= (protocol, port));
        self.rows
            .get(after.checked_sub(1)?)
            .filter(|row| row.protocol == protocol && port <= row.last)
    }

    /// The cells of a row.
    #[must_use]
    pub fn cells(&self, row: &Row) -> Option<&Cells> {
        self.cells.get(row.cells)
    }

    /// Whether a flow is let through. What the table cannot have is denied.
    #[must_use]
    pub fn allows(&self, protocol: Protocol, port: u16, identity: IdentityId) -> bool {
        self.row(protocol, port)
            .and_then(|row| self.cells(row))
            .is_some_and(|cells| cells.allowed.contains(identity.0))
    }

    /// Whether every flow is let through.
    #[must_use]
    pub fn unrestricted(&self) -> bool {
        self.cells.iter().all(|cells| cells.allowed == self.columns)
    }

    /// The verdict of one cell, with what decides it; `None` for a port that the protocol cannot have.
    #[must_use]
    pub fn decide(&self, protocol: Protocol, port: u16, identity: IdentityId) -> Option<Decision> {
        let cells = self.cells(self.row(protocol, port)?)?;
        let decision = |allowed, because| Some(Decision { allowed, because });
        if self.always.contains(identity.0) {
            return decision(true, Because::OwnHost);
        }
        let matching = |tier| {
            cells
                .rules
                .iter()
                .filter(move |rule| rule.rank.tier == tier && rule.identities.contains(identity.0))
        };
        let first = |tier| matching(tier).next().filter(|rule| rule.action != Action::Pass);
        let by_first =
            |rule: &Matching| decision(rule.action == Action::Allow, Because::Rules(vec![rule.rule]));
        if let Some(rule) = first(Tier::Admin) {
            return by_first(rule);
        }
        for action in [Action::Deny, Action::Allow] {
            let rules: Vec<_> = matching(Tier::Namespaced)
                .filter(|rule| rule.action == action)
                .map(|rule| rule.rule)
                .collect();
            if !rules.is_empty() {
                return decision(action == Action::Allow, Because::Rules(rules));
            }
        }
        if !self.default_deny.is_empty() {
            return decision(false, Because::DefaultDeny(self.default_deny.clone()));
        }
        match first(Tier::Baseline) {
            Some(rule) => by_first(rule),
            None => decision(true, Because::Unrestricted),
        }
    }

    /// Cuts the ports into atoms and joins what turns out equal.
    fn fill(&mut self, rules: &[RuleInForce]) {
        let mut known: HashMap<Vec<(usize, Contribution)>, usize> = HashMap::new();
        for protocol in Protocol::ALL {
            let mut atoms = Atoms::of(protocol, rules);
            while let Some((first, last)) = atoms.next_atom() {
                let contributions = atoms.contributions();
                let cells = match known.get(&contributions) {
                    Some(cells) => *cells,
                    None => {
                        let cells = self.cells.len();
                        self.cells.push(self.judge(rules, &contributions));
                        known.insert(contributions, cells);
                        cells
                    }
                };
                match self.rows.last_mut() {
                    Some(row) if row.protocol == protocol && row.cells == cells => row.last = last,
                    _ => self.rows.push(Row {
                        protocol,
                        first,
                        last,
                        cells,
                    }),
                }
            }
        }
    }

    /// The verdicts of all identities at once, tier by tier.
    fn judge(&self, rules: &[RuleInForce], contributions: &[(usize, Contribution)]) -> Cells {
        let rules: Vec<Matching> = contributions
            .iter()
            .filter_map(|(index, contribution)| Some(rules.get(*index)?.matching(contribution)))
            .collect();
        let tier = |tier| rules.iter().filter(move |rule| rule.rank.tier == tier);
        let mut allowed = self.always.clone();
        let mut open = &self.columns - &allowed;

        let mut passed = RoaringBitmap::new();
        for rule in tier(Tier::Admin) {
            let decided = &open & &*rule.identities;
            open -= &decided;
            match rule.action {
                Action::Allow => allowed |= decided,
                Action::Pass => passed |= decided,
                Action::Deny => {}
            }
        }
        open |= passed;

        for rule in tier(Tier::Namespaced).filter(|rule| rule.action == Action::Deny) {
            open -= &*rule.identities;
        }
        for rule in tier(Tier::Namespaced).filter(|rule| rule.action == Action::Allow) {
            let decided = &open & &*rule.identities;
            open -= &decided;
            allowed |= decided;
        }
        if self.default_deny.is_empty() {
            for rule in tier(Tier::Baseline) {
                let decided = &open & &*rule.identities;
                open -= &decided;
                // A pass leaves the last tier, behind which everything is allowed.
                if rule.action != Action::Deny {
                    allowed |= decided;
                }
            }
            allowed |= open;
        }
        Cells { allowed, rules }
    }
}

/// Whether a policy selects a pod.
fn selects(model: &Model, policy: &Policy, endpoint: &Endpoint) -> bool {
    match &policy.subject {
        Subject::Endpoints(selector) => selector.matches(|a| model.cluster.attribute(endpoint, a)),
        Subject::Nodes(_) => false,
    }
}
