//! Conditions that exclude each other, so that a selector matches nothing whatever the cluster is.
//!
//! The API takes such a selector. It says something without any context: no pod needs to be known for it.

use super::site::Site;
use crate::diagnostic::{Code, Finding};
use crate::route::Route;
use ir::selector::{Attribute, Operator};

/// One condition, as written.
pub(super) struct Condition<'a> {
    pub(super) attribute: Attribute,
    pub(super) operator: &'a Operator,
    pub(super) at: Route,
}

/// Reports the first condition of each attribute that leaves nothing of what those before it let through.
pub(super) fn check(site: &mut Site<'_>, conditions: &[Condition<'_>]) {
    let mut done: Vec<&Attribute> = Vec::new();
    for (index, last) in conditions.iter().enumerate() {
        let before: Vec<_> = conditions
            .iter()
            .take(index)
            .filter(|condition| condition.attribute == last.attribute)
            .collect();
        let operators = || {
            before
                .iter()
                .map(|condition| condition.operator)
                .chain([last.operator])
        };
        if done.contains(&&last.attribute) || can_match(&operators) {
            continue;
        }
        done.push(&last.attribute);
        let message = "this condition excludes what the selector asks for elsewhere: nothing can match it";
        let mut finding = Finding::new(Code::SELECTOR_CONTRADICTION, message)
            .at(site.origin(&last.at), "leaves nothing")
            .about(site.object.name.clone());
        for condition in before {
            finding = finding.because(site.origin(&condition.at), "together with this");
        }
        site.report(
            finding.help("remove one of the conditions, or make two entries of them if either is enough"),
        );
    }
}

/// Whether some value, or its absence, meets every operator. What is listed, one value that is nowhere listed, and no
/// value at all are every case that operators can tell apart.
fn can_match<'a, I: Iterator<Item = &'a Operator>>(operators: &impl Fn() -> I) -> bool {
    let listed: Vec<&str> = operators()
        .flat_map(|operator| match operator {
            Operator::In(values) | Operator::NotIn(values) => values.iter().map(String::as_str).collect(),
            Operator::Exists | Operator::DoesNotExist => Vec::new(),
        })
        .collect();
    let unlisted = format!("{}-", listed.concat());
    let values = listed.iter().copied().chain([unlisted.as_str()]).map(Some);
    values
        .chain([None])
        .any(|value| operators().all(|operator| operator.accepts(value)))
}
