//! Small manifests, and what they mean.

use super::*;
use crate::diagnostic::Code;
use crate::limits::Limits;
use crate::load;

pub(super) fn lowered(yaml: &str) -> Lowered {
    let input = load::load_bytes([("a.yaml", yaml.as_bytes())], &Limits::default());
    assert_eq!(input.findings, [], "the snippet itself must be readable");
    lower(&input, &Options::default())
}

/// The policies of the model as text, without their origins.
pub(super) fn meaning(yaml: &str) -> String {
    let lowered = lowered(yaml);
    assert_eq!(lowered.findings, []);
    let text = ir::text::print(&lowered.model);
    let start = text.find("policy ").unwrap_or(text.len());
    text[start..].to_owned()
}

/// `code line:column message | help` of each finding.
pub(super) fn refusals(yaml: &str) -> String {
    let lowered = lowered(yaml);
    let mut lines = Vec::new();
    for finding in &lowered.findings {
        let at = &finding.labels[0].origin;
        let mut line = format!("{} {}:{} {}", finding.code, at.line, at.column, finding.message);
        if let Some(help) = &finding.help {
            line.push_str(" | ");
            line.push_str(help);
        }
        if !finding.blocks_analysis {
            line.push_str(" (analysis goes on)");
        }
        lines.push(line);
    }
    lines.join("\n")
}

fn policy(spec: &str) -> String {
    let mut text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n".to_owned();
    for line in spec.lines() {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Each specification with what it means, for one snapshot that reads like a reference.
fn with_meaning(specs: &[&str]) -> String {
    let mut text = String::new();
    for spec in specs {
        let meaning = meaning(&policy(spec));
        text.push_str(&format!(
            "{}\n---\n{}\n========\n",
            spec.trim_end(),
            meaning.trim_end()
        ));
    }
    text
}

#[test]
fn directions_follow_policy_types_and_their_defaults() {
    insta::assert_snapshot!(with_meaning(&[
        "podSelector: {}",
        "podSelector: {}\negress: []",
        "podSelector: {}\negress: [{}]",
        "policyTypes: []\ningress: [{}]",
        "podSelector: {}\npolicyTypes: [Egress]",
        "podSelector: {}\npolicyTypes: [Egress]\ningress: [{}]",
        "podSelector: {}\npolicyTypes: [Ingress]\negress: [{}]",
        "podSelector: {}\npolicyTypes: [Ingress, Egress]",
    ]));
}

#[test]
fn empty_and_missing_mean_everything_in_a_rule_and_nothing_as_a_list_of_rules() {
    insta::assert_snapshot!(with_meaning(&[
        "ingress: []",
        "ingress: [{}]",
        "ingress: [{from: [], ports: []}]",
        "ingress: [{from: [{podSelector: {}}]}]",
        "ingress: [{from: [{namespaceSelector: {}}]}]",
        "ingress: [{ports: [{}]}]",
        "ingress: [{ports: [{protocol: UDP}]}]",
    ]));
}

#[test]
fn peers_keep_their_scope() {
    insta::assert_snapshot!(with_meaning(&[
        "podSelector: {matchLabels: {app: api}}",
        "ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]",
        "ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]",
        "ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {app: web}}}]}]",
        "ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}, {podSelector: {matchLabels: {app: web}}}]}]",
        "ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [x, w]}, {key: b, operator: NotIn, values: [z]}, {key: c, operator: Exists}, {key: d, operator: DoesNotExist, values: []}]}}]}]",
        "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.2.0.0/16, 10.1.0.0/16]}}, {ipBlock: {cidr: '2001:db8::/32'}}]}]",
    ]));
}

#[test]
fn ports_are_numbers_ranges_or_names() {
    insta::assert_snapshot!(with_meaning(&[
        "egress: [{ports: [{port: 80}, {port: 53, protocol: UDP}, {port: 8000, endPort: 8999}, {port: http}, {port: sctp-x, protocol: SCTP}]}]",
    ]));
}

#[test]
fn origins_are_the_values_own_places() {
    let model = lowered(
        "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  namespace: shop
spec:
  podSelector: {}
  ingress:
  - from:
    - podSelector: {}
    ports:
    - port: http
    - protocol: UDP
",
    )
    .model;
    insta::assert_snapshot!(ir::text::print(&model));
}

#[test]
fn what_the_api_server_refuses_is_refused_all_at_once() {
    insta::assert_snapshot!(refusals(&policy(
        "\
podSelector:
  matchLabels:
    bad key: ok
    app: 'not ok'
  matchExpressions:
  - {key: a, operator: in, values: [x]}
  - {key: a, operator: In}
  - {key: a, operator: Exists, values: [x]}
policyTypes: [ingress, Both]
ingress:
- from:
  - {}
  - podSelector: {}
    ipBlock: {cidr: 10.0.0.0/8}
  - ipBlock: {cidr: 10.0.0.0}
  - ipBlock: {cidr: 010.0.0.0/8}
  - ipBlock: {cidr: 10.0.0.0/33}
  - ipBlock: {cidr: web.example}
  - ipBlock: {cidr: '::ffff:10.0.0.0/104'}
  - ipBlock: {cidr: 10.1.2.3/8}
  - ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8, 192.168.0.0/16, 'fd00::/8', 10.1.0.0/16]}
  ports:
  - port: 0
  - port: 65536
  - port: 80
    endPort: 79
  - port: 80
    endPort: 70000
  - port: http
    endPort: 90
  - endPort: 90
  - port: '8080'
  - port: HTTP
  - port: a-name-that-is-too-long
  - protocol: tcp
    port: 80
  - protocol: ICMP
"
    )));
}

