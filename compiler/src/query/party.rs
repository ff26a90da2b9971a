//! The ends and the port of a question: what users write, and whom it means.

use super::service::ServiceSpec;
use super::{End, QueryError};
use crate::de::suggest;
use ir::cluster::{Cluster, ContainerRole, Endpoint, EndpointId, Workload};
use ir::flow::Party;
use ir::model::Model;
use ir::named_port;
use ir::origin::Origin;
use ir::port::{Protocol, ProtocolSet};
use ir::selector::Labels;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

/// One end, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartySpec {
    /// An address; that of a pod or a node means it.
    Address(IpAddr),
    /// Every pod of a workload, or one pod.
    Named {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A pod that need not exist, with these labels and no container ports.
    Invented {
        /// Its namespace.
        namespace: String,
        /// Its labels.
        labels: Labels,
    },
    /// The backends of a Service; as a destination only.
    Service(ServiceSpec),
}

impl FromStr for PartySpec {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let refused = || QueryError::Party(text.to_owned());
        if let Some(service) = text.strip_prefix("svc:") {
            return Ok(Self::Service(service.parse()?));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if let Some((namespace, rest)) = text.split_once('{') {
            let inner = rest.strip_suffix('}').ok_or_else(refused)?;
            let mut labels = Labels::new();
            for pair in inner.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
                let (key, value) = pair.split_once('=').ok_or_else(refused)?;
                labels.insert(key.trim().to_owned(), value.trim().to_owned());
            }
            if namespace.is_empty() || namespace.contains('/') {
                return Err(refused());
            }
            return Ok(Self::Invented {
                namespace: namespace.to_owned(),
                labels,
            });
        }
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self::Named {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err(refused()),
        }
    }
}

/// The port, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSpec {
    /// A number, or an ICMP type.
    Number(Protocol, u16),
    /// The destination's own numbers for a name.
    Name(Protocol, String),
}

impl FromStr for PortSpec {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let refused = || QueryError::Port(text.to_owned());
        let (port, protocol) = match text.split_once('/') {
            Some((icmp, kind))
                if icmp.eq_ignore_ascii_case("icmp") || icmp.eq_ignore_ascii_case("icmpv6") =>
            {
                let protocol = if icmp.len() == 4 {
                    Protocol::Icmp
                } else {
                    Protocol::Icmpv6
                };
                let kind: u8 = kind.parse().map_err(|_| refused())?;
                return Ok(Self::Number(protocol, u16::from(kind)));
            }
            Some((port, protocol)) => {
                let known = Protocol::TRANSPORT
                    .into_iter()
                    .find(|known| known.to_string().eq_ignore_ascii_case(protocol));
                (port, known.ok_or_else(refused)?)
            }
            // As in a NetworkPolicy.
            None => (text, Protocol::Tcp),
        };
        match port.parse::<u16>() {
            Ok(0) => Err(refused()),
            Ok(number) => Ok(Self::Number(protocol, number)),
            Err(_) if !port.is_empty() && port.chars().any(|c| c.is_ascii_alphabetic()) => {
                Ok(Self::Name(protocol, port.to_owned()))
            }
            Err(_) => Err(refused()),
        }
    }
}

impl PortSpec {
    /// The numbers that are meant at a destination. What it defines instead goes to `undefined`.
    pub(super) fn numbers(
        &self,
        cluster: &Cluster,
        destination: Party,
        undefined: &mut BTreeSet<String>,
    ) -> BTreeSet<(Protocol, u16)> {
        match self {
            Self::Number(protocol, number) => BTreeSet::from([(*protocol, *number)]),
            Self::Name(protocol, name) => {
                let endpoint = match destination {
                    Party::Endpoint { id, .. } => cluster.endpoint(id),
                    Party::Node { .. } | Party::SomeNode | Party::Outside(_) => None,
                };
                let numbers: BTreeSet<_> = endpoint
                    .into_iter()
                    .flat_map(|endpoint| named_port::definitions(endpoint, name, ProtocolSet::One(*protocol)))
                    .map(|port| (port.protocol, port.number))
                    .collect();
                if numbers.is_empty() {
                    let names = endpoint
                        .into_iter()
                        .flat_map(|endpoint| &endpoint.ports)
                        .filter_map(|port| {
                            let name = port.name.as_deref()?;
                            let why = if endpoint.is_some_and(|endpoint| endpoint.host_network) {
                                ", a port of its node: the pod is on the host network"
                            } else if port.role == ContainerRole::Init {
                                ", of an init container, which has ended"
                            } else {
                                ""
                            };
                            Some(format!("{name} ({}/{}{why})", port.number, port.protocol))
                        });
                    undefined.extend(names);
                }
                numbers
            }
        }
    }

    /// The error when no destination defines the name.
    pub(super) fn undefined(&self, defined: BTreeSet<String>) -> QueryError {
        let name = match self {
            Self::Number(protocol, number) => format!("{number}/{protocol}"),
            Self::Name(protocol, name) => format!("{name}/{protocol}"),
        };
        let defined: Vec<_> = defined.into_iter().collect();
        QueryError::UnknownPort {
            name,
            defined: if defined.is_empty() {
                "it names no ports at all".to_owned()
            } else {
                format!("there are {}", defined.join(", "))
            },
        }
    }
}

