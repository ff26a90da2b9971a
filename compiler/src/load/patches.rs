//! What kustomize lays over objects: patches, which are not objects themselves.
//!
//! A kustomization in the input holds its patches or names their files. Such a file holds a part of an object, or stands
//! for many (`name: "*"`): read as one it would be a second object of that name, with most of its fields missing. Patches
//! are not applied. Those of workloads and other context are left out; those of policies decide flows, so it is said of
//! each that the answers are about the policy as it is without.

use super::classify::decides_flows;
use super::{Object, Place, name_in_tree};
use crate::diagnostic::repository::plain;
use crate::diagnostic::{Code, Finding, ObjectName};
use crate::limits::Limits;
use crate::route;
use crate::route::Route;
use crate::source::Source;
use crate::tree::{self, Document, NodeId, Value};
use ir::origin::Origin;
use std::path::{Path, PathBuf};

/// A patch, as a kustomization has it.
pub(super) struct Patch {
    /// Where it is written, or its file is named.
    origin: Origin,
    /// What has to be rendered for it to be applied.
    folder: PathBuf,
    /// Its file, as a path from where the kustomization's is named from.
    file: Option<PathBuf>,
    /// The policy that it changes, where the kustomization says so; several may fit.
    policy: Option<ObjectName>,
}

/// A policy in a file that may be named as a patch.
pub(super) struct Fragment {
    /// As [`plain`] gives it.
    pub(super) file: PathBuf,
    pub(super) origin: Origin,
    pub(super) policy: ObjectName,
}

/// The files of patches.
pub(super) fn files(patches: &[Patch]) -> impl Iterator<Item = &Path> {
    patches.iter().filter_map(|patch| patch.file.as_deref())
}

/// The patches of a document that is a kustomization.
pub(super) fn of(place: &Place, limits: &Limits) -> Vec<Patch> {
    let (file, document) = (Path::new(&**place.source.name()), &*place.document);
    let root = document.root();
    if !is_kustomization(file, document) {
        return Vec::new();
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let patch = |route: Route, file: Option<&str>, policy: Option<ObjectName>| Patch {
        origin: place.key_origin(&route),
        folder: folder.to_owned(),
        file: file.map(|file| plain(&folder.join(file))),
        policy,
    };
    let mut patches = Vec::new();
    for field in ["patches", "patchesJson6902"] {
        for (index, &node) in elements(document, root, field).iter().enumerate() {
            let target = document.entry(node, "target");
            let policy = match (target, document.text(node, "patch")) {
                (Some(target), _) => targeted(document, target.value),
                (None, Some(text)) => written(text, limits),
                (None, None) => None,
            };
            let has = |key: &&str| document.entry(node, key).is_some();
            let told = ["path", "target", "patch"].into_iter().find(has);
            let route = route![field, index, told.unwrap_or("path")];
            patches.push(patch(route, document.text(node, "path"), policy));
        }
    }
    let field = "patchesStrategicMerge";
    for (index, &node) in elements(document, root, field).iter().enumerate() {
        if let Value::Scalar(scalar) = &document.node(node).value {
            // A path, or the patch.
            let (file, policy) = match scalar.text.contains('\n') {
                true => (None, written(&scalar.text, limits)),
                false => (Some(&*scalar.text), None),
            };
            patches.push(patch(route![field, index], file, policy));
        }
    }
    patches
}

fn is_kustomization(file: &Path, document: &Document) -> bool {
    let text = |key| document.text(document.root(), key);
    let name = file.file_name().unwrap_or_default();
    name == "kustomization.yaml"
        || name == "kustomization.yml"
        || (matches!(text("kind"), Some("Kustomization" | "Component"))
            && text("apiVersion").is_some_and(|version| version.starts_with("kustomize.config.k8s.io/")))
}

fn elements<'d>(document: &'d Document, root: NodeId, field: &str) -> &'d [NodeId] {
    let entry = document.entry(root, field);
    match entry.map(|entry| &document.node(entry.value).value) {
        Some(Value::Sequence(items)) => items,
        _ => &[],
    }
}

