//! Findings as [SARIF 2.1.0], the part of it that GitHub's code scanning and editors read.
//!
//! - Every rule is listed, found or not, so that a reader can tell "checked and fine" from "not checked".
//! - A place is one line: services that show a finding beside code take the first.
//! - Fingerprints have no line numbers, so a finding stays the same one while lines move: our own, and the one that GitHub
//!   compares ([`super::line_hash`]).
//! - Accepted findings are results with `suppressions`; then SARIF wants the list, if empty, on all the others too.
//! - Nothing says when or on which machine: the same input gives the same bytes.
//!
//! [SARIF 2.1.0]: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html

use super::code::{Acceptable, Code, Entry, REGISTRY};
use super::report::Report;
use super::{
    AcceptedBy, Applicability, Finding, Fix, Label, Severity, fingerprint, json, line_hash, named_ports,
};
use crate::source::STDIN;
use ir::origin::Origin;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: Vec<SarifResult>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    name: &'static str,
    short_description: Message,
    full_description: Message,
    help: Help,
    default_configuration: Configuration,
    properties: RuleProperties,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties {
    tags: [&'static str; 2],
    #[serde(rename = "problem.severity")]
    severity: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
    related_locations: Vec<Location>,
    partial_fingerprints: PartialFingerprints,
    suppressions: Vec<Suppression>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<SarifFix>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifFix {
    description: Message,
    artifact_changes: Vec<ArtifactChange>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange {
    artifact_location: ArtifactLocation,
    replacements: Vec<Replacement>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    deleted_region: Region,
    inserted_content: Content,
}

#[derive(Serialize)]
struct Content {
    text: String,
}

#[derive(Serialize)]
struct PartialFingerprints {
    /// Standard input has no line that GitHub knows.
    #[serde(rename = "primaryLocationLineHash", skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    #[serde(rename = "portcullis/v1")]
    ours: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    start_column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    name: String,
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

/// Writes the report.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let hashes = line_hashes(report);
    let results = report
        .findings
        .iter()
        .map(|finding| {
            let place = report.place(finding);
            let hash = place.and_then(|place| hashes.get(&*place.file)?.get(&place.line).cloned());
            result(report, finding, hash)
        })
        .collect();
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "Portcullis",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: REGISTRY.iter().map(rule).collect(),
                },
            },
            invocations: [Invocation {
                execution_successful: report.successful,
                tool_execution_notifications: report
                    .undecided
                    .iter()
                    .map(|sentence| Notification {
                        level: "warning",
                        message: plain(sentence),
                    })
                    .collect(),
            }],
            column_kind: "unicodeCodePoints",
            results,
        }],
    };
    json::write_pretty(out, &log)
}

fn rule(entry: &Entry) -> Rule {
    let (code, name, summary) = (entry.code, entry.name, entry.summary);
    Rule {
        id: code.to_string(),
        name,
        short_description: plain(summary),
        full_description: plain(summary),
        help: Help {
            text: format!("{summary} `portcullis explain {code}` shows an example and the way out."),
            markdown: format!(
                "**{code} {name}**: {summary}\n\n`portcullis explain {code}` shows an example and the way out.{}\n",
                acceptance(code)
            ),
        },
        default_configuration: Configuration {
            level: entry.severity.as_str(),
        },
        properties: RuleProperties {
            tags: ["kubernetes", "network-policy"],
            severity: match entry.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "recommendation",
            },
        },
    }
}

/// How a finding of this code is accepted in place.
fn acceptance(code: Code) -> String {
    let condition = match code.acceptable() {
        Acceptable::All => "To",
        Acceptable::Some => "Where no other answer rests on it, to",
        Acceptable::None => return String::new(),
    };
    format!(
        " {condition} accept a finding where it is, on its line or the line above:\n\n```yaml\n# portcullis: allow[{code}] \
         the reason\n```"
    )
}

/// For each file, what GitHub knows the lines by that findings begin on.
fn line_hashes(report: &Report<'_>) -> BTreeMap<Arc<str>, BTreeMap<u32, String>> {
    let mut lines: BTreeMap<Arc<str>, BTreeSet<u32>> = BTreeMap::new();
    for place in report.findings.iter().filter_map(|finding| report.place(finding)) {
        lines.entry(place.file).or_default().insert(place.line);
    }
    let files = lines.into_iter().filter(|(file, _)| &**file != STDIN);
    files
        .filter_map(|(file, lines)| {
            let source = report.sources.by_name(&file)?;
            let text = [source.mark(), source.text()].concat();
            Some((file, line_hash::of_lines(&text, &lines)))
        })
        .collect()
}

