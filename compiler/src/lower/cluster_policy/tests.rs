//! Each construct, and what it means; each refusal, with its place.

use crate::lower::tests::{meaning, refusals};

/// A ClusterNetworkPolicy with this `spec`; `tier`, `priority` and `subject` are filled in where it has none.
fn cluster(spec: &str) -> String {
    let head = "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p}\nspec:\n";
    object(
        head,
        spec,
        &["tier: Admin", "priority: 7", "subject: {namespaces: {}}"],
    )
}

fn admin(spec: &str) -> String {
    let head = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: p}\nspec:\n";
    object(head, spec, &["priority: 7", "subject: {namespaces: {}}"])
}

fn baseline(spec: &str) -> String {
    let head = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: default}\nspec:\n";
    object(head, spec, &["subject: {namespaces: {}}"])
}

fn object(head: &str, spec: &str, defaults: &[&str]) -> String {
    let mut text = head.to_owned();
    for line in spec.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    for default in defaults {
        let key = default.split(':').next().unwrap();
        if !spec.lines().any(|line| line.starts_with(key)) {
            text.push_str(&format!("  {default}\n"));
        }
    }
    text
}

/// Each specification with what `of` makes of it, for one snapshot that reads like a reference.
fn each(object: impl Fn(&str) -> String, of: impl Fn(&str) -> String, specs: &[&str]) -> String {
    let mut text = String::new();
    for spec in specs {
        let outcome = of(&object(spec));
        text.push_str(&format!(
            "{}\n---\n{}\n========\n",
            spec.trim_end(),
            outcome.trim_end()
        ));
    }
    text
}

/// An ingress rule that accepts these protocols from everywhere.
fn protocols(list: &str) -> String {
    format!("ingress: [{{action: Accept, from: [{{namespaces: {{}}}}], protocols: {list}}}]")
}

#[test]
fn tiers_priorities_and_order_make_the_rank() {
    insta::assert_snapshot!(each(
        cluster,
        meaning,
        &[
            "tier: Admin\npriority: 0\ningress:\n- {action: Accept, from: [{namespaces: {}}]}\n- {action: Deny, from: [{namespaces: {}}]}\n- {action: Pass, from: [{namespaces: {}}]}\negress:\n- {name: first of its own section, action: Pass, to: [{namespaces: {}}]}",
            "tier: Baseline\npriority: 1000\negress: [{action: Pass, to: [{namespaces: {}}]}]",
        ]
    ));
}

#[test]
fn directions_without_rules_are_not_spoken_of() {
    insta::assert_snapshot!(each(
        cluster,
        meaning,
        &[
            "ingress: [{action: Deny, from: [{namespaces: {}}]}]",
            "egress: [{action: Deny, to: [{namespaces: {}}]}]\ningress: []",
            "ingress: []\negress: []",
            "subject: {namespaces: {}}",
        ]
    ));
}

#[test]
fn subjects_are_pods_by_namespace_or_by_both() {
    insta::assert_snapshot!(each(
        cluster,
        meaning,
        &[
            "subject: {namespaces: {}}",
            "subject: {namespaces: {matchLabels: {team: red}}}",
            "subject: {namespaces: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}]}}",
            "subject: {pods: {namespaceSelector: {}, podSelector: {}}}",
            "subject: {pods: {namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {app: api}}}}",
            "subject: {pods: {podSelector: {matchLabels: {app: api}}}}",
        ]
    ));
}

#[test]
fn peers_of_every_kind() {
    insta::assert_snapshot!(each(
        cluster,
        meaning,
        &[
            "ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: red}}}, {pods: {podSelector: {matchLabels: {app: api}}}}]}]",
            "egress: [{action: Deny, to: [{nodes: {}}, {nodes: {matchExpressions: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]}}]}]",
            "egress: [{action: Pass, to: [{networks: [0.0.0.0/0, '::/0', 10.0.0.0/8]}]}]",
            "egress: [{action: Accept, to: [{domainNames: [Example.com, '*.example.com', a_b.example.com.]}]}]",
            "tier: Baseline\negress: [{action: Accept, to: [{domainNames: [example.com]}]}]",
        ]
    ));
}