/// The policy that a patch's target selects. Its fields are regular expressions; of those, names with `|` in between are
/// understood.
fn targeted(document: &Document, target: NodeId) -> Option<ObjectName> {
    let kinds = document.text(target, "kind")?;
    let mut kinds = kinds.trim_matches(['^', '(', ')', '$']).split('|');
    let kind = kinds.find(|kind| decides_flows(kind))?;
    let text = |key| document.text(target, key).map(str::to_owned);
    Some(ObjectName {
        kind: kind.to_owned(),
        namespace: text("namespace"),
        name: text("name").unwrap_or_default(),
    })
}

/// The policy that a patch changes which a kustomization has as text.
fn written(text: &str, limits: &Limits) -> Option<ObjectName> {
    let stream = tree::parse(&Source::new("", text), limits);
    stream.documents.iter().find_map(policy)
}

/// The policy that a document is about.
pub(super) fn policy(document: &Document) -> Option<ObjectName> {
    let root = document.root();
    let kind = document.text(root, "kind").filter(|kind| decides_flows(kind))?;
    Some(name_in_tree(document, root, kind))
}

/// Says of each patch of a policy that it is not applied: where its text is.
pub(super) fn not_applied(patches: &[Patch], fragments: &[Fragment], objects: &[Object]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for fragment in fragments {
        let naming = |patch: &&Patch| patch.file.as_ref() == Some(&fragment.file);
        let naming: Vec<_> = patches.iter().filter(naming).collect();
        let policies = naming.iter().filter_map(|patch| patch.policy.as_ref());
        let base = std::iter::once(&fragment.policy)
            .chain(policies)
            .find_map(|policy| patched(policy, objects));
        let mut finding = finding(&fragment.policy, &fragment.origin, base);
        for patch in &naming {
            finding = finding.because(patch.origin.clone(), "named as a patch here");
        }
        findings.extend(naming.first().map(|patch| finding.help(patch.help())));
    }
    for patch in patches {
        let told = fragments
            .iter()
            .any(|fragment| patch.file.as_ref() == Some(&fragment.file));
        if let Some(policy) = patch.policy.as_ref().filter(|_| !told) {
            let finding = finding(policy, &patch.origin, patched(policy, objects));
            findings.push(finding.help(patch.help()));
        }
    }
    findings
}

impl Patch {
    fn help(&self) -> String {
        let folder = match self.folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.folder,
        };
        format!(
            "check what is applied: `kustomize build {} | portcullis check -`",
            folder.display()
        )
    }
}

/// The one object that a patch of this policy changes. Patches mostly leave the namespace to the kustomization.
fn patched<'o>(policy: &ObjectName, objects: &'o [Object]) -> Option<&'o Object> {
    let mut fitting = objects.iter().filter(|object| {
        let ObjectName {
            kind,
            namespace,
            name,
        } = &object.name;
        (kind, name) == (&policy.kind, &policy.name)
            && (policy.namespace.is_none() || *namespace == policy.namespace)
    });
    fitting.next().filter(|_| fitting.next().is_none())
}

