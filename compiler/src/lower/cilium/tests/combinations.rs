//! Any combination of what an entry can say is lowered or refused, never half understood.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PEERS: &[&str] = &[
    "Endpoints: []",
    "Endpoints: [{}]",
    "Endpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': pay}}]",
    "Endpoints: [{matchExpressions: [{key: 'reserved:world', operator: DoesNotExist}]}]",
    "CIDR: [10.0.0.0/8]",
    "CIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]",
    "CIDRSet: [{cidrGroupRef: outside}]",
    "Entities: [world, kube-apiserver]",
    "Entities: [nobody]",
    "Nodes: [{matchLabels: {zone: a}}]",
    "Groups: [{aws: {region: r}}]",
    "Services: [{k8sService: {serviceName: db}}]",
    "FQDNs: [{matchPattern: '*.example.com'}]",
];
const PORTS: &[&str] = &[
    "toPorts: []",
    "toPorts: [{}]",
    "toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]",
    "toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}, {ports: [{port: http}]}]",
    "toPorts: [{ports: [{port: '1', endPort: 9, protocol: SCTP}, {port: '0', protocol: UDP}]}]",
    "toPorts: [{ports: [{port: '010'}]}]",
    "icmps: [{fields: [{type: 8}]}]",
    "icmps: [{fields: []}]",
    "authentication: {mode: required}",
];

fn entry(side: &'static str) -> impl Strategy<Value = String> {
    let peers = subsequence(PEERS, 0..=2).prop_map(move |peers| {
        let ingress = side == "from";
        peers
            .into_iter()
            .filter(|peer| !(ingress && (peer.starts_with("Services") || peer.starts_with("FQDNs"))))
            .map(|peer| format!("{side}{peer}"))
            .collect::<Vec<_>>()
    });
    (peers, subsequence(PORTS, 0..=2)).prop_map(|(mut fields, ports)| {
        fields.extend(ports.into_iter().map(str::to_owned));
        let mut seen = std::collections::BTreeSet::new();
        fields.retain(|field| seen.insert(field.split(':').next().map(str::to_owned)));
        format!("{{{}}}", fields.join(", "))
    })
}

fn spec() -> impl Strategy<Value = String> {
    let section = |name: &'static str, side| {
        vec(entry(side), 0..=2).prop_map(move |entries| format!("{name}: [{}]", entries.join(", ")))
    };
    (
        select(
            &[
                "endpointSelector: {}",
                "nodeSelector: {}",
                "endpointSelector: {matchLabels: {app: a}}",
            ][..],
        ),
        section("ingress", "from"),
        section("ingressDeny", "from"),
        section("egress", "to"),
        section("egressDeny", "to"),
        select(
            &[
                "",
                "enableDefaultDeny: {ingress: false}",
                "enableDefaultDeny: {egress: true}",
            ][..],
        ),
    )
        .prop_map(|(subject, a, b, c, d, deny)| [subject, &a, &b, &c, &d, deny].join("\n"))
}

proptest! {
    #[test]
    fn are_lowered_or_refused(spec in spec(), clusterwide in any::<bool>()) {
        let policy = if clusterwide { ccnp(&spec) } else { cnp(&spec) };
        let lowered = lowered(&format!("{policy}{GROUPS}{SERVICES}"));
        for finding in &lowered.findings {
            let at = &finding.labels[0].origin;
            prop_assert!(at.line > 0 && !at.path.is_empty(), "{finding:?}");
        }
        let model = &lowered.model;
        prop_assert_eq!(&ir::text::parse(&ir::text::print(model)).unwrap(), model);
        if lowered.findings.iter().any(|finding| finding.blocks_analysis) {
            return Ok(());
        }
        let policy = &model.policies()[0];
        for rule in &policy.rules {
            prop_assert!(policy.applies.has(rule.direction));
            prop_assert!(rule.action == ir::policy::Action::Allow || rule.beyond.iter().all(|demand| demand.kind == ir::policy::BeyondKind::CloudGroups));
        }
        // An entry becomes at least one rule, and a policy without entries is refused.
        prop_assert!(!policy.rules.is_empty());
        let narrow = ir::enforceable::narrowed(model);
        prop_assert!(narrow.policies().iter().flat_map(|policy| &policy.rules).all(|rule| rule.beyond.is_empty()));
    }
}
