//! Things that many share, each once.

use std::collections::BTreeMap;

pub(super) struct Known<T> {
    pub(super) list: Vec<T>,
    places: BTreeMap<T, usize>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            places: BTreeMap::new(),
        }
    }
}

impl<T: Clone + Ord> Known<T> {
    /// The place of a thing in the list.
    pub(super) fn place(&mut self, thing: T) -> usize {
        if let Some(place) = self.places.get(&thing) {
            return *place;
        }
        let place = self.list.len();
        self.list.push(thing.clone());
        self.places.insert(thing, place);
        place
    }
}
