//! Several formats at once, each to its file.

use crate::program::{EXAMPLE, Scratch, err, out, run, status};
use std::fs;
use std::path::Path;

#[test]
fn several_formats_are_written_at_once() {
    let scratch = Scratch::new("formats");
    let (sarif, junit) = (scratch.path("a.sarif"), scratch.path("a.xml"));
    let (sarif_flag, junit_flag) = (format!("sarif={sarif}"), format!("junit={junit}"));
    fs::write(&sarif, "old").unwrap();
    let output = run(&[
        "check",
        "--no-solver",
        "--format",
        &sarif_flag,
        "--format",
        &junit_flag,
        "--format",
        "json",
        EXAMPLE,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let log: serde_json::Value = serde_json::from_str(&fs::read_to_string(&sarif).unwrap()).unwrap();
    let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let count = |value: &serde_json::Value| value.as_array().unwrap().len();
    assert_eq!(count(&log["runs"][0]["results"]), count(&report["findings"]));
    assert!(fs::read_to_string(&junit).unwrap().starts_with("<?xml"));
    let left: Vec<_> = fs::read_dir(&scratch.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "nothing half written is left: {left:?}");

    // People read standard output unless something else is said to go there.
    let output = run(&["check", "--no-solver", "--format", &sarif_flag, EXAMPLE]);
    assert!(out(&output).contains("warning[PC201]"));
    let file = scratch.path("report.md");
    let output = run(&[
        "check",
        "--no-solver",
        "--format",
        "md",
        "--output",
        &file,
        EXAMPLE,
    ]);
    assert_eq!(out(&output), "");
    assert!(fs::read_to_string(&file).unwrap().starts_with("### Portcullis: "));
}

#[test]
fn outputs_that_would_meet_are_refused() {
    let scratch = Scratch::new("outputs");
    let file = scratch.path("a");
    let (json, sarif) = (format!("json={file}"), format!("sarif={file}"));
    assert_eq!(
        status(&["check", "--format", "json", "--format", "sarif", EXAMPLE]),
        2
    );
    assert_eq!(
        status(&["check", "--format", &json, "--format", &sarif, EXAMPLE]),
        2
    );
    assert_eq!(
        status(&["check", "--format", &json, "--output", &file, EXAMPLE]),
        2
    );
    assert_eq!(status(&["check", "--format", "json=", EXAMPLE]), 2);
    assert!(err(&run(&["check", "--format", "sarfi", EXAMPLE])).contains("sarif"));
    let nowhere = format!("json={}", scratch.path("absent/a.json"));
    assert_eq!(
        status(&["check", "--no-solver", "--format", &nowhere, EXAMPLE]),
        2
    );
    assert!(!Path::new(&file).exists());
}
