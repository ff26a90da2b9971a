//! Conflicts planted in policy sets that have none: each is found, and nothing else is.
//!
//! The sets are drawn from seeds, so that a failure names the set that it is about. 1,200 of them by default;
//! `PORTCULLIS_SEEDED_SETS` says another number. Every witness is replayed before it is reported, so that each run also
//! confirms every one of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "integration tests; a panic is a failed test"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ir::model::Model;
use ir::policy::{PolicyId, RuleId};
use portcullis_verifier::options::Options;
use portcullis_verifier::{Cause, Conflicts, conflicts};
use rayon::prelude::*;

/// Numbers that follow from a seed (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

/// A namespace in which every application is let in by the next one and has the matching way out, and nothing more.
fn clean(text: &mut String, ns: usize, apps: usize, dice: &mut Dice) -> Vec<usize> {
    let ports: Vec<usize> = (0..apps).map(|_| 8000 + dice.roll(900)).collect();
    writeln!(text, "namespace n{ns} team=t{}", dice.roll(3)).unwrap();
    for app in 0..apps {
        let (next, previous) = ((app + 1) % apps, (app + apps - 1) % apps);
        let named = if dice.roll(2) == 0 {
            format!(" ports main {}/TCP", ports[app])
        } else {
            String::new()
        };
        writeln!(text, "endpoint n{ns}/a{app} labels app=a{app}{named}").unwrap();
        write!(
            text,
            "policy NetworkPolicy n{ns}/a{app} on pods [ns=n{ns}, app=a{app}] denies both {{
  allow ingress from pods [ns=n{ns}, app=a{next}] ports {}/TCP
  allow egress to pods [ns=n{ns}, app=a{previous}] ports {}/TCP
  allow egress to cidr 0.0.0.0/0 except 10.0.0.0/8 ports 443/TCP
  allow egress to cidr 10.{app}.0.0/16 ports 5432/TCP
  allow egress ports 53/UDP
}}
",
            ports[app], ports[previous]
        )
        .unwrap();
    }
    if dice.roll(3) == 0 {
        writeln!(
            text,
            "policy NetworkPolicy n{ns}/default on pods [ns=n{ns}] denies both {{\n}}"
        )
        .unwrap();
    }
    ports
}

