//! Two sets of policies in one model: before a change and after it.

use std::collections::BTreeSet;

use ir::policy::PolicyId;

use super::Owner;

/// Which set is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The policies that stay, and those that go.
    Before,
    /// The policies that stay, and those that come.
    After,
}

/// What of a model's policies is not in both sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    /// The policies that go.
    pub(crate) gone: BTreeSet<PolicyId>,
    /// The policies that come.
    pub(crate) come: BTreeSet<PolicyId>,
    /// Of policies that come: what their earlier versions say too, so that it is said before and after.
    pub(crate) kept: BTreeSet<Owner>,
    /// Of policies that go: what their later versions say too. It counts there, and not once more here.
    pub(crate) doubled: BTreeSet<Owner>,
}

impl Versions {
    /// A model without a policy, and with it.
    pub(crate) fn adding(policy: PolicyId) -> Self {
        Self {
            come: BTreeSet::from([policy]),
            ..Self::default()
        }
    }

    /// Whether a set has the policy.
    pub(crate) fn has(&self, version: Version, policy: PolicyId) -> bool {
        match version {
            Version::Before => !self.come.contains(&policy),
            Version::After => !self.gone.contains(&policy),
        }
    }

    /// Whether something that a policy says is said before, and whether after.
    pub(crate) fn of(&self, owner: &Owner) -> (bool, bool) {
        let policy = owner.policy();
        if !self.is_changed(policy) || self.kept.contains(owner) {
            (true, true)
        } else if self.doubled.contains(owner) {
            (false, false)
        } else {
            (
                self.has(Version::Before, policy),
                self.has(Version::After, policy),
            )
        }
    }

    /// Whether it is said in one of the sets.
    pub(crate) fn says(&self, version: Version, owner: &Owner) -> bool {
        let (before, after) = self.of(owner);
        match version {
            Version::Before => before,
            Version::After => after,
        }
    }

    /// Whether the policy goes or comes.
    pub(crate) fn is_changed(&self, policy: PolicyId) -> bool {
        self.gone.contains(&policy) || self.come.contains(&policy)
    }

    /// The policies that go or come, in order.
    pub(crate) fn changed(&self) -> impl Iterator<Item = PolicyId> {
        self.gone.union(&self.come).copied()
    }
}
