//! The cluster on one machine: namespaces, links, addresses, routes.
//!
//! ```text
//!   pod ── eth0 ═ lxc… ── node ── uplink ═ port1 ──┐
//!   pod ── eth0 ═ lxc… ──┘                         br0 (switch)
//!   pod ── eth0 ═ lxc… ── node ── uplink ═ port2 ──┤
//!                      outside ── uplink ═ port3 ──┘
//! ```
//!
//! All links run from one of these namespaces to another; none ever stands in the machine's own. Ethernet addresses
//! are chosen here and every neighbour is known beforehand, so that no packet waits for ARP or neighbour discovery,
//! and none of either meets a policy program.
//!
//! Invariant: a pod's interface is up only after its programs are attached (*a pod is never reachable before its
//! program is attached*): [`Topology::build`] leaves both ends down, [`Topology::bring_up`] comes afterwards.

use std::net::IpAddr;
use std::time::Duration;

use ir::cluster::{Cluster, Family, NodeId};
use ir::model::Model;

use super::cancel::Cancel;
use super::party::{Kind, Party, PartyId};
use super::run_id::RunId;
use crate::device::EndpointName;
use crate::ipam::Slice;
use crate::netlink::{MacAddress, Netlink, NetlinkError, RouteEntry, Veth, VethPeer};
use crate::netns::{Namespace, NetnsError};
use crate::routes::{self, LocalPod, RemoteNode, Situation};
use crate::sysctl::{self, SysctlError};

/// Why the cluster could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// A namespace.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// A link, address, route or neighbour.
    #[error("in network namespace `{namespace}`: {source}")]
    Netlink {
        /// Where.
        namespace: String,
        /// What.
        source: NetlinkError,
    },
    /// A kernel setting.
    #[error("in network namespace `{namespace}`: {source}")]
    Setting {
        /// Where.
        namespace: String,
        /// What.
        source: SysctlError,
    },
    /// Slices of two nodes cannot be told apart, or one cannot be reached.
    #[error(transparent)]
    Route(#[from] routes::RouteProblem),
    /// A signal came in between.
    #[error("interrupted")]
    Interrupted,
}

/// The link of every node, and of the outside, to the switch.
const UPLINK: &str = "uplink";
const BRIDGE: &str = "br0";

/// For how long a link may be without carrier once both its ends are up; on a busy machine it takes milliseconds.
pub const CARRIER: Duration = Duration::from_secs(30);

/// A pod's place.
#[derive(Debug)]
pub struct PodSite {
    /// The pod.
    pub party: PartyId,
    /// Its name.
    pub name: EndpointName,
    /// Its node.
    pub node: NodeId,
    /// Its host end, in the node's namespace.
    pub device: String,
    namespace: Namespace,
}

/// A node's place.
#[derive(Debug)]
pub struct NodeSite {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its namespace, where its pods' host ends are.
    pub namespace: Namespace,
}

/// The cluster. Dropping it takes everything down.
#[derive(Debug)]
pub struct Topology {
    /// The pods, in the order of their parties.
    pub pods: Vec<PodSite>,
    /// The nodes, in the order of their ids.
    pub nodes: Vec<NodeSite>,
    outside: Namespace,
    switch: Namespace,
}

impl Topology {
    /// Builds the cluster: everything is in its place, and the pods' links are down.
    ///
    /// # Errors
    /// At the first thing that fails; what was made before is gone then.
    pub fn build(
        run: RunId,
        model: &Model,
        parties: &[Party],
        cancel: &Cancel,
    ) -> Result<Self, TopologyError> {
        let cluster = &model.cluster;
        let switch = namespace(run, "switch", sysctl::HOST)?;
        let outside = namespace(run, "outside", sysctl::HOST)?;
        let mut bridge = switch.netlink()?;
        bridge.create_bridge(BRIDGE).map_err(at(&switch))?;
        bridge.set_up(BRIDGE).map_err(at(&switch))?;
        connect(&outside, 0, &switch, &mut bridge)?;

        let mut nodes = Vec::new();
        for (position, (id, node)) in (1..).zip(cluster.node_ids()) {
            check(cancel)?;
            let own = namespace(run, &format!("node-{}", short(&node.name)), sysctl::ROUTER)?;
            connect(&own, position, &switch, &mut bridge)?;
            nodes.push(NodeSite {
                node: id,
                name: node.name.clone(),
                namespace: own,
            });
        }
        let mut topology = Self {
            pods: Vec::new(),
            nodes,
            outside,
            switch,
        };
        for (position, party) in parties.iter().enumerate() {
            check(cancel)?;
            topology.add_pod(run, cluster, PartyId(position), party)?;
        }
        topology.address_segment(cluster, parties)?;
        topology.route_from_outside(cluster)?;
        Ok(topology)
    }

