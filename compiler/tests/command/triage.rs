//! What a repository decided about findings: acceptances, baselines, configuration.

use crate::editor::Editor;
use crate::program::{POLICY, Scratch, err, out, program, run, run_in, status};
use std::fs;
use std::path::Path;

/// Two pods that call different numbers `http`, and a policy that uses the name.
const COLLISION: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: new, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - podSelector: {matchLabels: {app: api}}
    ports:
    - port: http
";

/// `check --select PC201 --fail-on note` in a directory: the status, and how many findings count and were accepted.
fn collisions(directory: &Path, more: &[&str]) -> (i32, u64, u64) {
    let output = program(directory)
        .args([
            "check",
            "--no-solver",
            "--format=json",
            "--fail-on=note",
            "--select=PC201,PC614,PC615,PC616,PC617",
        ])
        .args(more)
        .arg(".")
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |name: &str| {
        let number = report.pointer(&format!("/summary/{name}"));
        number.and_then(serde_json::Value::as_u64).unwrap()
    };
    let counting = count("errors") + count("warnings") + count("notes");
    (output.status.code().unwrap(), counting, count("accepted"))
}

#[test]
fn what_is_accepted_in_place_does_not_fail_and_is_counted() {
    let scratch = Scratch::new("accepted");
    scratch.file("a.yaml", COLLISION);
    assert_eq!(collisions(&scratch.0, &[]), (1, 1, 0));
    let comment = "port: http # portcullis: allow[PC201] until spring until=2027-03-01";
    scratch.file(
        "a.yaml",
        &COLLISION.replace("port: http\n", &format!("{comment}\n")),
    );
    assert_eq!(collisions(&scratch.0, &["--today=2027-03-01"]), (0, 0, 1));
    assert_eq!(collisions(&scratch.0, &["--today=2027-03-02"]), (1, 2, 0));
    let path = scratch.path("a.yaml");
    let output = run(&[
        "check",
        "--no-solver",
        "--verbose",
        "--select=PC201",
        "--today=2027-03-01",
        &path,
    ]);
    assert!(
        err(&output).contains("by comment: until spring"),
        "{}",
        err(&output)
    );
    assert!(!out(&output).contains("PC201"), "{}", out(&output));
}

#[test]
fn guarantees_accept_in_place_too() {
    let scratch = Scratch::new("guarantees");
    scratch.file("m/policy.yaml", POLICY);
    let found = |text: &str, more: &[&str]| {
        scratch.file("m/shop.guarantees", text);
        let output = program(&scratch.0)
            .args(["check", "m", "--format=json", "--today=2027-03-01"])
            .args(more)
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        let codes = findings.map(|finding| {
            let accepted = if finding["accepted"].is_null() {
                ""
            } else {
                " accepted"
            };
            format!("{}{accepted}", finding["code"].as_str().unwrap())
        });
        (output.status.code().unwrap(), codes.collect::<Vec<_>>())
    };
    let violated = "never ns:shop -> world";
    for (comment, status, codes) in [
        ("", 1, vec!["PC401"]),
        (
            "# portcullis: allow[PC401] until spring until=2027-03-01",
            0,
            vec!["PC401 accepted"],
        ),
        (
            "# portcullis: allow[PC401] until spring until=2027-02-28",
            1,
            vec!["PC401", "PC616"],
        ),
        ("# portcullis: allow[PC401]", 1, vec!["PC401", "PC615"]),
        (
            "# portcullis: allow PC401 until spring",
            1,
            vec!["PC401", "PC617"],
        ),
        (
            "# portcullis: allow[PC402] until spring",
            1,
            vec!["PC401", "PC614"],
        ),
    ] {
        for text in [
            format!("{comment}\n{violated}\n"),
            format!("{violated} {comment}\r\n"),
        ] {
            let (exit, mut found) = found(&text, &[]);
            found.sort();
            assert_eq!(
                (exit, found),
                (status, codes.iter().map(ToString::to_string).collect()),
                "{text}"
            );
        }
    }
    // What was not proved is not called unused.
    let held = "# portcullis: allow[PC401] until spring\nnever world -> ns:shop\n";
    assert_eq!(found(held, &["--no-solver"]).1, Vec::<String>::new());
    assert_eq!(found(&format!("{held}never\n"), &[]).1, ["PC404"]);
    assert_eq!(found(held, &[]).1, ["PC614"]);
    let unused = "never world -> ns:shop # portcullis: allow[PC405] not here\n";
    assert_eq!(
        found(unused, &["--fix", "--unsafe-fixes"]).1,
        Vec::<String>::new()
    );
    let mended = fs::read_to_string(scratch.path("m/shop.guarantees")).unwrap();
    assert_eq!(mended, "never world -> ns:shop\n");
}

#[test]
fn a_baseline_lets_only_new_findings_count() {
    let scratch = Scratch::new("baseline");
    scratch.file("a.yaml", COLLISION);
    assert_eq!(collisions(&scratch.0, &["--write-baseline=old.json"]).0, 0);
    // The baseline itself is JSON among the manifests; it is no object.
    fs::create_dir(scratch.path("kept")).unwrap();
    fs::rename(scratch.path("old.json"), scratch.path(".old.json")).unwrap();
    let first = fs::read_to_string(scratch.path(".old.json")).unwrap();
    assert_eq!(collisions(&scratch.0, &["--baseline=.old.json"]), (0, 0, 1));
    scratch.file("a.yaml", &format!("# moved\n\n{COLLISION}"));
    assert_eq!(collisions(&scratch.0, &["--baseline=.old.json"]), (0, 0, 1));
    scratch.file(
        "a.yaml",
        &COLLISION.replace("containerPort: 80}", "containerPort: 81}"),
    );
    assert_eq!(collisions(&scratch.0, &["--baseline=.old.json"]), (1, 1, 0));
    assert_eq!(fs::read_to_string(scratch.path(".old.json")).unwrap(), first);
    let path = scratch.path("a.yaml");
    assert_eq!(
        status(&["check", "--baseline", &scratch.path("absent"), &path]),
        2
    );
    assert_eq!(status(&["check", "--baseline", &path, &path]), 2);
}

