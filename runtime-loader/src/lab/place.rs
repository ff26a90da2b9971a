//! Where everything runs: pods out of workloads, pods onto nodes, addresses onto pods.
//!
//! What the manifests say is kept (Pod objects, their nodes and addresses, Node objects with their CIDRs); what they
//! leave open is decided here, the same way every time, and said in a note where a user could not guess it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ir::cluster::{Cluster, Endpoint, Node};
use ir::model::Model;
use ir::origin::Origin;
use ir::selector::Labels;

use crate::ipam::{Ipam, IpamError};

/// Pods of one workload that may have several: enough to see that pods of one workload are judged alike.
const REPLICAS: usize = 2;

/// A cluster in which every pod has a node and addresses.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The cluster and its policies.
    pub model: Model,
    /// What was decided here.
    pub notes: Vec<String>,
}

/// Why the cluster cannot be laid out on this machine.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is nobody to place.
    #[error("no pod or workload in the input")]
    NoPods,
    /// Nodes' CIDRs cannot be used or do not suffice.
    #[error("node `{node}`: {source}")]
    Addresses {
        /// The node.
        node: String,
        /// The reason.
        source: IpamError,
    },
    /// Two nodes claim one address range, so that no route can tell them apart.
    #[error("node `{node}`: its pod CIDR {slice} overlaps {other_slice} of node `{other}`")]
    Overlap {
        /// One node.
        node: String,
        /// Its slice.
        slice: IpNet,
        /// The other.
        other: String,
        /// That one's slice.
        other_slice: IpNet,
    },
}

/// Places the cluster of a model. Deterministic: by the canonical order of nodes and endpoints alone.
///
/// # Errors
/// When there is nothing to place, or the nodes' CIDRs cannot be used.
pub fn place(model: &Model) -> Result<Placed, PlaceError> {
    let mut notes = Vec::new();
    let nodes = nodes(&model.cluster, &mut notes);
    check_overlaps(&nodes)?;
    let mut pods = instances(&model.cluster, &nodes, &mut notes);
    if pods.iter().all(|pod| pod.host_network) {
        return Err(PlaceError::NoPods);
    }
    let mut ipams = Vec::new();
    for node in &nodes {
        let failed = |source| PlaceError::Addresses {
            node: node.name.clone(),
            source,
        };
        ipams.push((node, Ipam::in_memory(&node.pod_cidrs).map_err(failed)?));
    }
    // Addresses that manifests give come first, so that none of them is given to somebody else before.
    for fresh in [false, true] {
        for pod in &mut pods {
            let own = |(node, _): &&mut (&Node, Ipam)| Some(&node.name) == pod.node.as_ref();
            let Some((node, ipam)) = ipams.iter_mut().find(own) else {
                continue;
            };
            let owner = pod.to_string();
            if pod.host_network {
                pod.addresses.clone_from(&node.addresses);
                if fresh {
                    notes.push(format!(
                        "{owner} shares its node's network: the node's probes stand for it"
                    ));
                }
            } else if fresh && pod.addresses.is_empty() {
                let failed = |source| PlaceError::Addresses {
                    node: node.name.clone(),
                    source,
                };
                pod.addresses = ipam.allocate(&owner).map_err(failed)?;
            } else if !fresh
                && !pod.addresses.is_empty()
                && let Err(reason) = ipam.allocate_requested(&owner, &pod.addresses)
            {
                notes.push(format!(
                    "{owner} gets another address than its manifest says: {reason}"
                ));
                pod.addresses.clear();
            }
        }
    }
    let namespaces = model.cluster.namespaces().clone();
    let cluster = Cluster::new(namespaces, pods, nodes);
    Ok(Placed {
        model: Model::new(cluster, model.policies().to_vec()),
        notes,
    })
}

