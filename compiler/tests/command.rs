//! The command as scripts meet it: exit statuses, what goes where, and that nothing is half written.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failed call is a failed test"
)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/named-ports");

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-command-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
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

fn run(arguments: &[&str]) -> Output {
    run_with(arguments, "")
}

fn run_with(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its flags does not read.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn status(arguments: &[&str]) -> i32 {
    run(arguments).status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}}
";

#[test]
fn check_exits_with_what_it_found() {
    let scratch = Scratch::new("check");
    let fine = scratch.file("fine.yaml", POLICY);
    let refused = scratch.file(
        "refused.yaml",
        &POLICY.replace("{podSelector: {}}", "{ingress: [{ports: [{port: 0}]}]}"),
    );
    let unparsable = scratch.file("unparsable.yaml", "a: [\n");
    let nothing = scratch.file(
        "nothing.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    );

    assert_eq!(status(&["check", &fine]), 0);
    assert_eq!(status(&["check", EXAMPLE]), 0);
    assert_eq!(status(&["check", EXAMPLE, "--fail-on=warning"]), 1);
    assert_eq!(status(&["check", EXAMPLE, "--fail-on", "never"]), 0);
    assert_eq!(status(&["check", EXAMPLE, "--fail-on=note"]), 1);
    assert_eq!(status(&["check", &refused]), 2);
    assert_eq!(status(&["check", &refused, "--fail-on", "never"]), 2);
    assert_eq!(status(&["check", &unparsable]), 2);
    assert_eq!(status(&["check", &nothing]), 2);
    assert_eq!(status(&["check", &nothing, "--allow-empty"]), 0);
    assert_eq!(status(&["check", &scratch.path("absent.yaml")]), 2);
    assert_eq!(status(&["check"]), 2);
    assert_eq!(status(&["check", "--no-such-flag", &fine]), 2);
    assert_eq!(status(&["--help"]), 0);
    assert_eq!(status(&["--version"]), 0);
}

#[test]
fn findings_go_to_standard_output_and_the_run_to_standard_error() {
    let output = run(&["check", EXAMPLE]);
    assert!(out(&output).contains("PC201"), "{}", out(&output));
    assert!(!out(&output).contains("policies,"));
    assert!(
        err(&output).contains("1 warning, 2 notes in 6 policies"),
        "{}",
        err(&output)
    );
    assert_eq!(err(&run(&["check", "-q", EXAMPLE])), "");
}

#[test]
fn json_stays_json_whatever_was_found() {
    let scratch = Scratch::new("json");
    let unparsable = scratch.file("unparsable.yaml", "a: [\n");
    for path in [EXAMPLE, &unparsable] {
        let output = run(&["check", "--format", "json", path]);
        let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
        assert_eq!(report["version"], 1);
        let keys: Vec<_> = report.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["version", "summary", "findings"]);
        assert!(!report["findings"].as_array().unwrap().is_empty());
    }
}

#[test]
fn the_collision_is_told_over_all_files_concerned() {
    let output = run(&["check", "--format", "json", "--no-solver", EXAMPLE]);
    let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let finding = &report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "PC201" && finding["severity"] == "warning")
        .unwrap();
    let files: Vec<_> = finding["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| {
            Path::new(label["file"].as_str().unwrap())
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
        })
        .collect();
    assert_eq!(files, ["policies.yaml", "catalog.yaml", "catalog.yaml"]);
    assert_eq!(finding["witness"]["from"], "shop/frontend");
    // Without the solver there is no word of redundancy.
    assert!(!out(&output).contains("PC302"));
    assert!(out(&run(&["check", "--format", "json", EXAMPLE])).contains("PC302"));
}

#[test]
fn standard_input_is_a_path() {
    let output = run_with(&["check", "-"], POLICY);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let output = run_with(&["check", "-"], "a: [");
    assert_eq!(output.status.code(), Some(2));
    assert!(out(&output).contains("<stdin>"), "{}", out(&output));
}

