//! `toPorts[].ports[]`.
//!
//! Source: `PortProtocol.Validate` in `pkg/policy/api/rule_validation.go`: what looks like a service name
//! (`iana.IsSvcName`) is a name, everything else is given to `strconv.ParseUint` with base 0.

use super::super::site::Site;
use super::remark;
use crate::cilium::{PortProtocol, PortRule};
use crate::diagnostic::{Applicability, Code, Fix, Severity};
use crate::lints::pc210_port_name_invalid::NumberForm;
use crate::lints::pc211_end_port_with_name;
use crate::lower::port::name_hazards;
use crate::route::Route;
use ir::port::{Port, PortMatch, Protocol, ProtocolSet};

/// The most ports in one entry of `toPorts`.
const MOST: usize = 40;

/// The ports of one entry of `toPorts`, in the order written.
pub(super) fn lower(site: &mut Site<'_>, at: &Route, rule: &PortRule) -> Vec<Port> {
    let written = rule.ports.as_deref().unwrap_or_default();
    if written.len() > MOST {
        let message = format!(
            "an entry of `toPorts` has at most {MOST} ports; this one has {}",
            written.len()
        );
        let finding = site.key_refusal(Code::LIST_LENGTH, &at.then("ports"), message);
        site.report(finding.help("make several entries of `toPorts` of them, or ranges with `endPort`"));
    }
    written
        .iter()
        .enumerate()
        .filter_map(|(index, port)| {
            let at = at.then("ports").then(index);
            let matches = one(site, &at, port)?;
            Some(Port {
                matches,
                origin: site.origin(&at.then("port")),
            })
        })
        .collect()
}

/// What the text of a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A name.
    Name,
    /// A number, as Cilium reads it.
    Number(u16),
    /// A number that is not a port.
    TooLarge,
    /// Neither.
    Neither,
}

/// Reads a port as Cilium does.
pub(super) fn read(text: &str) -> Reading {
    if is_service_name(text) {
        return Reading::Name;
    }
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let underscores_fit = !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    if digits.is_empty() || !underscores_fit || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Reading::Neither;
    }
    // A leading zero means octal, in which 8 and 9 do not exist.
    let radix = if digits.len() > 1 && digits.starts_with('0') {
        8
    } else {
        10
    };
    match u128::from_str_radix(&digits, radix) {
        Ok(number) => u16::try_from(number).map_or(Reading::TooLarge, Reading::Number),
        Err(_) if digits.chars().all(|c| c.is_digit(radix)) => Reading::TooLarge,
        Err(_) => Reading::Neither,
    }
}