/// The model with the pods that had to be invented, and who is meant by each end.
pub(super) fn resolve(
    model: &Model,
    from: &PartySpec,
    to: &PartySpec,
) -> Result<(Model, Vec<Party>, Vec<Party>), QueryError> {
    let mut endpoints = model.cluster.endpoints().to_vec();
    let mut invented = |spec: &PartySpec, which: &str| {
        if let PartySpec::Invented { namespace, labels } = spec {
            endpoints.push(invent(namespace, labels, which));
        }
    };
    invented(from, FROM);
    invented(to, TO);
    let cluster = Cluster::new(
        model.cluster.namespaces().clone(),
        endpoints,
        model.cluster.nodes().to_vec(),
    )
    .named(model.cluster.name());
    let model = model.in_cluster(cluster);
    if matches!(from, PartySpec::Service(_)) {
        return Err(QueryError::FromService);
    }
    let from = parties(&model, from, FROM)?;
    let to = parties(&model, to, TO)?;
    Ok((model, from, to))
}

/// File names of invented pods' origins: no file has them, so they tell an invented pod from all others.
const FROM: &str = "<from>";
const TO: &str = "<to>";

fn invent(namespace: &str, labels: &Labels, which: &str) -> Endpoint {
    let shown: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let name = format!("{{{}}}", shown.join(","));
    Endpoint {
        namespace: namespace.to_owned(),
        workload: Workload {
            kind: "Pod".to_owned(),
            name: name.clone(),
            replicated: false,
        },
        name,
        labels: labels.clone(),
        service_account: "default".to_owned(),
        addresses: Vec::new(),
        node: None,
        host_network: false,
        ports: Vec::new(),
        origin: Origin::synthetic(which),
    }
}

fn parties(model: &Model, spec: &PartySpec, which: &str) -> Result<Vec<Party>, QueryError> {
    let cluster = &model.cluster;
    let endpoint = |id| Party::Endpoint { id, address: None };
    match spec {
        PartySpec::Address(address) => Ok(vec![by_address(cluster, *address)]),
        // Its backends are found with its port.
        PartySpec::Service(_) => Ok(Vec::new()),
        PartySpec::Invented { .. } => Ok(cluster
            .endpoint_ids()
            .filter(|(_, pod)| &*pod.origin.file == which)
            .map(|(id, _)| endpoint(id))
            .collect()),
        PartySpec::Named { namespace, name } => {
            let of_namespace = || {
                cluster
                    .endpoint_ids()
                    .filter(|(_, pod)| pod.namespace == *namespace)
            };
            let pods: Vec<EndpointId> = of_namespace()
                .filter(|(_, pod)| pod.name == *name)
                .map(|(id, _)| id)
                .collect();
            let workload = of_namespace()
                .filter(|(_, pod)| pod.workload.name == *name)
                .map(|(id, _)| id);
            let mut found: Vec<EndpointId> = workload.chain(pods).collect();
            found.sort();
            found.dedup();
            if found.is_empty() {
                return Err(unknown(cluster, namespace, name));
            }
            Ok(found.into_iter().map(endpoint).collect())
        }
    }
}

pub(super) fn by_address(cluster: &Cluster, address: IpAddr) -> Party {
    let pod = cluster
        .endpoint_ids()
        .find(|(_, pod)| !pod.host_network && pod.addresses.contains(&address));
    if let Some((id, _)) = pod {
        return Party::Endpoint {
            id,
            address: Some(address),
        };
    }
    let node = cluster
        .node_ids()
        .find(|(_, node)| node.addresses.contains(&address));
    match node {
        Some((id, _)) => Party::Node {
            id,
            address: Some(address),
        },
        None => Party::Outside(address),
    }
}

fn unknown(cluster: &Cluster, namespace: &str, name: &str) -> QueryError {
    let asked = format!("{namespace}/{name}");
    let known: BTreeSet<String> = cluster
        .endpoints()
        .iter()
        .map(|pod| format!("{}/{}", pod.namespace, pod.workload.name))
        .collect();
    let same_name = known
        .iter()
        .filter(|known| known.rsplit('/').next() == Some(name))
        .cloned();
    let candidates: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut near: Vec<String> = suggest::nearest(&asked, &candidates)
        .into_iter()
        .map(str::to_owned)
        .chain(same_name)
        .collect();
    near.dedup();
    near.truncate(3);
    QueryError::Unknown { name: asked, near }
}

/// A party for the reader.
pub(super) fn show(model: &Model, party: Party) -> End {
    let name = match party {
        Party::Endpoint { id, .. } => model.cluster.endpoint(id).map_or_else(String::new, |pod| {
            if matches!(&*pod.origin.file, FROM | TO) {
                format!("{}{}", pod.namespace, pod.name)
            } else {
                pod.to_string()
            }
        }),
        Party::Node { id, .. } => model
            .cluster
            .node(id)
            .map_or_else(String::new, |node| format!("node {}", node.name)),
        Party::SomeNode => "a node".to_owned(),
        Party::Outside(address) => address.to_string(),
    };
    let address = match party {
        Party::Endpoint { address, .. } | Party::Node { address, .. } => address,
        Party::SomeNode | Party::Outside(_) => None,
    };
    End { name, address }
}

/// What pods that are judged alike are told together by.
pub(super) fn workload_of(model: &Model, party: Party) -> (String, Workload) {
    let endpoint = match party {
        Party::Endpoint { id, .. } => model.cluster.endpoint(id),
        Party::Node { .. } | Party::SomeNode | Party::Outside(_) => None,
    };
    match endpoint {
        Some(endpoint) => (endpoint.namespace.clone(), endpoint.workload.clone()),
        None => (
            show(model, party).to_string(),
            Workload {
                kind: String::new(),
                name: String::new(),
                replicated: false,
            },
        ),
    }
}
