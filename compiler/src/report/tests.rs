use super::graph;
use super::pairs::{Explanation, Pairs};
use super::sides::{Reason, Whom};
use super::{Contents, MOST_IN_MATRIX};
use crate::check::{Options, check, understand_input};
use crate::connectivity::members::Members;
use crate::connectivity::{self, Connectivity, Peer, PortSet};
use crate::limits::Limits;
use crate::load;
use crate::resolve::Resolved;
use ir::flow::{Flow, Party};
use ir::identity::Class;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::testing::{self, Profile};
use petgraph::visit::IntoNodeReferences as _;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(super) fn page(files: &[(&str, &str)]) -> String {
    let files = files.iter().map(|(name, text)| (*name, text.as_bytes()));
    let understood = understand_input(load::load_bytes(files, &Limits::default()), &Options::default());
    let checked = check(&understood, None).unwrap();
    let report = Contents {
        findings: &checked.findings,
        sources: &understood.input.sources,
        model: (!understood.blocked()).then_some(&understood.model),
        scope: "1 file",
        skipped: &understood.input.skipped,
        undecided: &[],
    };
    report.page()
}

/// A policy that lets nobody in.
const DENY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: ns-3}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n";

const SHOP: &str = include_str!("../../../testdata/named-ports/catalog.yaml");
const FRONTEND: &str = include_str!("../../../testdata/named-ports/frontend.yaml");
const POLICIES: &str = include_str!("../../../testdata/named-ports/policies.yaml");

#[test]
fn the_page_shows_findings_names_graph_matrix_and_reasons() {
    let page = page(&[
        ("catalog.yaml", SHOP),
        ("frontend.yaml", FRONTEND),
        ("policies.yaml", POLICIES),
    ]);
    for part in [
        "<code>PC201</code>",
        "<span class=\"tag\">3 meanings</span>",
        "<b>8080/TCP</b> on shop/catalog",
        "aria-label=\"Graph: Who can talk to whom\"",
        "<th scope=\"row\" title=\"shop/frontend (Deployment)\"><a href=\"#of-2\"><bdi>frontend</bdi></a></th>",
        ">8080</a>",
        "allow rule of NetworkPolicy shop/frontend",
        "these policies deny by default:",
    ] {
        assert!(page.contains(part), "{part} is not in the page");
    }
}

#[test]
fn the_head_counts_in_words_and_folds_what_was_skipped() {
    let secrets = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    let page = page(&[
        ("policies.yaml", DENY),
        ("pod.yaml", &pods(["web".to_owned()])),
        ("s.yaml", secrets),
    ]);
    assert!(page.contains("1 workload, 1 policy, 1 connection<"), "{page}");
    assert!(page.contains("<summary>1 object of other kinds skipped</summary>1 Secret</details>"));
}

#[test]
fn where_no_matrix_is_drawn_there_is_a_list_and_nothing_is_worked_out_for_cells() {
    let names = (0..=MOST_IN_MATRIX).map(|at| format!("p{at}"));
    let page = page(&[("all.yaml", &pods(names)), ("policies.yaml", DENY)]);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(!page.contains("<td data-") && !page.contains("id=\"why\""));
    assert!(page.contains(
        "<h3>ns-2/p1</h3><ul><li><b class=\"opened\">every port</b> → every workload but ns-2/p1, "
    ));
}

#[test]
fn in_a_group_the_kind_of_a_finding_is_said_and_not_shown_again() {
    // More findings of one kind than are shown one after the other.
    let policies: String = (0..30)
        .map(|at| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p{at}, namespace: a}}\nspec: {{podSelector: {{}}, egress: [{{ports: [{{port: {at}53}}]}}]}}\n---\n"
            )
        })
        .collect();
    let page = page(&[("all.yaml", &policies)]);
    let kind = |class: &str| {
        format!("<span class=\"{class}\"><span class=\"severity\">warning</span> <code>PC607</code>")
    };
    assert_eq!(page.matches(&kind("kind said")).count(), 30);
    assert_eq!(page.matches(&kind("kind")).count(), 0);
    assert_eq!(
        self::page(&[("policies.yaml", POLICIES)])
            .matches("kind said")
            .count(),
        0
    );
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_the_script_is_the_one_that_is_allowed() {
    let page = page(&[("policies.yaml", POLICIES)]);
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="));
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    assert_eq!(page.matches("<script").count(), 1);
}

