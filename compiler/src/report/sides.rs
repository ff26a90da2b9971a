//! The two sides of pairs: what the source's egress says of the destination, and the destination's ingress of the source.
//!
//! Read from the verdict tables, each once for everybody whom a table does not tell apart.

use super::deciding::{self, Cited};
use crate::cite::PolicyRef;
use crate::connectivity::{Peer, PortSet, blocks};
use crate::resolve::{self, Resolved};
use indexmap::IndexSet;
use ipnet::IpNet;
use ir::cluster::{EndpointId, Family};
use ir::flow::Because;
use ir::identity::{Class, IdentityId};
use ir::policy::Direction;
use ir::table::VerdictTable;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One side of a pair: the verdicts, by whom they hold for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Side {
    /// Whose rules these are.
    pub(super) direction: Direction,
    /// All of the other end, in parts where not all of it is treated alike.
    pub(super) by_whom: Vec<(Whom, Vec<Verdict>)>,
}

/// A part of the other end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Whom {
    /// All of it.
    All,
    /// Its addresses of one family.
    Family(Family),
    /// Addresses outside the cluster.
    Outside(Peer),
    /// All others of those: the part that takes the most blocks to tell.
    Rest,
}

/// The ports that one set of reasons decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Verdict {
    /// The ports.
    pub(super) ports: PortSet,
    /// Whether they are open on this side.
    pub(super) allowed: bool,
    /// Why.
    pub(super) because: Reason,
}

/// Why, with what there is to read about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reason {
    /// These rules say so.
    Rules(Vec<Cited>),
    /// No rule allows it, and these policies deny by default.
    DefaultDeny(Vec<PolicyRef>),
    /// No policy restricts it.
    Unrestricted,
    /// A node, or a pod on its network, has no policy of its own.
    NotAnEndpoint,
    /// The node of a pod reaches it, whatever policy says.
    OwnHost,
}

/// A pod in one direction.
#[derive(Clone, Copy, Debug)]
struct Subject<'r> {
    id: EndpointId,
    direction: Direction,
    /// `None` where it has no policy of its own.
    table: Option<&'r VerdictTable>,
}

impl Subject<'_> {
    /// What tells it from subjects to which everybody looks different.
    fn view(&self) -> View {
        (self.table.map(std::ptr::from_ref), self.direction)
    }
}

/// A table, by its address.
type View = (Option<*const VerdictTable>, Direction);

/// The other end as a table sees it: its identities, by family.
type Other = Vec<(Option<Family>, Option<IdentityId>)>;

/// Identities of addresses, by family.
type Addresses = BTreeMap<Family, BTreeSet<IdentityId>>;

/// All sides, each once.
pub(super) struct Sides<'r, 'm> {
    resolved: &'r Resolved<'m>,
    known: IndexSet<Side>,
    inside: HashMap<(View, Other), usize>,
    outside: HashMap<View, usize>,
}

impl<'r, 'm> Sides<'r, 'm> {
    pub(super) fn of(resolved: &'r Resolved<'m>) -> Self {
        Self {
            resolved,
            known: IndexSet::new(),
            inside: HashMap::new(),
            outside: HashMap::new(),
        }
    }

    pub(super) fn into_list(self) -> Vec<Side> {
        self.known.into_iter().collect()
    }

    /// The places of both sides of a pair, source first.
    pub(super) fn of_pair(&mut self, source: EndpointId, destination: EndpointId) -> [usize; 2] {
        let pairs = resolve::address_pairs(&self.resolved.model.cluster, source, destination);
        let (from, to): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        [
            self.inside(source, Direction::Egress, destination, &to),
            self.inside(destination, Direction::Ingress, source, &from),
        ]
    }

    fn inside(
        &mut self,
        own: EndpointId,
        direction: Direction,
        other: EndpointId,
        addresses: &[Option<std::net::IpAddr>],
    ) -> usize {
        let subject = self.subject(own, direction);
        let identity = |address| {
            let party = resolve::as_party(&self.resolved.model.cluster, other, address);
            self.resolved.identities.of_party(party)
        };
        let other: Other = addresses
            .iter()
            .map(|address| (address.map(Family::of), identity(*address)))
            .collect();
        let asked = (subject.view(), other);
        if let Some(place) = self.inside.get(&asked) {
            return *place;
        }
        let mut by_whom: Vec<(Whom, Vec<Verdict>)> = asked
            .1
            .iter()
            .map(|(family, identity)| {
                (
                    family.map_or(Whom::All, Whom::Family),
                    self.towards(subject, *identity),
                )
            })
            .collect();
        let alike = |(_, one): &(Whom, Vec<Verdict>)| by_whom.first().is_some_and(|(_, first)| one == first);
        if by_whom.iter().all(alike) {
            by_whom.truncate(1);
            for (whom, _) in &mut by_whom {
                *whom = Whom::All;
            }
        }
        let (place, _) = self.known.insert_full(Side { direction, by_whom });
        self.inside.insert(asked, place);
        place
    }

    /// The place of what a pod's policies say of the addresses outside.
    pub(super) fn of_outside(&mut self, own: EndpointId, direction: Direction) -> usize {
        let subject = self.subject(own, direction);
        if let Some(place) = self.outside.get(&subject.view()) {
            return *place;
        }
        let by_whom = match subject.table {
            None => vec![(Whom::All, self.towards(subject, None))],
            Some(table) => self.outside_by_blocks(subject, table),
        };
        let (place, _) = self.known.insert_full(Side { direction, by_whom });
        self.outside.insert(subject.view(), place);
        place
    }