/// Plants a conflict of a kind at one application; the code and the rule that must be told.
fn plant(text: &mut String, kind: usize, ns: usize, app: usize, ports: &[usize], dice: &mut Dice) -> String {
    let apps = ports.len();
    let (next, other) = ((app + 1) % apps, (app + 2) % apps);
    let own = format!("[ns=n{ns}, app=a{app}]");
    let name = dice.pick(&["a-first", "z-last"]);
    let policy = |kind: &str, name: &str, subject: &str, denies: &str, rules: &str| {
        format!("policy {kind} n{ns}/{name}-a{app} on pods {subject} {denies} {{\n{rules}\n}}\n")
    };
    let isolating = dice.pick(&["NetworkPolicy", "CiliumNetworkPolicy"]);
    let (way, towards) = [("ingress", "from"), ("egress", "to")][dice.roll(2)];
    let deny = |rules: &str| policy("CiliumNetworkPolicy", "guard", &own, "applies both", rules);
    let told = |rule: usize| format!("{name}-a{app}.n{ns}#{rule}");
    match kind {
        301 => {
            let rule = dice.pick(&[
                "from pods [tier=x, tier!=x] ports 80/TCP",
                "from pods [tier, !tier]",
                "from pods [app=q] ports nothing",
                "from cidr 10.200.0.0/16 except 10.200.0.0/17 10.200.128.0/17",
                "from cidr fd00::/8 ports 8/ICMP",
            ]);
            *text += &policy(
                isolating,
                name,
                &own,
                "denies ingress",
                &format!("allow ingress {rule}"),
            );
            format!("301 {}", told(0))
        }
        302 => {
            let rules = [
                format!(
                    "allow ingress from pods [ns=n{ns}, app=a{next}] ports {}/TCP",
                    ports[app]
                ),
                format!(
                    "allow ingress from pods [ns=n{ns}, app=a{next}, tier=x] ports {0}-{0}/TCP",
                    ports[app]
                ),
                "allow egress to cidr 10.0.0.0/8 ports 53/UDP".to_owned(),
            ];
            if dice.roll(2) == 0 {
                let rule = &rules[dice.roll(3)];
                let subject = format!("[ns=n{ns}, app=a{app}, canary=yes]");
                *text += &policy(isolating, name, &subject, "denies both", rule);
                format!("302 {}", told(0))
            } else {
                *text += &policy(
                    isolating,
                    name,
                    &own,
                    "denies both",
                    &format!(
                        "allow {way} {towards} pods [app=u1]\nallow {way} {towards} pods [app in (u2, u3)]\nallow {way} {towards} pods [app in (u1, u3)] ports 1-{}/TCP",
                        1000 + dice.roll(1000)
                    ),
                );
                format!("302 {}", told(2))
            }
        }
        303 => {
            *text += &policy(
                isolating,
                name,
                &own,
                "denies both",
                &format!("allow {way} {towards} pods [ns=n{ns}, app=w] ports 7000/TCP"),
            );
            *text += &if dice.roll(2) == 0 {
                deny(&format!("deny {way} {towards} pods [app in (v, w)]"))
            } else {
                deny(&format!(
                    "deny {way} {towards} pods [app=w, tier=x]\ndeny {way} {towards} pods [app=w, tier!=x] ports 1-7100/TCP"
                ))
            };
            format!("303 {}", told(0))
        }
        304 => {
            *text += &policy(
                isolating,
                name,
                &own,
                "denies both",
                &format!("allow {way} {towards} pods [squad=blue] ports 7000-7010/TCP"),
            );
            let rule = dice.pick(&["pods [app=batch]", "pods [squad] ports 7005/TCP"]);
            *text += &deny(&format!("deny {way} {towards} {rule}"));
            format!("304 {}", told(0))
        }
        305 => {
            let rule = dice.pick(&["pods [app=nobody]", "pods [app=nobody] ports 80/TCP"]);
            *text += &policy(
                "CiliumNetworkPolicy",
                name,
                &own,
                "applies ingress",
                &format!("deny ingress from {rule}"),
            );
            format!("305 {}", told(0))
        }
        306 => {
            *text += &policy(
                isolating,
                name,
                &own,
                "denies both",
                &format!("allow {way} {towards} pods [ns=n{ns}, app=a{other}] ports 9999/TCP"),
            );
            format!("306 {}", told(0))
        }
        307 => {
            *text += &policy(
                "CiliumNetworkPolicy",
                name,
                &own,
                &format!("applies {way}"),
                &format!("allow {way} {towards} pods [app=prometheus] ports 9090/TCP"),
            );
            format!("307 {name}-a{app}.n{ns}")
        }
        308 => {
            *text += &policy(
                isolating,
                name,
                &own,
                "denies egress",
                "allow egress to cidr 198.18.0.0/15 except 198.18.7.0/24 ports 8443/TCP",
            );
            let rule = dice.pick(&[
                "cidr 198.18.7.0/24",
                "cidr 198.18.0.0/16 ports 8000-9000/TCP",
                "cidr 198.0.0.0/8 ports 8443/TCP",
                "outside 198.18.0.0/16 ports 8443/TCP",
            ]);
            *text += &policy(
                isolating,
                "opens",
                dice.pick(&[&own, &format!("[ns=n{ns}, app in (a{app}, zz)]")]),
                "denies egress",
                &format!("allow egress to {rule}"),
            );
            format!("308 {}", told(0))
        }
        _ => {
            let rank = dice.roll(90);
            let rules = if dice.roll(2) == 0 {
                format!(
                    "deny ingress admin {rank}.0 from pods [app in (q, r)]\nallow ingress admin {rank}.1 from pods [app=q, tier=x]"
                )
            } else {
                format!(
                    "pass ingress admin {rank}.0 from pods [app=q, tier=y]\ndeny ingress admin {rank}.1 from pods [app=q, tier=x] ports 1-99/TCP"
                ) + &format!("\nallow ingress admin {rank}.2 from pods [app=q, tier=x] ports 80/TCP")
            };
            let last = rules.lines().count() - 1;
            writeln!(
                text,
                "policy ClusterNetworkPolicy {name}-a{app}.n{ns} on pods {own} applies ingress {{\n{rules}\n}}"
            )
            .unwrap();
            format!("309 {name}-a{app}.n{ns}#{last}")
        }
    }
}