#[test]
fn what_manifests_say_is_text() {
    let hostile = r#"
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: default, labels: {app: a}}
spec:
  containers:
    - {name: "c", ports: [{name: "</script><img src=x onerror=alert(1)>", containerPort: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: "</style><script>alert(1)</script>", namespace: default}
spec: {podSelector: {}, "<b>": 1, ingress: [{ports: [{port: "<i>"}]}]}
"#;
    let page = page(&[("<u>.yaml", hostile)]);
    for raw in ["<img", "<script>alert", "<b>\"", "<i>", "<u>"] {
        assert!(!page.contains(raw), "{raw} is markup in the page");
    }
}

#[test]
fn nothing_on_the_page_moves_a_terminal_or_turns_the_text() {
    // Found by the fuzzer: selectors of peers and messages went in as they were.
    let hostile = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a, namespace: b}\nspec: {endpointSelector: {}, \"\\u202e\\u001b[31m\": 1, ingress: [{fromEndpoints: [{matchLabels: {\"\\u001b\": \"\\u2066\"}}]}]}\n";
    let page = page(&[("a.yaml", hostile)]);
    assert!(
        page.contains("\u{241b}[31m"),
        "what was written is shown all the same"
    );
    let active = page
        .chars()
        .find(|&c| c != '\t' && crate::diagnostic::escape::is_active(c));
    assert_eq!(active, None);
}

#[test]
fn the_same_input_gives_the_same_page() {
    let files = [
        ("catalog.yaml", SHOP),
        ("frontend.yaml", FRONTEND),
        ("policies.yaml", POLICIES),
    ];
    let mut turned = files;
    turned.reverse();
    assert_eq!(page(&files), page(&turned));
}

#[test]
fn input_that_is_refused_still_gives_its_findings() {
    let page = page(&[(
        "a.yaml",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelecter: {}}\n",
    )]);
    assert!(page.contains("PC102") && !page.contains("id=\"matrix\""));
}

/// A pod for each name, all in one namespace, and policies as given.
fn pods(names: impl IntoIterator<Item = String>) -> String {
    names
        .into_iter()
        .map(|name| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: ns-{}}}\nspec: {{containers: [{{name: c}}]}}\n---\n",
                name.len() % 7
            )
        })
        .collect()
}

#[test]
fn large_clusters_are_drawn_by_namespace() {
    let names: Vec<_> = (0..200)
        .map(|at| format!("p{}{at}", "x".repeat(at % 7)))
        .collect();
    // Each talks to the next alone, so that no two are alike.
    let mut text = pods(names.iter().cloned());
    for pair in names.windows(2) {
        text.push_str(&format!(
            "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: to-{0}}}\nspec:\n  endpointSelector: {{matchLabels: {{app: {0}}}}}\n  ingress: [{{fromEndpoints: [{{matchLabels: {{app: {1}}}}}]}}]\n---\n",
            pair[1], pair[0]
        ));
    }
    let text = text.replace("metadata: {name: p", "metadata: {labels: {app: p0}, name: p");
    let page = page(&[("all.yaml", &text)]);
    assert!(page.contains("aria-label=\"Graph: Namespaces\"") || page.contains("Who can talk to whom"));
    // Each box of the overview leads to the picture of its namespace.
    let led_to = (1..=7).filter(|view| page.contains(&format!("<a href=\"#graph-{view}\">")));
    assert_eq!(led_to.count(), page.matches("id=\"graph-").count() - 1);
    assert!(page.len() < 12_000_000, "{} bytes", page.len());
    assert!(names.len() < MOST_IN_MATRIX);
}

/// Pods of a namespace, without policies.
fn free(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\nspec: {{containers: [{{name: c}}]}}\n---\n"
            )
        })
        .collect()
}

