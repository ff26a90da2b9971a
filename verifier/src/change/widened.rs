//! What a change opens and closes, by the solver.
//!
//! 1. Only policies that have a say in the flows that can differ are encoded, the old and the new over one symbolic flow.
//! 2. A flow that differs is found, the smallest; both evaluators confirm it.
//! 3. It is widened to an [`Area`]: thing by thing (ports, then labels, then namespaces, …), each value is taken in for
//!    which *all* flows still differ. Every step is a yes-or-no question, so areas do not depend on the solver.
//! 4. What is left outside the areas found is searched on, until nothing differs (that is a proof) or the bound is
//!    reached (that is said).

use std::collections::BTreeSet;

use ir::cluster::EndpointId;
use ir::flow::Judgement;
use ir::model::Model;
use ir::policy::{Direction, PolicyId};

use super::both::Both;
use super::{Area, Side, kept};
use crate::answers::{Described, Text};
use crate::encode::assignment::WholeAssignment;
use crate::encode::pieces::{Dimension, everything};
use crate::encode::vocabulary::Vocabulary;
use crate::encode::whole::Allows;
use crate::encode::{Encoder, Formula, Found as Possible, in_own_context};
use crate::error::VerifierError;
use crate::guarantee::check::slice;
use crate::options::Options;
use crate::witness::Witness;

/// What is opened, and what is closed.
///
/// # Errors
/// A mistake in this crate; see [`VerifierError`].
pub(super) fn sides(
    both: &Both,
    old: &Model,
    new: &Model,
    most: usize,
    options: &Options,
) -> Result<[Side; 2], VerifierError> {
    let Some(region) = both.region() else {
        return Ok([Side::nothing(), Side::nothing()]);
    };
    let (policies, rules) = slice(&both.model, &region, &Direction::BOTH);
    let vocabulary = Vocabulary::of(
        policies.iter().filter_map(|id| both.model.policy(*id)),
        rules.iter().filter_map(|id| both.model.rule(*id)),
    );
    let replay = Replay {
        both,
        vocabulary: &vocabulary,
        old,
        new,
    };
    let [opened, closed] = options.answers.to(
        || {
            let there = |of: &BTreeSet<PolicyId>| -> Vec<bool> {
                policies.iter().map(|id| of.contains(id)).collect()
            };
            Text::of("change", options)
                .with("most", &most)
                .with("old", &there(&both.old))
                .with("new", &there(&both.new))
                .with_policies(&both.model, &policies, |rule| rules.contains(&rule))
                .with_cluster(&Described::default(), &both.model.cluster)
                .done()
        },
        |text| kept::read(text, &replay),
        || {
            in_own_context(|| {
                let encoder = Encoder::of_whole_flows(&both.model, &policies, &rules, &[], &[], options)?;
                let verdict = |of: &BTreeSet<PolicyId>| {
                    encoder.allowed(&Direction::BOTH, |id| of.contains(&id), Allows::All)
                };
                let (before, after) = (verdict(&both.old), verdict(&both.new));
                let search = Search {
                    both,
                    encoder: &encoder,
                    most,
                    replay: &replay,
                };
                Ok::<_, VerifierError>([
                    search.areas(&after.and(&before.negated()), true)?,
                    search.areas(&before.and(&after.negated()), false)?,
                ])
            })
        },
        |sides| kept::write(sides, &replay),
    )?;
    Ok([opened.told(), closed.told()])
}

/// Areas of one kind, each with the values of its witness.
#[derive(Default)]
pub(super) struct Found {
    pub(super) areas: Vec<(WholeAssignment, Area)>,
    pub(super) complete: bool,
    pub(super) unknown: Option<String>,
}

impl Found {
    fn told(self) -> Side {
        Side {
            areas: self.areas.into_iter().map(|(_, area)| area).collect(),
            complete: self.complete,
            unknown: self.unknown,
        }
    }
}

/// What confirms a witness.
pub(super) struct Replay<'a> {
    pub(super) both: &'a Both,
    pub(super) vocabulary: &'a Vocabulary,
    old: &'a Model,
    new: &'a Model,
}

impl Replay<'_> {
    /// The flow that the values stand for, with what the old policies and the new ones say of it: it is `opened`, or
    /// else closed.
    pub(super) fn confirmed(
        &self,
        values: &WholeAssignment,
        opened: bool,
    ) -> Result<(Witness, [Judgement; 2]), VerifierError> {
        let mut witness = Witness::of_whole_flow(&self.both.model, self.vocabulary, values);
        let judgements = self.both.judged(&witness, self.old, self.new);
        let [before, after] = &judgements;
        if (before.allowed(), after.allowed()) != (!opened, opened) {
            return Err(VerifierError::ReplayFlow {
                flow: witness.to_string(),
                what: "its verdict does not change as the solver says",
            });
        }
        witness.allowed = opened;
        Ok((witness, judgements))
    }
}

