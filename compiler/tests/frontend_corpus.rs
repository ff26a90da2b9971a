//! Real manifests, made by others: every file loads, and every finding is a true one.
#![expect(clippy::print_stderr, reason = "an absent corpus must be seen")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use portcullis_compiler::limits::Limits;
use portcullis_compiler::load;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The folder of manifests; `None`, said loudly, when there is none.
fn corpus(part: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    let root = std::env::var_os("PORTCULLIS_CORPUS").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = root.join(part);
    if !path.is_dir() {
        eprintln!(
            "SKIPPED (no corpus): {} is not a directory; set PORTCULLIS_CORPUS",
            path.display()
        );
        return None;
    }
    Some(path)
}

/// Findings of a part of the corpus, as `CODE file message`.
fn findings(part: &str) -> Option<(usize, Vec<String>)> {
    let path = corpus(part)?;
    let input = load::load(std::slice::from_ref(&path), &Limits::default()).unwrap();
    let root = format!("{}/", path.display());
    let said = input.findings.iter().map(|finding| {
        let place = finding
            .primary()
            .map(|label| label.origin.to_string().replace(&root, ""));
        format!(
            "{} {} {}",
            finding.code,
            place.unwrap_or_default(),
            finding.message
        )
    });
    Some((input.objects.len(), said.collect()))
}

#[test]
fn everyday_manifests_give_no_false_alarm() {
    for part in ["argo-cd", "kube-prometheus", "kubeflow", "online-boutique"] {
        let Some((objects, said)) = findings(part) else {
            continue;
        };
        assert!(objects > 10, "{part}: {objects} objects");
        assert_eq!(said, Vec::<String>::new(), "{part}");
    }
}

#[test]
fn true_mistakes_are_found() {
    if let Some((_, said)) = findings("np-guard") {
        let misspelt = "unknown field `containerport` in `ContainerPort`";
        assert_eq!(
            said,
            [
                format!("PC102 netpol_named_port_test/manifests/pods.yaml:32:11 {misspelt}"),
                format!("PC102 netpol_named_port_test_2/manifests/pods.yaml:32:11 {misspelt}"),
            ]
        );
    }
}

#[test]
fn no_policy_is_passed_over() {
    let Some(path) = corpus("cilium-connectivity") else {
        return;
    };
    let input = load::load(&[path], &Limits::default()).unwrap();
    let mut outcomes: BTreeMap<&str, bool> = BTreeMap::new();
    for object in &input.objects {
        outcomes.insert(object.place.source.name(), true);
    }
    for finding in &input.findings {
        let file = finding.primary().map_or("", |label| &*label.origin.file);
        // Templates do not parse, or parse into something else.
        assert!(
            matches!(finding.code.number(), 101 | 104),
            "{file}: {}",
            finding.message
        );
        assert!(finding.blocks_analysis);
        outcomes.insert(file, false);
    }
    for (_, source) in input.sources.iter() {
        assert!(
            outcomes.contains_key(&**source.name()),
            "{} was ignored",
            source.name()
        );
    }
}
