//! The sentences of the semantics that the IR can express, each as a test named after it.
//!
//! Not here, because a single flow cannot show it: replies and related ICMP errors (allowed with their flow), and
//! how manifests become IR (`policyTypes`, default protocols), which is the compiler's.

use super::evaluate;
use crate::flow::{Because, Decision, Judgement};
use crate::model::Model;
use crate::policy::{Direction, PolicyId, RuleId};
use crate::text::{parse, parse_flow};

mod cilium;
mod named_ports;
mod network_policy;
mod verdict;

/// Two nodes, three teams' namespaces. `shop/web-a` and `shop/web-b` bear the same labels and put different numbers
/// behind `http`.
const CLUSTER: &str = r#"
namespace shop team=blue
namespace pay team=red stage=live
namespace ops
node n1 at 192.168.77.1 fd77::1 slice 10.244.1.0/24 labels zone=a
node n2 at 192.168.77.2 fd77::2 slice 10.244.2.0/24 labels zone=b
endpoint shop/web-a labels app=web at 10.244.1.10 fd00:1::10 on n1 ports http 8080/TCP, dns 53/UDP
endpoint shop/web-b labels app=web at 10.244.2.10 fd00:2::10 on n2 ports http 80/TCP, Dns 5353/TCP
endpoint shop/api labels app=api tier=back at 10.244.1.11 on n1
endpoint pay/till labels app=till tier=front account cashier at 10.244.2.11 on n2 ports http 9999/TCP
endpoint pay/db labels app=db at 10.244.1.12 on n1 ports sql 5432/TCP, sql 5433/TCP in exporter
endpoint ops/mesh labels app=mesh at 10.244.1.13 on n1 ports http 15001/TCP in proxy sidecar, http 1/TCP in setup init
endpoint ops/agent labels app=agent host-network at 192.168.77.1 on n1 ports http 9100/TCP
endpoint ops/pending labels app=pending
"#;

struct Case(Model);

/// The cluster under policies in text form.
fn under(policies: &str) -> Case {
    Case(parse(&format!("{CLUSTER}{policies}")).unwrap())
}

/// A NetworkPolicy on `shop/api` that isolates both directions, with these rules.
fn api(rules: &str) -> Case {
    under(&format!(
        "policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies both {{\n{rules}\n}}"
    ))
}

impl Case {
    fn judge(&self, flow: &str) -> Judgement {
        let flow = parse_flow(&self.0.cluster, flow).unwrap();
        evaluate(&self.0, &flow)
    }

    #[track_caller]
    fn allows(&self, flows: &[&str]) -> &Self {
        for flow in flows {
            let judgement = self.judge(flow);
            assert!(judgement.allowed(), "{flow} is denied: {judgement:?}");
        }
        self
    }

    #[track_caller]
    fn denies(&self, flows: &[&str]) -> &Self {
        for flow in flows {
            let judgement = self.judge(flow);
            assert!(!judgement.allowed(), "{flow} is allowed: {judgement:?}");
        }
        self
    }

    #[track_caller]
    fn because(&self, flow: &str, direction: Direction, allowed: bool, because: Because) -> &Self {
        let judgement = self.judge(flow);
        let side = match direction {
            Direction::Egress => judgement.egress,
            Direction::Ingress => judgement.ingress,
        };
        assert_eq!(side, Decision { allowed, because }, "{flow}");
        self
    }
}

fn rules(ids: &[(u32, u32)]) -> Because {
    let id = |(policy, rule): &(u32, u32)| RuleId {
        policy: PolicyId(*policy),
        rule: *rule,
    };
    Because::Rules(ids.iter().map(id).collect())
}
