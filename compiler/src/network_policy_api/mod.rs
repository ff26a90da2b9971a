//! The policies of `policy.networking.k8s.io`, as they are written.
//!
//! Types only: what they mean, and what the API refuses, is lowering's business. Every field is an `Option`, because
//! the API tells an absent field, an empty list and an empty selector apart.
//!
//! | | `v1alpha1` | `v1alpha2`, `v1beta1` |
//! |---|---|---|
//! | kinds | AdminNetworkPolicy, BaselineAdminNetworkPolicy | ClusterNetworkPolicy with a `tier` |
//! | actions | `Allow`, `Deny`, `Pass` (not in the baseline) | `Accept`, `Deny`, `Pass` in both tiers |
//! | ports | `ports`: `portNumber`, `portRange`, `namedPort` | `protocols`: `tcp`, `udp`, `sctp`, `destinationNamedPort` |
//! | entries in a list | 100 | 25 |
//! | `namespaceSelector` beside `podSelector` | required | optional: every namespace |
//! | baseline | one policy, named `default`, without priority | any number, with priorities |
//! | `domainNames` | not in the baseline | in both tiers |
//!
//! Source: `apis/{v1alpha1,v1alpha2,v1beta1}` of `kubernetes-sigs/network-policy-api`, experimental channel, and the
//! enhancement texts NPEP-285 (one kind for both tiers) and NPEP-187 (`protocols`).

mod peer;
pub mod v1alpha1;
pub mod v1alpha2;

pub use peer::{BaselineEgressPeer, EgressPeer, IngressPeer, NamespacedPod, Subject};
