//! The compiled programs as the lab's enforcer: what a node runs, on the lab's nodes.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use codegen_ebpf::compile;
use codegen_ebpf::datapath::Hook;
use codegen_ebpf::datapath::records::Reason;
use codegen_ebpf::source_line::SourceText;
use ir::cluster::{EndpointId, NodeId};
use ir::identity::Identities;
use ir::model::Model;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::table::VerdictTable;
use nix::sched::{CloneFlags, setns};

use super::Enforcer;
use super::evidence::{Drop as DroppedPacket, DropSource};
use super::party::PartyId;
use super::probe::Tuple;
use super::run_id::RunId;
use super::topology::{NodeSite, PodSite, Topology};
use crate::events::{DropEvent, Events};
use crate::node::{Node, Others, Preference, Wanted};
use crate::object::PolicyObject;
use crate::pins::EVENTS;

/// Compiles each pod's programs and loads them on its node, as `portcullis-node load` does with a bundle.
pub struct Programs<'a> {
    text: &'a dyn SourceText,
    preference: Preference,
    /// The nodes that have pins, each with its network namespace.
    loaded: Vec<(PathBuf, OwnedFd)>,
}

impl<'a> Programs<'a> {
    /// An enforcer that shows these manifests' lines beside the instructions.
    #[must_use]
    pub fn new(text: &'a dyn SourceText, preference: Preference) -> Self {
        Self {
            text,
            preference,
            loaded: Vec::new(),
        }
    }

    /// Both programs of every pod, by node.
    fn compile(
        &self,
        model: &Model,
        topology: &Topology,
        endpoints: &HashMap<PartyId, EndpointId>,
    ) -> Result<BTreeMap<NodeId, Vec<Wanted>>, String> {
        let identities = Identities::of(model);
        let mut by_node: BTreeMap<NodeId, Vec<Wanted>> = BTreeMap::new();
        for pod in &topology.pods {
            let endpoint = endpoints
                .get(&pod.party)
                .copied()
                .ok_or_else(|| format!("{} is no endpoint of the model", pod.name))?;
            let table = |direction| VerdictTable::build(model, &identities, endpoint, direction);
            let compiled = compile::endpoint(&compile::Input {
                model,
                endpoint,
                ingress: &table(Direction::Ingress),
                egress: &table(Direction::Egress),
                addresses: identities.addresses(),
                text: self.text,
            })
            .map_err(|error| error.to_string())?;
            for program in compiled {
                let object = PolicyObject::parse(&program.object.bytes)
                    .map_err(|error| format!("{}: {error}", pod.name))?;
                by_node.entry(pod.node).or_default().push(Wanted {
                    endpoint: pod.name.clone(),
                    device: pod.device.clone(),
                    direction: match program.hook {
                        Hook::ToPod => Direction::Ingress,
                        Hook::FromPod => Direction::Egress,
                    },
                    object,
                });
            }
        }
        Ok(by_node)
    }

    fn load(&mut self, run: RunId, site: &NodeSite, wanted: Vec<Wanted>) -> Result<PathBuf, String> {
        let root = run.pins(&site.name);
        let namespace = site
            .namespace
            .descriptor()
            .try_clone_to_owned()
            .map_err(|error| error.to_string())?;
        // Noted before the first pin is made, so that whatever fails is taken off again.
        self.loaded.push((root.clone(), namespace));
        let (preference, own) = (self.preference, root.clone());
        site.namespace
            .run(move || {
                Node::open(&own, preference)
                    .and_then(|mut node| node.apply(&wanted, Others::Remove))
                    .map(drop)
                    .map_err(|error| error.to_string())
            })
            .map_err(|error| error.to_string())??;
        Ok(root)
    }
}

impl Enforcer for Programs<'_> {
    fn attach(
        &mut self,
        run: RunId,
        model: &Model,
        topology: &Topology,
    ) -> Result<Vec<Box<dyn DropSource>>, String> {
        let endpoints = endpoints_of(model, &topology.pods);
        let mut by_node = self.compile(model, topology, &endpoints)?;
        let parties: HashMap<u32, PartyId> = endpoints
            .into_iter()
            .map(|(party, endpoint)| (endpoint.0, party))
            .collect();
        let mut sources: Vec<Box<dyn DropSource>> = Vec::new();
        for site in &topology.nodes {
            let Some(wanted) = by_node.remove(&site.node) else {
                continue;
            };
            let root = self.load(run, site, wanted)?;
            let events =
                Events::open(&root.join("shared").join(EVENTS)).map_err(|error| error.to_string())?;
            sources.push(Box::new(NodeDrops {
                events,
                parties: parties.clone(),
            }));
        }
        Ok(sources)
    }

    fn detach(&mut self) -> Result<(), String> {
        let mut failures = Vec::new();
        for (root, namespace) in self.loaded.drain(..) {
            // A fresh thread: it never leaves the namespace again.
            let unload = || -> Result<(), String> {
                setns(&namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| errno.to_string())?;
                let node = Node::open_existing(&root).map_err(|error| error.to_string())?;
                node.map_or(Ok(0), Node::unload)
                    .map(drop)
                    .map_err(|error| error.to_string())
            };
            let result = std::thread::scope(|scope| scope.spawn(unload).join());
            match result {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => failures.push(failure),
                Err(_) => failures.push(format!("unloading `{}` panicked", root.display())),
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("; "))
        }
    }
}

/// The endpoint that each pod of the lab is.
fn endpoints_of(model: &Model, pods: &[PodSite]) -> HashMap<PartyId, EndpointId> {
    let by_name: HashMap<(&str, &str), EndpointId> = (0..)
        .zip(model.cluster.endpoints())
        .map(|(number, endpoint)| {
            (
                (endpoint.namespace.as_str(), endpoint.name.as_str()),
                EndpointId(number),
            )
        })
        .collect();
    pods.iter()
        .filter_map(|pod| {
            let name = (pod.name.namespace.as_str(), pod.name.name.as_str());
            Some((pod.party, *by_name.get(&name)?))
        })
        .collect()
}

/// The drops of one node.
struct NodeDrops {
    events: Events,
    parties: HashMap<u32, PartyId>,
}

impl DropSource for NodeDrops {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.events.as_fd())
    }

    fn drain(&mut self, into: &mut Vec<DroppedPacket>) -> Result<(), String> {
        for event in self.events.drain() {
            let event = event.map_err(|error| error.to_string())?;
            into.extend(self.dropped(&event));
        }
        Ok(())
    }
}

impl NodeDrops {
    /// `None` for what cannot be one of the lab's probes: not parsed far enough, or of a protocol it does not speak.
    fn dropped(&self, event: &DropEvent) -> Option<DroppedPacket> {
        let protocol = match event.protocol {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            _ => return None,
        };
        let local = SocketAddr::new(event.local?, event.local_port);
        let peer = SocketAddr::new(event.peer?, event.peer_port);
        let (source, destination) = match event.direction {
            Direction::Ingress => (peer, local),
            Direction::Egress => (local, peer),
        };
        Some(DroppedPacket {
            pod: *self.parties.get(&event.endpoint)?,
            direction: event.direction,
            tuple: Tuple {
                protocol,
                source,
                destination,
            },
            by_policy: event.reason == Reason::Policy,
            reason: event.reason.name().to_owned(),
        })
    }
}