#[test]
fn protocols_are_numbers_ranges_or_names_of_every_protocol() {
    insta::assert_snapshot!(each(
        |list| cluster(&protocols(list)),
        meaning,
        &[
            "[{tcp: {destinationPort: {number: 80}}}]",
            "[{udp: {destinationPort: {range: {start: 1, end: 65535}}}}, {sctp: {destinationPort: {number: 36412}}}]",
            "[{destinationNamedPort: http}]",
        ]
    ));
    insta::assert_snapshot!(meaning(&cluster(
        "ingress: [{action: Accept, from: [{namespaces: {}}]}]"
    )));
}

#[test]
fn the_predecessors_say_the_same_in_other_words() {
    let rules = "\
ingress:
- action: Deny
  from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: api}}}}]
  ports: [{portNumber: {port: 80}}, {portNumber: {protocol: UDP, port: 53}}, {portRange: {start: 1, end: 9, protocol: SCTP}}, {namedPort: http}]
egress:
- {action: Allow, to: [{nodes: {}}, {networks: [10.0.0.0/8]}]}
";
    let passing = format!(
        "{rules}- {{action: Pass, to: [{{namespaces: {{}}}}]}}\n- {{action: Allow, to: [{{domainNames: ['*.example.com']}}]}}"
    );
    insta::assert_snapshot!(each(admin, meaning, &[&passing]));
    insta::assert_snapshot!(each(baseline, meaning, &[rules]));
}

#[test]
fn what_the_schema_refuses_of_a_policy() {
    insta::assert_snapshot!(each(
        cluster,
        refusals,
        &[
            "priority: 1001",
            "priority: -1",
            "tier: admin",
            "subject: {}",
            "subject: {namespaces: {}, pods: {podSelector: {}}}",
            "subject: {pods: {namespaceSelector: {}}}",
            "subject: {namespaces: {matchExpressions: [{key: a, operator: In}]}}",
        ]
    ));
    let bare = |body: &str| {
        format!(
            "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: p}}\n{body}"
        )
    };
    insta::assert_snapshot!(each(bare, refusals, &["", "spec: {}"]));
}

#[test]
fn what_the_schema_refuses_of_a_rule() {
    insta::assert_snapshot!(each(
        cluster,
        refusals,
        &[
            "ingress: [{}]",
            "ingress: [{action: Allow, from: [{namespaces: {}}]}]",
            "ingress: [{action: deny, from: [{namespaces: {}}]}]",
            "ingress: [{action: Log, from: [{namespaces: {}}]}]",
            "ingress: [{action: Deny, from: []}]",
            "ingress: [{action: Deny, from: [{}]}]",
            "ingress: [{action: Deny, from: [{namespaces: {}, pods: {podSelector: {}}}]}]",
            "egress: [{action: Deny, to: [{}]}]",
            "egress: [{action: Deny, to: [{networks: []}, {domainNames: []}]}]",
            "egress: [{action: Deny, to: [{networks: [10.0.0.0, 10.0.0.0/33, 10.0.0.1/8, 10.0.0.0/8, 10.0.0.0/8]}]}]",
            "egress: [{action: Deny, to: [{domainNames: [example.com]}]}]",
            "egress: [{action: Pass, to: [{domainNames: [example.com]}]}]",
            "egress: [{action: Accept, to: [{domainNames: [com, 'a.*.com', '*', '**.example.com', -a.com, a..com, '']}]}]",
            "egress: [{action: Accept, to: [{namespaces: {}}, {nodes: {}}], protocols: [{destinationNamedPort: http}]}]",
        ]
    ));
    let long = "n".repeat(101);
    let named = format!("ingress: [{{name: {long}, action: Deny, from: [{{namespaces: {{}}}}]}}]");
    assert_eq!(
        refusals(&cluster(&named)),
        "PC110 5:20 a rule's name has at most 100 characters"
    );
    let fits = format!(
        "ingress: [{{name: {}, action: Deny, from: [{{namespaces: {{}}}}]}}]",
        "é".repeat(100)
    );
    assert_eq!(refusals(&cluster(&fits)), "");
}