#[test]
fn a_pipe_gets_no_colours_unless_asked() {
    assert!(!out(&run(&["check", EXAMPLE])).contains('\u{1b}'));
    assert!(out(&run(&["check", "--color", "always", EXAMPLE])).contains('\u{1b}'));
    assert!(!out(&run(&["check", "--color", "never", EXAMPLE])).contains('\u{1b}'));
}

#[test]
fn answers_do_not_depend_on_the_order_of_files_or_on_threads() {
    let mut files: Vec<String> = fs::read_dir(EXAMPLE)
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    for verb in ["check", "connectivity"] {
        let with = |files: &[String], jobs: &str| {
            let mut arguments = vec![verb, "--format", "json", "--jobs", jobs];
            arguments.extend(files.iter().map(String::as_str));
            out(&run(&arguments))
        };
        let expected = with(&files, "1");
        let mut reversed = files.clone();
        reversed.reverse();
        assert_eq!(with(&reversed, "4"), expected, "{verb}");
    }
}

#[test]
fn query_exits_with_the_verdict() {
    let ask = |to: &str, port: &str| {
        status(&[
            "query",
            EXAMPLE,
            "--from",
            "shop/frontend",
            "--to",
            to,
            "--port",
            port,
        ])
    };
    assert_eq!(ask("shop/catalog", "http"), 0);
    assert_eq!(ask("shop/catalog", "8080/TCP"), 0);
    assert_eq!(ask("shop/catalog", "80/TCP"), 1);
    assert_eq!(ask("shop/catalog-nginx", "80/TCP"), 0);
    assert_eq!(ask("ledger/ledger", "http"), 1);
    assert_eq!(ask("shop/nobody", "http"), 2);
    assert_eq!(ask("shop/catalog", "nothing"), 2);
}

#[test]
fn verbs_that_answer_refuse_input_that_is_refused() {
    let scratch = Scratch::new("refuse");
    let bad = scratch.file("bad.yaml", &POLICY.replace("podSelector", "podSelectr"));
    let output = run(&["connectivity", EXAMPLE, &bad]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(&output), "");
    assert!(err(&output).contains("podSelectr"), "{}", err(&output));
    let target = scratch.path("out");
    assert_eq!(status(&["compile", EXAMPLE, &bad, "--place", "-o", &target]), 2);
    assert!(!Path::new(&target).exists());
}

/// Every file below a directory with its bytes, by path.
fn tree(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.push((
                    path.strip_prefix(directory).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                ));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn compile_writes_a_bundle_or_nothing() {
    let scratch = Scratch::new("compile");
    let target = scratch.path("out");
    // Pods without addresses cannot be told apart.
    let output = run(&["compile", EXAMPLE, "-o", &target]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("PC506"), "{}", err(&output));
    assert!(!Path::new(&target).exists());

    assert_eq!(status(&["compile", EXAMPLE, "--place", "-o", &target]), 0);
    let first = tree(Path::new(&target));
    assert!(first.iter().any(|(path, _)| path == Path::new("bundle.json")));
    assert_eq!(
        first
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|e| e == "o"))
            .count(),
        10
    );

    // Again, with one thread, over the old one: the same bytes, and nothing left beside it.
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--jobs", "1", "-o", &target]),
        0
    );
    assert_eq!(tree(Path::new(&target)), first);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn compile_replaces_nothing_but_bundles() {
    let scratch = Scratch::new("replace");
    let refused = |name: &str, files: &[(&str, &str)]| {
        let directory = scratch.path(name);
        for (file, text) in files {
            let path = Path::new(&directory).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let before = tree(Path::new(&directory));
        let output = run(&["compile", EXAMPLE, "--place", "-o", &directory]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(err(&output).contains("is not a bundle"), "{}", err(&output));
        assert_eq!(tree(Path::new(&directory)), before, "{name}");
    };
    refused("photos", &[("cat.jpg", "")]);
    refused("another", &[("bundle.json", "{\"name\": \"npm\"}")]);
    refused(
        "notes",
        &[("bundle.json", "{\"format_version\": 1}"), ("notes.txt", "")],
    );
    refused(
        "source",
        &[("bundle.json", "{\"format_version\": 1}"), ("objects/main.c", "")],
    );
    refused(
        "nodes",
        &[("node-a/bundle.json", "{\"format_version\": 1}"), ("README", "")],
    );
    // An empty directory is nobody's.
    let empty = scratch.path("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(status(&["compile", EXAMPLE, "--place", "-o", &empty]), 0);
}

#[test]
fn compile_writes_one_bundle_for_a_node_and_one_for_each() {
    let scratch = Scratch::new("nodes");
    let (one, all) = (scratch.path("one"), scratch.path("all"));
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--node", "node-a", "-o", &one]),
        0
    );
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--all-nodes", "-o", &all]),
        0
    );
    assert_eq!(tree(Path::new(&one)), tree(&Path::new(&all).join("node-a")));
    assert!(Path::new(&all).join("node-b/bundle.json").is_file());
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--all-nodes", "-o", &all]),
        0
    );
    assert_eq!(
        status(&["compile", EXAMPLE, "--place", "--node", "node-x", "-o", &one]),
        2
    );
}

