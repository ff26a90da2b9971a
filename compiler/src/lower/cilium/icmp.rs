//! `icmps`: message types by number or name.
//!
//! Source: `pkg/policy/api/icmp.go`: the names, the limit of 40 and IPv4 as the default family.

use super::super::site::Site;
use super::entry::Entry;
use super::{remark, verb};
use crate::cilium::IcmpField;
use crate::de::suggest;
use crate::diagnostic::{Code, Severity};
use crate::route::Route;
use ir::port::{Port, PortMatch, Protocol};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The most fields in one entry of `icmps`.
const MOST: usize = 40;

const IPV4: &[(&str, u8)] = &[
    ("EchoReply", 0),
    ("DestinationUnreachable", 3),
    ("Redirect", 5),
    ("Echo", 8),
    ("EchoRequest", 8),
    ("RouterAdvertisement", 9),
    ("RouterSelection", 10),
    ("TimeExceeded", 11),
    ("ParameterProblem", 12),
    ("Timestamp", 13),
    ("TimestampReply", 14),
    ("Photuris", 40),
    ("ExtendedEchoRequest", 42),
    ("ExtendedEchoReply", 43),
];

const IPV6: &[(&str, u8)] = &[
    ("DestinationUnreachable", 1),
    ("PacketTooBig", 2),
    ("TimeExceeded", 3),
    ("ParameterProblem", 4),
    ("EchoRequest", 128),
    ("EchoReply", 129),
    ("MulticastListenerQuery", 130),
    ("MulticastListenerReport", 131),
    ("MulticastListenerDone", 132),
    ("RouterSolicitation", 133),
    ("RouterAdvertisement", 134),
    ("NeighborSolicitation", 135),
    ("NeighborAdvertisement", 136),
    ("RedirectMessage", 137),
    ("RouterRenumbering", 138),
    ("ICMPNodeInformationQuery", 139),
    ("ICMPNodeInformationResponse", 140),
    ("InverseNeighborDiscoverySolicitation", 141),
    ("InverseNeighborDiscoveryAdvertisement", 142),
    ("HomeAgentAddressDiscoveryRequest", 144),
    ("HomeAgentAddressDiscoveryReply", 145),
    ("MobilePrefixSolicitation", 146),
    ("MobilePrefixAdvertisement", 147),
    ("DuplicateAddressRequestCodeSuffix", 157),
    ("DuplicateAddressConfirmationCodeSuffix", 158),
    ("ExtendedEchoRequest", 160),
    ("ExtendedEchoReply", 161),
];

/// The message types of an entry, in the order written.
pub(super) fn lower(entry: &Entry<'_>, site: &mut Site<'_>) -> Vec<Port> {
    let mut ports = Vec::new();
    for (index, rule) in entry.icmps.iter().enumerate() {
        let at = entry.at.then("icmps").then(index);
        let fields = rule.fields.as_deref().unwrap_or_default();
        if fields.is_empty() {
            let message = format!(
                "this entry names no message type, so it {} nothing",
                verb(entry.action)
            );
            let mut finding = remark(site, Code::FIELD_WITHOUT_EFFECT, &at, message);
            if entry.icmps.len() == 1 {
                finding.severity = Severity::Error;
            }
            site.report(finding.help("list the types in `fields`"));
        }
        if fields.len() > MOST {
            let message = format!(
                "an entry of `icmps` has at most {MOST} fields; this one has {}",
                fields.len()
            );
            let finding = site.key_refusal(Code::LIST_LENGTH, &at.then("fields"), message);
            site.report(finding.help("make several entries of them"));
        }
        for (index, written) in fields.iter().enumerate() {
            let at = at.then("fields").then(index);
            if let Some(matches) = field(site, &at, written) {
                ports.push(Port {
                    matches,
                    origin: site.origin(&at),
                });
            }
        }
    }
    ports
}

fn field(site: &mut Site<'_>, at: &Route, written: &IcmpField) -> Option<PortMatch> {
    let (protocol, names) = match written.family.as_deref() {
        None | Some("IPv4") => (Protocol::Icmp, IPV4),
        Some("IPv6") => (Protocol::Icmpv6, IPV6),
        Some(other) => {
            let message = format!("there is no family `{other}`");
            let finding = site.refusal(Code::INVALID_VALUE, &at.then("family"), message);
            site.report(finding.help("one of `IPv4`, `IPv6`"));
            return None;
        }
    };
    let place = at.then("type");
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse::<u8>().ok().filter(|_| plain)
    };
    let message_type = match &written.message_type {
        Some(IntOrString::Int(number)) => match u8::try_from(*number) {
            Ok(number) => number,
            Err(_) => {
                let message = format!("{number} is not a message type: types are 0 to 255");
                let finding = site.refusal(Code::INVALID_VALUE, &place, message);
                site.report(finding);
                return None;
            }
        },
        Some(IntOrString::String(text)) => {
            let known = names
                .iter()
                .find(|(name, _)| name == text)
                .map(|(_, number)| *number);
            let Some(number) = known.or_else(|| number(text)) else {
                let message = format!("{protocol} has no message type `{text}`");
                let finding = site.refusal(Code::INVALID_VALUE, &place, message);
                let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
                let near = suggest::nearest(text, &names);
                site.report(match near.first() {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("write a number from 0 to 255, or a name such as `EchoRequest`"),
                });
                return None;
            };
            number
        }
        None => {
            let finding = site.refusal(Code::MISSING_FIELD, at, "`type` is missing");
            site.report(finding.help("add the message type, a number or a name such as `EchoRequest`"));
            return None;
        }
    };
    Some(PortMatch::Icmp {
        protocol,
        message_type,
    })
}
