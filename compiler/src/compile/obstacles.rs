//! What keeps a model from being compiled.

use crate::diagnostic::{self, Code, Finding, ObjectName, Severity};
use ir::cluster::{Cluster, Endpoint, Node};
use ir::enforceable::domains;
use ir::model::Model;
use ir::origin::Origin;
use ir::policy::BeyondKind;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What keeps a model from being compiled: rules that programs alone cannot enforce, and pods that no packet could be
/// told by.
///
/// All pods count, also those of other nodes: a pod whose address is not known would be taken for the outside. A
/// model [narrowed](ir::enforceable::narrowed) to what can be enforced has no such rules left.
#[must_use]
pub fn obstacles(model: &Model) -> Vec<Finding> {
    let mut findings = unenforceable(model);
    findings.extend(without_address(&model.cluster));
    findings.extend(shared_addresses(&model.cluster));
    diagnostic::sort(&mut findings);
    findings
}

/// What findings about the input keep it from being compiled: patches of policies that are not applied. A node would
/// enforce what the cluster does not have.
pub fn unpatched(findings: &[Finding]) -> impl Iterator<Item = Finding> {
    let unpatched = findings
        .iter()
        .filter(|finding| finding.code == Code::PATCH_NOT_APPLIED);
    unpatched.map(|finding| {
        Finding {
            severity: Severity::Error,
            ..finding.clone()
        }
        .blocking()
    })
}

fn without_address(cluster: &Cluster) -> impl Iterator<Item = Finding> {
    let unknown = |pod: &&Endpoint| !pod.host_network && pod.addresses.is_empty();
    cluster.endpoints().iter().filter(unknown).map(|endpoint| {
        Finding::new(
            Code::POD_WITHOUT_ADDRESS,
            format!("{endpoint} has no address, so programs cannot tell its packets"),
        )
        .at(endpoint.origin.clone(), "")
        .about(name_of_endpoint(endpoint))
        .help("compile what runs (`kubectl get pods -o yaml`), or let --place plan pods, nodes and addresses")
        .blocking()
    })
}

/// Addresses that two of the cluster's pods and nodes claim. A host-network pod has its node's.
fn shared_addresses(cluster: &Cluster) -> Vec<Finding> {
    let nodes = cluster.nodes().iter().map(|node| Owner {
        name: format!("node {}", node.name),
        object: name_of_node(node),
        origin: &node.origin,
        addresses: &node.addresses,
    });
    let pods = cluster
        .endpoints()
        .iter()
        .filter(|pod| !pod.host_network)
        .map(|pod| Owner {
            name: pod.to_string(),
            object: name_of_endpoint(pod),
            origin: &pod.origin,
            addresses: &pod.addresses,
        });
    let owners: Vec<Owner<'_>> = nodes.chain(pods).collect();
    let mut owner_of: BTreeMap<IpAddr, &Owner<'_>> = BTreeMap::new();
    let mut findings = Vec::new();
    for owner in &owners {
        for address in owner.addresses {
            if let Some(other) = owner_of.insert(*address, owner) {
                findings.push(
                    Finding::new(
                        Code::ADDRESS_TWICE,
                        format!(
                            "{} and {} both have the address {address}",
                            owner.name, other.name
                        ),
                    )
                    .at(owner.origin.clone(), "")
                    .because(other.origin.clone(), "")
                    .about(owner.object.clone())
                    .about(other.object.clone())
                    .help("leave out pods that have ended, and pods of other clusters")
                    .blocking(),
                );
            }
        }
    }
    findings
}

/// Somebody with addresses.
struct Owner<'a> {
    name: String,
    object: ObjectName,
    origin: &'a Origin,
    addresses: &'a [IpAddr],
}

/// Rules with demands beyond peers and ports, or with peers by name. To leave a demand out would let more through than
/// was written; to leave a name out, less.
fn unenforceable(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in model.policies() {
        let mut refuse = |code, what: &str, origin: &Origin, instead| {
            findings.push(
                Finding::new(
                    code,
                    format!("this rule {what}, which programs alone cannot enforce"),
                )
                .at(origin.clone(), "")
                .about(ObjectName {
                    kind: policy.kind.to_string(),
                    namespace: policy.namespace.clone(),
                    name: policy.name.clone(),
                })
                .help(format!("with --unsupported=deny {instead}"))
                .blocking(),
            );
        };
        for rule in &policy.rules {
            for demand in &rule.beyond {
                let (code, what) = match demand.kind {
                    BeyondKind::Layer7 | BeyondKind::Dns => (Code::L7_RULES, "looks into requests"),
                    BeyondKind::Authentication => (Code::AUTHENTICATION, "demands mutual authentication"),
                    BeyondKind::Tls => (Code::TLS, "depends on TLS"),
                    BeyondKind::Listener => (Code::LISTENER, "redirects to a listener"),
                    BeyondKind::CloudGroups => (Code::CLOUD_GROUPS, "names a cloud provider's groups"),
                };
                refuse(
                    code,
                    what,
                    &demand.origin,
                    "an allow rule like it is left out and a deny rule denies all of its peers and ports",
                );
            }
            for peer in domains(rule) {
                refuse(
                    Code::DOMAIN_NAMES,
                    "names a peer by DNS",
                    &peer.origin,
                    "an allow rule loses such peers and a deny rule takes them for everything outside",
                );
            }
        }
    }
    findings
}

fn name_of_endpoint(endpoint: &Endpoint) -> ObjectName {
    ObjectName {
        kind: endpoint.workload.kind.clone(),
        namespace: Some(endpoint.namespace.clone()),
        name: endpoint.workload.name.clone(),
    }
}

fn name_of_node(node: &Node) -> ObjectName {
    ObjectName {
        kind: "Node".to_owned(),
        namespace: None,
        name: node.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<String> {
        let model = ir::text::parse(text).unwrap();
        obstacles(&model)
            .iter()
            .map(|finding| finding.code.to_string())
            .collect()
    }

    #[test]
    fn what_cannot_be_enforced_or_told_apart_is_refused() {
        let pods = "endpoint a/b at 10.0.0.1\nendpoint a/c at 10.0.0.2\n";
        assert_eq!(codes(pods), [""; 0]);
        assert_eq!(codes("endpoint a/b\nendpoint a/host host-network\n"), ["PC506"]);
        assert_eq!(
            codes("endpoint a/b at 10.0.0.1\nendpoint a/c at 10.0.0.1\n"),
            ["PC507"]
        );
        assert_eq!(codes("node n at 10.0.0.1\nendpoint a/b at 10.0.0.1\n"), ["PC507"]);
        for (rule, code) in [
            ("ingress beyond layer7", "PC501"),
            ("ingress beyond authentication", "PC502"),
            ("ingress beyond tls", "PC503"),
            ("ingress beyond listener", "PC504"),
            ("ingress beyond cloud-groups", "PC505"),
            ("egress to domain api.example.com", "PC509"),
        ] {
            let policy =
                format!("policy CiliumNetworkPolicy a/p on pods [] denies ingress {{\nallow {rule}\n}}\n");
            let text = format!("{pods}{policy}");
            assert_eq!(codes(&text), [code]);
            let narrowed = ir::enforceable::narrowed(&ir::text::parse(&text).unwrap());
            assert_eq!(obstacles(&narrowed), []);
        }
    }
}
