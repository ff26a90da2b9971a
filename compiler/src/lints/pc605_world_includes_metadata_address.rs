//! # PC605 world-includes-metadata-address
//!
//! The rule opens the cloud's metadata address.
//!
//! ## What is wrong
//! On most clouds `169.254.169.254` answers every process on the machine on port 80, with the machine's own credentials
//! among the answers (on AWS also `fd00:ec2::254`). A rule that allows everything outside the cluster allows that
//! too, and a request that an attacker makes a pod send is enough to take over what the node may do.
//!
//! Nothing is said where the rule's ports leave port 80 out, or where a deny rule closes the address, or of a rule
//! for that address itself; nor of a rule that restricts nothing (`egress: [{}]`, `toEntities: [all]`): what it selects
//! is as open as a pod without policies, and says so. A rule that names ports and no peers is for every address.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: crawler, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: crawler}}
//!   policyTypes: [Egress]
//!   egress:
//!     - to: [{ipBlock: {cidr: 0.0.0.0/0}}]
//! ```
//!
//! ## How to fix it
//! Cut the address out.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: crawler, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: crawler}}
//!   policyTypes: [Egress]
//!   egress:
//!     - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]
//! ```

use super::object_name;
use super::surroundings::{Surroundings, include, listed};
use crate::diagnostic::{Code, Finding, Witness};
use ipnet::IpNet;
use ir::cluster::EndpointId;
use ir::flow::{Because, Party};
use ir::model::Model;
use ir::peer::{CidrBlock, Entity, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Policy, PolicyKind, Rule, RuleId};
use ir::port::{Ports, Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Where instances ask for metadata: every large cloud's address, and AWS' own in IPv6.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];
/// It is plain HTTP.
const PORT: u16 = 80;
/// Pods of a policy that are asked about; the first that fits is nearly always the first.
const TRIED: usize = 64;

/// Finds such rules, one finding for each peer that opens it.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    let model = around.model;
    let mut findings = Vec::new();
    let denied = METADATA.map(|address| is_denied(model, address));
    for (policy_id, policy) in model.policy_ids() {
        let mut subjects = None;
        for (rule_id, rule) in model.rule_ids(policy_id) {
            let opens = rule.direction == Direction::Egress
                && rule.action == Action::Allow
                && include(&rule.ports, Protocol::Tcp, PORT);
            let everybody = (opens && rule.peers == Peers::Any && rule.ports != Ports::Any).then(|| Peer {
                matches: PeerMatch::Entity(Entity::World),
                origin: rule.origin.clone(),
            });
            for peer in listed(&rule.peers).iter().filter(|_| opens).chain(&everybody) {
                // One address is enough to say it.
                let Some((address, is_denied)) = METADATA
                    .into_iter()
                    .zip(denied)
                    .find(|(address, _)| is_in_passing(&peer.matches, *address))
                else {
                    continue;
                };
                let subjects = subjects.get_or_insert_with(|| around.subjects(policy));
                let found = |witness| finding(policy, rule, peer, address, witness);
                if subjects.is_empty() {
                    if !is_denied && policy.default_deny.egress {
                        findings.push(found(None));
                    }
                } else if let Some(witness) = subjects
                    .iter()
                    .take(TRIED)
                    .find_map(|pod| witness(around, pod, rule_id, address))
                {
                    findings.push(found(Some(witness)));
                }
            }
        }
    }
    findings
}

/// Whether a peer holds the address without speaking of it: a block of link-local addresses, or of AWS' own, is about
/// such addresses.
fn is_in_passing(peer: &PeerMatch, address: IpAddr) -> bool {
    match peer {
        PeerMatch::Cidr(block) => block.contains(address) && !is_about(block, address),
        PeerMatch::Entity(Entity::World) => true,
        PeerMatch::Entity(Entity::WorldIpv4) => address.is_ipv4(),
        PeerMatch::Entity(Entity::WorldIpv6) => address.is_ipv6(),
        PeerMatch::Endpoints(_)
        | PeerMatch::Nodes(_)
        | PeerMatch::OtherNodes(_)
        | PeerMatch::Entity(_)
        | PeerMatch::Domain(_) => false,
    }
}

fn is_about(block: &CidrBlock, address: IpAddr) -> bool {
    let enough = match address {
        IpAddr::V4(_) => 16,
        IpAddr::V6(_) => 32,
    };
    block.cidr.prefix_len() >= enough
}

/// Whether some rule denies the address to somebody: where the pods are not known, to these.
fn is_denied(model: &Model, address: IpAddr) -> bool {
    let denies = |rule: &Rule| {
        rule.direction == Direction::Egress
            && rule.action == Action::Deny
            && include(&rule.ports, Protocol::Tcp, PORT)
            && match &rule.peers {
                Peers::Any => true,
                Peers::OneOf(peers) => peers.iter().any(|peer| match &peer.matches {
                    PeerMatch::Cidr(block) => block.contains(address),
                    PeerMatch::Entity(entity) => matches!(entity, Entity::All | Entity::World),
                    _ => false,
                }),
            }
    };
    model
        .policies()
        .iter()
        .flat_map(|policy| &policy.rules)
        .any(denies)
}

