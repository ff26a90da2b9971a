//! Ports that a rule opens to pods that could exist: numbers, and names whose number each pod gives.

use super::super::PortSet;
use ir::cluster::Endpoint;
use ir::named_port;
use ir::policy::{Direction, Rule};
use ir::port::{PortMatch, Ports, Protocol};
use std::collections::BTreeSet;
use std::fmt;

/// A name of a port under one protocol, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPort {
    /// The protocol.
    pub protocol: Protocol,
    /// The name.
    pub name: String,
}

/// Ports by number, and ports by names that mean whatever the pod says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// By number.
    pub numbers: PortSet,
    /// By name; empty at ingress, where the workload's own numbers stand for a name.
    pub names: BTreeSet<NamedPort>,
}

impl Opening {
    /// Every port.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            numbers: PortSet::everything(),
            names: BTreeSet::new(),
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
                            .map(|protocol| NamedPort {
                                protocol,
                                name: name.to_ascii_lowercase(),
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
        Self {
            numbers: self.numbers.or(&other.numbers),
            names: self.names.union(&other.names).cloned().collect(),
        }
    }

    /// Ports of both. Where one says a name and the other some numbers, whether a pod's number is among them is not
    /// known: the name stays, so that nothing open is left out.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let named = |one: &Self, other: &Self| -> Vec<NamedPort> {
            one.names
                .iter()
                .filter(|name| other.names.contains(name) || other.numbers.speaks_of(name.protocol))
                .cloned()
                .collect()
        };
        Self {
            numbers: self.numbers.and(&other.numbers),
            names: named(self, other).into_iter().chain(named(other, self)).collect(),
        }
    }

    /// These ports without the others', as far as that is known of every pod.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let all = |protocol| PortSet::range(protocol, 1, u16::MAX);
        Self {
            numbers: self.numbers.without(&other.numbers),
            names: self
                .names
                .iter()
                .filter(|name| {
                    !other.names.contains(name) && !all(name.protocol).without(&other.numbers).is_empty()
                })
                .cloned()
                .collect(),
        }
    }

    /// Whether a port could be of both.
    #[must_use]
    pub fn may_meet(&self, other: &Self) -> bool {
        !self.numbers.and(&other.numbers).is_empty() || self.hides(other)
    }

    /// Whether names of either could stand for ports of the other.
    #[must_use]
    pub fn hides(&self, other: &Self) -> bool {
        let meets = |one: &Self, other: &Self| {
            one.names.iter().any(|name| {
                other.numbers.speaks_of(name.protocol)
                    || other.names.iter().any(|own| own.protocol == name.protocol)
            })
        };
        meets(self, other) || meets(other, self)
    }
}

/// `TCP 80; TCP port http`.
impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.numbers.is_empty() {
            self.numbers.fmt(f)?;
        }
        for (index, NamedPort { protocol, name }) in self.names.iter().enumerate() {
            if index > 0 || !self.numbers.is_empty() {
                f.write_str("; ")?;
            }
            write!(f, "{protocol} port `{name}`")?;
        }
        Ok(())
    }
}
