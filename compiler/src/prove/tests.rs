//! What is read, asked and written, over a shop.

use super::{human, json, prove};
use crate::check::{self, Understood};
use crate::diagnostic::human::Options;
use crate::limits::Limits;
use crate::load;

const MANIFESTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: payments}
spec:
  podSelector: {}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]
      ports: [{port: 443}]
";

const GUARANTEES: &str = "\
# What must stay true
never ns:dev -> ns:payments
payments-closed: isolated ns:payments   # it is not
  except to world
always pod:shop/web -> ns:payments port 443
never ns:dev to ns:shop
never ns:pyaments -> ns:payments
never pod:shop/wbe -> pods
never host -> pods
warning quiet: never ns:shop -> ns:payments port 443
";

/// Everything of the manifests and the guarantees.
fn understood(guarantees: &str) -> Understood {
    let input = load::load_bytes_with(
        [("shop.yaml", MANIFESTS.as_bytes())],
        [("shop.guarantees", guarantees.as_bytes())],
        &Limits::default(),
    );
    check::understand_input(input, &check::Options::default())
}

#[test]
fn people_see_each_answer_and_the_lines() {
    let understood = understood(GUARANTEES);
    let proved = prove(&understood, Some(&verifier::options::Options::default())).unwrap();
    let mut out = vec![];
    let options = Options {
        color: false,
        width: 110,
    };
    human::write(&mut out, &proved, &understood.input.sources, options).unwrap();
    let text = String::from_utf8(out).unwrap();
    insta::assert_snapshot!(format!("{text}{}\n", human::summary(&proved)));
}

#[test]
fn programs_see_every_field() {
    let understood = understood(GUARANTEES);
    let proved = prove(&understood, Some(&verifier::options::Options::default())).unwrap();
    let mut out = vec![];
    json::write(&mut out, &proved, &understood.model).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn check_reports_them_too() {
    let understood = understood("never ns:dev -> ns:shop\n");
    let checked = check::check(&understood, Some(&verifier::options::Options::default())).unwrap();
    let codes: Vec<_> = checked
        .findings
        .iter()
        .map(|finding| finding.code.number())
        .collect();
    assert!(codes.contains(&401), "{codes:?}");
}
