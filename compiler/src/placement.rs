//! Where everything runs: pods out of workloads, pods onto nodes, addresses onto pods.
//!
//! What the manifests say is kept (Pod objects, their nodes and addresses, Node objects with their CIDRs); what they
//! leave open is decided here, the same way every time, and said in a note where a user could not guess it. The one
//! implementation of this for every verb that needs pods that are placed: `compile --place` and the lab.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ir::cluster::{Cluster, Endpoint, Node};
use ir::model::Model;
use ir::origin::Origin;
use ir::selector::Labels;
use ir::slice::Slice;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;

/// Pods of one workload that may have several: enough to see that pods of one workload are judged alike.
pub const REPLICAS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// How to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Pods of a workload that may have several. A DaemonSet has one on each node.
    pub replicas: NonZeroUsize,
    /// What becomes of pod addresses that are in no slice of the pod's node.
    pub foreign: Foreign,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            replicas: REPLICAS,
            foreign: Foreign::Keep,
        }
    }
}

/// What becomes of an address that a manifest gives and its node's slices do not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It stays: whoever assigns addresses in that cluster does so from elsewhere.
    Keep,
    /// The pod gets another one: routes here lead to slices.
    Replace,
}

/// A cluster in which every pod has a node and addresses.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The cluster and its policies.
    pub model: Model,
    /// What was decided here.
    pub notes: Vec<String>,
}

/// Why a cluster cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There is nobody to place.
    #[error("no pod or workload in the input")]
    NoPods,
    /// A node's slice is full.
    #[error("node `{node}`: no address is left in {slice}: all {capacity} are in use")]
    Exhausted {
        /// The node.
        node: String,
        /// Its slice.
        slice: IpNet,
        /// How many pods it holds.
        capacity: u128,
    },
    /// A node without a slice, and none left to assume.
    #[error("node `{node}` has no pod CIDR")]
    NoSlice {
        /// The node.
        node: String,
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
pub fn place(model: &Model, options: Options) -> Result<Placed, PlaceError> {
    let mut notes = Vec::new();
    let nodes = nodes(&model.cluster, options, &mut notes);
    check_overlaps(&nodes)?;
    let mut pods = instances(&model.cluster, &nodes, options, &mut notes);
    if pods.iter().all(|pod| pod.host_network) {
        return Err(PlaceError::NoPods);
    }
    let mut pools: BTreeMap<&str, Pool<'_>> = nodes
        .iter()
        .map(|node| (node.name.as_str(), Pool::new(node)))
        .collect();
    let mut taken: BTreeMap<IpAddr, String> = BTreeMap::new();
    // Addresses that manifests give come first, so that none of them is given to somebody else before.
    for pod in pods
        .iter_mut()
        .filter(|pod| !pod.addresses.is_empty() || pod.host_network)
    {
        let Some(pool) = pool_of(&mut pools, pod) else {
            continue;
        };
        if pod.host_network {
            pod.addresses.clone_from(&pool.node.addresses);
            continue;
        }
        match pool.objection(&pod.addresses, &taken, options.foreign) {
            None => taken.extend(pod.addresses.iter().map(|address| (*address, pod.to_string()))),
            Some(reason) => {
                notes.push(format!(
                    "{pod} gets another address than its manifest says: {reason}"
                ));
                pod.addresses.clear();
            }
        }
    }
    for pod in pods
        .iter_mut()
        .filter(|pod| pod.addresses.is_empty() && !pod.host_network)
    {
        if let Some(pool) = pool_of(&mut pools, pod) {
            pod.addresses = pool.next(&taken)?;
            taken.extend(pod.addresses.iter().map(|address| (*address, pod.to_string())));
        }
    }
    let namespaces = model.cluster.namespaces().clone();
    let cluster = Cluster::new(namespaces, pods, nodes).named(model.cluster.name());
    Ok(Placed {
        model: model.in_cluster(cluster),
        notes,
    })
}

fn pool_of<'p, 'n>(pools: &'p mut BTreeMap<&str, Pool<'n>>, pod: &Endpoint) -> Option<&'p mut Pool<'n>> {
    pools.get_mut(pod.node.as_deref()?)
}

/// A node's slices, each with the offset at which the search for a free address begins.
struct Pool<'a> {
    node: &'a Node,
    slices: Vec<(Slice, u128)>,
}

impl<'a> Pool<'a> {
    fn new(node: &'a Node) -> Self {
        let slices = node
            .pod_cidrs
            .iter()
            .map(|net| Slice::new(*net))
            .map(|slice| (slice, slice.first_pod()))
            .collect();
        Self { node, slices }
    }

