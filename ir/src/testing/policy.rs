//! Generated policies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;

use super::cluster::{PORT_NAMES, PORT_NUMBERS, keys, protocols, values};
use super::{Lines, Profile, pick, words};
use crate::cluster::Cluster;
use crate::peer::{CidrBlock, CidrScope, DomainPattern, Entity, Peer, PeerMatch, Peers};
use crate::policy::{
    Action, Beyond, BeyondKind, Direction, Directions, Policy, PolicyKind, Rank, Rule, Subject, Tier,
};
use crate::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use crate::selector::{Attribute, Operator, Requirement, Selector};

/// Attribute, key, operator, values.
type RequirementSketch = (u8, u8, u8, Vec<u8>);
type SelectorSketch = Vec<RequirementSketch>;

#[derive(Clone, Debug)]
pub(super) struct PolicySketch {
    kind: u8,
    namespace: u8,
    subject: SelectorSketch,
    applies: (bool, bool),
    default_deny: (bool, bool),
    rules: Vec<RuleSketch>,
}

#[derive(Clone, Debug)]
struct RuleSketch {
    egress: bool,
    action: u8,
    peers: Option<Vec<PeerSketch>>,
    ports: Option<Vec<PortSketch>>,
    /// Below [`BeyondKind::ALL`]'s length: that demand.
    beyond: u8,
}

#[derive(Clone, Debug)]
enum PeerSketch {
    Pods(Option<u8>, SelectorSketch),
    Cidr(u8, Vec<u8>, bool),
    Nodes(SelectorSketch),
    Entity(u8),
    Domain(u8),
}

#[derive(Clone, Debug)]
enum PortSketch {
    Name(u8, u8),
    Number(u8, u8),
    Range(u8, u8, u8),
    Every(u8),
    Icmp(bool, u8),
}

fn selector(most: usize) -> impl Strategy<Value = SelectorSketch> + use<> {
    // Few operators without values: `In` of nothing matches nothing.
    let values = prop_oneof![12 => vec(0..24_u8, 1..=3), 1 => Just(Vec::new())];
    vec((0..12_u8, 0..24_u8, 0..6_u8, values), 0..=most)
}

fn peer(profile: Profile) -> impl Strategy<Value = PeerSketch> + use<> {
    let on = u32::from;
    prop_oneof![
        6 => (proptest::option::weighted(0.3, 0..3_u8), selector(2)).prop_map(|(ns, asked)| PeerSketch::Pods(ns, asked)),
        4 => (any::<u8>(), vec(any::<u8>(), 0..=2), any::<bool>())
            .prop_map(|(block, holes, outside)| PeerSketch::Cidr(block, holes, outside)),
        u32::from(profile.node_peers) => selector(1).prop_map(PeerSketch::Nodes),
        2 * on(profile.cilium) => (0..13_u8).prop_map(PeerSketch::Entity),
        on(profile.domains) => (0..3_u8).prop_map(PeerSketch::Domain),
    ]
}

fn port(profile: Profile) -> impl Strategy<Value = PortSketch> + use<> {
    prop_oneof![
        5 => (0..4_u8, 0..6_u8).prop_map(|(name, protocol)| PortSketch::Name(name, protocol)),
        3 => (0..6_u8, 0..6_u8).prop_map(|(number, protocol)| PortSketch::Number(number, protocol)),
        2 => (0..6_u8, 0..4_u8, 0..6_u8).prop_map(|(first, length, protocol)| PortSketch::Range(first, length, protocol)),
        1 => (0..6_u8).prop_map(PortSketch::Every),
        u32::from(profile.icmp) => (any::<bool>(), 0..3_u8).prop_map(|(v6, which)| PortSketch::Icmp(v6, which)),
    ]
}

pub(super) fn sketches(profile: Profile) -> impl Strategy<Value = Vec<PolicySketch>> + use<> {
    let rule = (
        any::<bool>(),
        0..6_u8,
        proptest::option::weighted(0.85, vec(peer(profile), 0..=3)),
        proptest::option::weighted(0.8, vec(port(profile), 0..=3)),
        // Mostly none; the last, to which cases shrink, is none too.
        (0..24_u8).prop_map(|demand| 23 - demand),
    )
        .prop_map(|(egress, action, peers, ports, beyond)| RuleSketch {
            egress,
            action,
            peers,
            ports,
            beyond,
        });
    let flag = || proptest::bool::weighted(0.7);
    let policy = (
        0..12_u8,
        0..3_u8,
        selector(1),
        (flag(), flag()),
        (flag(), flag()),
        vec(rule, 0..=5),
    )
        .prop_map(
            |(kind, namespace, subject, applies, default_deny, rules)| PolicySketch {
                kind,
                namespace,
                subject,
                applies,
                default_deny,
                rules,
            },
        );
    vec(policy, 0..=7)
}

