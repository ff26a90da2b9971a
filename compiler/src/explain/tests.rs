//! Pages are complete, their examples are true, and `docs/rules` is up to date.

use super::*;
use crate::check::{self, Options};
use crate::diagnostic::code::Acceptable;
use crate::diagnostic::{Applicability, Finding};
use crate::{compile, limits::Limits, load};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Codes that are raised neither by what `check` finds in manifests nor by `compile`: those of other verbs, of the
/// configuration, and of what a user accepted. Their own tests show them.
fn is_raised_elsewhere(code: Code) -> bool {
    matches!(code.number(), 126 | 400..=499 | 614..=617)
}

/// Codes whose examples are excerpts of manifests: `testdata/findings` has a whole case for each.
fn is_shown_by_cases(code: Code) -> bool {
    matches!(code.number(), 202..=218 | 301 | 303..=309)
}

/// A page's fenced manifests below one heading.
fn manifests(page: &str, heading: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut section = "";
    let mut block: Option<String> = None;
    for line in page.lines() {
        match &mut block {
            Some(text) if line.trim() == "```" => {
                found.push((section, std::mem::take(text)));
                block = None;
            }
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
            None if line.starts_with("```yaml") => block = Some(String::new()),
            None => section = line.strip_prefix("## ").unwrap_or(section),
        }
    }
    // What no page can show is written as its number.
    let characters = |text: String| text.replace("⟨U+2028⟩", "\u{2028}");
    found
        .into_iter()
        .filter(|(section, _)| *section == heading)
        .map(|(_, text)| characters(text))
        .collect()
}

/// What `check` says of a text; for the codes of `compile`, what that does.
fn found(code: Code, text: &str) -> Vec<Finding> {
    let mut stdin = text.as_bytes();
    let input = load::load_with(&[PathBuf::from("-")], &Limits::default(), &mut stdin).unwrap();
    let understood = check::understand_input(input, &Options::default());
    if (500..=599).contains(&code.number()) && code != Code::HOST_POLICY {
        return compile::obstacles(&understood.model);
    }
    let solver = verifier::options::Options::default();
    check::check(&understood, Some(&solver)).unwrap().findings
}

fn written_codes() -> impl Iterator<Item = (Code, &'static str)> {
    REGISTRY
        .iter()
        .filter_map(|entry| Some((entry.code, written(entry.code)?)))
}

#[test]
fn every_page_has_its_heading_its_sentence_and_its_sections() {
    for entry in REGISTRY {
        let text = page(entry.code);
        let heading = format!("# {} {}\n\n", entry.code, entry.name);
        let after = text
            .strip_prefix(&heading)
            .unwrap_or_else(|| panic!("{}: begins with {heading:?}", entry.code));
        let sentence = after.split("\n\n").next().unwrap();
        assert!(sentence.ends_with('.'), "{}: {sentence}", entry.code);
        if is_reserved(entry.code) {
            continue;
        }
        let sections: Vec<_> = text.lines().filter(|line| line.starts_with("## ")).collect();
        let common: Vec<_> = sections
            .into_iter()
            .filter(|section| *section != "## What engines do")
            .collect();
        assert_eq!(
            common,
            ["## What is wrong", "## Example", "## How to fix it"],
            "{}",
            entry.code
        );
        assert!(
            // A row of a table cannot be broken.
            text.lines()
                .all(|line| line.starts_with('|') || line.chars().count() <= 120),
            "{}",
            entry.code
        );
    }
    assert!(
        PAGES
            .iter()
            .all(|(number, _)| REGISTRY.iter().any(|entry| entry.code.number() == *number))
    );
}

#[test]
fn a_page_says_what_fix_does_exactly_if_it_does_something() {
    for (code, page) in written_codes() {
        let said = match code.fixable() {
            None => !page.contains("--fix"),
            Some(Applicability::Suggestion) => page.contains("`check --fix --unsafe-fixes`"),
            Some(Applicability::Safe) => page.contains("`check --fix`"),
        };
        assert!(said, "{code}: {:?}", code.fixable());
    }
}

