//! Selectors answered for all pods at once.
//!
//! A cluster has far fewer distinct sets of labels than pods, and a selector asks about few attributes. So pods with
//! equal attributes share one *profile*, and an inverted index from attribute and value to profiles turns a selector
//! into a few set operations, whatever the number of pods.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use roaring::RoaringBitmap;

use crate::cluster::{Cluster, Endpoint, EndpointId};
use crate::selector::{Attribute, Operator, Selector};

/// The profiles of a cluster's pods, indexed by the attributes that selectors ask about.
///
/// Host-network pods have no profile: no pod selector matches them.
#[derive(Clone, Debug, Default)]
pub struct LabelIndex {
    profiles: RoaringBitmap,
    /// By [`EndpointId`].
    of_endpoint: Vec<Option<u32>>,
    /// The attributes asked about, each with its place in `values`.
    attributes: BTreeMap<Attribute, usize>,
    values: Vec<Values>,
}

/// The profiles that have an attribute, and by its value.
#[derive(Clone, Debug, Default)]
struct Values {
    present: RoaringBitmap,
    by_value: BTreeMap<String, RoaringBitmap>,
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
        let mut index = Self {
            values: vec![Values::default(); attributes.len()],
            attributes: attributes.into_iter().cloned().zip(0..).collect(),
            ..Self::default()
        };
        let attributes = std::mem::take(&mut index.attributes);
        let mut reader = Reader::new(cluster, &attributes);
        let mut known: HashMap<(u32, u32), u32> = HashMap::new();
        for endpoint in cluster.endpoints() {
            if endpoint.host_network {
                index.of_endpoint.push(None);
                continue;
            }
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            let profile = *known.entry(reader.read(endpoint)).or_insert(next);
            if profile == next {
                index.profiles.insert(profile);
                for (attribute, value) in reader.values(endpoint) {
                    if let Some(values) = index.values.get_mut(attribute) {
                        values.add(value, profile);
                    }
                }
            }
            index.of_endpoint.push(Some(profile));
        }
        index.attributes = attributes;
        index
    }

    /// The profile of a pod; `None` for a host-network pod.
    #[must_use]
    pub fn profile(&self, endpoint: EndpointId) -> Option<u32> {
        self.of_endpoint.get(endpoint.0 as usize).copied().flatten()
    }

    /// How many profiles there are; they are numbered from 0.
    #[must_use]
    pub fn profiles(&self) -> u64 {
        self.profiles.len()
    }

    /// The profiles that a selector matches. It must be one of those that the index was made for.
    #[must_use]
    pub fn select(&self, selector: &Selector) -> RoaringBitmap {
        let (mut within, mut without) = (Vec::new(), Vec::new());
        for requirement in selector.requirements() {
            let attribute = self.attributes.get(&requirement.attribute);
            let values = attribute.and_then(|place| self.values.get(*place));
            match &requirement.operator {
                Operator::In(wanted) => within.push(with(values, wanted)),
                Operator::Exists => within.push(present(values)),
                Operator::NotIn(refused) => without.push(with(values, refused)),
                Operator::DoesNotExist => without.push(present(values)),
            }
        }
        // The smallest first: what follows only shrinks it.
        within.sort_by_key(|profiles| profiles.len());
        let mut within = within.into_iter();
        let mut selected = within
            .next()
            .map_or_else(|| self.profiles.clone(), Cow::into_owned);
        for profiles in within {
            selected &= &*profiles;
        }
        for profiles in without {
            selected -= &*profiles;
        }
        selected
    }
}

impl Values {
    fn add(&mut self, value: &str, profile: u32) {
        self.present.insert(profile);
        match self.by_value.get_mut(value) {
            Some(profiles) => _ = profiles.insert(profile),
            None => _ = self.by_value.insert(value.to_owned(), [profile].into()),
        }
    }
}

/// The profiles that have one of these values.
fn with<'i>(values: Option<&'i Values>, wanted: &BTreeSet<String>) -> Cow<'i, RoaringBitmap> {
    let found = wanted.iter().filter_map(|value| values?.by_value.get(value));
    let mut union: Option<Cow<'i, RoaringBitmap>> = None;
    for profiles in found {
        match &mut union {
            None => union = Some(Cow::Borrowed(profiles)),
            Some(union) => *union.to_mut() |= profiles,
        }
    }
    union.unwrap_or_default()
}

fn present(values: Option<&Values>) -> Cow<'_, RoaringBitmap> {
    values.map_or_else(Cow::default, |values| Cow::Borrowed(&values.present))
}

/// What a pod's labels say, and what its namespace and service account say, each as a number that equal answers share.
struct Reader<'a> {
    cluster: &'a Cluster,
    labels: HashMap<&'a str, usize>,
    /// The attributes that are no labels of the pod's own.
    others: Vec<(&'a Attribute, usize)>,
    own: HashMap<Vec<(usize, &'a str)>, u32>,
    around: HashMap<Vec<Option<&'a str>>, u32>,
    around_of: HashMap<(&'a str, &'a str), u32>,
}

impl<'a> Reader<'a> {
    fn new(cluster: &'a Cluster, attributes: &'a BTreeMap<Attribute, usize>) -> Self {
        let mut labels = HashMap::new();
        let mut others = Vec::new();
        for (attribute, place) in attributes {
            match attribute {
                Attribute::Label(key) => _ = labels.insert(key.as_str(), *place),
                _ => others.push((attribute, *place)),
            }
        }
        Self {
            cluster,
            labels,
            others,
            own: HashMap::new(),
            around: HashMap::new(),
            around_of: HashMap::new(),
        }
    }

    fn read(&mut self, endpoint: &'a Endpoint) -> (u32, u32) {
        (self.own(endpoint), self.around(endpoint))
    }

    /// The value of each attribute that the pod has, by the attribute's place.
    fn values(&self, endpoint: &'a Endpoint) -> impl Iterator<Item = (usize, &'a str)> {
        let around = self
            .others
            .iter()
            .filter_map(|(attribute, place)| Some((*place, self.cluster.attribute(endpoint, attribute)?)));
        self.labels_of(endpoint).chain(around)
    }

    fn labels_of(&self, endpoint: &'a Endpoint) -> impl Iterator<Item = (usize, &'a str)> {
        endpoint
            .labels
            .iter()
            .filter_map(|(key, value)| Some((*self.labels.get(key.as_str())?, value.as_str())))
    }

    fn own(&mut self, endpoint: &'a Endpoint) -> u32 {
        let values: Vec<_> = self.labels_of(endpoint).collect();
        let next = u32::try_from(self.own.len()).unwrap_or(u32::MAX);
        *self.own.entry(values).or_insert(next)
    }

    /// Pods of one namespace and service account agree on everything but their own labels.
    fn around(&mut self, endpoint: &'a Endpoint) -> u32 {
        let place = (endpoint.namespace.as_str(), endpoint.service_account.as_str());
        if let Some(known) = self.around_of.get(&place) {
            return *known;
        }
        let values: Vec<_> = self
            .others
            .iter()
            .map(|(attribute, _)| self.cluster.attribute(endpoint, attribute))
            .collect();
        let next = u32::try_from(self.around.len()).unwrap_or(u32::MAX);
        let around = *self.around.entry(values).or_insert(next);
        self.around_of.insert(place, around);
        around
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
