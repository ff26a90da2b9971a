//! Node → [`ir::cluster::Node`].

use super::address_block;
use super::site::Site;
use crate::diagnostic::Code;
use crate::route;
use ipnet::IpNet;
use ir::cluster::Node;
use k8s_openapi::api::core::v1;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A node: its labels, its own addresses (`InternalIP`) and its slices of the pod network.
pub(super) fn lower(site: &mut Site<'_>, node: &v1::Node) -> Node {
    let mut addresses: Vec<IpAddr> = Vec::new();
    let status = node.status.as_ref();
    for (index, address) in status
        .and_then(|status| status.addresses.as_ref())
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, address)| address.type_ == "InternalIP")
    {
        match address.address.parse() {
            Ok(parsed) => addresses.push(parsed),
            Err(_) => {
                let message = format!("`{}` is not an address", address.address);
                let at = route!["status", "addresses", index, "address"];
                let finding = site.refusal(Code::INVALID_CIDR, &at, message).blocking();
                site.report(finding);
            }
        }
    }
    addresses.dedup();
    Node {
        name: site.object.name.name.clone(),
        labels: node.metadata.labels.clone().unwrap_or_default(),
        addresses,
        pod_cidrs: pod_cidrs(site, node),
        origin: site.object.key_origin(&route!["metadata", "name"]),
    }
}

/// `spec.podCIDRs`, else `spec.podCIDR` (which the API server keeps equal to the first of the list).
fn pod_cidrs(site: &mut Site<'_>, node: &v1::Node) -> Vec<IpNet> {
    let Some(spec) = &node.spec else {
        return Vec::new();
    };
    let written: Vec<_> = match spec.pod_cidrs.as_deref() {
        Some(list) if !list.is_empty() => list
            .iter()
            .enumerate()
            .map(|(index, text)| (route!["spec", "podCIDRs", index], text))
            .collect(),
        _ => spec
            .pod_cidr
            .iter()
            .map(|text| (route!["spec", "podCIDR"], text))
            .collect(),
    };
    let mut slices = Vec::new();
    let mut families = BTreeSet::new();
    for (at, text) in written.into_iter().filter(|(_, text)| !text.is_empty()) {
        let Some(slice) = address_block::network(site, &at, text) else {
            continue;
        };
        if families.insert(slice.addr().is_ipv4()) {
            slices.push(slice);
        } else {
            let message = "a node has at most one pod CIDR of each family";
            let finding = site.refusal(Code::REFUSED_COMBINATION, &at, message).blocking();
            site.report(finding);
        }
    }
    slices
}
