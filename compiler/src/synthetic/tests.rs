//! Shapes are kept, texts are what the front end takes, and nothing depends on chance.

use super::*;
use crate::check::{Options, understand_input};
use crate::limits::Limits;
use crate::load::load_bytes;
use ir::model::Model;

fn model(shape: &Shape) -> Model {
    let files = manifests(shape);
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes()));
    let understood = understand_input(load_bytes(texts, &Limits::default()), &Options::default());
    let blocking: Vec<_> = understood
        .findings
        .iter()
        .filter(|finding| finding.blocks_analysis)
        .map(|finding| &finding.message)
        .collect();
    assert_eq!(blocking, [""; 0]);
    understood.model
}

#[test]
fn a_shape_is_what_is_read() {
    let shape = Shape {
        workloads: 60,
        pods: 600,
        policies: 900,
        namespaces: 12,
        cilium: true,
        seed: 7,
    };
    let model = model(&shape);
    assert_eq!(model.cluster.endpoints().len(), shape.pods);
    assert_eq!(model.policies().len(), shape.policies);
    assert_eq!(model.cluster.namespaces().len(), shape.namespaces);
    assert_eq!(model.cluster.nodes().len(), shape.nodes());
    let labels: std::collections::BTreeSet<_> =
        model.cluster.endpoints().iter().map(|pod| &pod.labels).collect();
    assert_eq!(labels.len(), shape.workloads);
    let on_first = model.cluster.endpoints().iter();
    let on_first = on_first
        .filter(|pod| pod.node.as_deref() == Some("node-0"))
        .count();
    assert!(
        (PODS_PER_NODE - 10..=PODS_PER_NODE).contains(&on_first),
        "{on_first}"
    );

    let model = model_of_repository();
    assert_eq!(
        (model.cluster.endpoints().len(), model.policies().len()),
        (100, 100)
    );
}

fn model_of_repository() -> Model {
    model(&Shape::repository(100))
}

#[test]
fn one_seed_gives_one_cluster() {
    let shape = Shape::cluster(400);
    assert_eq!(manifests(&shape), manifests(&shape));
    assert_ne!(manifests(&shape), manifests(&Shape { seed: 2, ..shape }));
}