#[test]
fn examples_raise_their_code_and_nothing_else_and_the_fixed_ones_do_not() {
    let mut wrong = Vec::new();
    for (code, page) in written_codes() {
        if is_raised_elsewhere(code) || is_shown_by_cases(code) {
            continue;
        }
        let (examples, fixed) = (manifests(page, "Example"), manifests(page, "How to fix it"));
        if examples.is_empty() || fixed.is_empty() {
            wrong.push(format!(
                "{code}: *Example* and *How to fix it* need whole manifests between ```yaml and ```"
            ));
        }
        // A note about something else may be in place.
        let others = |findings: &[Finding]| -> BTreeSet<String> {
            findings
                .iter()
                .filter(|other| other.code != code && other.severity != Severity::Note)
                .map(|other| format!("{code}: {} {}", other.code, other.message))
                .collect()
        };
        for text in &examples {
            let found = found(code, text);
            if !found.iter().any(|finding| finding.code == code) {
                wrong.push(format!("{code}: the example does not raise it"));
            }
            wrong.extend(others(&found));
        }
        for text in &fixed {
            let found = found(code, text);
            if let Some(again) = found.iter().find(|finding| finding.code == code) {
                wrong.push(format!("{code}: the fixed example raises it: {}", again.message));
            }
            wrong.extend(others(&found));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_examples_show_can_be_accepted_exactly_if_its_code_says_so() {
    let mut wrong = BTreeSet::new();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/findings");
    let cases = fs::read_dir(cases).unwrap().map(|case| {
        let paths = [case.unwrap().path()];
        let understood = check::understand(&paths, &Options::default(), &mut io::empty()).unwrap();
        check::check(&understood, None).unwrap().findings
    });
    let examples = written_codes().flat_map(|(code, page)| {
        let texts = manifests(page, "Example").into_iter();
        texts.map(move |text| found(code, &text))
    });
    for finding in examples.chain(cases).flatten() {
        let code = finding.code;
        if is_raised_elsewhere(code) {
            continue;
        }
        match code.acceptable() {
            Acceptable::All if finding.blocks_analysis => {
                wrong.insert(format!("{code} blocks: {}", finding.message))
            }
            Acceptable::None if !finding.blocks_analysis => {
                wrong.insert(format!("{code} does not block: {}", finding.message))
            }
            _ => false,
        };
    }
    assert_eq!(wrong, BTreeSet::new());
}

/// The constants of the registry, by name.
fn constants() -> BTreeMap<String, Code> {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnostic/code.rs")).unwrap();
    let mut constants = BTreeMap::new();
    for line in source.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(Ok(number)), Some(quoted)) =
            (words.next(), words.next().map(str::parse::<u16>), words.next())
            && let Some(entry) = REGISTRY.iter().find(|entry| entry.code.number() == number)
            && quoted.trim_matches('"') == entry.name
        {
            constants.insert(name.to_owned(), entry.code);
        }
    }
    assert_eq!(constants.len(), REGISTRY.len());
    constants
}

/// Rust files of `directory`, those of tests left out.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "tests" {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

#[test]
fn a_code_has_a_page_exactly_if_something_raises_it() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut raised = BTreeSet::new();
    let constants = constants();
    for file in files {
        if file.ends_with("diagnostic/code.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // Tests at the end of a file raise nothing.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for rest in text.split("Code::").skip(1) {
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_')
                .collect();
            raised.extend(constants.get(&name).copied());
        }
    }
    let written: BTreeSet<_> = written_codes().map(|(code, _)| code).collect();
    let without: Vec<_> = raised.difference(&written).map(ToString::to_string).collect();
    assert!(without.is_empty(), "raised without a page: {}", without.join(" "));
    let idle: Vec<_> = written.difference(&raised).map(ToString::to_string).collect();
    assert!(
        idle.is_empty(),
        "with a page and raised nowhere: {}",
        idle.join(" ")
    );
}

#[test]
fn no_code_has_two_pages() {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rules = Vec::new();
    sources(&crate_directory.join("src/lints"), &mut rules);
    let of_rules: BTreeSet<String> = rules
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let heads = text.lines().filter_map(|line| line.strip_prefix("//! # PC"));
            heads
                .map(|head| head.split(' ').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    for entry in fs::read_dir(crate_directory.join("src/explain/pages")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let number = name.strip_prefix("pc").and_then(|name| name.get(..3)).unwrap();
        assert!(
            !of_rules.contains(number),
            "PC{number} has a rule with a page of its own: remove src/explain/pages/{name}"
        );
    }
}

#[test]
fn the_pages_in_docs_are_up_to_date() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules");
    let files = rules::files();
    if std::env::var_os("UPDATE_RULES").is_some() {
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in &files {
            fs::write(directory.join(name), text).unwrap();
        }
    }
    let how = "make them anew: UPDATE_RULES=1 cargo test -p portcullis-compiler --lib explain";
    for (name, text) in &files {
        let current = fs::read_to_string(directory.join(name)).unwrap_or_default();
        assert!(current == *text, "docs/rules/{name} is out of date; {how}");
    }
    for entry in fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(files.contains_key(&name), "docs/rules/{name} belongs to no code");
    }
}

#[test]
fn the_list_names_every_code_and_what_is_reserved() {
    let list = list();
    assert_eq!(list.lines().count(), REGISTRY.len());
    for (entry, line) in REGISTRY.iter().zip(list.lines()) {
        assert!(
            line.starts_with(&entry.code.to_string()) && line.ends_with(entry.summary),
            "{line}"
        );
        assert_eq!(line.contains("  reserved"), is_reserved(entry.code), "{line}");
    }
    assert_eq!(near("dns-forgoten"), ["dns-forgotten"]);
}

#[test]
fn what_is_no_code_is_near_some() {
    assert_eq!(near("named-port-twice"), ["named-port-twice-in-pod"]);
    assert_eq!(near("PC20"), ["PC201", "PC202", "PC203"]);
    assert!(near("PC").is_empty() && near("nothing of ours").is_empty());
}
