//! Small policies, what they mean and what is said about them; each test is a sentence of the semantics.

use crate::diagnostic::{Finding, Severity};
use crate::limits::Limits;
use crate::load;
use crate::lower::{CidrMatch, Lowered, Options, lower};
use std::fmt::Write;

mod combinations;
mod verdicts;

fn lowered(yaml: &str) -> Lowered {
    let input = load::load_bytes([("a.yaml", yaml.as_bytes())], &Limits::default());
    assert_eq!(input.findings, [], "the snippet itself must be readable:\n{yaml}");
    lower(&input, &Options::default())
}

fn object(kind: &str, namespace: &str, spec: &str) -> String {
    let mut text =
        format!("apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: p{namespace}}}\nspec:\n");
    for line in spec.lines() {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A CiliumNetworkPolicy in `shop`.
fn cnp(spec: &str) -> String {
    object("CiliumNetworkPolicy", ", namespace: shop", spec)
}

/// A CiliumClusterwideNetworkPolicy.
fn ccnp(spec: &str) -> String {
    object("CiliumClusterwideNetworkPolicy", "", spec)
}

/// The policies as text, without their origins.
fn policies(lowered: &Lowered) -> String {
    let text = ir::text::print(&lowered.model);
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line.starts_with("policy ");
        if inside {
            lines.push(without_origins(line));
        }
    }
    lines.join("\n")
}

fn without_origins(line: &str) -> String {
    let opens = line.ends_with(" {");
    let line = line.split(" @ ").next().unwrap_or(line);
    let mut text = String::new();
    for (index, part) in line.split(" (a.yaml").enumerate() {
        text.push_str(if index == 0 {
            part
        } else {
            part.split_once(')').map_or("", |(_, rest)| rest)
        });
    }
    if opens && !text.ends_with(" {") {
        text.push_str(" {");
    }
    text
}

fn line(finding: &Finding) -> String {
    let at = &finding.labels[0].origin;
    let severity = finding.severity.as_str();
    let mut line = format!(
        "{} {severity} {}:{} {}",
        finding.code, at.line, at.column, finding.message
    );
    for label in finding.labels.iter().skip(1) {
        let _infallible = write!(
            line,
            " [{}:{} {}]",
            label.origin.line, label.origin.column, label.text
        );
    }
    if let Some(help) = &finding.help {
        let _infallible = write!(line, " | {help}");
    }
    if finding.blocks_analysis {
        line.push_str(" (blocks)");
    }
    line
}

/// Each policy with what it means and what is said about it, for a snapshot that reads like a reference.
fn reference(yaml: impl Fn(&str) -> String, specs: &[&str]) -> String {
    let mut text = String::new();
    for spec in specs {
        let lowered = lowered(&yaml(spec));
        let findings: Vec<_> = lowered.findings.iter().map(line).collect();
        let blocked = lowered.findings.iter().any(|finding| finding.blocks_analysis);
        let meaning = if blocked {
            String::new()
        } else {
            policies(&lowered)
        };
        text.push_str(&format!("{}\n---\n", spec.trim_end()));
        for part in [meaning, findings.join("\n")] {
            if !part.is_empty() {
                text.push_str(&part);
                text.push('\n');
            }
        }
        text.push_str("========\n");
    }
    text
}

/// Rules behind `endpointSelector: {}`.
fn rules(rules: &str) -> String {
    cnp(&format!("endpointSelector: {{}}\n{rules}"))
}

#[test]
fn empty_and_missing_mean_what_the_table_says() {
    insta::assert_snapshot!(reference(
        rules,
        &[
            "egress: [{}]",
            "ingress: [{}]",
            "egress: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]",
            "ingress: [{fromEndpoints: []}]",
            "egress: [{toEndpoints: []}]",
            "ingress: [{fromCIDR: []}]",
            "ingress: [{fromCIDRSet: []}]",
            "ingress: [{fromEntities: []}]",
            "ingress: [{fromNodes: []}]",
            "egress: [{toServices: []}]",
            "egress: [{toFQDNs: []}]",
            "egress: [{toEndpoints: [], toPorts: [{ports: [{port: '80'}]}]}]",
            "ingress: [{fromEndpoints: [{}]}]",
            "ingress: [{fromEndpoints: [{}], toPorts: []}]",
            "ingress: [{toPorts: []}]",
            "ingress: [{icmps: []}]",
            "ingress: [{toPorts: [{}]}]",
            "ingress: [{toPorts: [{ports: []}]}]",
            "ingress: [{fromEndpoints: [{}], toPorts: [{}, {ports: [{port: '80'}]}]}]",
            "ingressDeny: [{toPorts: [{}]}]",
            "ingressDeny: [{}]",
            "ingress: [{toPorts: [{ports: [{port: '0', protocol: UDP}]}]}]",
            "ingress: [{toPorts: [{ports: [{port: '0', endPort: 99}]}]}]",
            "ingress: [{icmps: [{}]}]",
            "ingress: []",
            "ingress: []\negress: [{}]",
        ],
    ));
    insta::assert_snapshot!(
        "empty_and_missing_in_a_cluster_wide_policy",
        reference(
            |spec| ccnp(&format!("endpointSelector: {{}}\n{spec}")),
            &["ingress: [{fromEndpoints: [{}]}]", "egress: [{}]"],
        )
    );
}

#[test]
fn the_subject_is_selected_in_exactly_one_way_and_confined_to_the_namespace() {
    let any = "\ningress: [{fromEntities: [all]}]";
    let with = |specs: &[&str]| {
        specs
            .iter()
            .map(|spec| format!("{spec}{any}"))
            .collect::<Vec<_>>()
    };
    let cnps = with(&[
        "endpointSelector: {}",
        "endpointSelector: {matchLabels: {app: api, 'k8s:tier': back, 'any:zone': z}}",
        "endpointSelector: {matchLabels: {io.cilium.k8s.policy.serviceaccount: robot, io.cilium.k8s.policy.cluster: default}}",
        "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': shop}}",
        "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': pay}}",
        "endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: pay, app: api}}",
        "endpointSelector: {matchExpressions: [{key: io.kubernetes.pod.namespace, operator: In, values: [pay, ops]}]}",
        "endpointSelector: {matchExpressions: [{key: io.kubernetes.pod.namespace, operator: In, values: [pay, shop]}]}",
        "endpointSelector: {matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: DoesNotExist}]}",
        "endpointSelector: {matchLabels: {io.cilium.k8s.namespace.labels.team: blue}}",
        "endpointSelector: {matchLabels: {io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name: pay}}",
        "endpointSelector: {matchLabels: {'reserved:host': ''}}",
        "endpointSelector: {matchLabels: {'reserved:init': ''}}",
        "endpointSelector: {matchExpressions: [{key: 'reserved:host', operator: DoesNotExist}]}",
        "nodeSelector: {}",
        "endpointSelector: {}\nnodeSelector: {}",
        "description: none",
    ]);
    let ccnps = with(&[
        "endpointSelector: {}",
        "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': pay}}",
        "endpointSelector: {matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [kube-system]}]}",
        "nodeSelector: {}",
        "nodeSelector: {matchLabels: {node-role.kubernetes.io/control-plane: '', 'k8s:zone': a}}",
        "nodeSelector: {matchLabels: {'cidrgroup:zone': a}}",
        "endpointSelector: {}\nnodeSelector: {}",
        "description: none",
    ]);
    let slices = |list: &[String]| -> Vec<&'static str> {
        list.iter()
            .map(|text| &*Box::leak(text.clone().into_boxed_str()))
            .collect()
    };
    insta::assert_snapshot!(reference(cnp, &slices(&cnps)));
    insta::assert_snapshot!(
        "subjects_of_cluster_wide_policies",
        reference(ccnp, &slices(&ccnps))
    );
}

