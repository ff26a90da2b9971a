//! # PC214 named-port-across-policies
//!
//! Two policies use one port name with different numbers.
//!
//! ## What is wrong
//! Each of the policies is clear by itself, but between the same two namespaces one opens another number by the name
//! than the other. Whoever reads both, or copies a rule from one to the other, takes the name for one thing. On engines
//! that know one number for a name (Cilium up to 1.19, at egress) it would not work at all: that is PC202.
//!
//! It is a note: many workloads call their own port `http`, and nothing fails.
//!
//! ## What engines do
//! Each rule means the numbers of the pods that it reaches, on every engine, where the other findings of this family
//! say nothing.
//!
//! ## Example
//! ```yaml
//! # policy catalog, on app=catalog: ports: [{port: http}]     8080 there
//! # policy cart, on app=cart:       ports: [{port: http}]     7070 there
//! ```
//!
//! ## How to fix it
//! Names of their own (`catalog-http`, `cart-http`), or one number for one name.

use super::named_port_hazards::{Case, Hazards, Judged, Numbers};
use super::named_port_report::{numbers, table, with_places, with_witness};
use super::named_ports::Reached;
use super::pc201_named_port_many_numbers::shows_itself;
use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding};
use crate::selected::PodSet;
use ir::model::Model;
use ir::port::ProtocolSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Finds the first two policies for each name and pair of namespaces.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let mut by_name: BTreeMap<(String, ProtocolSet), Vec<(&Judged<'_>, Numbers)>> = BTreeMap::new();
    for judged in hazards.uses.iter().filter(|judged| judged.case == Case::Fine) {
        let meanings = judged.meanings();
        if let (Some((numbers, _)), 1) = (meanings.into_iter().next(), judged.meanings().len()) {
            let key = (judged.one.name.to_ascii_lowercase(), judged.one.protocol);
            by_name.entry(key).or_default().push((judged, numbers));
        }
    }
    let mut namespaces = Namespaces::default();
    let mut findings = Vec::new();
    for uses in by_name.into_values() {
        let meanings: BTreeSet<&Numbers> = uses.iter().map(|(_, numbers)| numbers).collect();
        if meanings.len() > 1 {
            findings.extend(collisions(hazards, &uses, &mut namespaces));
        }
    }
    findings
}

/// One finding for each pair of namespaces in which uses differ, and none twice for one pair of policies.
fn collisions(
    hazards: &Hazards<'_>,
    uses: &[(&Judged<'_>, Numbers)],
    namespaces: &mut Namespaces,
) -> Vec<Finding> {
    let mut first_of: BTreeMap<(Arc<str>, String), usize> = BTreeMap::new();
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for (index, (judged, numbers)) in uses.iter().enumerate() {
        let sources = namespaces.of(hazards.model, &judged.one.sources);
        let destinations: BTreeSet<String> = judged
            .defining()
            .map(|reached| reached.endpoint.namespace.clone())
            .collect();
        for source in sources.iter() {
            for destination in &destinations {
                let key = (Arc::clone(source), destination.clone());
                let first = *first_of.entry(key.clone()).or_insert(index);
                let Some((other, theirs)) = uses.get(first) else {
                    continue;
                };
                let differ = theirs != numbers && other.one.rule_id.policy != judged.one.rule_id.policy;
                if differ && told.insert((first, destination.clone())) {
                    findings.push(finding(hazards, other, judged, &key));
                }
            }
        }
    }
    findings
}

/// Namespaces of sets of pods; sets are shared between uses, and each is looked at once.
#[derive(Default)]
struct Namespaces {
    known: BTreeMap<usize, Arc<BTreeSet<Arc<str>>>>,
}

impl Namespaces {
    fn of(&mut self, model: &Model, pods: &Arc<PodSet>) -> Arc<BTreeSet<Arc<str>>> {
        let key = Arc::as_ptr(pods) as usize;
        let namespaces = self.known.entry(key).or_insert_with(|| {
            let names: BTreeSet<Arc<str>> = pods
                .iter()
                .filter_map(|id| model.cluster.endpoint(id))
                .map(|pod| Arc::from(pod.namespace.as_str()))
                .collect();
            Arc::new(names)
        });
        Arc::clone(namespaces)
    }
}

fn finding(
    hazards: &Hazards<'_>,
    first: &Judged<'_>,
    second: &Judged<'_>,
    (from, to): &(Arc<str>, String),
) -> Finding {
    let number = |judged: &Judged<'_>| numbers(judged.defining().flat_map(Reached::numbers));
    let message = format!(
        "from `{from}` to `{to}`, `{}` is {} in this policy and {} in {}",
        second.one.name,
        number(second),
        number(first),
        policy_name(hazards.model, first.one.rule_id),
    );
    let finding = Finding::new(Code::NAMED_PORT_ACROSS_POLICIES, message)
        .at(second.one.port.origin.clone(), format!("{} here", number(second)))
        .because(first.one.port.origin.clone(), format!("{} here", number(first)))
        .about(object_name(second.one.policy))
        .about(object_name(first.one.policy));
    let mut rows = table(first);
    for reached in second.defining() {
        super::named_port_report::add_ports(&mut rows, reached);
    }
    let finding = with_places(finding, second).named_ports(rows);
    let help =
        "give the ports names of their own, or one number, so that the name can be read the same everywhere";
    with_witness(finding.help(help), shows_itself(hazards, second))
}