    /// Brings the pods' links up, and returns when packets can go out of every link. Programs are attached before.
    ///
    /// # Errors
    /// When the kernel refuses a link or a route, or a link has no carrier after [`CARRIER`].
    pub fn bring_up(
        &self,
        parties: &[Party],
        cluster: &Cluster,
        cancel: &Cancel,
    ) -> Result<(), TopologyError> {
        for node in &self.nodes {
            check(cancel)?;
            let mut netlink = node.namespace.netlink()?;
            for pod in self.pods.iter().filter(|pod| pod.node == node.node) {
                netlink.set_up(&pod.device).map_err(at(&node.namespace))?;
            }
            let (desired, _) = routes::desired(&self.situation(cluster, parties, node));
            routes::apply(&mut netlink, &desired).map_err(at(&node.namespace))?;
            for (position, pod) in self
                .pods
                .iter()
                .enumerate()
                .filter(|(_, pod)| pod.node == node.node)
            {
                for &address in addresses_of(parties, pod.party) {
                    netlink
                        .add_neighbour(&pod.device, address, mac(Role::Pod, position))
                        .map_err(at(&node.namespace))?;
                }
            }
        }
        for (position, pod) in self.pods.iter().enumerate() {
            check(cancel)?;
            let mut netlink = pod.namespace.netlink()?;
            let here = at(&pod.namespace);
            netlink.set_up("lo").map_err(&here)?;
            netlink.set_up("eth0").map_err(&here)?;
            let slices = cluster
                .node(pod.node)
                .map(|node| node.pod_cidrs.as_slice())
                .unwrap_or_default();
            for &address in addresses_of(parties, pod.party) {
                let Some(slice) = slices.iter().find(|slice| slice.contains(&address)) else {
                    continue;
                };
                let gateway = Slice::new(*slice).gateway();
                netlink
                    .add_neighbour("eth0", gateway, mac(Role::Host, position))
                    .map_err(&here)?;
                let direct = RouteEntry {
                    destination: gateway.into(),
                    gateway: None,
                    link: "eth0".into(),
                    source: None,
                };
                netlink.add_route(&direct).map_err(&here)?;
                let default = RouteEntry {
                    destination: default_of(address),
                    gateway: Some(gateway),
                    link: "eth0".into(),
                    source: Some(address),
                };
                netlink.add_route(&default).map_err(&here)?;
            }
        }
        self.wait_until_running(cancel)
    }

    /// A packet lost to a link that does not run yet would look like one that a program dropped.
    fn wait_until_running(&self, cancel: &Cancel) -> Result<(), TopologyError> {
        let pods = self
            .pods
            .iter()
            .map(|pod| (&pod.namespace, vec!["eth0".to_owned()]));
        let nodes = self.nodes.iter().map(|site| {
            let own = self.pods.iter().filter(|pod| pod.node == site.node);
            let links = own.map(|pod| pod.device.clone()).chain([UPLINK.to_owned()]);
            (&site.namespace, links.collect())
        });
        let ports = (0..=self.nodes.len()).map(port).collect();
        let others = [(&self.outside, vec![UPLINK.to_owned()]), (&self.switch, ports)];
        for (namespace, links) in pods.chain(nodes).chain(others) {
            check(cancel)?;
            let mut netlink = namespace.netlink()?;
            for link in links {
                netlink
                    .wait_until_running(&link, CARRIER)
                    .map_err(at(namespace))?;
            }
        }
        Ok(())
    }

