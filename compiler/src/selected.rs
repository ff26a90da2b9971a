//! Which pods selectors pick: found by labels through an index, not by asking each pod.
//!
//! No selector matches a pod on the host network. Findings speak of those that a selector would match if they had a
//! network of their own, so they are looked up apart.

use ir::cluster::{Cluster, Endpoint, EndpointId};
use ir::label_index::LabelIndex;
use ir::model::Model;
use ir::peer::{PeerMatch, Peers};
use ir::policy::Subject;
use ir::selector::Selector;
use roaring::{MultiOps, RoaringBitmap};

/// A set of pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodSet(pub(crate) RoaringBitmap);

impl PodSet {
    /// The pods, ascending.
    pub fn iter(&self) -> impl Iterator<Item = EndpointId> {
        self.0.iter().map(EndpointId)
    }

    /// Whether it holds this pod.
    #[must_use]
    pub fn contains(&self, id: EndpointId) -> bool {
        self.0.contains(id.0)
    }

    /// Whether it holds no pod.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The pods of a cluster by what selects them.
pub struct Selected {
    pods: Profiles,
    on_host_network: Profiles,
}

impl Selected {
    /// Indexes the cluster of a model by what its policies ask about, as subjects and as peers.
    #[must_use]
    pub fn by_policies(model: &Model) -> Self {
        Self::of(&model.cluster, selectors(model))
    }

    /// Indexes a cluster by the attributes that `selectors` ask about.
    #[must_use]
    pub fn of<'s>(cluster: &Cluster, selectors: impl IntoIterator<Item = &'s Selector>) -> Self {
        let selectors: Vec<_> = selectors.into_iter().collect();
        let hosts = cluster.endpoint_ids().filter(|(_, pod)| pod.host_network);
        let (ids, hosts): (Vec<_>, Vec<_>) = hosts
            .map(|(id, pod)| {
                let pod = Endpoint {
                    host_network: false,
                    ..pod.clone()
                };
                (id, pod)
            })
            .unzip();
        // Both clusters have their pods in one order.
        let alone = Cluster::new(cluster.namespaces().clone(), hosts, []).named(cluster.name());
        Self {
            pods: Profiles::of(cluster, &selectors, Some),
            on_host_network: Profiles::of(&alone, &selectors, |id| ids.get(id.0 as usize).copied()),
        }
    }

    /// The pods that a selector matches. Like every selector asked about here, it must ask for nothing that those the
    /// index was made for do not ask for.
    #[must_use]
    pub fn pods(&self, selector: &Selector) -> PodSet {
        self.pods.selected(selector)
    }

    /// The pods that any of these selectors matches.
    #[must_use]
    pub fn pods_of_any<'s>(&self, selectors: impl IntoIterator<Item = &'s Selector>) -> PodSet {
        let index = &self.pods.index;
        let profiles = selectors
            .into_iter()
            .map(|selector| index.select(selector))
            .union();
        self.pods.with(&profiles)
    }

    /// Whether a selector matches a pod.
    #[must_use]
    pub fn any(&self, selector: &Selector) -> bool {
        self.pods.any(selector)
    }

    /// All pods that have a network of their own.
    #[must_use]
    pub fn all(&self) -> PodSet {
        PodSet(self.pods.members.iter().union())
    }

    /// The host-network pods that a selector would match if they had a network of their own.
    #[must_use]
    pub fn on_host_network(&self, selector: &Selector) -> PodSet {
        self.on_host_network.selected(selector)
    }

    /// Whether there is one.
    #[must_use]
    pub fn any_on_host_network(&self, selector: &Selector) -> bool {
        self.on_host_network.any(selector)
    }

    /// The pods of either kind.
    #[must_use]
    pub fn either(&self, selector: &Selector) -> PodSet {
        PodSet(self.pods(selector).0 | self.on_host_network(selector).0)
    }
}

/// Every selector of pods in a model's policies.
fn selectors(model: &Model) -> Vec<&Selector> {
    let mut selectors = Vec::new();
    for policy in model.policies() {
        if let Subject::Endpoints(selector) = &policy.subject {
            selectors.push(selector);
        }
        for rule in &policy.rules {
            if let Peers::OneOf(peers) = &rule.peers {
                selectors.extend(peers.iter().filter_map(|peer| match &peer.matches {
                    PeerMatch::Endpoints(selector) => Some(selector),
                    _ => None,
                }));
            }
        }
    }
    selectors
}

/// Pods that share what selectors can ask about share a profile.
struct Profiles {
    index: LabelIndex,
    /// The pods of each.
    members: Vec<RoaringBitmap>,
}

impl Profiles {
    /// `id_of` says which pod one of the cluster's is.
    fn of(
        cluster: &Cluster,
        selectors: &[&Selector],
        id_of: impl Fn(EndpointId) -> Option<EndpointId>,
    ) -> Self {
        let index = LabelIndex::new(cluster, selectors.iter().copied());
        let mut members = vec![RoaringBitmap::new(); usize::try_from(index.profiles()).unwrap_or(usize::MAX)];
        for (id, _) in cluster.endpoint_ids() {
            let profile = index.profile(id);
            if let Some(pods) = profile.and_then(|profile| members.get_mut(profile as usize)) {
                pods.extend(id_of(id).map(|id| id.0));
            }
        }
        Self { index, members }
    }

    fn selected(&self, selector: &Selector) -> PodSet {
        self.with(&self.index.select(selector))
    }

    fn with(&self, profiles: &RoaringBitmap) -> PodSet {
        let members = profiles
            .iter()
            .filter_map(|profile| self.members.get(profile as usize));
        PodSet(members.union())
    }

    fn any(&self, selector: &Selector) -> bool {
        !self.index.select(selector).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::testing::{Profile, models};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_index_says_what_each_pod_says(model in models(Profile::everything())) {
            let selectors = selectors(&model);
            let cluster = &model.cluster;
            let selected = Selected::by_policies(&model);
            let asked = |selector: &Selector, on_host_network: bool| -> Vec<EndpointId> {
                let pods = cluster.endpoint_ids();
                let fitting = pods.filter(|(_, pod)| {
                    pod.host_network == on_host_network
                        && selector.matches(|attribute| cluster.attribute(pod, attribute))
                });
                fitting.map(|(id, _)| id).collect()
            };
            let list = |pods: PodSet| pods.iter().collect::<Vec<_>>();
            for selector in &selectors {
                let (own, host) = (asked(selector, false), asked(selector, true));
                prop_assert_eq!(selected.any(selector), !own.is_empty());
                prop_assert_eq!(selected.any_on_host_network(selector), !host.is_empty());
                prop_assert_eq!(list(selected.pods(selector)), own);
                prop_assert_eq!(list(selected.on_host_network(selector)), host);
            }
            let any = cluster.endpoint_ids().filter(|(id, _)| {
                selectors.iter().any(|selector| asked(selector, false).contains(id))
            });
            prop_assert_eq!(
                list(selected.pods_of_any(selectors.iter().copied())),
                any.map(|(id, _)| id).collect::<Vec<_>>()
            );
            prop_assert_eq!(list(selected.all()), asked(&Selector::default(), false));
        }
    }
}
