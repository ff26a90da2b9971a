//! `compile`: a bundle or nothing, and never over what is no bundle.

use crate::program::{EXAMPLE, POLICY, Scratch, err, out, run, status};
use std::fs;
use std::path::{Path, PathBuf};

/// Every file below a directory with its bytes, by path.
fn tree(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.push((
                    path.strip_prefix(directory).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                ));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn compile_writes_a_bundle_or_nothing() {
    let scratch = Scratch::new("compile");
    let target = scratch.path("out");
    // Pods without addresses cannot be told apart.
    let output = run(&["compile", EXAMPLE, "-o", &target]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("PC506"), "{}", err(&output));
    assert!(!Path::new(&target).exists());

    assert_eq!(status(&["compile", EXAMPLE, "--place", "-o", &target]), 0);
    let first = tree(Path::new(&target));
    assert!(first.iter().any(|(path, _)| path == Path::new("bundle.json")));
    assert_eq!(
        first
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|e| e == "o"))
            .count(),
        10
    );

    // Again, with one thread, over the old one: the same bytes, and nothing left beside it.
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--jobs", "1", "-o", &target]),
        0
    );
    assert_eq!(tree(Path::new(&target)), first);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn compile_replaces_nothing_but_bundles() {
    let scratch = Scratch::new("replace");
    let refused = |name: &str, files: &[(&str, &str)]| {
        let directory = scratch.path(name);
        for (file, text) in files {
            let path = Path::new(&directory).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let before = tree(Path::new(&directory));
        let output = run(&["compile", EXAMPLE, "--place", "-o", &directory]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(err(&output).contains("is not a bundle"), "{}", err(&output));
        assert_eq!(tree(Path::new(&directory)), before, "{name}");
    };
    refused("photos", &[("cat.jpg", "")]);
    refused("another", &[("bundle.json", "{\"name\": \"npm\"}")]);
    refused(
        "notes",
        &[("bundle.json", "{\"format_version\": 1}"), ("notes.txt", "")],
    );
    refused(
        "source",
        &[("bundle.json", "{\"format_version\": 1}"), ("objects/main.c", "")],
    );
    refused(
        "nodes",
        &[("node-a/bundle.json", "{\"format_version\": 1}"), ("README", "")],
    );
    // An empty directory is nobody's.
    let empty = scratch.path("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(status(&["compile", EXAMPLE, "--place", "-o", &empty]), 0);
}

#[test]
fn compile_writes_one_bundle_for_a_node_and_one_for_each() {
    let scratch = Scratch::new("nodes");
    let (one, all) = (scratch.path("one"), scratch.path("all"));
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--node", "node-a", "-o", &one]),
        0
    );
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--all-nodes", "-o", &all]),
        0
    );
    assert_eq!(tree(Path::new(&one)), tree(&Path::new(&all).join("node-a")));
    assert!(Path::new(&all).join("node-b/bundle.json").is_file());
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--all-nodes", "-o", &all]),
        0
    );
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--node", "node-x", "-o", &one]),
        2
    );
}

#[test]
fn a_dump_shows_instructions_below_their_lines() {
    let scratch = Scratch::new("dump");
    let target = scratch.path("out");
    let output = run(&[
        "compile",
        EXAMPLE,
        "--place",
        "--dump",
        "shop/frontend-0",
        "-o",
        &target,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    assert!(text.contains("# shop/frontend-0, from_pod"), "{text}");
    assert!(text.contains("; - port: http ["), "{text}");
    let output = run(&[
        "compile",
        EXAMPLE,
        "--place",
        "--dump",
        "shop/nobody",
        "-o",
        &target,
    ]);
    assert_eq!(output.status.code(), Some(2));
}

/// What a patch changes is not known here, so nodes are not told to enforce what it was before.
#[test]
fn compile_refuses_a_policy_that_a_kustomization_patches() {
    let scratch = Scratch::new("patched");
    let policies = scratch.path("policies");
    scratch.file("policies/deny.yaml", POLICY);
    scratch.file(
        "policies/pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web}]}\n",
    );
    let target = scratch.path("out");
    let compile = ["compile", "--no-config", &policies, "--place", "-o", &target];
    assert_eq!(status(&compile), 0);
    fs::remove_dir_all(&target).unwrap();
    scratch.file(
        "policies/production/kustomization.yaml",
        "resources: [..]\npatches: [{target: {kind: NetworkPolicy}, patch: '[{op: remove, path: /spec/egress}]'}]\n",
    );
    let output = run(&compile);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("error[PC619]"), "{}", err(&output));
    assert!(!Path::new(&target).exists());
    assert_eq!(status(&["check", "--no-config", &policies]), 0);
}
