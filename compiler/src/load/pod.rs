//! What policies can ask of a Pod.
//!
//! A Pod is read against the whole of its API, so that nothing misspelt passes; then nearly all of it is let go. The
//! whole of one takes five kilobytes and more, mostly for what is not there, and a cluster has a hundred thousand.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A Pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec`; of a Pod without one, an empty one.
    pub spec: PodSpec,
    /// `spec.nodeName`.
    pub node_name: Option<String>,
    /// `status.phase`.
    pub phase: Option<String>,
    /// `status.podIP`.
    pub pod_ip: Option<String>,
    /// `status.podIPs`.
    pub pod_ips: Vec<String>,
}

/// What a Pod and a workload's template have in common.
#[derive(Clone, Debug, Default)]
pub struct PodSpec {
    /// `serviceAccountName`, or by its older name `serviceAccount`; never empty.
    pub service_account: Option<String>,
    /// `hostNetwork`.
    pub host_network: bool,
    /// `containers`.
    pub containers: Vec<Container>,
    /// `initContainers`.
    pub init_containers: Vec<Container>,
}

/// A container.
#[derive(Clone, Debug)]
pub struct Container {
    /// `name`.
    pub name: String,
    /// `restartPolicy` of an init container: one that is always restarted runs beside the others.
    pub restart_policy: Option<String>,
    /// `ports`.
    pub ports: Vec<v1::ContainerPort>,
}

impl From<v1::Pod> for Pod {
    fn from(pod: v1::Pod) -> Self {
        let mut spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        Self {
            metadata: pod.metadata,
            node_name: spec.node_name.take().filter(|node| !node.is_empty()),
            spec: spec.into(),
            phase: status.phase,
            pod_ip: status.pod_ip,
            pod_ips: status
                .pod_ips
                .into_iter()
                .flatten()
                .map(|entry| entry.ip)
                .collect(),
        }
    }
}

impl From<v1::PodSpec> for PodSpec {
    fn from(spec: v1::PodSpec) -> Self {
        let containers = |written: Vec<v1::Container>| written.into_iter().map(Container::from).collect();
        Self {
            service_account: [spec.service_account_name, spec.service_account]
                .into_iter()
                .flatten()
                .find(|account| !account.is_empty()),
            host_network: spec.host_network == Some(true),
            containers: containers(spec.containers),
            init_containers: containers(spec.init_containers.unwrap_or_default()),
        }
    }
}

impl From<v1::Container> for Container {
    fn from(container: v1::Container) -> Self {
        Self {
            name: container.name,
            restart_policy: container.restart_policy,
            ports: container.ports.unwrap_or_default(),
        }
    }
}
