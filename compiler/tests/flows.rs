//! The verbs that answer questions about flows, as their users meet them: transcripts over the example, the published
//! schemas, and text from manifests that tries to leave its place.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failed call is a failed test"
)]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const EXAMPLE: &str = "testdata/named-ports";

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(ROOT)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a person sees who runs the command at the root of the repository.
fn transcript(arguments: &[&str]) -> String {
    let output = run(arguments);
    let status = output.status.code().unwrap();
    let shown: Vec<_> = arguments
        .iter()
        .map(|argument| {
            if argument.contains([' ', '{']) {
                format!("'{argument}'")
            } else {
                (*argument).to_owned()
            }
        })
        .collect();
    format!(
        "$ portcullis {}\n{}--- standard error\n{}--- exit status {status}\n",
        shown.join(" "),
        text(&output.stdout),
        text(&output.stderr)
    )
}

fn transcripts(all: &[&[&str]]) -> String {
    let all: Vec<_> = all.iter().map(|arguments| transcript(arguments)).collect();
    all.join("\n")
}

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-flows-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A published schema; as strict as what we write, where the published one leaves room for later members.
fn schema(name: &str) -> jsonschema::Validator {
    fn closed(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                if members.contains_key("properties") {
                    members.insert("additionalProperties".to_owned(), Value::Bool(false));
                }
                members.values_mut().for_each(closed);
            }
            Value::Array(elements) => elements.iter_mut().for_each(closed),
            _ => {}
        }
    }
    let path = Path::new(ROOT).join("docs/schemas").join(name);
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    closed(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

/// Whether the JSON that a command writes is as published.
fn as_published(name: &str, arguments: &[&str]) -> Value {
    let output = run(arguments);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output.stderr)));
    let wrong: Vec<_> = schema(name)
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{arguments:?}: {}", wrong.join("\n"));
    report
}

#[test]
fn connectivity_in_every_format() {
    for format in ["human", "json", "csv", "md", "dot"] {
        let shown = transcript(&["connectivity", EXAMPLE, "--format", format]);
        insta::assert_snapshot!(format!("connectivity_{format}"), shown);
    }
}

#[test]
fn connectivity_in_focus() {
    insta::assert_snapshot!(transcripts(&[
        &["connectivity", EXAMPLE, "--focus", "ledger/ledger"],
        &[
            "connectivity",
            EXAMPLE,
            "--focus",
            "catalog",
            "--focus",
            "catalog-nginx",
            "-q"
        ],
        &["connectivity", EXAMPLE, "--focus", "catalogue"],
        &["connectivity", EXAMPLE, "--focus", "ledger/catalog"],
    ]));
}

#[test]
fn connectivity_is_as_published() {
    let report = as_published(
        "connectivity.v1.json",
        &["connectivity", EXAMPLE, "--format", "json"],
    );
    assert!(!report["connections"].as_array().unwrap().is_empty());
    let scratch = Scratch::new("host-network");
    let host = scratch.file("pod.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: b}, spec: {hostNetwork: true, containers: []}}");
    let report = as_published(
        "connectivity.v1.json",
        &["connectivity", &host, "--format", "json"],
    );
    assert!(
        report["connections"]
            .as_array()
            .unwrap()
            .iter()
            .any(|connection| connection["src"]["host_network"] == true)
    );
}

#[test]
fn the_schema_refuses_what_is_not_as_published() {
    let schema = schema("connectivity.v1.json");
    let port = serde_json::json!({"protocol": "TCP", "from": 1, "to": 2});
    let with = |src: Value, ports: Value| {
        serde_json::json!({"version": 1, "connections": [
            {"src": src, "dst": {"cidrs": ["10.0.0.0/8"]}, "ports": ports}
        ]})
    };
    let pod = serde_json::json!({"kind": "Pod", "namespace": "a", "name": "b"});
    assert!(schema.is_valid(&with(pod.clone(), serde_json::json!([port]))));
    assert!(!schema.is_valid(&with(pod.clone(), serde_json::json!([]))));
    assert!(!schema.is_valid(&with(serde_json::json!({"cidrs": []}), serde_json::json!([port]))));
    let zero = serde_json::json!({"protocol": "TCP", "from": 0, "to": 2});
    assert!(!schema.is_valid(&with(pod, serde_json::json!([zero]))));
}

#[test]
fn an_answer_in_a_file_is_the_answer_on_standard_output() {
    let scratch = Scratch::new("output");
    let file = scratch.path("connections.csv");
    let output = run(&["connectivity", EXAMPLE, "--format", "csv", "--output", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    let expected = text(&run(&["connectivity", EXAMPLE, "--format", "csv"]).stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    // What cannot be answered leaves the file alone.
    let output = run(&["connectivity", EXAMPLE, "--focus", "nobody", "--output", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    let output = run(&["connectivity", EXAMPLE, "--output", &scratch.path("absent/file")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("cannot write"),
        "{}",
        text(&output.stderr)
    );
}
