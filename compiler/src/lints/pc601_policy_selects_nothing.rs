//! # PC601 policy-selects-nothing
//!
//! The policy selects no pod.
//!
//! ## What is wrong
//! A policy protects the pods that its selector matches. This one matches none of its namespace's: the traffic it was
//! written for is open, and nothing says so when it is applied.
//!
//! Said only where the input shows the mistake: a label or a namespace nearly the same, the value under another key, pods
//! with these labels in another namespace (where the policy's own has pods, or is `default` because nobody wrote one), or
//! pods that run, which are all there are. Otherwise the pods may just be
//! missing from the input. Words of three letters are nearly the same only where two letters are changed over: `api` and
//! `app` are two words. Environments are no misspellings of one another: of namespaces one letter may be wrong, but not
//! in their last part (`shop-prd` and `shop-pre`), and a namespace that something in the input is in is the one meant.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: checkuot}}   # the pods say `checkout`
//!   policyTypes: [Ingress]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: checkout, namespace: shop, labels: {app: checkout}}
//! spec: {containers: [{name: api, image: api}]}
//! ```
//!
//! ## How to fix it
//! Use the labels that the pods have (for a Deployment, those of `spec.template.metadata`).
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: checkout}}
//!   policyTypes: [Ingress]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: checkout, namespace: shop, labels: {app: checkout}}
//! spec: {containers: [{name: api, image: api}]}
//! ```

use super::object_name;
use super::surroundings::Surroundings;
use crate::diagnostic::{Code, Finding};
use ir::policy::{Policy, Subject};
use ir::selector::Selector;

/// Where the API server puts what gives no namespace.
const DEFAULT: &str = "default";

/// Finds such policies. What only host-network pods match is [`super::pc608_policy_on_host_network`]'s.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    let policies = around.model.policies().iter();
    policies.filter_map(|policy| finding(around, policy)).collect()
}

fn finding(around: &Surroundings<'_>, policy: &Policy) -> Option<Finding> {
    let Subject::Endpoints(selector) = &policy.subject else {
        return None;
    };
    // Lowering has said so already of a selector that nothing at all can match.
    let is_impossible = selector
        .requirements()
        .iter()
        .any(|asked| matches!(&asked.operator, ir::selector::Operator::In(values) if values.is_empty()));
    if is_impossible || around.selects_any(selector) || !around.on_host_network(selector).is_empty() {
        return None;
    }
    let help = around
        .mistake(selector)
        .or_else(|| without_namespace(around, policy, selector))?;
    let message = match &policy.namespace {
        Some(namespace) => format!("this policy selects no pod of `{namespace}`"),
        None => "this policy selects no pod".to_owned(),
    };
    Some(
        Finding::new(Code::POLICY_SELECTS_NOTHING, message)
            .at(policy.origin.clone(), "protects nothing")
            .about(object_name(policy))
            .help(help),
    )
}

/// Of a policy that is in `default` because nobody wrote where it is: the pods that it was probably meant for.
fn without_namespace(around: &Surroundings<'_>, policy: &Policy, selector: &Selector) -> Option<String> {
    let is_by_default = policy.namespace.as_deref() == Some(DEFAULT) && !around.is_named(DEFAULT);
    let pod = around.elsewhere(selector).filter(|_| is_by_default)?;
    Some(format!(
        "the policy gives no namespace, and so is in `{DEFAULT}`; pods with these labels are in `{namespace}`: write \
         `namespace: {namespace}`, or render what sets it (`kustomize build`, `helm template`)",
        namespace = pod.namespace
    ))
}
