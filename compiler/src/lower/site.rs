//! One object while it is lowered: its places, and the findings about it so far.

use crate::diagnostic::{Code, Finding};
use crate::load::Object;
use crate::route::Route;
use ir::origin::Origin;

/// Collects findings about one object.
pub(super) struct Site<'a> {
    pub(super) object: &'a Object,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Site<'a> {
    pub(super) fn new(object: &'a Object) -> Self {
        Self {
            object,
            findings: Vec::new(),
        }
    }

    /// Where the value at `route` is written.
    pub(super) fn origin(&self, route: &Route) -> Origin {
        self.object.origin(route)
    }

    /// Something that the API server refuses, at the value of `route`. In a policy it blocks analysis: a policy that
    /// is refused has no meaning, and an answer that left it out would be wrong.
    pub(super) fn refusal(&self, code: Code, route: &Route, message: impl Into<String>) -> Finding {
        self.refusal_at(code, self.origin(route), message)
    }

    /// [`Self::refusal`], at the last key of `route`.
    pub(super) fn key_refusal(&self, code: Code, route: &Route, message: impl Into<String>) -> Finding {
        self.refusal_at(code, self.object.key_origin(route), message)
    }

    /// [`Self::refusal`], at a place found otherwise.
    pub(super) fn refusal_at(&self, code: Code, origin: Origin, message: impl Into<String>) -> Finding {
        let finding = Finding::new(code, message)
            .at(origin, "")
            .about(self.object.name.clone());
        if self.object.kind.kind().is_policy() {
            finding.blocking()
        } else {
            finding
        }
    }

    /// Says it. What a template will write is not corrected before it is rendered.
    pub(super) fn report(&mut self, mut finding: Finding) {
        let place = finding.primary().map(|label| &label.origin);
        if let Some(unrendered) = place.and_then(|place| self.object.unrendered(place)) {
            finding = finding.unrendered(unrendered);
        }
        self.findings.push(finding);
    }
}
