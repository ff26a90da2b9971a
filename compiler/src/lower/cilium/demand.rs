//! Demands beyond addresses and ports: read in full, checked for what Cilium refuses, and handed on as
//! [`Beyond`].
//!
//! Source: `PortRule.Validate` and `L7Rules.Validate` in `pkg/policy/api/rule_validation.go`.

use super::super::site::Site;
use super::Scope;
use super::domain;
use super::entry::Entry;
use super::port::{self, Reading};
use crate::cilium::{Group, Layer7Rules, PortRule, TlsContext};
use crate::diagnostic::Code;
use crate::route::Route;
use ir::policy::{Action, Beyond, BeyondKind, Direction};

/// What the whole entry demands: authentication.
pub(super) fn of_entry(entry: &Entry<'_>, site: &mut Site<'_>) -> Vec<Beyond> {
    let Some(authentication) = entry.authentication else {
        return Vec::new();
    };
    let at = entry.at.then("authentication");
    if entry.action == Action::Deny {
        refuse_in_deny(site, &at, "authentication");
        return Vec::new();
    }
    match authentication.mode.as_deref() {
        Some("disabled") => Vec::new(),
        Some("required" | "test-always-fail") => vec![beyond(site, BeyondKind::Authentication, &at)],
        Some(other) => {
            let message = format!("there is no authentication mode `{other}`");
            let finding = site.refusal(Code::INVALID_VALUE, &at.then("mode"), message);
            site.report(finding.help("one of `required`, `disabled`, `test-always-fail`"));
            Vec::new()
        }
        None => {
            let finding = site.refusal(Code::MISSING_FIELD, &at, "`mode` is missing");
            site.report(finding.help("one of `required`, `disabled`, `test-always-fail`"));
            Vec::new()
        }
    }
}

/// A cloud provider's groups.
pub(super) fn groups(entry: &Entry<'_>, site: &Site<'_>, _: &[Group]) -> Beyond {
    beyond(
        site,
        BeyondKind::CloudGroups,
        &entry.at.then(&*entry.field("Groups")),
    )
}

/// What one entry of `toPorts` demands.
pub(super) fn of_ports(
    entry: &Entry<'_>,
    site: &mut Site<'_>,
    at: &Route,
    rule: &PortRule,
    scope: &Scope<'_>,
) -> Vec<Beyond> {
    let of_requests = match &rule.rules {
        Some(rules) if rules.dns.is_some() => BeyondKind::Dns,
        _ => BeyondKind::Layer7,
    };
    let fields = [
        (
            "rules",
            rule.rules.as_ref().is_some_and(|rules| !is_empty(rules)),
            of_requests,
        ),
        (
            "serverNames",
            rule.server_names.as_ref().is_some_and(|names| !names.is_empty()),
            BeyondKind::Tls,
        ),
        ("terminatingTLS", rule.terminating_tls.is_some(), BeyondKind::Tls),
        ("originatingTLS", rule.originating_tls.is_some(), BeyondKind::Tls),
        ("listener", rule.listener.is_some(), BeyondKind::Listener),
    ];
    let written: Vec<_> = fields.into_iter().filter(|(_, written, _)| *written).collect();
    if entry.action == Action::Deny {
        for (field, ..) in &written {
            refuse_in_deny(site, &at.then(*field), field);
        }
        return Vec::new();
    }
    if let Some(rules) = rule.rules.as_ref().filter(|rules| !is_empty(rules)) {
        layer7(entry, site, at, rule, rules, scope);
    }
    server_names(site, at, rule);
    for (field, context) in [
        ("terminatingTLS", &rule.terminating_tls),
        ("originatingTLS", &rule.originating_tls),
    ] {
        if let Some(context) = context {
            tls(site, &at.then(field), context);
        }
    }
    listener(entry, site, at, rule);
    written
        .into_iter()
        .map(|(field, _, kind)| beyond(site, kind, &at.then(field)))
        .collect()
}

