//! A witness: one concrete flow, with the pods it runs between, that shows what a finding is about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ir::cluster::{
    Cluster, ContainerPort, ContainerRole, Endpoint, EndpointId, Family, Node, NodeId, Workload,
};
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::DomainPattern;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::selector::{Attribute, Labels};

use crate::encode::assignment::{Assignment, Class, EndValues, PodValues, WholeAssignment};
use crate::encode::vocabulary::{Domain, Value, Vocabulary};

/// One concrete flow in a cluster just large enough to hold it.
///
/// Where the model has pods that fit, the parties are these; where it has none, they are made up, with the labels,
/// namespaces, addresses and ports that the rules in question ask for and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The parties, existing or made up, and their namespaces; ids in `flow` are of this cluster.
    pub cluster: Cluster,
    /// The flow.
    pub flow: Flow,
    /// Whose side of the flow the finding is about: the source's egress or the destination's ingress.
    pub direction: Direction,
    /// Whether that side lets it through.
    pub allowed: bool,
    /// Whether the source was made up.
    pub source_invented: bool,
    /// Whether the destination was made up.
    pub destination_invented: bool,
    /// DNS patterns that the peer's address is taken to answer to.
    pub resolved: Vec<DomainPattern>,
    /// Whether the end that is no pod is taken to be the API server.
    pub api_server: bool,
    /// Namespaces that were made up.
    pub invented_namespaces: BTreeSet<String>,
    /// The labels that rules ask about: the ones worth showing.
    asked: BTreeSet<String>,
}

