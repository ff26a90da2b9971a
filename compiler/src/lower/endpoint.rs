//! Pods and pod templates → [`Endpoint`]s.
//!
//! What becomes an endpoint:
//! - each Pod that has not ended (`Succeeded` and `Failed` pods have given their address back);
//! - the template of each workload of which no such Pod is in the input, also one scaled to zero, because it can be
//!   scaled up and its policies must be right before that;
//! - of ReplicaSets and Jobs that something owns (a Deployment, a CronJob, a Rollout), only those that run pods
//!   (`replicas`, `parallelism` above zero): the others are past revisions. They stand for their owner, whose template
//!   then does not count twice. Where the owner is not in the input and none runs, the first stands for it.

use super::name;
use super::owner::{self, Key, Owners};
use super::port;
use super::second_object;
use super::site::Site;
use crate::diagnostic::{Code, Finding};
use crate::load::{Container, Object, ObjectKind, Pod, PodSpec};
use crate::route;
use crate::route::Route;
use ir::cluster::{ContainerPort, ContainerRole, Endpoint, Workload};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Every endpoint of the input. `used` are the port names that policies use, in lower case.
pub(super) fn lower_all(
    objects: &[Object],
    used: &BTreeSet<String>,
    findings: &mut Vec<Finding>,
) -> Vec<Endpoint> {
    let objects = second_object::first_workloads(objects, findings);
    let owners = Owners::of(&objects);
    let pods: Vec<_> = objects
        .par_iter()
        .filter_map(|&object| match &object.kind {
            ObjectKind::Pod(pod) if !has_ended(pod) => {
                let mut site = Site::new(object);
                let endpoint = lower_pod(&mut site, pod, used);
                Some((owners.outermost(object), endpoint, site.findings))
            }
            _ => None,
        })
        .collect();
    let mut endpoints = Vec::with_capacity(pods.len());
    let mut pods_of: BTreeMap<Key, usize> = BTreeMap::new();
    for (workload, endpoint, found) in pods {
        findings.extend(found);
        *pods_of.entry(workload.clone()).or_default() += 1;
        endpoints.push((workload, endpoint));
    }
    // Templates of owned workloads come first, those that run before past ones: where one runs, neither its owner's own
    // template nor a past one counts.
    let mut templates: Vec<_> = objects
        .iter()
        .filter_map(|&object| Some((object, template(object)?, owners.outermost(object))))
        .collect();
    templates.sort_by_key(|(object, template, outermost)| {
        (owner::key(object) == *outermost, template.copies == Some(0))
    });
    let templates: Vec<_> = templates
        .into_par_iter()
        .map(|(object, template, outermost)| {
            let mut site = Site::new(object);
            let endpoint = lower_template(&mut site, &template, used);
            (object, template, outermost, endpoint, site.findings)
        })
        .collect();
    let mut represented = pods_of.clone();
    let mut copies_of: BTreeMap<Key, Option<i32>> = BTreeMap::new();
    for (object, template, outermost, endpoint, found) in templates {
        findings.extend(found);
        let is_owned = owner::key(object) != outermost;
        let stands = represented.contains_key(&outermost);
        let may_be_past = matches!(object.kind, ObjectKind::ReplicaSet(_) | ObjectKind::Job(_)) && is_owned;
        let past = may_be_past && template.copies == Some(0) && (stands || owners.get(&outermost).is_some());
        let is_represented = pods_of.contains_key(&outermost) || (!is_owned && stands);
        if past || is_represented {
            continue;
        }
        *represented.entry(outermost.clone()).or_default() += 1;
        copies_of.insert(outermost.clone(), template.copies);
        endpoints.push((outermost, endpoint));
    }
    endpoints
        .into_iter()
        .map(|(key, endpoint)| {
            let stand = represented.get(&key).copied().unwrap_or(0);
            let owner = owners.get(&key).and_then(template);
            let copies = owner.map_or_else(|| copies_of.get(&key).copied(), |template| Some(template.copies));
            let replicated = stand > 1 || copies.is_some_and(|copies| copies != Some(0) && copies != Some(1));
            Endpoint {
                workload: Workload {
                    kind: key.kind,
                    name: key.name,
                    replicated,
                },
                ..endpoint
            }
        })
        .collect()
}