#[test]
fn templates_between_quotes_are_to_be_rendered_first() {
    let spec = "podSelector: {matchLabels: {app: \"{{ .Values.app }}\"}}\ningress:\n- from: [{ipBlock: {cidr: \"{{ .Values.cidr }}\"}}]\n  ports: [{port: \"{{ .Values.port }}\"}]";
    let refusals = refusals(&policy(spec).replace("name: p", "name: \"{{ .Release.Name }}-p\""));
    assert!(refusals.lines().count() >= 4, "{refusals}");
    for refusal in refusals.lines() {
        assert!(
            refusal.contains("| this looks like a template: render it first"),
            "{refusal}"
        );
    }
    let refusals = self::refusals(&policy("podSelector: {matchLabels: {app: \"${APP}\"}}"));
    assert!(
        refusals.contains("| this looks like a variable: substitute it first"),
        "{refusals}"
    );
}

#[test]
fn a_refused_policy_blocks_analysis_and_host_bits_do_not() {
    let blocks = |spec: &str| {
        let lowered = lowered(&policy(spec));
        assert!(!lowered.findings.is_empty(), "{spec}");
        lowered.findings.iter().any(|finding| finding.blocks_analysis)
    };
    assert!(blocks("ingress: [{ports: [{port: 0}]}]"));
    assert!(blocks("ingress: [{from: [{}]}]"));
    assert!(!blocks("ingress: [{from: [{ipBlock: {cidr: 10.1.2.3/8}}]}]"));
}

#[test]
fn a_port_that_cannot_be_read_blocks_analysis_where_a_policy_uses_its_name() {
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: main, ports: [{name: http, containerPort: 0}]}]}\n";
    for (port, blocks) in [("http", true), ("https", false), ("80", false)] {
        let lowered = lowered(&format!(
            "{}{pod}",
            policy(&format!("ingress: [{{ports: [{{port: {port}}}]}}]"))
        ));
        let codes: Vec<_> = lowered.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::PORT_OUT_OF_RANGE]);
        assert_eq!(lowered.findings[0].blocks_analysis, blocks, "{port}");
    }
}

#[test]
fn address_blocks_speak_of_pods_unless_asked_otherwise() {
    let yaml = policy("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]");
    let input = load::load_bytes([("a.yaml", yaml.as_bytes())], &Limits::default());
    for (cidr_match, word) in [
        (CidrMatch::ByApi, "cidr 10.0.0.0/8"),
        (CidrMatch::All, "cidr 10.0.0.0/8"),
        (CidrMatch::External, "outside 10.0.0.0/8"),
    ] {
        let model = lower(&input, &Options { cidr_match }).model;
        assert!(ir::text::print(&model).contains(word), "{cidr_match:?}");
    }
}

#[test]
fn names_of_objects_are_checked() {
    insta::assert_snapshot!(refusals(
        "\
apiVersion: v1
kind: Namespace
metadata: {name: Shop}
---
apiVersion: v1
kind: Pod
metadata: {name: a_b, namespace: 'x.y', labels: {a: '-'}}
spec: {containers: []}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop}
spec: {selector: {}, template: {metadata: {labels: {'a b': c}}, spec: {containers: []}}}
---
apiVersion: v1
kind: Pod
metadata: {generateName: web-}
spec:
  containers:
  - name: main
    ports: [{containerPort: 0}, {containerPort: 80, protocol: tcp}, {containerPort: 80, name: HTTP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: twice}
spec: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: copied, namespace: default}
spec: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: copied}
spec: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: twice, namespace: default}
spec: {ingress: [{}]}
"
    ));
}

