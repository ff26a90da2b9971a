//! `testdata/conformance`: policies with what may pass, each a test of its own.
//!
//! A case's expectation is a table of pods. It is compared with the reference evaluator, with the verdict tables and
//! with `connectivity`, for every pair, over every port. A case without a table must be refused. The findings of
//! reading and lowering are exactly those that the case marks, each at the text that the mark names.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed look-up in a test is a failed test"
)]

mod analyses;
mod case;
mod marks;
mod reach;
mod table;

use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/conformance")
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for file in case::files(&root()) {
        for case in case::read(&root(), &file) {
            trials.push(Trial::test(case.name.clone(), move || check(&case)));
        }
    }
    assert!(
        trials.len() > 300,
        "only {} cases: is the data there?",
        trials.len()
    );
    trials.extend(analyses::trials(&root()));
    trials.push(Trial::test(
        "the analyses' comparison is itself compared",
        analyses::refused,
    ));
    trials.push(Trial::test("derived files are what derive.py writes", derived));
    for (what, from, to, says) in SPOILT {
        trials.push(Trial::test(format!("{what} is seen"), move || {
            spoilt(from, to, says)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(case: &Case) -> Result<(), Failed> {
    let read = case.read()?;
    marks::compare(case, &read)?;
    match &case.table {
        Some(table) if read.blocked() => {
            Err(format!("refused, and a table is given:\n{table:?}\n{:#?}", read.findings).into())
        }
        Some(table) => reach::compare(table, &read.model),
        None if read.blocked() => Ok(()),
        None => Err("not refused, and no table says what may pass".into()),
    }
}

/// The script's expectations and the files are one.
fn derived() -> Result<(), Failed> {
    let script = root().join("derive.py");
    let output = match Command::new("python3").arg(&script).arg("--check").output() {
        Ok(output) => output,
        Err(error) => return Err(format!("python3 (`./dev setup` installs it): {error}").into()),
    };
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// A case that holds.
const RIGHT: &str = "\
# A file

Cluster: [nine pods](nine-pods.yaml)

## A case

```yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: x}
spec:
  podSelector: {matchLabels: {pod: c}}
  ingress:
    - ports:
        - {port: 80}
```

```text
     x/a  x/b  x/c
x/a   #    .    p
x/b   .    #    p
x/c   .    .    #
p = 80/TCP
```
";

/// Ways to make it wrong, and what the comparison must then say: it is itself compared.
const SPOILT: &[(&str, &str, &str, &str)] = &[
    (
        "a flow that is open and not expected",
        "x/b   .    #",
        "x/b   -    #",
        "x/b → x/a 1/TCP: expected false, evaluator true, tables true",
    ),
    (
        "a port that connectivity leaves out",
        "= 80/TCP",
        "= 80-81/TCP",
        "x/a → x/c 81/TCP: expected true, connectivity false",
    ),
    (
        "a finding without a mark",
        "port: 80",
        "port: 70000",
        "found and not marked:\n  line 8: #~ PC105 70000",
    ),
    (
        "a mark without a finding",
        "port: 80}",
        "port: 80} #~ PC105 80",
        "marked and not found:\n  line 8: #~ PC105 80",
    ),
];

fn spoilt(from: &str, to: &str, says: &str) -> Result<(), Failed> {
    let file = root().join("network-policy/spoilt.md");
    let cases = |text: &str| case::parse(&root(), &file, text);
    check(&cases(RIGHT)[0])?;
    let failure = match check(&cases(&RIGHT.replacen(from, to, 1))[0]) {
        Ok(()) => return Err("it passes".into()),
        Err(failure) => failure,
    };
    match failure.message() {
        Some(message) if message.contains(says) => Ok(()),
        other => Err(format!("it fails for another reason: {}", other.unwrap_or_default()).into()),
    }
}
