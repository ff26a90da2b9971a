//! The dependency picture of `ARCHITECTURE.md` is the one that cargo sees, and it points one way.
#![expect(clippy::unwrap_used, reason = "a failed look-up is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Our crates by the folder they live in, with the folders of ours that they are built from.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let folder = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let own = folder(package.manifest_path.parent().unwrap().as_std_path());
            let on = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .filter_map(|dependency| Some(folder(dependency.path.as_ref()?.as_std_path())))
                .collect();
            (own, on)
        })
        .collect()
}

/// The lines `crate -> crate, crate` of the block behind the marker in `ARCHITECTURE.md`.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md")).unwrap();
    text.split("<!-- dependencies -->")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once("->"))
        .map(|(from, to)| {
            let to = to
                .split(',')
                .map(str::trim)
                .filter(|name| *name != "nothing of ours");
            (from.trim().to_owned(), to.map(str::to_owned).collect())
        })
        .collect()
}

#[test]
fn the_documented_dependencies_are_the_real_ones() {
    assert_eq!(documented(), dependencies());
}

#[test]
fn dependencies_point_one_way() {
    // Pipeline order: a crate may depend only on crates to its left.
    let order = ["ir", "codegen-ebpf", "verifier", "compiler", "runtime-loader"];
    let position = |name: &str| order.iter().position(|known| *known == name).unwrap();
    for (name, on) in dependencies() {
        for dependency in on {
            assert!(
                position(&dependency) < position(&name),
                "{name} depends on {dependency}, which comes after it"
            );
        }
    }
}

#[test]
fn only_the_verifier_knows_z3_and_only_the_compiler_knows_yaml() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let users = |dependency: &str| -> BTreeSet<String> {
        metadata
            .workspace_packages()
            .iter()
            .filter(|package| {
                package
                    .dependencies
                    .iter()
                    .any(|known| known.name == dependency && known.kind == DependencyKind::Normal)
            })
            .map(|package| package.name.to_string())
            .collect()
    };
    assert_eq!(users("z3"), BTreeSet::from(["portcullis-verifier".to_owned()]));
    assert_eq!(
        users("granit-parser"),
        BTreeSet::from(["portcullis-compiler".to_owned()])
    );
    assert_eq!(
        users("k8s-openapi"),
        BTreeSet::from(["portcullis-compiler".to_owned()])
    );
    assert_eq!(users("aya"), BTreeSet::from(["portcullis-node".to_owned()]));
}
