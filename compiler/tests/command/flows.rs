//! The verbs that answer questions about flows: transcripts over the examples, the published schemas, and text from
//! manifests that tries to leave its place.

use crate::program::{EXAMPLE, Scratch, err, out, run, status};
use crate::published::{as_published, schema};
use serde_json::Value;
use std::fs;
use std::path::Path;

const CHANGE_OLD: &str = "testdata/policy-change/old";
const CHANGE_NEW: &str = "testdata/policy-change/new";

/// What a person sees who runs the command at the root of the repository.
fn transcript(arguments: &[&str]) -> String {
    let output = run(arguments);
    let status = output.status.code().unwrap();
    let shown: Vec<_> = arguments
        .iter()
        .map(|argument| {
            if argument.contains([' ', '{']) {
                format!("'{argument}'")
            } else {
                (*argument).to_owned()
            }
        })
        .collect();
    format!(
        "$ portcullis {}\n{}--- standard error\n{}--- exit status {status}\n",
        shown.join(" "),
        out(&output),
        err(&output)
    )
}

fn transcripts(all: &[&[&str]]) -> String {
    let all: Vec<_> = all.iter().map(|arguments| transcript(arguments)).collect();
    all.join("\n")
}

#[test]
fn connectivity_in_every_format() {
    for format in ["human", "json", "csv", "md", "dot"] {
        let shown = transcript(&["connectivity", EXAMPLE, "--format", format]);
        insta::assert_snapshot!(format!("connectivity_{format}"), shown);
    }
}

#[test]
fn connectivity_in_focus() {
    insta::assert_snapshot!(transcripts(&[
        &["connectivity", EXAMPLE, "--focus", "ledger/ledger"],
        &[
            "connectivity",
            EXAMPLE,
            "--focus",
            "catalog",
            "--focus",
            "catalog-nginx",
            "-q"
        ],
        &["connectivity", EXAMPLE, "--focus", "catalogue"],
        &["connectivity", EXAMPLE, "--focus", "ledger/catalog"],
    ]));
}

#[test]
fn connectivity_is_as_published() {
    let report = as_published(
        "connectivity.v1.json",
        &["connectivity", EXAMPLE, "--format", "json"],
    );
    assert!(!report["connections"].as_array().unwrap().is_empty());
    let scratch = Scratch::new("host-network");
    let host = scratch.file("pod.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: b}, spec: {hostNetwork: true, containers: []}}");
    let report = as_published(
        "connectivity.v1.json",
        &["connectivity", &host, "--format", "json"],
    );
    assert!(
        report["connections"]
            .as_array()
            .unwrap()
            .iter()
            .any(|connection| connection["src"]["host_network"] == true)
    );
}