/// The nodes of the input, completed; two invented ones when there are none.
fn nodes(cluster: &Cluster, notes: &mut Vec<String>) -> Vec<Node> {
    let mut nodes = cluster.nodes().to_vec();
    if nodes.is_empty() {
        notes.push(
            "no Node objects in the input: assuming node-a (10.244.1.0/24, fd00:10:244:1::/64) and \
             node-b (10.244.2.0/24, fd00:10:244:2::/64)"
                .to_owned(),
        );
        nodes = ["node-a", "node-b"].map(invented_node).to_vec();
    }
    let used: Vec<IpNet> = nodes
        .iter()
        .flat_map(|node| node.pod_cidrs.iter().copied())
        .collect();
    let overlaps = |slice: &IpNet| {
        used.iter()
            .any(|other| other.contains(slice) || slice.contains(other))
    };
    let mut free = (1..=u8::MAX).filter(|number| !slices(*number).iter().any(overlaps));
    let taken: Vec<IpAddr> = nodes
        .iter()
        .flat_map(|node| node.addresses.iter().copied())
        .collect();
    let mut hosts = (1..=u8::MAX).filter(|number| !addresses(*number).iter().any(|own| taken.contains(own)));
    for node in &mut nodes {
        if node.pod_cidrs.is_empty()
            && let Some(number) = free.next()
        {
            node.pod_cidrs = slices(number).to_vec();
            if !cluster.nodes().is_empty() {
                let [v4, v6] = slices(number);
                notes.push(format!(
                    "node {} has no spec.podCIDRs: assuming {v4} and {v6}",
                    node.name
                ));
            }
        }
        // A family without an address of the node's own could not be routed to.
        let complete = |address: &IpAddr| {
            !node
                .addresses
                .iter()
                .any(|own| own.is_ipv4() == address.is_ipv4())
        };
        if node.addresses.len() < 2
            && let Some(number) = hosts.next()
        {
            let missing: Vec<IpAddr> = addresses(number).into_iter().filter(complete).collect();
            node.addresses.extend(missing);
        }
    }
    nodes
}

fn invented_node(name: &str) -> Node {
    Node {
        name: name.to_owned(),
        labels: Labels::new(),
        addresses: Vec::new(),
        pod_cidrs: Vec::new(),
        origin: Origin::synthetic("<lab>"),
    }
}

fn slices(number: u8) -> [IpNet; 2] {
    let v6 = Ipv6Addr::new(0xfd00, 0x10, 0x244, u16::from(number), 0, 0, 0, 0);
    [
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 244, number, 0), 24)),
        IpNet::V6(Ipv6Net::new_assert(v6, 64)),
    ]
}

fn addresses(number: u8) -> [IpAddr; 2] {
    [
        Ipv4Addr::new(192, 168, 77, number).into(),
        Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, u16::from(number)).into(),
    ]
}

fn check_overlaps(nodes: &[Node]) -> Result<(), PlaceError> {
    let slices: Vec<(&Node, IpNet)> = nodes
        .iter()
        .flat_map(|node| node.pod_cidrs.iter().map(move |slice| (node, *slice)))
        .collect();
    for (index, (node, slice)) in slices.iter().enumerate() {
        for (other, other_slice) in slices.iter().take(index) {
            if other.name != node.name && (other_slice.contains(slice) || slice.contains(other_slice)) {
                return Err(PlaceError::Overlap {
                    node: node.name.clone(),
                    slice: *slice,
                    other: other.name.clone(),
                    other_slice: *other_slice,
                });
            }
        }
    }
    Ok(())
}

/// The pods: those in the input, and for each workload without Pod objects the ones it would make.
fn instances(cluster: &Cluster, nodes: &[Node], notes: &mut Vec<String>) -> Vec<Endpoint> {
    let mut turn = nodes.iter().map(|node| node.name.clone()).cycle();
    let mut pods = Vec::new();
    for endpoint in cluster.endpoints() {
        if !is_template(endpoint) {
            let known = endpoint
                .node
                .as_ref()
                .filter(|name| nodes.iter().any(|node| node.name == **name));
            if let (None, Some(name)) = (known, &endpoint.node) {
                notes.push(format!(
                    "{endpoint} is placed anew: there is no node {name} in the input"
                ));
            }
            let node = known.cloned().or_else(|| turn.next());
            pods.push(Endpoint {
                node,
                ..endpoint.clone()
            });
            continue;
        }
        let on: Vec<Option<String>> = match (endpoint.workload.kind.as_str(), endpoint.workload.replicated) {
            ("DaemonSet", _) => nodes.iter().map(|node| Some(node.name.clone())).collect(),
            (_, true) => turn.by_ref().take(REPLICAS).map(Some).collect(),
            (_, false) => vec![turn.next()],
        };
        for (number, node) in on.into_iter().enumerate() {
            let name = format!("{}-{number}", endpoint.name);
            pods.push(Endpoint {
                name,
                node,
                addresses: Vec::new(),
                ..endpoint.clone()
            });
        }
    }
    pods
}

