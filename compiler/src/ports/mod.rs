//! Every port name: who defines it, with which number, and which rules use it, with what it means for each of them.
//!
//! The findings about port names are [`crate::lints`]'; this is the table that they stand on.

pub mod human;
pub mod json;
pub mod rows;
#[cfg(test)]
mod tests;

use crate::diagnostic::ObjectName;
use crate::lints::named_ports::{self, NameUse};
use crate::lints::object_name;
use crate::selected::Selected;
use ir::cluster::{ContainerPort, ContainerRole, Endpoint, Workload};
use ir::model::Model;
use ir::origin::Origin;
use ir::policy::{Action, Direction};
use ir::port::{Protocol, ProtocolSet};
use std::collections::{BTreeMap, BTreeSet};

/// One name, in small letters, in which names are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortName {
    /// Who defines it, by namespace, workload and place.
    pub definitions: Vec<Definition>,
    /// Which rules use it, in the order of rules.
    pub uses: Vec<Use>,
}

/// A container port with the name, of all pods of a workload that have it from one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Definition {
    /// The pods' namespace.
    pub namespace: String,
    /// What the pods belong to.
    pub workload: Workload,
    /// The container.
    pub container: String,
    /// When the container runs; the ports of an [init container](ContainerRole::Init) do not count.
    pub role: ContainerRole,
    /// Whether the pods share their node's network; then no policy sees their ports.
    pub host_network: bool,
    /// The number.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Where it is written.
    pub origin: Origin,
    /// How many pods have it.
    pub pods: usize,
}

/// One port entry of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The rule's policy.
    pub policy: ObjectName,
    /// The rule's direction.
    pub direction: Direction,
    /// What the rule does.
    pub action: Action,
    /// The protocols that the entry asks for.
    pub protocol: ProtocolSet,
    /// Where the entry is written.
    pub origin: Origin,
    /// The pods on which the name means something.
    pub destinations: Vec<Destination>,
    /// How many pods the rule reaches on which it means nothing.
    pub without: usize,
}

/// What a name means on pods of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `namespace/name` of the first pod.
    pub pod: String,
    /// How many pods of the workload are alike.
    pub pods: usize,
    /// The numbers.
    pub numbers: BTreeSet<(Protocol, u16)>,
    /// Where they are written.
    pub origins: Vec<Origin>,
}

impl PortName {
    /// The numbers of the definitions that count.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<Protocol, BTreeSet<u16>> {
        let mut numbers: BTreeMap<Protocol, BTreeSet<u16>> = BTreeMap::new();
        for definition in self.definitions.iter().filter(|definition| definition.counts()) {
            numbers
                .entry(definition.protocol)
                .or_default()
                .insert(definition.number);
        }
        numbers
    }

    /// Whether the name is several numbers of one protocol.
    #[must_use]
    pub fn collides(&self) -> bool {
        self.numbers().values().any(|numbers| numbers.len() > 1)
    }
}

impl Definition {
    /// Whether a rule with the name can match it.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.role != ContainerRole::Init && !self.host_network
    }

    /// `shop/Deployment/web`
    #[must_use]
    pub fn owner(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.workload.kind, self.workload.name)
    }
}

/// Every name of the model, by name. `selected` is of its policies.
#[must_use]
pub fn names(model: &Model, selected: &Selected) -> BTreeMap<String, PortName> {
    let mut names: BTreeMap<String, PortName> = BTreeMap::new();
    let mut definitions: BTreeMap<(String, Definition), usize> = BTreeMap::new();
    for endpoint in model.cluster.endpoints() {
        for port in &endpoint.ports {
            if let Some(name) = &port.name {
                let key = (name.to_ascii_lowercase(), definition(endpoint, port));
                *definitions.entry(key).or_default() += 1;
            }
        }
    }
    for ((name, definition), pods) in definitions {
        let name = names.entry(name).or_default();
        name.definitions.push(Definition { pods, ..definition });
    }
    for one in named_ports::uses(model, selected) {
        let name = names.entry(one.name.to_ascii_lowercase()).or_default();
        name.uses.push(use_of(&one));
    }
    names
}

fn definition(endpoint: &Endpoint, port: &ContainerPort) -> Definition {
    Definition {
        namespace: endpoint.namespace.clone(),
        workload: endpoint.workload.clone(),
        container: port.container.clone(),
        role: port.role,
        host_network: endpoint.host_network,
        number: port.number,
        protocol: port.protocol,
        origin: port.origin.clone(),
        pods: 0,
    }
}

fn use_of(one: &NameUse<'_>) -> Use {
    let (defining, without): (Vec<_>, Vec<_>) =
        one.reached.iter().partition(|reached| !reached.ports.is_empty());
    Use {
        policy: object_name(one.policy),
        direction: one.rule.direction,
        action: one.rule.action,
        protocol: one.protocol,
        origin: one.port.origin.clone(),
        destinations: defining
            .iter()
            .map(|reached| Destination {
                pod: reached.endpoint.to_string(),
                pods: reached.pods.len(),
                numbers: reached.numbers(),
                origins: reached.ports.iter().map(|port| port.origin.clone()).collect(),
            })
            .collect(),
        without: without.iter().map(|reached| reached.pods.len()).sum(),
    }
}

/// `kind namespace/name`
#[must_use]
pub fn policy_text(policy: &ObjectName) -> String {
    match &policy.namespace {
        Some(namespace) => format!("{} {namespace}/{}", policy.kind, policy.name),
        None => format!("{} {}", policy.kind, policy.name),
    }
}

/// `main`
#[must_use]
pub fn role_word(role: ContainerRole) -> &'static str {
    match role {
        ContainerRole::Main => "main",
        ContainerRole::Sidecar => "sidecar",
        ContainerRole::Init => "init",
    }
}

/// `8080/TCP, 80/TCP`
#[must_use]
pub fn numbers_text(numbers: &BTreeSet<(Protocol, u16)>) -> String {
    let numbers: Vec<_> = numbers
        .iter()
        .map(|(protocol, number)| format!("{number}/{protocol}"))
        .collect();
    numbers.join(", ")
}
