//! Generated stories: a cluster under one set of policies and then under another, and packets of many flows at one
//! endpoint's two hooks.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use codegen_ebpf::compile::{self, Compiled, Input};
use codegen_ebpf::datapath::Hook;
use ir::cluster::{EndpointId, Family};
use ir::evaluator;
use ir::flow::Party;
use ir::identity::Identities;
use ir::model::Model;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::table::VerdictTable;
use ir::testing::{self, Profile};
use proptest::prelude::*;
use proptest::sample::Index;

use super::oracle::{Directory, direction};
use super::packet::{ACK, Extension, Fragment, SYN, SYN_ACK, Segment, Shape};

/// An interface that forwarded packets came in by.
pub(crate) const UPLINK: u32 = 7;

/// A story about one endpoint.
#[derive(Clone)]
pub(crate) struct Story {
    /// The policies in force first and after the change; the cluster is the same.
    pub(crate) models: [Model; 2],
    pub(crate) endpoint: EndpointId,
    pub(crate) packets: Vec<Sent>,
    /// How many flows the packets belong to.
    pub(crate) flows: usize,
}

/// With the models in their text form, which a failing case can be pasted from.
impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.models.each_ref().map(ir::text::print);
        writeln!(f, "\n{first}\nthen\n\n{second}\nat {:?}:", self.endpoint)?;
        self.packets.iter().try_for_each(|sent| writeln!(f, "{sent:?}"))
    }
}

/// A packet at a hook.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) hook: Hook,
    pub(crate) segment: Segment,
    /// Whether it came to this host from elsewhere; else the host sends it itself.
    pub(crate) forwarded: bool,
    /// Under which of the two models.
    pub(crate) model: usize,
}

fn shape() -> impl Strategy<Value = Shape> + Clone {
    let odd = (
        0u8..=10,
        prop::collection::vec((prop::sample::select(vec![0u8, 43, 60]), 0u8..4), 0..4),
        prop::sample::select(vec![
            Fragment::Whole,
            Fragment::Whole,
            Fragment::First,
            Fragment::Later,
        ]),
        prop::bool::weighted(0.1),
        0usize..40,
    )
        .prop_map(|(options, extensions, fragment, vlan, payload)| Shape {
            options,
            extensions: extensions
                .into_iter()
                .map(|(kind, units)| Extension::Options(kind, units))
                .collect(),
            fragment,
            vlan,
            payload,
        });
    prop_oneof![4 => Just(Shape::PLAIN), 1 => odd]
}

/// How a flow is told: where it begins, with whom, to which port, what is odd about it, and whether
/// the peer is reached through this host.
type Choice = (bool, [Index; 4], Shape, bool, bool);

/// Stories of about `flows` flows each.
pub(crate) fn story(flows: usize) -> impl Strategy<Value = Story> {
    let choice = (
        any::<bool>(),
        any::<[Index; 4]>(),
        shape(),
        prop::bool::weighted(0.05),
        any::<bool>(),
    );
    let models = prop_oneof![
        testing::models(Profile::network_policy()),
        testing::models(Profile::everything()),
    ];
    (
        models.clone(),
        models,
        any::<Index>(),
        prop::collection::vec(choice, flows),
    )
        .prop_map(|(first, second, subject, choices)| {
            let second = Model::new(first.cluster.clone(), second.policies().iter().cloned());
            tell([first, second], subject, &choices)
        })
}

