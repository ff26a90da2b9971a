//! What becomes of the flows between two pods of the input: by the algebra, side by side, or by the solver, as whole
//! flows.

use ir::cluster::{Endpoint, EndpointId, Family};
use ir::policy::{Direction, Rule, RuleId};
use ir::port::Protocol;

use super::pods::named;
use super::{Cut, Oracle};
use crate::algebra::GaveUp;
use crate::algebra::cube::{Addresses, Bits, Cube, Fact, PortKey};
use crate::algebra::pod::{Mentioned, Role};
use crate::algebra::values::Attributes;
use crate::encode::whole::Allows;
use crate::encode::{Encoder, Found, in_own_context};
use crate::error::VerifierError;
use crate::guarantee::check::slice;
use crate::region::{Clause, Ends, Region, Who};

/// What becomes of the flows between two pods that a rule matches by one of its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    /// The rule's side lets some through, the other one none; one of those, over IPv6 or not.
    Closed {
        protocol: Protocol,
        port: u16,
        is_v6: bool,
    },
    /// The other side lets some through.
    Open,
    /// The rule's side lets nothing through.
    Silent,
}

impl Between {
    fn written(&self) -> String {
        match self {
            Self::Closed {
                protocol,
                port,
                is_v6,
            } => format!("{protocol} {port} {}", u8::from(*is_v6)),
            Self::Open => "open".to_owned(),
            Self::Silent => "silent".to_owned(),
        }
    }

    fn read(kept: &str) -> Option<Self> {
        let mut words = kept.split(' ');
        Some(match (words.next()?, words.next(), words.next(), words.next()) {
            ("open", None, None, None) => Self::Open,
            ("silent", None, None, None) => Self::Silent,
            (protocol, Some(port), Some(is_v6), None) => Self::Closed {
                protocol: Protocol::ALL
                    .into_iter()
                    .find(|known| known.to_string() == protocol)?,
                port: port.parse().ok()?,
                is_v6: match is_v6 {
                    "0" => false,
                    "1" => true,
                    _ => return None,
                },
            },
            _ => return None,
        })
    }
}

/// A pod of the input.
pub(crate) type Pod<'a> = (EndpointId, &'a Endpoint);

