//! What can be wrong with policies that are read as written. One file for each rule; its doc comment is the page that
//! explains it.
//!
//! The `PC2xx` rules stand on [`named_ports`] (which rules use which names on which pods), [`cilium_names`] (what older
//! Cilium makes of them) and [`named_port_hazards`] (which of several findings about one use is told).
//! [`conflicts`] is the machinery of the `PC3xx` rules: what the verifier finds between rules and policies.
//! [`ground`] is what all of these ask about the model; [`surroundings`] and [`probes`] are the machinery of `PC6xx` and `PC7xx`: what was written, what is selected, and what
//! a new pod would meet.

mod beside;
mod blocks;
pub mod cilium_names;
pub mod conflicts;
pub mod ground;
pub mod mistaken_selector;
pub mod named_port_hazards;
mod named_port_judge;
mod named_port_report;
mod named_port_sites;
pub mod named_ports;
pub mod pc201_named_port_many_numbers;
pub mod pc202_named_port_other_number_elsewhere;
pub mod pc203_named_port_ambiguous_deny;
pub mod pc204_named_port_undefined;
pub mod pc205_named_port_undefined_deny;
pub mod pc206_named_port_partly_defined;
pub mod pc207_named_port_other_protocol;
pub mod pc208_named_port_twice_in_pod;
pub mod pc209_named_port_on_init_container;
pub mod pc210_port_name_invalid;
pub mod pc211_end_port_with_name;
pub mod pc212_service_port_in_policy;
pub mod pc213_named_port_without_pod;
pub mod pc214_named_port_across_policies;
pub mod pc215_named_port_and_number;
pub mod pc216_named_port_across_revisions;
pub mod pc217_named_port_across_namespaces;
pub mod pc218_number_named_on_some_pods;
pub mod pc301_rule_never_matches;
pub mod pc302_rule_redundant;
pub mod pc303_allow_cut_by_deny;
pub mod pc304_allow_partly_cut_by_deny;
pub mod pc305_deny_without_effect;
pub mod pc306_half_open_path;
pub mod pc307_default_deny_disagreement;
pub mod pc308_exception_reopened;
pub mod pc309_shadowed_by_priority;
pub mod pc310_same_priority;
pub mod pc401_guarantee_violated;
pub mod pc402_guarantee_vacuous;
pub mod pc403_new_access;
pub mod pc404_guarantee_unreadable;
pub mod pc405_guarantee_names_nothing;
pub mod pc601_policy_selects_nothing;
pub mod pc602_peer_selects_nothing;
pub mod pc603_namespace_without_default_deny;
pub mod pc604_dns_forgotten;
pub mod pc605_world_includes_metadata_address;
pub mod pc606_cidr_inside_cluster_range;
pub mod pc607_policy_types_omitted;
pub mod pc608_policy_on_host_network;
pub mod pc618_domain_names_never_learned;
pub mod pc701_cidr_and_pods;
pub mod pc703_section_without_its_type;
pub mod pc705_own_node_denied;
mod picked;
pub mod probes;
pub mod surroundings;
#[cfg(test)]
mod tests;

use crate::diagnostic::{Code, Finding, ObjectName, Severity, Witness};
use crate::load::Object;
use crate::services::Service;
use ground::Ground;
use ir::model::Model;
use ir::policy::{Policy, RuleId};
use ir::port::Protocol;
use probes::{Probes, Probing};
use rayon::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use surroundings::Surroundings;

/// Everything that can be found without a solver, unsorted. Fixes are written into the `objects` that the model is made of.
#[must_use]
pub fn findings(model: &Model, services: &[Service], objects: &[Object]) -> Vec<Finding> {
    let ground = &Ground::of(model);
    let (mut findings, careless) = rayon::join(
        || about_port_names(ground, services, objects),
        || hygiene(ground, objects),
    );
    findings.extend(careless);
    findings.extend(pc310_same_priority::check(model));
    findings
}

