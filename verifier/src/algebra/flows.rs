//! Sets of flows as people describe them: these, except for those.
//!
//! A cube without some others falls into many cubes, none of which anybody has written. Kept as "this one, without
//! these" it stays as short as the policies that it comes from, and whether anything is left of it is a walk.

use super::cube::{Bits, Cube, Fact, Left};
use super::line::{Entry, Fate, GaveUp, Line, Place, Then};
use super::values::Attributes;
use super::words::Words;
use std::borrow::Cow;
use std::cell::Cell;

/// A cube without some others, each of which lies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flows {
    pub(crate) base: Cube,
    pub(crate) except: Vec<Cube>,
}

/// Exceptions are compared with each other where they are no more than this.
const FEW: usize = 64;

impl Flows {
    /// Those of them that lie in a cube; `None`: there is none in its base.
    pub(crate) fn and(&self, cube: &Cube, words: &Words) -> Option<Self> {
        let base = self.base.and(cube, words)?;
        let except = self.except.iter().filter_map(|hole| hole.and(&base, words));
        Some(Self {
            except: except.collect(),
            base,
        })
    }

    /// Whether one of the exceptions is seen to take all of this part of the base.
    pub(super) fn takes_out(&self, part: &Cube) -> bool {
        self.except.iter().take(FEW).any(|hole| part.is_inside(hole))
    }

    /// The same flows said in fewer words; `None` where an exception takes all of them.
    pub(crate) fn simplified(mut self, words: &Words) -> Option<Self> {
        loop {
            let base = &self.base;
            self.except = self
                .except
                .iter()
                .filter_map(|hole| hole.and(base, words))
                .collect();
            if self.except.len() <= FEW {
                self.except = without_repeated(self.except);
            }
            // An exception that leaves one cube is no exception, but where the base ends. Where there are thousands,
            // most are such: all are gone through before the rest is looked at again.
            let mut smaller = false;
            for hole in &self.except {
                match self.base.left_without(hole, words) {
                    Left::Nothing => return None,
                    Left::One(left) => {
                        self.base = *left;
                        smaller = true;
                    }
                    Left::Several => {}
                }
            }
            if !smaller {
                return Some(self);
            }
        }
    }

    /// Some of these flows that `then` takes.
    pub(crate) fn find(
        &self,
        words: &Words,
        budget: &Cell<u32>,
        then: Then<'_>,
    ) -> Result<Option<Cube>, GaveUp> {
        let entries = self.except.iter().map(|hole| Entry {
            place: Place::Deny,
            cube: Cow::Borrowed(hole),
            fate: Fate::Dropped,
            free: false,
        });
        let line = Line {
            words,
            entries: entries.collect(),
            end: Fate::Wanted,
            budget,
        };
        line.walk(self.base.clone(), Place::OwnNode, Fate::Wanted, then)
    }
}

/// Without those that lie in another.
fn without_repeated(cubes: Vec<Cube>) -> Vec<Cube> {
    let mut kept: Vec<Cube> = vec![];
    for cube in cubes {
        if !kept.iter().any(|other| cube.is_inside(other)) {
            kept.retain(|other| !other.is_inside(&cube));
            kept.push(cube);
        }
    }
    kept
}

impl Cube {
    /// The flows between pods of this cube, as the other end's side sees them; and the other way round.
    ///
    /// Port names are the destination's: the subject's own at ingress, the peer's at egress.
    pub(crate) fn at_the_other_end(&self, words: &Words) -> Option<Self> {
        let facts = self.facts.iter().filter_map(|(fact, value)| {
            let seen = match fact {
                Fact::SubjectName(name) => Fact::PeerName(*name),
                Fact::PeerName(name) => Fact::SubjectName(*name),
                Fact::Resolved(_) | Fact::ApiServer => return None,
            };
            Some((seen, *value))
        });
        let mut facts: Vec<_> = facts.collect();
        facts.sort_unstable();
        let between_pods = self.between_pods(words)?;
        Some(Self {
            classes: Bits::POD,
            subject: between_pods.peer,
            peer: between_pods.subject,
            node: Attributes::default(),
            own_node: Bits::EITHER,
            addresses: between_pods.subject_addresses,
            subject_addresses: between_pods.addresses,
            ports: between_pods.ports,
            facts,
        })
    }

    /// The part of it whose peer is a pod.
    pub(crate) fn between_pods(&self, words: &Words) -> Option<Self> {
        self.and(
            &Self {
                classes: Bits::POD,
                ..Self::all()
            },
            words,
        )
    }

    /// The part of it whose peer is none.
    pub(crate) fn with_no_pod(&self, words: &Words) -> Option<Self> {
        self.and(
            &Self {
                classes: Bits::OUTSIDE.or(Bits::NODE),
                ..Self::all()
            },
            words,
        )
    }
}