#[test]
fn what_all_share_is_told_and_what_is_particular_is_drawn() {
    let policies = ["db", "cache"].map(|name| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: {name}}}}}\n  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: web}}}}}}], ports: [{{port: 5432}}]}}]\n---\n"
        )
    });
    let page = page(&[(
        "a.yaml",
        &(free(&["web", "api", "job", "mail", "db", "cache"]) + &policies.concat()),
    )]);
    // Everybody reaches all but two on every port: no line for that.
    assert_eq!(page.matches("<path class=\"line\"").count(), 1);
    assert!(page.contains("← anyone: every port") && page.contains("← every workload: every port"));
    // The list says it all, with the names of who is excepted.
    assert!(
        page.contains("<bdi class=\"who\">shop/web (Pod)</bdi> → <bdi class=\"whom\">shop/cache (Pod) and 1 more</bdi>: <span class=\"ports\">TCP 5432</span>")
    );
    assert!(page.contains("<bdi class=\"who\">anyone</bdi> → <bdi class=\"whom\">shop/web (Pod)</bdi>: <span class=\"ports\">every port</span>"));
}

#[test]
fn who_reaches_most_is_told_in_each_namespace_that_it_reaches() {
    // More boxes than one picture holds: each pod lets in the one before it, and the probe on a port of its own.
    let names: Vec<String> = (0..40).map(|at| format!("p{at}")).collect();
    let pod = |name: &str, namespace: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}\nspec: {{containers: [{{name: c}}]}}\n---\n"
        )
    };
    let mut text = pod("probe", "watch");
    for (at, name) in names.iter().enumerate() {
        text.push_str(&pod(name, if at < 20 { "left" } else { "right" }));
        let before = names[(at + 39) % 40].as_str();
        let rule = |app: &str, port: u16| {
            format!(
                "{{from: [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{app: {app}}}}}}}], ports: [{{port: {port}}}]}}"
            )
        };
        text.push_str(&format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: {}}}\nspec:\n  podSelector: {{matchLabels: {{app: {name}}}}}\n  ingress: [{}, {}]\n---\n",
            if at < 20 { "left" } else { "right" },
            rule(before, 80),
            rule("probe", 9100),
        ));
    }
    let page = page(&[("a.yaml", &text)]);
    let told = "<bdi class=\"who\">watch/probe (Pod)</bdi> → <bdi class=\"whom\">every workload</bdi>: <span class=\"ports\">TCP 9100</span>";
    // In the views of all three namespaces, and nowhere a line for it.
    assert_eq!(page.matches(told).count(), 3);
    assert_eq!(page.matches("→ every workload: TCP 9100</text>").count(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// What an explanation says of a port is what the evaluator decides, side by side, reason for reason.
    #[test]
    fn explanations_are_the_evaluators(model in testing::models(Profile::everything())) {
        let resolved = Resolved::of(&model);
        let connections = connectivity::connections(&resolved);
        let members = Members::of(&model.cluster, &Connectivity::of(&resolved).apart());
        let pairs = Pairs::of(&resolved, &connections, &members);
        for (source, row) in pairs.ends.iter().zip(&pairs.inside) {
            for (destination, pair) in pairs.ends.iter().zip(row) {
                let (Some(from), Some(to)) = (only_pod(&model, &source.peer), only_pod(&model, &destination.peer)) else {
                    continue;
                };
                if from == to {
                    continue;
                }
                let Explanation::Inside { sides, .. } = &pairs.explanations[pair.explanation] else {
                    panic!("not of workloads");
                };
                let sides = sides.map(|side| &pairs.sides[side]);
                for (source_address, destination_address) in crate::resolve::address_pairs(&model.cluster, from, to) {
                    let party = |id, address| crate::resolve::as_party(&model.cluster, id, address);
                    for (protocol, port) in [(Protocol::Tcp, 80), (Protocol::Udp, 53), (Protocol::Tcp, 8080)] {
                        let flow = Flow {
                            source: party(from, source_address),
                            destination: party(to, destination_address),
                            protocol,
                            port,
                        };
                        let judgement = ir::evaluator::evaluate(&model, &flow);
                        for (side, decision, other) in [
                            (sides[0], judgement.egress, destination_address),
                            (sides[1], judgement.ingress, source_address),
                        ] {
                            let family = other.map(ir::cluster::Family::of);
                            let of_family = side.by_whom.iter().find(|(whom, _)| match whom {
                                Whom::All => true,
                                Whom::Family(own) => Some(*own) == family,
                                Whom::Outside(_) | Whom::Rest => false,
                            });
                            let verdict = of_family
                                .and_then(|(_, verdicts)| verdicts.iter().find(|one| one.ports.contains(protocol, port)));
                            prop_assert_eq!(verdict.map(|one| one.allowed), Some(decision.allowed), "{:?}", flow);
                            let by_rules = matches!(verdict.map(|one| &one.because), Some(Reason::Rules(_)));
                            prop_assert_eq!(by_rules, matches!(decision.because, ir::flow::Because::Rules(_)));
                        }
                    }
                }
            }
        }
    }

    /// The same of the outside, address by address.
    #[test]
    fn explanations_of_the_outside_are_the_evaluators(model in testing::models(Profile::everything())) {
        let resolved = Resolved::of(&model);
        let connections = connectivity::connections(&resolved);
        let members = Members::of(&model.cluster, &Connectivity::of(&resolved).apart());
        let pairs = Pairs::of(&resolved, &connections, &members);
        let addresses = ["10.0.0.1", "8.8.8.8", "169.254.169.254", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap());
        let outside = |address: &IpAddr| {
            let identity = resolved.identities.of_party(Party::Outside(*address));
            let identity = identity.and_then(|id| resolved.identities.identities().get(id.0 as usize));
            identity.is_some_and(|identity| matches!(identity.class, Class::Outside(_)))
        };
        for (end, (leaving, entering)) in pairs.ends.iter().zip(pairs.leaving.iter().zip(&pairs.entering)) {
            let Some(pod) = only_pod(&model, &end.peer) else { continue };
            for address in addresses.iter().filter(|address| outside(address)) {
                let (own, other) = (crate::resolve::as_party(&model.cluster, pod, None), Party::Outside(*address));
                for (pair, source, destination) in [(leaving, own, other), (entering, other, own)] {
                    let [side] = pairs.explanations[pair.explanation].sides() else {
                        panic!("the outside has no side of its own");
                    };
                    let side = &pairs.sides[*side];
                    let holds = |whom: &Whom| match whom {
                        Whom::Outside(Peer::Outside(blocks)) => blocks.iter().any(|block| block.contains(address)),
                        _ => true,
                    };
                    let (_, verdicts) = side.by_whom.iter().find(|(whom, _)| holds(whom)).unwrap();
                    for (protocol, port) in [(Protocol::Tcp, 80), (Protocol::Udp, 53), (Protocol::Tcp, 8080)] {
                        let flow = Flow { source, destination, protocol, port };
                        let judgement = ir::evaluator::evaluate(&model, &flow);
                        let decision = match side.direction {
                            Direction::Egress => judgement.egress,
                            Direction::Ingress => judgement.ingress,
                        };
                        let verdict = verdicts.iter().find(|one| one.ports.contains(protocol, port));
                        prop_assert_eq!(verdict.map(|one| one.allowed), Some(decision.allowed), "{:?}", flow);
                    }
                }
            }
        }
    }

    /// No connection is lost or made up by drawing it.
    #[test]
    fn graphs_hold_every_connection(model in testing::models(Profile::everything())) {
        let resolved = Resolved::of(&model);
        let connections = connectivity::connections(&resolved);
        let graph = graph::of([], &connections);
        let none = PortSet::NONE;
        let open: BTreeMap<(&Peer, &Peer), &PortSet> = connections
            .iter()
            .map(|one| ((&*one.source, &*one.destination), &*one.ports))
            .collect();
        for (from, source) in graph.node_references() {
            for (to, target) in graph.node_references() {
                for (one, other) in source.peers.iter().flat_map(|one| target.peers.iter().map(move |other| (*one, *other))) {
                    // What a workload opens to itself is not drawn.
                    if one == other {
                        continue;
                    }
                    let drawn = match graph.find_edge(from, to) {
                        _ if from == to => &source.among,
                        Some(edge) => &graph[edge],
                        None => &none,
                    };
                    prop_assert_eq!(drawn, open.get(&(one, other)).copied().unwrap_or(&none), "{} {}", one, other);
                }
            }
        }
    }
}

/// The pod of a workload that has one.
fn only_pod(model: &ir::model::Model, peer: &Peer) -> Option<ir::cluster::EndpointId> {
    let Peer::Workload {
        namespace,
        name,
        kind,
        ..
    } = peer
    else {
        return None;
    };
    let mut pods = model.cluster.endpoint_ids().filter(|(_, pod)| {
        pod.namespace == *namespace
            && ((pod.workload.name == *name && pod.workload.kind == *kind)
                || (pod.name == *name && kind == "Pod"))
    });
    let first = pods.next()?.0;
    pods.next().is_none().then_some(first)
}
