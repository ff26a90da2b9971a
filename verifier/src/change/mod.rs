//! What a change of policies opens or closes: for every pod that could exist, the flows that the new policies allow
//! and the old ones do not, and the other way round.
//!
//! Policies that both sides have, wherever they are written, are one; those that differ say which flows can differ.
//! What they do is found by the algebra (`exact`), or by the solver where that gives up (`widened`).
//!
//! Pods, and what is known of namespaces, are those of both sides together: a pod that only one side has is one that
//! could exist. Where the labels of a namespace differ between the sides, each side is judged by its own (`relabelled`).

mod area;
mod both;
pub(crate) mod exact;
#[cfg(test)]
pub(crate) mod exactness;
pub(crate) mod example;
mod kept;
mod relabelled;
#[cfg(test)]
mod tests;
mod widened;
pub(crate) mod wording;
mod words;

use ir::model::Model;

pub use self::area::{Area, End, Exception};
use self::both::Both;
pub(crate) use self::both::bare;
use self::exact::Exact;
use crate::algebra::{Algebra, GaveUp};
use crate::error::VerifierError;
use crate::options::Options;

/// What differs between two sets of policies.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Flows that only the new policies allow.
    pub opened: Side,
    /// Flows that only the old policies allow.
    pub closed: Side,
    /// Namespaces that have other labels in the new input; each side is judged by its own.
    pub relabelled: Vec<String>,
    /// Policies that are about nodes and differ, by name: what they do to nodes is not looked into, and nothing of it is
    /// in the other fields.
    pub about_nodes: Vec<String>,
}

/// The flows of one kind.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Descriptions of them, each true of all of its flows.
    pub areas: Vec<Area>,
    /// Whether these are all.
    pub complete: bool,
    /// Why they may not be, where the solver gave up.
    pub unknown: Option<String>,
}

impl Side {
    /// Proved: there is none.
    fn nothing() -> Self {
        Self {
            complete: true,
            ..Self::default()
        }
    }

    /// Whether it is proved that there is none.
    #[must_use]
    pub fn is_proved_empty(&self) -> bool {
        self.areas.is_empty() && self.complete
    }
}

/// Compares two models for every pod that could exist, describing at most `most` areas of each kind.
///
/// # Errors
/// A mistake in this crate; see [`VerifierError`].
pub fn compare(
    old: &Model,
    new: &Model,
    most: usize,
    options: &Options,
) -> Result<Comparison, VerifierError> {
    compare_by(old, new, |both| {
        let versions = both.versions();
        if versions.changed().next().is_none() {
            return Ok([Side::nothing(), Side::nothing()]);
        }
        let algebra = Algebra::of_whole_flows(&both.model);
        let exact = Exact::of(&both.model, &algebra, most);
        match exact.sides(&versions, |witness| both.judged(witness, old, new))? {
            Ok(sides) => Ok(sides),
            Err(GaveUp) => widened::sides(both, old, new, most, options),
        }
    })
}

/// [`compare`], by the solver alone.
///
/// # Errors
/// As [`compare`].
pub(crate) fn compare_by_the_solver(
    old: &Model,
    new: &Model,
    most: usize,
    options: &Options,
) -> Result<Comparison, VerifierError> {
    compare_by(old, new, |both| widened::sides(both, old, new, most, options))
}

fn compare_by(
    old: &Model,
    new: &Model,
    sides: impl FnOnce(&Both) -> Result<[Side; 2], VerifierError>,
) -> Result<Comparison, VerifierError> {
    let both = Both::of(old, new);
    let [opened, closed] = sides(&both)?;
    Ok(Comparison {
        opened,
        closed,
        relabelled: both.relabelled(),
        about_nodes: both.about_nodes(),
    })
}
