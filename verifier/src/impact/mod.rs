//! What each policy adds: the flows that are let through, and those that are kept out, only because it is there.
//!
//! For every pod that could exist, and for each policy of a set against the same set without it:
//!
//! - it *opens* the flows that are allowed with it and denied without it,
//! - it *closes* the flows that are denied with it and allowed without it.
//!
//! That is the change from the one set to the other ([`crate::change`]), asked for every policy of one model.

#[cfg(test)]
mod tests;

use ir::model::Model;
use ir::policy::{PolicyId, Subject};
use rayon::prelude::*;

use crate::algebra::versions::{Version, Versions};
use crate::algebra::{Algebra, GaveUp};
use crate::change::exact::Exact;
use crate::change::example::renumbered;
use crate::change::{self, Side};
use crate::error::VerifierError;
use crate::options::Options;

/// What one policy adds to its set.
#[derive(Clone, Debug)]
pub struct Impact {
    /// The policy.
    pub policy: PolicyId,
    /// Flows that are allowed only because of it.
    pub opens: Side,
    /// Flows that are denied only because of it.
    pub closes: Side,
    /// Whether it is about nodes: what it does to them is not looked into, and nothing of it is in the other fields.
    pub about_nodes: bool,
}

impl Impact {
    /// Whether it is proved that no flow, between any pods that could exist, has another verdict without it.
    #[must_use]
    pub fn is_proved_idle(&self) -> bool {
        !self.about_nodes && self.opens.is_proved_empty() && self.closes.is_proved_empty()
    }
}

/// Says for each of `policies` what it adds, in their order, describing at most `most` areas of each kind.
///
/// # Errors
/// A mistake in this crate; see [`VerifierError`].
pub fn impacts(
    model: &Model,
    policies: &[PolicyId],
    most: usize,
    options: &Options,
) -> Result<Vec<Impact>, VerifierError> {
    let algebra = &Algebra::of_whole_flows(model);
    let exact = &Exact::of(model, algebra, most);
    policies
        .par_iter()
        .map(|id| {
            let about_nodes = matches!(
                model.policy(*id).map(|policy| &policy.subject),
                Some(Subject::Nodes(_))
            );
            let asked = Asked {
                model,
                exact,
                policy: *id,
                most,
            };
            let sides = match asked.by_the_algebra()? {
                Ok(sides) => sides,
                Err(GaveUp) => asked.by_the_solver(options)?,
            };
            let [opens, closes] = sides;
            Ok(Impact {
                policy: *id,
                opens,
                closes,
                about_nodes,
            })
        })
        .collect()
}

/// One policy in question.
struct Asked<'a> {
    model: &'a Model,
    exact: &'a Exact<'a>,
    policy: PolicyId,
    most: usize,
}

impl Asked<'_> {
    fn by_the_algebra(&self) -> Result<Result<[Side; 2], GaveUp>, VerifierError> {
        let versions = Versions::adding(self.policy);
        self.exact.sides(&versions, |witness| {
            [Version::Before, Version::After].map(|version| self.exact.judge(witness, &versions, version))
        })
    }

    fn by_the_solver(&self, options: &Options) -> Result<[Side; 2], VerifierError> {
        let others = self.model.policy_ids().filter(|(id, _)| *id != self.policy);
        let without = Model::new(
            self.model.cluster.clone(),
            others.map(|(_, policy)| policy.clone()),
        );
        let comparison = change::compare_by_the_solver(&without, self.model, self.most, options)?;
        let mut sides = [comparison.opened, comparison.closed];
        // Without the policy, those behind it have smaller ids.
        let with_it = |id: PolicyId| PolicyId(if id < self.policy { id.0 } else { id.0 + 1 });
        for area in sides.iter_mut().flat_map(|side| &mut side.areas) {
            area.before = renumbered(area.before.clone(), with_it);
        }
        Ok(sides)
    }
}