fn has_ended(pod: &Pod) -> bool {
    matches!(pod.phase.as_deref(), Some("Succeeded" | "Failed"))
}

/// A workload's pod template.
struct Template<'a> {
    at: Route,
    template: Option<&'a PodTemplateSpec>,
    /// How many pods it makes at once; `None` for as many as there are nodes.
    copies: Option<i32>,
}

fn template(object: &Object) -> Option<Template<'_>> {
    let at = route!["spec", "template"];
    // The API server's defaults for `replicas` and `parallelism` are 1.
    let one = |copies: Option<i32>| Some(copies.unwrap_or(1));
    Some(match &object.kind {
        ObjectKind::Deployment(workload) => {
            let spec = workload.spec.as_ref();
            Template {
                at,
                template: spec.map(|spec| &spec.template),
                copies: one(spec.and_then(|spec| spec.replicas)),
            }
        }
        ObjectKind::ReplicaSet(workload) => {
            let spec = workload.spec.as_ref();
            Template {
                at,
                template: spec.and_then(|spec| spec.template.as_ref()),
                copies: one(spec.and_then(|spec| spec.replicas)),
            }
        }
        ObjectKind::StatefulSet(workload) => {
            let spec = workload.spec.as_ref();
            Template {
                at,
                template: spec.map(|spec| &spec.template),
                copies: one(spec.and_then(|spec| spec.replicas)),
            }
        }
        ObjectKind::DaemonSet(workload) => Template {
            at,
            template: workload.spec.as_ref().map(|spec| &spec.template),
            copies: None,
        },
        ObjectKind::ReplicationController(workload) => {
            let spec = workload.spec.as_ref();
            Template {
                at,
                template: spec.and_then(|spec| spec.template.as_ref()),
                copies: one(spec.and_then(|spec| spec.replicas)),
            }
        }
        ObjectKind::Job(workload) => {
            let spec = workload.spec.as_ref();
            Template {
                at,
                template: spec.map(|spec| &spec.template),
                copies: one(spec.and_then(|spec| spec.parallelism)),
            }
        }
        ObjectKind::CronJob(workload) => {
            let spec = workload
                .spec
                .as_ref()
                .and_then(|spec| spec.job_template.spec.as_ref());
            Template {
                at: route!["spec", "jobTemplate", "spec", "template"],
                template: spec.map(|spec| &spec.template),
                copies: one(spec.and_then(|spec| spec.parallelism)),
            }
        }
        ObjectKind::Pod(_)
        | ObjectKind::NetworkPolicy(_)
        | ObjectKind::ClusterNetworkPolicy(_)
        | ObjectKind::AdminNetworkPolicy(_)
        | ObjectKind::BaselineAdminNetworkPolicy(_)
        | ObjectKind::Namespace(_)
        | ObjectKind::Node(_)
        | ObjectKind::Service(_)
        | ObjectKind::EndpointSlice(_)
        | ObjectKind::CiliumNetworkPolicy(_)
        | ObjectKind::CiliumClusterwideNetworkPolicy(_)
        | ObjectKind::CiliumCidrGroup(_) => return None,
    })
}

fn lower_template(site: &mut Site<'_>, template: &Template<'_>, used: &BTreeSet<String>) -> Endpoint {
    let labels = template
        .template
        .and_then(|template| template.metadata.as_ref())
        .and_then(|metadata| metadata.labels.clone())
        .unwrap_or_default();
    name::check_labels(site, &template.at.then("metadata").then("labels"), &labels);
    let spec = template.template.and_then(|template| template.spec.clone());
    let spec = spec.unwrap_or_default().into();
    Endpoint {
        labels,
        ..from_spec(site, &template.at.then("spec"), &spec, used)
    }
}

fn lower_pod(site: &mut Site<'_>, pod: &Pod, used: &BTreeSet<String>) -> Endpoint {
    Endpoint {
        labels: pod.metadata.labels.clone().unwrap_or_default(),
        addresses: addresses(site, pod),
        node: pod.node_name.clone(),
        ..from_spec(site, &route!["spec"], &pod.spec, used)
    }
}

