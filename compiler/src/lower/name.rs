//! Names: of objects, label keys and values, ports. The rules are `k8s.io/apimachinery/pkg/util/validation`.

use super::site::Site;
use crate::diagnostic::Code;
use crate::load::{Kind, Object};
use crate::route;
use crate::route::Route;
use ir::origin::Origin;
use std::collections::BTreeMap;

/// `IsDNS1123Label`: at most 63 characters.
const LABEL_LENGTH: usize = 63;
/// `IsDNS1123Subdomain`: at most 253 characters.
const SUBDOMAIN_LENGTH: usize = 253;
/// `IsValidPortName`: at most 15 characters (RFC 6335).
const PORT_NAME_LENGTH: usize = 15;

/// Checks an object's own name and namespace, and its labels.
///
/// None of them says anything about flows, so analysis goes on also where they are a policy's.
pub(super) fn check_object(site: &mut Site<'_>) {
    let before = site.findings.len();
    check_metadata(site);
    for finding in site.findings.iter_mut().skip(before) {
        finding.blocks_analysis = false;
    }
}

fn check_metadata(site: &mut Site<'_>) {
    let metadata = site.object.kind.metadata();
    let (name, generated) = match (&metadata.name, &metadata.generate_name) {
        (Some(name), _) if !name.is_empty() => (Some(name.as_str()), false),
        (_, Some(prefix)) if !prefix.is_empty() => (Some(prefix.trim_end_matches('-')), true),
        _ => (None, false),
    };
    let kind = site.object.kind.kind();
    match name {
        None => {
            let message = format!("this `{}` has no name", kind.name());
            let finding = site.refusal(Code::INVALID_NAME, &route!["metadata"], message);
            site.report(finding.help("add `metadata.name`"));
        }
        Some(name) => {
            let at = route!["metadata", if generated { "generateName" } else { "name" }];
            let fault = match kind {
                Kind::Namespace => label_fault(name),
                Kind::Service => service_name_fault(name),
                _ => subdomain_fault(name),
            };
            if let Some(fault) = fault {
                let message = format!("`{name}` is not a valid name for a `{}`: {fault}", kind.name());
                let finding = site.refusal(Code::INVALID_NAME, &at, message);
                site.report(finding);
            }
        }
    }
    if let Some(namespace) = metadata.namespace.as_deref().filter(|_| kind.is_namespaced())
        && !namespace.is_empty()
        && let Some(fault) = label_fault(namespace)
    {
        let message = format!("`{namespace}` is not a valid namespace: {fault}");
        let finding = site.refusal(Code::INVALID_NAME, &route!["metadata", "namespace"], message);
        site.report(finding);
    }
    if let Some(labels) = &metadata.labels {
        check_labels(site, &route!["metadata", "labels"], labels);
    }
}

/// Checks the keys and values of a set of labels.
pub(super) fn check_labels(site: &mut Site<'_>, at: &Route, labels: &BTreeMap<String, String>) {
    for (key, value) in labels {
        check_key(site, key, |object| object.key_origin(&at.then(key.as_str())));
        check_value(site, value, || at.then(key.as_str()));
    }
}

/// Checks one label key; `at` finds the key of an entry, or the string that names it.
pub(super) fn check_key(site: &mut Site<'_>, key: &str, at: impl FnOnce(&Object) -> Origin) {
    if let Some(fault) = qualified_name_fault(key) {
        let message = format!("`{key}` is not a valid label key: {fault}");
        let finding = site.refusal_at(Code::INVALID_NAME, at(site.object), message);
        site.report(finding);
    }
}

/// Checks one label value, written at `at`.
pub(super) fn check_value(site: &mut Site<'_>, value: &str, at: impl FnOnce() -> Route) {
    if let Some(fault) = label_value_fault(value) {
        let message = format!("`{value}` is not a valid label value: {fault}");
        let finding = site.refusal(Code::INVALID_NAME, &at(), message);
        site.report(finding);
    }
}

/// `ValidateLabelName`: an optional DNS subdomain and a slash, then a name.
fn qualified_name_fault(key: &str) -> Option<String> {
    match key.split_once('/') {
        None => name_part_fault(key),
        Some((prefix, name)) if !name.contains('/') => {
            if prefix.is_empty() {
                return Some("the part in front of `/` is empty".to_owned());
            }
            subdomain_fault(prefix)
                .map(|fault| format!("in front of `/`, {fault}"))
                .or_else(|| name_part_fault(name))
        }
        Some(_) => Some("it has more than one `/`".to_owned()),
    }
}

fn name_part_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    label_value_fault(name)
}

