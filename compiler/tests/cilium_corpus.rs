//! Cilium's own connectivity policies: every file is lowered, or refused with a code that says why.
#![expect(clippy::print_stderr, reason = "an absent corpus must be seen")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

use ir::policy::Subject;
use portcullis_compiler::limits::Limits;
use portcullis_compiler::load;
use portcullis_compiler::lower::{self, Options};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    let root = std::env::var_os("PORTCULLIS_CORPUS").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = root.join("cilium-connectivity");
    if !path.is_dir() {
        eprintln!(
            "SKIPPED (no corpus): {} is not a directory; set PORTCULLIS_CORPUS",
            path.display()
        );
        return None;
    }
    Some(path)
}

/// The value of a template's expression, as the suite that it is from fills it in on a small cluster.
fn value(expression: &str) -> &'static str {
    let name = expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .find(|word| word.starts_with('.') && word.len() > 1)
        .unwrap_or_default();
    if expression.contains("generateDNSMatchPatternWithWildcard") {
        return if expression.contains("any-prefix") {
            "**.example.com"
        } else {
            "*.example.com"
        };
    }
    match name {
        ".ClusterNameLocal" => "default",
        ".ClusterNameRemote" => "remote",
        ".TestNamespace" => "cilium-test",
        ".ExternalTargetCANamespace" => "cilium-test",
        ".ExternalTargetCAName" => "cabundle",
        ".ExternalTarget" => "one.one.one.one",
        ".ExternalOtherTarget" => "k8s.io",
        ".ExternalCIDRv4" => "1.0.0.0/8",
        ".ExternalCIDRv6" => "2606:4700:4700::/96",
        ".ExternalOtherIPv4" => "1.0.0.1/32",
        ".ExternalOtherIPv6" => "2606:4700:4700::1001/128",
        ".ExternalIPv4" if expression.contains("ipToCIDR") => "1.1.1.1/32",
        ".ExternalIPv6" if expression.contains("ipToCIDR") => "2606:4700:4700::1111/128",
        ".ExternalIPv4" => "1.1.1.1",
        ".ExternalIPv6" => "2606:4700:4700::1111",
        ".ExternalDeploymentPort" => "8080",
        // The one element of a loop over the nodes' blocks, or over addresses.
        "" => "192.0.2.0/24",
        other => panic!("no value for {other}"),
    }
}

/// The template with every expression filled in; loops run once.
fn rendered(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some((before, behind)) = rest.split_once("{{") {
        out.push_str(before);
        let (expression, after) = behind.split_once("}}").unwrap();
        let expression = match expression.strip_prefix('-') {
            Some(trimming) => {
                out.truncate(out.trim_end().len());
                trimming
            }
            None => expression,
        };
        let expression = expression.trim();
        let word = expression.split_whitespace().next().unwrap_or_default();
        if !matches!(word, "range" | "end" | "if" | "else") {
            out.push_str(value(expression));
        }
        rest = after;
    }
    out + rest
}

fn outcome(path: &Path) -> String {
    let text = rendered(&std::fs::read_to_string(path).unwrap());
    let input = load::load_bytes([("policy.yaml", text.as_bytes())], &Limits::default());
    let lowered = lower::lower(&input, &Options::default());
    let mut findings: Vec<_> = input.findings.iter().chain(&lowered.findings).collect();
    findings.sort_by_key(|finding| (finding.code, finding.message.clone()));
    let mut out = String::new();
    if findings.iter().any(|finding| finding.blocks_analysis) {
        out.push_str("  refused\n");
    } else if lowered.model.policies().is_empty() {
        let kinds: Vec<_> = input.skipped.keys().map(String::as_str).collect();
        let _infallible = writeln!(out, "  no policy: skips {}", kinds.join(", "));
    }
    for policy in lowered.model.policies() {
        let mut demands: Vec<String> = policy
            .rules
            .iter()
            .flat_map(|rule| &rule.beyond)
            .map(|demand| demand.kind.to_string())
            .collect();
        demands.sort();
        demands.dedup();
        let enforceable = if matches!(policy.subject, Subject::Nodes(_)) {
            "checked, about nodes".to_owned()
        } else if demands.is_empty() {
            "enforceable".to_owned()
        } else {
            format!("checked, and refused by compile for {}", demands.join(", "))
        };
        let _infallible = writeln!(out, "  {} rules, {enforceable}", policy.rules.len());
    }
    for finding in findings {
        let _infallible = writeln!(out, "  {} {}", finding.code, finding.message);
    }
    out
}

#[test]
fn every_connectivity_policy_is_lowered_or_refused_with_a_code() {
    let Some(path) = corpus() else {
        return;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 45);
    let text: String = files
        .iter()
        .map(|file| {
            format!(
                "{}\n{}",
                file.file_name().unwrap().to_string_lossy(),
                outcome(file)
            )
        })
        .collect();
    insta::assert_snapshot!(text);
}
