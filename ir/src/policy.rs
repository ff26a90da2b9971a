//! Policies and rules.

use std::fmt;

use crate::origin::Origin;
use crate::peer::Peers;
use crate::port::Ports;
use crate::selector::Selector;

/// Direction of a flow, seen from the pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards the pod.
    Ingress,
    /// From the pod.
    Egress,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

/// A pair of flags, one for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Directions {
    /// Ingress.
    pub ingress: bool,
    /// Egress.
    pub egress: bool,
}

impl Directions {
    /// The flag of one direction.
    #[must_use]
    pub fn has(self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

/// The kind of object a policy was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `cilium.io/v2` CiliumNetworkPolicy.
    CiliumNetworkPolicy,
    /// `cilium.io/v2` CiliumClusterwideNetworkPolicy.
    CiliumClusterwideNetworkPolicy,
    /// `policy.networking.k8s.io` ClusterNetworkPolicy.
    ClusterNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1` AdminNetworkPolicy.
    AdminNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1` BaselineAdminNetworkPolicy.
    BaselineAdminNetworkPolicy,
}

impl PolicyKind {
    /// Every kind, in order.
    pub const ALL: [Self; 6] = [
        Self::NetworkPolicy,
        Self::CiliumNetworkPolicy,
        Self::CiliumClusterwideNetworkPolicy,
        Self::ClusterNetworkPolicy,
        Self::AdminNetworkPolicy,
        Self::BaselineAdminNetworkPolicy,
    ];

    /// Whether it is one of `cilium.io`.
    #[must_use]
    pub const fn is_cilium(self) -> bool {
        matches!(
            self,
            Self::CiliumNetworkPolicy | Self::CiliumClusterwideNetworkPolicy
        )
    }
}

/// The `kind:` that manifests write.
impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetworkPolicy => "NetworkPolicy",
            Self::CiliumNetworkPolicy => "CiliumNetworkPolicy",
            Self::CiliumClusterwideNetworkPolicy => "CiliumClusterwideNetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
        })
    }
}

/// The tiers, in the order in which they are asked.
///
/// Source: the network policy API's ClusterNetworkPolicy: admin, then NetworkPolicy, then baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Above namespaced policies: ordered by priority, first match decides.
    Admin,
    /// NetworkPolicy, CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: one unordered union, deny first.
    Namespaced,
    /// Below: asked only where no namespaced policy isolates the pod; ordered by priority, first match decides.
    Baseline,
}

/// A rule's place among the rules of its tier: lower is asked earlier. All zero in [`Tier::Namespaced`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// The tier.
    pub tier: Tier,
    /// The policy's priority, 0 first.
    pub priority: u32,
    /// The rule's position in its policy.
    pub order: u32,
}

impl Rank {
    /// The rank of every rule of the namespaced tier.
    pub const NAMESPACED: Self = Self {
        tier: Tier::Namespaced,
        priority: 0,
        order: 0,
    };
}

/// What a rule does with a flow that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let it through.
    Allow,
    /// Drop it.
    Deny,
    /// Skip the rest of this tier (admin and baseline tiers only; behind the baseline everything is allowed).
    Pass,
}

impl Action {
    /// `allow`, `deny` or `pass`
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Pass => "pass",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A sort of demand that address, protocol and port cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BeyondKind {
    /// What requests say: HTTP, Kafka, a proxy's own protocols.
    Layer7,
    /// Names in DNS queries.
    Dns,
    /// Mutual authentication.
    Authentication,
    /// TLS: its termination, its origination, the server names in it.
    Tls,
    /// A detour through a proxy's listener.
    Listener,
    /// Groups that a cloud provider knows the addresses of.
    CloudGroups,
}

impl BeyondKind {
    /// Every sort, in order.
    pub const ALL: [Self; 6] = [
        Self::Layer7,
        Self::Dns,
        Self::Authentication,
        Self::Tls,
        Self::Listener,
        Self::CloudGroups,
    ];
}

/// The word of the text form.
impl fmt::Display for BeyondKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layer7 => "layer7",
            Self::Dns => "dns",
            Self::Authentication => "authentication",
            Self::Tls => "tls",
            Self::Listener => "listener",
            Self::CloudGroups => "cloud-groups",
        })
    }
}

/// A demand of a rule beyond its peers and ports, with its place in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Beyond {
    /// What is demanded.
    pub kind: BeyondKind,
    /// Where it was written.
    pub origin: Origin,
}

/// One rule: a set of peers and a set of ports.
///
/// Verdicts are those of its peers and ports alone: with a demand [`beyond`](Self::beyond) them, an allow says what
/// may pass at most. Such a rule is never enforced as it stands (see [`crate::enforceable`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Which side of the subject it speaks of.
    pub direction: Direction,
    /// When it is asked.
    pub rank: Rank,
    /// What it does.
    pub action: Action,
    /// The other end.
    pub peers: Peers,
    /// The ports.
    pub ports: Ports,
    /// What it demands beyond them; empty for what maps and programs can enforce.
    pub beyond: Vec<Beyond>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a policy applies to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Pods that are not on the host network and match.
    Endpoints(Selector),
    /// Nodes that match (a host policy).
    Nodes(Selector),
}

/// One policy: one `spec`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Policy {
    /// The object's kind.
    pub kind: PolicyKind,
    /// The object's namespace; `None` for cluster-wide kinds.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// What it applies to. A namespaced policy's selector already says its namespace.
    pub subject: Subject,
    /// The directions it speaks of: it is *in force* there for the pods it selects.
    pub applies: Directions,
    /// The directions in which it asks that what no rule allows be denied; at most `applies`.
    pub default_deny: Directions,
    /// The rules, in the order written.
    pub rules: Vec<Rule>,
    /// Where it was written.
    pub origin: Origin,
}

/// A policy by its position in [`crate::model::Model::policies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(pub u32);

/// A rule by its policy and its position in [`Policy::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The policy.
    pub policy: PolicyId,
    /// The rule's position.
    pub rule: u32,
}
