//! The report in a browser: a click, keys, the search, folding, widths; `report_browser.py` is the person.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failed call is a failed test"
)]

use portcullis_compiler::synthetic::{Shape, manifests};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What is missing, if anything. `./dev setup` installs both where it can.
fn missing() -> Option<&'static str> {
    if !Path::new("/usr/bin/chromium").is_file() {
        return Some("chromium");
    }
    let playwright = Command::new(python()).args(["-c", "import playwright"]).output();
    match playwright {
        Ok(output) if output.status.success() => None,
        _ => Some("playwright (in target/python)"),
    }
}

fn python() -> PathBuf {
    Path::new(ROOT).join("target/python/bin/python")
}

/// A report, as the command writes it.
fn report(paths: &[&Path], to: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("report")
        .args(paths)
        .arg("--output")
        .arg(to)
        .output()
        .unwrap();
    // Findings are an answer; that the job could not be done is none.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
}

#[test]
fn a_person_can_use_the_report() {
    if let Some(missing) = missing() {
        assert!(
            std::env::var_os("PORTCULLIS_REQUIRE_BROWSER").is_none(),
            "PORTCULLIS_REQUIRE_BROWSER is set, and {missing} is missing"
        );
        eprintln!("SKIPPED: {missing} is missing: ./dev setup installs it");
        return;
    }
    let place = Path::new(ROOT).join("target/report-browser");
    let cluster = place.join("cluster");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&cluster).unwrap();
    let shape = Shape {
        workloads: 200,
        pods: 400,
        policies: 200,
        namespaces: 12,
        ..Shape::repository(200)
    };
    for (name, text) in manifests(&shape) {
        fs::write(cluster.join(name), text).unwrap();
    }
    let (small, large) = (place.join("small.html"), place.join("large.html"));
    report(&[&Path::new(ROOT).join("testdata/named-ports")], &small);
    report(&[&cluster], &large);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report_browser.py");
    let output = Command::new(python())
        .arg(script)
        .args([&small, &large, &place.join("pictures")])
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
}
