//! Bytes as YAML: limits hold, every span is in the text, and what libyaml reads too says the same to both.

use super::{LIMITS, findings};
use crate::limits::Limits;
use crate::load;
use crate::source::{Source, Span};
use crate::tree::{self, Document, NodeId, Style, Value};
use serde::Deserialize;

pub(super) fn ask(bytes: &[u8]) {
    let input = load::load_bytes([("input.yaml", bytes)], &LIMITS);
    findings::render(&input.findings, &input.sources, true);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    limits_hold(text, &LIMITS);
    spans_are_the_text(text);
    let same = agrees_with_libyaml(text);
    assert_eq!(same, Ok(()), "{text:?}");
}

/// What is read is within the limits, and whatever points at the text points into it.
fn limits_hold(text: &str, limits: &Limits) {
    let source = Source::new("input.yaml", text);
    let stream = tree::parse(&source, limits);
    for fault in &stream.faults {
        is_inside(&source, fault.span);
    }
    assert!(stream.documents.len() <= limits.documents);
    for document in &stream.documents {
        assert!(
            document.node_count() <= limits.nodes,
            "{} nodes",
            document.node_count()
        );
        for comment in &document.comments {
            is_inside(&source, comment.span);
            assert!(source.slice(comment.span).starts_with('#'), "{comment:?}");
        }
        let mut nodes = 0;
        walk(&source, document, document.root(), limits, 0, &mut nodes);
    }
}

fn walk(source: &Source, document: &Document, id: NodeId, limits: &Limits, depth: usize, nodes: &mut u64) {
    *nodes += 1;
    assert!(*nodes <= limits.expanded_nodes, "more than {nodes} nodes");
    let node = document.node(id);
    is_inside(source, node.span);
    if let Some(tag) = document.tag(id) {
        is_inside(source, tag.span);
    }
    let below = depth + 1;
    match &node.value {
        Value::Scalar(_) => return,
        Value::Sequence(elements) => {
            for &element in elements.iter() {
                walk(source, document, element, limits, below, nodes);
            }
        }
        Value::Mapping(mapping) => {
            for entry in &mapping.entries {
                walk(source, document, entry.key, limits, below, nodes);
                walk(source, document, entry.value, limits, below, nodes);
            }
        }
    }
    assert!(below <= limits.depth, "{below} levels");
}

fn is_inside(source: &Source, span: Span) {
    let text = source.text().get(span.start as usize..span.end as usize);
    assert!(text.is_some(), "{span:?} of {:?}", source.text());
}

