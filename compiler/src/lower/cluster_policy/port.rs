//! `ports` of `v1alpha1` and `protocols` of `v1alpha2`.

use super::{Edition, check_length, exactly_one, required};
use crate::diagnostic::{Applicability, Code, Fix};
use crate::lints::pc210_port_name_invalid::NumberForm;
use crate::lower::site::Site;
use crate::lower::{name, port};
use crate::network_policy_api::{v1alpha1, v1alpha2};
use crate::route::Route;
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};

/// The list of a rule that asks for ports.
#[derive(Clone, Copy)]
pub(super) enum WrittenPorts<'a> {
    Ports(&'a [v1alpha1::Port]),
    Protocols(&'a [v1alpha2::Protocol]),
}

impl WrittenPorts<'_> {
    /// Where the first port name is written, in the rule at `at`.
    pub(super) fn first_name(self, at: &Route) -> Option<Route> {
        let (index, list, field) = match self {
            Self::Ports(ports) => {
                let index = ports.iter().position(|port| port.named_port.is_some())?;
                (index, "ports", "namedPort")
            }
            Self::Protocols(protocols) => {
                let named = |protocol: &v1alpha2::Protocol| protocol.destination_named_port.is_some();
                let index = protocols.iter().position(named)?;
                (index, "protocols", "destinationNamedPort")
            }
        };
        Some(at.then(list).then(index).then(field))
    }
}

/// The ports of the rule at `at`.
pub(super) fn lower(
    site: &mut Site<'_>,
    at: &Route,
    edition: Edition,
    written: Option<WrittenPorts<'_>>,
) -> Ports {
    let mut lowered = Vec::new();
    match written {
        None => return Ports::Any,
        Some(WrittenPorts::Ports(ports)) => {
            let at = at.then("ports");
            check_length(site, &at, ports.len(), 1..=edition.most);
            for (index, port) in ports.iter().enumerate() {
                lowered.extend(alpha1(site, &at.then(index), port));
            }
        }
        Some(WrittenPorts::Protocols(protocols)) => {
            let at = at.then("protocols");
            check_length(site, &at, protocols.len(), 1..=edition.most);
            for (index, protocol) in protocols.iter().enumerate() {
                lowered.extend(alpha2(site, &at.then(index), protocol));
            }
        }
    }
    Ports::OneOf(lowered)
}

fn alpha1(site: &mut Site<'_>, at: &Route, written: &v1alpha1::Port) -> Option<Port> {
    let fields = [
        ("portNumber", written.port_number.is_some()),
        ("namedPort", written.named_port.is_some()),
        ("portRange", written.port_range.is_some()),
    ];
    exactly_one(site, at, &fields, "for every port leave the whole list out")?;
    if let Some(written) = &written.port_number {
        let at = at.then("portNumber");
        let protocol = port::protocol(site, &at, written.protocol.as_deref());
        let number = number(site, &at, "port", written.port);
        return numbers(site, &at.then("port"), protocol?, number?, number?);
    }
    if let Some(written) = &written.port_range {
        let at = at.then("portRange");
        let protocol = port::protocol(site, &at, written.protocol.as_deref());
        let (first, last) = range(site, &at, written.start, written.end)?;
        return numbers(site, &at, protocol?, first, last);
    }
    named(site, &at.then("namedPort"), written.named_port.as_deref()?)
}

fn alpha2(site: &mut Site<'_>, at: &Route, written: &v1alpha2::Protocol) -> Option<Port> {
    let fields = [
        ("tcp", written.tcp.is_some()),
        ("udp", written.udp.is_some()),
        ("sctp", written.sctp.is_some()),
        ("destinationNamedPort", written.destination_named_port.is_some()),
    ];
    exactly_one(site, at, &fields, "for every protocol leave the whole list out")?;
    for (field, protocol, transport) in [
        ("tcp", Protocol::Tcp, &written.tcp),
        ("udp", Protocol::Udp, &written.udp),
        ("sctp", Protocol::Sctp, &written.sctp),
    ] {
        if let Some(transport) = transport {
            return alpha2_transport(site, &at.then(field), protocol, transport);
        }
    }
    let at = at.then("destinationNamedPort");
    named(site, &at, written.destination_named_port.as_deref()?)
}

