//! Ports that a rule opens to pods that could exist: numbers, and names whose number each pod gives.

use super::super::PortSet;
use ir::cluster::Endpoint;
use ir::named_port;
use ir::policy::{Direction, Rule};
use ir::port::{PortMatch, Ports, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names of a port under one protocol, in lower case: whatever number of a pod's carries all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPort {
    /// The protocol.
    pub protocol: Protocol,
    /// The names; never empty.
    pub names: BTreeSet<String>,
}

/// Ports by number, and ports by names that mean whatever the pod says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// By number.
    pub numbers: PortSet,
    /// By name, each with the numbers among which the pod's own must be; empty at ingress, where the workload's own
    /// numbers stand for a name.
    pub names: BTreeMap<NamedPort, PortSet>,
}

impl Opening {
    /// Every port.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            numbers: PortSet::everything(),
            names: BTreeMap::new(),
        }
    }

    /// The ports of a rule in force on `subject`.
    #[must_use]
    pub fn of(rule: &Rule, subject: &Endpoint) -> Self {
        let Ports::OneOf(ports) = &rule.ports else {
            return Self::everything();
        };
        let mut opening = Self::default();
        for port in ports {
            match &port.matches {
                PortMatch::Numbers {
                    protocol,
                    first,
                    last,
                } => {
                    for one in Protocol::TRANSPORT {
                        if protocol.contains(one) {
                            opening.numbers = opening.numbers.or(&PortSet::range(one, *first, *last));
                        }
                    }
                }
                PortMatch::Name { protocol, name } => match rule.direction {
                    Direction::Ingress => {
                        for own in named_port::definitions(subject, name, *protocol) {
                            let number = PortSet::range(own.protocol, own.number, own.number);
                            opening.numbers = opening.numbers.or(&number);
                        }
                    }
                    Direction::Egress => {
                        let names = Protocol::TRANSPORT
                            .into_iter()
                            .filter(|one| protocol.contains(*one))
                            .map(|protocol| {
                                let names = BTreeSet::from([name.to_ascii_lowercase()]);
                                (NamedPort { protocol, names }, all(protocol))
                            });
                        opening.names.extend(names);
                    }
                },
                PortMatch::Icmp { .. } => {}
            }
        }
        opening
    }

    /// Whether it opens nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.names.is_empty()
    }

    /// Ports of either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut either = Self {
            numbers: self.numbers.or(&other.numbers),
            names: self.names.clone(),
        };
        for (named, among) in &other.names {
            either.add(named.clone(), among);
        }
        either
    }

    fn add(&mut self, named: NamedPort, among: &PortSet) {
        if !among.is_empty() {
            let before = self.names.entry(named).or_default();
            *before = before.or(among);
        }
    }

    /// Ports of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = Self {
            numbers: self.numbers.and(&other.numbers),
            names: BTreeMap::new(),
        };
        for (one, other) in [(self, other), (other, self)] {
            for (named, among) in &one.names {
                both.add(named.clone(), &among.and(&other.numbers));
            }
        }
        for (one, among) in &self.names {
            for (other, among_others) in other
                .names
                .iter()
                .filter(|(other, _)| other.protocol == one.protocol)
            {
                let named = NamedPort {
                    protocol: one.protocol,
                    names: one.names.union(&other.names).cloned().collect(),
                };
                both.add(named, &among.and(among_others));
            }
        }
        both
    }

    /// These ports without the others', as far as that is known of every pod. A name is taken away as a whole, or
    /// stays as it is: some of its numbers read worse than an exception.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let is_covered = |named: &NamedPort, among: &PortSet| {
            among.without(&other.numbers).is_empty()
                || other.names.iter().any(|(wider, numbers)| {
                    wider.protocol == named.protocol
                        && wider.names.is_subset(&named.names)
                        && among.without(numbers).is_empty()
                })
        };
        let names = self.names.iter();
        Self {
            numbers: self.numbers.without(&other.numbers),
            names: names
                .filter(|(named, among)| !is_covered(named, among))
                .map(|(named, among)| (named.clone(), among.clone()))
                .collect(),
        }
    }

    /// Whether a port could be of both.
    #[must_use]
    pub fn may_meet(&self, other: &Self) -> bool {
        let meet = |one: &PortSet, other: &PortSet| !one.and(other).is_empty();
        meet(&self.numbers, &other.numbers) || self.hides(other)
    }

    /// Whether names of either could stand for ports of the other.
    #[must_use]
    pub fn hides(&self, other: &Self) -> bool {
        let meets = |one: &Self, other: &Self| {
            one.names.values().any(|among| {
                let mut theirs = other.names.values().chain([&other.numbers]);
                theirs.any(|numbers| !among.and(numbers).is_empty())
            })
        };
        meets(self, other) || meets(other, self)
    }
}

/// Every number of one protocol.
fn all(protocol: Protocol) -> PortSet {
    PortSet::range(protocol, 1, u16::MAX)
}

/// ``TCP port `http` ``, ``TCP port `http` that is also `web` ``.
impl fmt::Display for NamedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names.iter().enumerate() {
            match index {
                0 => write!(f, "{} port `{name}`", self.protocol)?,
                1 => write!(f, " that is also `{name}`")?,
                _ => write!(f, " and `{name}`")?,
            }
        }
        Ok(())
    }
}

/// `TCP 80; TCP port http`.
impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.numbers.is_empty() {
            self.numbers.fmt(f)?;
        }
        for (index, (named, among)) in self.names.iter().enumerate() {
            if index > 0 || !self.numbers.is_empty() {
                f.write_str("; ")?;
            }
            named.fmt(f)?;
            if *among != all(named.protocol) {
                // The protocol was said.
                let among = among.to_string();
                let (_, numbers) = among.split_once(' ').unwrap_or_default();
                write!(f, " where it is {numbers}")?;
            }
        }
        Ok(())
    }
}
