//! Sets of values of one attribute: so many and no others, or all but so many.

/// A value of an attribute, or its absence, as a number: see [`super::words`].
pub(crate) type Word = u32;

/// The attribute is absent.
pub(crate) const ABSENT: Word = 0;

/// A set of values. There are always more values than anybody mentions, so the second kind is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// These, ascending.
    Only(Vec<Word>),
    /// Every one but these, ascending.
    AllBut(Vec<Word>),
}

impl Values {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Only(words) if words.is_empty())
    }

    pub(crate) fn contains(&self, word: Word) -> bool {
        match self {
            Self::Only(words) => words.binary_search(&word).is_ok(),
            Self::AllBut(words) => words.binary_search(&word).is_err(),
        }
    }

    /// What is in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(words), set) | (set, Self::Only(words)) => {
                Self::Only(words.iter().copied().filter(|word| set.contains(*word)).collect())
            }
            (Self::AllBut(a), Self::AllBut(b)) => {
                let mut words: Vec<_> = a.iter().chain(b).copied().collect();
                words.sort_unstable();
                words.dedup();
                Self::AllBut(words)
            }
        }
    }

    /// Everything else.
    pub(crate) fn complement(&self) -> Self {
        match self {
            Self::Only(words) => Self::AllBut(words.clone()),
            Self::AllBut(words) => Self::Only(words.clone()),
        }
    }

    /// Whether the two share a member.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Only(words), set) | (set, Self::Only(words)) => {
                words.iter().any(|word| set.contains(*word))
            }
            (Self::AllBut(_), Self::AllBut(_)) => true,
        }
    }

    /// Whether every member of this one is in the other.
    pub(crate) fn is_inside(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Only(words), set) => words.iter().all(|word| set.contains(*word)),
            (Self::AllBut(_), Self::Only(_)) => false,
            (set @ Self::AllBut(_), Self::AllBut(words)) => words.iter().all(|word| !set.contains(*word)),
        }
    }
}

/// What is asked of several attributes at once, ascending by attribute; of one that is not listed, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Vec<(u32, Values)>);

impl Attributes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Values)> {
        self.0.iter().map(|(attribute, values)| (*attribute, values))
    }

    pub(crate) fn get(&self, attribute: u32) -> Option<&Values> {
        let at = self.0.binary_search_by_key(&attribute, |(own, _)| *own).ok()?;
        self.0.get(at).map(|(_, values)| values)
    }

    /// Keeps those whose attribute is in `values` too.
    pub(crate) fn restrict(&mut self, attribute: u32, values: &Values) {
        match self.0.binary_search_by_key(&attribute, |(own, _)| *own) {
            Ok(at) => {
                if let Some((_, own)) = self.0.get_mut(at) {
                    *own = own.and(values);
                }
            }
            Err(at) => self.0.insert(at, (attribute, values.clone())),
        }
    }

    /// Whether no attribute by itself rules the two out together.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some((a_key, a_values)), Some((b_key, b_values))) = (a.peek(), b.peek()) {
            if a_key < b_key {
                a.next();
            } else if b_key < a_key {
                b.next();
            } else {
                if !a_values.meets(b_values) {
                    return false;
                }
                a.next();
                b.next();
            }
        }
        true
    }

    pub(crate) fn is_inside(&self, other: &Self) -> bool {
        other
            .iter()
            .all(|(attribute, values)| self.get(attribute).is_some_and(|own| own.is_inside(values)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Values> {
        (any::<bool>(), prop::collection::btree_set(0u32..6, 0..5)).prop_map(|(only, words)| {
            let words = words.into_iter().collect();
            if only {
                Values::Only(words)
            } else {
                Values::AllBut(words)
            }
        })
    }

    proptest! {
        #[test]
        fn operations_are_those_of_sets(a in values(), b in values()) {
            // 6 and 7 stand for the values that nobody mentions.
            let universe = 0u32..8;
            let (and, complement) = (a.and(&b), a.complement());
            for word in universe.clone() {
                prop_assert_eq!(and.contains(word), a.contains(word) && b.contains(word));
                prop_assert_eq!(complement.contains(word), !a.contains(word));
            }
            prop_assert_eq!(a.is_empty(), universe.clone().all(|word| !a.contains(word)));
            prop_assert_eq!(a.meets(&b), !and.is_empty());
            prop_assert_eq!(a.is_inside(&b), universe.clone().all(|word| !a.contains(word) || b.contains(word)));
        }
    }
}