/// `iana.IsSvcName`: 1 to 15 letters, digits and inner single dashes, with a letter among them.
fn is_service_name(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !text.contains("--")
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn one(site: &mut Site<'_>, at: &Route, port: &PortProtocol) -> Option<PortMatch> {
    if let Some(written) = port.protocol.as_deref()
        && has_no_ports(written)
    {
        let message =
            format!("`{written}` has no ports, and is not told apart from other such protocols here");
        let finding = site.refusal(Code::INVALID_VALUE, &at.then("protocol"), message);
        site.report(finding.help(
            "Cilium takes it where it runs with `enable-extended-ip-protocols`, which is off by default; an entry \
             without `toPorts` is for every protocol",
        ));
        return None;
    }
    let protocol = protocol(site, at, port.protocol.as_deref());
    let place = at.then("port");
    let Some(text) = port.port.as_deref().filter(|text| !text.is_empty()) else {
        let finding = site.refusal(Code::MISSING_FIELD, at, "`port` is missing");
        site.report(finding.help("write `port: \"0\"` for every port of the protocol"));
        return None;
    };
    match read(text) {
        Reading::Name => {
            name_hazards(site, &place, text, NumberForm::Quoted);
            if port.end_port.is_some_and(|end| end != 0) {
                let message = pc211_end_port_with_name::ignored(text);
                let finding = remark(site, Code::END_PORT_WITH_NAME, &at.then("endPort"), message)
                    .because(site.origin(&place), "a name, not a number");
                site.report(finding.help(pc211_end_port_with_name::HELP));
            }
            Some(PortMatch::Name {
                protocol: protocol?,
                name: text.to_owned(),
            })
        }
        Reading::Number(first) => {
            if text != first.to_string() {
                let message = format!("Cilium reads `{text}` as {first}");
                let mut finding = remark(site, Code::NUMBER_NOTATION, &place, message);
                finding.severity = Severity::Error;
                let meant = text.replace('_', "");
                let meant = meant.trim_start_matches('0');
                let is_one = meant == first.to_string() || meant.is_empty();
                let as_read = site.origin(&place);
                let write =
                    |number: String| Fix::rewording(Applicability::Suggestion, as_read.clone(), text, number);
                finding = finding.fix(write(first.to_string()));
                site.report(if is_one {
                    finding.help(format!("write `\"{first}\"`"))
                } else {
                    finding
                        .help(format!("write `\"{first}\"`, or `\"{meant}\"` if that is meant"))
                        .fix(write(meant.to_owned()))
                });
            }
            let last = last(site, at, first, port.end_port)?;
            Some(PortMatch::Numbers {
                protocol: protocol?,
                first,
                last,
            })
        }
        Reading::TooLarge => {
            let message = format!("`{text}` is not a port: ports are 0 to 65535");
            let finding = site.refusal(Code::PORT_OUT_OF_RANGE, &place, message);
            site.report(finding);
            None
        }
        Reading::Neither => {
            let message = format!("`{text}` is neither a port number nor a port name");
            let finding = site.refusal(Code::PORT_NAME_INVALID, &place, message);
            site.report(finding.help(
                "a number is plain decimal; a name has 1 to 15 letters, digits and single dashes, and a letter",
            ));
            None
        }
    }
}

/// Where the range ends: at `endPort`, at the port itself, or for port 0 at the top.
fn last(site: &mut Site<'_>, at: &Route, first: u16, end: Option<i32>) -> Option<u16> {
    let place = at.then("endPort");
    // The zero of the field's type, so that Cilium cannot tell it from an absent one.
    let end = end.filter(|end| *end != 0);
    if first == 0 {
        if end.is_some() {
            let message = "`endPort` beside port 0 is ignored: every port is meant";
            let finding = remark(site, Code::FIELD_WITHOUT_EFFECT, &place, message);
            site.report(finding.help("remove `endPort`, or begin the range at 1"));
        }
        return Some(u16::MAX);
    }
    let Some(end) = end else {
        return Some(first);
    };
    let Ok(last) = u16::try_from(end) else {
        let message = format!("{end} is not a port: ports are 1 to 65535");
        let finding = site.refusal(Code::PORT_OUT_OF_RANGE, &place, message);
        site.report(finding);
        return None;
    };
    if last < first {
        let message = format!("the range ends at {last}, below its start {first}, and matches nothing");
        let finding = site
            .refusal(Code::END_PORT_BELOW_PORT, &place, message)
            .because(site.origin(&at.then("port")), "it starts here");
        let (start, end) = (site.origin(&at.then("port")), site.origin(&place));
        let swap = Fix::suggestion("swap the two")
            .reword(start, first.to_string(), last.to_string())
            .reword(end, last.to_string(), first.to_string());
        let help = format!("swap them: `port: \"{last}\"`, `endPort: {first}`");
        site.report(finding.help(help).fix(swap));
        return None;
    }
    Some(last)
}

/// The protocols that Cilium's `ParseL4Proto` knows besides those with ports and ICMP.
fn has_no_ports(protocol: &str) -> bool {
    ["VRRP", "IGMP", "GRE", "IPIP", "ESP", "AH"]
        .iter()
        .any(|known| protocol.eq_ignore_ascii_case(known))
}

/// The protocol of a port entry: TCP, UDP and SCTP when it says none.
fn protocol(site: &mut Site<'_>, at: &Route, written: Option<&str>) -> Option<ProtocolSet> {
    match written {
        None | Some("ANY") => Some(ProtocolSet::AnyTransport),
        Some("TCP") => Some(ProtocolSet::One(Protocol::Tcp)),
        Some("UDP") => Some(ProtocolSet::One(Protocol::Udp)),
        Some("SCTP") => Some(ProtocolSet::One(Protocol::Sctp)),
        Some(other) => {
            let message = format!("ports have no protocol `{other}`");
            let finding = site.refusal(Code::INVALID_VALUE, &at.then("protocol"), message);
            let upper = other.to_ascii_uppercase();
            site.report(match upper.as_str() {
                "TCP" | "UDP" | "SCTP" | "ANY" => {
                    let written = site.origin(&at.then("protocol"));
                    let fix = Fix::rewording(Applicability::Safe, written, other, &*upper);
                    finding.help(format!("write `{upper}`")).fix(fix)
                }
                "ICMP" | "ICMPV6" => finding.help("message types are said by `icmps`"),
                _ => finding.help("one of `TCP`, `UDP`, `SCTP`, `ANY`"),
            });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_cilium_reads_them() {
        for (text, reading) in [
            ("80", Reading::Number(80)),
            ("0", Reading::Number(0)),
            ("00", Reading::Number(0)),
            ("010", Reading::Number(8)),
            ("08", Reading::Neither),
            ("8_080", Reading::Number(8080)),
            ("0_10", Reading::Number(8)),
            ("_80", Reading::Neither),
            ("8__0", Reading::Neither),
            ("65535", Reading::Number(65535)),
            ("65536", Reading::TooLarge),
            ("99999999999999999999999999999999999999999999", Reading::TooLarge),
            ("+80", Reading::Neither),
            ("-80", Reading::Neither),
            (" 80", Reading::Neither),
            ("0x50", Reading::Name),
            ("0b11", Reading::Name),
            ("http", Reading::Name),
            ("HTTP", Reading::Name),
            ("a-b", Reading::Name),
            ("a--b", Reading::Neither),
            ("8080-tcp", Reading::Name),
            ("http-metrics-v1", Reading::Name),
            ("http-metrics-v12", Reading::Neither),
            ("http_metrics", Reading::Neither),
        ] {
            assert_eq!(read(text), reading, "{text}");
        }
    }
}
