//! The bundle: deterministic, and its description says what an event or a counter means.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, helpers included"
)]

mod shop;

use portcullis_codegen_ebpf::bundle::{Bundle, DESCRIPTION, File, InputDigest};
use serde_json::Value;

/// The shop's bundle, its endpoints added in the given order.
fn bundle(reversed: bool) -> Vec<File> {
    let model = shop::model();
    let mut inputs = vec![
        InputDigest::of("a.yaml", b"a"),
        InputDigest::of(shop::FILE, shop::MANIFEST.as_bytes()),
    ];
    let mut ids: Vec<_> = model.cluster.endpoint_ids().map(|(id, _)| id).collect();
    if reversed {
        ids.reverse();
        inputs.reverse();
    }
    let mut bundle = Bundle::new(inputs);
    for id in ids {
        shop::with_input(&model, id, |input| {
            bundle.add(input, shop::compile(&model, id)).unwrap();
        });
    }
    bundle.into_files().unwrap()
}

fn description(files: &[File]) -> Value {
    let file = files.iter().find(|file| file.path == DESCRIPTION).unwrap();
    serde_json::from_slice(&file.bytes).unwrap()
}

#[test]
fn order_of_work_does_not_show() {
    assert_eq!(bundle(false), bundle(true));
}

#[test]
fn every_object_is_described() {
    let files = bundle(false);
    let json = description(&files);
    let described: Vec<&str> = json["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|endpoint| endpoint["programs"].as_array().unwrap())
        .map(|program| program["object"].as_str().unwrap())
        .collect();
    let objects: Vec<&str> = files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| path.ends_with(".o"))
        .collect();
    assert_eq!(described.len(), 8);
    for object in &objects {
        assert!(described.contains(object), "{object}");
    }
    assert_eq!(objects.len(), described.len());
}

#[test]
fn the_description_reads_like_this() {
    let json = shortened();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

/// Everything but the endpoints, and of these the first web pod; digests of objects depend on every instruction and
/// are left out.
fn shortened() -> Value {
    let mut json = description(&bundle(false));
    let endpoints = json["endpoints"].as_array_mut().unwrap();
    let web = shop::endpoint(&shop::model(), "web-a");
    endpoints.retain(|endpoint| endpoint["number"] == web.0);
    for program in endpoints[0]["programs"].as_array_mut().unwrap() {
        program["sha256"] = "…".into();
        program["instructions"] = "…".into();
    }
    json
}
