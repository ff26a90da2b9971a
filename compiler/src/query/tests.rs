//! Questions about a small cluster.

use super::*;
use crate::source::Sources;

const CLUSTER: &str = "\
namespace shop team=blue
namespace other
node n1 at 192.0.2.1
endpoint shop/web-0 of Deployment/web labels app=web at 10.0.0.1 on n1
endpoint shop/web-1 of Deployment/web labels app=web at 10.0.0.2
endpoint shop/api labels app=api at 10.0.0.3 on n1 ports http 8080/TCP, dns 53/UDP
endpoint shop/agent host-network on n1
endpoint other/tool
policy NetworkPolicy shop/api on pods [app=api, ns=shop] denies ingress @ p.yaml:1:1 {
  allow ingress from pods [app=web, ns=shop] ports http/TCP @ p.yaml:2:1
  allow ingress from cidr 203.0.113.0/24 ports 9090/TCP @ p.yaml:3:1
}
";

fn ask(from: &str, to: &str, port: &str) -> Result<Answer, QueryError> {
    let model = ir::text::parse(CLUSTER).unwrap();
    let question = Query {
        from: from.parse()?,
        to: to.parse()?,
        port: Some(port.parse()?),
    };
    query(&model, &Services::default(), &question)
}

fn short(from: &str, to: &str, port: &str) -> String {
    match ask(from, to, port) {
        Ok(answer) => {
            let verdicts: Vec<_> = answer
                .verdicts
                .iter()
                .map(|v| {
                    let nearest: Vec<_> = v
                        .ingress
                        .nearest
                        .iter()
                        .map(|near| format!("{:?}@{}", near.misses(), near.rule.origin.line))
                        .collect();
                    format!(
                        "{} {}->{} {}/{} {:?}/{:?} {}",
                        if v.allowed { "yes" } else { "no" },
                        v.from,
                        v.to,
                        v.port,
                        v.protocol,
                        v.egress.reason,
                        v.ingress.reason,
                        nearest.join(" ")
                    )
                    .trim_end()
                    .to_owned()
                })
                .collect();
            verdicts.join(" | ")
        }
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn every_form_of_question_has_an_answer() {
    let asked = [
        ("shop/web", "shop/api", "8080/TCP"),
        ("shop/web", "shop/api", "8080"),
        ("shop/web", "shop/api", "http"),
        ("shop/web-1", "shop/api", "http/tcp"),
        ("shop/web", "shop/api", "dns/UDP"),
        ("shop/web", "shop/api", "9090/TCP"),
        ("other/tool", "shop/api", "8080/TCP"),
        ("other/tool", "shop/web", "80/TCP"),
        ("203.0.113.7", "shop/api", "9090/TCP"),
        ("203.0.113.7", "shop/api", "8080/TCP"),
        ("10.0.0.2", "10.0.0.3", "8080/TCP"),
        ("192.0.2.1", "shop/api", "1/TCP"),
        ("shop/agent", "shop/api", "1/TCP"),
        ("shop/api", "203.0.113.7", "443/TCP"),
        ("shop/api", "shop/api", "1/TCP"),
        ("shop/web", "shop/web", "80/TCP"),
        ("shop{app=web}", "shop/api", "8080/TCP"),
        ("shop{}", "shop/api", "8080/TCP"),
        ("shop{app=web}", "other{a=b, c=d}", "80/TCP"),
        ("shop/web", "shop/api", "icmp/8"),
        ("shop/web", "shop/api", "icmpv6/128"),
    ];
    let answers: Vec<_> = asked
        .iter()
        .map(|(from, to, port)| format!("{from} {to} {port}: {}", short(from, to, port)))
        .collect();
    insta::assert_snapshot!(answers.join("\n"));
}

#[test]
fn questions_that_make_no_sense_are_refused_with_the_reason() {
    let asked = [
        ("web", "shop/api", "80"),
        ("shop/wbe", "shop/api", "80"),
        ("other/api", "shop/api", "80"),
        ("shop{app}", "shop/api", "80"),
        ("shop{app=web", "shop/api", "80"),
        ("shop/web", "shop/api", "0"),
        ("shop/web", "shop/api", "80/ICMP"),
        ("shop/web", "shop/api", "65536"),
        ("shop/web", "shop/api", "metrics"),
        ("shop/web", "203.0.113.7", "http"),
    ];
    let answers: Vec<_> = asked
        .iter()
        .map(|(from, to, port)| format!("{from} {to} {port}: {}", short(from, to, port)))
        .collect();
    insta::assert_snapshot!(answers.join("\n"));
}

#[test]
fn the_answer_shows_the_lines() {
    let manifest = "policy\n  http rule \u{1b}[31m\n  metrics rule\n";
    let mut sources = Sources::default();
    sources.push(crate::source::Source::new("p.yaml", manifest));
    let mut text = Vec::new();
    for (from, port) in [("shop/web", "8080"), ("other/tool", "8080")] {
        human::write(&mut text, &ask(from, "shop/api", port).unwrap(), &sources).unwrap();
    }
    insta::assert_snapshot!(String::from_utf8(text).unwrap());
}

#[test]
fn json_has_the_keys_that_others_read() {
    let mut text = Vec::new();
    json::write(&mut text, &ask("other/tool", "shop/api", "8080").unwrap()).unwrap();
    insta::assert_snapshot!(String::from_utf8(text).unwrap());
}
