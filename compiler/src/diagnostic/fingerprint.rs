//! What stays the same of a finding while lines move around it.
//!
//! It is what the finding *is*: the code, the object and the field that it is in, the first line of every place that is
//! evidence for it, and the numbers of the ports whose names it is about, which often stand on another line. Our own
//! sentences are not in it, so that better words do not make a finding new; but a port that changes its number does.

use super::{Finding, Label, Repository};
use crate::source::Sources;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What the finding is, without where its lines stand.
#[must_use]
pub fn fingerprint(finding: &Finding, sources: &Sources, repository: &Repository) -> String {
    let code = finding.code.to_string();
    let objects: Vec<_> = finding
        .objects
        .iter()
        .map(|object| {
            let namespace = object.namespace.as_deref().unwrap_or("");
            format!("{}/{namespace}/{}", object.kind, object.name)
        })
        .collect();
    // An object is the same wherever it is written; what belongs to none is known by its file, however that was named.
    let holder = match finding.primary() {
        Some(label) if objects.is_empty() => repository.path(&label.origin.file),
        _ => objects.join(" "),
    };
    let field = finding
        .primary()
        .map_or(String::new(), |label| without_indices(&label.origin.path));
    let lines: BTreeSet<_> = finding.labels.iter().map(|label| line(label, sources)).collect();
    let meanings = finding.named_ports.meanings.iter().map(ToString::to_string);
    let meanings: Vec<_> = meanings.collect();
    let parts: Vec<&str> = [&*code, &*holder, &*field]
        .into_iter()
        .chain(lines)
        .chain(meanings.iter().map(String::as_str))
        .collect();
    of(&parts)
}

/// The text of the label's first line, without its indentation.
fn line<'s>(label: &Label, sources: &'s Sources) -> &'s str {
    sources
        .by_name(&label.origin.file)
        .and_then(|source| source.line(label.origin.line))
        .map_or("", |(_, text)| text.trim())
}

/// `spec.egress[0].ports[1]` as `spec.egress[].ports[]`: a rule that moves is the same rule.
fn without_indices(path: &str) -> String {
    path.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The first half of SHA-256 over any parts, each with its length so that no two lists of parts read the same.
#[must_use]
pub fn of(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    digest
        .finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;
    use crate::source::Source;
    use ir::origin::Origin;

    fn finding(line: u32, path: &str) -> Finding {
        let origin = Origin {
            line,
            end_line: line,
            path: path.into(),
            ..Origin::synthetic("a.yaml")
        };
        Finding::new(Code::NAMED_PORT_MANY_NUMBERS, "x").at(origin, "")
    }

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.push(Source::new("a.yaml", text));
        sources
    }

    fn fingerprint_of(finding: &Finding, sources: &Sources) -> String {
        fingerprint(finding, sources, &Repository::default())
    }

    #[test]
    fn lines_may_move_and_rules_change_places() {
        let before = sources("- port: http\n");
        let after = sources("# new\n\n    - port: http\n");
        let (here, there) = (finding(1, "egress[0].port"), finding(3, "egress[7].port"));
        assert_eq!(fingerprint_of(&here, &before), fingerprint_of(&there, &after));
    }

    #[test]
    fn another_line_field_or_object_is_another_finding() {
        let text = sources("- port: http\n- port: web\n");
        let one = finding(1, "egress[0].port");
        let mut other = one.clone();
        other.objects.push(crate::diagnostic::ObjectName {
            kind: "NetworkPolicy".into(),
            namespace: None,
            name: "a".into(),
        });
        let all: BTreeSet<_> = [
            one,
            finding(2, "egress[0].port"),
            finding(1, "ingress[0].port"),
            other,
        ]
        .iter()
        .map(|finding| fingerprint_of(finding, &text))
        .collect();
        assert_eq!(all.len(), 4);
    }
}
