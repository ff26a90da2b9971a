//! The verdict table: what one endpoint's policy says in one direction, as a flat table.
//!
//! Rows are port atoms: intervals of one protocol's ports between which no rule in force makes a difference. Columns
//! are peer identities. A cell says allow or deny, and which rules decide it. Rows with equal cells share them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::cluster::{Endpoint, EndpointId};
use crate::flow::{Because, Decision};
use crate::identity::{Identities, IdentityId, OwnNode, Viewpoint};
use crate::model::Model;
use crate::named_port;
use crate::policy::{Action, Direction, Policy, PolicyId, Rank, Rule, RuleId, Subject, Tier};
use crate::port::{PortMatch, Ports, Protocol};

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
    #[must_use]
    pub fn build(model: &Model, identities: &Identities, subject: EndpointId, direction: Direction) -> Self {
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
            for (id, policy) in model.policy_ids() {
                if policy.applies.has(direction) && selects(model, policy, endpoint) {
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
        let mut known: BTreeMap<Vec<(usize, Contribution)>, usize> = BTreeMap::new();
        for protocol in Protocol::ALL {
            let firsts = atoms(protocol, rules);
            let mut firsts = firsts.into_iter().peekable();
            while let Some(first) = firsts.next() {
                let last = firsts.peek().map_or(protocol.highest_port(), |next| next - 1);
                let contributions: Vec<_> = rules
                    .iter()
                    .enumerate()
                    .filter_map(|(index, rule)| Some((index, rule.contribution(protocol, first)?)))
                    .collect();
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

/// What a rule matches on the ports of one atom: all of its peers, or those that give these numbers to its names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Contribution {
    /// All of its peers.
    Whole,
    /// The peers behind these entries of [`RuleInForce::named`].
    Named(Vec<usize>),
}

/// A rule in force on the subject, with its names resolved.
struct RuleInForce {
    id: RuleId,
    rank: Rank,
    action: Action,
    /// The identities its peer entries match.
    peers: Arc<RoaringBitmap>,
    /// Whether it matches every protocol and port.
    any_port: bool,
    /// Ports on which it matches all of its peers: protocol, lowest, highest.
    ranges: Vec<(Protocol, u16, u16)>,
    /// Numbers on which it matches some of its peers.
    named: Vec<(Protocol, u16, Arc<RoaringBitmap>)>,
}

impl RuleInForce {
    fn new(id: RuleId, rule: &Rule, identities: &Identities, subject: &Endpoint, own_node: OwnNode) -> Self {
        let viewpoint = Viewpoint {
            own_node,
            doubt: rule.action == Action::Deny,
        };
        let peers = identities.matching(&rule.peers, viewpoint);
        let mut ranges = Vec::new();
        let mut named = Vec::new();
        let ports = match &rule.ports {
            Ports::Any => &[][..],
            Ports::OneOf(ports) => ports,
        };
        for port in ports {
            match &port.matches {
                PortMatch::Numbers {
                    protocol,
                    first,
                    last,
                } => ranges.extend(
                    Protocol::TRANSPORT
                        .into_iter()
                        .filter(|one| protocol.contains(*one))
                        .map(|one| (one, *first, *last)),
                ),
                PortMatch::Icmp {
                    protocol,
                    message_type,
                } => {
                    ranges.push((*protocol, u16::from(*message_type), u16::from(*message_type)));
                }
                PortMatch::Name { protocol, name } => match rule.direction {
                    Direction::Ingress => ranges.extend(
                        named_port::definitions(subject, name, *protocol)
                            .map(|port| (port.protocol, port.number, port.number)),
                    ),
                    Direction::Egress => named.extend(
                        identities
                            .numbers(name, *protocol)
                            .into_iter()
                            .flatten()
                            .map(|((protocol, number), with)| (*protocol, *number, Arc::new(with & &peers)))
                            .filter(|(_, _, with)| !with.is_empty()),
                    ),
                },
            }
        }
        Self {
            id,
            rank: rule.rank,
            action: rule.action,
            peers: Arc::new(peers),
            any_port: rule.ports == Ports::Any,
            ranges,
            named,
        }
    }

    /// What it matches at a port; `None` where nothing.
    fn contribution(&self, protocol: Protocol, port: u16) -> Option<Contribution> {
        if self.peers.is_empty() {
            return None;
        }
        let in_range =
            |(p, first, last): &(Protocol, u16, u16)| *p == protocol && (*first..=*last).contains(&port);
        if self.any_port || self.ranges.iter().any(in_range) {
            return Some(Contribution::Whole);
        }
        let named: Vec<_> = self
            .named
            .iter()
            .enumerate()
            .filter(|(_, (p, number, _))| *p == protocol && *number == port)
            .map(|(index, _)| index)
            .collect();
        (!named.is_empty()).then_some(Contribution::Named(named))
    }

    fn matching(&self, contribution: &Contribution) -> Matching {
        let identities = match contribution {
            Contribution::Whole => Arc::clone(&self.peers),
            Contribution::Named(entries) => {
                let mut union = RoaringBitmap::new();
                for (_, _, with) in entries.iter().filter_map(|entry| self.named.get(*entry)) {
                    union |= &**with;
                }
                Arc::new(union)
            }
        };
        Matching {
            rule: self.id,
            rank: self.rank,
            action: self.action,
            identities,
        }
    }
}

/// The first port of every atom of a protocol, ascending from 0.
fn atoms(protocol: Protocol, rules: &[RuleInForce]) -> BTreeSet<u16> {
    let mut firsts = BTreeSet::from([0]);
    for rule in rules {
        let ranges = rule.ranges.iter().copied();
        let numbers = rule
            .named
            .iter()
            .map(|(protocol, number, _)| (*protocol, *number, *number));
        for (_, first, last) in ranges
            .chain(numbers)
            .filter(|(p, first, last)| *p == protocol && first <= last)
        {
            firsts.insert(first);
            firsts.extend(
                last.checked_add(1)
                    .filter(|next| *next <= protocol.highest_port()),
            );
        }
    }
    firsts
}