impl Oracle<'_> {
    /// What becomes of the flows between two pods that the rule, as `only` has its peers, matches.
    pub(crate) fn between(
        &self,
        mentioned: &Mentioned,
        rule: (RuleId, &Rule),
        subject: Pod<'_>,
        peer: Pod<'_>,
    ) -> Result<Cut<Between>, VerifierError> {
        match self.between_by_algebra(mentioned, rule, [subject.1, peer.1]) {
            Ok(between) => Ok(Ok(between)),
            Err(GaveUp) => self.between_by_solver(rule, subject, peer),
        }
    }

    /// The same by the algebra, as far as its patience goes.
    pub(crate) fn between_by_algebra(
        &self,
        mentioned: &Mentioned,
        (id, only): (RuleId, &Rule),
        [subject, peer]: [&Endpoint; 2],
    ) -> Result<Between, GaveUp> {
        let algebra = self.algebra();
        let (words, cluster) = (algebra.words(), &self.model.cluster);
        let steps = self.patient_steps();
        if steps == 0 {
            return Err(GaveUp);
        }
        let Some(policy) = self.model.policy(id.policy) else {
            return Ok(Between::Silent);
        };
        // Both ends have addresses of one family; a pod without any may have either.
        let has = |family: Family| {
            [subject, peer].iter().all(|pod| {
                let mut addresses = pod.addresses.iter();
                addresses.as_slice().is_empty() || addresses.any(|address| Family::of(*address) == family)
            })
        };
        let families = Family::BOTH.into_iter().filter(|family| has(*family));
        let families: Vec<Cube> = families
            .map(|family| match family {
                Family::V4 => Addresses::only_v4(),
                Family::V6 => Addresses::only_v6(),
            })
            .map(|addresses| Cube {
                addresses: addresses.clone(),
                subject_addresses: addresses,
                ..Cube::all()
            })
            .collect();
        let both = |subject: &Endpoint, peer: &Endpoint| {
            let subjects = words.as_pod(cluster, subject, Role::Subject, mentioned);
            let peers = words.as_pod(cluster, peer, Role::Peer, mentioned);
            let pairs: Vec<Cube> = subjects
                .iter()
                .flat_map(|subject| peers.iter().filter_map(|peer| subject.and(peer, words)))
                .flat_map(|pair| families.iter().filter_map(move |family| pair.and(family, words)))
                .map(|cube| Cube {
                    classes: Bits::POD,
                    ..cube
                })
                .collect();
            pairs
        };
        let here = both(subject, peer);
        let through: Vec<Cube> = words
            .region(policy, only)
            .iter()
            .flat_map(|region| here.iter().filter_map(|pair| region.and(pair, words)))
            .collect();
        let Some(some) = algebra.allowed(&through, only.direction, steps)? else {
            return Ok(Between::Silent);
        };
        let there = both(peer, subject);
        let mirrored: Vec<Cube> = through
            .iter()
            .flat_map(|cube| {
                families
                    .iter()
                    .filter_map(|family| Some((cube.and(family, words)?, family)))
            })
            .map(|(cube, family)| mirror(&cube, &family.addresses))
            .flat_map(|cube| there.iter().filter_map(move |pair| cube.and(pair, words)))
            .collect();
        if algebra
            .allowed(&mirrored, only.direction.opposite(), steps)?
            .is_some()
        {
            return Ok(Between::Open);
        }
        let ports = some.possible_ports();
        let (protocol, port) = ports.lowest().map_or((Protocol::Tcp, 1), PortKey::parts);
        // Port 0 is reserved (IANA).
        let not_zero = port == 0 && protocol.has_ports() && ports.contains(PortKey::of(protocol, 1));
        Ok(Between::Closed {
            protocol,
            port: if not_zero { 1 } else { port },
            is_v6: some.addresses.v4.is_empty(),
        })
    }

    /// What becomes of the flows between two pods of the input that the rule would match with these peers alone.
    pub(crate) fn between_by_solver(
        &self,
        (id, only): (RuleId, &Rule),
        subject: Pod<'_>,
        peer: Pod<'_>,
    ) -> Result<Cut<Between>, VerifierError> {
        let (source, destination) = match only.direction {
            Direction::Ingress => (peer, subject),
            Direction::Egress => (subject, peer),
        };
        let exactly = |(_, pod): Pod<'_>| Ends::OneOf(vec![Who::Exactly(Box::new(pod.clone()))]);
        let region = Region {
            any_of: vec![Clause {
                from: exactly(source),
                to: exactly(destination),
                ports: None,
            }],
            except: vec![],
            existing: false,
        };
        let (mut policies, mut rules) = slice(self.model, &region, &Direction::BOTH);
        policies.insert(id.policy);
        rules.insert(id);
        let position = |rule: RuleId| rules.range(..rule).count();
        self.options.answers.to(
            || {
                self.text_of("what lies between?", &policies, &rules)
                    .with("rule", &(position(id), named(only)))
                    .with("pods", &(subject.0, peer.0))
                    .with_cluster(&self.cluster, &self.model.cluster)
                    .done()
            },
            |kept| Between::read(kept).map(Ok),
            || {
                in_own_context(|| {
                    let encoder = Encoder::of_whole_flows(
                        self.model,
                        &policies,
                        &rules,
                        &[region.mentions(), only.clone()],
                        &[source.0, destination.0],
                        &self.options,
                    )?;
                    let matched = encoder
                        .lies_in(&region)
                        .and(&encoder.would_match(encoder.policy(id.policy)?, only));
                    let allowed = |side| encoder.allowed(&[side], |_| true, Allows::All);
                    let here = encoder.question(&matched.and(&allowed(only.direction)));
                    let there = encoder.question(&matched.and(&allowed(only.direction.opposite())));
                    match encoder.ask(&here, &[])? {
                        Found::Some => {}
                        Found::None => return Ok(Ok(Between::Silent)),
                        Found::Unknown(reason) => return Ok(Err(reason)),
                    }
                    match encoder.ask(&there, &[])? {
                        Found::None => {}
                        Found::Some => return Ok(Ok(Between::Open)),
                        Found::Unknown(reason) => return Ok(Err(reason)),
                    }
                    let flow = encoder.smallest_whole(&here, [&[], &[]])?;
                    Ok(flow.map(|flow| {
                        flow.map_or(Between::Silent, |flow| Between::Closed {
                            protocol: flow.packet.protocol,
                            port: flow.packet.port,
                            is_v6: flow.source.address.is_ipv6(),
                        })
                    }))
                })
            },
            |found| found.as_ref().ok().map(Between::written),
        )
    }
}

/// The same flows, of one family, seen from the other side: of what is settled, the ports are the same ones, and
/// everything else is said by the pods.
fn mirror(cube: &Cube, family: &Addresses) -> Cube {
    let mirrored = cube.facts.iter().filter_map(|(fact, value)| {
        let fact = match fact {
            Fact::SubjectName(name) => Fact::PeerName(*name),
            Fact::PeerName(name) => Fact::SubjectName(*name),
            Fact::Resolved(_) | Fact::ApiServer => return None,
        };
        Some((fact, *value))
    });
    let mut facts: Vec<_> = mirrored.collect();
    facts.sort_unstable();
    Cube {
        subject: Attributes::default(),
        peer: Attributes::default(),
        addresses: family.clone(),
        subject_addresses: Addresses::all(),
        facts,
        ..cube.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_nothing_else_is() {
        for between in [
            Between::Open,
            Between::Silent,
            Between::Closed {
                protocol: Protocol::Icmpv6,
                port: 128,
                is_v6: true,
            },
            Between::Closed {
                protocol: Protocol::Tcp,
                port: 65535,
                is_v6: false,
            },
        ] {
            assert_eq!(Between::read(&between.written()), Some(between));
        }
        for other in [
            "",
            "shut",
            "open 1",
            "TCP 80",
            "TCP 80 2",
            "TCP 65536 0",
            "XYZ 80 0",
            "TCP 80 0 0",
        ] {
            assert_eq!(Between::read(other), None, "{other}");
        }
    }
}
