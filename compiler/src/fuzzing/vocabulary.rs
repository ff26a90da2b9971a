//! The shapes of policies, and a small cluster that they speak of.

use super::shape::{
    Field,
    Shape::{self, Any, AtLeastOne, List, Map, OneOf, Text, Words},
    always, maybe, rare, seldom,
};

/// Two namespaces, a port name with two numbers, one on the host network, a node, a Service and a group of blocks.
pub(super) const CLUSTER: &str = include_str!("cluster.yaml");

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
const fn policy_rule(peers: &'static str) -> [Field; 2] {
    [
        maybe(peers, &List(&PEER, 3)),
        maybe("ports", &List(&POLICY_PORT, 3)),
    ]
}
const NETWORK_POLICY: Shape = Map(&[
    required("podSelector", &PLAIN),
    maybe(
        "policyTypes",
        &Words(
            &["[Ingress]", "[Egress]", "[Ingress, Egress]", "[]"],
            &["[ingress]"],
        ),
    ),
    maybe("ingress", &List(&Map(&policy_rule("from")), 3)),
    maybe("egress", &List(&Map(&policy_rule("to")), 3)),
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
/// A rule: the peers of either side, and those of one alone.
macro_rules! cilium_rule {
    ($side:literal $(, $alone:expr)*) => {
        OneOf(
            &[
                maybe(concat!($side, "Endpoints"), &SELECTORS),
                maybe(concat!($side, "CIDRSet"), &List(&CIDR_RULE, 2)),
                maybe(concat!($side, "Entities"), &ENTITIES),
                maybe(concat!($side, "CIDR"), &List(&BLOCK, 2)),
                $($alone,)*
                maybe(concat!($side, "Nodes"), &SELECTORS),
                maybe("toPorts", &List(&PORT_RULE, 2)),
                maybe(concat!($side, "Groups"), &Text(&["[{aws: {region: r}}]", "[]"])),
            ],
            &PORTS,
        )
    };
}
const CILIUM_INGRESS: Shape = cilium_rule!("from");
const CILIUM_EGRESS: Shape = cilium_rule!(
    "to",
    maybe("toFQDNs", &List(&FQDN, 2)),
    maybe("toServices", &List(&SERVICE, 2))
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
const PROTOCOL_LIST: Field = maybe("protocols", &PROTOCOLS);
const CLUSTER_POLICY: Shape = Map(&[
    required("tier", &Words(&["Admin", "Baseline"], &["admin"])),
    required("priority", &PRIORITY),
    required("subject", &SUBJECT),
    maybe(
        "ingress",
        &List(&Map(&tiered_rule(&ACTION, FROM, PROTOCOL_LIST)), 3),
    ),
    maybe("egress", &List(&Map(&tiered_rule(&ACTION, TO, PROTOCOL_LIST)), 3)),
]);
const FROM: Field = required("from", &AtLeastOne(&SUBJECT, 2));
const TO: Field = required("to", &AtLeastOne(&CLUSTER_EGRESS_PEER, 2));

/// A rule of either direction and either API.
const fn tiered_rule(action: &'static Shape, peers: Field, ports: Field) -> [Field; 4] {
    [required("action", action), peers, ports, seldom("name", &VALUE)]
}

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
const ADMIN_ACTION: Shape = Words(&["Allow", "Deny", "Pass"], &["Accept"]);
const ADMIN_PORT_LIST: Field = maybe("ports", &ADMIN_PORTS);
const ADMIN: Shape = Map(&[
    required("priority", &PRIORITY),
    required("subject", &SUBJECT),
    maybe(
        "ingress",
        &List(&Map(&tiered_rule(&ADMIN_ACTION, FROM, ADMIN_PORT_LIST)), 3),
    ),
    maybe(
        "egress",
        &List(&Map(&tiered_rule(&ADMIN_ACTION, TO, ADMIN_PORT_LIST)), 3),
    ),
]);
