//! What is left of the policies when demands beyond peers and ports cannot be met, and names cannot be resolved.
//!
//! A program that only sees addresses, protocols and ports can leave such a rule out or take its peers and ports
//! alone. It does whichever lets less through: an allow that depends on what it cannot see is left out, a deny is
//! kept for every flow of its peers and ports. Likewise a domain name, whose addresses nobody told it: an allow loses
//! that peer, a deny takes it for all of the outside.

use crate::model::Model;
use crate::peer::{Entity, Peer, PeerMatch, Peers};
use crate::policy::{Action, Policy, Rule};

/// The model with no demand [beyond](Rule::beyond) peers and ports and no domain name left. What it lets through, the
/// model does too.
///
/// | rule | with a demand becomes | with a domain name becomes |
/// |---|---|---|
/// | allow | nothing: the flow falls to the other rules and to default deny | an allow of its other peers |
/// | deny | a deny of all its peers and ports | a deny of all outside addresses and its other peers |
/// | pass | the same deny: what comes after could allow the flow | the same deny |
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

/// The peers of a rule that stand for the addresses of a domain name.
pub fn domains(rule: &Rule) -> impl Iterator<Item = &Peer> {
    let peers = match &rule.peers {
        Peers::Any => &[][..],
        Peers::OneOf(peers) => peers,
    };
    peers
        .iter()
        .filter(|peer| matches!(peer.matches, PeerMatch::Domain(_)))
}

fn narrowed_rule(rule: &Rule) -> Option<Rule> {
    let named = domains(rule).next().is_some();
    if rule.beyond.is_empty() && !named {
        return Some(rule.clone());
    }
    let peers = |of_domain: fn(&Peer) -> Option<Peer>| match &rule.peers {
        Peers::Any => Peers::Any,
        Peers::OneOf(peers) => Peers::OneOf(
            peers
                .iter()
                .filter_map(|peer| match peer.matches {
                    PeerMatch::Domain(_) => of_domain(peer),
                    _ => Some(peer.clone()),
                })
                .collect(),
        ),
    };
    match rule.action {
        Action::Allow => {
            let peers = peers(|_| None);
            (rule.beyond.is_empty() && peers != Peers::OneOf(Vec::new())).then(|| Rule {
                peers,
                ..rule.clone()
            })
        }
        Action::Deny | Action::Pass => Some(Rule {
            action: Action::Deny,
            peers: peers(|peer| {
                Some(Peer {
                    matches: PeerMatch::Entity(Entity::World),
                    origin: peer.origin.clone(),
                })
            }),
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

    #[test]
    fn domain_names_open_nothing_and_close_the_outside() {
        let model = parse(
            "\
policy CiliumNetworkPolicy shop/a on pods [ns=shop] denies egress {
  allow egress to domain api.example.com ports 443/TCP
  allow egress to domain api.example.com, pods [app=db]
  deny egress to domain \"*.example.com\"
}
",
        )
        .unwrap();
        assert_eq!(
            print(&narrowed(&model)),
            "\
policy CiliumNetworkPolicy shop/a on pods [ns=shop] denies egress {
  allow egress to pods [app=db]
  deny egress to entity world
}
"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_let_through_that_was_not(scenario in scenarios(Profile::everything())) {
            let narrow = narrowed(&scenario.model);
            let mut rules = narrow.policies().iter().flat_map(|policy| &policy.rules);
            prop_assert!(rules.all(|rule| rule.beyond.is_empty() && domains(rule).next().is_none()));
            for flow in &scenario.flows {
                if evaluate(&narrow, flow).allowed() {
                    prop_assert!(evaluate(&scenario.model, flow).allowed(), "{flow:?}");
                }
            }
        }
    }
}
