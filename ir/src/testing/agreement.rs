//! The verdict tables of a model beside its reference evaluator.

use std::collections::BTreeMap;

use crate::evaluator::{decide, evaluate};
use crate::flow::{Because, Decision, Flow, Party};
use crate::identity::Identities;
use crate::model::Model;
use crate::policy::Direction;
use crate::table::{Standing, Subjects, VerdictTable};

/// A model, and the tables made of it so far. Pods of one standing share theirs: whichever was asked about first made it.
pub struct Comparison<'m> {
    model: &'m Model,
    identities: &'m Identities,
    subjects: Subjects<'m>,
    tables: BTreeMap<Standing, VerdictTable>,
}

impl<'m> Comparison<'m> {
    /// Compares what is said of this model; the identities are its own.
    #[must_use]
    pub fn of(model: &'m Model, identities: &'m Identities) -> Self {
        Self {
            model,
            identities,
            subjects: Subjects::new(model, identities),
            tables: BTreeMap::new(),
        }
    }

    /// Compares a flow, both sides of it, and gives what the evaluator decided on each side that has policies.
    ///
    /// # Errors
    /// Where the two disagree: both, as text.
    pub fn flow(&mut self, flow: &Flow) -> Result<Vec<Decision>, String> {
        let mut decisions = Vec::new();
        for direction in Direction::BOTH {
            decisions.extend(self.side(flow, direction)?);
        }
        let allowed = decisions.iter().all(|decision| decision.allowed);
        if evaluate(self.model, flow).allowed() == allowed {
            Ok(decisions)
        } else {
            Err(format!(
                "{flow:?}: its sides do not make its verdict: {decisions:?}"
            ))
        }
    }

    fn side(&mut self, flow: &Flow, direction: Direction) -> Result<Option<Decision>, String> {
        let (subject, peer) = match direction {
            Direction::Egress => (flow.source, flow.destination),
            Direction::Ingress => (flow.destination, flow.source),
        };
        let Party::Endpoint { id, .. } = subject else {
            return Ok(None);
        };
        let expected = decide(self.model, id, direction, peer, flow.protocol, flow.port);
        if expected.because == Because::Loopback {
            // Tables do not speak of the endpoint itself.
            return Ok(Some(expected));
        }
        let Some(identity) = self.identities.of_party(peer) else {
            return Err(format!("no identity for {peer:?}"));
        };
        let table = self
            .tables
            .entry(self.subjects.standing(id, direction))
            .or_insert_with(|| self.subjects.table(id, direction));
        let found = table.decide(flow.protocol, flow.port, identity);
        let allowed = table.allows(flow.protocol, flow.port, identity);
        let alone = VerdictTable::build(self.model, self.identities, id, direction);
        if alone.decide(flow.protocol, flow.port, identity) != found {
            return Err(format!("the {direction} table of {id:?} is not to be shared"));
        }
        if found.as_ref() != Some(&expected) || allowed != expected.allowed {
            return Err(format!(
                "{direction} of {id:?} with {peer:?} on {}/{}\n evaluator: {expected:?}\n table: {found:?}, allows: {allowed}",
                flow.port, flow.protocol
            ));
        }
        Ok(Some(expected))
    }
}
