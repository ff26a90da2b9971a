//! Guarantees held against every flow of small clusters, judged one by one by the evaluator.

use std::net::IpAddr;

use ir::cluster::{Cluster, Family};
use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::port::{PortMatch, Protocol};
use ir::testing::{self, Profile};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::check::{Outcome, prove};
use super::super::meaning::{Guarantee, resolve};
use super::super::parse;
use crate::generated::{self, Shape};
use crate::options::Options;
use crate::region::Scene;

/// The model with a second pod of every workload that may have one.
fn with_twins(model: &Model) -> Model {
    let cluster = &model.cluster;
    let twins = cluster
        .endpoints()
        .iter()
        .filter(|pod| pod.workload.replicated && pod.addresses.is_empty() && !pod.host_network);
    let pods = cluster.endpoints().iter().chain(twins).cloned();
    let namespaces = cluster.namespaces().clone();
    Model::new(
        Cluster::new(namespaces, pods, cluster.nodes().to_vec()).named(cluster.name()),
        model.policies().to_vec(),
    )
}

/// Everybody, at every address that makes a difference.
fn parties(model: &Model) -> Vec<Party> {
    let all = testing::parties(model);
    let mut addresses: Vec<IpAddr> = all.iter().filter_map(|party| party.address()).collect();
    addresses.extend(
        ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"].map(|a| a.parse::<IpAddr>().unwrap()),
    );
    all.into_iter()
        .flat_map(|party| match party {
            Party::Endpoint { id, address: None } => addresses
                .iter()
                .map(|address| Party::Endpoint {
                    id,
                    address: Some(*address),
                })
                .collect(),
            Party::SomeNode => vec![],
            party => vec![party],
        })
        .collect()
}

fn ports(model: &Model, guarantee: &Guarantee) -> Vec<(Protocol, u16)> {
    let mut ports = testing::ports(model);
    let region = &guarantee.region;
    for port in region
        .any_of
        .iter()
        .chain(&region.except)
        .flat_map(|clause| clause.ports.iter().flatten())
    {
        match port {
            PortMatch::Numbers { first, last, .. } => {
                for number in [*first, *last, first.saturating_sub(1), last.saturating_add(1)] {
                    ports.extend(Protocol::TRANSPORT.map(|protocol| (protocol, number)));
                }
            }
            PortMatch::Icmp {
                protocol,
                message_type,
            } => ports.push((*protocol, u16::from(*message_type))),
            PortMatch::Name { .. } => {}
        }
    }
    ports.sort();
    ports.dedup();
    ports
}

/// Whether it is a flow that policies decide, between two ends that can meet.
fn is_real(cluster: &Cluster, flow: &Flow) -> bool {
    let (Some(source), Some(destination)) = (flow.source.family(), flow.destination.family()) else {
        return false;
    };
    let pod = |party| match party {
        Party::Endpoint { id, .. } => cluster.endpoint(id),
        _ => None,
    };
    let family_fits = match flow.protocol {
        Protocol::Icmp => source == Family::V4,
        Protocol::Icmpv6 => source == Family::V6,
        _ => true,
    };
    let node_fits = |node: Party, other: Party, is_source: bool| match node {
        Party::Node { id, .. } => pod(other).is_some_and(|pod| {
            let own = pod.node.as_ref();
            own.is_some_and(|own| !is_source || *own != cluster.node(id).unwrap().name)
        }),
        _ => true,
    };
    source == destination
        && flow.source.address() != flow.destination.address()
        && family_fits
        && (pod(flow.source).is_some() || pod(flow.destination).is_some())
        && node_fits(flow.source, flow.destination, true)
        && node_fits(flow.destination, flow.source, false)
        && match (flow.source, flow.destination) {
            (Party::Endpoint { id: a, .. }, Party::Endpoint { id: b, .. }) => a != b,
            _ => true,
        }
}

/// Every flow of the cluster that policies decide.
pub(crate) fn every_flow(model: &Model) -> Vec<Flow> {
    let parties = parties(model);
    let ports = testing::ports(model);
    let mut found = vec![];
    for source in &parties {
        for destination in &parties {
            for (protocol, port) in &ports {
                let flow = Flow {
                    source: *source,
                    destination: *destination,
                    protocol: *protocol,
                    port: *port,
                };
                if is_real(&model.cluster, &flow) {
                    found.push(flow);
                }
            }
        }
    }
    found
}

/// Every flow that the guarantee speaks of, with whether it is allowed.
fn flows(model: &Model, guarantee: &Guarantee) -> Vec<(Flow, bool)> {
    let parties = parties(model);
    let ports = ports(model, guarantee);
    let mut found = vec![];
    for source in &parties {
        for destination in &parties {
            for (protocol, port) in &ports {
                let flow = Flow {
                    source: *source,
                    destination: *destination,
                    protocol: *protocol,
                    port: *port,
                };
                let scene = Scene {
                    cluster: &model.cluster,
                    flow: &flow,
                    api_server: false,
                };
                if is_real(&model.cluster, &flow) && guarantee.region.contains(scene) {
                    found.push((flow, evaluator::evaluate(model, &flow).allowed()));
                }
            }
        }
    }
    found
}

