//! Readers that leave before everything is written, as `| head -1` does.

use crate::program::{EXAMPLE, POLICY, ROOT, Scratch, program, run};
use std::io;
use std::path::Path;
use std::process::Stdio;

/// The exit status where nobody reads standard output (`out`) or standard error.
fn unread(arguments: &[&str], out: bool) -> i32 {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = program(ROOT);
    command.args(arguments).stdin(Stdio::null());
    if out {
        command.stdout(writer).stderr(Stdio::null());
    } else {
        command.stdout(Stdio::null()).stderr(writer);
    }
    command.status().unwrap().code().unwrap()
}

#[test]
fn a_reader_that_leaves_changes_no_status() {
    let scratch = Scratch::new("streams");
    let unparsable = scratch.file("unparsable.yaml", "a: [\n");
    let misspelt = scratch.file("misspelt.yaml", &POLICY.replace("podSelector", "podSelecter"));
    let promises = scratch.file("a.guarantees", "always ns:shop -> world\n");
    let deny = "testdata/findings/pc203-numbers-differ-where-denied";
    let flow = ["query", EXAMPLE, "--from", "shop/frontend", "--to", "shop/nobody"];
    for (arguments, status) in [
        (&["check", EXAMPLE][..], 0),
        (&["check", EXAMPLE, "--fail-on", "warning"], 1),
        (&["check", EXAMPLE, "--format", "json", "--fail-on", "warning"], 1),
        (&["check", &unparsable], 2),
        (
            &["check", EXAMPLE, "--solver-steps", "1", "--fail-on", "never"],
            3,
        ),
        (&["check", &misspelt, "--diff"], 2),
        (&["ports", deny], 1),
        (&["ports", &misspelt], 2),
        (&["connectivity", EXAMPLE], 0),
        (&flow, 2),
        (
            &[
                "query",
                EXAMPLE,
                "--from",
                "shop/frontend",
                "--to",
                "8.8.8.8",
                "--port",
                "1/TCP",
            ],
            1,
        ),
        (&["prove", EXAMPLE, "--guarantees", &promises], 1),
        (&["diff", EXAMPLE, deny], 1),
        (&["diff", "--symbolic", EXAMPLE, deny], 1),
        (&["impact", EXAMPLE], 0),
        (&["report", EXAMPLE, "--fail-on", "warning"], 1),
        (&["explain", "PC201"], 0),
        (&["explain", "PC999"], 2),
        (&["check", "--help"], 0),
        (&["check", "--no-such-flag"], 2),
    ] {
        assert_eq!(run(arguments).status.code(), Some(status), "{arguments:?}");
        assert_eq!(unread(arguments, true), status, "standard output: {arguments:?}");
        assert_eq!(unread(arguments, false), status, "standard error: {arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_stops_no_work() {
    let scratch = Scratch::new("streams-work");
    let baseline = scratch.path("baseline.json");
    assert_eq!(
        unread(&["check", EXAMPLE, "--write-baseline", &baseline], true),
        0
    );
    assert!(Path::new(&baseline).exists());
    let bundle = scratch.path("bundle");
    let compile = ["compile", EXAMPLE, "--place", "--dump", "--output", &bundle];
    assert_eq!(unread(&compile, true), 0);
    assert!(Path::new(&bundle).exists());
}

#[test]
fn a_watch_that_nobody_reads_ends_with_what_it_found() {
    let scratch = Scratch::new("streams-watch");
    let misspelt = scratch.file("misspelt.yaml", &POLICY.replace("podSelector", "podSelecter"));
    assert_eq!(unread(&["check", "--watch", &misspelt], true), 2);
}
