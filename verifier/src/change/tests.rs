//! Changes by hand, and held against every flow of small clusters.

use std::fmt::Write as _;

use ir::cluster::Cluster;
use ir::evaluator;
use ir::model::Model;
use proptest::prelude::*;

use super::exact::Exact;
use super::exactness::told_iff_changed;
use super::{Both, Comparison, Side, compare, compare_by_the_solver};
use crate::algebra::Algebra;
use crate::generated::{self, Shape};
use crate::guarantee::tests::brute_force::every_flow;
use crate::options::Options;

fn model(text: &str) -> Model {
    ir::text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const SHOP: &str = "
namespace shop env=prod
namespace dev env=dev
endpoint shop/web of Deployment/web labels app=web ports http 8080/TCP
endpoint shop/cart of Deployment/cart labels app=cart ports http 7070/TCP
";

fn change(before: &str, after: &str) -> String {
    let [old, new] = [before, after].map(|policies| model(&format!("{SHOP}{policies}")));
    let comparison = compare(&old, &new, 8, &Options::default()).unwrap();
    let mut out = String::new();
    let mut write = |word: &str, side: &Side| {
        for area in &side.areas {
            writeln!(out, "{word}: {area}").unwrap();
            for exception in &area.except {
                writeln!(out, "    except {}", area.apart(exception)).unwrap();
            }
            writeln!(out, "    {}", area.witness).unwrap();
        }
        if !side.complete {
            writeln!(out, "{word}: and more").unwrap();
        }
    };
    write("opened", &comparison.opened);
    write("closed", &comparison.closed);
    if out.is_empty() {
        "nothing changes".to_owned()
    } else {
        out
    }
}

const CART: &str = "
policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports http/TCP
}
policy NetworkPolicy dev/closed on pods [ns=dev] denies both {
}
";

#[test]
fn areas_are_told_in_selectors_blocks_and_ports() {
    let edits = [
        (
            "from pods [ns=shop, app=web] ports http/TCP",
            "from pods [ns=shop, app=web] ports http/TCP, 9090/TCP",
        ),
        (
            "from pods [ns=shop, app=web] ports http/TCP",
            "from pods [ns=shop] ports http/TCP",
        ),
        (
            "from pods [ns=shop, app=web] ports http/TCP",
            "from pods [ns:env=prod] ports 80-90/TCP",
        ),
        (
            "from pods [ns=shop, app=web] ports http/TCP",
            "from cidr 10.0.0.0/8 except 10.1.0.0/16 ports http/TCP",
        ),
        ("app=cart] denies ingress", "app in (cart, api)] denies ingress"),
        ("denies both", "denies ingress"),
        ("ns=dev] denies both", "ns=dev, app notin (x)] denies both"),
        // Said otherwise, and the same.
        (
            "from pods [ns=shop, app=web] ports http/TCP",
            "from pods [ns=shop, app=web], pods [ns=shop, app=web, x] ports http/TCP",
        ),
    ];
    let mut out = String::new();
    for (from, to) in edits {
        assert!(CART.contains(from), "{from}");
        writeln!(
            out,
            "- {from}\n+ {to}\n{}\n",
            change(CART, &CART.replace(from, to))
        )
        .unwrap();
    }
    insta::assert_snapshot!(out);
}

