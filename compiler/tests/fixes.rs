//! What `--fix` and `--unsafe-fixes` make of manifests: `testdata/fixes/CASE`.
//!
//! Each case has a `before` and, where it differs from that, `safe` (what `--fix` makes of it) and `unsafe` (what
//! `--unsafe-fixes` does beyond). `UPDATE_EXPECT=1` writes them anew; read what changed before you commit it.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failed call is a failed test"
)]

use portcullis_compiler::check::{self, Options};
use portcullis_compiler::diagnostic::{Applicability, Code, Edit, Finding, Fix, code::REGISTRY};
use portcullis_compiler::fixes;
use portcullis_compiler::limits::Limits;
use portcullis_compiler::load::Texts;
use portcullis_compiler::source::Source;
use portcullis_compiler::triage::{Triage, triage};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata");

fn directories(below: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(Path::new(TESTDATA).join(below))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Everything that `check` tells, acceptances included.
fn findings(texts: &Texts) -> (Vec<Finding>, bool) {
    let options = Options::default();
    let understood = check::understand_input(texts.input(&options.limits), &options);
    let checked = check::check(&understood, None).unwrap();
    let how = how();
    (triage(&checked, &understood, &how).findings, understood.blocked())
}

fn how() -> Triage {
    Triage {
        solver: false,
        ..Triage::on("2026-01-01".parse().unwrap())
    }
}

fn texts(name: &str, text: &str) -> Texts {
    Texts::of_bytes([(name, text.as_bytes())], [], &Limits::default())
}

fn mended(name: &str, text: &str, suggestions: bool) -> String {
    let mended = fixes::mend(&texts(name, text), &Options::default(), &how(), suggestions).unwrap();
    match mended.changed.get(name) {
        Some(text) => text.clone(),
        None => text.to_owned(),
    }
}

#[test]
fn cases_are_mended_as_written_beside_them() {
    let mut wrong = Vec::new();
    for case in directories("fixes") {
        let before = ["yaml", "json"]
            .map(|extension| case.join("before").with_extension(extension))
            .into_iter()
            .find(|path| path.is_file())
            .unwrap();
        let written = fs::read_to_string(&before).unwrap();
        // The mark is the file's, not the text's.
        let mark = if written.starts_with('\u{feff}') {
            "\u{feff}"
        } else {
            ""
        };
        let text = &written[mark.len()..];
        let safe = mended("before", text, false);
        let all = mended("before", text, true);
        for (name, found, unchanged) in [("safe", &safe, text), ("unsafe", &all, &*safe)] {
            let path = before
                .with_file_name(name)
                .with_extension(before.extension().unwrap());
            let expected = fs::read_to_string(&path).unwrap_or_else(|_| unchanged.to_owned());
            let expected = expected.strip_prefix('\u{feff}').unwrap_or(&expected);
            if found == expected {
                continue;
            }
            if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value != "0") {
                if found == unchanged {
                    let _ = fs::remove_file(&path);
                } else {
                    fs::write(&path, format!("{mark}{found}")).unwrap();
                }
            } else {
                wrong.push(format!("{}:\n{found}", path.display()));
            }
        }
        // Nothing that can be mended is left.
        assert_eq!(mended("before", &safe, false), safe);
        assert_eq!(mended("before", &all, true), all);
    }
    assert!(
        wrong.is_empty(),
        "UPDATE_EXPECT=1 writes these anew:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn a_fix_that_does_not_fit_hides_no_other() {
    let policy = |name: usize, rule: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p{name}}}\nspec:\n  podSelector: {{}}\n  \
             policyTypes: [Ingress]\n  ingress:\n    - form: [{{podSelector: {{}}}}]\n{rule}"
        )
    };
    // Readers of YAML differ on a key that stands before a merged one.
    let unfit = "      <<: {from: [{podSelector: {}}]}\n";
    let policies = (0..600).map(|name| policy(name, if name % 5 == 0 { unfit } else { "" }));
    let text = policies.collect::<Vec<_>>().join("---\n");
    let (found, _) = findings(&texts("a.yaml", &text));
    let misspelt = found.iter().filter(|finding| finding.code == Code::UNKNOWN_FIELD);
    let mendable = misspelt.clone().filter(|finding| !finding.fixes.is_empty());
    assert_eq!((misspelt.count(), mendable.count()), (600, 480));
    let after = mended("a.yaml", &text, false);
    assert_eq!(after.matches("form:").count(), 120);
}

/// Mistakes that no fix may bring about.
fn is_never_new(code: Code) -> bool {
    matches!(
        code,
        Code::UNPARSABLE
            | Code::DUPLICATE_KEY
            | Code::WRONG_TYPE
            | Code::LIMIT_EXCEEDED
            | Code::YAML_BOOLEAN
            | Code::DOCUMENT_BOUNDARY
            | Code::AMBIGUOUS_CHARACTER
    )
}

