//! Port sets by number: few different ones occur, and most questions about two of them were asked before.

use super::PortSet;
use std::collections::HashMap;
use std::sync::Arc;

/// The number of a port set in [`PortSets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SetId(u32);

/// The port sets that occurred, each once.
pub(super) struct PortSets {
    sets: Vec<Arc<PortSet>>,
    numbers: HashMap<Arc<PortSet>, SetId>,
    both: HashMap<(SetId, SetId), SetId>,
    either: HashMap<(SetId, SetId), SetId>,
}

impl Default for PortSets {
    /// With [`Self::NONE`].
    fn default() -> Self {
        let none = Arc::new(PortSet::NONE);
        Self {
            sets: vec![Arc::clone(&none)],
            numbers: HashMap::from([(none, Self::NONE)]),
            both: HashMap::new(),
            either: HashMap::new(),
        }
    }
}

impl PortSets {
    /// No port.
    pub(super) const NONE: SetId = SetId(0);

    pub(super) fn number(&mut self, set: PortSet) -> SetId {
        if let Some(known) = self.numbers.get(&set) {
            return *known;
        }
        let number = SetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        let set = Arc::new(set);
        self.sets.push(Arc::clone(&set));
        self.numbers.insert(set, number);
        number
    }

    pub(super) fn get(&self, number: SetId) -> Option<&Arc<PortSet>> {
        self.sets.get(number.0 as usize)
    }

    /// The ports in both.
    pub(super) fn and(&mut self, one: SetId, other: SetId) -> SetId {
        if one == other {
            return one;
        }
        let pair = (one.min(other), one.max(other));
        if let Some(known) = self.both.get(&pair) {
            return *known;
        }
        let both = match (self.get(one), self.get(other)) {
            (Some(one), Some(other)) => one.and(other),
            _ => PortSet::NONE,
        };
        let number = self.number(both);
        self.both.insert(pair, number);
        number
    }

    /// The ports in either.
    pub(super) fn or(&mut self, one: SetId, other: SetId) -> SetId {
        if one == other {
            return one;
        }
        let pair = (one.min(other), one.max(other));
        if let Some(known) = self.either.get(&pair) {
            return *known;
        }
        let either = match (self.get(one), self.get(other)) {
            (Some(one), Some(other)) => one.or(other),
            _ => PortSet::NONE,
        };
        let number = self.number(either);
        self.either.insert(pair, number);
        number
    }
}