#[test]
fn default_deny_follows_the_entries_unless_it_is_said() {
    insta::assert_snapshot!(reference(
        rules,
        &[
            "ingress: [{fromEntities: [all]}]",
            "egressDeny: [{toEntities: [world]}]",
            "enableDefaultDeny: {egress: false}\negressDeny: [{toEntities: [world]}]",
            "enableDefaultDeny: {ingress: false, egress: true}\ningress: [{fromEntities: [all]}]\negress: [{toEntities: [all]}]",
            "enableDefaultDeny: {ingress: true}\negress: [{toEntities: [all]}]",
            "enableDefaultDeny: {ingress: false}\negress: [{toEntities: [all]}]",
            "enableDefaultDeny: {}\negress: [{}]",
        ],
    ));
}

#[test]
fn selectors_of_peers_are_confined_unless_they_name_a_namespace() {
    let peers = [
        "{matchLabels: {app: web}}",
        "{matchLabels: {'k8s:app': web}}",
        "{matchLabels: {'k8s:io.kubernetes.pod.namespace': pay, app: web}}",
        "{matchLabels: {io.kubernetes.pod.namespace: pay}}",
        "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}",
        "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [pay]}]}",
        "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: DoesNotExist}]}",
        "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [pay]}, {key: 'k8s:io.kubernetes.pod.namespace', operator: Exists}]}",
        "{matchLabels: {io.cilium.k8s.namespace.labels.team: blue}}",
        "{matchExpressions: [{key: io.cilium.k8s.namespace.labels.team, operator: NotIn, values: [blue]}]}",
        "{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: Exists}]}",
        "{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: NotIn, values: [far]}]}",
        "{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: NotIn, values: [far]}, {key: io.kubernetes.pod.namespace, operator: NotIn, values: [pay]}]}",
        "{matchLabels: {io.cilium.k8s.policy.serviceaccount: robot}}",
        "{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}",
        "{matchLabels: {'reserved:host': ''}}",
        "{matchExpressions: [{key: 'reserved:world', operator: Exists}]}",
        "{matchLabels: {'reserved:kube-apiserver': ''}}",
        "{matchLabels: {'reserved:health': ''}}",
        "{matchLabels: {'reserved:all': ''}}",
        "{matchExpressions: [{key: 'reserved:host', operator: DoesNotExist}]}",
        "{matchExpressions: [{key: 'reserved:kube-apiserver', operator: DoesNotExist}]}",
        "{matchLabels: {'reserved:host': '', app: web}}",
        "{matchLabels: {reserved.remote-node: ''}}",
        "{matchLabels: {'reserved:nobody': ''}}",
        "{matchLabels: {'cidrgroup:tier': x}}",
        "{matchLabels: {'cidrgroup:tier': x, 'reserved:world': ''}}",
        "{matchLabels: {'K8s:app': web}}",
        "{matchLabels: {'container:app': web}}",
    ];
    let ingress = |peer: &str| rules(&format!("ingress: [{{fromEndpoints: [{peer}]}}]"));
    insta::assert_snapshot!(reference(ingress, &peers));
    let clusterwide = |peer: &str| {
        ccnp(&format!(
            "endpointSelector: {{}}\negressDeny: [{{toEndpoints: [{peer}]}}]"
        ))
    };
    insta::assert_snapshot!(
        "peers_of_cluster_wide_policies",
        reference(
            clusterwide,
            &[
                "{matchLabels: {app: web}}",
                "{matchLabels: {io.cilium.k8s.namespace.labels.team: blue}}",
                "{matchExpressions: [{key: io.cilium.k8s.namespace.labels.team, operator: NotIn, values: [blue]}]}",
                "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [pay]}]}",
                "{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}",
            ],
        )
    );
}

