//! Finding the cubes that can meet a cube without looking at all of them.
//!
//! Most cubes name values: a namespace, an `app`. For each attribute there is a set of cubes for each named value, and
//! one of the cubes that name none; what can meet a cube is the intersection, over the attributes that it names values
//! of, of the sets for its values and the rest. So policies about different namespaces or applications never meet, not
//! even to be compared, and questions about `n` policies look at `n` corners, not at `n²` pairs.
//!
//! What is known of a namespace's labels is named with the namespace: a rule for whoever has `team: a` on its namespace
//! does not meet the policies of all the namespaces that are known to have no such label.

use std::borrow::Cow;
use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::cube::Cube;
use super::values::{Attributes, Values, Word};
use super::words::Words;

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

/// The attributes that can only have certain values, with these: where they are listed, and labels of a namespace where
/// every namespace that is listed is known.
fn possible<'c>(attributes: &'c Attributes, words: &Words) -> Vec<(u32, Cow<'c, [Word]>)> {
    let listed = |attribute| match attributes.get(attribute) {
        Some(Values::Only(values)) => Some(values.as_slice()),
        Some(Values::AllBut(_)) | None => None,
    };
    let mut possible: Vec<_> = attributes
        .iter()
        .filter_map(|(attribute, _)| Some((attribute, Cow::Borrowed(listed(attribute)?))))
        .collect();
    let labels = words.namespace_labels().iter();
    let mut labels = labels.filter(|label| listed(**label).is_none()).peekable();
    if labels.peek().is_none() {
        return possible;
    }
    let known: Option<Vec<_>> =
        listed(words.namespace()).and_then(|names| names.iter().map(|name| words.known(*name)).collect());
    if let Some(known) = known {
        possible.extend(labels.map(|label| {
            let of_label = known.iter().copied().flatten().filter(|(own, _)| own == label);
            let mut values: Vec<Word> = of_label.map(|(_, value)| *value).collect();
            values.sort_unstable();
            values.dedup();
            (*label, Cow::Owned(values))
        }));
    }
    possible
}

impl Index {
    pub(super) fn of<'c>(cubes: impl Iterator<Item = &'c Cube>, words: &Words) -> Self {
        let mut index = Self::default();
        let mut naming: BTreeMap<(Role, u32), RoaringBitmap> = BTreeMap::new();
        for (number, cube) in (0u32..).zip(cubes) {
            index.all.insert(number);
            for (role, attributes) in roles(cube) {
                for (attribute, values) in possible(attributes, words) {
                    naming.entry((role, attribute)).or_default().insert(number);
                    let named = index.attributes.entry((role, attribute)).or_default();
                    for word in values.iter() {
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
    pub(super) fn near(&self, cube: &Cube, words: &Words) -> RoaringBitmap {
        let mut near: Option<RoaringBitmap> = None;
        for (role, attributes) in roles(cube) {
            for (attribute, values) in possible(attributes, words) {
                let Some(named) = self.attributes.get(&(role, attribute)) else {
                    continue;
                };
                let mut here = match &near {
                    None => named.rest.clone(),
                    Some(near) => near & &named.rest,
                };
                for word in values.iter() {
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

#[cfg(test)]
mod tests {
    use ir::model::Model;
    use ir::policy::Direction;

    use crate::algebra::Algebra;

    const TEAMS: &str = "
namespace red team=red
namespace blue team=blue
policy NetworkPolicy red/red on pods [ns=red] denies ingress @ a.yaml:1:1 {
}
policy NetworkPolicy blue/blue on pods [ns=blue] denies ingress @ b.yaml:1:1 {
}
policy NetworkPolicy green/green on pods [ns=green] denies ingress @ g.yaml:1:1 {
}
policy NetworkPolicy both/both on pods [ns in (red, blue)] denies ingress @ h.yaml:1:1 {
}
policy CiliumClusterwideNetworkPolicy team on pods [ns:team=blue] denies ingress @ t.yaml:1:1 {
}
policy CiliumClusterwideNetworkPolicy none on pods [!ns:team] denies ingress @ n.yaml:1:1 {
}
";

    /// The policies that are looked at for the subjects of one.
    fn near<'m>(model: &'m Model, name: &str) -> Vec<&'m str> {
        let algebra = Algebra::of(model);
        let policy = model
            .policies()
            .iter()
            .find(|policy| policy.name == name)
            .unwrap();
        let subjects = algebra.words().in_force(policy, Direction::Ingress).unwrap();
        let near = algebra.candidates(&subjects, Direction::Ingress);
        let mut found: Vec<_> = near
            .map(|owned| model.policy(owned.owner.policy()).unwrap().name.as_str())
            .collect();
        found.sort_unstable();
        found
    }

    /// Labels of a known namespace keep its pods from those who ask for others; of one that is not known, any can be.
    #[test]
    fn what_is_known_of_namespaces_tells_cubes_apart() {
        let model = ir::text::parse(TEAMS).unwrap();
        assert_eq!(near(&model, "red"), ["both", "red"]);
        assert_eq!(near(&model, "blue"), ["blue", "both", "team"]);
        assert_eq!(near(&model, "green"), ["green", "none", "team"]);
        assert_eq!(near(&model, "both"), ["blue", "both", "red", "team"]);
        assert_eq!(near(&model, "team"), ["blue", "both", "green", "team"]);
        assert_eq!(near(&model, "none"), ["green", "none"]);
    }
}