fn beyond(site: &Site<'_>, kind: BeyondKind, at: &Route) -> Beyond {
    Beyond {
        kind,
        origin: site.object.key_origin(at),
    }
}

fn refuse_in_deny(site: &mut Site<'_>, at: &Route, what: &str) {
    let message = format!("a deny rule cannot have `{what}`: it denies by peers and ports alone");
    let finding = site.key_refusal(Code::REFUSED_COMBINATION, at, message);
    site.report(finding.help("remove it, or say in an allow rule what may pass"));
}

fn is_empty(rules: &Layer7Rules) -> bool {
    kinds(rules).is_empty() && rules.l7.is_none()
}

/// The protocols that rules are written for.
fn kinds(rules: &Layer7Rules) -> Vec<&'static str> {
    [
        ("http", rules.http.is_some()),
        ("kafka", rules.kafka.is_some()),
        ("dns", rules.dns.is_some()),
        (
            "l7proto",
            rules.l7proto.as_ref().is_some_and(|name| !name.is_empty()),
        ),
    ]
    .into_iter()
    .filter(|(_, written)| *written)
    .map(|(kind, _)| kind)
    .collect()
}

fn refuse(site: &mut Site<'_>, at: &Route, message: &str, help: &str) {
    let finding = site.key_refusal(Code::REFUSED_COMBINATION, at, message);
    site.report(finding.help(help));
}

fn layer7(
    entry: &Entry<'_>,
    site: &mut Site<'_>,
    at: &Route,
    rule: &PortRule,
    rules: &Layer7Rules,
    scope: &Scope<'_>,
) {
    let place = at.then("rules");
    let kinds = kinds(rules);
    let ports = rule.ports.as_deref().unwrap_or_default();
    let dns = rules.dns.is_some();
    if let [first, second, ..] = kinds.as_slice() {
        let message = format!("`{second}` cannot stand beside `{first}`: one protocol on a port at a time");
        refuse(
            site,
            &place.then(*second),
            &message,
            "make two entries of `toPorts` of them",
        );
    }
    if rules.l7.is_some() && !kinds.contains(&"l7proto") {
        refuse(
            site,
            &place.then("l7"),
            "`l7` needs `l7proto` to say which protocol it is about",
            "add `l7proto`",
        );
    }
    if dns && entry.direction == Direction::Ingress {
        refuse(
            site,
            &place.then("dns"),
            "DNS rules are for egress only",
            "say them in the policy of the pods that ask",
        );
    }
    if dns && ports.is_empty() {
        refuse(
            site,
            &place.then("dns"),
            "DNS rules need ports",
            "add `ports` with `port: \"53\"`",
        );
    }
    if scope.host_policy && (entry.direction == Direction::Ingress || !dns) {
        refuse(
            site,
            &place,
            "a policy on nodes cannot look into requests",
            "remove `rules`, or select pods with `endpointSelector`",
        );
    }
    for (index, port) in ports.iter().enumerate() {
        let at = at.then("ports").then(index);
        let number = match port.port.as_deref().map(port::read) {
            Some(Reading::Number(number)) => Some(number),
            _ => None,
        };
        if !dns && port.protocol.as_deref() != Some("TCP") {
            let message = match port.protocol.as_deref() {
                None => "`rules` are for TCP, and a port without `protocol` is of every protocol".to_owned(),
                Some(other) => format!("`rules` are for TCP, not for {other}"),
            };
            let finding = site
                .refusal(Code::REFUSED_COMBINATION, &at, message)
                .because(site.object.key_origin(&place), "these rules");
            site.report(finding.help("write `protocol: TCP`"));
        }
        if number == Some(0) {
            let finding = site
                .refusal(
                    Code::REFUSED_COMBINATION,
                    &at,
                    "`rules` cannot be about every port",
                )
                .because(site.object.key_origin(&place), "these rules");
            site.report(finding.help("name the port"));
        }
        if dns && number.is_some_and(|number| port.end_port.is_some_and(|end| end > i32::from(number))) {
            let finding = site
                .refusal(
                    Code::REFUSED_COMBINATION,
                    &at.then("endPort"),
                    "DNS rules cannot be about a range of ports",
                )
                .because(site.object.key_origin(&place), "these rules");
            site.report(finding.help("name the port"));
        }
    }
    for (index, name) in rules.dns.iter().flatten().enumerate() {
        let at = place.then("dns").then(index);
        let (match_name, pattern) = (name.match_name.as_deref(), name.match_pattern.as_deref());
        let _checked = domain::lower(site, &at, match_name, pattern);
    }
    for (index, http) in rules.http.iter().flatten().enumerate() {
        for (inner, header) in http.header_matches.iter().flatten().enumerate() {
            let at = place.then("http").then(index).then("headerMatches").then(inner);
            if header.name.as_deref().unwrap_or_default().is_empty() {
                let finding = site.refusal(Code::MISSING_FIELD, &at, "`name` is missing");
                site.report(finding.help("add the header's name"));
            }
            if let Some(other) = header.mismatch.as_deref()
                && !matches!(other, "" | "LOG" | "ADD" | "DELETE" | "REPLACE")
            {
                let message = format!("there is no action `{other}` for a header that differs");
                let finding = site.refusal(Code::INVALID_VALUE, &at.then("mismatch"), message);
                site.report(finding.help("one of `LOG`, `ADD`, `DELETE`, `REPLACE`"));
            }
        }
    }
}

