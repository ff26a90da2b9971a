//! The VS Code extension says of the program, of itself and of its settings what is so. The workbench is no part of this:
//! `docs/editors.md` says with which it was tried.

use crate::program::{ROOT, err, program};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const EXTENSION: &str = "compiler/editors/vscode";

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).unwrap()
}

fn json(file: &str) -> Value {
    serde_json::from_str(&text(&format!("{EXTENSION}/{file}"))).unwrap()
}

fn words(list: &Value) -> BTreeSet<&str> {
    let list = list.as_array().unwrap();
    list.iter().map(|word| word.as_str().unwrap()).collect()
}

/// The texts that stand between two others.
fn between<'a>(text: &'a str, before: &str, behind: &str) -> BTreeSet<&'a str> {
    let parts = text.split(before).skip(1);
    parts.map(|part| part.split_once(behind).unwrap().0).collect()
}

#[test]
fn settings_are_those_of_its_page_and_not_the_workspaces_to_choose() {
    let package = json("package.json");
    let settings = package["contributes"]["configuration"]["properties"]
        .as_object()
        .unwrap();
    let page = text(&format!("{EXTENSION}/README.md"));
    let rows = page.lines().filter(|line| line.starts_with("| `portcullis."));
    let told: BTreeMap<&str, Value> = rows
        .map(|row| {
            let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            let (name, default) = (cells.next().unwrap(), cells.next().unwrap());
            let default = serde_json::from_str(default).unwrap_or_else(|_| default.into());
            (name, default)
        })
        .collect();
    let defaults = settings
        .iter()
        .map(|(name, setting)| (name.as_str(), setting["default"].clone()));
    assert_eq!(defaults.collect::<BTreeMap<_, _>>(), told);

    let names: BTreeSet<&str> = settings.keys().map(String::as_str).collect();
    let restricted = &package["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"];
    assert_eq!(words(restricted), names);
    let code = text(&format!("{EXTENSION}/extension.js"));
    let read = between(&code, "settings.get('", "'");
    let read: BTreeSet<String> = read.iter().map(|name| format!("portcullis.{name}")).collect();
    assert_eq!(read.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
}

#[test]
fn commands_that_it_offers_are_there() {
    let package = json("package.json");
    let code = text(&format!("{EXTENSION}/extension.js"));
    let page = text(&format!("{EXTENSION}/README.md"));
    let commands = package["contributes"]["commands"].as_array().unwrap();
    let names = commands
        .iter()
        .map(|command| command["command"].as_str().unwrap());
    assert_eq!(between(&code, "registerCommand('", "'"), names.collect());
    for command in commands {
        let [category, title] = ["category", "title"].map(|part| command[part].as_str().unwrap());
        assert!(page.contains(&format!("*{category}: {title}*")), "{command}");
    }
}

#[test]
fn it_starts_for_the_languages_that_it_sends() {
    let package = json("package.json");
    let code = text(&format!("{EXTENSION}/extension.js"));
    let events = words(&package["activationEvents"]);
    let started: BTreeSet<&str> = events
        .iter()
        .filter_map(|event| event.strip_prefix("onLanguage:"))
        .collect();
    assert_eq!(between(&code, "language: '", "'"), started);
    assert_eq!(started, BTreeSet::from(["json", "yaml"]));
    assert!(
        events.contains("workspaceContains:**/portcullis.toml"),
        "{events:?}"
    );
    let association = &package["contributes"]["tomlValidation"][0];
    let (_, schema) = association["url"].as_str().unwrap().split_once("/main/").unwrap();
    assert!(Path::new(ROOT).join(schema).is_file(), "{schema}");
}

/// It asks the program for help first, with the arguments of the settings; those of the page's example are taken.
#[test]
fn the_program_answers_as_it_expects() {
    let page = text(&format!("{EXTENSION}/README.md"));
    let example = between(&page, "such as `", "`");
    let arguments: Vec<String> = serde_json::from_str(example.first().unwrap()).unwrap();
    assert!(!arguments.is_empty());
    let run = |arguments: &[String]| {
        let mut command = program(ROOT);
        command.arg("lsp").args(arguments).arg("--help").output().unwrap()
    };
    let output = run(&arguments);
    assert!(output.status.success(), "{}", err(&output));
    let output = run(&["--absent".to_owned()]);
    assert_eq!(output.status.code(), Some(2));
    // What the message quotes.
    assert!(
        err(&output).lines().next().unwrap().contains("--absent"),
        "{}",
        err(&output)
    );
}

#[test]
fn what_it_is_made_of_is_pinned_and_fits_the_oldest_editor() {
    let package = json("package.json");
    let lock = json("package-lock.json");
    let packages = lock["packages"].as_object().unwrap();
    assert_eq!(packages[""]["dependencies"], package["dependencies"]);
    assert_eq!(packages[""]["version"], package["version"]);
    for (name, version) in package["dependencies"].as_object().unwrap() {
        assert_eq!(
            packages[&format!("node_modules/{name}")]["version"],
            *version,
            "{name}"
        );
    }
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        assert!(package["integrity"].is_string(), "{name}");
        // From whichever registry is set up (`.npmrc` keeps it so): the integrity is what counts.
        assert!(package["resolved"].is_null(), "{name}");
    }
    let client = &packages["node_modules/vscode-languageclient"];
    assert_eq!(package["engines"]["vscode"], client["engines"]["vscode"]);
    let built = text(&format!("{EXTENSION}/README.md"));
    let version = package["version"].as_str().unwrap();
    assert!(built.contains(&format!("portcullis-{version}.vsix")));
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}