impl Witness {
    /// The pod whose policy the finding is about.
    #[must_use]
    pub fn subject(&self) -> Party {
        match self.direction {
            Direction::Ingress => self.flow.destination,
            Direction::Egress => self.flow.source,
        }
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> Party {
        match self.direction {
            Direction::Ingress => self.flow.source,
            Direction::Egress => self.flow.destination,
        }
    }

    /// Makes the flow that the values stand for.
    pub(crate) fn build(
        model: &Model,
        vocabulary: &Vocabulary,
        values: &Assignment,
        direction: Direction,
        allowed: bool,
    ) -> Self {
        let mut cast = Cast::new(model, vocabulary);
        let mut subject = cast.pod(&values.subject, values.packet.protocol, values.packet.port);
        let node = (values.peer.class == Class::Node)
            .then(|| cast.node(&values.packet.node_labels, values.peer.address));
        // Whether a node is the subject's own is part of the flow: the subject's node has to be known.
        if let Some(node) = &node {
            let other = "other-node".to_owned();
            subject.node = Some(if values.packet.own_node {
                node.name.clone()
            } else {
                other
            });
        }
        let peer = (values.peer.class == Class::Pod).then(|| {
            let mut pod = cast.pod(&values.peer.pod, values.packet.protocol, values.packet.port);
            if values.peer.pod.existing.is_none() && vocabulary.addresses_matter {
                pod.addresses.push(values.peer.address);
            }
            pod
        });

        let known = model.cluster.namespaces();
        let made_up = cast.namespaces.iter().map(|(name, _)| name.clone());
        let invented_namespaces = made_up.filter(|name| !known.contains_key(name)).collect();
        let cluster = Cluster::new(
            cast.namespaces,
            std::iter::once(subject.clone()).chain(peer.clone()),
            node,
        )
        .named(model.cluster.name());
        // Two pods that are equal in every field are still two: the second of them is the peer.
        let find = |pod: &Endpoint, skip: usize| {
            let mut same = cluster.endpoint_ids().filter(|(_, other)| *other == pod);
            same.nth(skip).map_or(EndpointId(0), |(id, _)| id)
        };
        let subject_party = Party::Endpoint {
            id: find(&subject, 0),
            address: subject.address(Family::of(values.peer.address)),
        };
        let peer_party = match (values.peer.class, &peer) {
            (Class::Pod, Some(pod)) => Party::Endpoint {
                id: find(pod, usize::from(*pod == subject)),
                address: (vocabulary.addresses_matter || !pod.addresses.is_empty())
                    .then_some(values.peer.address),
            },
            (Class::Node, _) => Party::Node {
                id: NodeId(0),
                address: Some(values.peer.address),
            },
            (Class::SomeNode, _) => Party::SomeNode,
            (Class::Outside | Class::Pod, _) => Party::Outside(values.peer.address),
        };
        let subject_invented = values.subject.existing.is_none();
        let peer_invented =
            values.peer.class == Class::Node || (peer.is_some() && values.peer.pod.existing.is_none());
        let (source, destination, source_invented, destination_invented) = match direction {
            Direction::Ingress => (peer_party, subject_party, peer_invented, subject_invented),
            Direction::Egress => (subject_party, peer_party, subject_invented, peer_invented),
        };
        Self {
            cluster,
            flow: Flow {
                source,
                destination,
                protocol: values.packet.protocol,
                port: values.packet.port,
            },
            direction,
            allowed,
            source_invented,
            destination_invented,
            resolved: values.packet.resolved.clone(),
            api_server: false,
            invented_namespaces,
            asked: asked(vocabulary),
        }
    }

    /// Makes the whole flow that the values stand for. Which side decides, and how, is for the evaluator to say: until
    /// then it is the destination's, and closed.
    pub(crate) fn of_whole_flow(model: &Model, vocabulary: &Vocabulary, values: &WholeAssignment) -> Self {
        let mut cast = Cast::new(model, vocabulary);
        let ends = [&values.source, &values.destination];
        let mut pods = ends.map(|end| {
            (end.class == Class::Pod).then(|| {
                let mut pod = cast.pod(&end.pod, values.packet.protocol, values.packet.port);
                if pod.addresses.is_empty() && vocabulary.addresses_matter {
                    pod.addresses.push(end.address);
                }
                pod
            })
        });
        // Whether a node is the pod's own is part of the flow: the pod's node has to be known.
        let mut node = None;
        if let Some(end) = ends.into_iter().find(|end| end.class == Class::Node) {
            let mut made_up = cast.node(&values.packet.node_labels, end.address);
            for pod in pods.iter_mut().flatten() {
                if values.packet.own_node {
                    made_up.name = pod.node.get_or_insert(made_up.name).clone();
                } else {
                    pod.node.get_or_insert_with(|| "other-node".to_owned());
                }
            }
            node = Some(made_up);
        }

        let known = model.cluster.namespaces();
        let made_up = cast.namespaces.iter().map(|(name, _)| name.clone());
        let invented_namespaces = made_up.filter(|name| !known.contains_key(name)).collect();
        let cluster =
            Cluster::new(cast.namespaces, pods.iter().flatten().cloned(), node).named(model.cluster.name());
        let mut taken: Option<&Endpoint> = None;
        let mut parties = ends
            .into_iter()
            .zip(&pods)
            .map(|(end, pod)| match (end.class, pod) {
                (Class::Pod, Some(pod)) => {
                    // Two pods that are equal in every field are still two: the second of them is the destination.
                    let mut same = cluster.endpoint_ids().filter(|(_, other)| *other == pod);
                    let found = same.nth(usize::from(taken == Some(pod)));
                    taken = Some(pod);
                    Party::Endpoint {
                        id: found.map_or(EndpointId(0), |(id, _)| id),
                        address: (!pod.addresses.is_empty()).then_some(end.address),
                    }
                }
                (Class::Node | Class::SomeNode, _) => Party::Node {
                    id: NodeId(0),
                    address: Some(end.address),
                },
                (Class::Outside | Class::Pod, _) => Party::Outside(end.address),
            });
        let outside = Party::Outside(values.source.address);
        let source = parties.next().unwrap_or(outside);
        let destination = parties.next().unwrap_or(outside);
        let invented = |end: &EndValues| match end.class {
            Class::Pod => end.pod.existing.is_none(),
            Class::Node => true,
            Class::Outside | Class::SomeNode => false,
        };
        Self {
            cluster,
            flow: Flow {
                source,
                destination,
                protocol: values.packet.protocol,
                port: values.packet.port,
            },
            direction: Direction::Ingress,
            allowed: false,
            source_invented: invented(&values.source),
            destination_invented: invented(&values.destination),
            resolved: values.packet.resolved.clone(),
            api_server: values.api_server,
            invented_namespaces,
            asked: asked(vocabulary),
        }
    }

    /// One end of the flow as text: who, with the labels that rules ask about and its address.
    #[must_use]
    pub fn party(&self, party: Party) -> String {
        match party {
            Party::Endpoint { id, address } => match self.cluster.endpoint(id) {
                Some(pod) => {
                    let mut shown = self.labels(&pod.labels);
                    if self.invented_namespaces.contains(&pod.namespace) {
                        let labels = self
                            .cluster
                            .namespaces()
                            .get(&pod.namespace)
                            .into_iter()
                            .flatten();
                        shown.extend(
                            labels
                                .filter(|(key, _)| key.as_str() != ir::selector::NAMESPACE_NAME_LABEL)
                                .map(|(key, value)| format!("namespace {key}={value}")),
                        );
                    }
                    if pod.service_account != DEFAULT_SERVICE_ACCOUNT {
                        shown.push(format!("service account {}", pod.service_account));
                    }
                    shown.extend(address.map(|address| address.to_string()));
                    described(&pod.to_string(), &shown)
                }
                None => "a pod".to_owned(),
            },
            Party::Node { id, address } => match self.cluster.node(id) {
                Some(node) => {
                    let mut shown = self.labels(&node.labels);
                    shown.extend(address.map(|address| address.to_string()));
                    shown.extend(self.api_server.then(|| "the API server".to_owned()));
                    described(&format!("node {}", node.name), &shown)
                }
                None => "a node".to_owned(),
            },
            Party::SomeNode => "a node".to_owned(),
            Party::Outside(address) => {
                let mut names: Vec<_> = self.resolved.iter().map(|name| name.0.clone()).collect();
                names.extend(self.api_server.then(|| "the API server".to_owned()));
                described(&address.to_string(), &names)
            }
        }
    }

    fn labels(&self, labels: &Labels) -> Vec<String> {
        labels
            .iter()
            .filter(|(key, _)| self.asked.contains(*key))
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    }
}

/// The labels that rules ask about.
fn asked(vocabulary: &Vocabulary) -> BTreeSet<String> {
    let of_pods = vocabulary.pods.keys().filter_map(|attribute| match attribute {
        Attribute::Label(key) => Some(key.clone()),
        _ => None,
    });
    of_pods.chain(vocabulary.nodes.keys().cloned()).collect()
}

/// The service account of pods that name none, as Kubernetes fills it in.
const DEFAULT_SERVICE_ACCOUNT: &str = "default";

fn described(name: &str, with: &[String]) -> String {
    if with.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", with.join(", "))
    }
}

