//! Fixes as code actions.

use super::analysis::Analysis;
use super::diagnostics;
use crate::diagnostic::{Applicability, Edit, Finding, Fix, escape};
use crate::fixes;
use lsp_types::{CodeActionParams, Range};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Of all safe fixes of a document at once.
const FIX_ALL: &str = "source.fixAll.portcullis";

/// What a client has to know to be told where an edit goes.
pub(super) struct Documents<'a> {
    pub(super) uri: &'a dyn Fn(&str) -> String,
    pub(super) version: &'a dyn Fn(&str) -> Option<i32>,
    /// Whether the client takes edits with the version that they are for.
    pub(super) versioned: bool,
    /// Whether it shows related places.
    pub(super) related: bool,
}

/// The actions for a range of a file.
pub(super) fn actions(
    analysis: &Analysis,
    file: &str,
    params: &CodeActionParams,
    documents: &Documents<'_>,
) -> Vec<Value> {
    if !analysis.sources.contains_key(file) {
        return Vec::new();
    }
    let wants = |kind: &str| {
        let only = params.context.only.as_deref();
        only.is_none_or(|only| {
            only.iter().any(|wanted| {
                let wanted = wanted.as_str();
                let below = kind.strip_prefix(wanted);
                below.is_some_and(|rest| wanted.is_empty() || rest.is_empty() || rest.starts_with('.'))
            })
        })
    };
    let mut actions = Vec::new();
    if wants("quickfix") {
        for finding in analysis.findings.iter().filter(|finding| finding.counts()) {
            let Some(primary) = finding.primary().filter(|label| *label.origin.file == *file) else {
                continue;
            };
            let range = diagnostics::range(analysis, &primary.origin);
            if !meet(range, params.range) {
                continue;
            }
            let diagnostic =
                diagnostics::diagnostic(analysis, finding, primary, documents.uri, documents.related);
            let alone = finding.fixes.len() == 1;
            for fix in &finding.fixes {
                actions.push(json!({
                    "title": title(finding, fix),
                    "kind": "quickfix",
                    "diagnostics": [diagnostic],
                    "isPreferred": alone && fix.applicability == Applicability::Safe,
                    "edit": workspace_edit(analysis, &fix.edits.iter().collect::<Vec<_>>(), documents),
                }));
            }
        }
    }
    // Offered when asked for: on save, or from the menu of the source's actions.
    if params.context.only.is_some() && wants(FIX_ALL) {
        let selection = fixes::select(&analysis.findings, false);
        let edits = selection.by_file().remove(file).unwrap_or_default();
        if !edits.is_empty() {
            actions.push(json!({
                "title": "Mend everything that is beyond doubt",
                "kind": FIX_ALL,
                "edit": workspace_edit(analysis, &edits, documents),
            }));
        }
    }
    actions
}

fn title(finding: &Finding, fix: &Fix) -> String {
    let doubt = match fix.applicability {
        Applicability::Safe => "",
        Applicability::Suggestion => " (a suggestion)",
    };
    let title = format!("{}: {}{doubt}", finding.code, fix.title);
    escape::message(&title).replace('\n', " ")
}

fn meet(one: Range, other: Range) -> bool {
    one.start <= other.end && other.start <= one.end
}

fn workspace_edit(analysis: &Analysis, edits: &[&Edit], documents: &Documents<'_>) -> Value {
    let mut by_file: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for edit in edits {
        by_file.entry(&edit.place.file).or_default().push(json!({
            "range": diagnostics::range(analysis, &edit.place),
            "newText": edit.replacement,
        }));
    }
    if documents.versioned {
        let changes: Vec<Value> = by_file
            .into_iter()
            .map(|(file, edits)| {
                let version = (documents.version)(file);
                json!({
                    "textDocument": {"uri": (documents.uri)(file), "version": version},
                    "edits": edits,
                })
            })
            .collect();
        json!({ "documentChanges": changes })
    } else {
        let changes: serde_json::Map<String, Value> = by_file
            .into_iter()
            .map(|(file, edits)| ((documents.uri)(file), Value::Array(edits)))
            .collect();
        json!({ "changes": changes })
    }
}
