//! Which file a tool made a document from, where it says so.
//!
//! `helm template` writes `# Source: chart/templates/policy.yaml` in front of each document. `kustomize build` with
//! `buildMetadata: [originAnnotations]` adds the annotation `config.kubernetes.io/origin`, a small YAML text with
//! `path`, and `repo` and `ref` for what comes from elsewhere; for what a generator made, `configuredIn`. Its function
//! runners add `internal.config.kubernetes.io/path`, or the older `config.kubernetes.io/path`.
//!
//! The rendered text stays the place of a finding: it is what was read, and what line numbers count in.

use crate::source::Source;
use crate::tree::{Document, NodeId, Placement};
use std::sync::Arc;

/// The file that the document was made from.
pub(super) fn of(source: &Source, document: &Document) -> Option<Arc<str>> {
    let annotations = document
        .entry(document.root(), "metadata")
        .and_then(|metadata| document.entry(metadata.value, "annotations"))
        .map(|annotations| annotations.value);
    helm(source, document)
        .or_else(|| kustomize(document, annotations?))
        .map(Into::into)
}

fn helm(source: &Source, document: &Document) -> Option<String> {
    let root = document.node(document.root()).span;
    document
        .comments
        .iter()
        .filter(|comment| comment.placement == Placement::OwnLine && comment.span.end <= root.start)
        .find_map(|comment| named(source.slice(comment.span).strip_prefix("# Source: ")?))
}

fn kustomize(document: &Document, annotations: NodeId) -> Option<String> {
    let text = |key| document.text(annotations, key);
    let Some(origin) = text("config.kubernetes.io/origin") else {
        return ["internal.config.kubernetes.io/path", "config.kubernetes.io/path"]
            .into_iter()
            .find_map(|key| named(text(key)?));
    };
    let field = |name: &str| {
        origin
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(key, value)| named(value).filter(|_| key == name))
    };
    let path = field("path").or_else(|| field("configuredIn"))?;
    Some(match (field("repo"), field("ref")) {
        (Some(repo), Some(version)) => format!("{repo}//{path}?ref={version}"),
        (Some(repo), None) => format!("{repo}//{path}"),
        (None, _) => path,
    })
}

fn named(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::limits::Limits;
    use crate::load;

    #[test]
    fn documents_say_what_they_were_made_from() {
        let text = "\
---
# Source: shop/templates/policy.yaml
apiVersion: v1
kind: ConfigMap
---
apiVersion: v1
kind: ConfigMap # Source: not this
---
apiVersion: v1
kind: ConfigMap
metadata:
  annotations:
    config.kubernetes.io/origin: |
      path: base/policy.yaml
      repo: https://example.org/policies
      ref: v1.2
---
apiVersion: v1
kind: ConfigMap
metadata:
  annotations:
    config.kubernetes.io/origin: |
      configuredIn: kustomization.yaml
      configuredBy:
        apiVersion: builtin
---
apiVersion: v1
kind: ConfigMap
metadata:
  annotations:
    internal.config.kubernetes.io/path: 'policy.yaml'
";
        let input = load::load_bytes([("a.yaml", text.as_bytes())], &Limits::default());
        let made_from: Vec<_> = input
            .templates
            .iter()
            .map(|((_, document), from)| (*document, &**from))
            .collect();
        assert_eq!(
            made_from,
            [
                (0, "shop/templates/policy.yaml"),
                (2, "https://example.org/policies//base/policy.yaml?ref=v1.2"),
                (3, "kustomization.yaml"),
                (4, "policy.yaml"),
            ]
        );
    }
}
