//! What is asked: one probe for each ordered pair of parties, port, protocol and family, with the prediction.
//!
//! Each probe has a source port of its own, so that its tuple (protocol, both addresses, both ports) is found again
//! in a drop event, on an accepted connection and in a datagram's sender.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use ir::cluster::Family;
use ir::flow::{Flow, Judgement};
use ir::port::Protocol;

use super::party::{Kind, Party, PartyId};

/// Source ports start here; listeners on ports that matter are skipped.
const FIRST_SOURCE_PORT: u16 = 20_000;

/// The protocols that the lab speaks.
pub const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// What a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Does a new flow get through and its answer back?
    Open,
    /// Does a packet get through that looks like an answer, from a port that the receiver may speak to, although
    /// nobody asked? A datagram; in TCP the second segment of a handshake.
    UnsolicitedReply,
}

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it asks.
    pub question: Question,
    /// Who sends.
    pub source: PartyId,
    /// Who listens.
    pub destination: PartyId,
    /// The protocol.
    pub protocol: Protocol,
    /// The sender's socket.
    pub from: SocketAddr,
    /// The listener's socket.
    pub to: SocketAddr,
    /// What the reference evaluator says.
    pub predicted: Judgement,
}

impl Probe {
    /// The address family.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.to.ip())
    }

    /// What tells this probe's packets from all others.
    #[must_use]
    pub fn tuple(&self) -> Tuple {
        Tuple {
            protocol: self.protocol,
            source: self.from,
            destination: self.to,
        }
    }
}

/// A packet's protocol and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// The protocol.
    pub protocol: Protocol,
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
}

impl Tuple {
    /// The tuple of an answer.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            ..self
        }
    }
}

/// `TCP 10.244.1.2:20000 → 10.244.2.2:8080`.
impl std::fmt::Display for Tuple {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} → {}", self.protocol, self.source, self.destination)
    }
}

/// A party has more probes than source ports; a smaller input is needed.
#[derive(Debug, thiserror::Error)]
#[error("`{party}` would send more probes than it has source ports")]
pub struct TooManyProbes {
    party: String,
}

/// All probes, pair by pair. `predict` is the reference evaluator over the placed cluster.
///
/// # Errors
/// When a party's source ports do not suffice.
pub fn plan(
    parties: &[Party],
    ports: &BTreeSet<u16>,
    predict: &dyn Fn(&Flow) -> Judgement,
) -> Result<Vec<Probe>, TooManyProbes> {
    let mut free = SourcePorts {
        next: BTreeMap::new(),
        listening: ports,
    };
    let mut probes = Vec::new();
    for (source, from) in enumerate(parties) {
        for (destination, to) in enumerate(parties).filter(|(id, _)| *id != source) {
            // Nothing is enforced between two that are no pods.
            if !is_pod(from) && !is_pod(to) {
                continue;
            }
            for family in Family::BOTH {
                let (Some(from_address), Some(to_address)) = (from.address(family), to.address(family))
                else {
                    continue;
                };
                let judge = |protocol, port| {
                    predict(&Flow {
                        source: from.in_flow(from_address),
                        destination: to.in_flow(to_address),
                        protocol,
                        port,
                    })
                };
                for protocol in PROTOCOLS {
                    for &port in ports {
                        probes.push(Probe {
                            question: Question::Open,
                            source,
                            destination,
                            protocol,
                            from: (from_address, free.take(source, from, family, protocol)?).into(),
                            to: (to_address, port).into(),
                            predicted: judge(protocol, port),
                        });
                    }
                }
                for protocol in PROTOCOLS {
                    // `to` may be spoken to: an answer of its own accord must not pass for one.
                    let Some(&port) = ports.iter().find(|port| judge(protocol, **port).allowed()) else {
                        continue;
                    };
                    let answered = free.take(source, from, family, protocol)?;
                    probes.push(Probe {
                        question: Question::UnsolicitedReply,
                        source: destination,
                        destination: source,
                        protocol,
                        from: (to_address, port).into(),
                        to: (from_address, answered).into(),
                        predicted: predict(&Flow {
                            source: to.in_flow(to_address),
                            destination: from.in_flow(from_address),
                            protocol,
                            port: answered,
                        }),
                    });
                }
            }
        }
    }
    Ok(probes)
}

fn enumerate(parties: &[Party]) -> impl Iterator<Item = (PartyId, &Party)> {
    parties
        .iter()
        .enumerate()
        .map(|(position, party)| (PartyId(position), party))
}

fn is_pod(party: &Party) -> bool {
    matches!(party.kind, Kind::Pod(_))
}

/// Source ports, each given once per party, family and protocol.
struct SourcePorts<'a> {
    next: BTreeMap<(PartyId, Family, Protocol), u16>,
    listening: &'a BTreeSet<u16>,
}

impl SourcePorts<'_> {
    fn take(
        &mut self,
        id: PartyId,
        party: &Party,
        family: Family,
        protocol: Protocol,
    ) -> Result<u16, TooManyProbes> {
        let next = self
            .next
            .entry((id, family, protocol))
            .or_insert(FIRST_SOURCE_PORT);
        let exhausted = || TooManyProbes {
            party: party.label.clone(),
        };
        let port = (*next..u16::MAX)
            .find(|port| !self.listening.contains(port))
            .ok_or_else(exhausted)?;
        *next = port + 1;
        Ok(port)
    }
}
