//! Ports of NetworkPolicy rules, and the protocols and numbers of container ports.
//!
//! Rules: `ValidateNetworkPolicyPort` in `k8s.io/kubernetes/pkg/apis/networking/validation`.

use super::name;
use super::site::Site;
use crate::diagnostic::{Applicability, Code, Finding, Fix};
use crate::lints::pc210_port_name_invalid::{self, NumberForm};
use crate::lints::pc211_end_port_with_name;
use crate::route::Route;
use ir::port::{Port, PortMatch, Protocol, ProtocolSet};
use k8s_openapi::api::networking::v1::NetworkPolicyPort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// One entry of a rule's `ports`. Nothing when it is refused.
pub(super) fn lower(site: &mut Site<'_>, at: &Route, port: &NetworkPolicyPort) -> Option<Port> {
    let protocol = protocol(site, at, port.protocol.as_deref()).map(ProtocolSet::One);
    let (written, matches) = match &port.port {
        None => {
            if port.end_port.is_some() {
                let message = "`endPort` needs a `port` to begin at";
                let finding = site.refusal(Code::REFUSED_COMBINATION, &at.then("endPort"), message);
                site.report(finding.help("add `port`, or remove `endPort` for every port"));
                return None;
            }
            let every = |protocol| PortMatch::Numbers {
                protocol,
                first: 0,
                last: u16::MAX,
            };
            // `ports: [{}]` is every TCP port; the entry itself is all there is to point at.
            (at.clone(), protocol.map(every))
        }
        Some(IntOrString::Int(first)) => (at.then("port"), range(site, at, protocol, *first, port.end_port)),
        Some(IntOrString::String(name)) => (at.then("port"), named(site, at, protocol, name, port.end_port)),
    };
    matches.map(|matches| Port {
        matches,
        origin: site.origin(&written),
    })
}

fn range(
    site: &mut Site<'_>,
    at: &Route,
    protocol: Option<ProtocolSet>,
    first: i32,
    last: Option<i32>,
) -> Option<PortMatch> {
    let first = number(site, &at.then("port"), i64::from(first));
    let last = match last {
        Some(last) => number(site, &at.then("endPort"), i64::from(last)),
        None => first,
    };
    let (first, last) = (first?, last?);
    if last < first {
        let message = format!("the range ends at {last}, below its start {first}");
        let finding = site
            .refusal(Code::END_PORT_BELOW_PORT, &at.then("endPort"), message)
            .because(site.origin(&at.then("port")), "it starts here");
        let (start, end) = (site.origin(&at.then("port")), site.origin(&at.then("endPort")));
        let swap = Fix::suggestion("swap the two")
            .reword(start, first.to_string(), last.to_string())
            .reword(end, last.to_string(), first.to_string());
        let help = format!("swap them: `port: {last}`, `endPort: {first}`");
        site.report(finding.help(help).fix(swap));
        return None;
    }
    Some(PortMatch::Numbers {
        protocol: protocol?,
        first,
        last,
    })
}

fn named(
    site: &mut Site<'_>,
    at: &Route,
    protocol: Option<ProtocolSet>,
    name: &str,
    last: Option<i32>,
) -> Option<PortMatch> {
    let route = at.then("port");
    if let Some(fault) = name::port_name_fault(name) {
        let is_valid = |name: &str| name::port_name_fault(name).is_none();
        let remark = pc210_port_name_invalid::refused(name, &fault, is_valid);
        let finding = site.refusal(remark.code, &route, remark.message.clone());
        site.report(remark.advise(finding, site.origin(&route)));
        return None;
    }
    if last.is_some() {
        let message = pc211_end_port_with_name::refused(name);
        let finding = site
            .refusal(Code::END_PORT_WITH_NAME, &at.then("endPort"), message)
            .because(site.origin(&route), "a name, not a number");
        site.report(finding.help(pc211_end_port_with_name::HELP));
        return None;
    }
    name_hazards(site, &route, name, NumberForm::Bare);
    Some(PortMatch::Name {
        protocol: protocol?,
        name: name.to_owned(),
    })
}

/// Says of a name that is valid that it is probably not what was meant.
pub(super) fn name_hazards(site: &mut Site<'_>, at: &Route, name: &str, form: NumberForm) {
    if let Some(doubt) = pc210_port_name_invalid::doubtful(name, form) {
        let place = site.origin(at);
        let mut finding = Finding::new(doubt.code, doubt.message.clone())
            .at(place.clone(), "")
            .about(site.object.name.clone());
        finding.severity = doubt.severity;
        site.report(doubt.advise(finding, place));
    }
}

/// The protocol of a port entry, TCP when it says none.
pub(super) fn protocol(site: &mut Site<'_>, at: &Route, written: Option<&str>) -> Option<Protocol> {
    match written {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(other) => {
            let message = format!("there is no protocol `{other}`");
            let finding = site.refusal(Code::INVALID_VALUE, &at.then("protocol"), message);
            let upper = other.to_ascii_uppercase();
            site.report(if matches!(upper.as_str(), "TCP" | "UDP" | "SCTP") {
                let place = site.origin(&at.then("protocol"));
                let fix = Fix::rewording(Applicability::Safe, place, other, &*upper);
                finding.help(format!("write `{upper}`")).fix(fix)
            } else {
                finding.help("one of `TCP`, `UDP`, `SCTP`")
            });
            None
        }
    }
}

/// A port number from 1 to 65535.
pub(super) fn number(site: &mut Site<'_>, at: &Route, number: i64) -> Option<u16> {
    match u16::try_from(number) {
        Ok(number) if number > 0 => Some(number),
        _ => {
            let message = format!("{number} is not a port: ports are 1 to 65535");
            let finding = site.refusal(Code::PORT_OUT_OF_RANGE, at, message);
            site.report(finding);
            None
        }
    }
}
