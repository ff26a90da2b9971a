//! The shapes of policies, and a small cluster that they speak of.

use super::shape::{
    Field,
    Shape::{self, Any, AtLeastOne, List, Map, OneOf, Text, Words},
    always, maybe, rare, seldom,
};

/// Two namespaces, a port name with two numbers, one on the host network, a node, a Service and a group of blocks.
pub(super) const CLUSTER: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: blue}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ledger, labels: {team: red}}
---
apiVersion: v1
kind: Node
metadata: {name: node-a, labels: {zone: one}}
spec: {podCIDR: 10.0.0.0/24}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web, tier: front}}
spec:
  nodeName: node-a
  serviceAccountName: web
  containers: [{name: a, ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]}]
status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec:
  containers: [{name: a, ports: [{name: http, containerPort: 80}]}, {name: b, ports: [{name: http, containerPort: 81}]}]
status: {podIP: 10.0.0.2}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: ledger}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: a, ports: [{name: http, containerPort: 5432}, {containerPort: 9090}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {hostNetwork: true, nodeName: node-a, containers: [{name: a, ports: [{name: http, containerPort: 9100}]}]}
status: {podIP: 192.168.0.1}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: web, port: 80, targetPort: http}]}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: office, labels: {site: north}}
spec: {externalCIDRs: [203.0.113.0/24, 10.0.0.0/30]}
";

pub(super) const KINDS: &[(&str, Shape)] = &[
    (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: NAME, namespace: shop}\nspec: ",
        NETWORK_POLICY,
    ),
    (
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: NAME, namespace: shop}\nspec: ",
        CILIUM,
    ),
    (
        "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: NAME}\nspec: ",
        CILIUM,
    ),
    (
        "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: NAME}\nspec: ",
        CLUSTER_POLICY,
    ),
    (
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: NAME, namespace: ledger}\nspecs: ",
        List(&CILIUM, 2),
    ),
    (
        "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: NAME}\nspec: ",
        ADMIN,
    ),
];

const KEY: &[&str] = &[
    "app",
    "team",
    "tier",
    "kubernetes.io/metadata.name",
    "k8s:app",
    "any:app",
    "k8s:io.kubernetes.pod.namespace",
    "io.kubernetes.pod.namespace",
    "k8s:io.cilium.k8s.namespace.labels.team",
    "io.cilium.k8s.policy.serviceaccount",
    "io.cilium.k8s.policy.cluster",
    "reserved:host",
    "reserved:world",
    "cidrgroup:site",
    "zone",
];
const NO_KEY: &[&str] = &["-bad-", "\"\"", "a b"];
const VALUE: Shape = Words(
    &[
        "web", "db", "blue", "red", "shop", "ledger", "agent", "front", "one", "north", "default", "\"\"",
    ],
    &["\"web x\"", "-x", "1"],
);
const LABELS: Shape = Any(&[
    Map(&[
        maybe("app", &VALUE),
        seldom("team", &VALUE),
        seldom("tier", &VALUE),
        seldom("kubernetes.io/metadata.name", &VALUE),
    ]),
    Map(&[
        maybe("k8s:app", &VALUE),
        maybe("k8s:io.kubernetes.pod.namespace", &VALUE),
        seldom("k8s:io.cilium.k8s.namespace.labels.team", &VALUE),
        seldom("reserved:host", &VALUE),
        seldom("reserved:world", &VALUE),
        seldom("cidrgroup:site", &VALUE),
        seldom("any:tier", &VALUE),
    ]),
]);
const EXPRESSION: Shape = Any(&[
    Map(&[
        always("key", &Words(KEY, NO_KEY)),
        always("operator", &Words(&["In", "NotIn"], &["in", "Exists"])),
        always("values", &AtLeastOne(&VALUE, 2)),
    ]),
    Map(&[
        always("key", &Words(KEY, NO_KEY)),
        always("operator", &Words(&["Exists", "DoesNotExist"], &["exists", "In"])),
    ]),
]);
const SELECTOR: Shape = Any(&[
    Map(&[maybe("matchLabels", &LABELS)]),
    Map(&[
        seldom("matchLabels", &LABELS),
        maybe("matchExpressions", &List(&EXPRESSION, 2)),
    ]),
]);
const SELECTORS: Shape = List(&SELECTOR, 3);
const PROTOCOL: Shape = Words(&["TCP", "UDP", "SCTP"], &["tcp", "ANY", "ICMP"]);
const NUMBER: Shape = Words(
    &[
        "80", "8080", "81", "53", "1", "65535", "443", "5432", "9090", "9091",
    ],
    &["0", "65536", "-1"],
);
const NAME_OR_NUMBER: Shape = Words(
    &["http", "80", "dns", "8080", "81", "web", "metrics", "65535", "53"],
    &["HTTP", "0", "-http", "\"80\"", "\"080\"", "\"0x50\""],
);
const BLOCK: Shape = Words(
    &[
        "10.0.0.0/24",
        "0.0.0.0/0",
        "10.0.0.0/8",
        "203.0.113.0/24",
        "203.0.113.7/32",
        "192.168.0.0/16",
        "169.254.169.254/32",
        "0.0.0.0/1",
        "\"::/0\"",
        "\"fd00::/64\"",
    ],
    &["10.0.0.1", "10.0.0.1/8", "10.0.0.0/33", "\"::ffff:10.0.0.0/104\""],
);

