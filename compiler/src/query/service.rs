//! Services: which pods and ports stand behind one.
//!
//! Translation happens before policy looks, so a question about a Service is one about each of its backends at its own
//! port. Backends of a Service with a selector are the pods that match it; where the input holds none, and for a
//! Service without selector, they are what its EndpointSlices list.
//!
//! Source: Kubernetes, "Service": `targetPort` is a number or the name of a port of each pod by itself; a pod that does
//! not define the name is no backend of that port (`FindPort` in the endpoint slice controller).

use super::QueryError;
use super::party::by_address;
use crate::load::{Input, ObjectKind};
use crate::route;
use ir::cluster::{Cluster, ContainerRole, Endpoint};
use ir::flow::Party;
use ir::origin::Origin;
use ir::port::Protocol;
use ir::selector::Labels;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The label that ties an EndpointSlice to its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The Services of the input, with their EndpointSlices.
#[derive(Clone, Debug, Default)]
pub struct Services {
    services: BTreeMap<(String, String), Service>,
    slices: BTreeMap<(String, String), Vec<Slice>>,
}

#[derive(Clone, Debug)]
struct Service {
    selector: Labels,
    ports: Vec<ServicePort>,
    /// For `type: ExternalName`.
    external_name: Option<String>,
    origin: Origin,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; only the one port of a Service may lack it.
    pub name: Option<String>,
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// Where it leads to on each backend.
    pub target: Target,
}

/// A `targetPort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A number.
    Number(u16),
    /// A name that each pod resolves by itself.
    Name(String),
    /// What the EndpointSlices list.
    Listed,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "port {number}"),
            Self::Name(name) => write!(f, "port `{name}`"),
            Self::Listed => f.write_str("what its EndpointSlices list"),
        }
    }
}

#[derive(Clone, Debug)]
struct Slice {
    ports: Vec<(Option<String>, Protocol, u16)>,
    endpoints: Vec<(Vec<IpAddr>, Readiness)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Ready,
    /// Serving while it ends; counts where nobody is ready.
    Ending,
    Not,
}

/// A Service as the destination of a question: `svc:namespace/name:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Number or name of one of its ports; may be left out where it has one.
    pub port: Option<String>,
    /// The protocol, where it is said.
    pub protocol: Option<Protocol>,
}

impl FromStr for ServiceSpec {
    type Err = QueryError;

    /// Reads what stands behind `svc:`.
    fn from_str(text: &str) -> Result<Self, QueryError> {
        let refused = || QueryError::Service(text.to_owned());
        let (namespace, rest) = text.split_once('/').ok_or_else(refused)?;
        let (name, port) = match rest.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (rest, None),
        };
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            return Err(refused());
        }
        let (port, protocol) = match port.map(|port| port.split_once('/').unwrap_or((port, ""))) {
            None => (None, None),
            Some(("", _)) => return Err(refused()),
            Some((port, "")) => (Some(port.to_owned()), None),
            Some((port, protocol)) => {
                let protocol = Protocol::TRANSPORT
                    .into_iter()
                    .find(|known| known.to_string().eq_ignore_ascii_case(protocol))
                    .ok_or_else(refused)?;
                (Some(port.to_owned()), Some(protocol))
            }
        };
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port,
            protocol,
        })
    }
}

/// What a question about a Service comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// `namespace/name` of the Service.
    pub service: String,
    /// Where it is written.
    pub origin: Origin,
    /// The port that was asked about; two where one number has two protocols.
    pub ports: Vec<ServicePort>,
    /// Pods that match the Service and are no backends of the port, with the reason.
    pub left_out: Vec<String>,
}

/// Where a translated flow goes.
pub(super) type Backend = (Party, Protocol, u16);

impl Services {
    /// The Services and EndpointSlices of the input. Of two objects with one name the first stands for both.
    #[must_use]
    pub fn of(input: &Input) -> Self {
        let mut services = Self::default();
        for object in &input.objects {
            let namespace = object.name.namespace.clone().unwrap_or_default();
            match &object.kind {
                ObjectKind::Service(written) => {
                    let key = (namespace, object.name.name.clone());
                    let origin = object.origin(&route!["metadata", "name"]);
                    services
                        .services
                        .entry(key)
                        .or_insert_with(|| Service::of(written, origin));
                }
                ObjectKind::EndpointSlice(slice) => {
                    let labels = object.kind.metadata().labels.as_ref();
                    if let Some(service) = labels.and_then(|labels| labels.get(SERVICE_NAME)) {
                        let key = (namespace, service.clone());
                        services.slices.entry(key).or_default().push(Slice::of(slice));
                    }
                }
                _ => {}
            }
        }
        services
    }

