//! What policies refer to by name or label: CIDR groups, services and their endpoints.

use super::super::{address_block, site::Site};
use crate::diagnostic::Finding;
use crate::load::{Object, ObjectKind};
use crate::route;
use ipnet::IpNet;
use ir::selector::Labels;
use k8s_openapi::api::core::v1::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The label that ties an EndpointSlice to its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Everything that Cilium's policies can refer to.
#[derive(Debug, Default)]
pub(crate) struct Context {
    pub(super) groups: BTreeMap<String, CidrGroup>,
    /// By namespace and name.
    pub(super) services: BTreeMap<(String, String), ServiceContext>,
    /// Addresses of EndpointSlices, by their service.
    pub(super) backends: BTreeMap<(String, String), BTreeSet<IpAddr>>,
}

/// A CiliumCIDRGroup.
#[derive(Debug)]
pub(super) struct CidrGroup {
    pub(super) labels: Labels,
    pub(super) blocks: Vec<IpNet>,
}

/// A Service, as far as policies look at it.
#[derive(Debug)]
pub(super) struct ServiceContext {
    pub(super) labels: Labels,
    /// Empty for a service whose endpoints somebody else writes down.
    pub(super) selector: Labels,
}

impl Context {
    /// Gathers the context of `objects`, and what is wrong with the groups among them.
    pub(crate) fn of(objects: &[Object], findings: &mut Vec<Finding>) -> Self {
        let mut context = Self::default();
        for object in objects {
            let namespace = object.name.namespace.clone().unwrap_or_default();
            let labels = object.kind.metadata().labels.clone().unwrap_or_default();
            let key = (namespace.clone(), object.name.name.clone());
            let mut site = Site::new(object);
            match &object.kind {
                ObjectKind::CiliumCidrGroup(group) => {
                    let written = group.spec.external_cidrs.iter().flatten().enumerate();
                    let blocks = written
                        .filter_map(|(index, text)| {
                            address_block::network(&mut site, &route!["spec", "externalCIDRs", index], text)
                        })
                        .collect();
                    let group = CidrGroup { labels, blocks };
                    context.groups.entry(object.name.name.clone()).or_insert(group);
                }
                ObjectKind::Service(service) => {
                    let selector = selector_of(service);
                    // Of two objects with one name the first one stands for both.
                    context
                        .services
                        .entry(key)
                        .or_insert(ServiceContext { labels, selector });
                }
                ObjectKind::EndpointSlice(slice) => {
                    let addresses = slice
                        .endpoints
                        .iter()
                        .flat_map(|endpoint| &endpoint.addresses)
                        .filter_map(|text| text.parse::<IpAddr>().ok());
                    if let Some(service) = labels.get(SERVICE_NAME) {
                        let key = (namespace, service.clone());
                        context.backends.entry(key).or_default().extend(addresses);
                    }
                }
                _ => {}
            }
            findings.append(&mut site.findings);
        }
        context
    }
}

fn selector_of(service: &Service) -> Labels {
    let spec = service.spec.as_ref();
    spec.and_then(|spec| spec.selector.clone()).unwrap_or_default()
}
