//! The pods that the selector under the cursor selects.

use super::analysis::Analysis;
use super::cursor::Cursor;
use crate::route::Step;
use ir::cluster::Endpoint;
use ir::origin::Origin;
use ir::peer::{PeerMatch, Peers};
use ir::policy::{Policy, Subject};
use ir::selector::Selector;

/// What a selector is for, and what it selects.
#[derive(Debug)]
pub(super) struct Selected<'a> {
    /// `This policy selects`, `This peer selects`.
    pub(super) what: &'static str,
    pub(super) pods: Vec<&'a Endpoint>,
}

/// What the selector under the cursor selects; `None` where there is none.
pub(super) fn selected<'a>(analysis: &'a Analysis, cursor: &Cursor<'_>) -> Option<Selected<'a>> {
    let model = &analysis.understood.model;
    let policies: Vec<&Policy> = model
        .policies()
        .iter()
        .filter(|policy| is_written_here(&policy.origin, cursor))
        .collect();
    if let Some(policy) = subject_at(cursor, &policies) {
        let Subject::Endpoints(selector) = &policy.subject else {
            return None;
        };
        return Some(Selected {
            what: "This policy selects",
            pods: pods(analysis, [selector]),
        });
    }
    let peers = policies
        .iter()
        .flat_map(|policy| &policy.rules)
        .flat_map(|rule| match &rule.peers {
            Peers::Any => &[][..],
            Peers::OneOf(peers) => peers,
        });
    // One entry may be several peers.
    let selectors: Vec<&Selector> = peers
        .filter(|peer| !is_whole_object(&peer.origin) && cursor.inside(&peer.origin))
        .filter_map(|peer| match &peer.matches {
            PeerMatch::Endpoints(selector) => Some(selector),
            PeerMatch::Nodes(_)
            | PeerMatch::OtherNodes(_)
            | PeerMatch::Cidr(_)
            | PeerMatch::Entity(_)
            | PeerMatch::Domain(_) => None,
        })
        .collect();
    if selectors.is_empty() {
        return None;
    }
    Some(Selected {
        what: "This peer selects",
        pods: pods(analysis, selectors),
    })
}

fn is_whole_object(origin: &Origin) -> bool {
    origin.path.is_empty()
}

/// Whether a policy is the one of the cursor's object. Objects of one document (a list's) have their own ways.
fn is_written_here(origin: &Origin, cursor: &Cursor<'_>) -> bool {
    let place = &cursor.object.place;
    origin.file == *place.source.name()
        && origin.document == place.document.index
        && origin.path.starts_with(&place.route.to_string())
}

/// The policy whose subject the cursor is in. One object may hold several (`specs`).
fn subject_at<'p>(cursor: &Cursor<'_>, policies: &[&'p Policy]) -> Option<&'p Policy> {
    const SUBJECTS: &[&str] = &["podSelector", "endpointSelector", "nodeSelector", "subject"];
    let is_subject = |step: Option<&Step>| match step {
        Some(Step::Key(key)) => SUBJECTS.contains(&&**key),
        Some(Step::Index(_)) | None => false,
    };
    let steps = cursor.route.steps();
    match steps.first()? {
        Step::Key(key) if &**key == "spec" && is_subject(steps.get(1)) => {
            let mut policies = policies.iter();
            policies
                .find(|policy| policy.origin.path.ends_with("metadata.name"))
                .copied()
        }
        Step::Key(key) if &**key == "specs" && is_subject(steps.get(2)) => {
            let Some(Step::Index(index)) = steps.get(1) else {
                return None;
            };
            let path = format!("specs[{index}]");
            let mut policies = policies.iter();
            policies
                .find(|policy| policy.origin.path.ends_with(&path))
                .copied()
        }
        _ => None,
    }
}

/// Every pod that one of the selectors matches. Policies are not about pods on the host network.
fn pods<'a, 's>(
    analysis: &'a Analysis,
    selectors: impl IntoIterator<Item = &'s Selector>,
) -> Vec<&'a Endpoint> {
    let cluster = &analysis.understood.model.cluster;
    let selectors: Vec<_> = selectors.into_iter().collect();
    cluster
        .endpoints()
        .iter()
        .filter(|pod| !pod.host_network)
        .filter(|pod| {
            let mut selectors = selectors.iter();
            selectors.any(|selector| selector.matches(|attribute| cluster.attribute(pod, attribute)))
        })
        .collect()
}