    /// The backends of a Service's port.
    pub(super) fn translate(
        &self,
        cluster: &Cluster,
        asked: &ServiceSpec,
    ) -> Result<(Translation, Vec<Backend>), QueryError> {
        let key = (asked.namespace.clone(), asked.name.clone());
        let name = format!("{}/{}", asked.namespace, asked.name);
        let Some(service) = self.services.get(&key) else {
            let known: Vec<String> = self
                .services
                .keys()
                .map(|(ns, name)| format!("{ns}/{name}"))
                .collect();
            let candidates: Vec<_> = known.iter().map(String::as_str).collect();
            let near = crate::de::suggest::nearest(&name, &candidates);
            return Err(QueryError::UnknownService {
                near: near.into_iter().map(str::to_owned).collect(),
                name,
            });
        };
        if let Some(target) = &service.external_name {
            return Err(QueryError::NoBackends {
                name,
                reason: format!("it is another name for `{target}`, which DNS resolves"),
            });
        }
        let ports = service.asked(asked, &name)?;
        let mut translation = Translation {
            service: name.clone(),
            origin: service.origin.clone(),
            ports,
            left_out: Vec::new(),
        };
        let mut backends = Vec::new();
        let pods: Vec<_> = cluster
            .endpoint_ids()
            .filter(|(_, pod)| {
                !service.selector.is_empty()
                    && pod.namespace == asked.namespace
                    && service
                        .selector
                        .iter()
                        .all(|(key, value)| pod.labels.get(key) == Some(value))
            })
            .collect();
        for port in &translation.ports {
            for (id, pod) in &pods {
                match number_on(pod, port) {
                    Some(number) => {
                        let party = Party::Endpoint {
                            id: *id,
                            address: None,
                        };
                        backends.push((party, port.protocol, number));
                    }
                    None => translation.left_out.push(format!(
                        "{pod} has no {} {} and is no backend of port {}",
                        port.protocol, port.target, port.number
                    )),
                }
            }
            if pods.is_empty() {
                let slices = self.slices.get(&key).map_or(&[][..], Vec::as_slice);
                for (address, number) in listed(slices, port) {
                    backends.push((by_address(cluster, address), port.protocol, number));
                }
            }
        }
        if pods.is_empty() {
            for port in &mut translation.ports {
                port.target = Target::Listed;
            }
        }
        if backends.is_empty() {
            let reason = match (translation.left_out.first(), service.selector.is_empty()) {
                (Some(first), _) => first.clone(),
                (None, true) => "it has no selector, and no EndpointSlice of it lists a ready one".to_owned(),
                (None, false) => "no pod of the input matches its selector".to_owned(),
            };
            return Err(QueryError::NoBackends { name, reason });
        }
        Ok((translation, backends))
    }
}

/// The number that a port leads to on a pod: main containers before sidecars, the first that fits.
fn number_on(pod: &Endpoint, port: &ServicePort) -> Option<u16> {
    let name = match &port.target {
        Target::Number(number) => return Some(*number),
        Target::Name(name) => name,
        Target::Listed => return None,
    };
    [ContainerRole::Main, ContainerRole::Sidecar]
        .into_iter()
        .find_map(|role| {
            pod.ports
                .iter()
                .find(|own| {
                    own.role == role && own.protocol == port.protocol && own.name.as_ref() == Some(name)
                })
                .map(|own| own.number)
        })
}