    fn outside_by_blocks(&self, subject: Subject<'r>, table: &VerdictTable) -> Vec<(Whom, Vec<Verdict>)> {
        let identities = &self.resolved.identities;
        let outside = (0..).map(IdentityId).zip(identities.identities());
        let mut groups: Vec<(Vec<Decided>, Addresses)> = Vec::new();
        for (id, identity) in outside {
            let Class::Outside(family) = identity.class else {
                continue;
            };
            let decided = decided(table, id);
            let group = match groups.iter_mut().position(|(one, _)| *one == decided) {
                Some(place) => groups.get_mut(place),
                None => {
                    groups.push((decided, Addresses::new()));
                    groups.last_mut()
                }
            };
            if let Some((_, families)) = group {
                families.entry(family).or_default().insert(id);
            }
        }
        let blocks = |families: &Addresses| -> Vec<IpNet> {
            let blocks = families
                .iter()
                .map(|(family, ids)| blocks::of_identities(identities.addresses(), *family, ids));
            blocks.flatten().collect()
        };
        let groups: Vec<_> = groups
            .into_iter()
            .map(|(decided, families)| (decided, blocks(&families), families))
            .collect();
        let most = groups.iter().map(|(_, blocks, _)| blocks.len()).max();
        let rest = groups
            .iter()
            .position(|(_, blocks, _)| Some(blocks.len()) == most);
        let is_one = groups.len() == 1;
        let mut by_whom: Vec<_> = (0..)
            .zip(groups)
            .map(|(place, (decided, blocks, families))| {
                let members: Vec<IdentityId> = families.into_values().flatten().collect();
                let whom = match Some(place) == rest {
                    true if is_one => Whom::All,
                    true => Whom::Rest,
                    false => Whom::Outside(Peer::Outside(blocks)),
                };
                (whom, self.explained(subject, decided, &members))
            })
            .collect();
        by_whom.sort_by_cached_key(|(whom, verdicts)| {
            let is_closed = verdicts.iter().all(|verdict| !verdict.allowed);
            (*whom == Whom::Rest, is_closed, whom.clone())
        });
        by_whom
    }

    fn subject(&self, id: EndpointId, direction: Direction) -> Subject<'r> {
        let pod = self.resolved.model.cluster.endpoint(id);
        let own = pod.is_some_and(|pod| !pod.host_network);
        let tables = self.resolved.tables(id).filter(|_| own);
        Subject {
            id,
            direction,
            table: tables.map(|tables| tables.of(direction)),
        }
    }

    /// The verdicts about one identity.
    fn towards(&self, subject: Subject<'_>, other: Option<IdentityId>) -> Vec<Verdict> {
        match (subject.table, other) {
            (None, _) => vec![Verdict {
                ports: PortSet::everything(),
                allowed: true,
                because: Reason::NotAnEndpoint,
            }],
            (Some(_), None) => Vec::new(),
            (Some(table), Some(identity)) => self.explained(subject, decided(table, identity), &[identity]),
        }
    }

    fn explained(&self, subject: Subject<'_>, decided: Vec<Decided>, others: &[IdentityId]) -> Vec<Verdict> {
        decided
            .into_iter()
            .map(|one| Verdict {
                because: self.reason(subject, &one, others),
                ports: one.ports,
                allowed: one.allowed,
            })
            .collect()
    }

    fn reason(&self, subject: Subject<'_>, decided: &Decided, others: &[IdentityId]) -> Reason {
        let model = self.resolved.model;
        match &decided.because {
            Because::Rules(rules) => Reason::Rules(
                rules
                    .iter()
                    .filter_map(|rule| {
                        deciding::cited(self.resolved, subject.id, *rule, &decided.ports, others)
                    })
                    .collect(),
            ),
            Because::DefaultDeny(policies) => Reason::DefaultDeny(
                policies
                    .iter()
                    .filter_map(|policy| PolicyRef::by_id(model, *policy))
                    .collect(),
            ),
            Because::OwnHost => Reason::OwnHost,
            Because::NotAnEndpoint => Reason::NotAnEndpoint,
            Because::Loopback | Because::Unrestricted => Reason::Unrestricted,
        }
    }
}

/// Ports that are decided alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decided {
    ports: PortSet,
    allowed: bool,
    because: Because,
}

/// What a table says of an identity, what is open first; it is what most readers look for.
fn decided(table: &VerdictTable, identity: IdentityId) -> Vec<Decided> {
    let mut all: Vec<Decided> = Vec::new();
    let rows = table.rows.iter();
    for row in rows.filter(|row| row.protocol.has_ports() && row.last > 0) {
        let Some(decision) = table.decide(row.protocol, row.first.max(1), identity) else {
            continue;
        };
        let ports = PortSet::range(row.protocol, row.first, row.last);
        let same = |one: &&mut Decided| (one.allowed, &one.because) == (decision.allowed, &decision.because);
        match all.iter_mut().find(same) {
            Some(one) => one.ports = one.ports.or(&ports),
            None => all.push(Decided {
                ports,
                allowed: decision.allowed,
                because: decision.because,
            }),
        }
    }
    all.sort_by_key(|one| !one.allowed);
    all
}
