//! Merge keys (`<<`), expanded as Kubernetes' reader does, and the check that keys are distinct.
//!
//! go-yaml v2 assigns entries in the order written, and a sequence of mappings from its last to its first, so that an
//! explicit key *behind* a `<<` wins over a merged one, and an earlier mapping of a sequence over a later one. An
//! explicit key *before* the `<<` loses there, while the [merge specification](https://yaml.org/type/merge.html) and
//! every other reader let it win: such a mapping has no one meaning and is refused.

use super::{Entry, Mapping, MappingFault, Node, NodeId, Rare, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Entries of a mapping in the order written, merge keys not yet expanded.
pub(super) struct Written<'n> {
    /// The nodes of the document so far.
    pub(super) nodes: &'n [Node],
    /// Their tags and faults.
    pub(super) rare: &'n Rare,
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
        let tag = self.rare.tags.get(&id);
        let usable = !scalar.is_null() && tag.is_none_or(|tag| tag.understood);
        usable.then(|| scalar.key_text())
    }

    fn is_merge(&self, id: NodeId) -> bool {
        let Some(node) = self.nodes.get(id.0 as usize) else {
            return false;
        };
        matches!(&node.value, Value::Scalar(scalar) if scalar.is_merge_key())
            && !self.rare.tags.contains_key(&id)
    }

    /// The mappings that `<<: value` brings, the one that wins first; `None` when it is not made of mappings.
    fn merge_sources(&self, value: NodeId) -> Option<Vec<(NodeId, &'n Mapping)>> {
        let mapping = |id| match self.value(id)? {
            Value::Mapping(mapping) => Some((id, mapping)),
            Value::Scalar(_) | Value::Sequence(_) => None,
        };
        match self.value(value)? {
            Value::Sequence(elements) => elements.iter().copied().map(mapping).collect(),
            Value::Mapping(_) | Value::Scalar(_) => Some(vec![mapping(value)?]),
        }
    }

    /// Whether there is nothing to expand and nothing wrong, seen without a table: most mappings have few keys, all
    /// of them text.
    fn is_plain(&self) -> bool {
        const FEW: usize = 16;
        let text = |entry: &Entry| match self.value(entry.key) {
            Some(Value::Scalar(scalar)) if scalar.is_string() && !scalar.is_merge_key() => {
                Some(&*scalar.text)
            }
            _ => None,
        };
        self.rare.tags.is_empty()
            && self.entries.len() <= FEW
            && self.entries.iter().enumerate().all(|(index, entry)| {
                let before = self.entries.iter().take(index);
                text(entry).is_some_and(|own| before.filter_map(text).all(|other| other != own))
            })
    }

    /// Expands and checks. `budget` is how many merged entries the document may still add; `None` when it is spent.
    pub(super) fn into_mapping(self, budget: &mut u64) -> Option<(Mapping, Vec<MappingFault>)> {
        if self.is_plain() {
            let entries = self.entries.into();
            return Some((Mapping { entries }, Vec::new()));
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
                for (id, source) in sources {
                    if let Some(faults) = self.rare.faults.get(&id) {
                        *budget = budget.checked_sub(faults.len() as u64)?;
                        result.faults.extend_from_slice(faults);
                    }
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
        let entries = result.entries.into();
        Some((Mapping { entries }, result.faults))
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