fn server_names(site: &mut Site<'_>, at: &Route, rule: &PortRule) {
    let names = rule.server_names.as_deref().unwrap_or_default();
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            let at = at.then("serverNames").then(index);
            let finding = site.refusal(Code::INVALID_VALUE, &at, "a server name cannot be empty");
            site.report(finding.help("remove the entry, or write the name"));
        }
    }
    let looks_inside = rule.rules.as_ref().is_some_and(|rules| !is_empty(rules));
    if !names.is_empty() && looks_inside && rule.terminating_tls.is_none() {
        refuse(
            site,
            &at.then("serverNames"),
            "`serverNames` beside `rules` needs `terminatingTLS`: requests inside TLS cannot be read",
            "add `terminatingTLS`, or make two entries of `toPorts` of them",
        );
    }
}

fn tls(site: &mut Site<'_>, at: &Route, context: &TlsContext) {
    let secret = context.secret.as_ref().and_then(|secret| secret.name.as_deref());
    if secret.unwrap_or_default().is_empty() {
        let finding = site.refusal(Code::MISSING_FIELD, at, "`secret` with a `name` is missing");
        site.report(finding.help("name the secret with the keys and certificates"));
    }
}

fn listener(entry: &Entry<'_>, site: &mut Site<'_>, at: &Route, rule: &PortRule) {
    let Some(listener) = &rule.listener else {
        return;
    };
    let at = at.then("listener");
    if entry.direction == Direction::Ingress {
        refuse(
            site,
            &at,
            "a `listener` is for egress only",
            "remove it, or say it in the policy of the pods that connect",
        );
    }
    if rule.rules.as_ref().is_some_and(|rules| !is_empty(rules)) {
        refuse(
            site,
            &at,
            "a `listener` cannot stand beside `rules`",
            "let the listener's own configuration look into requests",
        );
    }
    let config = listener
        .envoy_config
        .as_ref()
        .and_then(|config| config.name.as_deref());
    if listener.name.as_deref().unwrap_or_default().is_empty() || config.unwrap_or_default().is_empty() {
        let message = "a `listener` needs `name` and `envoyConfig.name`";
        let finding = site.refusal(Code::MISSING_FIELD, &at, message);
        site.report(finding.help("name the listener and the configuration that it is in"));
    }
}
