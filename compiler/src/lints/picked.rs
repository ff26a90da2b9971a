//! How rules pick the pods that they reach as destinations: by name, with a whole namespace, or as everybody.

use super::named_port_hazards::Judged;
use ir::cluster::Endpoint;
use ir::model::Model;
use ir::peer::{PeerMatch, Peers};
use ir::policy::{Direction, Policy, Subject};
use ir::selector::{Attribute, Selector};

/// How a pod was picked as a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Picked {
    /// With every other pod of a namespace.
    WithNamespace,
    /// By its own labels.
    ByLabel,
}

/// How a rule picked a pod as a destination; `None` where it takes in everybody.
pub(super) fn picked(model: &Model, judged: &Judged<'_>, pod: &Endpoint) -> Option<Picked> {
    let one = &judged.one;
    picked_by(model, one.policy, one.rule.direction, &one.rule.peers, pod)
}

/// [`picked`], for any rule.
pub(super) fn picked_by(
    model: &Model,
    policy: &Policy,
    direction: Direction,
    peers: &Peers,
    pod: &Endpoint,
) -> Option<Picked> {
    let by = |selector: &Selector| {
        selector
            .matches(|attribute| model.cluster.attribute(pod, attribute))
            .then(|| {
                let by_label = selector
                    .requirements()
                    .iter()
                    .any(|requirement| matches!(requirement.attribute, Attribute::Label(_)));
                if by_label {
                    Picked::ByLabel
                } else {
                    Picked::WithNamespace
                }
            })
    };
    match (direction, peers) {
        (Direction::Ingress, _) => match &policy.subject {
            Subject::Endpoints(selector) => by(selector),
            Subject::Nodes(_) => None,
        },
        (Direction::Egress, Peers::Any) => None,
        (Direction::Egress, Peers::OneOf(peers)) => peers
            .iter()
            .filter_map(|peer| match &peer.matches {
                PeerMatch::Endpoints(selector) => by(selector),
                _ => None,
            })
            .max(),
    }
}