/// Every scalar's span is its text: written alone, it reads as the same scalar. Panics where it is not.
pub fn spans_are_the_text(text: &str) {
    let source = Source::new("input.yaml", text);
    for document in tree::parse(&source, &Limits::default()).documents {
        let mut pending: Vec<NodeId> = vec![document.root()];
        let mut steps = 0;
        while let Some(id) = pending.pop() {
            steps += 1;
            if steps > 10_000 {
                return;
            }
            let node = document.node(id);
            match &node.value {
                Value::Sequence(elements) => pending.extend(elements),
                Value::Mapping(mapping) => {
                    pending.extend(mapping.entries.iter().flat_map(|e| [e.key, e.value]));
                }
                Value::Scalar(scalar) => {
                    let slice = source.slice(node.span);
                    let (start, end) = (source.position(node.span.start), source.position(node.span.end));
                    assert!(start <= end);
                    assert_eq!(source.offset(start), Some(node.span.start), "{slice:?}");
                    match scalar.style {
                        Style::Plain if !slice.contains(['\n', '\r']) => assert_eq!(slice, &*scalar.text),
                        Style::SingleQuoted | Style::DoubleQuoted if !slice.contains(['\n', '\r']) => {
                            assert_eq!(alone(slice).as_deref(), Some(&*scalar.text));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

/// What a text reads as, when it is one scalar.
fn alone(text: &str) -> Option<String> {
    let source = Source::new("alone.yaml", text);
    let stream = tree::parse(&source, &Limits::default());
    let document = stream.documents.first()?;
    Some(document.scalar(document.root())?.text.to_string())
}

/// Our tree against libyaml's, of which Kubernetes' reader is a port: where both accept a text, both see the same
/// structure and the same strings. What differs in meaning by design (numbers, booleans, tags, merges) is not compared.
/// What libyaml refuses for a tab, we refuse, and what we refuse for its sake it refuses.
///
/// # Errors
/// Where they differ: both, as text.
pub fn agrees_with_libyaml(text: &str) -> Result<(), String> {
    let source = Source::new("input.yaml", text);
    let stream = tree::parse(&source, &Limits::default());
    // Kubernetes reads JSON as JSON, where a line separator is text like any other.
    let is_json_matter = text.contains(['\u{85}', '\u{2028}', '\u{2029}']);
    let for_a_tab = |fault: &tree::StreamFault| matches!(&fault.kind, tree::StreamFaultKind::Syntax(reason) if reason.contains("tab") && reason.contains("Kubernetes' reader"));
    if !stream.faults.is_empty() && stream.faults.iter().all(for_a_tab) && by_libyaml(text).is_ok() {
        return Err(format!("libyaml takes the tab: {:?}", stream.faults));
    }
    if !stream.faults.is_empty() || text.contains("<<") || is_json_matter {
        return Ok(());
    }
    let Ok(theirs) = by_libyaml(text) else {
        // Nothing but tabs is in the way: then they are in Kubernetes' way too, unless it reads JSON.
        let spaced = text.replace('\t', " ");
        let only_tabs = spaced != text && by_libyaml(&spaced).is_ok() && !tree::is_json(text);
        return if only_tabs {
            Err("libyaml refuses a tab".to_owned())
        } else {
            Ok(())
        };
    };
    if theirs.len() != stream.documents.len() {
        // An empty stream is one null document to one and none to the other.
        let empty = theirs.iter().all(serde_yaml::Value::is_null);
        let ours_empty = stream
            .documents
            .iter()
            .all(|document| document.is_null(document.root()));
        return if empty && ours_empty {
            Ok(())
        } else {
            Err(format!(
                "{} documents, not {}",
                stream.documents.len(),
                theirs.len()
            ))
        };
    }
    for (document, value) in stream.documents.iter().zip(&theirs) {
        same(document, document.root(), value)?;
    }
    Ok(())
}

fn by_libyaml(text: &str) -> Result<Vec<serde_yaml::Value>, serde_yaml::Error> {
    serde_yaml::Deserializer::from_str(text)
        .map(serde_yaml::Value::deserialize)
        .collect()
}

fn same(document: &Document, id: NodeId, theirs: &serde_yaml::Value) -> Result<(), String> {
    let node = document.node(id);
    let differ = || Err(format!("{:?} is not {theirs:?}", node.value));
    match (&node.value, theirs) {
        (_, serde_yaml::Value::Tagged(_)) => Ok(()),
        (Value::Scalar(ours), serde_yaml::Value::String(text)) if *text != *ours.text => differ(),
        (Value::Scalar(_), serde_yaml::Value::Mapping(_) | serde_yaml::Value::Sequence(_)) => differ(),
        (Value::Scalar(_), _) => Ok(()),
        (Value::Sequence(ours), serde_yaml::Value::Sequence(theirs)) if ours.len() == theirs.len() => ours
            .iter()
            .zip(theirs)
            .try_for_each(|(&ours, theirs)| same(document, ours, theirs)),
        (Value::Mapping(_), _) if !document.faults(id).is_empty() => Ok(()),
        (Value::Mapping(ours), serde_yaml::Value::Mapping(theirs)) if ours.entries.len() == theirs.len() => {
            ours.entries
                .iter()
                .zip(theirs)
                .try_for_each(|(ours, (key, value))| {
                    same(document, ours.key, key)?;
                    same(document, ours.value, value)
                })
        }
        _ => differ(),
    }
}
