//! `portcullis ports` as scripts meet it: every format, the published schema, exit statuses, and the order of input.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failed call is a failed test"
)]

use serde_json::Value;
use std::fs;
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn ports(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(ROOT)
        .arg("ports")
        .args(arguments)
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap()
}

fn out(arguments: &[&str]) -> String {
    String::from_utf8(ports(arguments).stdout).unwrap()
}

fn status(arguments: &[&str]) -> i32 {
    ports(arguments).status.code().unwrap()
}

#[test]
fn the_table_in_every_format() {
    for format in ["human", "csv", "md"] {
        let shown = out(&["testdata/named-ports", "--format", format]);
        insta::assert_snapshot!(format!("ports_{format}"), shown);
    }
}

/// The published schema, as strict as what is written.
fn schema() -> jsonschema::Validator {
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
    let text = fs::read_to_string(format!("{ROOT}/docs/schemas/ports.v1.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    closed(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn json_is_as_published_for_every_case_of_findings() {
    let schema = schema();
    let mut named = 0;
    let mut paths = vec!["testdata/named-ports".to_owned()];
    for case in fs::read_dir(format!("{ROOT}/testdata/findings")).unwrap() {
        let case = case.unwrap().file_name().into_string().unwrap();
        if case.starts_with("pc2") || case.starts_with("quiet-pc2") {
            paths.push(format!("testdata/findings/{case}"));
        }
    }
    for path in paths {
        let output = ports(&[&path, "--format", "json"]);
        if output.status.code() == Some(2) {
            // What the API server refuses has no table.
            assert!(output.stdout.is_empty(), "{path}");
            continue;
        }
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let wrong: Vec<_> = schema
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{path}: {}", wrong.join("\n"));
        for finding in report["findings"].as_array().unwrap() {
            assert!(finding["code"].as_str().unwrap().starts_with("PC2"), "{path}");
        }
        named += report["names"].as_array().unwrap().len();
    }
    assert!(named > 20);
}

#[test]
fn exit_statuses_are_those_of_check() {
    let deny = "testdata/findings/pc203-numbers-differ-where-denied";
    let allow = "testdata/findings/pc201-egress-allow";
    assert_eq!(status(&[deny]), 1);
    assert_eq!(status(&[deny, "--fail-on", "never"]), 0);
    assert_eq!(status(&[allow]), 0);
    assert_eq!(status(&[allow, "--fail-on", "warning"]), 1);
    assert_eq!(status(&["testdata/findings/pc210-refused"]), 2);
    assert_eq!(status(&["testdata/absent"]), 2);
}

#[test]
fn an_answer_in_a_file_is_the_answer_on_standard_output() {
    let directory = std::env::temp_dir().join(format!("portcullis-ports-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("ports.csv");
    let path = file.to_str().unwrap();
    assert_eq!(out(&["testdata/named-ports", "--format", "csv", "-o", path]), "");
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written, out(&["testdata/named-ports", "--format", "csv"]));
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_order_of_input_does_not_matter() {
    let forwards = [
        "testdata/named-ports/catalog.yaml",
        "testdata/named-ports/policies.yaml",
        "testdata/named-ports/frontend.yaml",
    ];
    let mut backwards = forwards;
    backwards.reverse();
    let json = |paths: &[&str], jobs: &str| out(&[paths, &["--format", "json", "--jobs", jobs]].concat());
    assert_eq!(json(&forwards, "1"), json(&backwards, "4"));
    assert!(json(&forwards, "1").contains("PC201"));
}