#[test]
fn every_kind_of_peer_is_lowered() {
    insta::assert_snapshot!(reference(
        rules,
        &[
            "ingress: [{fromEntities: [all, world, world-ipv4, world-ipv6, cluster, host, remote-node, kube-apiserver, ingress, health, init, unmanaged, none]}]",
            "ingress: [{fromEntities: [wrld, Host, internet-gateway]}]",
            "ingress: [{fromNodes: [{}, {matchLabels: {node-role.kubernetes.io/control-plane: '', 'node:zone': a}}]}]",
            "egress: [{toNodes: [{matchExpressions: [{key: zone, operator: NotIn, values: [b]}]}]}]",
            "ingress: [{fromNodes: [{matchLabels: {'reserved:remote-node': ''}}]}]",
            "ingress: [{fromCIDR: [10.0.0.0/8, 192.0.2.7, '2001:db8::/32', '2001:db8::7', 10.1.2.3/8]}]",
            "ingress: [{fromCIDR: [10.0.0.0/33, 010.0.0.1, '::ffff:10.0.0.1', web.example]}]",
            "egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.2.0.0/16, 10.1.0.0/16]}, {cidr: '2001:db8::/32'}]}]",
            "egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16, 'fd00::/8', 0.0.0.0/0]}]}]",
            "egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}]}]",
            "egress: [{toCIDRSet: [{cidr: 10.0.0.1}]}]",
            "egress: [{toCIDRSet: [{}]}]",
            "egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: outside}]}]",
            "egress: [{toFQDNs: [{matchName: Example.COM.}, {matchPattern: '*.example.com'}, {matchPattern: '**.example.com'}, {matchPattern: '*'}]}]",
            "egress: [{toFQDNs: [{matchName: '*.example.com'}, {matchName: 'exa mple'}, {}, {matchName: a, matchPattern: b}]}]",
            "ingress: [{fromGroups: [{aws: {securityGroupsIds: [sg-1]}}]}]",
            "egressDeny: [{toGroups: [{aws: {labels: {a: b}, region: r, securityGroupsNames: [web]}}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]",
        ],
    ));
}

