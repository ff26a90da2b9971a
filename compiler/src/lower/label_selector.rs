//! Label selectors of the API → requirements.
//!
//! Rules: `ValidateLabelSelector` in `k8s.io/apimachinery/pkg/apis/meta/v1/validation`.

use super::contradiction::{self, Condition};
use super::name;
use super::site::Site;
use crate::de::suggest;
use crate::diagnostic::{Code, Fix};
use crate::route::Route;
use ir::selector::{Attribute, Operator, Requirement};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// The requirements of `selector`, each about what `attribute` makes of its key. The empty selector has none.
pub(super) fn requirements(
    site: &mut Site<'_>,
    at: &Route,
    selector: &LabelSelector,
    attribute: impl Fn(String) -> Attribute,
) -> Vec<Requirement> {
    let mut requirements = Vec::new();
    let mut places = Vec::new();
    if let Some(labels) = &selector.match_labels {
        name::check_labels(site, &at.then("matchLabels"), labels);
        for (key, value) in labels {
            requirements.push(Requirement::equals(attribute(key.clone()), value));
            places.push(at.then("matchLabels").then(key.as_str()));
        }
    }
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let at = at.then("matchExpressions").then(index);
        if is_written(site, &at, "key") {
            name::check_key(site, &expression.key, |object| object.origin(&at.then("key")));
        }
        if let Some(operator) = operator(site, &at, expression) {
            requirements.push(Requirement {
                attribute: attribute(expression.key.clone()),
                operator,
            });
            places.push(at);
        }
    }
    let conditions = requirements
        .iter()
        .zip(places)
        .map(|(requirement, at)| Condition {
            attribute: requirement.attribute.clone(),
            operator: &requirement.operator,
            at,
        });
    contradiction::check(site, &conditions.collect::<Vec<_>>());
    requirements
}

/// Whether an expression has a field that it needs; otherwise says so.
pub(super) fn is_written(site: &mut Site<'_>, at: &Route, field: &str) -> bool {
    let written = site.object.has(&at.then(field));
    if !written {
        let message = format!("`{field}` is missing");
        let finding = site.refusal(Code::MISSING_FIELD, at, message);
        site.report(
            finding.help("an expression is a `key`, an `operator`, and for `In` and `NotIn` the `values`"),
        );
    }
    written
}

/// What an expression asks of the value behind its key.
pub(super) fn operator(
    site: &mut Site<'_>,
    at: &Route,
    expression: &LabelSelectorRequirement,
) -> Option<Operator> {
    let values = expression.values.as_deref().unwrap_or_default();
    for (index, value) in values.iter().enumerate() {
        name::check_value(site, value, || at.then("values").then(index));
    }
    let set = || values.iter().cloned().collect();
    let operator = match expression.operator.as_str() {
        "In" => Operator::In(set()),
        "NotIn" => Operator::NotIn(set()),
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "" if !is_written(site, at, "operator") => return None,
        other => {
            let message = format!("there is no operator `{other}`");
            let written = at.then("operator");
            let mut finding = site.refusal(Code::INVALID_SELECTOR, &written, message);
            let known = ["In", "NotIn", "Exists", "DoesNotExist"];
            if let Some((word, applicability)) = suggest::sole(other, &known) {
                finding = finding.fix(Fix::rewording(applicability, site.origin(&written), other, word));
            }
            site.report(finding.help("one of `In`, `NotIn`, `Exists`, `DoesNotExist`"));
            return None;
        }
    };
    match operator {
        Operator::In(_) | Operator::NotIn(_) if values.is_empty() => {
            let message = format!("`{}` needs at least one value", expression.operator);
            let finding = site.refusal(Code::INVALID_SELECTOR, at, message);
            site.report(finding.help("list the `values`, or use `Exists` or `DoesNotExist`"));
            None
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            let message = format!("`{}` takes no values", expression.operator);
            let finding = site.refusal(Code::INVALID_SELECTOR, &at.then("values"), message);
            site.report(finding.help("remove `values`, or use `In` or `NotIn`"));
            None
        }
        operator => Some(operator),
    }
}
