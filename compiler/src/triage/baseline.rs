//! A file of findings that were there when somebody started to look, so that new ones stand out.
//!
//! Findings are known by [fingerprint], which has no line numbers in it. Of several with one fingerprint, as many are
//! accepted as were there; one more is new.
//!
//! [fingerprint]: crate::diagnostic::fingerprint::fingerprint

use crate::diagnostic::{Accepted, AcceptedBy, Finding, Repository, fingerprint, json};
use crate::source::Sources;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use thiserror::Error;

/// The version of the format.
const VERSION: u32 = 1;

/// How many findings of each fingerprint were there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// What findings say about being in it.
    name: String,
    counts: BTreeMap<String, usize>,
}

/// Why a file is not a baseline.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// Not JSON of this form.
    #[error("this is not a baseline: {0}")]
    Form(#[from] serde_json::Error),
    /// Written by another version.
    #[error("this baseline has version {0}, and only {VERSION} is read here; write it again")]
    Version(u32),
}

#[derive(Deserialize, Serialize)]
struct Wire {
    version: u32,
    findings: Vec<WireEntry>,
}

/// The fingerprint and the count are read; the rest is for people who review the file.
#[derive(Deserialize, Serialize)]
struct WireEntry {
    fingerprint: String,
    count: usize,
    code: String,
    file: String,
    message: String,
}

impl Baseline {
    /// Reads a baseline; `name` is how its file is called.
    ///
    /// # Errors
    /// See [`BaselineError`].
    pub fn read(name: &str, text: &str) -> Result<Self, BaselineError> {
        let wire: Wire = serde_json::from_str(text)?;
        if wire.version != VERSION {
            return Err(BaselineError::Version(wire.version));
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in wire.findings {
            let count = counts.entry(entry.fingerprint).or_default();
            *count = count.saturating_add(entry.count);
        }
        Ok(Self {
            name: name.to_owned(),
            counts,
        })
    }

    /// Accepts the findings that are in it, and counts the entries that nothing matches any more.
    pub fn apply(&self, findings: &mut [Finding], sources: &Sources, repository: &Repository) -> usize {
        let mut left = self.counts.clone();
        for finding in findings.iter_mut().filter(|finding| is_subject(finding)) {
            let Some(count) = left.get_mut(&fingerprint::fingerprint(finding, sources, repository)) else {
                continue;
            };
            if let Some(rest) = count.checked_sub(1) {
                *count = rest;
                finding.accepted = Some(Accepted {
                    reason: format!("in the baseline {}", self.name),
                    by: AcceptedBy::Baseline,
                });
            }
        }
        left.into_values().fold(0, usize::saturating_add)
    }
}

/// What can be accepted at all: not what makes every answer a guess, nor what has been accepted elsewhere.
fn is_subject(finding: &Finding) -> bool {
    finding.counts() && !finding.blocks_analysis
}

/// Writes the findings that count as a baseline, and says how many they are.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(
    out: &mut dyn Write,
    findings: &[Finding],
    sources: &Sources,
    repository: &Repository,
) -> io::Result<usize> {
    let mut entries: BTreeMap<(String, String, String), WireEntry> = BTreeMap::new();
    let mut all = 0;
    for finding in findings.iter().filter(|finding| is_subject(finding)) {
        all += 1;
        let fingerprint = fingerprint::fingerprint(finding, sources, repository);
        let file = finding
            .primary()
            .map_or(String::new(), |label| repository.path(&label.origin.file));
        let code = finding.code.to_string();
        entries
            .entry((code.clone(), file.clone(), fingerprint.clone()))
            .and_modify(|entry| entry.count += 1)
            .or_insert_with(|| WireEntry {
                fingerprint,
                count: 1,
                code,
                file,
                message: finding.message.clone(),
            });
    }
    let wire = Wire {
        version: VERSION,
        findings: entries.into_values().collect(),
    };
    json::write_pretty(out, &wire)?;
    Ok(all)
}