fn alpha2_transport(
    site: &mut Site<'_>,
    at: &Route,
    protocol: Protocol,
    written: &v1alpha2::Transport,
) -> Option<Port> {
    let Some(written) = &written.destination_port else {
        // `MinProperties=1`: NPEP-187 has no "any port of this protocol" on purpose.
        let message = format!("`destinationPort` is missing: {protocol} alone is not a match");
        let finding = site.refusal(Code::MISSING_FIELD, at, message);
        site.report(finding.help("for every port write `destinationPort: {range: {start: 1, end: 65535}}`"));
        return None;
    };
    let at = at.then("destinationPort");
    let fields = [
        ("number", written.number.is_some()),
        ("range", written.range.is_some()),
    ];
    exactly_one(site, &at, &fields, "write `number` or `range`")?;
    if let Some(written) = &written.range {
        let at = at.then("range");
        let (first, last) = range(site, &at, written.start, written.end)?;
        return numbers(site, &at, protocol, first, last);
    }
    let only = number(site, &at, "number", written.number)?;
    numbers(site, &at.then("number"), protocol, only, only)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "callers return it as what became of an entry"
)]
fn numbers(site: &Site<'_>, at: &Route, protocol: Protocol, first: u16, last: u16) -> Option<Port> {
    Some(Port {
        matches: PortMatch::Numbers {
            protocol: ProtocolSet::One(protocol),
            first,
            last,
        },
        origin: site.origin(at),
    })
}

fn number(site: &mut Site<'_>, at: &Route, field: &str, written: Option<i32>) -> Option<u16> {
    let written = required(site, at, field, written)?;
    port::number(site, &at.then(field), i64::from(written))
}

/// A range of two ports at least: "the Start value must be less than End".
fn range(site: &mut Site<'_>, at: &Route, start: Option<i32>, end: Option<i32>) -> Option<(u16, u16)> {
    let start = number(site, at, "start", start);
    let end = number(site, at, "end", end);
    let (start, end) = (start?, end?);
    if start < end {
        return Some((start, end));
    }
    let (message, help) = if start == end {
        (
            format!("the range holds {start} alone, and must end above its start"),
            "give one port as a number",
        )
    } else {
        (
            format!("the range ends at {end}, below its start {start}"),
            "swap them",
        )
    };
    let finding = site
        .refusal(Code::END_PORT_BELOW_PORT, &at.then("end"), message)
        .because(site.origin(&at.then("start")), "it starts here");
    site.report(finding.help(help));
    None
}

/// A name, for the ports of that name whatever their protocol. The API does not check it; a name that no container
/// port can have would match nothing.
fn named(site: &mut Site<'_>, at: &Route, written: &str) -> Option<Port> {
    if let Some(fault) = name::port_name_fault(written) {
        let message = format!("`{written}` is not a valid port name: {fault}");
        let finding = site.refusal(Code::PORT_NAME_INVALID, at, message);
        let lower = written.to_ascii_lowercase();
        site.report(if written.parse::<u16>().is_ok_and(|number| number > 0) {
            finding.help("a number goes into a field of its own")
        } else if lower != written && name::port_name_fault(&lower).is_none() {
            let fix = Fix::rewording(Applicability::Safe, site.origin(at), written, &*lower);
            finding.help(format!("write `{lower}`")).fix(fix)
        } else {
            finding
        });
        return None;
    }
    port::name_hazards(site, at, written, NumberForm::Elsewhere);
    Some(Port {
        matches: PortMatch::Name {
            protocol: ProtocolSet::AnyTransport,
            name: written.to_owned(),
        },
        origin: site.origin(at),
    })
}
