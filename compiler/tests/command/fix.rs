//! `check --fix` and `--diff`: what is written where, and what is left alone.

use crate::program::{Scratch, err, out, run_in};
use std::fs;
use std::process::Output;

/// `check`, where the paths of the test are.
fn check(scratch: &Scratch, arguments: &[&str], stdin: &str) -> Output {
    run_in(&scratch.0, &[&["check"], arguments].concat(), stdin)
}

fn names(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(&scratch.0).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

const MISSPELT: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}   # é 😀
spec:
  podSelecter: {}
  policyTypes: [ingress]
";

const MENDED: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}   # é 😀
spec:
  podSelector: {}
  policyTypes: [Ingress]
";

#[test]
fn files_are_mended_in_place_and_nothing_else_is_written() {
    let scratch = Scratch::new("fix-place");
    let file = scratch.file("a.yaml", MISSPELT);
    let fine = scratch.file("b.yaml", &MENDED.replace("deny", "fine"));
    let crlf = scratch.file(
        "c.yaml",
        &format!(
            "\u{feff}{}",
            MISSPELT.replace("deny", "crlf").replace('\n', "\r\n")
        ),
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let before = fs::metadata(&fine).unwrap().modified().unwrap();
    let output = check(&scratch, &[".", "--fix"], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "");
    assert!(
        err(&output).contains("fixed ./a.yaml:5:3 PC102 unknown-field: write `podSelector`"),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("fixed 4 findings in 2 files"),
        "{}",
        err(&output)
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), MENDED);
    assert_eq!(
        fs::read_to_string(&crlf).unwrap(),
        format!("\u{feff}{}", MENDED.replace("deny", "crlf").replace('\n', "\r\n"))
    );
    assert_eq!(fs::metadata(&fine).unwrap().modified().unwrap(), before);
    assert_eq!(names(&scratch), ["a.yaml", "b.yaml", "c.yaml"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    }
    let again = check(&scratch, &[".", "--fix"], "");
    assert!(!err(&again).contains("fixed"), "{}", err(&again));
}

#[test]
fn a_diff_shows_the_edits_and_writes_nothing() {
    let scratch = Scratch::new("fix-diff");
    let file = scratch.file("a.yaml", MISSPELT);
    let output = check(&scratch, &["a.yaml", "--diff"], "");
    // What is wrong is still there.
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), MISSPELT);
    assert_eq!(
        out(&output),
        "--- a/a.yaml\n+++ b/a.yaml\n@@ -2,5 +2,5 @@\n kind: NetworkPolicy\n metadata: {name: deny, namespace: shop}   # é 😀\n \
         spec:\n-  podSelecter: {}\n-  policyTypes: [ingress]\n+  podSelector: {}\n+  policyTypes: [Ingress]\n"
    );
    let both = check(&scratch, &["a.yaml", "--fix", "--diff"], "");
    assert_eq!(out(&both), out(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), MISSPELT);
}

#[test]
fn standard_input_comes_out_mended() {
    let scratch = Scratch::new("fix-stdin");
    let output = check(&scratch, &["-", "--fix"], MISSPELT);
    assert_eq!((output.status.code(), out(&output)), (Some(0), MENDED.to_owned()));
    // Unchanged text comes out too, and what is left is told beside it.
    let left = MENDED.replace("[Ingress]", "[Inside]");
    let output = check(&scratch, &["-", "--fix"], &left);
    assert_eq!((output.status.code(), out(&output)), (Some(2), left));
    assert!(
        err(&output).contains("there is no policy type `Inside`"),
        "{}",
        err(&output)
    );
    let taken = check(&scratch, &["-", "--fix", "--format", "json"], MISSPELT);
    assert_eq!(taken.status.code(), Some(2));
    assert!(
        err(&taken).contains("standard output is taken"),
        "{}",
        err(&taken)
    );
    let beside = check(&scratch, &["-", "--fix", "--format", "json=f.json"], MISSPELT);
    assert_eq!(out(&beside), MENDED);
    assert!(scratch.0.join("f.json").exists());
}

#[test]
fn suggestions_are_applied_only_when_asked_for() {
    let scratch = Scratch::new("fix-unsafe");
    let range = MENDED.replace(
        "  policyTypes",
        "  ingress: [{ports: [{port: 90, endPort: 80}]}]\n  policyTypes",
    );
    let file = scratch.file("a.yaml", &range);
    let hinted = check(&scratch, &["a.yaml", "--fix"], "");
    assert_eq!(hinted.status.code(), Some(2));
    assert!(
        err(&hinted).contains("--unsafe-fixes applies"),
        "{}",
        err(&hinted)
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), range);
    let applied = check(&scratch, &["a.yaml", "--fix", "--unsafe-fixes"], "");
    assert_eq!(applied.status.code(), Some(0), "{}", err(&applied));
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        range.replace("port: 90, endPort: 80", "port: 80, endPort: 90")
    );
    assert_eq!(
        check(&scratch, &["a.yaml", "--unsafe-fixes"], "").status.code(),
        Some(2)
    );
    assert_eq!(
        check(&scratch, &["a.yaml", "--fix", "--watch"], "").status.code(),
        Some(2)
    );
}

#[test]
fn what_is_ignored_or_accepted_is_not_mended() {
    let scratch = Scratch::new("fix-accepted");
    let both = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: both, namespace: shop}
spec:
  podSelector: {}
  ingress: [{}]
  egress: [{}]
";
    let file = scratch.file("a.yaml", both);
    check(&scratch, &["a.yaml", "--fix", "--ignore", "PC607"], "");
    assert_eq!(fs::read_to_string(&file).unwrap(), both);
    let accepted = both.replace(
        "  egress",
        "  # portcullis: allow[PC607] the defaults are meant\n  egress",
    );
    fs::write(&file, &accepted).unwrap();
    check(&scratch, &["a.yaml", "--fix"], "");
    assert_eq!(fs::read_to_string(&file).unwrap(), accepted);
    fs::write(&file, both).unwrap();
    let hint = check(&scratch, &["a.yaml"], "");
    assert!(
        err(&hint).contains("note: --fix mends 1 finding"),
        "{}",
        err(&hint)
    );
    check(&scratch, &["a.yaml", "--fix"], "");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        both.replace("  egress", "  policyTypes: [Ingress, Egress]\n  egress")
    );
}
