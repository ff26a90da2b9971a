//! From manifests to verdicts: the semantics where their meaning shows in flows.

use super::{cnp, lowered};

const CLUSTER: &str = "\
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {nodeName: n1, containers: [{name: main, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: []}
---
apiVersion: v1
kind: Pod
metadata: {name: till, namespace: pay, labels: {app: till}}
spec: {nodeName: n2, containers: []}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
";

/// Which of the peers reach `shop/api` on which of its ports.
fn reachable(policy: &str) -> String {
    let model = lowered(&format!("{policy}{CLUSTER}")).model;
    let mut text = Vec::new();
    for peer in ["shop/web", "pay/till", "node n2", "203.0.113.9", "2001:db8::9"] {
        for port in ["8080/TCP", "80/TCP", "8080/UDP", "8/ICMP"] {
            let flow = ir::text::parse_flow(&model.cluster, &format!("{peer} -> shop/api {port}")).unwrap();
            if ir::evaluator::evaluate(&model, &flow).allowed() {
                text.push(format!("{peer} {port}"));
            }
        }
    }
    text.join(", ")
}

#[test]
fn verdicts_are_those_of_the_semantics() {
    let everything = "shop/web 8080/TCP, shop/web 80/TCP, shop/web 8080/UDP, shop/web 8/ICMP, pay/till 8080/TCP, pay/till 80/TCP, pay/till 8080/UDP, pay/till 8/ICMP, node n2 8080/TCP, node n2 80/TCP, node n2 8080/UDP, node n2 8/ICMP, 203.0.113.9 8080/TCP, 203.0.113.9 80/TCP, 203.0.113.9 8080/UDP, 203.0.113.9 8/ICMP, 2001:db8::9 8080/TCP, 2001:db8::9 80/TCP, 2001:db8::9 8080/UDP, 2001:db8::9 8/ICMP";
    for (spec, expected) in [
        // The opposite of NetworkPolicy, whose `ingress: [{}]` allows everything.
        ("ingress: [{}]", ""),
        ("ingress: [{fromEntities: [all]}]", everything),
        ("enableDefaultDeny: {ingress: false}\ningress: [{}]", everything),
        ("ingress: [{fromEndpoints: []}]", ""),
        (
            "ingress: [{fromEndpoints: [{}]}]",
            "shop/web 8080/TCP, shop/web 80/TCP, shop/web 8080/UDP, shop/web 8/ICMP",
        ),
        ("ingress: [{fromEndpoints: [{}], toPorts: [{}]}]", ""),
        (
            "ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: '0'}]}]}]",
            "shop/web 8080/TCP, shop/web 80/TCP, shop/web 8080/UDP",
        ),
        (
            "ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: HTTP}]}]}]",
            "shop/web 8080/TCP",
        ),
        (
            "ingress: [{icmps: [{fields: [{type: EchoRequest}]}], fromEntities: [world]}]",
            "203.0.113.9 8/ICMP, 2001:db8::9 8/ICMP",
        ),
        (
            "ingress: [{fromCIDR: [203.0.113.0/24], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]",
            "203.0.113.9 80/TCP",
        ),
        (
            "ingress: [{fromEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [shop]}]}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]",
            "pay/till 80/TCP",
        ),
        (
            "ingress: [{fromEndpoints: [{matchExpressions: [{key: 'reserved:host', operator: DoesNotExist}]}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]",
            "shop/web 80/TCP, pay/till 80/TCP, node n2 80/TCP, 203.0.113.9 80/TCP, 2001:db8::9 80/TCP",
        ),
        (
            "enableDefaultDeny: {ingress: false}\ningressDeny: [{fromEntities: [world, remote-node, cluster], toPorts: [{ports: [{port: '80', protocol: TCP}, {port: '8080'}]}]}]",
            "shop/web 8/ICMP, pay/till 8/ICMP, node n2 8/ICMP, 203.0.113.9 8/ICMP, 2001:db8::9 8/ICMP",
        ),
        // The API server may be any node or any address outside: denied for certain, allowed for none.
        (
            "enableDefaultDeny: {ingress: false}\ningressDeny: [{fromEntities: [kube-apiserver]}]",
            "shop/web 8080/TCP, shop/web 80/TCP, shop/web 8080/UDP, shop/web 8/ICMP, pay/till 8080/TCP, pay/till 80/TCP, pay/till 8080/UDP, pay/till 8/ICMP",
        ),
        (
            "ingress: [{fromEntities: [kube-apiserver, ingress, health, init, unmanaged, none]}]",
            "",
        ),
    ] {
        let policy = cnp(&format!(
            "endpointSelector: {{matchLabels: {{app: api}}}}\n{spec}"
        ));
        assert_eq!(reachable(&policy), expected, "{spec}");
    }
    // A policy of another namespace, whatever its selector says, does not reach this one.
    let elsewhere =
        cnp("endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': shop}}\ningress: [{}]")
            .replace("namespace: shop}", "namespace: pay}");
    assert_eq!(reachable(&elsewhere), everything);
}