fn compare(model: &Model, text: &str) -> Result<(), TestCaseError> {
    let (statements, problems) = parse(text);
    prop_assert!(problems.is_empty(), "{}: {:?}", text, problems);
    let Ok(guarantee) = resolve(model, &statements[0]) else {
        return Ok(());
    };
    let world = with_twins(model);
    let flows = flows(&world, &guarantee);
    let against = flows.iter().find(|(_, allowed)| *allowed != guarantee.wanted);
    match prove(model, &guarantee, &Options::default()).unwrap() {
        Outcome::Holds => prop_assert!(against.is_none(), "`{}` holds, and there is {:?}", text, against),
        Outcome::Vacuous => prop_assert!(
            flows.is_empty(),
            "`{}` is vacuous, and there is {:?}",
            text,
            flows[0]
        ),
        Outcome::Unknown(reason) => prop_assert!(false, "{}", reason),
        // Replayed already; between pods of the input, the flow is one of those listed.
        Outcome::Violated(example) => {
            let pod = |party| matches!(party, Party::Endpoint { .. });
            let flow = example.witness.flow;
            if guarantee.region.existing && pod(flow.source) && pod(flow.destination) {
                prop_assert!(
                    against.is_some(),
                    "`{}`: only {} does not fit",
                    text,
                    example.witness
                );
            }
        }
    }
    Ok(())
}

#[derive(Clone, Debug)]
enum Named {
    Text(&'static str),
    Pod(Index),
}

fn end(strict: bool) -> impl Strategy<Value = Named> {
    let pods = select(
        &[
            "ns:shop",
            "ns:dev/*",
            "ns:gone",
            "ns:*",
            "pods[app=a]",
            "ns:shop[app in (a, b)]",
            "ns:dev[!app]",
            "ns:{env=a}",
            "ns:{env!=b}[tier]",
            "pods[app notin (a)]",
            "account:shop/robot",
        ][..],
    );
    let others = select(
        &[
            "world",
            "world-ipv6",
            "nodes",
            "nodes[app=a]",
            "host",
            "remote-node",
            "cluster",
            "all",
            "10.0.0.0/8",
            "10.0.1.7",
            "fd00::/8",
        ][..],
    );
    let others_too = if strict { 0 } else { 4 };
    prop_oneof![
        8 => pods.prop_map(Named::Text),
        3 => any::<Index>().prop_map(Named::Pod),
        others_too => others.prop_map(Named::Text),
    ]
}

#[derive(Clone, Debug)]
struct Sketch {
    form: &'static str,
    ends: [Vec<Named>; 2],
    port: &'static str,
    except: Option<(Named, &'static str)>,
    existing: bool,
}

fn sketch(strict: bool) -> impl Strategy<Value = Sketch> {
    let ends = || prop::collection::vec(end(strict), 1..3);
    let port = || {
        select(
            &[
                "",
                "",
                "port 80",
                "port http",
                "port 80-443/ANY, icmp/8",
                "port */UDP, HTTP/ANY",
            ][..],
        )
    };
    (
        select(if strict {
            &["never", "always"][..]
        } else {
            &["never", "always", "only", "isolated"][..]
        }),
        ends(),
        ends(),
        port(),
        prop::option::of((end(strict), select(&["", "port 81", "port dns/ANY"][..]))),
        any::<bool>(),
    )
        .prop_map(move |(form, from, to, port, except, existing)| Sketch {
            form,
            ends: [from, to],
            port,
            except,
            existing: existing || strict,
        })
}

impl Sketch {
    fn text(&self, model: &Model) -> String {
        let name = |named: &Named| match named {
            Named::Text(text) => (*text).to_owned(),
            Named::Pod(index) => format!("pod:{}", index.get(model.cluster.endpoints())),
        };
        let list = |ends: &[Named]| ends.iter().map(name).collect::<Vec<_>>().join(", ");
        let mut text = format!("{} {}", self.form, list(&self.ends[0]));
        if self.form != "isolated" {
            text.push_str(&format!(" -> {}", list(&self.ends[1])));
        }
        text.push_str(&format!(" {}", self.port));
        if let Some((end, port)) = &self.except {
            text.push_str(&format!(" except to {} {port}", name(end)));
        }
        if self.existing {
            text.push_str(" for existing");
        }
        text
    }
}

const ONE_TIER: Shape = Shape {
    tiers: false,
    domains: false,
    policies: 4,
};

const THREE_TIERS: Shape = Shape {
    tiers: true,
    ..ONE_TIER
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn of_one_tier(
        model in generated::model(ONE_TIER),
        sketches in prop::collection::vec(sketch(false), 4),
    ) {
        for sketch in sketches {
            compare(&model, &sketch.text(&model))?;
        }
    }

    #[test]
    fn of_three_tiers(
        model in generated::model(THREE_TIERS),
        sketches in prop::collection::vec(sketch(false), 4),
    ) {
        for sketch in sketches {
            compare(&model, &sketch.text(&model))?;
        }
    }

    #[test]
    fn between_existing_pods(
        model in generated::model(ONE_TIER),
        sketches in prop::collection::vec(sketch(true), 4),
    ) {
        for sketch in sketches {
            compare(&model, &sketch.text(&model))?;
        }
    }

    #[test]
    fn of_network_policies(
        model in testing::models(Profile::network_policy()),
        sketches in prop::collection::vec(sketch(false), 2),
    ) {
        if model.cluster.endpoints().is_empty() {
            return Ok(());
        }
        for sketch in sketches {
            compare(&model, &sketch.text(&model))?;
        }
    }
}
