//! What one end of a flow decides, with what it cites.

use super::{PolicyRef, RuleRef};
use ir::flow::{Because, Decision};
use ir::model::Model;

/// What one end of a flow decides, and by which lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Whether it lets the flow through.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// The rules that decide.
    pub rules: Vec<RuleRef>,
    /// Where no rule decides and it is denied: the policies that deny by default.
    pub policies: Vec<PolicyRef>,
}

impl Ruling {
    /// A decision of a model, which has its rules and policies.
    #[must_use]
    pub fn of(model: &Model, decision: &Decision) -> Self {
        let mut ruling = Self::without_lines(decision.allowed, Reason::of(&decision.because));
        match &decision.because {
            Because::Rules(ids) => {
                ruling.rules = ids.iter().filter_map(|id| RuleRef::by_id(model, *id)).collect();
            }
            Because::DefaultDeny(ids) => {
                ruling.policies = ids.iter().filter_map(|id| PolicyRef::by_id(model, *id)).collect();
            }
            Because::NotAnEndpoint | Because::Loopback | Because::OwnHost | Because::Unrestricted => {}
        }
        ruling
    }

    /// A decision that no line makes.
    #[must_use]
    pub fn without_lines(allowed: bool, reason: Reason) -> Self {
        Self {
            allowed,
            reason,
            rules: Vec::new(),
            policies: Vec::new(),
        }
    }
}

/// Why an end decides as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has no policy of its own: an address outside, a node, a host-network pod.
    NoPolicyOfItsOwn,
    /// A pod reaches itself.
    Loopback,
    /// The node's own host reaches its pods.
    OwnHost,
    /// No policy in force asks for default deny.
    Unrestricted,
    /// Rules match.
    Rules,
    /// No rule matches, and a policy in force denies what no rule allows.
    DefaultDeny,
}

impl Reason {
    /// The reason, without the lines.
    #[must_use]
    pub fn of(because: &Because) -> Self {
        match because {
            Because::NotAnEndpoint => Self::NoPolicyOfItsOwn,
            Because::Loopback => Self::Loopback,
            Because::OwnHost => Self::OwnHost,
            Because::Unrestricted => Self::Unrestricted,
            Because::Rules(_) => Self::Rules,
            Because::DefaultDeny(_) => Self::DefaultDeny,
        }
    }

    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPolicyOfItsOwn => "no-policy-of-its-own",
            Self::Loopback => "loopback",
            Self::OwnHost => "own-host",
            Self::Unrestricted => "unrestricted",
            Self::Rules => "rules",
            Self::DefaultDeny => "default-deny",
        }
    }
}