#[test]
fn what_the_schema_refuses_of_protocols() {
    insta::assert_snapshot!(each(
        |list| cluster(&protocols(list)),
        refusals,
        &[
            "[]",
            "[{}]",
            "[{tcp: {}}]",
            "[{tcp: {destinationPort: {}}}]",
            "[{tcp: {destinationPort: {number: 80}}, udp: {destinationPort: {number: 80}}}]",
            "[{tcp: {destinationPort: {number: 80, range: {start: 1, end: 2}}}}]",
            "[{tcp: {destinationPort: {number: 0}}}, {udp: {destinationPort: {number: 65536}}}]",
            "[{tcp: {destinationPort: {range: {start: 9, end: 1}}}}, {tcp: {destinationPort: {range: {start: 9, end: 9}}}}]",
            "[{tcp: {destinationPort: {range: {start: 9}}}}]",
            "[{destinationNamedPort: ''}, {destinationNamedPort: '80'}, {destinationNamedPort: HTTP}]",
        ]
    ));
}

#[test]
fn what_the_schemas_of_the_predecessors_refuse() {
    insta::assert_snapshot!(each(
        admin,
        refusals,
        &[
            "ingress: [{action: Accept, from: [{namespaces: {}}]}]",
            "subject: {pods: {podSelector: {}}}",
            "ingress: [{action: Deny, from: [{namespaces: {}}], ports: []}]",
            "ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{}, {portNumber: {port: 1}, namedPort: a}, {portNumber: {}}, {portNumber: {port: 80, protocol: ICMP}}]}]",
            "ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portRange: {start: 2, end: 1}}, {portRange: {end: 1}}]}]",
            "egress: [{action: Deny, to: [{networks: ['64:ff9b::192.0.2.0/120']}], ports: [{namedPort: a}]}]",
        ]
    ));
    insta::assert_snapshot!(each(
        baseline,
        refusals,
        &["ingress: [{action: Pass, from: [{namespaces: {}}]}]"]
    ));
    let other = baseline("ingress: []").replace("name: default", "name: other");
    insta::assert_snapshot!(refusals(&other));
}

/// Lists at their limit are taken, one more is refused.
#[test]
fn lists_have_the_length_that_their_version_allows() {
    type Sections = fn(usize) -> String;
    type Case<'a> = (&'a str, usize, &'a dyn Fn(usize) -> String);
    let repeat = |item: &str, count: usize| vec![item; count].join(", ");
    let rules = |action: &str, count| {
        let rule = format!("{{action: {action}, from: [{{namespaces: {{}}}}]}}");
        format!("ingress: [{}]", repeat(&rule, count))
    };
    let peers = |count| {
        format!(
            "egress: [{{action: Deny, to: [{}]}}]",
            repeat("{namespaces: {}}", count)
        )
    };
    let ports: Sections = |count| {
        let list = vec!["{namedPort: a}"; count].join(", ");
        format!("ingress: [{{action: Deny, from: [{{namespaces: {{}}}}], ports: [{list}]}}]")
    };
    let protocol_lists: Sections = |count| {
        protocols(&format!(
            "[{}]",
            vec!["{destinationNamedPort: a}"; count].join(", ")
        ))
    };
    let networks: Sections = |count| {
        let list: Vec<_> = (0..count).map(|at| format!("10.{at}.0.0/16")).collect();
        format!(
            "egress: [{{action: Deny, to: [{{networks: [{}]}}]}}]",
            list.join(", ")
        )
    };
    let domains = |action, count| {
        let list: Vec<_> = (0..count).map(|at| format!("d{at}.example.com")).collect();
        let list = list.join(", ");
        format!("egress: [{{action: {action}, to: [{{domainNames: [{list}]}}]}}]")
    };
    let cases: [Case<'_>; 9] = [
        ("rules", 25, &|count| cluster(&rules("Accept", count))),
        ("peers", 25, &|count| cluster(&peers(count))),
        ("protocols", 25, &|count| cluster(&protocol_lists(count))),
        ("networks", 25, &|count| cluster(&networks(count))),
        ("domains", 25, &|count| cluster(&domains("Accept", count))),
        ("alpha1 rules", 100, &|count| admin(&rules("Allow", count))),
        ("alpha1 peers", 100, &|count| baseline(&peers(count))),
        ("alpha1 ports", 100, &|count| admin(&ports(count))),
        ("alpha1 domains", 25, &|count| admin(&domains("Allow", count))),
    ];
    for (what, most, object) in cases {
        assert_eq!(refusals(&object(most)), "", "{what}");
        let refused = refusals(&object(most + 1));
        assert!(refused.starts_with("PC124 "), "{what}: {refused}");
        assert!(
            refused.contains(&format!(
                "this list has {} entries, and {most} are allowed",
                most + 1
            )),
            "{what}: {refused}"
        );
    }
}