/// The findings about port names (`PC2xx`) that are read from a model, unsorted.
#[must_use]
pub fn about_port_names(ground: &Ground<'_>, services: &[Service], objects: &[Object]) -> Vec<Finding> {
    let hazards = &named_port_hazards::Hazards::of(ground, services);
    let checks: [&Check<'_>; 13] = [
        &|| pc202_named_port_other_number_elsewhere::check(hazards),
        &|| pc203_named_port_ambiguous_deny::check(hazards),
        &|| pc204_named_port_undefined::check(hazards),
        &|| pc205_named_port_undefined_deny::check(hazards),
        &|| pc207_named_port_other_protocol::check(hazards, objects),
        &|| pc208_named_port_twice_in_pod::check(hazards),
        &|| pc209_named_port_on_init_container::check(hazards),
        &|| pc212_service_port_in_policy::check(hazards),
        &|| pc213_named_port_without_pod::check(hazards),
        &|| pc214_named_port_across_policies::check(hazards),
        &|| pc216_named_port_across_revisions::check(hazards),
        &|| pc217_named_port_across_namespaces::check(hazards),
        &|| pc218_number_named_on_some_pods::check(hazards),
    ];
    let (mut findings, others) = rayon::join(|| many_numbers(hazards), || all_of(&checks));
    findings.extend(others);
    findings
}

/// Names with several numbers and names that some pods lack, as far as a rule does not say both and more.
fn many_numbers(hazards: &named_port_hazards::Hazards<'_>) -> Vec<Finding> {
    let mut findings = pc201_named_port_many_numbers::check(hazards);
    findings.extend(pc206_named_port_partly_defined::check(hazards));
    // A rule of numbers that meets the name on some pods only says what follows from it.
    let met = pc215_named_port_and_number::check(hazards);
    findings.retain(|finding| {
        let follows = finding.code == Code::NAMED_PORT_PARTLY_DEFINED || finding.severity == Severity::Note;
        !(follows && finding.severity != Severity::Error && pc215_named_port_and_number::tells(&met, finding))
    });
    findings.extend(met);
    findings
}

/// What is careless rather than wrong, and what engines disagree about: `PC6xx` and `PC7xx`, unsorted.
fn hygiene(ground: &Ground<'_>, objects: &[Object]) -> Vec<Finding> {
    let around = &Surroundings::of(objects, ground);
    let probes = Probes::of(ground.model);
    let probing = &Probing::of(&probes);
    all_of(&[
        &|| pc601_policy_selects_nothing::check(around),
        &|| pc602_peer_selects_nothing::check(around),
        &|| pc603_namespace_without_default_deny::check(around, probing),
        &|| pc604_dns_forgotten::check(around, probing),
        &|| pc605_world_includes_metadata_address::check(around),
        &|| pc606_cidr_inside_cluster_range::check(around),
        &|| pc607_policy_types_omitted::check(around),
        &|| pc608_policy_on_host_network::check(around),
        &|| pc618_domain_names_never_learned::check(around, probing),
        &|| pc701_cidr_and_pods::check(around),
        &|| pc703_section_without_its_type::check(around),
        &|| pc705_own_node_denied::check(around),
    ])
}

/// One rule, asked about one input.
type Check<'a> = dyn Fn() -> Vec<Finding> + Sync + 'a;

/// What they find, in their order; they are asked side by side.
fn all_of(checks: &[&Check<'_>]) -> Vec<Finding> {
    let found: Vec<Vec<Finding>> = checks.par_iter().map(|check| check()).collect();
    found.into_iter().flatten().collect()
}

/// An address outside every cluster (TEST-NET-1, RFC 5737).
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A policy as findings name it.
pub(crate) fn object_name(policy: &Policy) -> ObjectName {
    ObjectName {
        kind: policy.kind.to_string(),
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
    }
}

/// `namespace/name` of a rule's policy.
pub(crate) fn policy_name(model: &Model, rule: RuleId) -> String {
    match model.policy(rule.policy) {
        Some(policy) => match &policy.namespace {
            Some(namespace) => format!("{namespace}/{}", policy.name),
            None => policy.name.clone(),
        },
        None => String::new(),
    }
}

/// A solver's witness as findings show it: who, with the labels that matter, and on which port.
pub(crate) fn witness(witness: &verifier::witness::Witness) -> Witness {
    let flow = &witness.flow;
    Witness {
        from: witness.party(flow.source),
        to: witness.party(flow.destination),
        protocol: flow.protocol.to_string(),
        port: (flow.protocol != Protocol::Other).then_some(flow.port),
    }
}
