//! Manifests with the findings that `check` gives for them, side by side: `testdata/findings/CASE`.
//!
//! Each case is a directory of manifests (`*.yaml`) and `expected.txt`. A case `pc201-…` is about one code: it must be
//! found, and beside it nothing worse than a note may be found in its family (`PC2xx`). A case `quiet-pc2-…` is about
//! silence: nothing of that family may be found at all. Findings of other families are not listed: they have cases of
//! their own. `UPDATE_EXPECT=1` writes the files anew; read what changed before you commit it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests: a failed call is a failed test"
)]

use libtest_mimic::{Arguments, Failed, Trial};
use portcullis_compiler::check::{self, Options};
use portcullis_compiler::diagnostic::{Finding, Severity};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/findings");
const LINTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lints");

/// Lints without a case, and why.
const WITHOUT_CASE: &[(&str, &str)] = &[
    ("PC310", "its own tests hold its models in the IR's text form"),
    ("PC401", GUARANTEES),
    ("PC402", GUARANTEES),
    (
        "PC403",
        "the tests of `check --against` hold the two sides of a change",
    ),
    ("PC404", GUARANTEES),
    ("PC405", GUARANTEES),
];

const GUARANTEES: &str = "the tests of `prove` hold guarantees and what is found of them";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials: Vec<_> = cases()
        .into_iter()
        .map(|case| {
            let name = case.file_name().unwrap().to_str().unwrap().to_owned();
            Trial::test(name.clone(), move || compare(&name, &case))
        })
        .collect();
    trials.push(Trial::test("every_lint_has_a_case", every_lint_has_a_case));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<_> = fs::read_dir(CASES)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case in {CASES}");
    cases
}

/// What a case's name says about it.
enum Subject {
    /// `pc201-…`
    Code(String),
    /// `quiet-pc2-…`
    Silence(String),
}

impl Subject {
    fn of(name: &str) -> Self {
        if let Some(family) = name.strip_prefix("quiet-") {
            let (family, _) = family.split_once('-').unwrap_or((family, ""));
            return Self::Silence(family.to_uppercase());
        }
        let (code, _) = name.split_once('-').unwrap_or((name, ""));
        Self::Code(code.to_uppercase())
    }

    fn family(&self) -> &str {
        match self {
            Self::Code(code) => code.get(..3).unwrap_or_else(|| panic!("{code} is no code")),
            Self::Silence(family) => family,
        }
    }
}

fn compare(name: &str, case: &Path) -> Result<(), Failed> {
    let subject = Subject::of(name);
    let understood = check::understand(&[case.to_path_buf()], &Options::default(), &mut std::io::empty())
        .map_err(|error| error.to_string())?;
    let checked = check::check(&understood, Some(&verifier::options::Options::default()))
        .map_err(|error| error.to_string())?;
    let findings: Vec<_> = checked
        .findings
        .iter()
        .filter(|finding| finding.code.to_string().starts_with(subject.family()))
        .collect();
    let found: String = findings.iter().map(|finding| text(finding, case)).collect();
    let path = case.join("expected.txt");
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if found != expected {
        if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value != "0") {
            fs::write(&path, &found).unwrap();
            eprintln!("{} is written anew", path.display());
        } else {
            return Err(format!(
                "{} differs from what is found (UPDATE_EXPECT=1 writes it anew):\n{found}",
                path.display()
            )
            .into());
        }
    }
    fits(&subject, &findings)
}

/// Whether a case shows what it is named after.
fn fits(subject: &Subject, findings: &[&Finding]) -> Result<(), Failed> {
    match subject {
        Subject::Silence(_) if findings.is_empty() => Ok(()),
        Subject::Silence(family) => Err(format!("{family} should be silent").into()),
        Subject::Code(code) => {
            let (own, others): (Vec<&Finding>, Vec<&Finding>) = findings
                .iter()
                .copied()
                .partition(|finding| finding.code.to_string() == *code);
            if own.is_empty() {
                return Err(format!("{code} is not found").into());
            }
            match others.iter().find(|other| other.severity != Severity::Note) {
                Some(other) => Err(format!("{} is found beside {code}", other.code).into()),
                None => Ok(()),
            }
        }
    }
}

/// A finding with everything that it says, one thing a line.
fn text(finding: &Finding, case: &Path) -> String {
    let directory = format!("{}/", case.display());
    let mut text = String::new();
    let place = finding
        .primary()
        .map_or_else(|| "nowhere".to_owned(), |label| label.origin.to_string());
    let (code, severity) = (finding.code, finding.severity.as_str());
    writeln!(text, "{code} {severity} {place} {}", finding.message).unwrap();
    for label in &finding.labels {
        let mark = if label.primary { "at" } else { "because" };
        writeln!(text, "    {mark} {}: {}", label.origin, label.text).unwrap();
    }
    for row in &finding.named_ports.rows {
        let port = row.port.as_ref().map_or_else(
            || "-".to_owned(),
            |port| {
                let name = port.name.as_deref().unwrap_or("-");
                format!("{} {name} {}/{}", port.container, port.number, port.protocol)
            },
        );
        writeln!(text, "    pod {} ({}): {port} {}", row.pod, row.pods, row.origin).unwrap();
    }
    if let Some(engines) = &finding.engines {
        writeln!(text, "    kubernetes: {}", engines.kubernetes).unwrap();
        writeln!(text, "    cilium 1.20: {}", engines.cilium_1_20).unwrap();
        writeln!(text, "    cilium 1.19: {}", engines.cilium_1_19).unwrap();
    }
    for line in finding.help.iter().flat_map(|help| help.lines()) {
        writeln!(text, "    help: {line}").unwrap();
    }
    if let Some(witness) = &finding.witness {
        let port = witness.port.map_or_else(String::new, |port| format!(" {port}"));
        let (from, to) = (&witness.from, &witness.to);
        writeln!(text, "    witness: {from} -> {to} {}{port}", witness.protocol).unwrap();
    }
    text.replace(&directory, "")
}

/// Every file of `lints/` that is about a code has a case, or a reason to have none; no exemption outlives its reason.
fn every_lint_has_a_case() -> Result<(), Failed> {
    let codes = |path: &str| -> BTreeSet<String> {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
            .filter(|name| name.starts_with("pc"))
            .filter_map(|name| name.get(..5).map(str::to_uppercase))
            .collect()
    };
    let (lints, cases) = (codes(LINTS), codes(CASES));
    let exempt: BTreeSet<_> = WITHOUT_CASE.iter().map(|(code, _)| (*code).to_owned()).collect();
    let shown: BTreeSet<_> = cases.union(&exempt).cloned().collect();
    let missing: Vec<_> = lints.difference(&shown).collect();
    if !missing.is_empty() {
        return Err(format!("no case in {CASES} shows {missing:?}").into());
    }
    let needless: Vec<_> = exempt
        .iter()
        .filter(|code| cases.contains(*code) || !lints.contains(*code))
        .collect();
    if !needless.is_empty() {
        return Err(format!("{needless:?} need no exemption").into());
    }
    Ok(())
}
