//! # PC216 named-port-across-revisions
//!
//! The port name's number differs between revisions of one workload.
//!
//! ## What is wrong
//! Two revisions of one workload run at once (two ReplicaSets of a Deployment, a blue and a green one), with the same
//! name on different numbers. Until the last old pod is gone the name means both, each on its own pods. Clients that
//! know the number, and engines that allow one number for a name, break in the middle of the rollout and recover at its
//! end: the worst time to look for it.
//!
//! ## What engines do
//!
//! | | during the rollout |
//! |---|---|
//! | Kubernetes' text | each pod's own number |
//! | Cilium 1.20 | the same |
//! | Cilium up to 1.19 | egress rules with the name are skipped until one number is left |
//!
//! Cilium 1.20 takes a pod's port names into its identity, when the pod is made. Pods with equal labels that ran before
//! the upgrade and differ in a name's number are not told apart until they are made anew; for them the entry is skipped
//! as before (cilium/cilium#45760).
//!
//! ## Example
//! ```yaml
//! # ReplicaSet catalog-7c9f:  ports: [{name: http, containerPort: 8080}]
//! # ReplicaSet catalog-5d21:  ports: [{name: http, containerPort: 80}]
//! ```
//!
//! ## How to fix it
//! Give the new number a new name, allow both names during the rollout, and remove the old one afterwards.

use super::named_port_hazards::{Case, Hazards, Judged, lineage};
use super::named_port_report::{egress_engines, table, with_engines, with_witness};
use super::named_ports::Reached;
use super::object_name;
use super::pc201_named_port_many_numbers::{listed_numbers, shows_itself};
use crate::diagnostic::{Code, Finding, NamedPorts};
use std::collections::{BTreeMap, BTreeSet};

/// Finds such workloads among those that rules reach by the name.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let mut workloads: BTreeMap<(String, String), Vec<&Judged<'_>>> = BTreeMap::new();
    for judged in hazards
        .uses
        .iter()
        .filter(|judged| judged.case == Case::Revisions)
    {
        if let Some(workload) = judged.defining().next().and_then(|first| lineage(first.endpoint)) {
            let key = (workload, judged.one.name.to_ascii_lowercase());
            workloads.entry(key).or_default().push(judged);
        }
    }
    workloads
        .iter()
        .filter_map(|((workload, _), uses)| finding(hazards, workload, uses))
        .collect()
}

fn finding(hazards: &Hazards<'_>, workload: &str, uses: &[&Judged<'_>]) -> Option<Finding> {
    // A use at egress says more about engines than one at ingress.
    let judged = uses
        .iter()
        .find(|judged| egress_engines(hazards, judged).is_some())
        .or_else(|| uses.first())?;
    // Rules may reach different revisions by the name.
    let mut meanings: BTreeMap<_, &Reached<'_>> = BTreeMap::new();
    for judged in uses {
        for (numbers, reached) in judged.meanings() {
            meanings.entry(numbers).or_insert(reached);
        }
    }
    let message = format!(
        "`{}` of {} means {} while two of its revisions run",
        judged.one.name,
        workload,
        listed_numbers(meanings.keys()),
    );
    let mut finding = Finding::new(Code::NAMED_PORT_ACROSS_REVISIONS, message);
    let mut places = BTreeSet::new();
    for reached in meanings.values() {
        for port in &reached.ports {
            if places.insert(&port.origin) {
                let text = format!("{} on {}", port.number, reached.endpoint);
                finding = finding.at(port.origin.clone(), text);
            }
        }
    }
    for judged in uses.iter().take(3) {
        finding = finding.because(judged.one.port.origin.clone(), "used here");
    }
    let mut policies: Vec<_> = uses.iter().map(|judged| object_name(judged.one.policy)).collect();
    policies.sort();
    policies.dedup();
    finding.objects = policies;
    let mut ports = NamedPorts::default();
    for judged in uses {
        ports.take_in(table(judged));
    }
    let finding = finding
        .named_ports(ports)
        .help("give the new number a new name, and allow both names until the old pods are gone");
    Some(with_witness(
        with_engines(finding, egress_engines(hazards, judged)),
        shows_itself(hazards, judged),
    ))
}