/// Fields of another version, of a removed draft, or of the other direction are not taken for nothing.
#[test]
fn fields_of_other_versions_are_unknown() {
    let unknown = |yaml: &str| {
        let input = crate::load::load_bytes([("a.yaml", yaml.as_bytes())], &crate::limits::Limits::default());
        let found: Vec<_> = input
            .findings
            .iter()
            .map(|finding| format!("{} {} {}", finding.code, finding.message, finding.blocks_analysis))
            .collect();
        found.join("\n")
    };
    insta::assert_snapshot!(each(
        cluster,
        unknown,
        &[
            "ingress: [{action: Deny, from: [{namespaces: {sameLabels: [team]}}]}]",
            "ingress: [{action: Deny, from: [{namespaces: {notSameLabels: [team]}}]}]",
            "ingress: [{action: Deny, from: [{namespaces: {namespaceSelector: {}}}]}]",
            "ingress: [{action: Deny, from: [{networks: [10.0.0.0/8]}]}]",
            "ingress: [{action: Deny, from: [{nodes: {}}]}]",
            "ingress: [{action: Deny, from: [{namespaces: {}}], ports: []}]",
            "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{icmp: {}}]}]",
        ]
    ));
    insta::assert_snapshot!(each(
        baseline,
        unknown,
        &[
            "priority: 1",
            "egress: [{action: Allow, to: [{domainNames: [example.com]}]}]",
            "ingress: [{action: Allow, from: [{namespaces: {}}], protocols: []}]",
        ]
    ));
}

/// `v1beta1` has the fields of `v1alpha2`, and refuses bits behind a prefix.
#[test]
fn the_beta_is_read() {
    let beta = |spec: &str| cluster(spec).replace("v1alpha2", "v1beta1");
    let spec = "egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}]}]";
    assert_eq!(meaning(&beta(spec)), meaning(&cluster(spec)));
    insta::assert_snapshot!(refusals(&beta(&spec.replace("10.0.0.0/8", "10.1.0.0/8"))));
}

#[test]
fn two_policies_of_one_name_are_one_too_many() {
    let one = cluster("ingress: [{action: Deny, from: [{namespaces: {}}]}]");
    let other = cluster("egress: [{action: Deny, to: [{namespaces: {}}]}]");
    insta::assert_snapshot!(refusals(&format!("{one}---\n{one}---\n{other}")));
}

#[test]
fn blocks_are_confined_to_the_outside_on_request() {
    use crate::lower::{CidrMatch, Options, lower};
    let yaml = cluster("egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]");
    let input = crate::load::load_bytes([("a.yaml", yaml.as_bytes())], &crate::limits::Limits::default());
    let scope_under = |cidr_match| {
        let lowered = lower(&input, &Options { cidr_match });
        let text = ir::text::print(&lowered.model);
        text.lines()
            .find(|line| line.contains("0.0.0.0/0"))
            .unwrap()
            .trim()
            .to_owned()
    };
    let by_api = scope_under(CidrMatch::ByApi);
    assert_eq!(by_api, scope_under(CidrMatch::All));
    assert_ne!(by_api, scope_under(CidrMatch::External));
}