/// A label of a namespace decides whom `ns:env=prod` reaches, and it is another one before and after.
#[test]
fn each_side_is_judged_by_its_own_labels_of_namespaces() {
    let policies = "
policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns:env=prod, app=web] ports 80/TCP
}
policy CiliumClusterwideNetworkPolicy production on pods [ns:env=prod] denies egress {
  allow egress to pods [] ports 80/TCP
}
";
    let old = model(&format!("{SHOP}{policies}"));
    let moved = SHOP.replace("namespace dev env=dev", "namespace dev env=prod");
    let new = model(&format!("{moved}{policies}"));
    let comparison = compare(&old, &new, 8, &Options::default()).unwrap();
    assert_eq!(comparison.relabelled, ["dev"]);
    let told = |side: &Side| {
        assert!(side.complete);
        side.areas.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&comparison.opened),
        ["pods in dev with app=web → pods in shop with app=cart, 80/TCP"]
    );
    let closed = told(&comparison.closed);
    assert!(
        closed.iter().all(|area| area.starts_with("pods in dev → ")) && !closed.is_empty(),
        "{closed:?}"
    );
    // A namespace that had no label, or has none any more, is one that had, or has, none.
    for (one, other, opens) in [("dev", "dev env=prod", true), ("dev env=prod", "dev", false)] {
        let [old, new] = [one, other].map(|dev| {
            let cluster = SHOP.replace("namespace dev env=dev", &format!("namespace {dev}"));
            let (ingress, _) = policies.split_once("policy CiliumClusterwide").unwrap();
            model(&format!("{cluster}{ingress}"))
        });
        for compare in [compare, compare_by_the_solver] {
            let comparison = compare(&old, &new, 8, &Options::default()).unwrap();
            assert_eq!(!comparison.opened.areas.is_empty(), opens);
            assert_eq!(comparison.closed.areas.is_empty(), opens);
        }
    }
    // A policy that asks for no label of a namespace is none of this.
    let none = "policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {\n}\n";
    let [old, new] = [SHOP, &moved].map(|cluster| model(&format!("{cluster}{none}")));
    let comparison = compare(&old, &new, 8, &Options::default()).unwrap();
    assert!(comparison.opened.is_proved_empty() && comparison.closed.is_proved_empty());
}

/// Nothing is proved of a policy that selects nodes, so that a change of one is no proof of nothing.
#[test]
fn a_changed_policy_about_nodes_is_named() {
    let hosts = |port| {
        format!(
            "policy CiliumClusterwideNetworkPolicy hosts on nodes [] denies ingress {{
  allow ingress ports {port}/TCP
}}
"
        )
    };
    let [old, new] = [22, 23].map(|port| model(&format!("{SHOP}{CART}{}", hosts(port))));
    for compare in [compare, compare_by_the_solver] {
        let comparison = compare(&old, &new, 8, &Options::default()).unwrap();
        assert_eq!(comparison.about_nodes, ["hosts"]);
        let same = compare(&old, &old, 8, &Options::default()).unwrap();
        assert!(same.about_nodes.is_empty());
    }
}

/// Only a namespace that nothing but a policy names lets the flows through.
#[test]
fn a_namespace_that_only_policies_name_is_looked_into() {
    let stay = "
namespace dev
policy CiliumClusterwideNetworkPolicy closed on pods [ns:env notin (a)] denies both {
}
policy CiliumClusterwideNetworkPolicy inside on pods [ns notin (dev, gone)] denies ingress {
}
";
    let come = "policy CiliumClusterwideNetworkPolicy http on pods [app] denies egress {
  allow egress ports http/TCP
}
";
    let [old, new] = [stay.to_owned(), format!("{stay}{come}")].map(|text| model(&text));
    for compare in [compare, compare_by_the_solver] {
        let comparison = compare(&old, &new, 8, &Options::default()).unwrap();
        let opened: Vec<String> = comparison.opened.areas.iter().map(ToString::to_string).collect();
        let [opened] = &opened[..] else {
            panic!("{opened:?}");
        };
        assert!(
            opened.contains("gone with namespace label env=a, http/TCP"),
            "{opened}"
        );
    }
}

#[test]
fn a_bound_is_said() {
    let many: String = (0..12)
        .map(|n| {
            format!(
                "  allow ingress from pods [ns=n{n}, a=b{n}] ports {}/TCP\n",
                80 + 2 * n
            )
        })
        .collect();
    let text = change(
        "policy NetworkPolicy shop/p on pods [ns=shop] denies ingress {\n}\n",
        &format!("policy NetworkPolicy shop/p on pods [ns=shop] denies ingress {{\n{many}}}\n"),
    );
    assert_eq!(text.matches("opened:").count(), 9, "{text}");
    assert!(text.contains("opened: and more"), "{text}");
}

fn check(old: &Model, new: &Model) -> Result<(), TestCaseError> {
    let [exact, solved] = [compare, compare_by_the_solver].map(|compare| {
        let comparison = compare(old, new, 3, &Options::default());
        comparison
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ir::text::print(old), ir::text::print(new)))
    });
    // What one of them proves empty, both do.
    for (exact, solved) in [(&exact.opened, &solved.opened), (&exact.closed, &solved.closed)] {
        prop_assert_eq!(
            exact.is_proved_empty(),
            solved.is_proved_empty(),
            "{:?}\n{:?}",
            exact.areas,
            solved.areas
        );
    }
    for comparison in [exact, solved] {
        overlooks_nothing(old, new, &comparison)?;
    }
    Ok(())
}