/// `IsValidLabelValue`: empty, or at most 63 characters of letters, digits, `-`, `_` and `.`, with a letter or digit
/// at both ends.
fn label_value_fault(value: &str) -> Option<String> {
    if value.len() > LABEL_LENGTH {
        return Some(format!("it is longer than {LABEL_LENGTH} characters"));
    }
    if let Some(c) = odd_character(value, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
    }) {
        return Some(format!("`{c}` is not a letter, a digit, `-`, `_` or `.`"));
    }
    ends_fault(value, |c| c.is_ascii_alphanumeric())
}

/// `IsDNS1123Label`.
fn label_fault(name: &str) -> Option<String> {
    if name.len() > LABEL_LENGTH {
        return Some(format!("it is longer than {LABEL_LENGTH} characters"));
    }
    dns_fault(name)
}

/// `IsDNS1123Subdomain`: labels joined by dots (whose own length is not limited there).
fn subdomain_fault(name: &str) -> Option<String> {
    if name.len() > SUBDOMAIN_LENGTH {
        return Some(format!("it is longer than {SUBDOMAIN_LENGTH} characters"));
    }
    name.split('.').find_map(dns_fault)
}

/// `IsDNS1035Label`: as a DNS label, but it begins with a letter.
fn service_name_fault(name: &str) -> Option<String> {
    label_fault(name).or_else(|| {
        name.starts_with(|c: char| c.is_ascii_digit())
            .then(|| "it begins with a digit".to_owned())
    })
}

fn dns_fault(label: &str) -> Option<String> {
    if label.is_empty() {
        return Some("a part of it is empty".to_owned());
    }
    if let Some(c) = odd_character(label, |c| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
    }) {
        return Some(format!("`{c}` is not a small letter, a digit or `-`"));
    }
    ends_fault(label, |c| c.is_ascii_alphanumeric())
}

/// `IsValidPortName` (`IANA_SVC_NAME`, RFC 6335).
pub(super) fn port_name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if let Some(c) = odd_character(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Some(format!("`{c}` is not a small letter, a digit or `-`"));
    }
    if name.len() > PORT_NAME_LENGTH {
        return Some(format!("it is longer than {PORT_NAME_LENGTH} characters"));
    }
    if !name.contains(|c: char| c.is_ascii_lowercase()) {
        return Some("it has no letter".to_owned());
    }
    if name.contains("--") {
        return Some("it has two `-` in a row".to_owned());
    }
    ends_fault(name, |c| c.is_ascii_alphanumeric())
}

fn odd_character(text: &str, fits: impl Fn(char) -> bool) -> Option<char> {
    text.chars().find(|c| !fits(*c))
}

fn ends_fault(text: &str, fits: impl Fn(char) -> bool) -> Option<String> {
    let ends = text.chars().next().into_iter().chain(text.chars().next_back());
    let bad = ends.into_iter().find(|c| !fits(*c))?;
    Some(format!("it begins or ends with `{bad}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_the_api_server_does() {
        let long = "a".repeat(64);
        for (name, valid) in [
            ("app", true),
            ("app.kubernetes.io/name", true),
            ("A_b.c-9", true),
            ("", false),
            ("/name", false),
            ("prefix/", false),
            ("a/b/c", false),
            ("Prefix.io/name", false),
            ("-app", false),
            ("app_", false),
            ("a b", false),
            (long.as_str(), false),
        ] {
            assert_eq!(qualified_name_fault(name).is_none(), valid, "{name}");
        }
        for (value, valid) in [
            ("", true),
            ("v1.2_3-x", true),
            ("v1.", false),
            ("a/b", false),
            (long.as_str(), false),
        ] {
            assert_eq!(label_value_fault(value).is_none(), valid, "{value}");
        }
        for (name, valid) in [
            ("shop", true),
            ("9shop", true),
            ("shop.a", false),
            ("Shop", false),
            ("shop-", false),
            ("", false),
        ] {
            assert_eq!(label_fault(name).is_none(), valid, "{name}");
        }
        assert!(subdomain_fault("a.b-c.d").is_none());
        assert!(subdomain_fault("a..d").is_some());
        assert!(service_name_fault("9a").is_some());
    }

    #[test]
    fn port_names_have_a_letter_and_at_most_fifteen_characters() {
        for (name, valid) in [
            ("http", true),
            ("a", true),
            ("8080-tcp", true),
            ("http-metrics-v1", true),
            ("http-metrics-v12", false),
            ("8080", false),
            ("0x50", true),
            ("HTTP", false),
            ("a--b", false),
            ("-a", false),
            ("a-", false),
            ("a_b", false),
            ("", false),
        ] {
            assert_eq!(port_name_fault(name).is_none(), valid, "{name}");
        }
    }
}
