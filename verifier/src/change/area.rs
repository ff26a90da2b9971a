//! One area: a set of flows described so that a person can read it.

use std::fmt;

use ir::flow::{Judgement, Party};
use ir::policy::Direction;
use ir::selector::Attribute;

use super::widened::Taken;
use super::wording::{
    attribute_in_words, blocks_in_words, end_in_words, namespaces_in_words, ports_in_words, take_in_names,
    values_in_words,
};
use crate::encode::assignment::Class;
use crate::encode::pieces::{Asked, Dimension, Piece};
use crate::witness::Witness;

/// A set of flows, all of which a change opens, or closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Who sends, in words: `pods in shop with app=web`.
    pub from: String,
    /// Who receives.
    pub to: String,
    /// On which ports: `443/TCP`, `http/TCP`, `any port`.
    pub ports: String,
    /// What else is true of the flows; mostly nothing.
    pub besides: Vec<String>,
    /// The end that keeps some of them out, or may, where more policies have a say in that than could be told: the area is
    /// as much of this as that end lets through.
    pub other_end: Option<End>,
    /// What of all this is not meant.
    pub except: Vec<Exception>,
    /// One of them, confirmed by the evaluator with both sets of policies.
    pub witness: Witness,
    /// What the old policies say of the example; rules and policies are those of the old model.
    pub before: Judgement,
    /// What the new ones say; of the new model.
    pub after: Judgement,
}

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Who sends.
    Source,
    /// Who receives.
    Destination,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
        })
    }
}

/// Flows that an area leaves out, in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Who sends.
    pub from: String,
    /// Who receives.
    pub to: String,
    /// On which ports.
    pub ports: String,
    /// What else is true of them.
    pub besides: Vec<String>,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}, {}", self.from, self.to, self.ports)?;
        for fact in &self.besides {
            write!(f, ", {fact}")?;
        }
        if let Some(end) = self.other_end {
            write!(f, ", as far as the policies of the {end} let it through")?;
        }
        Ok(())
    }
}

impl Area {
    /// What an exception says that the area does not.
    #[must_use]
    pub fn apart(&self, exception: &Exception) -> String {
        let mut parts = vec![];
        let parted = |own: &str, its: &str| (own != its).then(|| its.to_owned());
        let (from, to) = (
            parted(&self.from, &exception.from),
            parted(&self.to, &exception.to),
        );
        parts.extend(match (from, to) {
            (Some(from), Some(to)) => Some(format!("{from} → {to}")),
            (Some(from), None) => Some(format!("from {from}")),
            (None, Some(to)) => Some(format!("to {to}")),
            (None, None) => None,
        });
        parts.extend(parted(&self.ports, &exception.ports));
        let more = exception.besides.iter();
        parts.extend(more.filter(|fact| !self.besides.contains(fact)).cloned());
        parts.join(", ")
    }

    pub(super) fn new(
        witness: Witness,
        [before, after]: [Judgement; 2],
        classes: (Class, Class),
        dimensions: &[Dimension],
        taken: &Taken,
    ) -> Self {
        let mut facts: [Vec<String>; 2] = [vec![], vec![]];
        let mut namespaces = [None, None];
        let mut blocks = [None, None];
        let mut ports = String::new();
        let mut names = vec![];
        let mut besides = vec![];
        // The node, where one end is one.
        let node = if classes.0 == Class::Node {
            Direction::Ingress
        } else {
            Direction::Egress
        };
        for (dimension, taken) in dimensions.iter().zip(taken) {
            let all = taken.len() == dimension.pieces.len();
            let chosen: Vec<&Piece> = taken
                .iter()
                .filter_map(|index| dimension.pieces.get(*index))
                .map(|(piece, _)| piece)
                .collect();
            let left_out: Vec<&Piece> = dimension
                .pieces
                .iter()
                .enumerate()
                .filter(|(index, _)| !taken.contains(index))
                .map(|(_, (piece, _))| piece)
                .collect();
            let yes = chosen.contains(&&Piece::Whether(true));
            match &dimension.asked {
                Asked::Ports => {
                    ports = if all {
                        "any port".to_owned()
                    } else {
                        ports_in_words(&chosen)
                    }
                }
                _ if all => {}
                Asked::PortName(name) => names.push((name.clone(), yes)),
                Asked::Attribute(side, Attribute::Namespace) => {
                    *end_of(&mut namespaces, *side) = Some(namespaces_in_words(&chosen, &left_out));
                }
                Asked::Attribute(side, attribute) => {
                    let key = attribute_in_words(attribute);
                    end_of(&mut facts, *side).push(values_in_words(&key, &chosen, &left_out));
                }
                Asked::Address(side) => *end_of(&mut blocks, *side) = Some(blocks_in_words(&chosen)),
                Asked::NodeLabel(key) => {
                    end_of(&mut facts, node).push(values_in_words(key, &chosen, &left_out))
                }
                Asked::OwnNode => besides.push(
                    if yes {
                        "the node is the pod's own"
                    } else {
                        "the node is not the pod's own"
                    }
                    .to_owned(),
                ),
                Asked::ApiServer => besides.push(
                    if yes {
                        "the API server alone"
                    } else {
                        "the API server aside"
                    }
                    .to_owned(),
                ),
                Asked::Domain(name) => besides.push(if yes {
                    format!("where {name} resolves to it")
                } else {
                    format!("where {name} does not resolve to it")
                }),
            }
        }
        besides.extend(take_in_names(&mut ports, names));
        let [from_facts, to_facts] = facts;
        let [from_namespace, to_namespace] = namespaces;
        let [from_blocks, to_blocks] = blocks;
        Self {
            from: end_in_words(classes.0, from_namespace, &from_facts, from_blocks),
            to: end_in_words(classes.1, to_namespace, &to_facts, to_blocks),
            ports,
            besides,
            other_end: None,
            except: vec![],
            witness,
            before,
            after,
        }
    }

    /// Whether both ends of its example are in the input.
    #[must_use]
    pub fn example_exists(&self) -> bool {
        let made_up = |party, invented: bool| invented && matches!(party, Party::Endpoint { .. });
        !made_up(self.witness.flow.source, self.witness.source_invented)
            && !made_up(self.witness.flow.destination, self.witness.destination_invented)
    }
}

/// Of a pair of source and destination, the end that one side sees as its peer.
fn end_of<T>(pair: &mut [T; 2], side: Direction) -> &mut T {
    let [source, destination] = pair;
    match side {
        Direction::Ingress => source,
        Direction::Egress => destination,
    }
}