fn overlooks_nothing(old: &Model, new: &Model, comparison: &Comparison) -> Result<(), TestCaseError> {
    let flows = every_flow(old).into_iter().chain(every_flow(new));
    for flow in flows {
        let [before, after] = [old, new].map(|model| evaluator::evaluate(model, &flow).allowed());
        let side = match (before, after) {
            (false, true) => &comparison.opened,
            (true, false) => &comparison.closed,
            _ => continue,
        };
        prop_assert!(
            !side.is_proved_empty(),
            "{:?} was {} and is {}",
            flow,
            before,
            after
        );
    }
    for side in [&comparison.opened, &comparison.closed] {
        prop_assert!(side.unknown.is_none());
    }
    Ok(())
}

const SHAPE: Shape = Shape {
    tiers: true,
    domains: false,
    policies: 3,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// What is proved to be no change is none: no flow of the cluster changes its verdict.
    #[test]
    fn no_change_is_overlooked(
        model in generated::model(SHAPE),
        others in generated::policies(SHAPE),
        keep in 0usize..3,
    ) {
        let kept = model.policies().iter().take(keep).cloned();
        let new = Model::new(model.cluster.clone(), kept.chain(others.into_iter().take(1)));
        check(&model, &new)?;
    }

    /// Nor where a namespace has other labels than before.
    #[test]
    fn no_change_of_labels_is_overlooked(
        model in generated::model(SHAPE),
        others in generated::policies(SHAPE),
        labels in generated::namespace_labels(),
    ) {
        let mut namespaces = model.cluster.namespaces().clone();
        namespaces.insert("shop".to_owned(), labels);
        let cluster = Cluster::new(
            namespaces,
            model.cluster.endpoints().to_vec(),
            model.cluster.nodes().to_vec(),
        )
        .named(model.cluster.name());
        let new = Model::new(cluster, model.policies().iter().cloned().chain(others.into_iter().take(1)));
        check(&model, &new)?;
    }

    /// A flow is told iff its verdict changes, where policies go, come, and lose or gain rules.
    #[test]
    fn flows_are_told_iff_they_change(
        model in generated::model(generated::EVERYTHING),
        others in generated::policies(generated::EVERYTHING),
        edits in proptest::collection::vec((0usize..8, 0usize..8, any::<bool>()), 0..4),
        keep in 0usize..5,
        seed in 0usize..1000,
    ) {
        let mut policies = model.policies().to_vec();
        policies.truncate(keep);
        for (policy, rule, other) in edits {
            let Some(edited) = policies.get_mut(policy) else { continue };
            let there = edited.rules.len();
            let taken = (rule < there).then(|| edited.rules.remove(rule));
            let more = others.iter().flat_map(|other| &other.rules).nth(rule).cloned();
            if other && let (Some(taken), Some(mut more)) = (taken, more) {
                (more.rank, more.direction) = (taken.rank, taken.direction);
                edited.rules.insert(rule, more);
            }
        }
        let new = Model::new(
            model.cluster.clone(),
            policies.into_iter().chain(others.into_iter().take(1)),
        );
        let comparison = compare(&model, &new, 64, &Options::default());
        prop_assert!(comparison.is_ok(), "{:?}\n{}\n{}", comparison, ir::text::print(&model), ir::text::print(&new));
        let comparison = comparison.unwrap();
        let both = Both::of(&model, &new);
        let algebra = Algebra::of_whole_flows(&both.model);
        let exact = Exact::of(&both.model, &algebra, 64);
        let told = [&comparison.opened, &comparison.closed];
        told_iff_changed(&both.model, &exact, &both.versions(), told, seed)?;
    }

    /// Only the places differ: a proof without a question.
    #[test]
    fn places_are_no_change(model in generated::model(SHAPE)) {
        let moved = model.policies().iter().map(|policy| {
            let mut policy = policy.clone();
            policy.origin = ir::origin::Origin::synthetic("elsewhere.yaml");
            policy
        });
        let new = Model::new(model.cluster.clone(), moved);
        let comparison = compare(&model, &new, 1, &Options::default()).unwrap();
        prop_assert!(comparison.opened.is_proved_empty() && comparison.closed.is_proved_empty());
    }
}
