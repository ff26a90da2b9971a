//! What is left of the policies when demands beyond peers and ports cannot be met.
//!
//! A program that only sees addresses, protocols and ports can leave such a rule out or take its peers and ports
//! alone. It does whichever lets less through: an allow that depends on what it cannot see is left out, a deny is
//! kept for every flow of its peers and ports.

use crate::model::Model;
use crate::policy::{Action, Policy, Rule};

/// The model with no demand [beyond](Rule::beyond) peers and ports left. What it lets through, the model does too.
///
/// | rule with a demand | becomes |
/// |---|---|
/// | allow | nothing: the flow falls to the other rules and to default deny |
/// | deny | a deny of all its peers and ports |
/// | pass | a deny of all its peers and ports: what comes after could allow the flow |
///
/// A policy keeps what it asks for by being in force, also when no rule of it is left.
#[must_use]
pub fn narrowed(model: &Model) -> Model {
    let policies = model.policies().iter().map(|policy| Policy {
        rules: policy.rules.iter().filter_map(narrowed_rule).collect(),
        ..policy.clone()
    });
    Model::new(model.cluster.clone(), policies)
}

fn narrowed_rule(rule: &Rule) -> Option<Rule> {
    if rule.beyond.is_empty() {
        return Some(rule.clone());
    }
    match rule.action {
        Action::Allow => None,
        Action::Deny | Action::Pass => Some(Rule {
            action: Action::Deny,
            beyond: Vec::new(),
            ..rule.clone()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::evaluate;
    use crate::testing::{Profile, scenarios};
    use crate::text::{parse, print};
    use proptest::prelude::*;

    #[test]
    fn allows_are_left_out_and_denies_are_kept_whole() {
        let model = parse(
            "\
policy CiliumNetworkPolicy shop/a on pods [ns=shop] denies egress {
  allow egress to pods [app=db] ports 5432/TCP
  allow egress to entity world ports 80/TCP beyond layer7
  deny egress to entity world beyond cloud-groups
  allow egress beyond tls, listener
}
",
        )
        .unwrap();
        assert_eq!(
            print(&narrowed(&model)),
            "\
policy CiliumNetworkPolicy shop/a on pods [ns=shop] denies egress {
  allow egress to pods [app=db] ports 5432/TCP
  deny egress to entity world
}
"
        );
    }

    #[test]
    fn a_policy_that_loses_its_last_rule_still_isolates() {
        let model = parse(
            "policy CiliumNetworkPolicy a/b on pods [] denies ingress {\nallow ingress beyond layer7\n}\n",
        );
        assert_eq!(
            print(&narrowed(&model.unwrap())),
            "policy CiliumNetworkPolicy a/b on pods [] denies ingress {\n}\n"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_let_through_that_was_not(scenario in scenarios(Profile::everything())) {
            let narrow = narrowed(&scenario.model);
            prop_assert!(narrow.policies().iter().flat_map(|policy| &policy.rules).all(|rule| rule.beyond.is_empty()));
            for flow in &scenario.flows {
                if evaluate(&narrow, flow).allowed() {
                    prop_assert!(evaluate(&scenario.model, flow).allowed(), "{flow:?}");
                }
            }
        }
    }
}
