//! The questions that checks are made of. Each is about all flows at once: is there one that …? They are asked of
//! [`crate::oracle`], which does not let on whether the algebra or the solver answers.

use ir::model::Model;
use ir::peer::{Entity, PeerMatch, Peers};
use ir::policy::{Rule, RuleId};

/// Is there a flow on the side of a pod …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    /// … that the rule matches?
    Matches(RuleId),
    /// … that the rule matches and that gets this verdict?
    MatchesWithVerdict(RuleId, bool),
    /// … that gets one verdict with the rule and another one without it?
    Differs(RuleId),
    /// … that the rule matches and that is not decided earlier: at ingress as one from the pod's own node; in an ordered
    /// tier by a rule before it; in the namespaced tier by the admin tier; in the baseline by the namespaced tier and
    /// its default denies besides.
    Reached(RuleId),
    /// … that this rule of the namespaced tier matches, and neither the admin tier nor another deny rule decides?
    Undenied(RuleId),
    /// … that both of these rules of the namespaced tier match, and the admin tier does not decide?
    BothMatch(RuleId, RuleId),
}

impl Question {
    /// The rule that it is about.
    pub(crate) fn rule(self) -> RuleId {
        match self {
            Self::Matches(rule)
            | Self::MatchesWithVerdict(rule, _)
            | Self::Differs(rule)
            | Self::Reached(rule)
            | Self::Undenied(rule)
            | Self::BothMatch(rule, _) => rule,
        }
    }
}

/// Whether each other rule is there; `None`: either, and the answer "no" must hold both ways.
pub(crate) type Presence<'p> = dyn Fn(RuleId) -> Option<bool> + Sync + 'p;

/// Whether a rule does what it says to every flow that it matches: it demands nothing beyond addresses and ports, and
/// says nothing of the API server, whose addresses are not known.
pub(crate) fn is_certain(model: &Model, rule: RuleId) -> bool {
    model
        .rule(rule)
        .is_some_and(|rule| rule.beyond.is_empty() && !speaks_of_api_server(rule))
}

/// Whether a rule names the API server as a peer.
pub(crate) fn speaks_of_api_server(rule: &Rule) -> bool {
    match &rule.peers {
        Peers::Any => false,
        Peers::OneOf(peers) => peers
            .iter()
            .any(|peer| peer.matches == PeerMatch::Entity(Entity::KubeApiServer)),
    }
}
