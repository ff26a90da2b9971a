//! Generated policies of Cilium against a second reading of its documentation.
//!
//! A policy is generated as a value ([`policy`]), written as YAML by this test itself ([`yaml`]), and what it lets
//! through is worked out from the value by a small oracle ([`oracle`]) that knows Cilium's label arrays and its
//! documentation, and nothing of our reader, our vocabulary or our evaluator. Both are asked about every flow between a
//! fixed cluster's parties ([`world`]), on every port that the policies can tell apart.
//!
//! That it can fail was tried with 50 mistakes, planted one at a time where Cilium's policies are lowered and evaluated. It
//! catches each of these kinds, nearly always at the first run:
//!
//! - what wins: an allow above a deny, `enableDefaultDeny` ignored, a section of denies that does not isolate, a pod's own
//!   node kept out, `egressDeny` as an allow, only the first of `specs`, of a list of peers, of `toPorts` or of its ports read;
//! - what empty things mean: `{}`, an empty list of peers, `toPorts: [{}]`, port 0 and a missing protocol taken for something
//!   else;
//! - whom a selector means: the policy's namespace not added, or added beside a namespace's label, a namespace in the
//!   subject not replaced, `any:` and `k8s:` confused, `reserved.` not read, service accounts taken for labels, `NotIn`
//!   where the label is absent, who has no labels at all, and that a cluster-wide policy means pods;
//! - entities and nodes: `world` of one family, `cluster` of pods alone, any node as a remote one, `ingress` and `unmanaged`
//!   as somebody, the own node by `toNodes`, a pod on its node's network as a pod;
//! - addresses: exceptions ignored, of a block and of a group, blocks that match pods, an address as its network, the
//!   first of several groups, names in DNS that open;
//! - services of another namespace or with other labels, and pods of another namespace behind them;
//! - ports: `ANY` without SCTP, a range without its end, names of another protocol, of the source, or of another case;
//! - types of ICMP of the other family, by number and by name.
#![cfg(test)]

mod oracle;
mod policy;
mod world;
mod yaml;

use ir::evaluator;
use ir::flow::Flow;
use ir::model::Model;
use policy::Policy;
use portcullis_compiler::check::{self, Options};
use portcullis_compiler::limits::Limits;
use portcullis_compiler::load;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use world::{Party, Probe};

/// What the compiler makes of it.
fn read(policies: &str) -> Result<Model, String> {
    let files = [
        ("cluster.yaml", world::CLUSTER.as_bytes()),
        ("policies.yaml", policies.as_bytes()),
    ];
    let input = load::load_bytes(files, &Limits::default());
    let understood = check::understand_input(input, &Options::default());
    match understood.findings.iter().find(|finding| finding.blocks_analysis) {
        Some(finding) => Err(format!("refused: {} {}", finding.code, finding.message)),
        None => Ok(understood.model),
    }
}

/// Compares every flow; gives how many are open and how many closed.
fn agree(policies: &[Policy]) -> Result<(usize, usize), String> {
    let text = yaml::documents(policies);
    let model = read(&text).map_err(|why| format!("{why}\n{text}"))?;
    let mut counts = (0, 0);
    for from in world::parties() {
        for to in world::parties() {
            if from.address.is_ipv4() != to.address.is_ipv4() || !(from.is_pod() || to.is_pod()) {
                continue;
            }
            for probe in world::probes(from.address.is_ipv4()) {
                let expected = oracle::open(policies, &from, &to, probe);
                let found = evaluator::evaluate(&model, &flow(&model, &from, &to, probe)).allowed();
                if expected != found {
                    let said = |open| if open { "open" } else { "closed" };
                    return Err(format!(
                        "{from} -> {to}, {probe:?}: {} by the documentation, {} by us\n{text}",
                        said(expected),
                        said(found)
                    ));
                }
                if expected { counts.0 += 1 } else { counts.1 += 1 }
            }
        }
    }
    Ok(counts)
}

fn flow(model: &Model, from: &Party, to: &Party, probe: Probe) -> Flow {
    Flow {
        source: in_model(model, from),
        destination: in_model(model, to),
        protocol: probe.protocol,
        port: probe.port,
    }
}

/// The party that has this address.
fn in_model(model: &Model, party: &Party) -> ir::flow::Party {
    let cluster = &model.cluster;
    let address = party.address;
    let pod = cluster.endpoint_ids().find(|(_, pod)| match party.host_pod {
        Some(name) => pod.host_network && pod.name == name,
        None => !pod.host_network && pod.addresses.contains(&address),
    });
    let node = cluster
        .node_ids()
        .find(|(_, node)| node.addresses.contains(&address));
    match (pod, node) {
        (Some((id, _)), _) => ir::flow::Party::Endpoint {
            id,
            address: Some(address),
        },
        (None, Some((id, _))) => ir::flow::Party::Node {
            id,
            address: Some(address),
        },
        (None, None) => ir::flow::Party::Outside(address),
    }
}

#[test]
fn the_documentation_and_the_evaluator_say_the_same() {
    let counts = RefCell::new((0, 0));
    let said: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ir::testing::cases(300)
    });
    let outcome = runner.run(&policy::sets(), |policies| {
        let (open, closed) = agree(&policies).map_err(TestCaseError::fail)?;
        let mut counts = counts.borrow_mut();
        counts.0 += open;
        counts.1 += closed;
        for word in policies.iter().flat_map(Policy::words) {
            *said.borrow_mut().entry(word).or_default() += 1;
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        // As text: the Debug form of the failure escapes the lines.
        std::panic::panic_any(failure.to_string());
    }
    let (open, closed) = counts.into_inner();
    println!("{open} flows open, {closed} closed; said: {:?}", said.borrow());
    // A comparison where nearly everything is open, or closed, would compare little.
    assert!(open > (open + closed) / 10 && closed > (open + closed) / 10);
    for word in policy::WORDS {
        assert!(said.borrow().contains_key(word), "`{word}` was never said");
    }
}