const fn required(name: &'static str, shape: &'static Shape) -> Field {
    always(name, shape)
}

// NetworkPolicy.

/// A selector of Kubernetes' own APIs, whose keys have no source.
const PLAIN: Shape = Any(&[
    Map(&[maybe(
        "matchLabels",
        &Map(&[
            maybe("app", &VALUE),
            seldom("team", &VALUE),
            seldom("tier", &VALUE),
            seldom("kubernetes.io/metadata.name", &VALUE),
        ]),
    )]),
    Map(&[maybe("matchExpressions", &List(&PLAIN_EXPRESSION, 2))]),
]);
const PLAIN_KEY: &[&str] = &["app", "team", "tier", "zone", "kubernetes.io/metadata.name"];
const PLAIN_EXPRESSION: Shape = Any(&[
    Map(&[
        always("key", &Words(PLAIN_KEY, NO_KEY)),
        always("operator", &Words(&["In", "NotIn"], &["in", "Exists"])),
        always("values", &AtLeastOne(&VALUE, 2)),
    ]),
    Map(&[
        always("key", &Words(PLAIN_KEY, NO_KEY)),
        always("operator", &Words(&["Exists", "DoesNotExist"], &["exists", "In"])),
    ]),
]);

const IP_BLOCK: Shape = Map(&[required("cidr", &BLOCK), rare("except", &List(&BLOCK, 2))]);
const PEER: Shape = OneOf(
    &[
        maybe("podSelector", &PLAIN),
        maybe("namespaceSelector", &PLAIN),
        maybe("ipBlock", &IP_BLOCK),
    ],
    &[seldom("podSelector", &PLAIN), seldom("namespaceSelector", &PLAIN)],
);
const POLICY_PORT: Shape = Map(&[
    maybe("protocol", &PROTOCOL),
    maybe("port", &NAME_OR_NUMBER),
    rare("endPort", &Text(&["65535", "9090"])),
]);
const POLICY_INGRESS: Shape = Map(&[
    maybe("from", &List(&PEER, 3)),
    maybe("ports", &List(&POLICY_PORT, 3)),
]);
const POLICY_EGRESS: Shape = Map(&[
    maybe("to", &List(&PEER, 3)),
    maybe("ports", &List(&POLICY_PORT, 3)),
]);
const NETWORK_POLICY: Shape = Map(&[
    required("podSelector", &PLAIN),
    maybe(
        "policyTypes",
        &Words(
            &["[Ingress]", "[Egress]", "[Ingress, Egress]", "[]"],
            &["[ingress]"],
        ),
    ),
    maybe("ingress", &List(&POLICY_INGRESS, 3)),
    maybe("egress", &List(&POLICY_EGRESS, 3)),
]);

// Cilium.

