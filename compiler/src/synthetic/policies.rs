//! Policies as manifests, in the proportions that people write them.

use super::random::Random;
use super::{Namespace, Plan, Shape, Tier, Workload};

/// `count` policies of one namespace.
pub(super) fn namespaced(
    text: &mut String,
    plan: &Plan,
    namespace: &Namespace,
    count: usize,
    shape: &Shape,
    random: &mut Random,
) {
    for index in 0..count {
        let head = Head {
            namespace: &namespace.name,
            index,
        };
        let Some(subject) = namespace.workloads.get(index % namespace.workloads.len().max(1)) else {
            return;
        };
        match index {
            0 => head.network_policy(
                text,
                "default-deny",
                "podSelector: {}\n  policyTypes: [Ingress, Egress]\n",
            ),
            1 => head.network_policy(text, "dns", DNS),
            _ if shape.cilium && random.chance(12) => cilium(text, &head, namespace, subject, random),
            _ => match random.below(10) {
                0..=3 => from_workload(text, &head, namespace, subject, random),
                4 | 5 => from_namespaces(text, &head, plan, subject, random),
                6 | 7 => to_workloads(text, &head, namespace, subject, random),
                8 => to_blocks(text, &head, subject, random),
                _ => tier_wide(text, &head, namespace, random),
            },
        }
    }
}

const DNS: &str = "\
podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: ns-0}
          podSelector:
            matchLabels: {tier: cache}
      ports:
        - {port: 53, protocol: UDP}
        - {port: 53, protocol: TCP}
";

struct Head<'a> {
    namespace: &'a str,
    index: usize,
}

impl Head<'_> {
    fn network_policy(&self, text: &mut String, name: &str, spec: &str) {
        self.object(text, "networking.k8s.io/v1", "NetworkPolicy", name, spec);
    }

    fn object(&self, text: &mut String, version: &str, kind: &str, name: &str, spec: &str) {
        text.push_str(&format!(
            "\
---
apiVersion: {version}
kind: {kind}
metadata:
  name: p{}-{name}
  namespace: {}
spec:
  {spec}",
            self.index, self.namespace
        ));
    }
}

/// The workload's main port, by name or by number.
fn port(workload: &Workload, random: &mut Random) -> String {
    match workload.ports.first() {
        Some((name, _, protocol)) if random.chance(55) => format!("{{port: {name}, protocol: {protocol}}}"),
        Some((_, number, protocol)) => format!("{{port: {number}, protocol: {protocol}}}"),
        None => "{protocol: TCP}".to_owned(),
    }
}

fn from_workload(
    text: &mut String,
    head: &Head<'_>,
    namespace: &Namespace,
    subject: &Workload,
    random: &mut Random,
) {
    let mut spec = format!(
        "podSelector:\n    matchLabels: {{app: {}}}\n  policyTypes: [Ingress]\n  ingress:\n    - from:\n",
        subject.name
    );
    for _ in 0..=random.below(3) {
        if let Some(client) = random.pick(&namespace.workloads) {
            spec.push_str(&format!(
                "        - podSelector: {{matchLabels: {{app: {}}}}}\n",
                client.name
            ));
        }
    }
    spec.push_str(&format!("      ports:\n        - {}\n", port(subject, random)));
    if random.chance(30) {
        spec.push_str(
            "    - from:\n        - namespaceSelector: {matchLabels: {team: team-0}}\n      ports:\n        - {port: metrics}\n",
        );
    }
    head.network_policy(text, "from-workload", &spec);
}

fn from_namespaces(text: &mut String, head: &Head<'_>, plan: &Plan, subject: &Workload, random: &mut Random) {
    let team = random
        .pick(&plan.namespaces)
        .map_or("team-0", |namespace| &namespace.team);
    let tier = random.pick(&Tier::ALL).unwrap_or(&Tier::Web).name();
    head.network_policy(
        text,
        "from-team",
        &format!(
            "\
podSelector:
    matchLabels: {{app: {}}}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchExpressions:
              - {{key: team, operator: In, values: [{team}, team-1]}}
          podSelector:
            matchExpressions:
              - {{key: tier, operator: In, values: [{tier}]}}
              - {{key: legacy, operator: DoesNotExist}}
      ports:
        - {}
",
            subject.name,
            port(subject, random)
        ),
    );
}

fn to_workloads(
    text: &mut String,
    head: &Head<'_>,
    namespace: &Namespace,
    subject: &Workload,
    random: &mut Random,
) {
    let Some(server) = random.pick(&namespace.workloads) else {
        return;
    };
    // By tier the name stands for different numbers on different pods.
    let peer = if random.chance(50) {
        format!("tier: {}", server.tier.name())
    } else {
        format!("app: {}", server.name)
    };
    head.network_policy(
        text,
        "to-workloads",
        &format!(
            "\
podSelector:
    matchLabels: {{app: {}}}
  policyTypes: [Egress]
  egress:
    - to:
        - podSelector: {{matchLabels: {{{peer}}}}}
      ports:
        - {}
",
            subject.name,
            port(server, random)
        ),
    );
}