struct Search<'a> {
    both: &'a Both,
    encoder: &'a Encoder<'a>,
    most: usize,
    replay: &'a Replay<'a>,
}

impl Search<'_> {
    fn areas(&self, differs: &Formula, opened: bool) -> Result<Found, VerifierError> {
        let encoder = self.encoder;
        let pods: Vec<EndpointId> = self
            .both
            .model
            .cluster
            .endpoint_ids()
            .filter(|(_, pod)| !pod.host_network)
            .map(|(id, _)| id)
            .collect();
        let mut side = Found::default();
        let mut left = differs.clone();
        loop {
            if side.areas.len() >= self.most {
                match encoder.possible(&left) {
                    Possible::None => side.complete = true,
                    Possible::Some => {}
                    Possible::Unknown(reason) => side.unknown = Some(reason),
                }
                return Ok(side);
            }
            let values = match encoder.smallest_whole(&encoder.question(&left), [&pods, &pods])? {
                Ok(Some(values)) => values,
                Ok(None) => {
                    side.complete = true;
                    return Ok(side);
                }
                Err(reason) => {
                    side.unknown = Some(reason);
                    return Ok(side);
                }
            };
            let (witness, judgements) = self.replay.confirmed(&values, opened)?;
            let dimensions = encoder.dimensions(&values);
            let classes = (values.source.class, values.destination.class);
            let within = encoder.ends_are(classes.0, classes.1);
            let taken = widen(
                &dimensions,
                |taken| {
                    let outside = within.and(&formula(&dimensions, taken)).and(&differs.negated());
                    encoder.possible(&outside) == Possible::None
                },
                |taken| encoder.possible(&within.and(&formula(&dimensions, taken))) != Possible::None,
            );
            left = left.and(&within.and(&formula(&dimensions, &taken)).negated());
            let area = Area::new(witness, judgements, classes, &dimensions, &taken);
            side.areas.push((values, area));
        }
    }
}

/// For each dimension the pieces that are taken in.
pub(super) type Taken = Vec<BTreeSet<usize>>;

fn formula(dimensions: &[Dimension], taken: &[BTreeSet<usize>]) -> Formula {
    let of = |dimension: &Dimension, taken: &BTreeSet<usize>| {
        let pieces = dimension.pieces.iter().enumerate();
        let chosen = pieces
            .filter(|(index, _)| taken.contains(index))
            .map(|(_, (_, formula))| formula);
        if taken.len() == dimension.pieces.len() {
            everything()
        } else {
            Formula::any(chosen)
        }
    };
    dimensions
        .iter()
        .zip(taken)
        .fold(everything(), |all, (dimension, taken)| {
            all.and(&of(dimension, taken))
        })
}

/// At most this many pieces of a thing are looked at one by one.
const LOOKED_AT: usize = 64;

/// Takes in as many pieces as `fits` lets, dimension by dimension, starting from the witness's own, and leaves out
/// those that no flow is in (`possible`). The order is fixed.
fn widen(
    dimensions: &[Dimension],
    fits: impl Fn(&Taken) -> bool,
    possible: impl Fn(&Taken) -> bool,
) -> Taken {
    let mut taken: Taken = dimensions
        .iter()
        .map(|dimension| BTreeSet::from([dimension.own]))
        .collect();
    for (index, dimension) in dimensions.iter().enumerate() {
        let others: Vec<usize> = (0..dimension.pieces.len())
            .filter(|piece| *piece != dimension.own)
            .collect();
        take_in(&mut taken, index, &others, &fits);
        let Some(found) = taken.get(index).cloned() else {
            continue;
        };
        // What is left open altogether is not spoken of.
        if found.len() == dimension.pieces.len() || found.len() > LOOKED_AT {
            continue;
        }
        for piece in found.into_iter().filter(|piece| *piece != dimension.own) {
            let mut alone = taken.clone();
            if let Some(set) = alone.get_mut(index) {
                *set = BTreeSet::from([piece]);
            }
            if !possible(&alone)
                && let Some(set) = taken.get_mut(index)
            {
                set.remove(&piece);
            }
        }
    }
    taken
}

/// Takes in all of `pieces` if they fit, else each half by itself.
fn take_in(taken: &mut Taken, dimension: usize, pieces: &[usize], fits: &impl Fn(&Taken) -> bool) {
    if pieces.is_empty() {
        return;
    }
    let mut wider = taken.clone();
    if let Some(set) = wider.get_mut(dimension) {
        set.extend(pieces);
    }
    if fits(&wider) {
        *taken = wider;
    } else if pieces.len() > 1 {
        let (first, second) = pieces.split_at(pieces.len() / 2);
        take_in(taken, dimension, first, fits);
        take_in(taken, dimension, second, fits);
    }
}
