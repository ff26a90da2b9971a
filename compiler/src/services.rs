//! Services, as far as port names and numbers go: what a Service calls a port, and where it leads.

use crate::load::{Input, ObjectKind};
use crate::route;
use ir::cluster::{ContainerPort, ContainerRole, Endpoint};
use ir::origin::Origin;
use ir::port::Protocol;
use ir::selector::Labels;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeSet;

/// A Service that selects pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its namespace, and that of its pods.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels that its pods have; never empty.
    pub selector: Labels,
    /// Its ports, in the order written.
    pub ports: Vec<ServicePort>,
    /// Without an address of its own: names lead to the pods themselves, and nothing is translated.
    pub is_headless: bool,
}

/// One port of a [`Service`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The port's name in the Service; a pod may call it otherwise.
    pub name: Option<String>,
    /// The Service's own number.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Where it leads on the pods.
    pub target: Target,
    /// Where it was written.
    pub origin: Origin,
}

/// `targetPort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A number, which is the Service's own where none is written.
    Number(u16),
    /// The pods' own numbers behind a name.
    Name(String),
}

/// The Services that select pods. Of two with one name the first stands for both.
#[must_use]
pub fn services(input: &Input) -> Vec<Service> {
    let mut seen = BTreeSet::new();
    let mut services = Vec::new();
    for object in &input.objects {
        let ObjectKind::Service(service) = &object.kind else {
            continue;
        };
        let namespace = object.name.namespace.clone().unwrap_or_default();
        let name = object.name.name.clone();
        let Some(spec) = service
            .spec
            .as_ref()
            .filter(|_| seen.insert((namespace.clone(), name.clone())))
        else {
            continue;
        };
        let selector = spec.selector.clone().unwrap_or_default();
        if selector.is_empty() {
            continue;
        }
        let ports = spec
            .ports
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, port)| {
                let number = u16::try_from(port.port).ok().filter(|number| *number > 0)?;
                let target = match &port.target_port {
                    Some(IntOrString::String(name)) => Target::Name(name.clone()),
                    Some(IntOrString::Int(target)) if *target != 0 => {
                        Target::Number(u16::try_from(*target).ok()?)
                    }
                    Some(IntOrString::Int(_)) | None => Target::Number(number),
                };
                Some(ServicePort {
                    name: port.name.clone().filter(|name| !name.is_empty()),
                    number,
                    protocol: match port.protocol.as_deref() {
                        None | Some("TCP") => Protocol::Tcp,
                        Some("UDP") => Protocol::Udp,
                        Some("SCTP") => Protocol::Sctp,
                        Some(_) => return None,
                    },
                    target,
                    origin: object.origin(&route!["spec", "ports", index]),
                })
            });
        services.push(Service {
            ports: ports.collect(),
            is_headless: spec.cluster_ip.as_deref() == Some("None"),
            namespace,
            name,
            selector,
        });
    }
    services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    services
}

impl Service {
    /// Whether it leads to the pod.
    #[must_use]
    pub fn selects(&self, pod: &Endpoint) -> bool {
        pod.namespace == self.namespace
            && self
                .selector
                .iter()
                .all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}

impl ServicePort {
    /// The pod's container ports that the port leads to; none where it leads to a number that the pod does not list.
    pub fn targets<'p>(&self, pod: &'p Endpoint) -> impl Iterator<Item = &'p ContainerPort> {
        pod.ports.iter().filter(move |port| {
            port.role != ContainerRole::Init
                && port.protocol == self.protocol
                && match &self.target {
                    Target::Number(number) => port.number == *number,
                    Target::Name(name) => port.name.as_ref() == Some(name),
                }
        })
    }
}
