//! Policies by hand, and held against the evaluator.

use std::fmt::Write as _;

use ir::model::Model;
use ir::policy::PolicyId;
use ir::testing::{self, Profile};
use proptest::prelude::*;

use super::impacts;
use crate::algebra::Algebra;
use crate::algebra::versions::Versions;
use crate::change::Side;
use crate::change::exact::Exact;
use crate::change::exactness::told_iff_changed;
use crate::generated::{self, Shape};
use crate::options::Options;

fn model(text: &str) -> Model {
    ir::text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const SHOP: &str = "
namespace shop env=prod
namespace dev env=dev
endpoint shop/web of Deployment/web labels app=web ports http 8080/TCP
endpoint shop/cart of Deployment/cart labels app=cart ports http 7070/TCP
endpoint dev/shell labels app=shell
";

fn told(policies: &str) -> String {
    let model = model(&format!("{SHOP}{policies}"));
    let all: Vec<PolicyId> = model.policy_ids().map(|(id, _)| id).collect();
    let mut out = String::new();
    for impact in impacts(&model, &all, 8, &Options::default()).unwrap() {
        let policy = model.policy(impact.policy).unwrap();
        let name = policy
            .namespace
            .as_ref()
            .map_or(String::new(), |namespace| format!("{namespace}/"));
        writeln!(out, "{name}{}", policy.name).unwrap();
        let mut write = |word: &str, side: &Side| {
            assert!(side.unknown.is_none());
            for area in &side.areas {
                writeln!(out, "  {word} {area}").unwrap();
                for exception in &area.except {
                    writeln!(out, "      except {}", area.apart(exception)).unwrap();
                }
                writeln!(out, "      {}", area.witness).unwrap();
            }
            if !side.complete {
                writeln!(out, "  {word} more").unwrap();
            }
        };
        write("opens ", &impact.opens);
        write("closes", &impact.closes);
        if impact.about_nodes {
            writeln!(out, "  is about nodes").unwrap();
        }
        if impact.is_proved_idle() {
            writeln!(out, "  changes nothing").unwrap();
        }
    }
    out
}

#[test]
fn what_policies_add_is_told_as_they_are_written() {
    let cases = [
        (
            "an allow under its own default deny",
            "policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports http/TCP
}",
        ),
        (
            "an allow under another policy's default deny",
            "policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports http/TCP
}
policy NetworkPolicy shop/closed on pods [ns=shop] denies ingress {
}",
        ),
        (
            "both ends are closed: the allows of both are needed",
            "policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports http/TCP, 9090/TCP
}
policy NetworkPolicy shop/web on pods [ns=shop, app=web] denies egress {
  allow egress to pods [ns=shop, app=cart] ports http/TCP
}
policy NetworkPolicy shop/closed on pods [ns=shop] denies both {
}",
        ),
        (
            "said twice: neither is needed",
            "policy NetworkPolicy shop/closed on pods [ns=shop] denies ingress {
}
policy NetworkPolicy shop/one on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop]
}
policy NetworkPolicy shop/two on pods [ns=shop] denies ingress {
  allow ingress from pods [ns=shop]
}",
        ),
        (
            "the other end lets nothing of it through",
            "policy NetworkPolicy dev/closed on pods [ns=dev] denies egress {
}
policy NetworkPolicy shop/from-dev on pods [ns=shop] denies ingress {
  allow ingress from pods [ns=dev] ports 80/TCP
}
policy NetworkPolicy shop/closed on pods [ns=shop] denies ingress {
}",
        ),
        (
            "addresses, and a deny",
            "policy CiliumNetworkPolicy shop/out on pods [ns=shop] denies egress {
  allow egress to cidr 0.0.0.0/0 except 10.0.0.0/8 ports 443/TCP
  deny egress to cidr 192.0.2.0/24
}
policy NetworkPolicy shop/closed on pods [ns=shop] denies egress {
}",
        ),
        (
            "a pass, an admin's allow, a baseline",
            "policy AdminNetworkPolicy up on pods [ns=shop] applies ingress {
  pass ingress admin 1.0 from pods [ns=dev, app=shell]
  allow ingress admin 2.0 from pods [ns=dev] ports 22/TCP
  deny ingress admin 3.0 from pods [ns=dev]
}
policy BaselineAdminNetworkPolicy default on pods [ns=shop] applies ingress {
  deny ingress baseline 0.0
}
policy NetworkPolicy shop/shell on pods [ns=shop, app=web] applies ingress {
  allow ingress from pods [ns=dev, app=shell] ports 22/TCP
}",
        ),
        (
            "what is left of a policy is about a label that it does not name",
            "policy CiliumClusterwideNetworkPolicy all on pods [] denies both {
}
policy CiliumClusterwideNetworkPolicy most on pods [app!=web] denies both {
}",
        ),
        (
            "about nodes",
            "policy CiliumClusterwideNetworkPolicy hosts on nodes [] denies ingress {
}",
        ),
    ];
    let mut out = String::new();
    for (what, policies) in cases {
        writeln!(out, "# {what}\n{policies}\n\n{}", told(policies)).unwrap();
    }
    insta::assert_snapshot!(out);
}

/// A pod without an address is in the whole of each family; an example of ICMPv6 is between IPv6 addresses.
#[test]
fn an_example_of_icmpv6_has_addresses() {
    let model = model(
        "
policy CiliumClusterwideNetworkPolicy ping on pods [] denies egress {
  allow egress ports 128/ICMPv6
}
policy CiliumClusterwideNetworkPolicy v4 on pods [] denies egress {
  allow egress to cidr 0.0.0.0/0
}
",
    );
    let [impact] = &impacts(&model, &[PolicyId(0)], 8, &Options::default()).unwrap()[..] else {
        panic!("one policy was asked about");
    };
    let [opened] = &impact.opens.areas[..] else {
        panic!("{:?}", impact.opens);
    };
    assert_eq!(opened.ports, "ICMPv6 type 128");
    assert!(
        opened.witness.to_string().contains("fd00::"),
        "{}",
        opened.witness
    );
}

/// For every policy: a flow is in what it opens iff it is allowed with it and denied without it, and in what it closes
/// iff it is the other way round.
fn check(model: &Model, seed: usize) -> Result<(), TestCaseError> {
    let algebra = Algebra::of_whole_flows(model);
    let exact = Exact::of(model, &algebra, 64);
    let ids: Vec<PolicyId> = model.policy_ids().map(|(id, _)| id).collect();
    // Replays its examples.
    let told = impacts(model, &ids, 64, &Options::default());
    prop_assert!(told.is_ok(), "{:?}\n{}", told, ir::text::print(model));
    for impact in told.unwrap() {
        let versions = Versions::adding(impact.policy);
        told_iff_changed(model, &exact, &versions, [&impact.opens, &impact.closes], seed)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_flow_is_opened_iff_it_is_allowed_with_the_policy_only(
        model in generated::model(Shape { tiers: false, domains: true, policies: 4 }),
        seed in 0usize..1000,
    ) {
        check(&model, seed)?;
    }

    #[test]
    fn in_three_tiers(model in generated::model(generated::EVERYTHING), seed in 0usize..1000) {
        check(&model, seed)?;
    }

    #[test]
    fn of_what_pods_have(model in testing::models(Profile::everything()), seed in 0usize..1000) {
        check(&model, seed)?;
    }
}