/// The endpoints of the model as text, without their origins.
fn endpoints(yaml: &str) -> String {
    let lowered = lowered(yaml);
    assert_eq!(lowered.findings, []);
    let mut lines = Vec::new();
    for line in ir::text::print(&lowered.model).lines() {
        if line.starts_with("endpoint ") {
            let line = line.split(" @ ").next().unwrap_or(line);
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

fn workload(kind: &str, name: &str, more: &str) -> String {
    let version = match kind {
        "Job" | "CronJob" => "batch/v1",
        "ReplicationController" => "v1",
        _ => "apps/v1",
    };
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: shop\n{more}\n---\n"
    )
}

const TEMPLATE: &str = "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main}]}}";

#[test]
fn every_workload_kind_defines_an_endpoint_by_its_template() {
    let spec = |fields: &str| format!("spec: {{{fields}{TEMPLATE}}}");
    let yaml = [
        workload("Deployment", "one", &spec("selector: {}, ")),
        workload("Deployment", "three", &spec("selector: {}, replicas: 3, ")),
        workload("Deployment", "zero", &spec("selector: {}, replicas: 0, ")),
        workload("ReplicaSet", "rs", &spec("selector: {}, replicas: 2, ")),
        workload("StatefulSet", "sts", &spec("selector: {}, serviceName: x, ")),
        workload("DaemonSet", "ds", &spec("selector: {}, ")),
        workload("Job", "job", &spec("")),
        workload(
            "CronJob",
            "cron",
            &format!("spec: {{schedule: x, jobTemplate: {{spec: {{parallelism: 4, {TEMPLATE}}}}}}}"),
        ),
        workload("ReplicationController", "rc", &spec("replicas: 2, ")),
    ]
    .concat();
    insta::assert_snapshot!(endpoints(&yaml));
}

#[test]
fn pods_stand_for_their_workload() {
    let owner = |kind: &str, name: &str| {
        format!(
            "  ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {name}, uid: u, controller: true}}]\n"
        )
    };
    let pod = |name: &str, owner: &str, phase: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: shop\n{owner}spec: {{containers: [], nodeName: n1}}\nstatus: {{phase: {phase}, podIP: 10.0.0.1, podIPs: [{{ip: 10.0.0.1}}, {{ip: 'fd00::1'}}]}}\n---\n"
        )
    };
    let deployment = workload(
        "Deployment",
        "web",
        &format!("spec: {{selector: {{}}, replicas: 2, {TEMPLATE}}}"),
    );
    let revision = |name: &str, replicas: u32| {
        workload(
            "ReplicaSet",
            name,
            &format!(
                "{}spec: {{selector: {{}}, replicas: {replicas}, {TEMPLATE}}}",
                owner("Deployment", "web")
            ),
        )
    };
    let cases = [
        (
            "two pods of one deployment",
            [
                deployment.clone(),
                revision("web-1", 2),
                pod("web-1-a", &owner("ReplicaSet", "web-1"), "Running"),
                pod("web-1-b", &owner("ReplicaSet", "web-1"), "Pending"),
            ]
            .concat(),
        ),
        (
            "a pod that has ended counts for nothing",
            [
                deployment.clone(),
                revision("web-1", 2),
                pod("web-1-a", &owner("ReplicaSet", "web-1"), "Succeeded"),
            ]
            .concat(),
        ),
        (
            "a past revision and the present one",
            [deployment.clone(), revision("web-0", 0), revision("web-1", 2)].concat(),
        ),
        (
            "two revisions at once",
            [deployment, revision("web-0", 1), revision("web-1", 1)].concat(),
        ),
        (
            "two revisions of an owner that is not in the input, after a past one",
            [revision("web-0", 0), revision("web-1", 1), revision("web-2", 1)].concat(),
        ),
        (
            "past revisions alone of an owner that is not in the input",
            [revision("web-0", 0), revision("web-1", 0)].concat(),
        ),
        (
            "workloads of an operator, one of them scaled to zero",
            ["Deployment", "StatefulSet"]
                .map(|kind| {
                    let own = if kind == "Deployment" {
                        "replicas: 0"
                    } else {
                        "serviceName: s, replicas: 3"
                    };
                    let spec = format!(
                        "{}spec: {{selector: {{}}, {own}, {TEMPLATE}}}",
                        owner("Kafka", "k")
                    );
                    workload(kind, &kind.to_lowercase(), &spec)
                })
                .concat(),
        ),
        (
            "an owner that is not in the input",
            pod("a", &owner("ReplicaSet", "gone"), "Running"),
        ),
        ("nobody's pod", pod("a", "", "Running")),
    ];
    let text: String = cases
        .iter()
        .map(|(title, yaml)| format!("{title}\n{}\n\n", endpoints(yaml)))
        .collect();
    insta::assert_snapshot!(text);
}