const GROUPS: &str = "\
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: outside, labels: {tier: far}}
spec: {externalCIDRs: [203.0.113.0/24, '2001:db8::/32', 198.51.100.7/32]}
---
apiVersion: cilium.io/v2alpha1
kind: CiliumCIDRGroup
metadata: {name: empty, labels: {tier: none}}
spec: {externalCIDRs: []}
";

#[test]
fn groups_of_blocks_are_found_by_name_and_by_label() {
    let with_groups = |spec: &str| format!("{}{GROUPS}", rules(spec));
    insta::assert_snapshot!(reference(
        with_groups,
        &[
            "egress: [{toCIDRSet: [{cidrGroupRef: outside}]}]",
            "egress: [{toCIDRSet: [{cidrGroupRef: outside, except: [203.0.113.128/25, 198.51.100.0/24, '2001:db8:1::/48']}]}]",
            "egress: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {tier: far}}}]}]",
            "egress: [{toCIDRSet: [{cidrGroupSelector: {matchExpressions: [{key: tier, operator: Exists}]}}]}]",
            "egress: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {'cidrgroup:tier': far}}}]}]",
            "egress: [{toCIDRSet: [{cidrGroupRef: empty}]}]",
            "egress: [{toCIDRSet: [{cidrGroupRef: missing}]}]",
            "egressDeny: [{toCIDRSet: [{cidrGroupRef: missing}]}]",
            "egressDeny: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {tier: near}}}]}]",
        ],
    ));
}

const SERVICES: &str = "\
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop, labels: {tier: back}}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: pay, labels: {tier: back}}
spec: {selector: {app: ledger}}
---
apiVersion: v1
kind: Service
metadata: {name: legacy, namespace: shop, labels: {tier: far}}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: legacy-1, namespace: shop, labels: {kubernetes.io/service-name: legacy}}
addressType: IPv4
endpoints: [{addresses: [203.0.113.9, 203.0.113.8]}, {addresses: [203.0.113.9]}]
---
apiVersion: v1
kind: Service
metadata: {name: bare, namespace: shop}
spec: {clusterIP: None}
";

#[test]
fn services_stand_for_their_pods_or_for_the_addresses_written_down_for_them() {
    let with_services = |spec: &str| format!("{}{SERVICES}", rules(spec));
    insta::assert_snapshot!(reference(
        with_services,
        &[
            "egress: [{toServices: [{k8sService: {serviceName: db, namespace: shop}}]}]",
            "egress: [{toServices: [{k8sService: {serviceName: db}}]}]",
            "egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {tier: back}}}}]}]",
            "egress: [{toServices: [{k8sServiceSelector: {namespace: pay, selector: {}}}], toPorts: [{ports: [{port: '5432', protocol: TCP}]}]}]",
            "egress: [{toServices: [{k8sService: {serviceName: legacy, namespace: shop}}]}]",
            "egress: [{toServices: [{k8sService: {serviceName: bare}}]}]",
            "egress: [{toServices: [{k8sService: {serviceName: gone}}]}]",
            "egressDeny: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {tier: up}}}}]}]",
            "egress: [{toServices: [{}]}]",
            "egress: [{toServices: [{k8sService: {namespace: shop}}]}]",
            "egress: [{toServices: [{k8sServiceSelector: {namespace: shop}}]}]",
            "egress: [{toServices: [{k8sService: {serviceName: db}, k8sServiceSelector: {selector: {}}}]}]",
        ],
    ));
}

