//! The cluster that policies apply to: namespaces, endpoints and nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::origin::Origin;
use crate::port::Protocol;
use crate::selector::{Attribute, Labels, NAMESPACE_NAME_LABEL};

/// IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// An endpoint by its position in [`Cluster::endpoints`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub u32);

/// A node by its position in [`Cluster::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// The object that a pod belongs to: its controller, or the pod itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload {
    /// `Pod`, `Deployment`, …
    pub kind: String,
    /// Its name; the namespace is the endpoint's.
    pub name: String,
    /// Whether two pods of it can exist at once.
    pub replicated: bool,
}

/// When a container runs, which decides whether its ports count.
///
/// Source: Kubernetes, "Sidecar Containers": an init container with `restartPolicy: Always` runs beside the main ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerRole {
    /// One of `containers`.
    Main,
    /// One of `initContainers` with `restartPolicy: Always`.
    Sidecar,
    /// Any other init container: its ports do not count.
    Init,
}

/// One entry of a container's `ports`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPort {
    /// The container's name.
    pub container: String,
    /// When the container runs.
    pub role: ContainerRole,
    /// The port's name, if it has one.
    pub name: Option<String>,
    /// The number, 1 to 65535.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Where the entry was written.
    pub origin: Origin,
}

/// A pod, or the pod that a workload's template describes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Its namespace.
    pub namespace: String,
    /// The pod's name, or the workload's where there is no Pod object.
    pub name: String,
    /// What it belongs to.
    pub workload: Workload,
    /// The pod's labels.
    pub labels: Labels,
    /// The pod's service account (`default` where none is named).
    pub service_account: String,
    /// Its addresses, at most one of each family; empty while unknown. A host-network pod has its node's.
    pub addresses: Vec<IpAddr>,
    /// The node it runs on, by name, once known.
    pub node: Option<String>,
    /// Whether it shares its node's network: then no policy selects it and no pod selector matches it.
    pub host_network: bool,
    /// Every container port, in the order written.
    pub ports: Vec<ContainerPort>,
    /// Where it was written.
    pub origin: Origin,
}

impl Endpoint {
    /// Its address of one family.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|a| Family::of(*a) == family)
    }
}

/// `namespace/name`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Its slices of the pod network, at most one of each family (`spec.podCIDRs`).
    pub pod_cidrs: Vec<IpNet>,
    /// Where it was written.
    pub origin: Origin,
}

/// Everything that policies can speak of, in canonical order. Clones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    name: Arc<str>,
    namespaces: Arc<BTreeMap<String, Labels>>,
    endpoints: Arc<Vec<Endpoint>>,
    nodes: Arc<Vec<Node>>,
}

/// Cilium's name for a cluster that was given none.
pub const DEFAULT_CLUSTER_NAME: &str = "default";

impl Cluster {
    /// A cluster of these objects: endpoints and nodes are sorted, of several nodes of one name the first is kept,
    /// namespaces that only endpoints mention are added, and every namespace gets its `kubernetes.io/metadata.name`.
    #[must_use]
    pub fn new(
        namespaces: impl IntoIterator<Item = (String, Labels)>,
        endpoints: impl IntoIterator<Item = Endpoint>,
        nodes: impl IntoIterator<Item = Node>,
    ) -> Self {
        let mut endpoints: Vec<_> = endpoints.into_iter().collect();
        endpoints.sort_by(|a, b| {
            (&a.namespace, &a.workload, &a.name, &a.origin).cmp(&(
                &b.namespace,
                &b.workload,
                &b.name,
                &b.origin,
            ))
        });
        let mut nodes: Vec<_> = nodes.into_iter().collect();
        nodes.sort_by(|a, b| (&a.name, &a.origin).cmp(&(&b.name, &b.origin)));
        nodes.dedup_by(|later, first| later.name == first.name);
        let mut namespaces: BTreeMap<String, Labels> = namespaces.into_iter().collect();
        for endpoint in &endpoints {
            if !namespaces.contains_key(&endpoint.namespace) {
                namespaces.insert(endpoint.namespace.clone(), Labels::new());
            }
        }
        for (name, labels) in &mut namespaces {
            labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.clone());
        }
        Self {
            name: DEFAULT_CLUSTER_NAME.into(),
            namespaces: namespaces.into(),
            endpoints: endpoints.into(),
            nodes: nodes.into(),
        }
    }

    /// The cluster under another name than [`DEFAULT_CLUSTER_NAME`].
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// The cluster's name, which selectors of Cilium's can ask for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespaces: name to labels.
    #[must_use]
    pub fn namespaces(&self) -> &BTreeMap<String, Labels> {
        &self.namespaces
    }

    /// The endpoints, sorted by namespace, workload and name.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The nodes, sorted by name.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The endpoints with their ids.
    pub fn endpoint_ids(&self) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
        (0..).map(EndpointId).zip(&*self.endpoints)
    }

    /// The endpoints of one namespace with their ids.
    pub fn endpoints_in(&self, namespace: &str) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
        let first = self
            .endpoints
            .partition_point(|endpoint| *endpoint.namespace < *namespace);
        let there = self.endpoints.get(first..).unwrap_or_default();
        let count = there.partition_point(|endpoint| endpoint.namespace == namespace);
        (first..)
            .map(|place| EndpointId(u32::try_from(place).unwrap_or(u32::MAX)))
            .zip(there.iter().take(count))
    }

    /// The nodes with their ids.
    pub fn node_ids(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        (0..).map(NodeId).zip(&*self.nodes)
    }

    /// An endpoint by id.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.get(id.0 as usize)
    }

    /// A node by id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    /// A node by name.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        let first = self.nodes.partition_point(|node| *node.name < *name);
        let node = self.nodes.get(first)?;
        (node.name == name).then_some(NodeId(u32::try_from(first).ok()?))
    }

    /// The value of an attribute of a pod; `None` where it is absent.
    #[must_use]
    pub fn attribute<'a>(&'a self, endpoint: &'a Endpoint, attribute: &Attribute) -> Option<&'a str> {
        match attribute {
            Attribute::Label(key) => endpoint.labels.get(key).map(String::as_str),
            Attribute::Namespace => Some(&endpoint.namespace),
            Attribute::NamespaceLabel(key) => self
                .namespaces
                .get(&endpoint.namespace)?
                .get(key)
                .map(String::as_str),
            Attribute::ServiceAccount => Some(&endpoint.service_account),
            Attribute::Cluster => Some(&self.name),
        }
    }

    /// The value of an attribute of a node; `None` where it is absent.
    #[must_use]
    pub fn node_attribute<'a>(&'a self, node: &'a Node, attribute: &Attribute) -> Option<&'a str> {
        match attribute {
            Attribute::Label(key) => node.labels.get(key).map(String::as_str),
            Attribute::Cluster => Some(&self.name),
            Attribute::Namespace | Attribute::NamespaceLabel(_) | Attribute::ServiceAccount => None,
        }
    }
}