/// The addresses that slices list for a port: those that are ready, else those that still serve while they end.
fn listed(slices: &[Slice], port: &ServicePort) -> Vec<(IpAddr, u16)> {
    let of = |wanted: Readiness| -> Vec<(IpAddr, u16)> {
        let mut found: Vec<_> = slices
            .iter()
            .flat_map(|slice| {
                let numbers = slice
                    .ports
                    .iter()
                    .filter(|(name, protocol, _)| {
                        *protocol == port.protocol
                            && name.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default()
                    })
                    .map(|(_, _, number)| *number);
                numbers.flat_map(move |number| {
                    slice
                        .endpoints
                        .iter()
                        .filter(move |(_, readiness)| *readiness == wanted)
                        .flat_map(|(addresses, _)| addresses)
                        .map(move |address| (*address, number))
                })
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let ready = of(Readiness::Ready);
    if ready.is_empty() {
        of(Readiness::Ending)
    } else {
        ready
    }
}

impl Service {
    fn of(written: &core::Service, origin: Origin) -> Self {
        let spec = written.spec.clone().unwrap_or_default();
        let external = spec.type_.as_deref() == Some("ExternalName");
        Self {
            selector: spec.selector.unwrap_or_default(),
            ports: spec.ports.iter().flatten().filter_map(ServicePort::of).collect(),
            external_name: spec.external_name.filter(|_| external),
            origin,
        }
    }

    /// The ports that are meant.
    fn asked(&self, asked: &ServiceSpec, service: &str) -> Result<Vec<ServicePort>, QueryError> {
        let fits = |port: &&ServicePort| {
            let named = match &asked.port {
                None => self.ports.len() == 1,
                Some(text) => text.parse::<u16>().map_or_else(
                    |_| port.name.as_ref() == Some(text),
                    |number| number == port.number,
                ),
            };
            named && asked.protocol.is_none_or(|protocol| protocol == port.protocol)
        };
        let found: Vec<_> = self.ports.iter().filter(fits).cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let ports = self.ports.iter().map(|port| match &port.name {
            Some(name) => format!("{} ({}/{})", name, port.number, port.protocol),
            None => format!("{}/{}", port.number, port.protocol),
        });
        let ports: Vec<_> = ports.collect();
        Err(QueryError::ServicePort {
            service: service.to_owned(),
            asked: asked.port.clone(),
            ports: if ports.is_empty() {
                "it has none".to_owned()
            } else {
                format!("there are {}", ports.join(", "))
            },
        })
    }
}

impl ServicePort {
    fn of(written: &core::ServicePort) -> Option<Self> {
        let number = u16::try_from(written.port).ok()?;
        let target = match &written.target_port {
            // 0 and "" are as if it were not written.
            None | Some(IntOrString::Int(0)) => Target::Number(number),
            Some(IntOrString::Int(target)) => Target::Number(u16::try_from(*target).ok()?),
            Some(IntOrString::String(name)) if name.is_empty() => Target::Number(number),
            Some(IntOrString::String(name)) => Target::Name(name.clone()),
        };
        Some(Self {
            name: written.name.clone().filter(|name| !name.is_empty()),
            number,
            protocol: protocol(written.protocol.as_deref())?,
            target,
        })
    }
}

impl Slice {
    fn of(written: &discovery::EndpointSlice) -> Self {
        let ports = written.ports.iter().flatten().filter_map(|port| {
            let number = u16::try_from(port.port?).ok()?;
            let name = port.name.clone().filter(|name| !name.is_empty());
            Some((name, protocol(port.protocol.as_deref())?, number))
        });
        let endpoints = written.endpoints.iter().map(|endpoint| {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            // Source: EndpointConditions: nothing said is ready; serving follows ready where it is not said.
            let ready = conditions.ready.unwrap_or(true);
            let serving = conditions.serving.unwrap_or(ready);
            let readiness = match (ready, serving && conditions.terminating == Some(true)) {
                (true, _) => Readiness::Ready,
                (false, true) => Readiness::Ending,
                (false, false) => Readiness::Not,
            };
            let addresses = endpoint.addresses.iter().filter_map(|text| text.parse().ok());
            (addresses.collect(), readiness)
        });
        Self {
            ports: ports.collect(),
            endpoints: endpoints.collect(),
        }
    }
}

/// TCP unless said.
fn protocol(written: Option<&str>) -> Option<Protocol> {
    let written = written.unwrap_or("TCP");
    Protocol::TRANSPORT
        .into_iter()
        .find(|known| known.to_string() == written)
}
