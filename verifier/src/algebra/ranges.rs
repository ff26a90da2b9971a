//! Sets of numbers as sorted, disjoint intervals that do not touch.

use std::sync::Arc;

/// A number that intervals are made of.
pub(crate) trait Point: Copy + Ord + 'static {
    /// Every number that a flow can have, as intervals.
    const UNIVERSE: &'static [(Self, Self)];

    /// The number after; of use below the highest only.
    fn next(self) -> Self;

    /// The number before; of use above the lowest only.
    fn previous(self) -> Self;
}

/// A set of numbers inside the universe; `None` is all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranges<T>(Option<Arc<[(T, T)]>>);

impl<T: Point> Ranges<T> {
    /// Everything.
    pub(crate) fn all() -> Self {
        Self(None)
    }

    /// Nothing.
    pub(crate) fn none() -> Self {
        Self(Some(Arc::from([])))
    }

    /// The union of these intervals, as far as they are inside the universe.
    pub(crate) fn of(mut intervals: Vec<(T, T)>) -> Self {
        intervals.retain(|(first, last)| first <= last);
        intervals.sort_unstable();
        let mut joined: Vec<(T, T)> = vec![];
        for (first, last) in intervals {
            match joined.last_mut() {
                Some((_, end)) if first <= *end || first == end.next() => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(Some(joined.into())).and(&Self::all_as_intervals())
    }

    fn all_as_intervals() -> Self {
        Self(Some(T::UNIVERSE.into()))
    }

    /// The intervals, ascending.
    pub(crate) fn intervals(&self) -> &[(T, T)] {
        match &self.0 {
            None => T::UNIVERSE,
            Some(intervals) => intervals,
        }
    }

    pub(crate) fn is_all(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_some_and(|intervals| intervals.is_empty())
    }

    pub(crate) fn contains(&self, point: T) -> bool {
        self.intervals()
            .iter()
            .any(|(first, last)| *first <= point && point <= *last)
    }

    /// The lowest member.
    pub(crate) fn lowest(&self) -> Option<T> {
        self.intervals().first().map(|(first, _)| *first)
    }

    /// Whether the two share a member.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, _) => !other.is_empty(),
            (_, None) => !self.is_empty(),
            (Some(a), Some(b)) => {
                let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
                while let (Some((a_first, a_last)), Some((b_first, b_last))) = (a.peek(), b.peek()) {
                    if a_last < b_first {
                        a.next();
                    } else if b_last < a_first {
                        b.next();
                    } else {
                        return true;
                    }
                }
                false
            }
        }
    }

    /// What is in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let (Some(a), Some(b)) = (&self.0, &other.0) else {
            return if self.0.is_none() {
                other.clone()
            } else {
                self.clone()
            };
        };
        let mut both = vec![];
        let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
        while let (Some((a_first, a_last)), Some((b_first, b_last))) = (a.peek(), b.peek()) {
            let (first, last) = (*a_first.max(b_first), *a_last.min(b_last));
            if first <= last {
                both.push((first, last));
            }
            if a_last < b_last {
                a.next();
            } else {
                b.next();
            }
        }
        Self(Some(both.into()))
    }

    /// What is in this one and not in the other.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut left = vec![];
        let mut holes = other.intervals().iter().peekable();
        for (first, last) in self.intervals() {
            let mut first = Some(*first);
            while let (Some(from), Some((hole_first, hole_last))) = (first, holes.peek()) {
                if *hole_last < from {
                    holes.next();
                    continue;
                }
                if last < hole_first {
                    break;
                }
                if from < *hole_first {
                    left.push((from, hole_first.previous()));
                }
                if hole_last >= last {
                    first = None;
                } else {
                    first = Some(hole_last.next());
                    holes.next();
                }
            }
            if let Some(from) = first {
                left.push((from, *last));
            }
        }
        Self(Some(left.into()))
    }

    /// Whether every member of this one is in the other.
    pub(crate) fn is_inside(&self, other: &Self) -> bool {
        other.is_all() || self.without(other).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Small(u8);

    impl Point for Small {
        const UNIVERSE: &'static [(Self, Self)] = &[(Self(0), Self(20)), (Self(30), Self(40))];

        fn next(self) -> Self {
            Self(self.0 + 1)
        }

        fn previous(self) -> Self {
            Self(self.0 - 1)
        }
    }

    fn ranges() -> impl Strategy<Value = Ranges<Small>> {
        let some = prop::collection::vec((0u8..45, 0u8..45), 0..4)
            .prop_map(|pairs| Ranges::of(pairs.into_iter().map(|(a, b)| (Small(a), Small(b))).collect()));
        prop_oneof![1 => Just(Ranges::all()), 8 => some]
    }

    proptest! {
        #[test]
        fn operations_are_those_of_sets(a in ranges(), b in ranges()) {
            let universe = (0..=20).chain(30..=40).map(Small);
            let (and, without) = (a.and(&b), a.without(&b));
            for point in universe.clone() {
                prop_assert_eq!(and.contains(point), a.contains(point) && b.contains(point));
                prop_assert_eq!(without.contains(point), a.contains(point) && !b.contains(point));
            }
            prop_assert_eq!(a.meets(&b), !and.is_empty());
            prop_assert_eq!(a.is_inside(&b), universe.clone().all(|p| !a.contains(p) || b.contains(p)));
            prop_assert_eq!(a.lowest(), universe.clone().find(|p| a.contains(*p)));
            prop_assert!(!a.contains(Small(25)));
        }
    }
}
