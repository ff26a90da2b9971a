//! `ports`: every format, the published schema, exit statuses, and the order of input.

use crate::program::{EXAMPLE, ROOT, Scratch, out, run, status};
use crate::published::as_published;
use std::fs;
use std::path::Path;

#[test]
fn the_table_in_every_format() {
    for format in ["human", "csv", "md"] {
        let shown = out(&run(&["ports", EXAMPLE, "--format", format]));
        insta::assert_snapshot!(format!("ports_{format}"), shown);
    }
}

/// Their name, where they are defined, whether it collides, and their codes.
fn coded_rows(case: &str) -> Vec<String> {
    let table = out(&run(&["ports", case, "--format", "csv"]));
    let rows = table.lines().skip(1).map(|row| {
        let cells: Vec<_> = row.split(',').collect();
        let [name, .., collision, codes] = cells.as_slice() else {
            panic!("{row}");
        };
        format!("{name} {} {collision} [{codes}]", cells[7])
    });
    rows.collect()
}

#[test]
fn rows_have_the_codes_of_the_findings_about_them() {
    let rows = |case: &str| coded_rows(&format!("testdata/findings/{case}"));
    // What is misspelt is undefined; what was meant is not concerned.
    assert_eq!(
        rows("pc204-misspelt"),
        ["htpp  false [PC204]", "http 8080 false []"]
    );
    assert_eq!(
        rows("pc209-init-container"),
        [
            "http 8080 false []",
            "metrics 8099 false [PC209]",
            "metrics  false [PC209]"
        ]
    );
    assert_eq!(
        rows("pc216-two-replica-sets"),
        ["http 80 true [PC216]", "http 8080 true [PC216]"]
    );
}

#[test]
fn a_page_has_the_findings_below_the_table() {
    let page = out(&run(&["ports", EXAMPLE, "--format", "md"]));
    let (table, findings) = page
        .split_once("\n\n### Portcullis: 1 warning, 1 note\n")
        .unwrap();
    assert!(table.starts_with("| name |"), "{page}");
    assert!(findings.contains("**warning** PC201"), "{page}");
}

#[test]
fn json_is_as_published_for_every_case_of_findings() {
    let mut named = 0;
    let mut paths = vec![EXAMPLE.to_owned()];
    for case in fs::read_dir(format!("{ROOT}/testdata/findings")).unwrap() {
        let case = case.unwrap().file_name().into_string().unwrap();
        if case.starts_with("pc2") || case.starts_with("quiet-pc2") {
            paths.push(format!("testdata/findings/{case}"));
        }
    }
    for path in paths {
        let arguments = ["ports", &path, "--format", "json"];
        let output = run(&arguments);
        if output.status.code() == Some(2) {
            // What the API server refuses has no table.
            assert!(output.stdout.is_empty(), "{path}");
            continue;
        }
        let report = as_published("ports.v1.json", &arguments);
        for finding in report["findings"].as_array().unwrap() {
            assert!(finding["code"].as_str().unwrap().starts_with("PC2"), "{path}");
        }
        named += report["names"].as_array().unwrap().len();
    }
    assert!(named > 20);
}

#[test]
fn exit_statuses_are_those_of_check() {
    let deny = "testdata/findings/pc203-numbers-differ-where-denied";
    let allow = "testdata/findings/pc201-egress-allow";
    assert_eq!(status(&["ports", deny]), 1);
    assert_eq!(status(&["ports", deny, "--fail-on", "never"]), 0);
    assert_eq!(status(&["ports", allow]), 0);
    assert_eq!(status(&["ports", allow, "--fail-on", "warning"]), 1);
    assert_eq!(status(&["ports", "testdata/findings/pc210-refused"]), 2);
    assert_eq!(status(&["ports", "testdata/absent"]), 2);
}

#[test]
fn what_was_decided_about_findings_counts_as_for_check() {
    let scratch = Scratch::new("ports-decided");
    let from = Path::new(ROOT).join("testdata/findings/pc201-egress-allow");
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            scratch.file(path.file_name().unwrap().to_str().unwrap(), &text);
        }
    }
    let directory = scratch.path("");
    let found = |more: &[&str]| {
        let mut arguments = vec!["ports", "--format", "json", "--no-config", &directory];
        arguments.extend(more);
        let report = as_published("ports.v1.json", &arguments);
        let findings = report["findings"].as_array().unwrap().iter();
        findings
            .filter(|finding| finding["accepted"].is_null())
            .map(|finding| format!("{} {}", finding["code"], finding["severity"]))
            .collect::<Vec<_>>()
    };
    let plain = found(&[]);
    assert!(plain.contains(&r#""PC201" "warning""#.to_owned()), "{plain:?}");
    assert!(found(&["--severity", "PC201=error"]).contains(&r#""PC201" "error""#.to_owned()));
    assert!(found(&["--ignore", "PC2"]).is_empty());
    assert!(
        found(&["--select", "PC202"])
            .iter()
            .all(|one| one.contains("PC202"))
    );

    let config = scratch.file("portcullis.toml", "fail-on = \"warning\"\n");
    assert_eq!(status(&["ports", "--config", &config, &directory]), 1);
    assert_eq!(
        status(&["ports", "--config", &config, "--fail-on", "error", &directory]),
        0
    );
    // What is in a baseline counts no more.
    let baseline = scratch.path("baseline.json");
    assert_eq!(
        status(&["check", "--no-config", "--write-baseline", &baseline, &directory]),
        0
    );
    assert!(found(&["--baseline", &baseline]).is_empty());
}

#[test]
fn an_answer_in_a_file_is_the_answer_on_standard_output() {
    let scratch = Scratch::new("ports");
    let file = scratch.path("ports.csv");
    let arguments = ["ports", EXAMPLE, "--format", "csv"];
    assert_eq!(out(&run(&[&arguments[..], &["-o", &file]].concat())), "");
    assert_eq!(fs::read_to_string(&file).unwrap(), out(&run(&arguments)));
}

#[test]
fn the_order_of_input_does_not_matter() {
    let forwards = [
        "testdata/named-ports/catalog.yaml",
        "testdata/named-ports/policies.yaml",
        "testdata/named-ports/frontend.yaml",
    ];
    let mut backwards = forwards;
    backwards.reverse();
    let json = |paths: &[&str], jobs: &str| {
        out(&run(
            &[&["ports", "--format", "json", "--jobs", jobs], paths].concat()
        ))
    };
    assert_eq!(json(&forwards, "1"), json(&backwards, "4"));
    assert!(json(&forwards, "1").contains("PC201"));
}

#[test]
fn a_fix_covers_what_it_replaces_and_no_more() {
    let scratch = Scratch::new("ports-fix");
    let file = scratch.file(
        "a.yaml",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  podSelector: {}\n  policyTypes: [Ingress]\n  ingress: [{ports: [{port: dns, protocol: \"TCP\"}]}]\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: dns, namespace: shop}\nspec: {containers: [{name: c, image: c, ports: [{name: dns, containerPort: 53, protocol: UDP}]}]}\n",
    );
    let output = run(&["ports", &file, "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let edit = &answer["findings"][0]["fixes"][0]["edits"][0];
    // What stands between the quotes.
    assert_eq!(
        (&edit["line"], &edit["column"], &edit["end_column"]),
        (&7.into(), &45.into(), &48.into()),
        "{answer:#}"
    );
    assert_eq!(edit["replacement"], "UDP");
}
