//! `prove`, guarantees in `check`, changes, and questions that another run of a solver answers the same way.

use crate::program::{Scratch, out, run, status};
use crate::published::as_published;
use std::fs;
use std::process::Command;

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: payments}
spec:
  podSelector: {}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]
      ports: [{port: 443}]
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 443}]
";

fn with_policy(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.file("shop/policy.yaml", POLICY);
    scratch
}

#[test]
fn prove_exits_with_its_answer() {
    let scratch = with_policy("status");
    let policies = scratch.path("shop");
    let holds = scratch.file("holds.txt", "never ns:payments[a], world -> ns:payments port 443\nonly ns:shop -> ns:payments port 443 except from ns:payments\n");
    let violated = scratch.file("violated.txt", "isolated ns:payments\n");
    let broken = scratch.file("broken.txt", "never ns:payments\nisolated ns:payments\n");
    let prove = |file: &str| status(&["prove", &policies, "--guarantees", file]);
    assert_eq!(prove(&holds), 0);
    assert_eq!(prove(&violated), 1);
    assert_eq!(prove(&broken), 2);
    assert_eq!(prove(&scratch.path("absent.txt")), 2);
    assert_eq!(status(&["prove", &policies]), 2);
    assert_eq!(status(&["prove", &policies, "--allow-empty"]), 0);
    assert_eq!(
        status(&[
            "prove",
            &policies,
            "--guarantees",
            &holds,
            "--guarantees",
            &violated
        ]),
        1
    );
}

#[test]
fn guarantees_beside_the_manifests_are_found_and_checked() {
    let scratch = with_policy("beside");
    let policies = scratch.path("shop");
    assert_eq!(status(&["check", &policies]), 0);
    scratch.file("shop/payments.guarantees", "isolated ns:payments\n");
    assert_eq!(status(&["prove", &policies]), 1);
    let output = run(&["check", &policies]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("PC401"));
    assert_eq!(status(&["check", &policies, "--no-solver"]), 0);
}

/// A violated guarantee that is marked as a warning is told, and fails nothing that does not ask for it.
#[test]
fn a_guarantee_says_how_much_its_failing_matters() {
    let scratch = with_policy("severity");
    let policies = scratch.path("shop");
    let file = scratch.file("shop/payments.guarantees", "warning isolated ns:payments\n");
    let output = run(&["prove", &policies]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        out(&output).starts_with("violated  warning isolated ns:payments\n"),
        "{}",
        out(&output)
    );
    assert!(out(&output).contains("warning[PC401]"));
    assert_eq!(status(&["prove", &policies, "--fail-on", "warning"]), 1);
    let output = run(&["check", &policies]);
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("warning[PC401]"), "{}", out(&output));
    assert_eq!(status(&["check", &policies, "--fail-on", "warning"]), 1);
    assert_eq!(status(&["check", &policies, "--severity", "PC401=error"]), 1);

    fs::write(&file, "note isolated ns:payments\n").unwrap();
    assert_eq!(status(&["prove", &policies, "--fail-on", "warning"]), 0);
    assert_eq!(status(&["prove", &policies, "--fail-on", "note"]), 1);
    assert!(out(&run(&["check", &policies])).contains("note[PC401]"));

    // One that is an error counts beside one that is none.
    fs::write(
        &file,
        "warning isolated ns:payments\nnever ns:shop -> ns:payments\n",
    )
    .unwrap();
    assert_eq!(status(&["prove", &policies]), 1);
    assert_eq!(status(&["check", &policies]), 1);
    assert_eq!(status(&["prove", &policies, "--fail-on", "never"]), 0);

    // What a repository says of findings does not disarm a proof.
    let lenient = scratch.file("lenient.toml", "fail-on = \"never\"\n");
    assert_eq!(status(&["check", &policies, "--config", &lenient]), 0);
    assert_eq!(status(&["prove", &policies, "--config", &lenient]), 1);

    // What the repository decided counts as in `check`.
    fs::write(&file, "warning isolated ns:payments\n").unwrap();
    let config = scratch.file("strict.toml", "fail-on = \"warning\"\n");
    assert_eq!(status(&["prove", &policies, "--config", &config]), 1);
    assert_eq!(
        status(&["prove", &policies, "--config", &config, "--fail-on", "error"]),
        0
    );
}

/// Needs `z3`, which `./dev setup` installs.
#[test]
fn another_run_of_a_solver_gives_the_answers_that_the_dump_says() {
    let scratch = with_policy("dump");
    let policies = scratch.path("shop");
    scratch.file(
        "shop/payments.guarantees",
        "isolated ns:payments\nonly ns:shop -> ns:payments port 443 except from ns:payments\nnever world -> ns:payments\n",
    );
    let dump = scratch.path("dump");
    run(&["check", &policies, "--smt-dump", &dump]);
    let mut answers = vec![];
    for entry in fs::read_dir(&dump).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let told = text
            .lines()
            .find_map(|line| line.strip_prefix("; Answered: "))
            .and_then(|line| line.split(' ').next())
            .unwrap()
            .to_owned();
        let output = Command::new("z3").arg(&path).output().unwrap();
        let said = out(&output);
        assert_eq!(said.trim(), told, "{}", path.display());
        answers.push(told);
    }
    answers.sort();
    // Two rules, the second redundant, and three guarantees, the first violated.
    assert_eq!(answers, ["sat", "sat", "unsat", "unsat", "unsat"]);
}