const CIDR_RULE: Shape = OneOf(
    &[
        maybe("cidr", &BLOCK),
        maybe("cidrGroupRef", &Text(&["office", "home"])),
        maybe("cidrGroupSelector", &SELECTOR),
    ],
    &[rare("except", &List(&BLOCK, 2))],
);
const ENTITIES: Shape = List(
    &Text(&[
        "all",
        "world",
        "cluster",
        "host",
        "remote-node",
        "kube-apiserver",
        "world-ipv4",
        "world-ipv6",
        "none",
        "init",
        "health",
        "ingress",
        "unmanaged",
        "nobody",
    ]),
    2,
);
const SERVICE: Shape = OneOf(
    &[
        maybe(
            "k8sService",
            &Map(&[maybe("serviceName", &VALUE), maybe("namespace", &VALUE)]),
        ),
        maybe(
            "k8sServiceSelector",
            &Map(&[maybe("selector", &SELECTOR), maybe("namespace", &VALUE)]),
        ),
    ],
    &[],
);
const FQDN: Shape = OneOf(
    &[
        maybe(
            "matchName",
            &Text(&["example.com", "example.com.", "a..b", "\"\""]),
        ),
        maybe(
            "matchPattern",
            &Text(&["\"*.example.com\"", "\"*\"", "\"**.a.b\"", "\"a*b\"", "\"[\""]),
        ),
    ],
    &[],
);
const CILIUM_PORT: Shape = Map(&[
    required(
        "port",
        &Words(
            &[
                "\"80\"",
                "http",
                "\"8080\"",
                "\"0\"",
                "dns",
                "\"443\"",
                "\"65535\"",
                "\"1\"",
                "web",
                "HTTP",
                "\"0x50\"",
            ],
            &["\"010\"", "80", "\"65536\"", "\"-1\"", "\"\""],
        ),
    ),
    seldom("endPort", &Text(&["65535", "9090", "80"])),
    maybe(
        "protocol",
        &Words(&["TCP", "UDP", "SCTP", "ANY"], &["tcp", "ICMP"]),
    ),
]);
const LAYER_7: Shape = Text(&[
    "{http: [{method: GET, path: /}]}",
    "{dns: [{matchPattern: \"*\"}]}",
    "{kafka: [{role: produce}]}",
    "{http: [{}], dns: [{}]}",
    "{}",
    "{http: []}",
    "{l7proto: x, l7: [{a: b}]}",
]);
const PORT_RULE: Shape = Map(&[
    required("ports", &List(&CILIUM_PORT, 3)),
    rare("rules", &LAYER_7),
    rare("serverNames", &Text(&["[a.example]", "[]", "[\"*.b\"]"])),
    rare("listener", &Text(&["{name: l, envoyConfig: {name: e}}"])),
    rare("terminatingTLS", &Text(&["{secret: {name: s}}"])),
]);
const ICMP: Shape = Map(&[required(
    "fields",
    &List(
        &Map(&[
            maybe("family", &Words(&["IPv4", "IPv6"], &["ipv6"])),
            required(
                "type",
                &Words(&["8", "EchoRequest", "0", "128"], &["256", "Nothing", "\"8\""]),
            ),
        ]),
        2,
    ),
)]);
const AUTHENTICATION: Shape = Text(&[
    "{mode: required}",
    "{mode: disabled}",
    "{}",
    "{mode: test-always-fail}",
]);
const PORTS: [Field; 3] = [
    maybe("toPorts", &List(&PORT_RULE, 2)),
    rare("icmps", &List(&ICMP, 2)),
    rare("authentication", &AUTHENTICATION),
];
const CILIUM_INGRESS: Shape = OneOf(
    &[
        maybe("fromEndpoints", &SELECTORS),
        maybe("fromCIDRSet", &List(&CIDR_RULE, 2)),
        maybe("fromEntities", &ENTITIES),
        maybe("fromCIDR", &List(&BLOCK, 2)),
        maybe("fromNodes", &SELECTORS),
        maybe("toPorts", &List(&PORT_RULE, 2)),
        maybe("fromGroups", &Text(&["[{aws: {region: r}}]", "[]"])),
    ],
    &PORTS,
);
const CILIUM_EGRESS: Shape = OneOf(
    &[
        maybe("toEndpoints", &SELECTORS),
        maybe("toCIDRSet", &List(&CIDR_RULE, 2)),
        maybe("toEntities", &ENTITIES),
        maybe("toCIDR", &List(&BLOCK, 2)),
        maybe("toFQDNs", &List(&FQDN, 2)),
        maybe("toServices", &List(&SERVICE, 2)),
        maybe("toNodes", &SELECTORS),
        maybe("toPorts", &List(&PORT_RULE, 2)),
        maybe("toGroups", &Text(&["[{aws: {region: r}}]", "[]"])),
    ],
    &PORTS,
);
const CILIUM: Shape = OneOf(
    &[
        maybe("endpointSelector", &SELECTOR),
        maybe("endpointSelector", &SELECTOR),
        maybe("endpointSelector", &SELECTOR),
        maybe("nodeSelector", &SELECTOR),
    ],
    &[
        maybe("ingress", &List(&CILIUM_INGRESS, 3)),
        maybe("egress", &List(&CILIUM_EGRESS, 3)),
        seldom("ingressDeny", &List(&CILIUM_INGRESS, 2)),
        seldom("egressDeny", &List(&CILIUM_EGRESS, 2)),
        seldom(
            "enableDefaultDeny",
            &Text(&[
                "{ingress: false}",
                "{egress: false}",
                "{ingress: true, egress: true}",
                "{}",
            ]),
        ),
        seldom("labels", &Text(&["[{key: a}]"])),
    ],
);