#[test]
fn exposure_in_every_format() {
    for format in ["human", "json", "csv", "md", "dot"] {
        let shown = transcript(&[
            "connectivity",
            EXAMPLE,
            "--exposure",
            "--focus",
            "catalog",
            "--format",
            format,
        ]);
        insta::assert_snapshot!(format!("exposure_{format}"), shown);
    }
    let arguments = ["connectivity", CHANGE_NEW, "--exposure", "--format", "json"];
    let report = as_published("connectivity.v1.json", &arguments);
    assert_eq!(report["exposure"].as_array().unwrap().len(), 4);
    insta::assert_snapshot!(
        "exposure_of_a_team",
        transcript(&["connectivity", CHANGE_NEW, "--exposure", "-q"])
    );
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
fn a_query_shows_what_decides_and_what_comes_nearest() {
    let asked = |from: &'static str, to: &'static str, port: &'static str| {
        transcript(&["query", EXAMPLE, "--from", from, "--to", to, "--port", port])
    };
    let shown = [
        asked("shop/frontend", "shop/catalog", "http"),
        asked("shop/frontend", "shop/catalog", "80/TCP"),
        asked("shop{app=web}", "shop/catalog-nginx", "http"),
        asked("ledger/ledger", "shop/frontend", "443"),
        asked("shop/catalog", "203.0.113.9", "443"),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_query_about_a_service_judges_each_backend() {
    let ask = |from: &str, to: &str, more: &[&str]| {
        let mut arguments = vec!["query", CHANGE_OLD, "--from", from, "--to", to];
        arguments.extend(more);
        transcript(&arguments)
    };
    let scratch = Scratch::new("service");
    let external = scratch.file("external.yaml", SELECTORLESS);
    let mut shown = vec![
        ask("shop/web", "svc:shop/cart:80", &[]),
        ask("shop/web", "svc:shop/cart:metrics/TCP", &[]),
        ask("shop/web", "svc:shop/cart", &[]),
        ask("shop/web", "svc:shop/cart:81", &[]),
        ask("shop/web", "svc:shop/card:80", &[]),
        ask("shop/web", "svc:shop/cart:80", &["--port", "80"]),
        ask("svc:shop/cart:80", "shop/web", &["--port", "80"]),
        ask("shop/web", "shop/cart", &[]),
        ask("shop/web", "svc:shop", &[]),
    ];
    for port in ["db", "gone", "other"] {
        let service = format!("svc:shop/legacy:{port}");
        let arguments = [
            "query",
            CHANGE_OLD,
            &external,
            "--from",
            "shop/cart",
            "--to",
            &service,
            "-q",
        ];
        shown.push(transcript(&arguments).replace(&external, "external.yaml"));
    }
    insta::assert_snapshot!(shown.join("\n"));
}

/// A Service without selector, whose endpoints are written down: one ready, one not, one ending.
const SELECTORLESS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: legacy, namespace: shop}
spec: {ports: [{name: db, port: 5432}, {name: gone, port: 1}, {name: other, port: 2, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: legacy-1, namespace: shop, labels: {kubernetes.io/service-name: legacy}}
addressType: IPv4
ports: [{name: db, port: 443, protocol: TCP}, {name: other, port: 9, protocol: UDP}]
endpoints:
  - addresses: [198.51.100.7]
  - addresses: [203.0.113.8]
    conditions: {ready: false}
  - addresses: [203.0.113.9]
    conditions: {ready: false, serving: true, terminating: true}
";

#[test]
fn answers_to_queries_are_as_published() {
    for (from, to, port) in [
        ("shop/frontend", "shop/catalog", "http"),
        ("shop/frontend", "shop/catalog", "80/TCP"),
        ("10.0.0.1", "shop/frontend", "icmp/8"),
    ] {
        let arguments = [
            "query", EXAMPLE, "--from", from, "--to", to, "--port", port, "--format", "json",
        ];
        as_published("query.v1.json", &arguments);
    }
    let arguments = [
        "query",
        CHANGE_OLD,
        "--from",
        "shop/web",
        "--to",
        "svc:shop/cart:80",
        "--format",
        "json",
    ];
    let report = as_published("query.v1.json", &arguments);
    assert_eq!(report["service"]["ports"][0]["target"], "api");
    assert_eq!(report["flows"][0]["port"], 7070);
}

#[test]
fn a_diff_in_every_format() {
    for format in ["human", "json", "csv", "md", "dot"] {
        let shown = transcript(&["diff", CHANGE_OLD, CHANGE_NEW, "--format", format]);
        insta::assert_snapshot!(format!("diff_{format}"), shown);
    }
    let report = as_published(
        "diff.v1.json",
        &["diff", CHANGE_OLD, CHANGE_NEW, "--format", "json"],
    );
    assert_eq!(report["only_old"][0]["name"], "nightly");
    let report = as_published("diff.v1.json", &["diff", EXAMPLE, CHANGE_NEW, "--format", "json"]);
    assert!(report["summary"]["added"].as_u64().unwrap() > 0);
}

#[test]
fn a_diff_exits_with_what_it_found() {
    assert_eq!(status(&["diff", CHANGE_OLD, CHANGE_OLD]), 0);
    assert_eq!(status(&["diff", CHANGE_OLD, CHANGE_NEW]), 1);
    assert_eq!(status(&["diff", CHANGE_OLD, "testdata/absent"]), 2);
    assert_eq!(status(&["diff", "-", "-"]), 2);
    assert_eq!(status(&["diff", CHANGE_OLD]), 2);
    let shown = out(&run(&["diff", CHANGE_OLD, CHANGE_OLD]));
    assert!(
        shown.contains("pods that could exist are not compared"),
        "{shown}"
    );
    let scratch = Scratch::new("diff-refused");
    let bad = scratch.file("bad.yaml", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelectr: {}}\n");
    let file = scratch.path("out");
    let output = run(&["diff", CHANGE_OLD, &bad, "--output", &file]);
    assert_eq!((output.status.code(), out(&output)), (Some(2), String::new()));
    assert!(!Path::new(&file).exists());
}

/// A name that no API server would take, which is why it is only seen in files: it must stay text everywhere.
#[test]
fn hostile_names_stay_text() {
    let scratch = Scratch::new("hostile");
    let pod = |name: &str| {
        format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": {}, \"namespace\": \"a\"}}, \"spec\": {{\"containers\": []}}}}",
            Value::String(name.to_owned())
        )
    };
    let file = scratch.file("pods.json", &pod("=cmd|'\"];x\u{1b}[31m\n| <b> @all"));
    for format in ["human", "csv", "md", "dot", "json"] {
        let output = run(&["connectivity", &file, "--exposure", "--format", format]);
        let shown = out(&output);
        assert!(!shown.contains('\u{1b}'), "{format}: {shown}");
        match format {
            "md" => {
                for line in shown.lines() {
                    assert_eq!(line.replace("\\|", "").matches('|').count(), 6, "{line}");
                }
            }
            "csv" => assert!(shown.lines().all(|line| !line.starts_with('=')), "{shown}"),
            _ => {}
        }
    }
}

#[test]
fn the_schema_refuses_what_is_not_as_published() {
    let schema = schema("connectivity.v1.json");
    let port = serde_json::json!({"protocol": "TCP", "from": 1, "to": 2});
    let with = |src: Value, ports: Value| {
        serde_json::json!({"version": 1, "connections": [
            {"src": src, "dst": {"cidrs": ["10.0.0.0/8"]}, "ports": ports}
        ]})
    };
    let pod = serde_json::json!({"kind": "Pod", "namespace": "a", "name": "b"});
    assert!(schema.is_valid(&with(pod.clone(), serde_json::json!([port]))));
    assert!(!schema.is_valid(&with(pod.clone(), serde_json::json!([]))));
    assert!(!schema.is_valid(&with(serde_json::json!({"cidrs": []}), serde_json::json!([port]))));
    let zero = serde_json::json!({"protocol": "TCP", "from": 0, "to": 2});
    assert!(!schema.is_valid(&with(pod, serde_json::json!([zero]))));
}

#[test]
fn an_answer_in_a_file_is_the_answer_on_standard_output() {
    let scratch = Scratch::new("output");
    let file = scratch.path("connections.csv");
    let output = run(&["connectivity", EXAMPLE, "--format", "csv", "--output", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "");
    let expected = out(&run(&["connectivity", EXAMPLE, "--format", "csv"]));
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    // What cannot be answered leaves the file alone.
    let output = run(&["connectivity", EXAMPLE, "--focus", "nobody", "--output", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    let output = run(&["connectivity", EXAMPLE, "--output", &scratch.path("absent/file")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("cannot write"), "{}", err(&output));
}

/// Cilium's selectors may ask for the cluster by name.
#[test]
fn a_cluster_may_have_a_name_of_its_own() {
    let scratch = Scratch::new("cluster-name");
    let manifests = "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web, io.cilium.k8s.policy.cluster: prod-eu}}]
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
";
    let file = scratch.file("mesh.yaml", manifests);
    let asked = |more: &[&str]| {
        let question = [
            "query", &*file, "--from", "shop/web", "--to", "shop/api", "--port", "80/TCP",
        ];
        status(&[&question, more].concat())
    };
    assert_eq!(asked(&[]), 1);
    assert_eq!(asked(&["--cluster-name", "prod-eu"]), 0);
    let config = scratch.file("portcullis.toml", "cluster-name = 'prod-eu'\n");
    assert_eq!(asked(&["--config", &config]), 0);
}