/// Whether an endpoint is a workload's template and not a Pod object: it then has the workload's name.
fn is_template(endpoint: &Endpoint) -> bool {
    endpoint.workload.kind != "Pod" && endpoint.name == endpoint.workload.name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where everything is: `name node addresses`, and the notes.
    fn placed(text: &str) -> (Vec<String>, Vec<String>) {
        let placed = place(&ir::text::parse(text).unwrap()).unwrap();
        let pods = placed.model.cluster.endpoints().iter().map(|pod| {
            let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
            format!(
                "{pod} {} {}",
                pod.node.clone().unwrap_or_default(),
                addresses.join(" ")
            )
        });
        (pods.collect(), placed.notes)
    }

    #[test]
    fn workloads_become_pods_in_turn_on_two_assumed_nodes() {
        let (pods, notes) = placed(
            "endpoint shop/agent of DaemonSet/agent\n\
             endpoint shop/job of Job/job single\n\
             endpoint shop/lone\n\
             endpoint shop/web of Deployment/web\n",
        );
        assert_eq!(
            pods,
            [
                "shop/agent-0 node-a 10.244.1.2 fd00:10:244:1::2",
                "shop/agent-1 node-b 10.244.2.2 fd00:10:244:2::2",
                "shop/web-0 node-a 10.244.1.3 fd00:10:244:1::3",
                "shop/web-1 node-b 10.244.2.3 fd00:10:244:2::3",
                "shop/job-0 node-a 10.244.1.4 fd00:10:244:1::4",
                "shop/lone node-b 10.244.2.4 fd00:10:244:2::4",
            ]
        );
        assert_eq!(notes.len(), 1);
        assert!(
            notes[0].starts_with("no Node objects in the input: assuming node-a (10.244.1.0/24"),
            "{notes:?}"
        );
    }

    #[test]
    fn what_manifests_say_is_kept_and_what_cannot_be_is_noted() {
        let (pods, notes) = placed(
            "node n1 at 192.0.2.1 slice 10.1.0.0/29\n\
             endpoint shop/a at 10.1.0.2 on n1\n\
             endpoint shop/b\n\
             endpoint shop/c at 10.9.9.9 on gone\n\
             endpoint shop/host host-network on n1\n",
        );
        assert_eq!(
            pods,
            [
                "shop/a n1 10.1.0.2",
                "shop/b n1 10.1.0.3",
                "shop/c n1 10.1.0.4",
                "shop/host n1 192.0.2.1 fd00:77::1",
            ]
        );
        assert_eq!(
            notes,
            [
                "shop/c is placed anew: there is no node gone in the input",
                "shop/c gets another address than its manifest says: 10.9.9.9 is not in a pod CIDR of this node",
                "shop/host shares its node's network: the node's probes stand for it",
            ]
        );
    }

    #[test]
    fn what_cannot_be_laid_out_is_refused() {
        let refused = |text: &str| place(&ir::text::parse(text).unwrap()).unwrap_err().to_string();
        assert_eq!(refused(""), "no pod or workload in the input");
        assert_eq!(
            refused("node a slice 10.0.0.0/16\nnode b slice 10.0.1.0/24\nendpoint shop/a\n"),
            "node `b`: its pod CIDR 10.0.1.0/24 overlaps 10.0.0.0/16 of node `a`"
        );
        assert_eq!(
            refused("node a slice 10.0.0.0/30\nendpoint shop/a\nendpoint shop/b\n"),
            "node `a`: no address is left in 10.0.0.0/30: all 1 are in use"
        );
    }
}
