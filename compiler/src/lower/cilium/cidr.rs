//! Address blocks: `fromCIDR`, `fromCIDRSet` and their like.
//!
//! Source: `CIDR.Validate` and `CIDRRule.Validate` in `pkg/policy/api/rule_validation.go`.

use super::super::site::Site;
use super::super::{address_block, label_selector};
use super::peer::peer;
use super::{Scope, remark};
use crate::cilium::CidrRule;
use crate::diagnostic::{Code, Severity};
use crate::route::Route;
use ipnet::IpNet;
use ir::peer::{CidrBlock, Peer, PeerMatch};
use ir::policy::Action;
use ir::selector::{Attribute, Selector};
use std::net::IpAddr;

/// An entry of `fromCIDR` or `toCIDR`: a prefix or one address.
pub(super) fn prefix(site: &mut Site<'_>, scope: &Scope<'_>, at: &Route, text: &str) -> Option<Peer> {
    let mapped = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    let cidr = match text.parse::<IpAddr>() {
        Ok(address) if !mapped(&address) => IpNet::from(address),
        _ => address_block::network(site, at, text)?,
    };
    Some(block(site, scope, at, cidr, &[]))
}

/// An entry of `fromCIDRSet` or `toCIDRSet`.
pub(super) fn rule(
    site: &mut Site<'_>,
    scope: &Scope<'_>,
    at: &Route,
    rule: &CidrRule,
    action: Action,
) -> Vec<Peer> {
    let by_name = rule.cidr_group_ref.as_deref().filter(|name| !name.is_empty());
    let cidr = rule.cidr.as_deref().filter(|cidr| !cidr.is_empty());
    let holes: Vec<(Route, IpNet)> = rule
        .except
        .iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, text)| {
            let at = at.then("except").then(index);
            let hole = address_block::network(site, &at, text)?;
            Some((at, hole))
        })
        .collect();
    match (cidr, by_name, &rule.cidr_group_selector) {
        (Some(text), None, None) => {
            let Some(cidr) = address_block::network(site, &at.then("cidr"), text) else {
                return Vec::new();
            };
            let inside: Vec<IpNet> = holes
                .into_iter()
                .filter(|(place, hole)| is_inside(site, at, place, cidr, *hole))
                .map(|(_, hole)| hole)
                .collect();
            vec![block(site, scope, at, cidr, &inside)]
        }
        (None, Some(name), None) => {
            let at = at.then("cidrGroupRef");
            let Some(group) = scope.context.groups.get(name) else {
                let what = format!("the CiliumCIDRGroup `{name}`");
                unknown(site, &at, &what, action);
                return Vec::new();
            };
            blocks(site, scope, &at, &group.blocks, &holes)
        }
        (None, None, Some(selector)) => {
            let at = at.then("cidrGroupSelector");
            let selector = Selector::new(label_selector::requirements(
                site,
                &at,
                selector,
                Attribute::Label,
            ));
            let found: Vec<_> = scope
                .context
                .groups
                .values()
                .filter(|group| {
                    selector.matches(|attribute| match attribute {
                        Attribute::Label(key) => group.labels.get(key).map(String::as_str),
                        _ => None,
                    })
                })
                .collect();
            if found.is_empty() {
                unknown(site, &at, "a CiliumCIDRGroup with these labels", action);
            }
            found
                .into_iter()
                .flat_map(|group| blocks(site, scope, &at, &group.blocks, &holes))
                .collect()
        }
        (None, None, None) => {
            let message = "this entry does not say which addresses it means";
            let finding = site.refusal(Code::MISSING_FIELD, at, message);
            site.report(finding.help("add `cidr`, `cidrGroupRef` or `cidrGroupSelector`"));
            Vec::new()
        }
        _ => {
            let message = "only one of `cidr`, `cidrGroupRef` and `cidrGroupSelector` can be given";
            let finding = site.refusal(Code::REFUSED_COMBINATION, at, message);
            site.report(finding.help("make an entry of each"));
            Vec::new()
        }
    }
}

fn is_inside(site: &mut Site<'_>, at: &Route, place: &Route, cidr: IpNet, hole: IpNet) -> bool {
    if cidr.contains(&hole) {
        if cidr == hole {
            let message = format!("`{hole}` takes all of `{cidr}` away: the entry matches nothing");
            let mut finding = remark(site, Code::FIELD_WITHOUT_EFFECT, place, message);
            finding.severity = Severity::Error;
            site.report(finding.because(site.origin(&at.then("cidr")), "the block it is cut from"));
        }
        return true;
    }
    let message = format!("`{hole}` is not a part of `{cidr}`");
    let finding = site
        .refusal(Code::EXCEPT_OUTSIDE_CIDR, place, message)
        .because(site.origin(&at.then("cidr")), "the block it is cut from");
    site.report(finding.help("each exception must lie inside the block"));
    false
}

/// The blocks of a group, each without the holes that touch it: exceptions of a group may miss some of its blocks.
fn blocks(
    site: &Site<'_>,
    scope: &Scope<'_>,
    at: &Route,
    blocks: &[IpNet],
    holes: &[(Route, IpNet)],
) -> Vec<Peer> {
    blocks
        .iter()
        .filter(|cidr| !holes.iter().any(|(_, hole)| hole.contains(*cidr)))
        .map(|cidr| {
            let inside: Vec<IpNet> = holes
                .iter()
                .map(|(_, hole)| *hole)
                .filter(|hole| cidr.contains(hole))
                .collect();
            block(site, scope, at, *cidr, &inside)
        })
        .collect()
}

/// One block, speaking of what the options say blocks speak of.
pub(super) fn block(site: &Site<'_>, scope: &Scope<'_>, at: &Route, cidr: IpNet, holes: &[IpNet]) -> Peer {
    let mut except = holes.to_vec();
    except.sort();
    except.dedup();
    let block = CidrBlock {
        cidr,
        except,
        scope: scope.options.cidr_match.of_cilium_policy(),
    };
    peer(site, at, PeerMatch::Cidr(block))
}

/// Something that is referred to and not in the input. An allow allows nothing without it; what a deny would deny
/// cannot be told.
pub(super) fn unknown(site: &mut Site<'_>, at: &Route, what: &str, action: Action) {
    let (consequence, blocks) = match action {
        Action::Deny => ("what this rule denies is not known", true),
        Action::Allow | Action::Pass => ("this rule allows nothing by it", false),
    };
    let message = format!("{what} is not in the input: {consequence}");
    let mut finding = remark(site, Code::REFERENCE_NOT_IN_INPUT, at, message)
        .help("add the object to the input, for example as `kubectl get -o yaml` prints it");
    if blocks {
        finding.severity = Severity::Error;
        finding = finding.blocking();
    }
    site.report(finding);
}
