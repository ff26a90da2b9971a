//! Merge keys (`<<`), expanded as Kubernetes' reader does, and the check that keys are distinct.
//!
//! go-yaml v2 assigns entries in the order written, and a sequence of mappings from its last to its first, so that an
//! explicit key *behind* a `<<` wins over a merged one, and an earlier mapping of a sequence over a later one. An
//! explicit key *before* the `<<` loses there, while the [merge specification](https://yaml.org/type/merge.html) and
//! every other reader let it win: such a mapping has no one meaning and is refused.

use super::{Entry, Mapping, MappingFault, Node, NodeId, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Entries of a mapping in the order written, merge keys not yet expanded.
pub(super) struct Written<'n> {
    /// The nodes of the document so far.
    pub(super) nodes: &'n [Node],
    /// Keys and values.
    pub(super) entries: Vec<Entry>,
}

/// A mapping in the making.
struct Expanded {
    entries: Vec<Entry>,
    faults: Vec<MappingFault>,
}

/// Where the value of a key came from.
#[derive(Clone, Copy)]
struct Seen {
    at: usize,
    merged: bool,
}

impl<'n> Written<'n> {
    fn value(&self, id: NodeId) -> Option<&'n Value> {
        self.nodes.get(id.0 as usize).map(|node| &node.value)
    }

    /// The key's text; `None` for a key that is not text.
    fn key(&self, id: NodeId) -> Option<Cow<'n, str>> {
        let node = self.nodes.get(id.0 as usize)?;
        let Value::Scalar(scalar) = &node.value else {
            return None;
        };
        let usable =
            scalar.value != super::Resolved::Null && node.tag.as_ref().is_none_or(|tag| tag.understood);
        usable.then(|| scalar.key_text())
    }

    fn is_merge(&self, id: NodeId) -> bool {
        let Some(node) = self.nodes.get(id.0 as usize) else {
            return false;
        };
        node.tag.is_none() && matches!(&node.value, Value::Scalar(scalar) if scalar.is_merge_key())
    }

    /// The mappings that `<<: value` brings, the one that wins first; `None` when it is not made of mappings.
    fn merge_sources(&self, value: NodeId) -> Option<Vec<&'n Mapping>> {
        match self.value(value)? {
            Value::Mapping(mapping) => Some(vec![mapping]),
            Value::Sequence(elements) => elements
                .iter()
                .map(|&element| match self.value(element)? {
                    Value::Mapping(mapping) => Some(mapping),
                    Value::Scalar(_) | Value::Sequence(_) => None,
                })
                .collect(),
            Value::Scalar(_) => None,
        }
    }

    /// Whether there is nothing to expand and nothing wrong, seen without a table: most mappings have few keys, all
    /// of them text.
    fn is_plain(&self) -> bool {
        const FEW: usize = 16;
        let text = |entry: &Entry| match self.nodes.get(entry.key.0 as usize) {
            Some(Node {
                tag: None,
                value: Value::Scalar(scalar),
                ..
            }) if scalar.value == super::Resolved::String && !scalar.is_merge_key() => Some(&*scalar.text),
            _ => None,
        };
        self.entries.len() <= FEW
            && self.entries.iter().enumerate().all(|(index, entry)| {
                let before = self.entries.iter().take(index);
                text(entry).is_some_and(|own| before.filter_map(text).all(|other| other != own))
            })
    }

    /// Expands and checks. `budget` is how many merged entries the document may still add; `None` when it is spent.
    pub(super) fn into_mapping(self, budget: &mut u64) -> Option<Mapping> {
        if self.is_plain() {
            return Some(Mapping {
                entries: self.entries,
                faults: Box::default(),
            });
        }
        let mut result = Expanded {
            entries: Vec::with_capacity(self.entries.len()),
            faults: Vec::new(),
        };
        let mut seen: HashMap<Cow<'n, str>, Seen> = HashMap::with_capacity(self.entries.len());
        let mut merge_key: Option<NodeId> = None;
        for entry in &self.entries {
            if self.is_merge(entry.key) {
                if let Some(first) = merge_key.replace(entry.key) {
                    let second = entry.key;
                    result.faults.push(MappingFault::Duplicate { first, second });
                    continue;
                }
                let Some(sources) = self.merge_sources(entry.value) else {
                    result.faults.push(MappingFault::MergeOfScalar(entry.value));
                    continue;
                };
                for source in sources {
                    *budget = budget.checked_sub(source.faults.len() as u64)?;
                    result.faults.extend_from_slice(&source.faults);
                    for merged in &source.entries {
                        *budget = budget.checked_sub(1)?;
                        self.merge_entry(*merged, &mut result, &mut seen);
                    }
                }
                continue;
            }
            let Some(text) = self.key(entry.key) else {
                result.faults.push(MappingFault::NotText(entry.key));
                continue;
            };
            match seen.get_mut(&text) {
                None => {
                    let at = result.entries.len();
                    seen.insert(text, Seen { at, merged: false });
                    result.entries.push(*entry);
                }
                Some(before) if before.merged => {
                    before.merged = false;
                    if let Some(slot) = result.entries.get_mut(before.at) {
                        *slot = *entry;
                    }
                }
                Some(before) => {
                    if let Some(first) = result.entries.get(before.at) {
                        result.faults.push(MappingFault::Duplicate {
                            first: first.key,
                            second: entry.key,
                        });
                    }
                }
            }
        }
        Some(Mapping {
            entries: result.entries,
            faults: result.faults.into(),
        })
    }

    fn merge_entry(&self, merged: Entry, result: &mut Expanded, seen: &mut HashMap<Cow<'n, str>, Seen>) {
        let Some(text) = self.key(merged.key) else {
            return;
        };
        match seen.get(&text) {
            None => {
                let at = result.entries.len();
                seen.insert(text, Seen { at, merged: true });
                result.entries.push(merged);
            }
            // An earlier mapping of the same sequence has it.
            Some(before) if before.merged => {}
            Some(before) => {
                if let Some(explicit) = result.entries.get(before.at) {
                    result.faults.push(MappingFault::MergeOrder {
                        explicit: explicit.key,
                        merged: merged.key,
                    });
                }
            }
        }
    }
}
