//! `ipBlock` → [`CidrBlock`].
//!
//! Rules: `ValidateIPBlock` in `k8s.io/kubernetes/pkg/apis/networking/validation`.

use super::site::Site;
use crate::diagnostic::{Applicability, Code, Fix, Severity};
use crate::route::Route;
use ipnet::IpNet;
use ir::peer::{CidrBlock, CidrScope};
use k8s_openapi::api::networking::v1::IPBlock;
use std::net::IpAddr;

/// The block, or nothing when its `cidr` is not one.
pub(super) fn lower(site: &mut Site<'_>, at: &Route, block: &IPBlock, scope: CidrScope) -> Option<CidrBlock> {
    let cidr = if block.cidr.is_empty() {
        let finding = site.refusal(Code::MISSING_FIELD, at, "`cidr` is missing");
        site.report(finding.help("write the block, for example `cidr: 10.0.0.0/8`"));
        None
    } else {
        network(site, &at.then("cidr"), &block.cidr)
    };
    let mut holes = Vec::new();
    for (index, text) in block.except.iter().flatten().enumerate() {
        let route = at.then("except").then(index);
        let hole = network(site, &route, text);
        if let (Some(cidr), Some(hole)) = (cidr, hole) {
            // A strict subset: a hole as large as the block would leave nothing, and is refused.
            if cidr.contains(&hole) && cidr != hole {
                holes.push(hole);
            } else {
                let message = format!("`{hole}` is not a part of `{cidr}`");
                let finding = site
                    .refusal(Code::EXCEPT_OUTSIDE_CIDR, &route, message)
                    .because(site.origin(&at.then("cidr")), "the block it is cut from");
                let help = if cidr == hole {
                    "an exception must be smaller than the block"
                } else {
                    "each exception must lie inside the block"
                };
                site.report(finding.help(help));
            }
        }
    }
    holes.sort();
    holes.dedup();
    cidr.map(|cidr| CidrBlock {
        cidr,
        except: holes,
        scope,
    })
}

/// A network, host bits cleared as every engine does; bits that were set are a warning.
pub(super) fn network(site: &mut Site<'_>, at: &Route, text: &str) -> Option<IpNet> {
    let refusal = |site: &mut Site<'_>, reason: &str| {
        let message = format!("`{text}` is not an address block: {reason}");
        site.refusal(Code::INVALID_CIDR, at, message)
    };
    let Some(net) = parse(text) else {
        match text.parse::<IpAddr>() {
            Ok(address) => {
                let whole = if address.is_ipv4() { 32 } else { 128 };
                let finding = refusal(site, "the prefix length is missing");
                let one = format!("{address}/{whole}");
                let help = format!("write `{one}` for this one address");
                let fix = Fix::rewording(Applicability::Suggestion, site.origin(at), text, one);
                site.report(finding.help(help).fix(fix));
            }
            Err(_) => {
                let finding = refusal(site, reason(text));
                site.report(finding);
            }
        }
        return None;
    };
    if let IpNet::V6(v6) = net
        && v6.addr().to_ipv4_mapped().is_some()
    {
        let finding = refusal(site, "IPv4 addresses in IPv6 form match nothing on the wire");
        site.report(finding.help("write the block in IPv4 form"));
        return None;
    }
    if net.trunc() != net {
        let finding = crate::diagnostic::Finding::new(
            Code::INVALID_CIDR,
            format!(
                "`{text}` has bits set behind its prefix: it means `{}`",
                net.trunc()
            ),
        )
        .at(site.origin(at), "")
        .about(site.object.name.clone());
        let masked = net.trunc().to_string();
        let help = format!("write `{masked}`, or the address you meant with a longer prefix");
        // What it means is no doubt, what was meant is.
        let fix = Fix::rewording(Applicability::Suggestion, site.origin(at), text, masked);
        let mut finding = finding.help(help).fix(fix);
        // The API server takes it with a warning, and the engines agree on what it means.
        finding.severity = Severity::Warning;
        site.report(finding);
    }
    Some(net.trunc())
}

/// An address as the standard library reads it (no leading zeros) and a prefix length in digits.
fn parse(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = prefix.parse().ok().filter(|_| digits)?;
    IpNet::new(address, prefix).ok()
}

/// Why a text that does not parse is not a block.
fn reason(text: &str) -> &'static str {
    let Some((address, prefix)) = text.split_once('/') else {
        return "it is neither an address nor a block";
    };
    if address.parse::<IpAddr>().is_err() {
        let leading_zero = address
            .split('.')
            .any(|part| part.len() > 1 && part.starts_with('0'));
        return if leading_zero {
            "a number with a leading zero is octal to some readers and decimal to others"
        } else {
            "the part in front of `/` is not an address"
        };
    }
    if prefix.parse::<u8>().is_ok() {
        "the prefix is longer than the address"
    } else {
        "the prefix length is not a number"
    }
}