    /// Why a pod cannot have the addresses that its manifest says.
    fn objection(
        &self,
        addresses: &[IpAddr],
        taken: &BTreeMap<IpAddr, String>,
        foreign: Foreign,
    ) -> Option<String> {
        addresses.iter().find_map(|address| {
            if let Some(owner) = taken.get(address) {
                return Some(format!("{address} belongs to {owner}"));
            }
            let slice = self
                .slices
                .iter()
                .map(|(slice, _)| *slice)
                .find(|slice| slice.net().contains(address));
            match slice {
                None if foreign == Foreign::Keep => None,
                None => Some(format!(
                    "{address} is not in a pod CIDR of node {}",
                    self.node.name
                )),
                Some(slice) => slice
                    .reservation(*address)
                    .map(|reservation| format!("{address} is kept back for {reservation}")),
            }
        })
    }

    /// The next free address of every slice.
    fn next(&mut self, taken: &BTreeMap<IpAddr, String>) -> Result<Vec<IpAddr>, PlaceError> {
        if self.slices.is_empty() {
            return Err(PlaceError::NoSlice {
                node: self.node.name.clone(),
            });
        }
        let mut addresses = Vec::new();
        for (slice, cursor) in &mut self.slices {
            let last = slice.last_pod().unwrap_or(0);
            let free = (*cursor..=last).find(|offset| !taken.contains_key(&slice.address(*offset)));
            let Some(offset) = free else {
                return Err(PlaceError::Exhausted {
                    node: self.node.name.clone(),
                    slice: slice.net(),
                    capacity: slice.capacity(),
                });
            };
            addresses.push(slice.address(offset));
            *cursor = offset.saturating_add(1);
        }
        Ok(addresses)
    }
}

/// The nodes of the input, completed; invented ones when there are none.
fn nodes(cluster: &Cluster, options: Options, notes: &mut Vec<String>) -> Vec<Node> {
    let mut nodes = cluster.nodes().to_vec();
    if nodes.is_empty() {
        nodes = (1..=nodes_needed(cluster, options)).map(invented_node).collect();
        if let (Some(first), Some(last)) = (nodes.first(), nodes.last()) {
            let described = |node: &Node| {
                let [v4, v6] = node.pod_cidrs.as_slice() else {
                    return node.name.clone();
                };
                format!("{} ({v4}, {v6})", node.name)
            };
            let between = if nodes.len() == 2 { "and" } else { "to" };
            notes.push(format!(
                "no Node objects in the input: assuming {} {between} {}",
                described(first),
                described(last)
            ));
        }
    }
    let used: Vec<IpNet> = nodes
        .iter()
        .flat_map(|node| node.pod_cidrs.iter().copied())
        .collect();
    let overlaps = |slice: &IpNet| used.iter().any(|other| overlap(*other, *slice));
    let mut free = (1..=u8::MAX).filter(|number| !slices(*number).iter().any(overlaps));
    let taken: BTreeSet<IpAddr> = nodes
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
        let missing = |address: &IpAddr| {
            !node
                .addresses
                .iter()
                .any(|own| own.is_ipv4() == address.is_ipv4())
        };
        if node.addresses.len() < 2
            && let Some(number) = hosts.next()
        {
            let missing: Vec<IpAddr> = addresses(number).into_iter().filter(missing).collect();
            node.addresses.extend(missing);
        }
    }
    nodes
}

/// Two, so that there is always something to route, and more where two slices would not hold the pods.
fn nodes_needed(cluster: &Cluster, options: Options) -> u8 {
    /// Pods on one node, below what its slice holds: DaemonSets come on top.
    const EACH: usize = 200;
    let pods: usize = cluster
        .endpoints()
        .iter()
        .filter(|endpoint| endpoint.workload.kind != "DaemonSet")
        .map(|endpoint| {
            if is_template(endpoint) && endpoint.workload.replicated {
                options.replicas.get()
            } else {
                1
            }
        })
        .sum();
    u8::try_from(pods.div_ceil(EACH)).unwrap_or(u8::MAX).max(2)
}