#[test]
fn ports_are_numbers_as_text_ranges_and_names() {
    let ports = |ports: &str| {
        rules(&format!(
            "ingress: [{{fromEntities: [all], toPorts: [{{ports: [{ports}]}}]}}]"
        ))
    };
    insta::assert_snapshot!(reference(
        ports,
        &[
            "{port: '80'}, {port: '53', protocol: UDP}, {port: '53', protocol: ANY}, {port: '9', protocol: SCTP}",
            "{port: '8000', endPort: 8999, protocol: TCP}, {port: '80', endPort: 80}, {port: '80', endPort: 0}",
            "{port: http, protocol: TCP}, {port: Metrics}",
            "{port: http, endPort: 99}",
            "{port: '8000', endPort: 7999}",
            "{port: '8000', endPort: 70000}",
            "{port: '65536'}, {port: '70000'}",
            "{port: '010'}",
            "{port: '8_080'}",
            "{port: '0x50'}",
            "{port: '08'}, {port: '-1'}, {port: a_b}, {port: a-very-long-name-x}, {port: ''}",
            "{protocol: TCP}",
            "{port: '80', protocol: tcp}, {port: '80', protocol: ICMP}, {port: '80', protocol: GRE}",
        ],
    ));
    let many = |count: usize| vec!["{port: '80'}"; count].join(", ");
    assert_eq!(lowered(&ports(&many(40))).findings, []);
    let findings: Vec<_> = lowered(&ports(&many(41))).findings.iter().map(line).collect();
    insta::assert_snapshot!("more_ports_than_cilium_takes", findings.join("\n"));
}

#[test]
fn message_types_are_numbers_or_names_of_their_family() {
    let fields = |fields: &str| rules(&format!("ingress: [{{icmps: [{{fields: [{fields}]}}]}}]"));
    insta::assert_snapshot!(reference(
        fields,
        &[
            "{type: 8}, {family: IPv6, type: 128}, {family: IPv4, type: '0'}",
            "{type: EchoRequest}, {family: IPv6, type: EchoRequest}, {type: Echo}",
            "{type: PacketTooBig}, {type: Ecorequest}",
            "{type: 256}, {type: -1}, {type: '08'}, {}",
            "{family: ipv6, type: 1}",
        ],
    ));
    let many = |count: usize| vec!["{type: 8}"; count].join(", ");
    assert_eq!(lowered(&fields(&many(40))).findings, []);
    let findings: Vec<_> = lowered(&fields(&many(41))).findings.iter().map(line).collect();
    insta::assert_snapshot!("more_message_types_than_cilium_takes", findings.join("\n"));
}

#[test]
fn combinations_that_cilium_refuses_are_refused_with_the_reason() {
    let http = "rules: {http: [{method: GET}]}";
    let port = "ports: [{port: '80', protocol: TCP}]";
    let specs = [
        "ingress: [{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}]".to_owned(),
        "egress: [{toEntities: [world], toFQDNs: [{matchName: a.b}], toCIDRSet: []}]".to_owned(),
        "ingress: [{fromRequires: [{}]}]\negress: [{toRequires: []}]".to_owned(),
        format!("ingress: [{{toPorts: [{{{port}}}], icmps: [{{fields: [{{type: 8}}]}}]}}]"),
        "egressDeny: [{toFQDNs: [{matchName: a.b}]}]".to_owned(),
        format!(
            "egressDeny: [{{toPorts: [{{{port}, {http}, serverNames: [a], listener: {{}}, terminatingTLS: {{}}, originatingTLS: {{}}}}]}}]"
        ),
        "ingressDeny: [{fromEntities: [all], authentication: {mode: required}}]".to_owned(),
        format!(
            "ingress: [{{toPorts: [{{ports: [{{port: '80'}}, {{port: '81', protocol: UDP}}], {http}}}]}}]"
        ),
        format!("ingress: [{{toPorts: [{{ports: [{{port: '0', protocol: TCP}}], {http}}}]}}]"),
        "ingress: [{toPorts: [{ports: [{port: '53', protocol: UDP}], rules: {dns: [{matchPattern: '*'}]}}]}]"
            .to_owned(),
        "egress: [{toPorts: [{rules: {dns: [{matchPattern: '*'}]}}]}]".to_owned(),
        "egress: [{toPorts: [{ports: [{port: '53', endPort: 54}], rules: {dns: [{matchName: 'a b'}]}}]}]"
            .to_owned(),
        format!("egress: [{{toPorts: [{{{port}, rules: {{http: [], kafka: []}}}}]}}]"),
        format!("egress: [{{toPorts: [{{{port}, rules: {{l7: [{{a: b}}]}}}}]}}]"),
        format!("egress: [{{toPorts: [{{{port}, {http}, serverNames: [a.b, '']}}]}}]"),
        format!(
            "egress: [{{toPorts: [{{{port}, {http}, listener: {{name: l, envoyConfig: {{name: e}}}}}}]}}]"
        ),
        format!(
            "ingress: [{{toPorts: [{{{port}, listener: {{name: l, envoyConfig: {{kind: CiliumEnvoyConfig, name: e}}}}}}]}}]"
        ),
        format!("egress: [{{toPorts: [{{{port}, listener: {{}}, terminatingTLS: {{}}}}]}}]"),
        format!(
            "egress: [{{toPorts: [{{{port}, rules: {{http: [{{headerMatches: [{{mismatch: WARN}}]}}]}}}}]}}]"
        ),
        "ingress: [{fromEntities: [all], authentication: {mode: maybe}}]".to_owned(),
        "ingress: [{fromEntities: [all], authentication: {}}]".to_owned(),
    ];
    let specs: Vec<&str> = specs.iter().map(String::as_str).collect();
    insta::assert_snapshot!(reference(rules, &specs));
    insta::assert_snapshot!(
        "combinations_refused_in_policies_on_nodes",
        reference(
            |spec| ccnp(&format!("nodeSelector: {{}}\n{spec}")),
            &[
                "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}]",
                "egress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}]",
                "egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}]",
            ],
        )
    );
}