    /// The namespace in which a party's sockets are made.
    #[must_use]
    pub fn namespace_of(&self, id: PartyId, party: &Party) -> Option<&Namespace> {
        match party.kind {
            Kind::Pod(_) => self
                .pods
                .iter()
                .find(|pod| pod.party == id)
                .map(|pod| &pod.namespace),
            Kind::Node(node) => self
                .nodes
                .iter()
                .find(|site| site.node == node)
                .map(|site| &site.namespace),
            Kind::Outside => Some(&self.outside),
        }
    }

    fn add_pod(
        &mut self,
        run: RunId,
        cluster: &Cluster,
        id: PartyId,
        party: &Party,
    ) -> Result<(), TopologyError> {
        let Kind::Pod(endpoint) = party.kind else {
            return Ok(());
        };
        let Some(endpoint) = cluster.endpoint(endpoint) else {
            return Ok(());
        };
        let node = endpoint.node.as_deref().and_then(|name| cluster.node_named(name));
        let Some(site) = self.nodes.iter().find(|site| Some(site.node) == node) else {
            return Ok(());
        };
        let position = self.pods.len();
        let name = EndpointName::new(&endpoint.namespace, &endpoint.name);
        let device = name.host_device();
        // The number keeps shortened names apart.
        let suffix = format!(
            "pod{position}-{}",
            short(&format!("{}-{}", endpoint.namespace, endpoint.name))
        );
        let own = namespace(run, &suffix, sysctl::HOST)?;
        site.namespace
            .netlink()?
            .create_veth(&Veth {
                name: &device,
                mac: mac(Role::Host, position),
                peer: VethPeer {
                    name: "eth0",
                    mac: mac(Role::Pod, position),
                    namespace: own.descriptor(),
                },
            })
            .map_err(at(&site.namespace))?;
        let mut netlink = own.netlink()?;
        for &address in &party.addresses {
            netlink.add_address("eth0", address.into()).map_err(at(&own))?;
        }
        self.pods.push(PodSite {
            party: id,
            name,
            node: site.node,
            device,
            namespace: own,
        });
        Ok(())
    }

