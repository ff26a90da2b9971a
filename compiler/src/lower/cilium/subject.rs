//! What a policy applies to: `endpointSelector` or `nodeSelector`.

use super::super::site::Site;
use super::remark;
use super::selector::{self, Condition, Source};
use crate::cilium::Rule as Spec;
use crate::diagnostic::{Code, Severity};
use crate::route::Route;
use ir::policy::Subject;
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Requirement, Selector};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// The subject; `None` when it is refused.
pub(super) fn lower(
    site: &mut Site<'_>,
    at: &Route,
    spec: &Spec,
    namespace: Option<&str>,
) -> Option<Subject> {
    match (&spec.endpoint_selector, &spec.node_selector) {
        (Some(pods), None) => {
            let at = at.then("endpointSelector");
            Some(Subject::Endpoints(endpoints(site, &at, pods, namespace)))
        }
        (None, Some(nodes)) => {
            let at = at.then("nodeSelector");
            if namespace.is_some() {
                let message = "a CiliumNetworkPolicy cannot select nodes";
                let finding = site.key_refusal(Code::SUBJECT_MISSING_OR_DOUBLE, &at, message);
                site.report(finding.help(
                    "write it as a CiliumClusterwideNetworkPolicy, or select pods with `endpointSelector`",
                ));
                return None;
            }
            let message = "this policy is about nodes: it is checked and shown, and not enforced here";
            let finding = remark(site, Code::HOST_POLICY, &at, message);
            site.report(finding.help("leave it to an engine that filters the nodes' own traffic"));
            Some(Subject::Nodes(selector::nodes(
                site,
                &at,
                nodes,
                Source::Kubernetes,
            )))
        }
        (Some(_), Some(_)) => {
            let message = "`endpointSelector` and `nodeSelector` cannot stand together";
            let finding = site
                .key_refusal(Code::SUBJECT_MISSING_OR_DOUBLE, &at.then("nodeSelector"), message)
                .because(site.object.key_origin(&at.then("endpointSelector")), "beside it");
            site.report(finding.help("make two policies of them, for example by `specs`"));
            None
        }
        (None, None) => {
            let message = "this policy does not say what it applies to";
            let finding = site.key_refusal(Code::SUBJECT_MISSING_OR_DOUBLE, at, message);
            site.report(finding.help(if namespace.is_some() {
                "add `endpointSelector`; `endpointSelector: {}` is every pod of the namespace"
            } else {
                "add `endpointSelector` (`{}` is every pod), or `nodeSelector` for nodes"
            }));
            None
        }
    }
}

fn endpoints(site: &mut Site<'_>, at: &Route, pods: &LabelSelector, namespace: Option<&str>) -> Selector {
    let mut requirements: Vec<Requirement> = namespace
        .map(|own| Requirement::equals(Attribute::Namespace, own))
        .into_iter()
        .collect();
    let mut fits_a_pod = true;
    for condition in selector::conditions(site, at, pods) {
        let Some(attribute) = condition.attribute() else {
            if !condition.operator.accepts(None) {
                fits_no_pod(site, &condition);
                fits_a_pod = false;
            }
            continue;
        };
        if let Some(own) = namespace {
            let is_namespace = attribute == Attribute::Namespace;
            // Only the entry with this very key is overwritten; one without `k8s:` stays beside the policy's own.
            if is_namespace && condition.is_label && condition.source == Source::Kubernetes {
                if !condition.operator.accepts(Some(own)) {
                    replaced(site, &condition, own);
                }
                continue;
            }
            let is_its_name =
                matches!(&attribute, Attribute::NamespaceLabel(key) if key == NAMESPACE_NAME_LABEL);
            if (is_namespace || is_its_name) && !condition.operator.accepts(Some(own)) {
                excluded(site, &condition, own);
            }
        }
        requirements.push(Requirement {
            attribute,
            operator: condition.operator,
        });
    }
    if fits_a_pod {
        Selector::new(requirements)
    } else {
        selector::nothing()
    }
}

/// `EndpointSelector.AddMatch` overwrites the label, and Cilium only logs that it did.
fn replaced(site: &mut Site<'_>, condition: &Condition, own: &str) {
    let named = match &condition.operator {
        Operator::In(values) => values.first().map_or("", String::as_str),
        _ => "",
    };
    let message = format!(
        "this policy selects pods of `{own}`, not of `{named}`: Cilium replaces the namespace by the policy's own"
    );
    let finding = remark(site, Code::NAMESPACE_REPLACED, &condition.at, message);
    site.report(finding.help(format!(
        "put the policy into `{named}` (`metadata.namespace`), or write a CiliumClusterwideNetworkPolicy"
    )));
}

fn excluded(site: &mut Site<'_>, condition: &Condition, own: &str) {
    let message =
        format!("this policy selects no pod: it is confined to `{own}`, which this condition excludes");
    let mut finding = remark(site, Code::POLICY_SELECTS_NOTHING, &condition.at, message);
    finding.severity = Severity::Error;
    site.report(finding.help(
        "remove the condition, or write a CiliumClusterwideNetworkPolicy, which is confined to no namespace",
    ));
}

fn fits_no_pod(site: &mut Site<'_>, condition: &Condition) {
    let message = "this policy selects no pod: pods have no such label";
    let mut finding = remark(site, Code::POLICY_SELECTS_NOTHING, &condition.at, message);
    finding.severity = Severity::Error;
    site.report(finding.help(if condition.key == "host" {
        "for a policy on nodes use `nodeSelector` in a CiliumClusterwideNetworkPolicy"
    } else {
        "such labels belong to what Cilium itself starts; it has no counterpart here"
    }));
}