const KINDS: [usize; 9] = [301, 302, 303, 304, 305, 306, 307, 308, 309];

/// A policy set with what must be told of it.
fn set(seed: u64) -> (String, BTreeSet<String>) {
    let mut dice = Dice(seed);
    let mut text = String::new();
    let mut expected = BTreeSet::new();
    for ns in 0..1 + dice.roll(2) {
        let apps = 5 + dice.roll(2);
        let ports = clean(&mut text, ns, apps, &mut dice);
        // One fault at an application, and none at two that a planted path could lead between.
        let mut app = dice.roll(2);
        while app + 1 < apps && dice.roll(4) != 0 {
            let kind = KINDS[dice.roll(KINDS.len())];
            expected.insert(plant(&mut text, kind, ns, app, &ports, &mut dice));
            app += 3;
        }
    }
    (text, expected)
}

fn name(model: &Model, policy: PolicyId) -> String {
    let policy = model.policy(policy).unwrap();
    match &policy.namespace {
        Some(namespace) => format!("{}.{namespace}", policy.name),
        None => policy.name.clone(),
    }
}

fn told(model: &Model, found: &Conflicts) -> BTreeSet<String> {
    let rule = |id: RuleId| format!("{}#{}", name(model, id.policy), id.rule);
    let redundant = found.redundant.iter().map(|one| {
        let code = match one.cause {
            Cause::Shadowed => 309,
            Cause::CutByDeny => 303,
            Cause::DeniedAnyway => 305,
            Cause::Repeated => 302,
        };
        format!("{code} {}", rule(one.rule))
    });
    let dead = found.never_matching.iter().map(|id| format!("301 {}", rule(*id)));
    let cut = found
        .partly_cut
        .iter()
        .map(|one| format!("304 {}", rule(one.rule)));
    let reopened = found.reopened.iter().map(|one| format!("308 {}", rule(one.rule)));
    let half_open = found
        .half_open
        .iter()
        .map(|one| format!("306 {}", rule(one.rule)));
    let defaults = found
        .disagreements
        .iter()
        .map(|one| format!("307 {}", name(model, one.policy)));
    redundant
        .chain(dead)
        .chain(cut)
        .chain(reopened)
        .chain(half_open)
        .chain(defaults)
        .collect()
}

#[test]
fn every_planted_conflict_is_found_and_nothing_else_is() {
    let sets = std::env::var("PORTCULLIS_SEEDED_SETS").map_or(1_200, |sets| sets.parse().unwrap());
    let wrong: Vec<String> = (0..sets)
        .into_par_iter()
        .filter_map(|seed| {
            let (text, expected) = set(seed);
            let model = ir::text::parse(&text).unwrap_or_else(|error| panic!("set {seed}: {error}\n{text}"));
            let found = conflicts(&model, &Options::default())
                .unwrap_or_else(|error| panic!("set {seed}: {error}\n{text}"));
            assert_eq!(found.undecided, [], "set {seed}");
            let told = told(&model, &found);
            (told != expected).then(|| {
                let missed: Vec<_> = expected.difference(&told).collect();
                let extra: Vec<_> = told.difference(&expected).collect();
                format!("set {seed}: missed {missed:?}, without cause {extra:?}\n{text}")
            })
        })
        .collect();
    let first = wrong.first().cloned().unwrap_or_default();
    assert!(wrong.is_empty(), "{} of {sets} sets\n{first}", wrong.len());
}

/// The generator plants every kind, and sets without any.
#[test]
fn every_kind_is_planted() {
    let expected: Vec<BTreeSet<String>> = (0..1_000).map(|seed| set(seed).1).collect();
    for kind in KINDS {
        let planted = expected
            .iter()
            .flatten()
            .filter(|told| told.starts_with(&kind.to_string()))
            .count();
        assert!(planted >= 100, "{kind} only {planted} times");
    }
    assert!(expected.iter().any(BTreeSet::is_empty));
}
