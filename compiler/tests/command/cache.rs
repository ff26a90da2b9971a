//! `--cache`: the same answers, and only what a change touches is asked again.

use crate::program::{Scratch, err, out, run};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Namespaces with a default deny, and applications that overlap, so that some questions go to the solver.
fn policies(changed: &str) -> String {
    let mut text = String::new();
    for namespace in ["one", "two", "three"] {
        for app in 0..3 {
            let ports = if namespace == "two" && app == 1 {
                changed
            } else {
                "443"
            };
            write!(
                text,
                "\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: app{app}, namespace: {namespace}}}
spec:
  podSelector: {{matchLabels: {{app: app{app}}}}}
  ingress:
    - from: [{{podSelector: {{matchLabels: {{app: web}}}}}}, {{podSelector: {{matchLabels: {{tier: front}}}}}}]
      ports: [{{port: {ports}}}, {{port: http}}]
    - from: [{{podSelector: {{matchExpressions: [{{key: app, operator: In, values: [web, api]}}]}}}}]
      ports: [{{port: 443}}, {{port: 80, endPort: 90}}]
    - from: [{{podSelector: {{matchLabels: {{app: web, tier: front}}}}}}]
      ports: [{{port: {ports}}}]
"
            )
            .unwrap();
        }
    }
    text
}

/// How many of the solver's answers were known, and how many it was asked for.
fn counted(text: &str) -> (u32, u32) {
    let line = text.lines().find(|line| line.starts_with("cache: ")).unwrap();
    let mut numbers = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn without_time(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("cache: "))
        .map(|line| line.split("; ").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Runs a command without a cache and with one; what is written is the same. The counts.
fn same(arguments: &[&str], cache: &str) -> (u32, u32) {
    let plain = run(arguments);
    let mut with = arguments.to_vec();
    with.extend(["--cache", cache]);
    let cached = run(&with);
    assert_eq!(out(&cached), out(&plain), "{arguments:?}");
    assert_eq!(cached.status.code(), plain.status.code(), "{}", err(&cached));
    assert_eq!(without_time(&err(&cached)), without_time(&err(&plain)));
    counted(&err(&cached))
}

#[test]
fn a_second_run_asks_nothing_and_a_change_asks_what_it_touches() {
    let scratch = Scratch::new("cache");
    let file = scratch.file("policies.yaml", &policies("443"));
    let guarantees = scratch.file(
        "g.txt",
        "never ns:two -> ns:one port 22/TCP\nisolated ns:three\nnever ns:one -> ns:two port 443\n",
    );
    let cache = scratch.path("cache");
    // So few steps that the solver has a part in it.
    let check = [
        "check",
        "--no-config",
        "--solver-steps",
        "20000",
        "--format",
        "json",
        &file,
    ];
    let prove = [
        "prove",
        "--no-config",
        "--format",
        "json",
        "--guarantees",
        &guarantees,
        &file,
    ];

    let (known, asked) = same(&check, &cache);
    assert_eq!(known, 0);
    assert!(asked > 9 && asked % 9 == 0, "the solver was asked {asked} times");
    assert_eq!(same(&check, &cache), (asked, 0));
    assert_eq!(same(&prove, &cache), (0, 3));
    assert_eq!(same(&prove, &cache), (3, 0));

    // One line, in one of nine policies: a ninth of the questions, and the guarantees that speak of its namespace.
    fs::write(&file, policies("8443")).unwrap();
    let (still, anew) = same(&check, &cache);
    assert_eq!(still, asked - asked / 9);
    assert!(
        (1..=asked / 9).contains(&anew),
        "{anew} of {asked} were asked anew"
    );
    assert_eq!(same(&check, &cache).1, 0);
    assert_eq!(same(&prove, &cache), (2, 1));

    // Moved down by a line, and in another file: no other policies.
    let moved = scratch.file("moved/other.yaml", &format!("# A line\n{}", policies("8443")));
    let check = [
        "check",
        "--no-config",
        "--solver-steps",
        "20000",
        "--format",
        "json",
        &moved,
    ];
    assert_eq!(same(&check, &cache).1, 0);
}

#[test]
fn a_change_is_told_without_the_solver() {
    let scratch = Scratch::new("cache-diff");
    let old = scratch.file("old.yaml", &policies("443"));
    let new = scratch.file("new.yaml", &policies("8443"));
    let cache = scratch.path("cache");
    // What sets of cubes answer is not kept.
    for format in ["human", "json", "md"] {
        let diff = [
            "diff",
            "--symbolic",
            "--no-config",
            "--format",
            format,
            &old,
            &new,
        ];
        assert_eq!(same(&diff, &cache), (0, 0), "{format}");
    }
    assert_eq!(same(&["impact", "--no-config", &new], &cache), (0, 0));
    let check = ["check", "--no-config", "--no-new-access", &new, "--against", &old];
    assert_eq!(same(&check, &cache), (0, 0));
}

#[test]
fn what_is_spoilt_or_cannot_be_kept_changes_no_answer() {
    let scratch = Scratch::new("cache-spoilt");
    let file = scratch.file("policies.yaml", &policies("443"));
    let guarantees = scratch.file("g.txt", "never ns:two -> ns:one port 22/TCP\n");
    let prove = ["prove", "--no-config", "--guarantees", &guarantees, &file];
    let cache = scratch.path("cache");
    assert_eq!(same(&prove, &cache), (0, 1));
    let directory = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let kept = fs::read_dir(directory).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, format!("{text}1")).unwrap();
    assert_eq!(same(&prove, &cache), (0, 1));
    assert_eq!(same(&prove, &cache), (1, 0));

    // A file where the directory should be.
    let taken = scratch.file("taken", "mine\n");
    let mut arguments = prove.to_vec();
    arguments.extend(["--cache", &taken]);
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("note: answers cannot be kept in"),
        "{}",
        err(&output)
    );
    assert_eq!(fs::read_to_string(taken).unwrap(), "mine\n");
}

#[test]
fn the_configuration_may_name_the_cache() {
    let scratch = Scratch::new("cache-config");
    let file = scratch.file("policies.yaml", &policies("443"));
    let config = scratch.file("portcullis.toml", "cache = \"kept\"\n");
    let guarantees = scratch.file("g.txt", "never ns:two -> ns:one port 22/TCP\n");
    let prove = || run(&["prove", "--config", &config, "--guarantees", &guarantees, &file]);
    assert_eq!(counted(&err(&prove())), (0, 1));
    assert!(Path::new(&scratch.path("kept")).is_dir());
    assert_eq!(counted(&err(&prove())), (1, 0));
}
