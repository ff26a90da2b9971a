//! `toServices`: the pods behind a Service, or the addresses that are written down for one without selector.
//!
//! Source: `processRule` in `pkg/policy/k8s/service.go`. A reference without namespace fits services of every
//! namespace there. Ports are never the Service's: translation has happened when policy looks.

use super::super::label_selector;
use super::super::site::Site;
use super::cidr::{block, unknown};
use super::context::ServiceContext;
use super::peer::peer;
use super::{Scope, remark};
use crate::cilium::{Service, ServiceName, ServiceSelector};
use crate::diagnostic::{Code, Severity};
use crate::route::Route;
use ipnet::IpNet;
use ir::peer::{Peer, PeerMatch};
use ir::policy::Action;
use ir::selector::{Attribute, Requirement, Selector};

type Found<'a> = (&'a (String, String), &'a ServiceContext);

/// One entry.
pub(super) fn lower(
    site: &mut Site<'_>,
    scope: &Scope<'_>,
    at: &Route,
    written: &Service,
    action: Action,
) -> Vec<Peer> {
    let (at, found, what) = match (&written.by_selector, &written.by_name) {
        (Some(selector), None) => {
            let at = at.then("k8sServiceSelector");
            let found = by_selector(site, scope, &at, selector);
            (at, found, "a Service with these labels".to_owned())
        }
        (None, Some(name)) => {
            let at = at.then("k8sService");
            let service = name.service_name.as_deref().unwrap_or_default();
            if service.is_empty() {
                let finding = site.refusal(Code::MISSING_FIELD, &at, "`serviceName` is missing");
                site.report(finding.help("add the Service's name"));
                return Vec::new();
            }
            let found = by_name(scope, name);
            if found.is_empty() && is_api_server(name) && action == Action::Allow {
                let message = "the API server's addresses are not in the input: here this rule allows nothing by its Service";
                let mut finding = remark(site, Code::REFERENCE_NOT_IN_INPUT, &at, message);
                finding.severity = Severity::Note;
                site.report(
                    finding.help("the entity `kube-apiserver` says the same, and needs no addresses"),
                );
                return Vec::new();
            }
            (at, found, format!("the Service `{service}`"))
        }
        (Some(_), Some(_)) => {
            let message = "`k8sService` cannot stand beside `k8sServiceSelector` in one entry";
            let finding = site.key_refusal(Code::REFUSED_COMBINATION, &at.then("k8sService"), message);
            site.report(finding.help("make two entries of them"));
            return Vec::new();
        }
        (None, None) => {
            let finding = site.refusal(Code::MISSING_FIELD, at, "this entry names no Service");
            site.report(finding.help("add `k8sService` or `k8sServiceSelector`"));
            return Vec::new();
        }
    };
    if found.is_empty() {
        unknown(site, &at, &what, action);
    }
    found
        .into_iter()
        .flat_map(|service| behind(site, scope, &at, service, action))
        .collect()
}

/// Whether it is the Service of the API server, which every cluster has and nobody writes.
fn is_api_server(name: &ServiceName) -> bool {
    name.namespace.as_deref() == Some("default") && name.service_name.as_deref() == Some("kubernetes")
}

fn by_name<'a>(scope: &Scope<'a>, name: &ServiceName) -> Vec<Found<'a>> {
    let namespace = name.namespace.as_deref().unwrap_or_default();
    scope
        .context
        .services
        .iter()
        .filter(|((own, service), _)| {
            (namespace.is_empty() || own == namespace) && Some(service) == name.service_name.as_ref()
        })
        .collect()
}

fn by_selector<'a>(
    site: &mut Site<'_>,
    scope: &Scope<'a>,
    at: &Route,
    selector: &ServiceSelector,
) -> Vec<Found<'a>> {
    let namespace = selector.namespace.as_deref().unwrap_or_default();
    let Some(labels) = &selector.selector else {
        let finding = site.refusal(Code::MISSING_FIELD, at, "`selector` is missing");
        site.report(finding.help("add `selector`; `selector: {}` is every Service"));
        return Vec::new();
    };
    let requirements = label_selector::requirements(site, &at.then("selector"), labels, Attribute::Label);
    let selector = Selector::new(requirements);
    scope
        .context
        .services
        .iter()
        .filter(|((own, _), service)| {
            (namespace.is_empty() || own == namespace)
                && selector.matches(|attribute| match attribute {
                    Attribute::Label(key) => service.labels.get(key).map(String::as_str),
                    _ => None,
                })
        })
        .collect()
}

fn behind(
    site: &mut Site<'_>,
    scope: &Scope<'_>,
    at: &Route,
    (key, service): Found<'_>,
    action: Action,
) -> Vec<Peer> {
    let (namespace, name) = key;
    if service.selector.is_empty() {
        let Some(addresses) = scope.context.backends.get(key) else {
            let what =
                format!("an EndpointSlice of the Service `{namespace}/{name}`, which has no selector,");
            unknown(site, at, &what, action);
            return Vec::new();
        };
        return addresses
            .iter()
            .map(|address| block(site, scope, at, IpNet::from(*address), &[]))
            .collect();
    }
    let labels = service
        .selector
        .iter()
        .map(|(key, value)| Requirement::equals(Attribute::Label(key.clone()), value));
    let own = Requirement::equals(Attribute::Namespace, namespace);
    let selector = Selector::new(labels.chain([own]));
    vec![peer(site, at, PeerMatch::Endpoints(selector))]
}