/// `shop/web (app=web) → shop/api:8080/TCP (app=api)`.
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = &self.flow;
        write!(
            f,
            "{} → {}",
            self.party(flow.source),
            self.party(flow.destination)
        )?;
        match flow.protocol {
            Protocol::Tcp | Protocol::Udp | Protocol::Sctp => {
                write!(f, " port {}/{}", flow.port, flow.protocol)
            }
            Protocol::Icmp | Protocol::Icmpv6 => write!(f, " {} type {}", flow.protocol, flow.port),
            Protocol::Other => f.write_str(" any other protocol"),
        }
    }
}

/// Makes parties up.
struct Cast<'a> {
    model: &'a Model,
    vocabulary: &'a Vocabulary,
    namespaces: Vec<(String, Labels)>,
    /// The namespace made up for the subject, with the labels it was given.
    invented: Option<(String, Labels)>,
    pods: u32,
}

impl<'a> Cast<'a> {
    fn new(model: &'a Model, vocabulary: &'a Vocabulary) -> Self {
        Self {
            model,
            vocabulary,
            namespaces: vec![],
            invented: None,
            pods: 0,
        }
    }

    fn pod(&mut self, values: &PodValues, protocol: Protocol, port: u16) -> Endpoint {
        if let Some(pod) = values.existing.and_then(|id| self.model.cluster.endpoint(id)) {
            self.know(&pod.namespace);
            return pod.clone();
        }
        self.pods += 1;
        let name = match self.pods {
            1 => "example".to_owned(),
            more => format!("example-{more}"),
        };
        let mut labels = Labels::new();
        for (attribute, code) in &values.attributes {
            if let Attribute::Label(key) = attribute {
                labels.extend(self.value(attribute, *code).map(|value| (key.clone(), value)));
            }
        }
        let code = |attribute: &Attribute| values.attributes.get(attribute).copied();
        Endpoint {
            namespace: self.namespace(values),
            workload: Workload {
                kind: "Pod".to_owned(),
                name: name.clone(),
                replicated: false,
            },
            name,
            labels,
            service_account: code(&Attribute::ServiceAccount)
                .and_then(|code| self.value(&Attribute::ServiceAccount, code))
                .unwrap_or_else(|| DEFAULT_SERVICE_ACCOUNT.to_owned()),
            addresses: vec![],
            node: None,
            host_network: false,
            ports: values
                .names
                .iter()
                .map(|name| ContainerPort {
                    container: "main".to_owned(),
                    role: ContainerRole::Main,
                    name: Some(name.clone()),
                    number: port,
                    protocol,
                    origin: Origin::synthetic(INVENTED),
                })
                .collect(),
            origin: Origin::synthetic(INVENTED),
        }
    }