pub(super) fn draw(sketches: &[PolicySketch], cluster: &Cluster, profile: Profile) -> Vec<Policy> {
    let mut pen = Pen {
        cluster,
        profile,
        blocks: blocks(cluster, profile),
        lines: Lines::new("policies.yaml"),
    };
    (0..)
        .zip(sketches)
        .map(|(number, sketch)| pen.policy(number, sketch))
        .collect()
}

/// The blocks that policies speak of: the pods', the nodes', what holds them, and some outside.
fn blocks(cluster: &Cluster, profile: Profile) -> Vec<IpNet> {
    let net = |address: IpAddr, prefix| IpNet::new(address, prefix).ok();
    let v4 = |a, b, c, d, prefix| net(Ipv4Addr::new(a, b, c, d).into(), prefix);
    let v6 = |a, b, c, prefix| net(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into(), prefix);
    let mut blocks = vec![
        v4(0, 0, 0, 0, 0),
        v4(10, 0, 0, 0, 8),
        v4(203, 0, 113, 0, 24),
        v4(203, 0, 113, 64, 26),
        v4(203, 0, 113, 128, 32),
        v4(128, 0, 0, 0, 1),
    ];
    if profile.ipv6 {
        blocks.extend([
            v6(0, 0, 0, 0),
            v6(0xfd00, 0, 0, 8),
            v6(0x2001, 0xdb8, 0, 32),
            v6(0x2001, 0xdb8, 1, 48),
        ]);
    }
    for node in cluster.nodes() {
        blocks.extend(node.pod_cidrs.iter().map(|slice| Some(*slice)));
        blocks.extend(node.addresses.iter().map(|address| Some(IpNet::from(*address))));
    }
    for pod in cluster.endpoints() {
        blocks.extend(pod.addresses.iter().map(|address| Some(IpNet::from(*address))));
    }
    blocks.into_iter().flatten().map(|block| block.trunc()).collect()
}

struct Pen<'a> {
    cluster: &'a Cluster,
    profile: Profile,
    blocks: Vec<IpNet>,
    lines: Lines,
}