#[test]
fn a_dump_shows_instructions_below_their_lines() {
    let scratch = Scratch::new("dump");
    let target = scratch.path("out");
    let output = run(&[
        "compile",
        EXAMPLE,
        "--place",
        "--dump",
        "shop/frontend-0",
        "-o",
        &target,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    assert!(text.contains("# shop/frontend-0, from_pod"), "{text}");
    assert!(text.contains("; - port: http ["), "{text}");
    let output = run(&[
        "compile",
        EXAMPLE,
        "--place",
        "--dump",
        "shop/nobody",
        "-o",
        &target,
    ]);
    assert_eq!(output.status.code(), Some(2));
}

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
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args([
            "check",
            "--no-solver",
            "--format=json",
            "--fail-on=note",
            "--select=PC201,PC61",
        ])
        .args(more)
        .arg(".")
        .current_dir(directory)
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
fn a_configuration_is_found_and_flags_count_more() {
    let scratch = Scratch::new("config");
    fs::create_dir_all(scratch.path("a/b")).unwrap();
    scratch.file("a/b/c.yaml", COLLISION);
    let below = scratch.0.join("a/b");
    let check = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["check", "--no-solver"])
            .args(more)
            .arg(".")
            .current_dir(&below)
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

#[test]
fn init_writes_a_configuration_once() {
    let scratch = Scratch::new("init");
    let file = scratch.path("portcullis.toml");
    assert_eq!(status(&["init", &file]), 0);
    let policy = scratch.file("a.yaml", POLICY);
    assert_eq!(status(&["check", "--config", &file, &policy]), 0);
    fs::write(&file, "solver = false\n").unwrap();
    assert_eq!(status(&["init", &file]), 2);
    assert_eq!(fs::read_to_string(&file).unwrap(), "solver = false\n");
}

#[test]
fn shells_and_the_manual_know_every_verb() {
    let scratch = Scratch::new("man");
    let manual = scratch.path("man");
    assert_eq!(status(&["man", &manual]), 0);
    let page = fs::read_to_string(Path::new(&manual).join("portcullis-check.1")).unwrap();
    assert!(
        page.contains("sarif") && page.contains("write\\-baseline"),
        "{page}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        for word in ["connectivity", "sarif", "write-baseline"] {
            assert!(out(&output).contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn watching_checks_again_when_a_file_is_saved() {
    use std::io::{BufRead, BufReader};
    let scratch = Scratch::new("watch");
    let file = scratch.file("a.yaml", POLICY);
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args([
            "check",
            "--no-solver",
            "--watch",
            "--no-config",
            &scratch.path(""),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // Ends at the latest when the child is killed: the pipe closes.
    let mut summary = || {
        lines
            .find_map(|line| line.ok().filter(|line| line.contains(" in 1 policy")))
            .unwrap()
    };
    assert!(!summary().contains("error"));
    fs::write(&file, POLICY.replace("podSelector", "podSelecter")).unwrap();
    assert!(summary().contains("1 error"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(status(&["check", "--watch", "-"]), 2);
}

#[test]
fn what_the_budget_does_not_answer_is_incomplete_and_no_finding() {
    let output = run(&["check", "--solver-steps", "1", "--fail-on", "never", EXAMPLE]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!out(&output).contains("PC30"), "{}", out(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("incomplete: "), "{said}");
    assert!(said.contains("is not known"), "{said}");
    assert_eq!(status(&["check", "--fail-on", "never", EXAMPLE]), 0);
}

#[test]
fn explain_prints_a_page_by_code_or_by_name_and_lists_all() {
    let page = run(&["explain", "PC201"]);
    assert_eq!(page.status.code(), Some(0));
    assert!(
        out(&page).starts_with("# PC201 named-port-many-numbers\n"),
        "{}",
        out(&page)
    );
    assert!(!out(&page).contains('\x1b'));
    assert_eq!(out(&run(&["explain", "named-port-many-numbers"])), out(&page));
    assert_eq!(out(&run(&["explain", "pc201"])), out(&page));

    let drawn = out(&run(&["explain", "PC201", "--color", "always"]));
    assert!(drawn.contains("\x1b[1;4mHow to fix it\x1b[0m"), "{drawn}");
    assert!(!drawn.contains("```"), "{drawn}");

    let list = out(&run(&["explain", "--list"]));
    assert!(
        list.lines().any(|line| line.starts_with("PC604  warning")),
        "{list}"
    );

    let unknown = run(&["explain", "dns-forgoten"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        err(&unknown).contains("did you mean `dns-forgotten`?"),
        "{}",
        err(&unknown)
    );
    assert_eq!(status(&["explain"]), 2);
    assert_eq!(status(&["explain", "PC201", "--list"]), 2);
}

const RENDERED: &str = "\
---
# Source: shop/templates/policy.yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {}, ingres: []}
";

#[test]
fn what_a_template_made_is_told_with_the_template() {
    let output = run_with(&["check", "-", "--format", "json"], RENDERED);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let label = report.pointer("/findings/0/labels/0").unwrap();
    assert_eq!(label["template"], "shop/templates/policy.yaml");
    assert_eq!((&label["file"], &label["line"]), (&"<stdin>".into(), &6.into()));
    let output = run_with(&["check", "-"], RENDERED);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("made from shop/templates/policy.yaml"), "{text}");
}

#[test]
fn limits_are_set_on_the_command_line() {
    let output = run_with(&["check", "-", "--limits", "bytes=20"], RENDERED);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("there are more than 20 bytes in a file"), "{text}");
    let output = run_with(&["check", "-", "--limits", "depth=9000"], RENDERED);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the limit `depth` is at most 512"), "{text}");
}

#[test]
fn a_selector_that_contradicts_itself_is_told_once_with_or_without_the_solver() {
    let case = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/findings/pc301-nothing-left-of-the-block"
    );
    let codes = |arguments: &[&str]| {
        let output = run(&[&["check", case, "--format", "json"], arguments].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        let codes = findings
            .iter()
            .map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.collect::<Vec<_>>()
    };
    let with = codes(&[]);
    assert!(
        with.contains(&"PC301".to_owned()) && !with.contains(&"PC127".to_owned()),
        "{with:?}"
    );
    let without = codes(&["--no-solver"]);
    assert!(
        without.contains(&"PC127".to_owned()) && !without.contains(&"PC301".to_owned()),
        "{without:?}"
    );
}