/// What is written is as published, and nothing is left out of the schema.
#[test]
fn json_is_as_published() {
    let scratch = with_policy("schema");
    let policies = scratch.path("shop");
    scratch.file(
        "shop/payments.guarantees",
        "isolated ns:payments\nname: never host -> pods\nalways ns:dev -> ns:payments\nnever\nnever world -> ns:payments\n",
    );
    let arguments = ["prove", &policies, "--format", "json"];
    assert_eq!(status(&arguments), 2);
    let report = as_published("prove.v1.json", &arguments);
    let answers: Vec<_> = report["guarantees"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["answer"].as_str().unwrap())
        .collect();
    assert_eq!(answers, ["violated", "vacuous", "violated", "holds"]);
}

#[test]
fn check_against_reports_what_a_change_opens() {
    let scratch = with_policy("against");
    let old = scratch.path("shop");
    let new = scratch.file(
        "new/policy.yaml",
        &POLICY.replace("podSelector: {}\n", "podSelector: {matchLabels: {app: api}}\n"),
    );
    let same = scratch.file("same/moved.yaml", &format!("# Moved\n{POLICY}"));
    let shown = |arguments: &[&str]| {
        let output = run(arguments);
        (output.status.code().unwrap(), out(&output))
    };
    let (status, text) = shown(&["check", &new, "--against", &old]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("note[PC403]"), "{text}");
    assert!(text.contains("pods in payments with app!=api"), "{text}");
    let (status, text) = shown(&["check", &new, "--against", &old, "--no-new-access"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("error[PC403]"), "{text}");
    let (status, text) = shown(&["check", &same, "--against", &old, "--no-new-access"]);
    assert_eq!(status, 0, "{text}");
    assert!(!text.contains("PC403"), "{text}");
    // The other way round, it closes what was open.
    assert_eq!(shown(&["check", &old, "--against", &new, "--no-new-access"]).0, 0);
}

/// Guarantees are asked of the new policies, whatever the old ones promised, and new access is told beside them.
#[test]
fn check_against_proves_guarantees_too() {
    let scratch = with_policy("against-guarantees");
    let old = scratch.path("shop");
    let opened = POLICY.replace("podSelector: {}\n", "podSelector: {matchLabels: {app: api}}\n");
    scratch.file("wide/policy.yaml", &opened);
    let same = scratch.path("same");
    scratch.file("same/policy.yaml", POLICY);
    let kept = "never world -> ns:payments\n";
    let broken = "isolated ns:payments\n";
    let shown = |new: &str, guarantees: &str, flags: &[&str]| {
        let file = scratch.path(new);
        fs::write(format!("{file}/payments.guarantees"), guarantees).unwrap();
        let mut arguments = vec!["check", file.as_str(), "--against", old.as_str()];
        arguments.extend(flags);
        let output = run(&arguments);
        let codes = ["error[PC401]", "warning[PC401]", "error[PC403]", "note[PC403]"];
        let told: Vec<_> = codes
            .into_iter()
            .filter(|code| out(&output).contains(code))
            .collect();
        (output.status.code().unwrap(), told)
    };
    let strict = &["--no-new-access"][..];
    assert_eq!(shown("same", kept, strict), (0, vec![]));
    assert_eq!(shown("same", broken, strict), (1, vec!["error[PC401]"]));
    assert_eq!(
        shown(
            "wide",
            "never ns:payments[app=api] -> ns:payments[app=api]\n",
            strict
        ),
        (1, vec!["error[PC403]"])
    );
    assert_eq!(
        shown("wide", broken, strict),
        (1, vec!["error[PC401]", "error[PC403]"])
    );
    assert_eq!(
        shown("wide", broken, &[]),
        (1, vec!["error[PC401]", "note[PC403]"])
    );
    assert_eq!(
        shown("wide", &format!("warning {broken}"), strict),
        (1, vec!["warning[PC401]", "error[PC403]"])
    );
    assert_eq!(
        shown("wide", &format!("warning {broken}"), &[]),
        (0, vec!["warning[PC401]", "note[PC403]"])
    );

    // One that lies beside the old policies is not asked: what must hold is what the change says.
    fs::write(scratch.path("shop/old.guarantees"), "isolated ns:payments\n").unwrap();
    assert_eq!(shown("same", kept, strict), (0, vec![]));
    fs::remove_file(format!("{same}/payments.guarantees")).unwrap();
    let promised = [
        "check",
        &same,
        "--against",
        &old,
        "--no-new-access",
        "--guarantees",
        &scratch.path("shop/old.guarantees"),
    ];
    assert_eq!(status(&promised), 1);
    // A file of guarantees that cannot be read proves nothing, new access or not.
    assert_eq!(shown("wide", "isolated\n", strict).0, 1);
}

#[test]
fn doctor_says_what_answers() {
    let output = run(&["doctor", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(facts["portcullis"], env!("CARGO_PKG_VERSION"));
    assert_eq!(facts["solver"]["works"], true);
    assert!(
        facts["solver"]["version"]
            .as_str()
            .unwrap()
            .starts_with(|c: char| c.is_ascii_digit() || c == 'Z')
    );
}

#[test]
fn diff_proves_for_every_pod() {
    let scratch = with_policy("symbolic");
    let old = scratch.path("shop");
    let new = scratch.file("new/policy.yaml", &POLICY.replace("port: 443", "port: 8443"));
    let same = scratch.file("same/moved.yaml", &format!("# Moved\n{POLICY}"));
    let output = run(&["diff", "--symbolic", &old, &new]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    assert!(
        text.contains("opened  pods in shop → pods in payments, 8443/TCP"),
        "{text}"
    );
    assert!(
        text.contains("closed  pods in shop → pods in payments, 443/TCP"),
        "{text}"
    );
    let output = run(&["diff", "--symbolic", &old, &same]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("nothing changes")
    );
}
