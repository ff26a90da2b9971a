//! What was seen of a probe, and whether that is what was predicted.
//!
//! Silence proves nothing. A flow that was let through has brought its nonce back; a flow that was stopped is named in
//! a drop event of exactly the program that was to stop it. Everything else is a mismatch.

use std::os::fd::BorrowedFd;

use ir::flow::Judgement;
use ir::policy::Direction;

use super::party::PartyId;
use super::probe::{Probe, Tuple};

/// One packet that a program dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// Whose policy dropped it.
    pub pod: PartyId,
    /// Which of its two programs.
    pub direction: Direction,
    /// The packet.
    pub tuple: Tuple,
    /// Whether the policy denied it. A drop for another reason (a spoofed address, a header that cannot be read) is no
    /// evidence of a verdict.
    pub by_policy: bool,
    /// The reason, as the program gives it.
    pub reason: String,
}

/// A place where drops are read.
pub trait DropSource {
    /// Readable when there is something to drain, if it has such a descriptor; drained from time to time anyway.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
    /// Takes what is there, without waiting.
    ///
    /// # Errors
    /// A sentence about what cannot be read.
    fn drain(&mut self, into: &mut Vec<Drop>) -> Result<(), String>;
}

/// What was seen of one probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The sender got its nonce back.
    pub answered: bool,
    /// The receiver got the packet: a connection or the nonce.
    pub arrived: bool,
    /// Programs dropped packets of the probe.
    pub dropped: Vec<Drop>,
    /// Programs dropped packets of the answer.
    pub answer_dropped: Vec<Drop>,
    /// The sender's system calls failed.
    pub failed: Option<String>,
}

impl Observation {
    /// Nothing more needs to be waited for.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.answered || !self.dropped.is_empty() || !self.answer_dropped.is_empty() || self.failed.is_some()
    }

    /// What was seen, in words.
    #[must_use]
    pub fn describe(&self, name: &dyn Fn(PartyId) -> String) -> String {
        let mut parts = Vec::new();
        if self.answered {
            parts.push("answered".to_owned());
        } else if self.arrived {
            parts.push("arrived, without an answer back".to_owned());
        }
        let by = |drop: &Drop, what: &str| {
            format!(
                "{what} dropped by the {} program of {} ({})",
                drop.direction,
                name(drop.pod),
                drop.reason
            )
        };
        // A packet sent again is dropped again; one of each says it.
        parts.extend(self.dropped.first().map(|drop| by(drop, "packet")));
        parts.extend(self.answer_dropped.first().map(|drop| by(drop, "answer")));
        parts.extend(self.failed.clone());
        if parts.is_empty() {
            parts.push("nothing: neither an arrival nor a drop event".to_owned());
        }
        parts.join("; ")
    }
}

/// Which program must have dropped a flow: the source's egress is asked first.
#[must_use]
pub fn dropping_program(probe: &Probe) -> Option<(PartyId, Direction)> {
    let Judgement { egress, ingress } = &probe.predicted;
    if !egress.allowed {
        Some((probe.source, Direction::Egress))
    } else if !ingress.allowed {
        Some((probe.destination, Direction::Ingress))
    } else {
        None
    }
}

/// Whether what was seen is what was predicted, evidence included.
#[must_use]
pub fn as_predicted(probe: &Probe, seen: &Observation) -> bool {
    match dropping_program(probe) {
        None => {
            seen.answered
                && seen.dropped.is_empty()
                && seen.answer_dropped.is_empty()
                && seen.failed.is_none()
        }
        Some(place) => {
            !seen.answered
                && !seen.arrived
                && !seen.dropped.is_empty()
                && seen
                    .dropped
                    .iter()
                    .all(|drop| drop.by_policy && (drop.pod, drop.direction) == place)
                && seen.answer_dropped.is_empty()
        }
    }
}