    /// Addresses on the shared segment, and everybody's way to everybody else's.
    fn address_segment(&self, cluster: &Cluster, parties: &[Party]) -> Result<(), TopologyError> {
        let outside = parties.iter().filter(|party| party.kind == Kind::Outside);
        let mut members: Vec<(&Namespace, usize, Vec<IpAddr>)> = vec![(
            &self.outside,
            0,
            outside
                .flat_map(|party| party.addresses.iter().copied())
                .collect(),
        )];
        for (position, site) in (1..).zip(&self.nodes) {
            let addresses = cluster
                .node(site.node)
                .map(|node| node.addresses.clone())
                .unwrap_or_default();
            members.push((&site.namespace, position, addresses));
        }
        for (own, position, addresses) in &members {
            let mut netlink = own.netlink()?;
            let here = at(own);
            netlink.set_up("lo").map_err(&here)?;
            for &address in addresses {
                netlink.add_address(UPLINK, address.into()).map_err(&here)?;
            }
            netlink.set_up(UPLINK).map_err(&here)?;
            for (_, other, theirs) in members.iter().filter(|(_, other, _)| other != position) {
                for &address in theirs {
                    netlink
                        .add_neighbour(UPLINK, address, mac(Role::Uplink, *other))
                        .map_err(&here)?;
                    // Not one of `routes`: how a node reaches the segment is the machine's affair.
                    let direct = RouteEntry {
                        destination: address.into(),
                        gateway: None,
                        link: UPLINK.into(),
                        source: addresses
                            .iter()
                            .copied()
                            .find(|own| Family::of(*own) == Family::of(address)),
                    };
                    netlink.add_static_route(&direct).map_err(&here)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses slices that cannot be routed, and gives the outside its way in.
    fn route_from_outside(&self, cluster: &Cluster) -> Result<(), TopologyError> {
        let from_outside = Situation {
            uplink: UPLINK.into(),
            others: cluster.nodes().iter().map(remote).collect(),
            ..Situation::default()
        };
        let (desired, problems) = routes::desired(&from_outside);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem.into());
        }
        let mut netlink = self.outside.netlink()?;
        routes::apply(&mut netlink, &desired).map_err(at(&self.outside))?;
        Ok(())
    }

    fn situation(&self, cluster: &Cluster, parties: &[Party], site: &NodeSite) -> Situation {
        Situation {
            uplink: UPLINK.into(),
            addresses: cluster
                .node(site.node)
                .map(|node| node.addresses.clone())
                .unwrap_or_default(),
            pods: self
                .pods
                .iter()
                .filter(|pod| pod.node == site.node)
                .map(|pod| LocalPod {
                    link: pod.device.clone(),
                    addresses: addresses_of(parties, pod.party).to_vec(),
                })
                .collect(),
            others: cluster
                .node_ids()
                .filter(|(id, _)| *id != site.node)
                .map(|(_, node)| remote(node))
                .collect(),
        }
    }
}

fn remote(node: &ir::cluster::Node) -> RemoteNode {
    RemoteNode {
        name: node.name.clone(),
        addresses: node.addresses.clone(),
        slices: node.pod_cidrs.clone(),
    }
}

fn addresses_of(parties: &[Party], id: PartyId) -> &[IpAddr] {
    parties
        .get(id.0)
        .map(|party| party.addresses.as_slice())
        .unwrap_or_default()
}

fn default_of(like: IpAddr) -> ipnet::IpNet {
    match like {
        IpAddr::V4(_) => ipnet::Ipv4Net::default().into(),
        IpAddr::V6(_) => ipnet::Ipv6Net::default().into(),
    }
}

/// A namespace of this run with its settings.
fn namespace(
    run: RunId,
    part: &str,
    settings: &'static [(&'static str, &'static str)],
) -> Result<Namespace, TopologyError> {
    let made = Namespace::create(&run.namespace(part))?;
    made.run(move || sysctl::write(settings))?
        .map_err(|source| TopologyError::Setting {
            namespace: made.name().to_owned(),
            source,
        })?;
    Ok(made)
}

/// The switch's end of an uplink: the outside's is 0, then the nodes' follow.
fn port(position: usize) -> String {
    format!("port{position}")
}

/// A namespace's uplink to the switch.
fn connect(
    own: &Namespace,
    position: usize,
    switch: &Namespace,
    bridge: &mut Netlink,
) -> Result<(), TopologyError> {
    let port = port(position);
    own.netlink()?
        .create_veth(&Veth {
            name: UPLINK,
            mac: mac(Role::Uplink, position),
            peer: VethPeer {
                name: &port,
                mac: mac(Role::Switch, position),
                namespace: switch.descriptor(),
            },
        })
        .map_err(at(own))?;
    bridge.set_bridge(&port, BRIDGE).map_err(at(switch))?;
    bridge.set_up(&port).map_err(at(switch))
}

/// What an Ethernet address belongs to.
#[derive(Clone, Copy)]
enum Role {
    Uplink = 1,
    Switch = 2,
    Host = 3,
    Pod = 4,
}

/// A locally administered unicast address (IEEE 802, the second-lowest bit of the first byte): `02:70:63`, the role,
/// the position.
fn mac(role: Role, position: usize) -> MacAddress {
    let [.., high, low] = position.to_be_bytes();
    MacAddress([0x02, 0x70, 0x63, role as u8, high, low])
}

/// Namespace names are file names of at most 255 bytes; Kubernetes' names alone may have 253.
fn short(name: &str) -> String {
    name.chars().take(60).collect()
}

fn at(namespace: &Namespace) -> impl Fn(NetlinkError) -> TopologyError {
    let namespace = namespace.name().to_owned();
    move |source| TopologyError::Netlink {
        namespace: namespace.clone(),
        source,
    }
}

fn check(cancel: &Cancel) -> Result<(), TopologyError> {
    if cancel.requested().is_some() {
        Err(TopologyError::Interrupted)
    } else {
        Ok(())
    }
}
