//! DNS names and patterns.
//!
//! Source: `FQDNSelector.Validate` in `pkg/policy/api/fqdn.go`.

use super::super::site::Site;
use crate::diagnostic::Code;
use crate::route::Route;
use ir::peer::DomainPattern;

/// The most that a name in DNS can have (RFC 1035, 2.3.4), and Cilium's limit on patterns.
const LONGEST: usize = 255;

/// One name or pattern, in lower case and without a final dot: names are compared so.
pub(super) fn lower(
    site: &mut Site<'_>,
    at: &Route,
    name: Option<&str>,
    pattern: Option<&str>,
) -> Option<DomainPattern> {
    let written = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
    let (field, text) = match (name, pattern) {
        (Some(_), Some(_)) if written(name) && written(pattern) => {
            let message = "`matchName` cannot stand beside `matchPattern` in one entry";
            let finding = site.key_refusal(Code::REFUSED_COMBINATION, &at.then("matchPattern"), message);
            site.report(finding.help("make two entries of them"));
            return None;
        }
        (Some(name), _) if !name.is_empty() => ("matchName", name),
        (_, Some(pattern)) if !pattern.is_empty() => ("matchPattern", pattern),
        _ => {
            let finding = site.refusal(Code::MISSING_FIELD, at, "this entry names nothing in DNS");
            site.report(
                finding.help("add `matchName` or `matchPattern`; `matchPattern: \"*\"` is every name"),
            );
            return None;
        }
    };
    let fits = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') || (field == "matchPattern" && c == '*')
    };
    let fault = match text.chars().find(|c| !fits(*c)) {
        Some('*') => Some("`*` is for `matchPattern`".to_owned()),
        Some(c) => Some(format!("`{c}` cannot be in a name")),
        None if text.len() > LONGEST => Some(format!("it is longer than {LONGEST} characters")),
        None => None,
    };
    if let Some(fault) = fault {
        let message = format!("`{text}` is not a name in DNS: {fault}");
        let finding = site.refusal(Code::INVALID_NAME, &at.then(field), message);
        site.report(finding);
        return None;
    }
    Some(DomainPattern(text.trim_end_matches('.').to_ascii_lowercase()))
}