/// A request from the pod to the address that is let through by this rule.
fn witness(around: &Surroundings<'_>, pod: EndpointId, rule: RuleId, address: IpAddr) -> Option<Witness> {
    let outside = Party::Outside(address);
    let decision = around
        .judge
        .decide(pod, Direction::Egress, outside, Protocol::Tcp, PORT);
    let by_this = matches!(&decision.because, Because::Rules(rules) if rules.contains(&rule));
    let selecting = around.judge.selecting();
    let mut in_force = selecting.policies(selecting.list(pod)).iter();
    let is_restricted = in_force.any(|id| {
        around
            .model
            .policy(*id)
            .is_some_and(|policy| policy.default_deny.egress)
    });
    (decision.allowed && by_this && is_restricted).then_some(())?;
    Some(Witness {
        from: around.model.cluster.endpoint(pod)?.to_string(),
        to: address.to_string(),
        protocol: Protocol::Tcp.to_string(),
        port: Some(PORT),
    })
}

fn finding(policy: &Policy, rule: &Rule, peer: &Peer, address: IpAddr, witness: Option<Witness>) -> Finding {
    let hole = IpNet::from(address);
    let message = format!("this rule also opens `{address}`, where a cloud gives out the node's credentials");
    let help = match &peer.matches {
        // The cluster-wide tiers have no exceptions, and an order instead.
        PeerMatch::Cidr(_)
            if policy.namespace.is_none() && policy.kind != PolicyKind::CiliumClusterwideNetworkPolicy =>
        {
            format!("deny `{hole}` by a rule in front of this one")
        }
        // A plain list of blocks has none either.
        PeerMatch::Cidr(block) if peer.origin.path.contains(".toCIDR[") => {
            format!(
                "write {} instead of the block in `toCIDR`{}",
                cidr_set(&[(block.cidr, address)]),
                beside_others(rule, peer)
            )
        }
        PeerMatch::Cidr(_) => format!("add `except: [{}]` to the block", quoted(hole)),
        _ if rule.peers == Peers::Any && policy.kind.is_cilium() => format!(
            "say who is meant: {}, and pods and nodes by `toEntities: [cluster]` in a rule of its own",
            cidr_set(&whole_families()),
        ),
        _ if rule.peers == Peers::Any => format!(
            "say who is meant: `to: [{{namespaceSelector: {{}}}}, {}]`",
            whole_families()
                .into_iter()
                .map(|family| format!("{{ipBlock: {}}}", without(family)))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        _ => {
            let mut blocks = whole_families();
            blocks.retain(|(_, address)| is_in_passing(&peer.matches, *address));
            format!(
                "use {} instead of the entity{}",
                cidr_set(&blocks),
                beside_others(rule, peer)
            )
        }
    };
    let finding = Finding::new(Code::WORLD_INCLUDES_METADATA_ADDRESS, message)
        .at(peer.origin.clone(), "the metadata address is in here")
        .about(object_name(policy))
        .help(help);
    match witness {
        Some(witness) => finding.witness(witness),
        None => finding,
    }
}

/// Every address, each family with its metadata address.
fn whole_families() -> Vec<(IpNet, IpAddr)> {
    let everything = [IpNet::from_str("0.0.0.0/0"), IpNet::from_str("::/0")];
    everything.into_iter().flatten().zip(METADATA).collect()
}

/// Where a `toCIDRSet` goes: the API takes none beside peers of another field.
fn beside_others(rule: &Rule, peer: &Peer) -> &'static str {
    let is_alone = listed(&rule.peers)
        .iter()
        .all(|other| other.origin == peer.origin);
    match (is_alone, &rule.ports) {
        (true, _) => "",
        (false, Ports::Any) => ", in a rule of its own",
        (false, Ports::OneOf(_)) => ", in a rule of its own with the same ports",
    }
}

/// A `toCIDRSet` of blocks, each without an address.
fn cidr_set(blocks: &[(IpNet, IpAddr)]) -> String {
    let blocks: Vec<_> = blocks.iter().copied().map(without).collect();
    format!("`toCIDRSet: [{}]`", blocks.join(", "))
}

/// A block without an address.
fn without((block, address): (IpNet, IpAddr)) -> String {
    let (block, hole) = (quoted(block), quoted(IpNet::from(address)));
    format!("{{cidr: {block}, except: [{hole}]}}")
}

/// A block as YAML takes it between braces, where a colon means something.
fn quoted(block: IpNet) -> String {
    match block {
        IpNet::V4(_) => block.to_string(),
        IpNet::V6(_) => format!("\"{block}\""),
    }
}