/// What Pods and templates have in common.
fn from_spec(site: &mut Site<'_>, at: &Route, spec: &PodSpec, used: &BTreeSet<String>) -> Endpoint {
    let key = owner::key(site.object);
    Endpoint {
        namespace: key.namespace,
        name: key.name.clone(),
        workload: Workload {
            kind: key.kind,
            name: key.name,
            replicated: false,
        },
        labels: BTreeMap::new(),
        service_account: spec
            .service_account
            .clone()
            .unwrap_or_else(|| "default".to_owned()),
        addresses: Vec::new(),
        node: None,
        host_network: spec.host_network,
        ports: container_ports(site, at, spec, used),
        origin: site.object.key_origin(&route!["metadata", "name"]),
    }
}

/// `status.podIPs`, else `status.podIP`; at most one of each family counts.
fn addresses(site: &mut Site<'_>, pod: &Pod) -> Vec<IpAddr> {
    let written: Vec<_> = if pod.pod_ips.is_empty() {
        pod.pod_ip
            .iter()
            .map(|text| (route!["status", "podIP"], text))
            .collect()
    } else {
        pod.pod_ips
            .iter()
            .enumerate()
            .map(|(index, text)| (route!["status", "podIPs", index, "ip"], text))
            .collect()
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (at, text) in written.into_iter().filter(|(_, text)| !text.is_empty()) {
        match text.parse::<IpAddr>() {
            Ok(address) if addresses.iter().any(|own| own.is_ipv4() == address.is_ipv4()) => {
                let message = "a pod has at most one address of each family";
                let finding = site.refusal(Code::REFUSED_COMBINATION, &at, message).blocking();
                site.report(finding);
            }
            Ok(address) => addresses.push(address),
            Err(_) => {
                let message = format!("`{text}` is not an address");
                let finding = site.refusal(Code::INVALID_CIDR, &at, message).blocking();
                site.report(finding);
            }
        }
    }
    addresses
}

fn container_ports(
    site: &mut Site<'_>,
    at: &Route,
    spec: &PodSpec,
    used: &BTreeSet<String>,
) -> Vec<ContainerPort> {
    let mut ports = Vec::new();
    for (index, container) in spec.containers.iter().enumerate() {
        let at = at.then("containers").then(index);
        ports.extend(ports_of(site, &at, container, ContainerRole::Main, used));
    }
    for (index, container) in spec.init_containers.iter().enumerate() {
        let role = if container.restart_policy.as_deref() == Some("Always") {
            ContainerRole::Sidecar
        } else {
            ContainerRole::Init
        };
        let at = at.then("initContainers").then(index);
        ports.extend(ports_of(site, &at, container, role, used));
    }
    ports
}

fn ports_of(
    site: &mut Site<'_>,
    at: &Route,
    container: &Container,
    role: ContainerRole,
    used: &BTreeSet<String>,
) -> Vec<ContainerPort> {
    let mut ports = Vec::new();
    for (index, entry) in container.ports.iter().enumerate() {
        let at = at.then("ports").then(index);
        if let Some(name) = &entry.name
            && let Some(fault) = name::port_name_fault(name)
        {
            let message = format!("`{name}` is not a valid port name: {fault}");
            let finding = site.refusal(Code::INVALID_NAME, &at.then("name"), message);
            site.report(finding);
        }
        // Without number or protocol the port cannot be kept. Policies see container ports by name only, so that it
        // is missed only where one of them uses its name.
        let missed = entry
            .name
            .as_ref()
            .is_some_and(|name| used.contains(&name.to_ascii_lowercase()));
        let reported = site.findings.len();
        let written = at.then("containerPort");
        let number = if site.object.has(&written) {
            port::number(site, &written, i64::from(entry.container_port))
        } else {
            let finding = site.refusal(Code::MISSING_FIELD, &at, "`containerPort` is missing");
            site.report(finding);
            None
        };
        let protocol = port::protocol(site, &at, entry.protocol.as_deref());
        for finding in site.findings.iter_mut().skip(reported) {
            finding.blocks_analysis = missed;
        }
        if let (Some(number), Some(protocol)) = (number, protocol) {
            ports.push(ContainerPort {
                container: container.name.clone(),
                role,
                name: entry.name.clone().filter(|name| !name.is_empty()),
                number,
                protocol,
                origin: site.origin(&at),
            });
        }
    }
    ports
}