fn tell(models: [Model; 2], subject: Index, choices: &[Choice]) -> Story {
    let pods: Vec<EndpointId> = models[0]
        .cluster
        .endpoint_ids()
        .filter(|(_, pod)| !pod.host_network && !pod.addresses.is_empty())
        .map(|(id, _)| id)
        .collect();
    let Some(endpoint) = (!pods.is_empty()).then(|| *subject.get(&pods)) else {
        return Story {
            models,
            endpoint: EndpointId(0),
            packets: Vec::new(),
            flows: 0,
        };
    };
    let own = models[0].cluster.endpoint(endpoint).unwrap().addresses.clone();
    let peers: BTreeSet<IpAddr> = testing::parties(&models[0])
        .into_iter()
        .chain(testing::parties(&models[1]))
        .filter(|party| !matches!(party, Party::Endpoint { id, .. } if *id == endpoint))
        .filter_map(Party::address)
        .collect();
    let ports: BTreeSet<_> = models.iter().flat_map(testing::ports).collect();
    let ports: Vec<_> = ports.into_iter().collect();
    let mut packets = Vec::new();
    for (at, (inbound, [local, peer, port, reply], shape, spoofed, forwarded)) in (0u16..).zip(choices) {
        let local = *local.get(&own);
        let peers: Vec<IpAddr> = peers
            .iter()
            .copied()
            .filter(|peer| Family::of(*peer) == Family::of(local))
            .collect();
        let peer = *peer.get(&peers);
        // A pod that speaks for somebody else, or hears what is meant for somebody else.
        let local = if *spoofed { *reply.get(&peers) } else { local };
        let (protocol, number) = *port.get(&ports);
        let hook = if *inbound { Hook::ToPod } else { Hook::FromPod };
        let (source, destination) = if *inbound { (peer, local) } else { (local, peer) };
        // Now and then the client's port is one that policies name.
        let client = match reply.index(4) {
            0 => reply.get(&ports).1,
            _ => 20_000 + at,
        };
        let forth = |flags| Segment {
            source,
            destination,
            protocol,
            source_port: client,
            destination_port: number,
            flags,
            shape: shape.clone(),
        };
        let back = |flags| {
            let (source_port, destination_port) = match (protocol, number) {
                (Protocol::Icmp, 8) => (client, 0),
                (Protocol::Icmpv6, 128) => (client, 129),
                (Protocol::Icmp | Protocol::Icmpv6, kind) => (client, kind),
                _ => (number, client),
            };
            Segment {
                source: destination,
                destination: source,
                source_port,
                destination_port,
                shape: Shape::PLAIN,
                ..forth(flags)
            }
        };
        let other = hook.opposite();
        let turns = [
            (hook, forth(SYN), 0),
            (other, back(SYN_ACK), 0),
            (hook, forth(ACK), 0),
            (hook, forth(ACK), 1),
            (other, back(ACK), 1),
            (other, back(SYN), 1),
        ];
        // Not every story has every turn.
        let from = reply.index(3);
        packets.extend(turns.into_iter().skip(if from == 2 { 1 } else { 0 }).map(
            |(hook, segment, model)| Sent {
                hook,
                segment,
                forwarded: *forwarded,
                model,
            },
        ));
    }
    packets.sort_by_key(|sent| sent.model);
    Story {
        models,
        endpoint,
        packets,
        flows: choices.len(),
    }
}

impl Sent {
    /// The interface that the packet came in by, as `skb->skb_iif` has it: 0 for one that the host sends itself.
    pub(crate) fn ingress_ifindex(&self) -> u32 {
        if self.forwarded { UPLINK } else { 0 }
    }
}

/// An endpoint under a model: its verdict tables (ingress, egress), and its programs (to the pod, from the pod).
pub(crate) struct Enforced {
    pub(crate) identities: Identities,
    pub(crate) tables: [VerdictTable; 2],
    pub(crate) programs: [Compiled; 2],
}

impl Enforced {
    pub(crate) fn new(model: &Model, endpoint: EndpointId) -> Self {
        let identities = Identities::of(model);
        let tables = Direction::BOTH.map(|side| VerdictTable::build(model, &identities, endpoint, side));
        let [ingress, egress] = &tables;
        let programs = compile::endpoint(&Input {
            model,
            endpoint,
            ingress,
            egress,
            addresses: identities.addresses(),
            text: &(),
        });
        Self {
            programs: programs.unwrap(),
            identities,
            tables,
        }
    }

    /// Whether everything passes in both directions.
    pub(crate) fn unrestricted(&self) -> bool {
        self.tables.iter().all(VerdictTable::unrestricted)
    }
}

/// Where in a pair of tables or programs a hook's own is.
pub(crate) fn at(hook: Hook) -> usize {
    match hook {
        Hook::ToPod => 0,
        Hook::FromPod => 1,
    }
}

/// The verdict table, asked for the identity behind the packet's address, says what the evaluator says.
pub(crate) fn same_in_table(
    story: &Story,
    sent: &Sent,
    enforced: &Enforced,
    directory: &Directory,
) -> Result<(), TestCaseError> {
    let segment = &sent.segment;
    let peer = match sent.hook {
        Hook::ToPod => segment.source,
        Hook::FromPod => segment.destination,
    };
    let (model, party) = (&story.models[sent.model], directory.party(peer));
    let (protocol, port) = (
        segment.protocol,
        segment.destination_port.min(segment.protocol.highest_port()),
    );
    let expected = evaluator::decide(model, story.endpoint, direction(sent.hook), party, protocol, port);
    let identity = enforced.identities.addresses().identity(peer);
    let table = &enforced.tables[at(sent.hook)];
    let found = identity.map(|identity| table.allows(protocol, port, identity));
    prop_assert_eq!(found, Some(expected.allowed), "{:?}: {:?}", sent, expected);
    Ok(())
}