impl Pen<'_> {
    fn policy(&mut self, number: u32, sketch: &PolicySketch) -> Policy {
        let (kind, tier) = self.kind(sketch.kind);
        self.lines.next_document();
        let namespaces: Vec<_> = self.cluster.namespaces().keys().cloned().collect();
        let namespace = match kind {
            PolicyKind::NetworkPolicy | PolicyKind::CiliumNetworkPolicy => {
                pick(&namespaces, sketch.namespace)
            }
            _ => None,
        };
        let mut subject: Vec<_> = sketch
            .subject
            .iter()
            .filter_map(|asked| self.requirement(asked))
            .collect();
        let on_nodes = self.profile.host_policies
            && kind == PolicyKind::CiliumClusterwideNetworkPolicy
            && sketch.namespace == 2;
        if let Some(namespace) = &namespace {
            subject.push(Requirement::equals(Attribute::Namespace, namespace));
        }
        let applies = Directions {
            ingress: sketch.applies.0,
            egress: sketch.applies.1,
        };
        let default_deny = match (kind, tier) {
            (_, Tier::Admin | Tier::Baseline) => Directions::default(),
            (PolicyKind::NetworkPolicy, _) => applies,
            _ => Directions {
                ingress: applies.ingress && sketch.default_deny.0,
                egress: applies.egress && sketch.default_deny.1,
            },
        };
        let origin = self.lines.origin("");
        let rules = (0..).zip(&sketch.rules).map(|(order, rule)| {
            let rank = match tier {
                Tier::Namespaced => Rank::NAMESPACED,
                // No two policies share a priority: the API leaves undefined which is asked first.
                Tier::Admin | Tier::Baseline => Rank {
                    tier,
                    priority: u32::from(sketch.namespace) * 8 + 7_u32.saturating_sub(number),
                    order,
                },
            };
            self.rule(kind, rank, rule)
        });
        let rules = rules.collect();
        Policy {
            kind,
            namespace,
            name: format!("policy-{number}"),
            subject: if on_nodes {
                Subject::Nodes(Selector::new(subject))
            } else {
                Subject::Endpoints(Selector::new(subject))
            },
            applies,
            default_deny,
            rules,
            origin,
        }
    }

    fn kind(&self, choice: u8) -> (PolicyKind, Tier) {
        let profile = self.profile;
        match choice {
            4..6 if profile.cilium => (PolicyKind::CiliumNetworkPolicy, Tier::Namespaced),
            6..8 if profile.cilium => (PolicyKind::CiliumClusterwideNetworkPolicy, Tier::Namespaced),
            8 if profile.admin => (PolicyKind::AdminNetworkPolicy, Tier::Admin),
            9 if profile.admin => (PolicyKind::ClusterNetworkPolicy, Tier::Admin),
            10 if profile.baseline => (PolicyKind::BaselineAdminNetworkPolicy, Tier::Baseline),
            11 if profile.baseline => (PolicyKind::ClusterNetworkPolicy, Tier::Baseline),
            _ => (PolicyKind::NetworkPolicy, Tier::Namespaced),
        }
    }

    fn rule(&mut self, kind: PolicyKind, rank: Rank, sketch: &RuleSketch) -> Rule {
        let action = match (rank.tier, sketch.action) {
            (Tier::Namespaced, 4 | 5) if self.profile.deny && kind != PolicyKind::NetworkPolicy => {
                Action::Deny
            }
            (Tier::Admin, 4 | 5) => Action::Pass,
            // Its predecessor has no `Pass`.
            (Tier::Baseline, 4 | 5) if kind == PolicyKind::ClusterNetworkPolicy => Action::Pass,
            (Tier::Admin | Tier::Baseline, 2..) => Action::Deny,
            _ => Action::Allow,
        };
        let direction = if sketch.egress {
            Direction::Egress
        } else {
            Direction::Ingress
        };
        let peers = sketch.peers.as_ref().map_or(Peers::Any, |peers| {
            Peers::OneOf(
                peers
                    .iter()
                    .filter_map(|peer| self.peer(kind, action, peer))
                    .collect(),
            )
        });
        let ports = sketch.ports.as_ref().map_or(Ports::Any, |ports| {
            Ports::OneOf(ports.iter().filter_map(|port| self.port(kind, port)).collect())
        });
        let cilium = kind.is_cilium();
        let demand = BeyondKind::ALL.get(usize::from(sketch.beyond)).copied();
        let beyond = demand
            .filter(|_| cilium && self.profile.beyond)
            .map(|kind| Beyond {
                kind,
                origin: self.lines.origin("spec.rules[0].toPorts[0].rules"),
            });
        Rule {
            direction,
            rank,
            action,
            peers,
            ports,
            beyond: beyond.into_iter().collect(),
            origin: self.lines.origin("spec.rules[0]"),
        }
    }

    fn peer(&mut self, kind: PolicyKind, action: Action, sketch: &PeerSketch) -> Option<Peer> {
        let matches = match sketch {
            PeerSketch::Pods(namespace, asked) => {
                let mut requirements: Vec<_> =
                    asked.iter().filter_map(|asked| self.requirement(asked)).collect();
                let namespaces: Vec<_> = self.cluster.namespaces().keys().cloned().collect();
                if let Some(namespace) = namespace.and_then(|namespace| pick(&namespaces, namespace)) {
                    requirements.push(Requirement::equals(Attribute::Namespace, &namespace));
                }
                PeerMatch::Endpoints(Selector::new(requirements))
            }
            PeerSketch::Nodes(asked) => {
                let requirements = asked.iter().filter_map(|asked| self.requirement(asked));
                let selector = Selector::new(requirements);
                if kind == PolicyKind::CiliumClusterwideNetworkPolicy {
                    PeerMatch::OtherNodes(selector)
                } else {
                    PeerMatch::Nodes(selector)
                }
            }
            PeerSketch::Cidr(block, holes, outside) => {
                let cidr = pick(&self.blocks, *block)?;
                let inside: Vec<_> = self
                    .blocks
                    .iter()
                    .copied()
                    .filter(|hole| *hole != cidr && cidr.contains(hole))
                    .collect();
                let mut except: Vec<_> = holes.iter().filter_map(|hole| pick(&inside, *hole)).collect();
                except.sort();
                except.dedup();
                PeerMatch::Cidr(CidrBlock {
                    cidr,
                    except,
                    scope: if *outside && kind != PolicyKind::NetworkPolicy {
                        CidrScope::OutsideCluster
                    } else {
                        CidrScope::Everything
                    },
                })
            }
            PeerSketch::Entity(which) => PeerMatch::Entity(pick(&Entity::ALL, *which)?),
            // Deny rules have no domains (Cilium refuses them).
            PeerSketch::Domain(_) if action == Action::Deny => return None,
            PeerSketch::Domain(which) => PeerMatch::Domain(DomainPattern(pick(
                &words(self.profile, &["example.com", "*.example.com", "**.example.com"]),
                *which,
            )?)),
        };
        Some(Peer {
            matches,
            origin: self.lines.origin("spec.rules[0].from[0]"),
        })
    }

    fn port(&mut self, kind: PolicyKind, sketch: &PortSketch) -> Option<Port> {
        let protocol = |choice: u8| match (kind, choice) {
            (PolicyKind::CiliumNetworkPolicy | PolicyKind::CiliumClusterwideNetworkPolicy, 5) => {
                Some(ProtocolSet::AnyTransport)
            }
            (_, choice) => pick(&protocols(self.profile), choice).map(ProtocolSet::One),
        };
        let matches = match *sketch {
            PortSketch::Name(name, transport) => PortMatch::Name {
                protocol: match kind {
                    // Their port names stand for every protocol.
                    PolicyKind::ClusterNetworkPolicy
                    | PolicyKind::AdminNetworkPolicy
                    | PolicyKind::BaselineAdminNetworkPolicy => ProtocolSet::AnyTransport,
                    _ => protocol(transport)?,
                },
                name: pick(&words(self.profile, &PORT_NAMES), name)?,
            },
            PortSketch::Number(number, transport) => {
                let number = pick(&PORT_NUMBERS, number)?;
                PortMatch::Numbers {
                    protocol: protocol(transport)?,
                    first: number,
                    last: number,
                }
            }
            PortSketch::Range(first, length, transport) => {
                let first = pick(&PORT_NUMBERS, first)?;
                PortMatch::Numbers {
                    protocol: protocol(transport)?,
                    first,
                    last: first.saturating_add(pick(&[1, 100, 8000, u16::MAX], length)?),
                }
            }
            PortSketch::Every(transport) => PortMatch::Numbers {
                protocol: protocol(transport)?,
                first: 0,
                last: u16::MAX,
            },
            PortSketch::Icmp(v6, which) => PortMatch::Icmp {
                protocol: if v6 { Protocol::Icmpv6 } else { Protocol::Icmp },
                message_type: pick(&[8, 0, 255], which)?,
            },
        };
        Some(Port {
            matches,
            origin: self.lines.origin("spec.rules[0].ports[0]"),
        })
    }

    fn requirement(&self, (attribute, key, operator, chosen): &RequirementSketch) -> Option<Requirement> {
        let profile = self.profile;
        let key = pick(&keys(profile), *key)?;
        let namespaces: Vec<_> = self.cluster.namespaces().keys().cloned().collect();
        let (attribute, values) = match attribute {
            0..8 => (Attribute::Label(key), values(profile)),
            8 => (Attribute::Namespace, namespaces),
            9 => (Attribute::NamespaceLabel(key), values(profile)),
            10 if profile.cilium => (Attribute::ServiceAccount, words(profile, &["default", "robot"])),
            11 if profile.cilium => (Attribute::Cluster, words(profile, &["default", "other"])),
            _ => (Attribute::NamespaceLabel(key), values(profile)),
        };
        let values = chosen.iter().filter_map(|value| pick(&values, *value)).collect();
        let operator = match operator {
            0..3 => Operator::In(values),
            3 => Operator::NotIn(values),
            4 => Operator::Exists,
            _ => Operator::DoesNotExist,
        };
        Some(Requirement { attribute, operator })
    }
}
