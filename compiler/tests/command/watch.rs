//! `check --watch`: what it looks at, and that it checks again.

use crate::program::{POLICY, ROOT, Scratch, program, run_in, status};
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// A check that goes on.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Watch {
    fn start(directory: impl AsRef<Path>, arguments: &[&str]) -> Self {
        let mut child = program(directory)
            .args(["check", "--watch"])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What the next check says in its last line; at the latest when the child is killed, the pipe closes.
    fn summary(&mut self) -> String {
        let told = self
            .lines
            .find_map(|line| line.ok().filter(|line| line.contains(" in 1 policy")))
            .unwrap();
        self.waits();
        told
    }

    /// The end of a check: what is saved from here on is seen.
    fn waits(&mut self) {
        let waits = |line: &String| line.starts_with("watching");
        self.lines.find_map(|line| line.ok().filter(waits)).unwrap();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_file_that_is_saved() {
    let scratch = Scratch::new("watch");
    let file = scratch.file("a.yaml", POLICY);
    let mut watch = Watch::start(ROOT, &["--no-solver", "--no-config", &scratch.path("")]);
    assert!(!watch.summary().contains("error"));
    fs::write(&file, POLICY.replace("podSelector", "podSelecter")).unwrap();
    assert!(watch.summary().contains("1 error"));
    assert_eq!(status(&["check", "--watch", "-"]), 2);
}

/// One beside the manifests is found when it comes to be, and one of another name is watched because it is named.
#[test]
fn a_file_of_guarantees() {
    let scratch = Scratch::new("watch-guarantees");
    scratch.file("policies/a.yaml", POLICY);
    let named = scratch.file("elsewhere/promises.txt", "never ns:shop -> ns:shop\n");
    let policies = scratch.path("policies");
    let mut watch = Watch::start(ROOT, &["--no-config", "--guarantees", &named, &policies]);
    assert!(!watch.summary().contains("error"));
    let beside = scratch.file("policies/shop.guarantees", "always world -> ns:shop\n");
    assert!(watch.summary().contains("1 error"));
    fs::write(&named, "always ns:shop -> world\nalways ns:shop -> ns:shop\n").unwrap();
    assert!(watch.summary().contains("2 errors"));
    fs::write(&beside, "warning always world -> ns:shop\n").unwrap();
    let told = watch.summary();
    assert!(told.contains("1 error, 1 warning"), "{told}");
}

#[test]
fn what_a_change_is_held_against() {
    let scratch = Scratch::new("watch-against");
    let new = scratch.file("new/a.yaml", POLICY);
    let old = scratch.file("old/a.yaml", POLICY);
    let arguments = ["--no-config", &new, "--against", &old, "--no-new-access"];
    let mut watch = Watch::start(ROOT, &arguments);
    assert!(!watch.summary().contains("error"));
    // It denied egress too, which the new policy leaves open.
    let both = POLICY.replace(
        "{podSelector: {}}",
        "{podSelector: {}, policyTypes: [Ingress, Egress]}",
    );
    fs::write(&old, both).unwrap();
    assert!(watch.summary().contains("error"));
}

/// Of the file above the working directory, and of the baseline that it names.
#[test]
fn what_a_repository_decided() {
    let scratch = Scratch::new("watch-decided");
    scratch.file(".git/HEAD", "");
    let block = "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]}";
    scratch.file("below/a.yaml", &POLICY.replace("{podSelector: {}}", block));
    let config = scratch.file("portcullis.toml", "");
    let mut watch = Watch::start(scratch.path("below"), &["--no-solver", "a.yaml"]);
    assert!(watch.summary().contains("1 warning"));
    fs::write(&config, "[severity]\nPC107 = \"error\"\n").unwrap();
    assert!(watch.summary().contains("1 error"));
    fs::write(&config, "baseline = \"known.json\"\n").unwrap();
    watch.waits();
    let known = scratch.path("known.json");
    let accept = [
        "check",
        "--no-config",
        "--no-solver",
        "a.yaml",
        "--write-baseline",
        &known,
    ];
    assert_eq!(run_in(scratch.path("below"), &accept, "").status.code(), Some(0));
    assert!(!watch.summary().contains("1 warning"));
}

/// What a check writes into the directory that it reads makes it neither check again nor find more to read.
#[test]
fn what_a_check_writes_is_not_what_it_reads() {
    let scratch = Scratch::new("watch-outputs");
    let file = scratch.file("a.yaml", POLICY);
    let arguments = [
        "--no-config",
        "--no-solver",
        ".",
        "--format",
        "json=o.json",
        "--format",
        "gitlab=reports/../gl-code-quality.json",
        "--output",
        "said.json",
        "--write-baseline",
        "known.json",
    ];
    let written = ["o.json", "gl-code-quality.json", "said.json", "known.json"];
    fs::create_dir(scratch.path("reports")).unwrap();
    let mut watch = Watch::start(scratch.path(""), &arguments);
    for space in ["\n", "\n\n"] {
        let told = watch.summary();
        assert!(!told.contains("error") && !told.contains("skipped"), "{told}");
        for name in written {
            assert!(Path::new(&scratch.path(name)).exists(), "{name}");
        }
        fs::write(&file, format!("{POLICY}{space}")).unwrap();
    }
    assert!(!watch.summary().contains("error"));
    // Long enough for another check, whose summary would be the next.
    sleep(Duration::from_secs(2));
    fs::write(&file, POLICY.replace("podSelector", "podSelecter")).unwrap();
    assert!(watch.summary().contains("1 error"));
}
