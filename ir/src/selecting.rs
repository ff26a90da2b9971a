//! Which policies select a pod: found by the pod's labels through an index, not by asking each policy.

use std::collections::HashMap;

use crate::cluster::EndpointId;
use crate::label_index::{self, LabelIndex};
use crate::model::Model;
use crate::policy::{PolicyId, Subject};

/// The policies that select each pod of a model. Pods that the same policies select share one list.
#[derive(Clone, Debug)]
pub struct Selecting {
    labels: LabelIndex,
    /// For each profile of labels, its list.
    of_profile: Vec<ListId>,
    /// Each list once, ascending; the first is empty.
    lists: Vec<Vec<PolicyId>>,
}

/// A list of policies by its number. Numbers of different [`Selecting`] cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId(u32);

impl Selecting {
    /// Indexes the policies of `model`.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let selectors = || {
            model
                .policy_ids()
                .filter_map(|(id, policy)| match &policy.subject {
                    Subject::Endpoints(selector) => Some((id.0, selector)),
                    Subject::Nodes(_) => None,
                })
        };
        let labels = LabelIndex::new(&model.cluster, selectors().map(|(_, selector)| selector));
        let by_profile = label_index::transposed(
            &labels,
            selectors().map(|(id, selector)| (id, labels.select(selector))),
        );
        let mut lists = vec![Vec::new()];
        let mut known: HashMap<Vec<u32>, ListId> = HashMap::from([(Vec::new(), ListId(0))]);
        let of_profile = by_profile
            .into_iter()
            .map(|policies| {
                let next = ListId(u32::try_from(lists.len()).unwrap_or(u32::MAX));
                *known.entry(policies).or_insert_with_key(|policies| {
                    lists.push(policies.iter().copied().map(PolicyId).collect());
                    next
                })
            })
            .collect();
        Self {
            labels,
            of_profile,
            lists,
        }
    }

    /// The list of a pod; the empty one for a host-network pod and for an id that is not of the model.
    #[must_use]
    pub fn list(&self, subject: EndpointId) -> ListId {
        self.labels
            .profile(subject)
            .and_then(|profile| self.of_profile.get(profile as usize))
            .copied()
            .unwrap_or(ListId(0))
    }

    /// The policies of a list, ascending.
    #[must_use]
    pub fn policies(&self, list: ListId) -> &[PolicyId] {
        self.lists.get(list.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// Every list, in the order of their numbers.
    pub fn lists(&self) -> impl Iterator<Item = &[PolicyId]> {
        self.lists.iter().map(Vec::as_slice)
    }
}

impl ListId {
    /// The list's place in [`Selecting::lists`].
    #[must_use]
    pub fn place(self) -> usize {
        self.0 as usize
    }
}
