//! Fragments that kustomize lays over objects: not objects themselves.
//!
//! A kustomization in the input names the files of its patches. What such a file holds of workloads and other context is
//! a part of an object, or stands for many (`name: "*"`): read as one it would be a second object of that name, with
//! most of its fields missing. Fragments of policies are read all the same: what they change decides flows, and two
//! policies of one name are reported.

use crate::tree::{Document, NodeId, Value};
use std::path::{Component, Path, PathBuf};

/// The files that a kustomization names as patches, as paths from where `file` is named from.
pub(super) fn named(file: &str, document: &Document) -> Vec<PathBuf> {
    let root = document.root();
    let name = Path::new(file).file_name().unwrap_or_default();
    let is_kustomization = name == "kustomization.yaml"
        || name == "kustomization.yml"
        || (matches!(document.text(root, "kind"), Some("Kustomization" | "Component"))
            && document
                .text(root, "apiVersion")
                .is_some_and(|version| version.starts_with("kustomize.config.k8s.io/")));
    if !is_kustomization {
        return Vec::new();
    }
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let with_path = ["patches", "patchesJson6902"]
        .into_iter()
        .flat_map(|field| elements(document, root, field))
        .filter_map(|patch| document.text(patch, "path"));
    let bare = elements(document, root, "patchesStrategicMerge").filter_map(|patch| scalar(document, patch));
    with_path
        .chain(bare)
        .map(|path| plain(&folder.join(path)))
        .collect()
}

fn elements<'d>(document: &'d Document, root: NodeId, field: &str) -> impl Iterator<Item = NodeId> + use<'d> {
    let items = document
        .entry(root, field)
        .and_then(|entry| match &document.node(entry.value).value {
            Value::Sequence(items) => Some(&**items),
            _ => None,
        });
    items.unwrap_or_default().iter().copied()
}

fn scalar(document: &Document, node: NodeId) -> Option<&str> {
    match &document.node(node).value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

/// A path without `.`, and without `..` where the name before it is known.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use crate::limits::Limits;
    use crate::load;

    #[test]
    fn patches_are_no_second_objects_unless_they_are_policies() {
        let kustomization = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [web.yaml]
patches:
  - path: patches/any.yaml
  - path: ../shared/./policy.yaml
patchesStrategicMerge: [patches/old.yaml]
";
        let workload = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";
        let any = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: '*'}\npatches: []\n";
        let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {}\n";
        let files = [
            ("a/base/kustomization.yaml", kustomization),
            ("a/base/web.yaml", workload),
            ("a/base/patches/any.yaml", any),
            ("a/base/patches/old.yaml", workload),
            ("a/shared/policy.yaml", policy),
            ("b/base/patches/any.yaml", workload),
        ];
        let files = files.map(|(name, text)| (name, text.as_bytes()));
        let input = load::load_bytes(files, &Limits::default());
        assert_eq!(input.findings, []);
        let read: Vec<_> = input
            .objects
            .iter()
            .map(|object| &**object.place.source.name())
            .collect();
        assert_eq!(
            read,
            [
                "a/base/web.yaml",
                "a/shared/policy.yaml",
                "b/base/patches/any.yaml"
            ]
        );
        let skipped: Vec<_> = input
            .skipped
            .iter()
            .map(|(kind, count)| (&**kind, *count))
            .collect();
        assert_eq!(skipped, [("(a patch)", 2), ("Kustomization", 1)]);
    }
}
