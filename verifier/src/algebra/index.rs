//! Finding the cubes that can meet a cube without looking at all of them.
//!
//! Most cubes name values: a namespace, an `app`. For each attribute there is a set of cubes for each named value, and
//! one of the cubes that name none; what can meet a cube is the intersection, over the attributes that it names values
//! of, of the sets for its values and the rest. So policies about different namespaces or applications never meet, not
//! even to be compared, and questions about `n` policies look at `n` corners, not at `n²` pairs.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::cube::Cube;
use super::values::{Attributes, Values, Word};

/// Whose attribute: the subject's or the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Subject,
    Peer,
}

#[derive(Clone, Debug, Default)]
struct Named {
    by_value: BTreeMap<Word, RoaringBitmap>,
    /// The cubes that name no values of it.
    rest: RoaringBitmap,
}

/// Cubes by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    all: RoaringBitmap,
    attributes: BTreeMap<(Role, u32), Named>,
}

fn roles(cube: &Cube) -> [(Role, &Attributes); 2] {
    [(Role::Subject, &cube.subject), (Role::Peer, &cube.peer)]
}

impl Index {
    pub(super) fn of<'c>(cubes: impl Iterator<Item = &'c Cube>) -> Self {
        let mut index = Self::default();
        let mut naming: BTreeMap<(Role, u32), RoaringBitmap> = BTreeMap::new();
        for (number, cube) in (0u32..).zip(cubes) {
            index.all.insert(number);
            for (role, attributes) in roles(cube) {
                for (attribute, values) in attributes.iter() {
                    let Values::Only(words) = values else {
                        continue;
                    };
                    naming.entry((role, attribute)).or_default().insert(number);
                    let named = index.attributes.entry((role, attribute)).or_default();
                    for word in words {
                        named.by_value.entry(*word).or_default().insert(number);
                    }
                }
            }
        }
        for (key, named) in &mut index.attributes {
            named.rest = match naming.get(key) {
                Some(naming) => &index.all - naming,
                None => index.all.clone(),
            };
        }
        index
    }

    /// The numbers of the cubes that can meet `cube`, and of some that cannot, ascending.
    pub(super) fn near(&self, cube: &Cube) -> RoaringBitmap {
        let mut near: Option<RoaringBitmap> = None;
        for (role, attributes) in roles(cube) {
            for (attribute, values) in attributes.iter() {
                let (Values::Only(words), Some(named)) = (values, self.attributes.get(&(role, attribute)))
                else {
                    continue;
                };
                let mut here = match &near {
                    None => named.rest.clone(),
                    Some(near) => near & &named.rest,
                };
                for word in words {
                    if let Some(naming) = named.by_value.get(word) {
                        match &near {
                            None => here |= naming,
                            Some(near) => here |= near & naming,
                        }
                    }
                }
                near = Some(here);
            }
        }
        near.unwrap_or_else(|| self.all.clone())
    }
}