fn result(report: &Report<'_>, finding: &Finding, line: Option<String>) -> SarifResult {
    let mut text = escaped(&finding.message);
    let mut related = Vec::new();
    for label in report.related(finding) {
        let id = related.len() + 1;
        let said = if label.text.is_empty() {
            "see here"
        } else {
            &label.text
        };
        text.push_str(&format!("\n[{}]({id})", escaped(said)));
        let mut location = location(report, &label.origin);
        location.id = Some(id);
        location.message = Some(plain(said));
        related.push(location);
    }
    for line in named_ports::lines(&finding.named_ports, finding.engines.as_ref()) {
        text.push_str(&format!("\n{}", escaped(&line)));
    }
    if let Some(help) = &finding.help {
        text.push_str(&format!("\nhelp: {}", escaped(help)));
    }
    if let Some(witness) = &finding.witness {
        text.push_str(&escaped(&format!("\nfor example: {witness}")));
    }
    if let Some(made_from) = finding.primary().and_then(Label::made_from) {
        text.push_str(&escaped(&format!("\n{made_from}")));
    }
    let mut own: Vec<Location> = report
        .place(finding)
        .iter()
        .map(|origin| location(report, origin))
        .collect();
    if let Some(first) = own.first_mut() {
        first.logical_locations = finding
            .objects
            .iter()
            .map(|object| {
                let namespace = object.namespace.as_deref().unwrap_or("");
                LogicalLocation {
                    name: object.name.clone(),
                    fully_qualified_name: format!("{}/{namespace}/{}", object.kind, object.name),
                    kind: "object",
                }
            })
            .collect();
        let said = finding.primary().map_or("", |label| &label.text);
        first.message = (!said.is_empty()).then(|| plain(said));
    }
    SarifResult {
        rule_id: finding.code.to_string(),
        rule_index: REGISTRY
            .iter()
            .position(|entry| entry.code == finding.code)
            .unwrap_or_default(),
        level: finding.severity.as_str(),
        message: Message { text },
        locations: own,
        related_locations: related,
        partial_fingerprints: PartialFingerprints {
            line,
            ours: fingerprint::fingerprint(finding, report.sources, report.repository),
        },
        suppressions: finding
            .accepted
            .iter()
            .map(|accepted| Suppression {
                kind: match accepted.by {
                    AcceptedBy::Comment | AcceptedBy::Annotation => "inSource",
                    AcceptedBy::Baseline => "external",
                },
                status: "accepted",
                justification: accepted.reason.clone(),
            })
            .collect(),
        fixes: finding.fixes.iter().map(|one| fix(report, one)).collect(),
    }
}

/// Each artifact has one change, which holds all that is replaced in it.
fn fix(report: &Report<'_>, fix: &Fix) -> SarifFix {
    let mut by_file: BTreeMap<&str, Vec<Replacement>> = BTreeMap::new();
    for edit in &fix.edits {
        let place = &edit.place;
        by_file.entry(&place.file).or_default().push(Replacement {
            deleted_region: Region {
                start_line: place.line,
                start_column: place.column,
                end_line: place.end_line,
                end_column: place.end_column,
            },
            inserted_content: Content {
                text: edit.replacement.clone(),
            },
        });
    }
    SarifFix {
        description: plain(&match fix.applicability {
            Applicability::Safe => fix.title.clone(),
            Applicability::Suggestion => format!("{} (a suggestion)", fix.title),
        }),
        artifact_changes: by_file
            .into_iter()
            .map(|(file, replacements)| ArtifactChange {
                artifact_location: artifact(report, file),
                replacements,
            })
            .collect(),
    }
}

fn artifact(report: &Report<'_>, file: &str) -> ArtifactLocation {
    let path = report.path(file);
    let absolute = Path::new(&path).is_absolute();
    let encoded = encoded(&path);
    ArtifactLocation {
        uri: if absolute {
            format!("file://{encoded}")
        } else {
            encoded
        },
        uri_base_id: (!absolute).then_some("%SRCROOT%"),
    }
}

fn location(report: &Report<'_>, origin: &Origin) -> Location {
    Location {
        id: None,
        physical_location: PhysicalLocation {
            artifact_location: artifact(report, &origin.file),
            region: Region {
                start_line: origin.line,
                start_column: origin.column,
                end_line: origin.line,
                end_column: report.end_on_first_line(origin),
            },
        },
        message: None,
        logical_locations: Vec::new(),
    }
}

fn plain(text: &str) -> Message {
    Message { text: escaped(text) }
}

/// In a SARIF message, `[text](target)` is a link: brackets that are none are escaped
/// ([§3.11.6](https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html#_Toc34317468)).
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '[' | ']' | '\\') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// A path as a URI reference: what is not unreserved or `/` is percent-encoded.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut uri, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
        uri
    })
}