#[test]
fn demands_beyond_ports_stay_with_their_ports() {
    insta::assert_snapshot!(reference(
        rules,
        &[
            "egress: [{toEntities: [world], toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [a.b]}, {ports: [{port: '80', protocol: TCP}]}, {ports: [{port: '8080', protocol: TCP}], rules: {http: [{path: /}]}}, {ports: [{port: '81', protocol: TCP}], rules: {}}]}]",
            "egress: [{toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [a.b], terminatingTLS: {secret: {name: s, namespace: ns}, trustedCA: c, certificate: d, privateKey: e}, originatingTLS: {secret: {name: s}}, rules: {http: [{method: GET, path: /, host: h, headers: [X], headerMatches: [{name: a, value: b, mismatch: LOG, secret: {name: x}}]}]}}]}]",
            "egress: [{toPorts: [{ports: [{port: '9092', protocol: TCP}], rules: {kafka: [{role: produce, topic: t, apiKey: k, apiVersion: '1', clientID: c}]}}]}]",
            "egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: a.b}, {matchPattern: '*.b'}]}}]}]",
            "egress: [{toPorts: [{ports: [{port: '1', protocol: TCP}], rules: {l7proto: r2d2, l7: [{a: b}]}}]}]",
            "egress: [{toPorts: [{ports: [{port: '1', protocol: TCP}], listener: {name: l, priority: 1, envoyConfig: {kind: CiliumEnvoyConfig, name: e}}}]}]",
            "ingress: [{fromEndpoints: [{}], authentication: {mode: required}}]",
            "ingress: [{fromEndpoints: [{}], authentication: {mode: disabled}}]",
            "ingress: [{fromEndpoints: [{}], authentication: {mode: test-always-fail}, toPorts: [{ports: [{port: http}]}]}]",
        ],
    ));
}

#[test]
fn each_of_specs_is_a_policy_of_its_own() {
    let yaml = "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
spec:
  endpointSelector: {}
  ingress: [{}]
specs:
- endpointSelector: {matchLabels: {app: a}}
  description: one
  labels: [{key: a, value: b, source: k8s}]
  log: {value: x}
  egress: [{toEntities: [world]}]
- endpointSelector: {}
  nodeSelector: {}
";
    let lowered = lowered(yaml);
    let findings: Vec<_> = lowered.findings.iter().map(line).collect();
    insta::assert_snapshot!(format!(
        "{}\n{}",
        ir::text::print(&lowered.model),
        findings.join("\n")
    ));
    for missing in ["", "specs: []\n", "spec: null\n"] {
        let yaml =
            format!("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p}}\n{missing}");
        let lowered = self::lowered(&yaml);
        let codes: Vec<_> = lowered
            .findings
            .iter()
            .map(|finding| finding.code.to_string())
            .collect();
        assert_eq!(codes, ["PC123"], "{missing}");
        assert!(lowered.findings[0].blocks_analysis);
    }
}

