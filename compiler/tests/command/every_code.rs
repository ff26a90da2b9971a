//! A repository with an instance of every code, `testdata/every-code`: all are found, and nothing else.

use super::program::{ROOT, Scratch, err, out, run_in};
use portcullis_compiler::diagnostic::code::REGISTRY;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const REPOSITORY: &str = "testdata/every-code";
/// Reserved: no rule raises it.
const RESERVED: &str = "PC704";

/// The runs: a directory with `expected.txt`, the command, how it ends.
const RUNS: &[(&str, &[&str], i32)] = &[
    ("manifests", &["check", "manifests"], 1),
    ("refused", &["check", "refused"], 2),
    (
        "change",
        &["check", "change/after", "--against", "change/before"],
        1,
    ),
    ("enforcement", &["compile", "enforcement"], 2),
    (
        "config",
        &["check", "manifests", "--config", "config/portcullis.toml"],
        2,
    ),
];

fn repository() -> PathBuf {
    Path::new(ROOT).join(REPOSITORY)
}

/// The lines `CODE file:line` of a run.
fn expected(run: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(run).join("expected.txt")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_code_is_found_and_nothing_else() {
    let bundle = Scratch::new("every-code");
    let bundle = bundle.path("bundle");
    for (run, arguments, status) in RUNS {
        let (verb, _) = arguments.split_first().unwrap();
        let more: &[&str] = match *verb {
            "check" => &["--format", "json"],
            _ => &["-o", &bundle],
        };
        let output = run_in(repository(), &[*arguments, more].concat(), "");
        assert_eq!(output.status.code(), Some(*status), "{run}: {}", err(&output));
        let mut found = match serde_json::from_slice::<serde_json::Value>(&output.stdout) {
            Ok(report) => of_json(&report),
            Err(_) => of_text(&(out(&output) + &err(&output))),
        };
        found.sort();
        let found = found.join("\n") + "\n";
        let path = repository().join(run).join("expected.txt");
        if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value != "0") {
            fs::write(&path, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&path).unwrap(), "{run}");
    }
}

#[test]
fn every_code_has_one_instance() {
    let mut instances: BTreeMap<String, usize> = BTreeMap::new();
    for (run, ..) in RUNS {
        for line in expected(run) {
            let (code, _) = line.split_once(' ').unwrap();
            *instances.entry(code.to_owned()).or_default() += 1;
        }
    }
    for entry in REGISTRY {
        let code = entry.code.to_string();
        let count = instances.remove(&code).unwrap_or(0);
        assert_eq!(count, usize::from(code != RESERVED), "{code}");
    }
    assert_eq!(instances, BTreeMap::new(), "not in the registry");
}

/// A comment says which line is wrong: on the line, or in the comment lines right above it.
#[test]
fn every_wrong_line_says_so() {
    for (run, ..) in RUNS {
        let mut said: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in expected(run) {
            let (code, place) = line.split_once(' ').unwrap();
            let (file, number) = place.rsplit_once(':').unwrap();
            let text = fs::read_to_string(repository().join(file)).unwrap();
            let above: Vec<&str> = text.lines().take(number.parse().unwrap()).collect();
            let (wrong, above) = above.split_last().unwrap();
            let comments = above
                .iter()
                .rev()
                .take_while(|line| line.trim_start().starts_with('#'));
            let mark = format!("# {code}: ");
            let is_said = wrong.contains(&mark) || comments.into_iter().any(|line| line.contains(&mark));
            assert!(is_said, "{line}");
            *said.entry((file.to_owned(), code.to_owned())).or_default() += 1;
        }
        for file in files(&repository().join(run)) {
            let text = fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(repository()).unwrap().to_str().unwrap();
            for (number, line) in text.lines().enumerate() {
                let Some((_, rest)) = line.split_once("# PC") else {
                    continue;
                };
                if let Some(code) = rest.get(..3).filter(|_| rest.get(3..5) == Some(": ")) {
                    let key = (name.to_owned(), format!("PC{code}"));
                    assert!(
                        said.contains_key(&key),
                        "{name}:{}: nothing is found: {line}",
                        number + 1
                    );
                }
            }
        }
    }
}

fn of_json(report: &serde_json::Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let mut labels = finding["labels"].as_array().unwrap().iter();
            let label = labels.find(|label| label["primary"] == true).unwrap();
            format!(
                "{} {}:{}",
                finding["code"].as_str().unwrap(),
                label["file"].as_str().unwrap(),
                label["line"]
            )
        })
        .collect()
}

/// Of what is printed for people: `error[PC126] …`, and behind it the first `[file:line:column]`.
fn of_text(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = None;
    for line in text.lines() {
        let heading = ["error[", "warning[", "note["]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        if let Some(heading) = heading {
            code = heading.split(']').next();
        } else if let Some((_, place)) = line.split_once("─[")
            && let Some(code) = code.take()
        {
            let (place, _column) = place.trim_end_matches(']').rsplit_once(':').unwrap();
            found.push(format!("{code} {place}"));
        }
    }
    found
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}