#[test]
fn another_number_behind_a_name_is_new_on_whichever_line_it_stands() {
    let scratch = Scratch::new("baseline-numbers");
    let block = COLLISION.replace(
        "ports: [{name: http, containerPort: 80}]}]}",
        "ports: [\n  {name: http,\n   containerPort: 80}]}]}",
    );
    scratch.file("a.yaml", &block);
    assert_eq!(collisions(&scratch.0, &["--write-baseline=.old.json"]).0, 0);
    for same in [block.replace("\n  {", "\n    {"), block.replace('\n', "\r\n")] {
        scratch.file("a.yaml", &same);
        assert_eq!(
            collisions(&scratch.0, &["--baseline=.old.json"]),
            (0, 0, 1),
            "{same}"
        );
    }
    scratch.file(
        "a.yaml",
        &block.replace("containerPort: 80}", "containerPort: 81}"),
    );
    assert_eq!(collisions(&scratch.0, &["--baseline=.old.json"]), (1, 1, 0));
}

/// An acceptance at the head of a file belongs to no object.
const UNUSED: &str = "# portcullis: allow[PC204] not here\n";

#[test]
fn what_belongs_to_no_object_is_the_same_however_its_file_is_named() {
    let scratch = Scratch::new("baseline-names");
    fs::create_dir(scratch.path(".git")).unwrap();
    scratch.file("m/a.yaml", &format!("{UNUSED}{POLICY}"));
    let m = scratch.path("m");
    let places = [
        (&*scratch.0, "m"),
        (&scratch.0, "./m"),
        (&scratch.0, &m),
        (Path::new(&m), "."),
    ];
    let baseline = scratch.path(".old.json");
    let mut written = Vec::new();
    for (directory, path) in places {
        let arguments = [
            "check",
            "--no-solver",
            path,
            "--format=gitlab",
            "--write-baseline",
            &baseline,
        ];
        let output = run_in(directory, &arguments, "");
        assert!(out(&output).contains("PC614"), "{}", out(&output));
        written.push((fs::read_to_string(&baseline).unwrap(), out(&output)));
    }
    for (directory, path) in places {
        let output = run_in(
            directory,
            &[
                "check",
                "--no-solver",
                path,
                "--baseline",
                &baseline,
                "--fail-on=note",
            ],
            "",
        );
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    }
    written.dedup();
    assert_eq!(written.len(), 1, "{written:#?}");

    scratch.file("portcullis.toml", "baseline = '.old.json'\n");
    let file = scratch.file(
        "m/a.yaml",
        &format!("{UNUSED}{}{POLICY}", UNUSED.replace("PC204", "PC205")),
    );
    let mut editor = Editor::open(&scratch.0);
    let shown = editor.diagnostics(Path::new(&file), |shown| {
        shown["diagnostics"] != serde_json::json!([])
    });
    let lines: Vec<_> = shown
        .iter()
        .map(|one| one["range"]["start"]["line"].as_u64())
        .collect();
    assert_eq!(lines, [Some(1)], "{shown:#?}");
    assert_eq!(editor.close(), 0);
}

#[test]
fn a_configuration_is_found_and_flags_count_more() {
    let scratch = Scratch::new("config");
    fs::create_dir_all(scratch.path("a/b")).unwrap();
    scratch.file("a/b/c.yaml", COLLISION);
    let below = scratch.0.join("a/b");
    let check = |more: &[&str]| {
        let output = program(&below)
            .args(["check", "--no-solver"])
            .args(more)
            .arg(".")
            .output()
            .unwrap();
        (output.status.code().unwrap(), out(&output) + &err(&output))
    };
    scratch.file("portcullis.toml", "fail-on = \"warning\"\nselect = [\"PC201\"]\n");
    assert_eq!(check(&[]).0, 1);
    assert_eq!(check(&["--no-config"]).0, 0);
    assert_eq!(check(&["--fail-on=error"]).0, 0);
    assert_eq!(check(&["--severity=PC2=error", "--fail-on=error"]).0, 1);
    assert_eq!(check(&["--ignore=named-port-many-numbers"]).0, 0);
    scratch.file(
        "portcullis.toml",
        "fail-on = \"warning\"\nselect = [\"PC2\"]\nignore = [\"PC201\"]\n",
    );
    assert_eq!(check(&[]).0, 0);
    assert_eq!(check(&["--select=PC2"]).0, 1);
    let (code, said) = check(&["--ignore=named-port-many-number"]);
    assert_eq!(code, 2);
    assert!(said.contains("did you mean `named-port-many-numbers`?"), "{said}");

    scratch.file("portcullis.toml", "fial-on = \"warning\"\n");
    let (code, said) = check(&[]);
    assert_eq!(code, 2);
    assert!(
        said.contains("did you mean `fail-on`?") && said.contains("portcullis.toml:1:1"),
        "{said}"
    );
    // Beyond the repository's root nothing is looked for.
    fs::create_dir(scratch.path("a/.git")).unwrap();
    assert_eq!(check(&[]).0, 0);
    assert_eq!(check(&["--config", "../../portcullis.toml"]).0, 2);
    assert_eq!(check(&["--config", "absent.toml"]).0, 2);
}