#[test]
fn what_is_misspelt_or_mistyped_blocks_analysis() {
    for (spec, code) in [
        ("endpointSelector: {}\ningress: [{fromEndpoint: [{}]}]", "PC102"),
        (
            "endpointSelector: {}\ningress: [{toPorts: [{port: '80'}]}]",
            "PC102",
        ),
        (
            "endpointSelector: {}\ningress: [{toPorts: [{ports: [{port: 80}]}]}]",
            "PC104",
        ),
        ("endpointSelector: {}\ningress: {fromEntities: [all]}", "PC104"),
        (
            "endpointSelector: {matchLabels: {on: yes}}\ningress: [{}]",
            "PC115",
        ),
        ("endpointSelector: {}\ningress: [{}]\ningress: []", "PC103"),
    ] {
        let yaml = cnp(spec);
        let input = load::load_bytes([("a.yaml", yaml.as_bytes())], &Limits::default());
        let found = input
            .findings
            .iter()
            .find(|finding| finding.code.to_string() == code);
        assert!(
            found.is_some_and(|finding| finding.blocks_analysis),
            "{spec}: {:?}",
            input.findings
        );
    }
}

#[test]
fn what_reads_like_a_policy_of_the_other_api_is_said() {
    let network_policy = |name: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{podSelector: {{}}, ingress: [{{}}]}}\n"
        )
    };
    let cilium = |name: &str, more: &str| {
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  endpointSelector: {{}}\n  ingress: [{{}}{more}]\n"
        )
    };
    let mut text = String::new();
    for yaml in [
        network_policy("default-deny-ingress"),
        network_policy("allow-all"),
        network_policy("deny-all-but-allow-dns"),
        cilium("allow-all", ""),
        cilium("default-deny", ""),
        cilium("web", ", {fromEntities: [world]}"),
    ] {
        let findings: Vec<_> = lowered(&yaml).findings.iter().map(line).collect();
        text.push_str(&format!(
            "{}\n---\n{}\n========\n",
            yaml.trim_end(),
            findings.join("\n")
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn blocks_speak_of_the_outside_unless_asked_otherwise() {
    let yaml = rules("ingress: [{fromCIDR: [10.0.0.0/8]}]");
    let input = load::load_bytes([("a.yaml", yaml.as_bytes())], &Limits::default());
    for (cidr_match, word) in [
        (CidrMatch::ByApi, "outside 10.0.0.0/8"),
        (CidrMatch::External, "outside 10.0.0.0/8"),
        (CidrMatch::All, "cidr 10.0.0.0/8"),
    ] {
        let model = lower(&input, &Options { cidr_match }).model;
        assert!(ir::text::print(&model).contains(word), "{cidr_match:?}");
    }
}

#[test]
fn the_order_of_objects_makes_no_difference() {
    let parts = [
        rules(
            "egress: [{toCIDRSet: [{cidrGroupRef: outside}]}, {toServices: [{k8sService: {serviceName: db}}]}]",
        ),
        GROUPS.to_owned(),
        SERVICES.to_owned(),
        ccnp("nodeSelector: {}\ningress: [{}]"),
    ];
    let model = |order: [usize; 4]| {
        let names = ["a.yaml", "b.yaml", "c.yaml", "d.yaml"];
        let files = order.map(|at| (names[at], parts[at].as_bytes()));
        lower(&load::load_bytes(files, &Limits::default()), &Options::default()).model
    };
    assert_eq!(model([0, 1, 2, 3]), model([3, 2, 1, 0]));
    assert_eq!(model([0, 1, 2, 3]), model([2, 0, 3, 1]));
}

#[test]
fn no_finding_is_without_a_place_and_every_refusal_has_a_way_out() {
    let broken = [
        "endpointSelector: {}",
        "ingress: [{}]",
        "endpointSelector: {}\ningress: [{fromEntities: [x]}, {fromEndpoints: [{}], fromCIDR: [x]}]",
    ];
    for spec in broken {
        let findings = lowered(&cnp(spec)).findings;
        assert!(!findings.is_empty(), "{spec}");
        for finding in findings {
            assert!(finding.primary().is_some(), "{finding:?}");
            assert!(
                finding.severity != Severity::Error
                    || finding.help.is_some()
                    || finding.code.to_string() == "PC107",
                "{finding:?}"
            );
        }
    }
}
