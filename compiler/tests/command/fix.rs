//! `check --fix` and `--diff`: what is written where, and what is left alone.

use crate::program::{Scratch, err, out, run_in};
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// `check`, where the paths of the test are.
fn check(scratch: &Scratch, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Output {
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
fn git_applies_a_diff_to_any_file() {
    let texts = [
        ("my dir/a b.yaml", MISSPELT.to_owned()),
        ("tab\t\"quote\".yaml", MISSPELT.to_owned()),
        ("mark.yaml", format!("\u{feff}{MISSPELT}")),
        ("lines.yaml", MISSPELT.replace('\n', "\r\n")),
        ("end.yaml", MISSPELT.trim_end().to_owned()),
        ("cr.json", MISSPELT_JSON.replacen('{', "{\r", 1)),
    ];
    let (shown, written) = (Scratch::new("fix-git-diff"), Scratch::new("fix-git-fix"));
    for (name, text) in &texts {
        shown.file(name, text);
        written.file(name, text);
    }
    let diff = check(&shown, &[".", "--diff"], "");
    check(&written, &[".", "--fix"], "");
    git_applies(&diff.stdout, &shown.path("."));
    for (name, text) in &texts {
        let [applied, fixed] =
            [&shown, &written].map(|scratch| fs::read_to_string(scratch.0.join(name)).unwrap());
        assert_eq!(applied, fixed, "{name:?}");
        assert_ne!(applied, *text, "{name:?}");
    }
}

#[test]
fn a_diff_is_applied_from_where_all_its_files_are_below() {
    let scratch = Scratch::new("fix-diff-from");
    scratch.file("repository/.git/HEAD", "");
    let files = ["repository/team/a.yaml", "repository/b.yaml", "c.yaml"];
    let whole = files.map(|file| scratch.path(file));
    for (paths, from) in [
        ([&*whole[0], "a.yaml"], "repository/team"),
        (["a.yaml", "../b.yaml"], "repository"),
        ([&*whole[1], "../team"], "repository"),
        (["../../c.yaml", &*whole[0]], "/"),
    ] {
        for file in files {
            scratch.file(file, MISSPELT);
        }
        let arguments = [&["check", "--diff", "--no-solver", "--allow-empty"][..], &paths].concat();
        let diff = run_in(scratch.path("repository/team"), &arguments, "");
        let text = out(&diff);
        assert!(text.contains("--- a/"), "{}", err(&diff));
        git_applies(&diff.stdout, &scratch.path(from));
    }
}

fn git_applies(diff: &[u8], directory: &str) {
    let mut git = Command::new("git")
        .args(["apply", "-"])
        .current_dir(directory)
        .env("GIT_CEILING_DIRECTORIES", std::env::temp_dir())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(diff).unwrap();
    assert!(git.wait().unwrap().success(), "{}", String::from_utf8_lossy(diff));
}

const MISSPELT_JSON: &str = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "json"}, "spec": {"podSelecter": {}}}"#;

#[test]
fn all_files_are_written_or_none() {
    let scratch = Scratch::new("fix-read-only");
    let files = ["a.yaml", "b.yaml"].map(|name| scratch.file(name, &MISSPELT.replace("deny", &name[..1])));
    let before = files.clone().map(|file| fs::read_to_string(file).unwrap());
    let set_readonly = |readonly| {
        let mut permissions = fs::metadata(&files[1]).unwrap().permissions();
        permissions.set_readonly(readonly);
        fs::set_permissions(&files[1], permissions).unwrap();
    };
    set_readonly(true);
    let refused = check(&scratch, &[".", "--fix"], "");
    assert_eq!(refused.status.code(), Some(2));
    let reason = "cannot write `./b.yaml`: the file is read-only";
    assert!(err(&refused).contains(reason), "{}", err(&refused));
    assert!(!err(&refused).contains("fixed"), "{}", err(&refused));
    assert_eq!(
        files.clone().map(|file| fs::read_to_string(file).unwrap()),
        before
    );
    assert_eq!(names(&scratch), ["a.yaml", "b.yaml"]);
    set_readonly(false);
    assert_eq!(check(&scratch, &[".", "--fix"], "").status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_file_stays_its_owners() {
    use std::os::unix::fs::{MetadataExt, chown};
    let scratch = Scratch::new("fix-owner");
    let file = scratch.file("a.yaml", MISSPELT);
    // Root alone may do this, and may lose what belongs to others.
    let given = chown(&file, Some(12_345), Some(54_321));
    check(&scratch, &["a.yaml", "--fix"], "");
    assert_eq!(fs::read_to_string(&file).unwrap(), MENDED);
    if given.is_ok() {
        let owner = fs::metadata(&file).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (12_345, 54_321));
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_mended_in_place() {
    let scratch = Scratch::new("fix-pipe");
    let refused = check(&scratch, &["/dev/stdin", "--fix"], MISSPELT);
    assert_eq!((refused.status.code(), out(&refused)), (Some(2), String::new()));
    let reason = "`/dev/stdin` is not a regular file";
    assert!(err(&refused).contains(reason), "{}", err(&refused));
    assert_eq!(
        check(&scratch, &["/dev/stdin", "--fix"], MENDED).status.code(),
        Some(0)
    );
}

#[test]
fn every_byte_of_standard_input_stays_that_no_fix_covers() {
    let scratch = Scratch::new("fix-bytes");
    let [marked, mended] = [MISSPELT, MENDED].map(|text| format!("\u{feff}{text}"));
    let output = check(&scratch, &["-", "--fix"], &marked);
    assert_eq!((output.status.code(), out(&output)), (Some(0), mended));
    // What cannot be given back as it came is not given at all.
    let latin = MISSPELT.replace('é', "?").into_bytes();
    let latin: Vec<u8> = latin
        .into_iter()
        .map(|byte| if byte == b'?' { 0xe9 } else { byte })
        .collect();
    for arguments in [&["-", "--fix"][..], &["-", "--fix", "--limits", "bytes=64"]] {
        let output = check(&scratch, arguments, &latin);
        assert_eq!((output.status.code(), out(&output)), (Some(2), String::new()));
    }
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
