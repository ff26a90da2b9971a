//! Selectors answered for all pods at once.
//!
//! A cluster has far fewer distinct sets of labels than pods, and a selector asks about few attributes. So pods with
//! equal attributes share one *profile*, and an inverted index from attribute and value to profiles turns a selector
//! into a few set operations, whatever the number of pods.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use crate::cluster::{Cluster, EndpointId};
use crate::selector::{Attribute, Operator, Selector};

/// The profiles of a cluster's pods, indexed by the attributes that selectors ask about.
///
/// Host-network pods have no profile: no pod selector matches them.
#[derive(Clone, Debug, Default)]
pub struct LabelIndex {
    profiles: RoaringBitmap,
    of_endpoint: BTreeMap<EndpointId, u32>,
    by_value: BTreeMap<Attribute, BTreeMap<String, RoaringBitmap>>,
}

impl LabelIndex {
    /// Indexes the pods of `cluster` by every attribute that `selectors` ask about.
    #[must_use]
    pub fn new<'s>(cluster: &Cluster, selectors: impl IntoIterator<Item = &'s Selector>) -> Self {
        let attributes: BTreeSet<&Attribute> = selectors
            .into_iter()
            .flat_map(Selector::requirements)
            .map(|requirement| &requirement.attribute)
            .collect();
        let mut index = Self::default();
        let mut known: BTreeMap<Vec<Option<&str>>, u32> = BTreeMap::new();
        for (id, endpoint) in cluster
            .endpoint_ids()
            .filter(|(_, endpoint)| !endpoint.host_network)
        {
            let values: Vec<_> = attributes
                .iter()
                .map(|attribute| cluster.attribute(endpoint, attribute))
                .collect();
            let profile = *known.entry(values).or_insert_with_key(|values| {
                let profile = u32::try_from(index.profiles.len()).unwrap_or(u32::MAX);
                index.add(profile, &attributes, values);
                profile
            });
            index.of_endpoint.insert(id, profile);
        }
        index
    }

    fn add(&mut self, profile: u32, attributes: &BTreeSet<&Attribute>, values: &[Option<&str>]) {
        self.profiles.insert(profile);
        for (attribute, value) in attributes.iter().zip(values) {
            let by_value = self.by_value.entry((*attribute).clone()).or_default();
            if let Some(value) = value {
                by_value.entry((*value).to_owned()).or_default().insert(profile);
            }
        }
    }

    /// The profile of a pod; `None` for a host-network pod.
    #[must_use]
    pub fn profile(&self, endpoint: EndpointId) -> Option<u32> {
        self.of_endpoint.get(&endpoint).copied()
    }

    /// How many profiles there are; they are numbered from 0.
    #[must_use]
    pub fn profiles(&self) -> u64 {
        self.profiles.len()
    }

    /// The profiles that a selector matches. It must be one of those that the index was made for.
    #[must_use]
    pub fn select(&self, selector: &Selector) -> RoaringBitmap {
        let mut selected: Option<RoaringBitmap> = None;
        for requirement in selector.requirements() {
            let matching = self.meet(&requirement.attribute, &requirement.operator);
            let both = match selected {
                None => matching,
                Some(selected) => selected & matching,
            };
            if both.is_empty() {
                return both;
            }
            selected = Some(both);
        }
        selected.unwrap_or_else(|| self.profiles.clone())
    }

    fn meet(&self, attribute: &Attribute, operator: &Operator) -> RoaringBitmap {
        let by_value = self.by_value.get(attribute);
        let with = |values: &BTreeSet<String>| {
            let mut union = RoaringBitmap::new();
            for profiles in values.iter().filter_map(|value| by_value?.get(value)) {
                union |= profiles;
            }
            union
        };
        let present = || {
            let mut union = RoaringBitmap::new();
            for profiles in by_value.into_iter().flat_map(BTreeMap::values) {
                union |= profiles;
            }
            union
        };
        match operator {
            Operator::In(values) => with(values),
            Operator::NotIn(values) => &self.profiles - with(values),
            Operator::Exists => present(),
            Operator::DoesNotExist => &self.profiles - present(),
        }
    }
}

/// For each profile, the indices of the selectors that match it, ascending.
#[must_use]
pub(crate) fn transposed(
    index: &LabelIndex,
    selected: impl IntoIterator<Item = (u32, RoaringBitmap)>,
) -> Vec<Vec<u32>> {
    let mut by_profile = vec![Vec::new(); usize::try_from(index.profiles()).unwrap_or(usize::MAX)];
    for (selector, profiles) in selected {
        for profile in profiles {
            if let Some(selectors) = by_profile.get_mut(profile as usize) {
                selectors.push(selector);
            }
        }
    }
    by_profile
}