/// `node-a`, `node-b`, … and behind `node-z` by number.
fn invented_node(number: u8) -> Node {
    let name = match (b'a'..=b'z').nth(usize::from(number.saturating_sub(1))) {
        Some(letter) => format!("node-{}", char::from(letter)),
        None => format!("node-{number}"),
    };
    Node {
        name,
        labels: Labels::new(),
        addresses: Vec::new(),
        pod_cidrs: slices(number).to_vec(),
        origin: Origin::synthetic("<placement>"),
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

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

fn check_overlaps(nodes: &[Node]) -> Result<(), PlaceError> {
    let slices: Vec<(&Node, IpNet)> = nodes
        .iter()
        .flat_map(|node| node.pod_cidrs.iter().map(move |slice| (node, *slice)))
        .collect();
    for (index, (node, slice)) in slices.iter().enumerate() {
        for (other, other_slice) in slices.iter().take(index) {
            if other.name != node.name && overlap(*other_slice, *slice) {
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
fn instances(cluster: &Cluster, nodes: &[Node], options: Options, notes: &mut Vec<String>) -> Vec<Endpoint> {
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
            // An address in a node's slice says where the pod is, as its `nodeName` would.
            let by_address = || {
                let holds = |node: &&Node| {
                    let slices = &node.pod_cidrs;
                    endpoint
                        .addresses
                        .iter()
                        .any(|address| slices.iter().any(|slice| slice.contains(address)))
                };
                nodes.iter().find(holds).map(|node| node.name.clone())
            };
            let node = known.cloned().or_else(by_address).or_else(|| turn.next());
            pods.push(Endpoint {
                node,
                ..endpoint.clone()
            });
            continue;
        }
        let on: Vec<Option<String>> = match (endpoint.workload.kind.as_str(), endpoint.workload.replicated) {
            ("DaemonSet", _) => nodes.iter().map(|node| Some(node.name.clone())).collect(),
            (_, true) => turn.by_ref().take(options.replicas.get()).map(Some).collect(),
            (_, false) => vec![turn.next()],
        };
        for (number, node) in on.into_iter().enumerate() {
            pods.push(Endpoint {
                name: format!("{}-{number}", endpoint.name),
                node,
                addresses: Vec::new(),
                ..endpoint.clone()
            });
        }
    }
    pods
}

/// Whether an endpoint is a workload's template and not a Pod object. A Pod's own place is its `metadata`, a
/// template's that of its workload: a Pod owned by a workload never has both name and kind of it.
#[must_use]
pub fn is_template(endpoint: &Endpoint) -> bool {
    endpoint.workload.kind != "Pod"
        && endpoint.node.is_none()
        && endpoint.addresses.is_empty()
        && endpoint.name == endpoint.workload.name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> Model {
        ir::text::parse(text).unwrap()
    }

    fn placed(text: &str) -> Vec<String> {
        let placed = place(&model(text), Options::default()).unwrap();
        placed
            .model
            .cluster
            .endpoints()
            .iter()
            .map(|pod| {
                let addresses: Vec<_> = pod.addresses.iter().map(ToString::to_string).collect();
                format!(
                    "{pod} {} {}",
                    pod.node.as_deref().unwrap_or("-"),
                    addresses.join(" ")
                )
            })
            .collect()
    }

    const NODES: &str = "\
node n1 at 192.0.2.1 slice 10.1.0.0/24
node n2 at 192.0.2.2 slice 10.2.0.0/24
";

    #[test]
    fn workloads_become_pods_that_go_round_the_nodes() {
        let text = format!(
            "{NODES}\
endpoint shop/api of Deployment/api
endpoint shop/agent of DaemonSet/agent
endpoint shop/one of StatefulSet/one single
endpoint shop/edge of DaemonSet/edge host-network
endpoint shop/fixed at 10.2.0.2
endpoint shop/odd at 172.16.0.9 on n1
"
        );
        insta::assert_snapshot!(placed(&text).join("\n"));
    }

    #[test]
    fn what_manifests_say_is_kept_where_it_can_be() {
        let text =
            format!("{NODES}endpoint shop/odd at 172.16.0.9 on n1\nendpoint shop/gate at 10.2.0.1 on n2\n");
        let replace = Options {
            foreign: Foreign::Replace,
            ..Options::default()
        };
        let placed = place(&model(&text), replace).unwrap();
        assert_eq!(placed.notes.len(), 2, "{:?}", placed.notes);
        let kept = place(&model(&text), Options::default()).unwrap();
        assert_eq!(kept.notes.len(), 1, "{:?}", kept.notes);
    }

    #[test]
    fn clusters_that_cannot_be_laid_out_are_refused() {
        let refused = |text: &str| place(&model(text), Options::default()).unwrap_err().to_string();
        assert_eq!(refused(NODES), "no pod or workload in the input");
        assert_eq!(
            refused("node n1 slice 10.0.0.0/30\nendpoint a/b of Deployment/b\n"),
            "node `n1`: no address is left in 10.0.0.0/30: all 1 are in use"
        );
        assert_eq!(
            refused("node n1 slice 10.0.0.0/8\nnode n2 slice 10.9.0.0/16\nendpoint a/b\n"),
            "node `n2`: its pod CIDR 10.9.0.0/16 overlaps 10.0.0.0/8 of node `n1`"
        );
    }

    #[test]
    fn as_many_nodes_are_assumed_as_the_pods_need() {
        let mut text = String::new();
        for number in 0..300 {
            text.push_str(&format!("endpoint a/w{number} of Deployment/w{number}\n"));
        }
        let placed = place(&model(&text), Options::default()).unwrap();
        assert_eq!(placed.model.cluster.endpoints().len(), 600);
        assert_eq!(
            placed.notes,
            [
                "no Node objects in the input: assuming node-a (10.244.1.0/24, fd00:10:244:1::/64) to node-c (10.244.3.0/24, fd00:10:244:3::/64)"
            ]
        );
    }

    #[test]
    fn placing_again_gives_the_same() {
        let model = model("endpoint a/b of Deployment/b\nendpoint a/c\n");
        let one = place(&model, Options::default()).unwrap();
        let other = place(&model, Options::default()).unwrap();
        assert_eq!(one.model, other.model);
        let again = place(&one.model, Options::default()).unwrap();
        assert_eq!(one.model, again.model, "what is placed stays where it is");
    }
}
