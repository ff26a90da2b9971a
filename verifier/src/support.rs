//! Minimal sets: which of many rules a proof really needs.
//!
//! The set is found by questions alone, not read off the solver's own unsatisfiable core, so that it is a fact about
//! the policies and the same with every solver. It is *irreducible* (leave out any member and the property fails),
//! and a single rule whenever a single rule suffices; among larger sets it need not be the one with fewest members.
//!
//! Method: Junker, "QuickXplain: Preferred Explanations and Relaxations for Over-Constrained Problems", AAAI 2004.

use crate::encode::Found;
use crate::error::VerifierError;
use crate::oracle::Cut;

/// Ends a search early: the budget cut it short, or there is a mistake.
pub(crate) enum Stop {
    Cut(String),
    Mistake(VerifierError),
}

impl Stop {
    /// Whether there is no flow, where that is known.
    pub(crate) fn no_flow(answer: Result<Found, VerifierError>) -> Result<bool, Self> {
        match answer {
            Ok(Found::None) => Ok(true),
            Ok(Found::Some) => Ok(false),
            Ok(Found::Unknown(reason)) => Err(Self::Cut(reason)),
            Err(mistake) => Err(Self::Mistake(mistake)),
        }
    }

    /// What a search came to; only a mistake is an error.
    pub(crate) fn settled<T>(found: Result<T, Self>) -> Result<Cut<T>, VerifierError> {
        match found {
            Ok(found) => Ok(Ok(found)),
            Err(Self::Cut(reason)) => Ok(Err(reason)),
            Err(Self::Mistake(mistake)) => Err(mistake),
        }
    }
}

/// Finds an irreducible subset of `all` for which `holds` is true; `holds(all)` must be.
///
/// `holds` must be monotone: adding members to a set for which it is true leaves it true. Members that come first are
/// kept in preference to later ones. The number of questions is about `k * log(n / k)` for `k` members out of `n`.
pub(crate) fn irreducible<T: Clone, E>(
    all: &[T],
    holds: &mut impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    if holds(&[])? {
        return Ok(vec![]);
    }
    explain(&[], false, all, holds)
}

/// The members of `candidates` that are needed beside `background`; `grown`: `background` has grown since it was
/// last found not to be enough.
fn explain<T: Clone, E>(
    background: &[T],
    grown: bool,
    candidates: &[T],
    holds: &mut impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    if grown && holds(background)? {
        return Ok(vec![]);
    }
    if candidates.len() <= 1 {
        return Ok(candidates.to_vec());
    }
    let (first, second) = candidates.split_at(candidates.len() / 2);
    let with_first = [background, first].concat();
    let of_second = explain(&with_first, !first.is_empty(), second, holds)?;
    let with_second = [background, &of_second].concat();
    let mut needed = explain(&with_second, !of_second.is_empty(), first, holds)?;
    needed.extend(of_second);
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::irreducible;

    proptest! {
        /// Against the definition, for monotone functions given by the sets that make them true.
        #[test]
        fn is_enough_and_no_member_can_go(
            sets in prop::collection::vec(prop::collection::btree_set(0u8..12, 0..5), 1..5)
        ) {
            let all: Vec<u8> = (0..12).collect();
            let enough = |chosen: &[u8]| {
                let chosen: BTreeSet<u8> = chosen.iter().copied().collect();
                sets.iter().any(|set| set.is_subset(&chosen))
            };
            let found = irreducible(&all, &mut |s: &[u8]| Ok::<_, ()>(enough(s))).unwrap();
            prop_assert!(enough(&found));
            for member in &found {
                let rest: Vec<u8> = found.iter().copied().filter(|other| other != member).collect();
                prop_assert!(!enough(&rest), "{member} is not needed in {found:?}");
            }
        }
    }

    #[test]
    fn prefers_earlier_members() {
        let enough = |s: &[u8]| Ok::<_, ()>(s.contains(&3) || s.contains(&1));
        assert_eq!(irreducible(&[0, 1, 2, 3], &mut { enough }), Ok(vec![1]));
    }
}