    fn node(&self, node_labels: &BTreeMap<String, u64>, address: IpAddr) -> Node {
        let mut labels = Labels::new();
        for (key, code) in node_labels {
            if let Some(domain) = self.vocabulary.nodes.get(key) {
                labels.extend(decode(domain, *code, |_| false).map(|value| (key.clone(), value)));
            }
        }
        Node {
            name: "example-node".to_owned(),
            labels,
            addresses: vec![address],
            pod_cidrs: vec![],
            origin: Origin::synthetic(INVENTED),
        }
    }

    /// The pod's namespace, made up where the cluster has none of that name.
    fn namespace(&mut self, values: &PodValues) -> String {
        let known = self.model.cluster.namespaces();
        let domain = self.vocabulary.pods.get(&Attribute::Namespace);
        let code = values.attributes.get(&Attribute::Namespace).copied();
        let mut labels = Labels::new();
        for (attribute, code) in &values.attributes {
            if let Attribute::NamespaceLabel(key) = attribute {
                labels.extend(self.value(attribute, *code).map(|value| (key.clone(), value)));
            }
        }
        if let (Some(domain), Some(code)) = (domain, code)
            && let Value::Mentioned(name) = domain.value(code)
        {
            if known.contains_key(name) {
                self.know(name);
            } else {
                self.namespaces.push((name.to_owned(), labels));
            }
            return name.to_owned();
        }
        if let Some((name, same)) = &self.invented
            && *same == labels
        {
            return name.clone();
        }
        let taken = |name: &str| {
            known.contains_key(name)
                || domain.is_some_and(|domain| domain.code(Some(name)) != domain.other())
                || self.invented.as_ref().is_some_and(|(other, _)| other == name)
        };
        let name = unused("other", taken);
        self.namespaces.push((name.clone(), labels.clone()));
        self.invented = Some((name.clone(), labels));
        name
    }

    /// Brings in a namespace of the model as it is.
    fn know(&mut self, name: &str) {
        if let Some(labels) = self.model.cluster.namespaces().get(name) {
            self.namespaces.push((name.to_owned(), labels.clone()));
        }
    }

    fn value(&self, attribute: &Attribute, code: u64) -> Option<String> {
        let domain = self.vocabulary.pods.get(attribute)?;
        // The plainest value that nobody mentions, where one is needed.
        if *attribute == Attribute::ServiceAccount
            && domain.value(code) == Value::Other
            && domain.code(Some(DEFAULT_SERVICE_ACCOUNT)) == domain.other()
        {
            return Some(DEFAULT_SERVICE_ACCOUNT.to_owned());
        }
        decode(domain, code, |_| false)
    }
}

/// The file of what was made up.
const INVENTED: &str = "<example>";

/// The value of a code; for "any other value" one that nobody mentions.
fn decode(domain: &Domain, code: u64, taken: impl Fn(&str) -> bool) -> Option<String> {
    match domain.value(code) {
        Value::Absent => None,
        Value::Mentioned(value) => Some(value.to_owned()),
        Value::Other => Some(unused("other", |name| {
            domain.code(Some(name)) != domain.other() || taken(name)
        })),
    }
}

/// `stem`, or `stem-2`, `stem-3`, …: the first that is not taken.
fn unused(stem: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(stem) {
        return stem.to_owned();
    }
    (2u64..)
        .map(|number| format!("{stem}-{number}"))
        .find(|name| !taken(name))
        .unwrap_or_default()
}
