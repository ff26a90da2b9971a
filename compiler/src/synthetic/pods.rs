//! Namespaces, nodes and workloads as manifests.

use super::{Namespace, PODS_PER_NODE, Shape, Workload};

/// Pods in one `List`, as `kubectl` fetches them.
const LIST: usize = 500;

pub(super) fn namespace(text: &mut String, namespace: &Namespace) {
    let Namespace { name, team, .. } = namespace;
    text.push_str(&format!(
        "\
---
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels:
    team: {team}
    kubernetes.io/metadata.name: {name}
"
    ));
}

pub(super) fn node(text: &mut String, node: usize) {
    let (high, low) = (node / 256, node % 256);
    text.push_str(&format!(
        "\
---
apiVersion: v1
kind: Node
metadata:
  name: node-{node}
  labels:
    kubernetes.io/hostname: node-{node}
    topology.kubernetes.io/zone: zone-{}
spec:
  podCIDR: 10.{}.{low}.0/24
  podCIDRs: [10.{}.{low}.0/24]
status:
  addresses:
    - {{type: InternalIP, address: 172.31.{high}.{low}}}
",
        node % 3,
        64 + high,
        64 + high
    ));
}

/// The namespace's pods, the first of which is the cluster's pod number `first`; without pods its Deployments.
pub(super) fn workloads(text: &mut String, namespace: &Namespace, shape: &Shape, first: usize) {
    if shape.pods == 0 {
        for workload in &namespace.workloads {
            deployment(text, namespace, workload);
        }
        return;
    }
    let pods = namespace
        .workloads
        .iter()
        .flat_map(|workload| (0..workload.pods).map(move |replica| (workload, replica)));
    for (index, (workload, replica)) in pods.enumerate() {
        if index % LIST == 0 {
            text.push_str("---\napiVersion: v1\nkind: List\nitems:\n");
        }
        // Schedulers spread replicas: neighbours stand on different nodes.
        let number = first + index;
        let (node, slot) = (number % shape.nodes(), number / shape.nodes());
        pod(text, namespace, workload, replica, node, slot);
    }
}

fn pod(
    text: &mut String,
    namespace: &Namespace,
    workload: &Workload,
    replica: usize,
    node: usize,
    slot: usize,
) {
    debug_assert!(slot < PODS_PER_NODE, "a node takes no more pods");
    let name = &workload.name;
    let labels = labels(namespace, workload, "      ");
    let spec = spec(workload, "    ");
    let address = format!("10.{}.{}.{}", 64 + node / 256, node % 256, 2 + slot);
    text.push_str(&format!(
        "\
- apiVersion: v1
  kind: Pod
  metadata:
    name: {name}-{replica}
    namespace: {}
    creationTimestamp: \"2025-01-01T00:00:00Z\"
    labels:
{labels}    ownerReferences:
      - apiVersion: apps/v1
        kind: StatefulSet
        name: {name}
        uid: 00000000-0000-0000-0000-000000000000
        controller: true
  spec:
    nodeName: node-{node}
    serviceAccountName: {name}
    restartPolicy: Always
{spec}  status:
    phase: Running
    hostIP: 172.31.{}.{}
    podIP: {address}
    podIPs:
      - ip: {address}
    qosClass: Burstable
    conditions:
      - {{type: Ready, status: \"True\"}}
",
        namespace.name,
        node / 256,
        node % 256,
    ));
}

fn deployment(text: &mut String, namespace: &Namespace, workload: &Workload) {
    let name = &workload.name;
    let labels = labels(namespace, workload, "        ");
    let spec = spec(workload, "      ");
    text.push_str(&format!(
        "\
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
{labels}    spec:
      serviceAccountName: {name}
{spec}",
        namespace.name
    ));
}

fn labels(namespace: &Namespace, workload: &Workload, indent: &str) -> String {
    format!(
        "\
{indent}app: {}
{indent}tier: {}
{indent}team: {}
{indent}version: v{}
{indent}app.kubernetes.io/managed-by: Helm
",
        workload.name,
        workload.tier.name(),
        namespace.team,
        workload.version
    )
}

fn spec(workload: &Workload, indent: &str) -> String {
    let mut text = format!(
        "\
{indent}containers:
{indent}- name: main
{indent}  image: registry.example/{}:v{}
{indent}  resources:
{indent}    requests: {{cpu: 100m, memory: 128Mi}}
{indent}    limits: {{memory: 256Mi}}
{indent}  ports:
",
        workload.name, workload.version
    );
    for (name, number, protocol) in &workload.ports {
        text.push_str(&format!(
            "{indent}  - name: {name}\n{indent}    containerPort: {number}\n{indent}    protocol: {protocol}\n"
        ));
    }
    text
}
