//! For whom explanations hold: each of some workloads with each of others, in as few such sentences as it takes.

use super::graph::heading;
use super::pairs::{End, Explanation, Pair, Pairs};
use std::collections::{BTreeMap, BTreeSet};

/// Ends by their place; the outside comes behind all workloads.
pub(super) type Ends = BTreeSet<usize>;

/// Whom each source can be paired with.
type Destinations = BTreeMap<usize, Ends>;

/// Each of some with each of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) sources: Ends,
    pub(super) destinations: Ends,
}

/// For whom everything holds.
pub(super) struct Holds {
    /// By [`Pair::explanation`].
    pub(super) explanations: Vec<Vec<Product>>,
    /// By the place of a side.
    pub(super) sides: Vec<Vec<Product>>,
    /// The places of each workload's sides: its egress, and its ingress.
    pub(super) of_end: Vec<[BTreeSet<usize>; 2]>,
}

impl Holds {
    pub(super) fn of(pairs: &Pairs) -> Self {
        let mut explanations = vec![Destinations::new(); pairs.explanations.len()];
        let mut sides = vec![Destinations::new(); pairs.sides.len()];
        let mut of_end = vec![[BTreeSet::new(), BTreeSet::new()]; pairs.ends.len()];
        let mut itself = Ends::new();
        let outside = pairs.ends.len();
        for (source, destination, pair) in all(pairs) {
            let note = |of: &mut Destinations| of.entry(source).or_default().insert(destination);
            explanations.get_mut(pair.explanation).map(note);
            let Some(explanation) = pairs.explanations.get(pair.explanation) else {
                continue;
            };
            if *explanation == Explanation::Itself {
                itself.insert(source);
            }
            let of_ends = match explanation.sides() {
                [only] if source == outside => vec![(*only, destination, 1)],
                [egress] => vec![(*egress, source, 0)],
                [egress, ingress] => vec![(*egress, source, 0), (*ingress, destination, 1)],
                _ => Vec::new(),
            };
            for (side, end, direction) in of_ends {
                sides.get_mut(side).map(note);
                if let Some(own) = of_end.get_mut(end).and_then(|own| own.get_mut(direction)) {
                    own.insert(side);
                }
            }
        }
        let all_products =
            |all: Vec<Destinations>| all.into_iter().map(|one| products(one, &itself)).collect();
        Self {
            explanations: all_products(explanations),
            sides: all_products(sides),
            of_end,
        }
    }
}

/// Every pair with the places of its ends.
fn all(pairs: &Pairs) -> impl Iterator<Item = (usize, usize, &Pair)> {
    let outside = pairs.ends.len();
    let rows = pairs.inside.iter().enumerate();
    let inside = rows.flat_map(|(source, row)| (0..).zip(row).map(move |(to, pair)| (source, to, pair)));
    let leaving = pairs
        .leaving
        .iter()
        .enumerate()
        .map(move |(end, pair)| (end, outside, pair));
    let entering = pairs
        .entering
        .iter()
        .enumerate()
        .map(move |(end, pair)| (outside, end, pair));
    inside.chain(leaving).chain(entering)
}

/// Joins sources with the same destinations. Of those in `itself` nothing is told that is about themselves, so that it
/// does not keep them apart from others.
fn products(destinations: Destinations, itself: &Ends) -> Vec<Product> {
    let with_itself = |source: usize, own: &Ends| {
        let mut own = own.clone();
        if itself.contains(&source) {
            own.insert(source);
        }
        own
    };
    let mut count: BTreeMap<Ends, usize> = BTreeMap::new();
    for (source, own) in &destinations {
        *count.entry(with_itself(*source, own)).or_default() += 1;
    }
    let mut joined: BTreeMap<Ends, Ends> = BTreeMap::new();
    for (source, own) in destinations {
        let wide = with_itself(source, &own);
        let key = if count.get(&wide).is_some_and(|count| *count > 1) {
            wide
        } else {
            own
        };
        joined.entry(key).or_default().insert(source);
    }
    let mut products: Vec<_> = joined
        .into_iter()
        .map(|(destinations, sources)| Product {
            sources,
            destinations,
        })
        .collect();
    products.sort_by(|one, other| one.sources.cmp(&other.sources));
    products
}

/// `every workload but shop/web`, `all of shop, dns/dns`: what a reader calls some of the ends.
pub(super) fn words(some: &Ends, ends: &[End]) -> String {
    let (here, missing): (Ends, Ends) = (0..ends.len()).partition(|end| some.contains(end));
    let mut words = match missing.len() {
        0 if ends.len() > 1 => vec!["every workload".to_owned()],
        1.. if here.len() > 3 && missing.len() < here.len() => {
            vec![format!(
                "every workload but {}",
                by_namespace(&missing, ends).join(", ")
            )]
        }
        _ => by_namespace(&here, ends),
    };
    if some.contains(&ends.len()) {
        words.insert(0, "outside".to_owned());
    }
    words.join(", ")
}

fn by_namespace(some: &Ends, ends: &[End]) -> Vec<String> {
    let numbered: Vec<(usize, &End)> = ends.iter().enumerate().collect();
    let mut words = Vec::new();
    for namespace in numbered.chunk_by(|(_, one), (_, next)| heading(&one.peer) == heading(&next.peer)) {
        let here: Vec<_> = namespace.iter().filter(|(end, _)| some.contains(end)).collect();
        match here.as_slice() {
            [first, _, ..] if here.len() == namespace.len() => {
                words.push(format!("all of {}", heading(&first.1.peer)));
            }
            few => words.extend(few.iter().map(|(_, end)| end.full_name())),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_with_the_same_destinations_are_told_together() {
        let everyone = Ends::from([0, 1, 2]);
        let itself = everyone.clone();
        let but = |end| {
            everyone
                .iter()
                .copied()
                .filter(|one| *one != end)
                .collect::<Ends>()
        };
        let told = |destinations: &[(usize, Ends)]| products(destinations.iter().cloned().collect(), &itself);
        let product = |sources: &Ends, destinations: &Ends| Product {
            sources: sources.clone(),
            destinations: destinations.clone(),
        };
        assert_eq!(
            told(&[(0, but(0)), (1, but(1)), (2, but(2))]),
            [product(&everyone, &everyone)]
        );
        assert_eq!(told(&[(0, but(0))]), [product(&Ends::from([0]), &but(0))]);
    }
}