// ClusterNetworkPolicy and its predecessor.

const PODS: Shape = Map(&[
    required("namespaceSelector", &PLAIN),
    required("podSelector", &PLAIN),
]);
const SUBJECT: Shape = OneOf(&[maybe("namespaces", &PLAIN), maybe("pods", &PODS)], &[]);
const CLUSTER_EGRESS_PEER: Shape = OneOf(
    &[
        maybe("namespaces", &PLAIN),
        maybe("pods", &PODS),
        maybe("nodes", &PLAIN),
        maybe("networks", &List(&BLOCK, 2)),
        maybe(
            "domainNames",
            &Text(&["[example.com]", "[\"*.example.com\"]", "[\"*\"]"]),
        ),
    ],
    &[],
);
const TRANSPORT: Shape = Map(&[required(
    "destinationPort",
    &OneOf(
        &[
            maybe("number", &NUMBER),
            maybe(
                "range",
                &Map(&[required("start", &NUMBER), required("end", &NUMBER)]),
            ),
        ],
        &[],
    ),
)]);
const PROTOCOLS: Shape = AtLeastOne(
    &OneOf(
        &[
            maybe("tcp", &TRANSPORT),
            maybe("udp", &TRANSPORT),
            maybe("sctp", &TRANSPORT),
            maybe("destinationNamedPort", &NAME_OR_NUMBER),
        ],
        &[],
    ),
    2,
);
const ACTION: Shape = Words(&["Accept", "Deny", "Pass"], &["Allow"]);
const PRIORITY: Shape = Words(&["10", "0", "1000", "11"], &["1001", "-1"]);
const CLUSTER_POLICY: Shape = Map(&[
    required("tier", &Words(&["Admin", "Baseline"], &["admin"])),
    required("priority", &PRIORITY),
    required("subject", &SUBJECT),
    maybe(
        "ingress",
        &List(
            &Map(&[
                required("action", &ACTION),
                required("from", &AtLeastOne(&SUBJECT, 2)),
                maybe("protocols", &PROTOCOLS),
                seldom("name", &VALUE),
            ]),
            3,
        ),
    ),
    maybe(
        "egress",
        &List(
            &Map(&[
                required("action", &ACTION),
                required("to", &AtLeastOne(&CLUSTER_EGRESS_PEER, 2)),
                maybe("protocols", &PROTOCOLS),
            ]),
            3,
        ),
    ),
]);
const ADMIN_PORTS: Shape = AtLeastOne(
    &OneOf(
        &[
            maybe(
                "portNumber",
                &Map(&[required("protocol", &PROTOCOL), required("port", &NUMBER)]),
            ),
            maybe("namedPort", &NAME_OR_NUMBER),
            maybe(
                "portRange",
                &Map(&[
                    required("protocol", &PROTOCOL),
                    required("start", &NUMBER),
                    required("end", &NUMBER),
                ]),
            ),
        ],
        &[],
    ),
    2,
);
const ADMIN: Shape = Map(&[
    required("priority", &PRIORITY),
    required("subject", &SUBJECT),
    maybe(
        "ingress",
        &List(
            &Map(&[
                required("action", &Words(&["Allow", "Deny", "Pass"], &["Accept"])),
                required("from", &AtLeastOne(&SUBJECT, 2)),
                maybe("ports", &ADMIN_PORTS),
            ]),
            3,
        ),
    ),
    maybe(
        "egress",
        &List(
            &Map(&[
                required("action", &Words(&["Allow", "Deny", "Pass"], &["Accept"])),
                required("to", &AtLeastOne(&CLUSTER_EGRESS_PEER, 2)),
                maybe("ports", &ADMIN_PORTS),
            ]),
            3,
        ),
    ),
]);