#[test]
fn the_first_of_two_objects_with_one_name_stands_for_both() {
    let named = |label: &str| {
        let template = format!(
            "template: {{metadata: {{labels: {{app: {label}}}}}, spec: {{containers: [{{name: main}}]}}}}"
        );
        workload(
            "Deployment",
            "web",
            &format!("spec: {{selector: {{}}, {template}}}"),
        )
    };
    let (one, other) = (named("web"), named("other"));
    assert_eq!(endpoints(&format!("{one}{one}")), endpoints(&one));
    let lowered = lowered(&format!("{one}{other}"));
    assert_eq!(lowered.findings.len(), 1);
    assert_eq!(lowered.findings[0].code, Code::DUPLICATE_OBJECT);
    assert!(!lowered.findings[0].blocks_analysis);
    assert_eq!(lowered.model.cluster.endpoints().len(), 1);
    assert_eq!(lowered.model.cluster.endpoints()[0].labels["app"], "web");
}

#[test]
fn container_ports_know_when_their_container_runs() {
    let yaml = "\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec:
  hostNetwork: true
  serviceAccountName: robot
  initContainers:
  - {name: once, ports: [{containerPort: 1, name: init}]}
  - {name: beside, restartPolicy: Always, ports: [{containerPort: 2, name: side}]}
  containers:
  - {name: main, ports: [{containerPort: 3, name: main}, {containerPort: 4, protocol: UDP}]}
";
    insta::assert_snapshot!(endpoints(yaml));
}

#[test]
fn nodes_have_addresses_and_slices() {
    let yaml = "\
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {zone: a}}
spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, 'fd00:1::/64']}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: Hostname, address: n1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
spec: {podCIDR: 10.2.0.0/24}
";
    let lowered = lowered(yaml);
    assert_eq!(lowered.findings, []);
    insta::assert_snapshot!(ir::text::print(&lowered.model));
}

#[test]
fn the_order_of_files_makes_no_difference() {
    let files = [
        ("a.yaml", policy("ingress: [{ports: [{port: http}]}]")),
        (
            "b.yaml",
            workload(
                "Deployment",
                "web",
                &format!("spec: {{selector: {{}}, {TEMPLATE}}}"),
            ),
        ),
        (
            "c.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: blue}}\n".to_owned(),
        ),
    ];
    let lowered = |order: [usize; 3]| {
        let files = order.map(|at| (files[at].0, files[at].1.as_bytes()));
        lower(&load::load_bytes(files, &Limits::default()), &Options::default()).model
    };
    assert_eq!(lowered([0, 1, 2]), lowered([2, 1, 0]));
    assert_eq!(lowered([0, 1, 2]), lowered([1, 2, 0]));
}

/// Two nodes of one name: the first stands for it, and it is said.
#[test]
fn of_two_nodes_with_one_name_the_first_counts() {
    let node = |address: &str| {
        format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\nstatus: {{addresses: [{{type: InternalIP, address: {address}}}]}}\n---\n"
        )
    };
    let twice = lowered(&[node("192.0.2.1"), node("192.0.2.2")].concat());
    let [kept] = twice.model.cluster.nodes() else {
        panic!("{:?}", twice.model.cluster.nodes());
    };
    assert_eq!(kept.addresses, ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(twice.findings.len(), 1);
    assert_eq!(twice.findings[0].code, Code::DUPLICATE_OBJECT);
    let copied = lowered(&[node("192.0.2.1"), node("192.0.2.1")].concat());
    assert_eq!(copied.findings, []);
    assert_eq!(copied.model.cluster.nodes().len(), 1);
}
