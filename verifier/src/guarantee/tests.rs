//! Guarantees, read and proved: by hand, and against every flow of small clusters.

pub(crate) mod brute_force;

use std::fmt::Write as _;

use ir::model::Model;
use proptest::prelude::*;

use super::check::{Outcome, prove};
use super::meaning::{resolve, unknown_namespaces};
use super::parse;
use super::syntax::Severity;
use crate::options::Options;

fn model(text: &str) -> Model {
    ir::text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Problems drawn under the text that they are about.
fn problems(text: &str) -> String {
    let mut out = String::new();
    let (_, problems) = parse(text);
    for problem in problems {
        let line_start = text[..problem.span.start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let before = text[line_start..problem.span.start].chars().count();
        let marked = text[problem.span.clone()].chars().count().max(1);
        writeln!(out, "{line}\n{}{}", " ".repeat(before), "^".repeat(marked)).unwrap();
        writeln!(out, "  {}", problem.message).unwrap();
        if let Some(help) = problem.help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    out
}

#[test]
fn mistakes_are_explained_where_they_are() {
    insta::assert_snapshot!(problems(
        "\
never ns:dev -> ns:prod port 443/TCP port 80   # twice
nevr ns:dev -> ns:prod
never ns:dev ns:prod
never ns:dev -> 
always pod:shop -> pod:shop/cart
always ns:shop/web -> pod:shop/cart
only ns:shop[app=api -> pod:db/postgres
only ns:shop[app in api] -> pod:db/postgres
isolated ns:payments except
isolated everybody
isolated init
never ns:dev -> 10.0.0.1/8
never ns:dev -> 300.1.1.1
never ns:dev -> ns:prod port 70000
never ns:dev -> ns:prod port 80-70
never ns:dev -> ns:prod port http/ICMP
never ns:dev -> ns:prod port icmp/300
never ns:dev -> ns:prod port a_name
never ns:dev -> ns:prod for ever
twice: isolated ns:a
twice: isolated ns:b
never ns:Dev -> pods
never ünï -> pods
warn never ns:dev -> pods
warning note never ns:dev -> pods
payments closed: isolated ns:payments
warning nevr ns:dev -> pods
warning
"
    ));
}

#[test]
fn everything_that_can_be_said() {
    let (statements, problems) = parse(
        "\
# Comments stand alone
never ns:dev/* -> ns:prod/*   # or behind
  except port 443/TCP
  except from ns:dev[app=proxy] to ns:prod[tier in (front, edge), !legacy] ports 8080, 9000-9010/UDP, http
guarantee cart: always pod:shop/web -> pod:shop/cart port http for existing

only-api: only ns:shop[app = api,tier!=old , team notin (a,b), here] -> pod:db/postgres port 5432
isolated ns:{env=prod, !shared}[app==web]
never world, 203.0.113.0/24, 2001:db8::7 -> account:shop/robot[app=x], pods, nodes[zone=a] port icmp/8, */ANY
isolated ns:*{env=prod}
warning guarantee calm: isolated ns:shop
",
    );
    assert_eq!(problems, vec![]);
    insta::assert_debug_snapshot!(statements);
}

/// A word is a severity unless a colon makes it a name.
#[test]
fn a_guarantee_says_how_much_it_matters() {
    let said = |text: &str| {
        let (statements, problems) = parse(text);
        assert_eq!(problems, vec![], "{text}");
        let [statement] = statements.as_slice() else {
            panic!("{text}");
        };
        let name = statement.name.clone().map(|name| name.value);
        (statement.severity, name, text[statement.span.clone()].to_owned())
    };
    let sentence = "isolated ns:shop";
    for (head, severity, name) in [
        ("", Severity::Error, None),
        ("error ", Severity::Error, None),
        ("warning ", Severity::Warning, None),
        ("note ", Severity::Note, None),
        ("warning shop: ", Severity::Warning, Some("shop")),
        ("note guarantee shop: ", Severity::Note, Some("shop")),
        ("warning\n  shop:\n  ", Severity::Warning, Some("shop")),
        ("warning: ", Severity::Error, Some("warning")),
        ("note : ", Severity::Error, Some("note")),
        ("warning note: ", Severity::Warning, Some("note")),
        ("guarantee warning: ", Severity::Error, Some("warning")),
    ] {
        let expected = (severity, name.map(str::to_owned), sentence.to_owned());
        assert_eq!(said(&format!("{head}{sentence}")), expected, "{head}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Any text gives statements and problems whose places are places of it.
    #[test]
    fn no_text_is_too_odd(text in any::<String>()) {
        places_are_sound(&text)?;
    }

    /// Nearly right text, which gets further.
    #[test]
    fn no_text_is_too_near(words in prop::collection::vec(prop::sample::select(&[
        "never ", "always ", "only ", "isolated ", "-> ", "ns:", "pod:", "shop", "/", "*", "[", "]", "{", "}", "app",
        "=", "!=", "!", " in ", "notin", "(", ")", ",", "port ", "http", "80", "-", "/TCP", "icmp/8", "except ",
        "from ", "to ", "for existing", "name", ": ", "world", "10.0.0.0/8", "::/0", "é", "#", "\n", "\n  ", " ",
        "guarantee ", "65536", "account:", "warning ", "note ", "error",
    ][..]), 0..24)) {
        places_are_sound(&words.concat())?;
    }
}

fn places_are_sound(text: &str) -> Result<(), TestCaseError> {
    let (statements, problems) = parse(text);
    for statement in &statements {
        prop_assert!(text.get(statement.span.clone()).is_some());
    }
    for problem in problems {
        prop_assert!(text.get(problem.span.clone()).is_some(), "{:?}", problem);
        prop_assert!(!problem.message.is_empty());
    }
    let model = model(SHOP);
    for statement in statements {
        for problem in resolve(&model, &statement).err().into_iter().flatten() {
            prop_assert!(text.get(problem.span).is_some());
        }
    }
    Ok(())
}

const SHOP: &str = "
namespace shop env=prod
namespace dev env=dev
namespace payments env=prod
endpoint shop/web of Deployment/web labels app=web ports http 8080/TCP
endpoint shop/cart of Deployment/cart labels app=cart ports http 7070/TCP
endpoint payments/ledger of Deployment/ledger labels app=ledger ports http 80/TCP
policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress @ shop.yaml:3:1 {
  allow ingress from pods [ns=shop, app=web] ports http/TCP @ shop.yaml:9:5
}
policy NetworkPolicy payments/closed on pods [ns=payments] denies both @ payments.yaml:3:1 {
  allow ingress from pods [ns=shop, app=web] ports 80/TCP @ payments.yaml:9:5
  allow egress to cidr 10.0.0.0/8 ports 53/UDP @ payments.yaml:14:5
}
";

/// Each guarantee with its answer.
fn answers(policies: &str, guarantees: &str) -> String {
    let model = model(policies);
    let (statements, problems) = parse(guarantees);
    assert_eq!(problems, vec![]);
    let mut out = String::new();
    for statement in &statements {
        writeln!(out, "{}", &guarantees[statement.span.clone()]).unwrap();
        for unknown in unknown_namespaces(&model, statement) {
            writeln!(out, "    nothing is in `{}`", unknown.value).unwrap();
        }
        let guarantee = match resolve(&model, statement) {
            Ok(guarantee) => guarantee,
            Err(problems) => {
                for problem in problems {
                    writeln!(out, "    {}", problem.message).unwrap();
                }
                continue;
            }
        };
        match prove(&model, &guarantee, &Options::default()).unwrap() {
            Outcome::Holds => out.push_str("    holds\n"),
            Outcome::Vacuous => out.push_str("    speaks of nothing\n"),
            Outcome::Unknown(reason) => writeln!(out, "    unknown: {reason}").unwrap(),
            Outcome::Violated(example) => {
                let verdict = if example.witness.allowed {
                    "allowed"
                } else {
                    "denied"
                };
                writeln!(out, "    {verdict}: {}", example.witness).unwrap();
                writeln!(out, "    egress {:?}", example.judgement.egress.because).unwrap();
                writeln!(out, "    ingress {:?}", example.judgement.ingress.because).unwrap();
            }
        }
    }
    out
}

#[test]
fn what_the_forms_say_of_a_shop() {
    insta::assert_snapshot!(answers(
        SHOP,
        "\
never ns:dev -> pod:payments/ledger
never ns:dev -> ns:shop
never ns:dev -> ns:shop[app=cart]
never ns:shop -> ns:payments
never ns:shop -> ns:payments except port 80
always pod:shop/web -> pod:shop/cart port http
always pod:shop/web -> pod:shop/cart port 7070
always pod:shop/web -> pod:shop/cart port 8080
only ns:shop -> ns:payments
only pod:shop/web -> ns:payments
only ns:shop[app=web] -> pod:shop/cart port http
isolated ns:payments
isolated ns:payments except from ns:shop[app=web] port 80 except to 10.0.0.0/8 port 53/UDP
isolated ns:payments except from ns:shop[app=web] port 80 except to pods, 10.0.0.0/8, nodes port 53/UDP
never world -> ns:{env=prod}
never world -> ns:payments
never pods -> ns:dev for existing
never ns:dev -> ns:payments for existing
never world -> host
never host -> pods
never nodes -> ns:payments
never ns:pyaments -> ns:payments
never pod:shop/wep -> ns:payments
never kube-apiserver -> ns:payments
never ns:payments -> kube-apiserver
"
    ));
}