fn finding(policy: &ObjectName, origin: &Origin, base: Option<&Object>) -> Finding {
    let ObjectName { kind, name, .. } = policy;
    let what = match name.is_empty() {
        true => format!("a {kind} is"),
        false => format!("the {kind} `{name}` is"),
    };
    let message = format!("{what} patched by a kustomization, and patches are not applied here");
    let finding = Finding::new(Code::PATCH_NOT_APPLIED, message).at(origin.clone(), "not applied");
    match base {
        Some(base) => finding
            .because(
                base.origin(&route!["metadata", "name"]),
                "every answer is about this, unpatched",
            )
            .about(base.name.clone()),
        None => finding.about(policy.clone()),
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::Limits;
    use crate::load::{self, Input};

    const WORKLOAD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";
    const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}}\n";

    fn kustomization(fields: &str) -> String {
        format!("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n{fields}")
    }

    fn read(files: &[(&str, &str)]) -> Input {
        let files = files.iter().map(|(name, text)| (*name, text.as_bytes()));
        load::load_bytes(files, &Limits::default())
    }

    /// Where each finding is, and what explains it.
    fn places(input: &Input) -> Vec<String> {
        let findings = input.findings.iter().map(|finding| {
            let labels = finding.labels.iter().map(|label| {
                let origin = &label.origin;
                format!(" {}:{}", origin.file, origin.line)
            });
            format!("{}{}", finding.code, labels.collect::<String>())
        });
        findings.collect()
    }

    #[test]
    fn patches_are_no_second_objects() {
        let kustomization = kustomization(
            "\
resources: [web.yaml]
patches:
  - path: patches/any.yaml
  - path: ../shared/./policy.yaml
patchesStrategicMerge: [patches/old.yaml]
",
        );
        let any = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: '*'}\npatches: []\n";
        let delete =
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n$patch: delete\n";
        let input = read(&[
            ("a/base/kustomization.yaml", &kustomization),
            ("a/base/web.yaml", WORKLOAD),
            ("a/base/patches/any.yaml", any),
            ("a/base/patches/old.yaml", WORKLOAD),
            ("a/shared/policy.yaml", delete),
            ("b/base/patches/any.yaml", WORKLOAD),
            ("b/policy.yaml", POLICY),
        ]);
        assert_eq!(
            places(&input),
            ["PC619 a/shared/policy.yaml:3 b/policy.yaml:3 a/base/kustomization.yaml:6"]
        );
        assert!(!input.findings.iter().any(|finding| finding.blocks_analysis));
        let read: Vec<_> = input
            .objects
            .iter()
            .map(|object| &**object.place.source.name())
            .collect();
        assert_eq!(
            read,
            ["a/base/web.yaml", "b/base/patches/any.yaml", "b/policy.yaml"]
        );
        let skipped: Vec<_> = input
            .skipped
            .iter()
            .map(|(kind, count)| (&**kind, *count))
            .collect();
        assert_eq!(skipped, [("(a patch)", 3), ("Kustomization", 1)]);
    }

    #[test]
    fn what_a_kustomization_says_of_policies_itself_is_told_there() {
        let operations = "[{op: remove, path: /spec/ingress}]\n";
        let kustomization = kustomization(
            "\
patches:
  - {path: operations.yaml, target: {kind: NetworkPolicy, name: p}}
  - {path: operations.yaml, target: {kind: Deployment, name: p}}
  - {target: {kind: (Deployment|CiliumNetworkPolicy)}, patch: '[]'}
  - patch: |-
      apiVersion: networking.k8s.io/v1
      kind: NetworkPolicy
      metadata: {name: p}
      $patch: delete
  - {patch: 'kind: Deployment'}
patchesJson6902:
  - {path: absent.yaml, target: {group: networking.k8s.io, version: v1, kind: NetworkPolicy, name: p, namespace: other}}
patchesStrategicMerge:
  - |
    kind: NetworkPolicy
    metadata: {name: q}
",
        );
        let input = read(&[
            ("kustomization.yaml", &kustomization),
            ("operations.yaml", operations),
            ("policy.yaml", POLICY),
        ]);
        assert_eq!(
            places(&input),
            [
                "PC619 kustomization.yaml:4 policy.yaml:3",
                "PC619 kustomization.yaml:6",
                "PC619 kustomization.yaml:7 policy.yaml:3",
                "PC619 kustomization.yaml:14",
                "PC619 kustomization.yaml:17",
            ]
        );
        let help = input.findings.first().and_then(|finding| finding.help.as_deref());
        assert_eq!(
            help,
            Some("check what is applied: `kustomize build . | portcullis check -`")
        );
    }
}