fn to_blocks(text: &mut String, head: &Head<'_>, subject: &Workload, random: &mut Random) {
    let (a, b) = (random.below(64), random.below(256));
    let block = match random.below(4) {
        0 => "cidr: 0.0.0.0/0\n            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]".to_owned(),
        1 => format!("cidr: 192.168.0.0/16\n            except: [192.168.{b}.0/24]"),
        2 => format!(
            "cidr: 203.0.{b}.0/24\n            except: [203.0.{b}.{}/26]",
            64 * (a % 4)
        ),
        _ => format!("cidr: 198.{}.{b}.0/24", 18 + a % 2),
    };
    head.network_policy(
        text,
        "to-blocks",
        &format!(
            "\
podSelector:
    matchLabels: {{app: {}}}
  policyTypes: [Egress]
  egress:
    - to:
        - ipBlock:
            {block}
      ports:
        - {{port: 443}}
        - {{port: {}, endPort: {}}}
",
            subject.name,
            8000 + a,
            8100 + a
        ),
    );
}

fn tier_wide(text: &mut String, head: &Head<'_>, namespace: &Namespace, random: &mut Random) {
    let subject = random.pick(&Tier::ALL).unwrap_or(&Tier::Web);
    let client = random
        .pick(&namespace.workloads)
        .map_or(Tier::Web, |workload| workload.tier);
    head.network_policy(
        text,
        "tier",
        &format!(
            "\
podSelector:
    matchLabels: {{tier: {}}}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {{matchLabels: {{tier: {}}}}}
      ports:
        - {{port: {}}}
",
            subject.name(),
            client.name(),
            subject.port().0
        ),
    );
}

fn cilium(
    text: &mut String,
    head: &Head<'_>,
    namespace: &Namespace,
    subject: &Workload,
    random: &mut Random,
) {
    let server = random.pick(&namespace.workloads).unwrap_or(subject);
    let (name, number, protocol) = server.ports.first().copied().unwrap_or(("http", 8080, "TCP"));
    let spec = match random.below(4) {
        0 => format!(
            "\
endpointSelector: {{matchLabels: {{app: {}}}}}
  egressDeny:
    - toEndpoints:
        - matchLabels: {{app: {}}}
      toPorts:
        - ports: [{{port: {name}, protocol: {protocol}}}]
",
            subject.name, server.name
        ),
        1 => format!(
            "\
endpointSelector: {{matchLabels: {{tier: {}}}}}
  ingressDeny:
    - fromCIDRSet:
        - cidr: 192.168.{}.0/24
",
            subject.tier.name(),
            random.below(256)
        ),
        2 => format!(
            "\
endpointSelector: {{matchLabels: {{app: {}}}}}
  ingress:
    - fromEntities: [host, remote-node]
      toPorts:
        - ports: [{{port: metrics, protocol: TCP}}]
",
            subject.name
        ),
        _ => format!(
            "\
endpointSelector: {{matchLabels: {{app: {}}}}}
  egress:
    - toEndpoints:
        - matchLabels: {{app: {}}}
      toPorts:
        - ports: [{{port: \"{number}\", protocol: {protocol}}}]
",
            subject.name, server.name
        ),
    };
    head.object(text, "cilium.io/v2", "CiliumNetworkPolicy", "cilium", &spec);
}

/// `count` policies for the whole cluster: in the admin tier, clusterwide beside the namespaced ones, one baseline.
pub(super) fn cluster_wide(text: &mut String, count: usize, random: &mut Random) {
    for index in 0..count {
        match index {
            0 => text.push_str(
                "\
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata:
  name: baseline
spec:
  tier: Baseline
  priority: 0
  subject: {namespaces: {}}
  ingress:
    - action: Accept
      from: [{namespaces: {matchLabels: {team: team-0}}}]
    - action: Deny
      from: [{namespaces: {}}]
",
            ),
            _ if index % 2 == 0 => text.push_str(&format!(
                "\
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata:
  name: clusterwide-{index}
spec:
  endpointSelector: {{matchLabels: {{team: team-{}}}}}
  enableDefaultDeny: {{ingress: false, egress: false}}
  egressDeny:
    - toCIDRSet:
        - cidr: 169.254.169.{}/32
",
                random.below(40),
                random.below(255)
            )),
            _ => text.push_str(&format!(
                "\
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata:
  name: admin-{index}
spec:
  tier: Admin
  priority: {index}
  subject: {{namespaces: {{matchLabels: {{team: team-{}}}}}}}
  ingress:
    - action: {}
      from:
        - namespaces: {{matchLabels: {{team: team-{}}}}}
",
                random.below(40),
                random.pick(&["Accept", "Deny", "Pass"]).unwrap_or(&"Deny"),
                random.below(40)
            )),
        }
    }
}
