//! The cluster with pods in it that need not exist: a new pod in each namespace, and the cluster's DNS.
//!
//! "What would a pod meet that somebody starts tomorrow?" is a question for the evaluator like any other, once there
//! is such a pod.

use ir::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, EndpointId, Workload};
use ir::judge::Judge;
use ir::model::Model;
use ir::origin::Origin;
use ir::port::Protocol;
use ir::selector::Labels;
use std::collections::BTreeMap;

/// The namespace and the label of DNS in a cluster (Kubernetes, "DNS for Services and Pods"; CoreDNS keeps the label).
pub const DNS_NAMESPACE: &str = "kube-system";
/// The pod of DNS as witnesses name it.
pub const DNS_NAME: &str = "kube-dns";
/// Its label's key.
pub const DNS_LABEL: &str = "k8s-app";

/// The same on OpenShift (its DNS operator).
pub(super) const OPENSHIFT_NAMESPACE: &str = "openshift-dns";
const OPENSHIFT_LABEL: &str = "dns.operator.openshift.io/daemonset-dns";

/// The kind of workload that marks a probe.
const PROBE: &str = "probe";

/// A model with probes.
pub struct Probes {
    /// The model. Its policies have the ids of the original; its endpoints have ids of their own.
    pub model: Model,
    /// A pod without labels for each namespace that has pods.
    pub bare: BTreeMap<String, EndpointId>,
    /// The pods that may be DNS: Kubernetes' and OpenShift's.
    pub dns: Vec<EndpointId>,
}

impl Probes {
    /// Adds probes to a copy of `model`.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let cluster = &model.cluster;
        let mut endpoints: Vec<Endpoint> = cluster.endpoints().to_vec();
        let mut namespaces: Vec<&str> = endpoints.iter().map(|pod| pod.namespace.as_str()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let mut probes: Vec<Endpoint> = namespaces
            .into_iter()
            .map(|namespace| pod(namespace, "a new pod", Labels::new(), Vec::new()))
            .collect();
        let labels = Labels::from([(DNS_LABEL.to_owned(), DNS_NAME.to_owned())]);
        let ports = vec![port("dns", Protocol::Udp, 53), port("dns-tcp", Protocol::Tcp, 53)];
        probes.push(pod(DNS_NAMESPACE, DNS_NAME, labels, ports));
        let labels = Labels::from([(OPENSHIFT_LABEL.to_owned(), "default".to_owned())]);
        let ports = vec![
            port("dns", Protocol::Udp, 5353),
            port("dns-tcp", Protocol::Tcp, 5353),
        ];
        probes.push(pod(OPENSHIFT_NAMESPACE, "dns-default", labels, ports));
        endpoints.append(&mut probes);
        let cluster = Cluster::new(
            cluster.namespaces().clone(),
            endpoints,
            cluster.nodes().iter().cloned(),
        )
        .named(cluster.name());
        let mut bare = BTreeMap::new();
        let mut dns = Vec::new();
        for (id, pod) in cluster.endpoint_ids().filter(|(_, pod)| is_probe(pod)) {
            if pod.labels.is_empty() {
                bare.insert(pod.namespace.clone(), id);
            } else {
                dns.push(id);
            }
        }
        Self {
            model: model.in_cluster(cluster),
            bare,
            dns,
        }
    }
}

/// A model with probes, ready for questions.
pub struct Probing<'p> {
    /// The probes.
    pub probes: &'p Probes,
    /// Answers about flows.
    pub judge: Judge<'p>,
}

impl<'p> Probing<'p> {
    /// Makes ready.
    #[must_use]
    pub fn of(probes: &'p Probes) -> Self {
        Self {
            probes,
            judge: Judge::new(&probes.model),
        }
    }
}

/// Whether a pod of the probed model is not of the original.
#[must_use]
pub fn is_probe(pod: &Endpoint) -> bool {
    pod.workload.kind == PROBE
}

fn pod(namespace: &str, name: &str, labels: Labels, ports: Vec<ContainerPort>) -> Endpoint {
    Endpoint {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        workload: Workload {
            kind: PROBE.to_owned(),
            name: name.to_owned(),
            replicated: false,
        },
        labels,
        service_account: "default".to_owned(),
        addresses: Vec::new(),
        node: None,
        host_network: false,
        ports,
        origin: Origin::synthetic(PROBE),
    }
}

fn port(name: &str, protocol: Protocol, number: u16) -> ContainerPort {
    ContainerPort {
        container: DNS_NAME.to_owned(),
        role: ContainerRole::Main,
        name: Some(name.to_owned()),
        number,
        protocol,
        origin: Origin::synthetic(PROBE),
    }
}