type Told = (Code, String);

fn told(findings: &[Finding]) -> BTreeMap<Told, usize> {
    let mut told = BTreeMap::new();
    for finding in findings {
        *told.entry((finding.code, finding.message.clone())).or_default() += 1;
    }
    told
}

/// The byte at a line and a column, counted here by characters and lines of the text and by nothing of the program.
fn offset(text: &str, line: u32, column: u32) -> usize {
    let mut start = 0;
    for _ in 1..line {
        let rest = &text[start..];
        start += rest.find('\n').unwrap() + 1;
    }
    let rest = &text[start..];
    let mut characters = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    start + characters.nth(column as usize - 1).unwrap()
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut spans: Vec<_> = edits
        .iter()
        .map(|edit| {
            let place = &edit.place;
            let start = offset(text, place.line, place.column);
            (
                start,
                offset(text, place.end_line, place.end_column),
                &edit.replacement,
            )
        })
        .collect();
    spans.sort();
    let mut out = text.to_owned();
    for (start, end, replacement) in spans.into_iter().rev() {
        out.replace_range(start..end, replacement);
    }
    out
}

/// Holds one fix to what is promised of every fix.
fn hold(text: &str, finding: &Finding, fix: &Fix, before: &BTreeMap<Told, usize>, blocked: bool) {
    let source = Source::new("a.yaml", text);
    let after = fixes::apply(&source, &fix.edits).unwrap();
    let what = format!("{} {}: {}\n{text}", finding.code, finding.message, fix.title);
    assert_eq!(after, edited(text, &fix.edits), "{what}");
    assert_ne!(after, text, "{what}");
    assert!(fix.edits.iter().all(|edit| edit.was.is_none()), "{what}");
    let (left, _) = findings(&texts("a.yaml", &after));
    let left = told(&left);
    let key = (finding.code, finding.message.clone());
    let remaining = left.get(&key).copied().unwrap_or(0);
    assert!(remaining < before[&key], "not mended: {what}\n{after}");
    for (told, count) in &left {
        let more = *count > before.get(told).copied().unwrap_or(0);
        assert!(
            !(more && is_never_new(told.0)),
            "{told:?} is new: {what}\n{after}"
        );
        // Where everything was looked at before, safe means that nothing appears, of any kind.
        if !blocked && fix.applicability == Applicability::Safe {
            assert!(!more, "{told:?} is new: {what}\n{after}");
        }
    }
    assert!(Some(fix.applicability) >= finding.code.fixable(), "{what}");
}

/// All manifests of a directory as one text.
fn joined(directory: &Path) -> String {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.collect::<Vec<_>>().join("\n---\n")
}

/// The manifests in the pages below a directory: what stands between "```yaml" and "```".
fn manifests(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut children: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    children.sort();
    for path in children {
        if path.is_dir() {
            found.extend(manifests(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let page = fs::read_to_string(path).unwrap();
            let blocks = page.split("\n```yaml").skip(1);
            found.extend(blocks.filter_map(|block| {
                let (_, rest) = block.split_once('\n')?;
                Some(rest.split("\n```").next()?.to_owned() + "\n")
            }));
        }
    }
    found
}

#[test]
fn every_fix_mends_its_finding_and_breaks_nothing() {
    let mut best: BTreeMap<Code, Applicability> = BTreeMap::new();
    let mut tried = 0;
    let mut sources: Vec<String> = Vec::new();
    for case in directories("fixes") {
        for file in fs::read_dir(case).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            sources.push(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned());
        }
    }
    sources.extend(directories("findings").iter().map(|case| joined(case)));
    sources.extend(manifests(&Path::new(TESTDATA).join("conformance")));
    for text in &sources {
        let (found, blocked) = findings(&texts("a.yaml", text));
        let before = told(&found);
        for finding in &found {
            for fix in &finding.fixes {
                hold(text, finding, fix, &before, blocked);
                let known = best.entry(finding.code).or_insert(fix.applicability);
                *known = (*known).min(fix.applicability);
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried} fixes");
    let promised: BTreeMap<_, _> = REGISTRY
        .iter()
        .filter_map(|entry| Some((entry.code, entry.code.fixable()?)))
        .collect();
    let text = |table: &BTreeMap<Code, Applicability>| -> BTreeSet<String> {
        table
            .iter()
            .map(|(code, sure)| format!("{code} {sure:?}"))
            .collect()
    };
    assert_eq!(text(&best), text(&promised));
}
