//! Replaying witnesses through the reference evaluator.
//!
//! A finding is only as good as its witness, and a witness only as good as the evaluator's word: what the solver says
//! of a flow is never reported before the evaluator, which shares no code with the encoding, says the same.

use ipnet::IpNet;
use ir::evaluator;
use ir::flow::{Because, Decision, Judgement, Party};
use ir::model::Model;
use ir::peer::{CidrBlock, CidrScope, Entity, PeerMatch, Peers};
use ir::policy::{Directions, Policy, PolicyId, Rule, RuleId, Subject};

use crate::error::VerifierError;
use crate::witness::Witness;

/// The policies of a model, played on the stage of a witness.
pub(crate) struct Stage<'a> {
    model: &'a Model,
    witness: &'a Witness,
    rule: RuleId,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(model: &'a Model, witness: &'a Witness, rule: RuleId) -> Self {
        Self { model, witness, rule }
    }

    /// Confirms that the flow is one that the rule matches: it decides when it is the only rule there is and nothing
    /// is denied by default (before a baseline rule is asked).
    pub(crate) fn expect_match(&self) -> Result<(), VerifierError> {
        let policies = self.policies(|rule| rule == self.rule).map(|policy| Policy {
            default_deny: Directions::default(),
            ..policy
        });
        let decision = self.decide(&Model::new(self.witness.cluster.clone(), policies));
        let before = self.selecting().filter(|(id, _)| *id < self.rule.policy).count();
        let alone = RuleId {
            policy: PolicyId(u32::try_from(before).unwrap_or(u32::MAX)),
            rule: 0,
        };
        match decision.because {
            Because::Rules(rules) if rules == [alone] => Ok(()),
            // A passing rule never decides, and one about the own node never gets to.
            _ if self.cannot_decide() => Ok(()),
            _ => Err(self.error("the rule does not match the flow")),
        }
    }

    /// Confirms the verdict that the rules picked by `keep` give.
    pub(crate) fn expect_verdict(
        &self,
        allowed: bool,
        what: &'static str,
        keep: impl Fn(RuleId) -> bool,
    ) -> Result<(), VerifierError> {
        if self.verdict(keep) == allowed {
            Ok(())
        } else {
            Err(self.error(what))
        }
    }

    /// Confirms the verdict that the whole model gives.
    pub(crate) fn expect_verdict_of_all(&self, allowed: bool) -> Result<(), VerifierError> {
        self.expect_verdict(allowed, "the verdict of all rules is another one", |_| true)
    }

    /// Confirms what decides in the whole model.
    pub(crate) fn expect_reason(
        &self,
        what: &'static str,
        is: impl Fn(&Because) -> bool,
    ) -> Result<(), VerifierError> {
        if is(&self.decide(&self.with_rules(|_| true)).because) {
            Ok(())
        } else {
            Err(self.error(what))
        }
    }

    /// The verdict that the rules picked by `keep` give.
    pub(crate) fn verdict(&self, keep: impl Fn(RuleId) -> bool) -> bool {
        self.decide(&self.with_rules(keep)).allowed
    }

    fn cannot_decide(&self) -> bool {
        let pass = self
            .model
            .rule(self.rule)
            .is_some_and(|rule| rule.action == ir::policy::Action::Pass);
        pass || matches!(self.decide(&self.with_rules(|_| true)).because, Because::OwnHost)
    }

    fn decide(&self, model: &Model) -> Decision {
        let witness = self.witness;
        let Party::Endpoint { id, .. } = witness.subject() else {
            return Decision {
                allowed: true,
                because: Because::NotAnEndpoint,
            };
        };
        evaluator::decide(
            model,
            id,
            witness.direction,
            witness.peer(),
            witness.flow.protocol,
            witness.flow.port,
        )
    }

    /// The model on the witness's cluster, with only the rules picked by `keep`.
    fn with_rules(&self, keep: impl Fn(RuleId) -> bool) -> Model {
        Model::new(self.witness.cluster.clone(), self.policies(keep))
    }

    /// The policies that select the subject; others are never in force on it.
    fn selecting(&self) -> impl Iterator<Item = (PolicyId, &'a Policy)> {
        let cluster = &self.witness.cluster;
        let subject = match self.witness.subject() {
            Party::Endpoint { id, .. } => cluster.endpoint(id),
            Party::Node { .. } | Party::SomeNode | Party::Outside(_) => None,
        };
        self.model
            .policy_ids()
            .filter(move |(_, policy)| match (&policy.subject, subject) {
                (Subject::Endpoints(selector), Some(pod)) => {
                    selector.matches(|attribute| cluster.attribute(pod, attribute))
                }
                _ => false,
            })
    }

    /// The policies that select the subject, with only the rules picked by `keep`. Policies without rules stay: what
    /// they ask for by being in force, they still ask for.
    fn policies(&self, keep: impl Fn(RuleId) -> bool) -> impl Iterator<Item = Policy> {
        self.selecting().map(move |(id, policy)| Policy {
            rules: self
                .model
                .rule_ids(id)
                .filter(|(id, _)| keep(*id))
                .map(|(_, rule)| self.resolve(rule))
                .collect(),
            ..without_rules(policy)
        })
    }

    fn resolve(&self, rule: &Rule) -> Rule {
        resolve(rule, self.witness, self.witness.peer())
    }

    fn error(&self, what: &'static str) -> VerifierError {
        VerifierError::Replay {
            rule: self.rule,
            flow: self.witness.to_string(),
            what,
        }
    }
}

/// The rule with what is only known on the witness's stage put in: its DNS names, and the API server, are `party`'s
/// address where the witness takes them to be, else nobody.
fn resolve(rule: &Rule, witness: &Witness, party: Party) -> Rule {
    let mut rule = rule.clone();
    if let Peers::OneOf(peers) = &mut rule.peers {
        peers.retain_mut(|peer| {
            let (answers, scope) = match &peer.matches {
                PeerMatch::Domain(pattern) => (witness.resolved.contains(pattern), CidrScope::OutsideCluster),
                PeerMatch::Entity(Entity::KubeApiServer) if witness.api_server => {
                    (true, CidrScope::Everything)
                }
                _ => return true,
            };
            let Some(address) = party.address() else {
                return false;
            };
            peer.matches = PeerMatch::Cidr(CidrBlock {
                cidr: IpNet::from(address),
                except: vec![],
                scope,
            });
            answers
        });
    }
    rule
}

/// Judges the witness's whole flow by these policies, of whose rules those that `keep` does not pick match nothing.
/// The ids in the judgement are positions in `policies`.
pub(crate) fn judge<'m>(
    witness: &Witness,
    policies: impl IntoIterator<Item = &'m Policy>,
    keep: impl Fn(&Rule) -> bool,
) -> Judgement {
    let flow = &witness.flow;
    let party = match flow.source {
        Party::Endpoint { .. } => flow.destination,
        Party::Node { .. } | Party::SomeNode | Party::Outside(_) => flow.source,
    };
    let policies = policies.into_iter().map(|policy| {
        let rules = policy.rules.iter().map(|rule| {
            let mut rule = resolve(rule, witness, party);
            // Unless the witness says so, an end is known not to be the API server.
            if let Peers::OneOf(peers) = &mut rule.peers {
                peers.retain(|peer| peer.matches != PeerMatch::Entity(Entity::KubeApiServer));
            }
            if !keep(&rule) {
                rule.peers = Peers::OneOf(vec![]);
            }
            rule
        });
        Policy {
            rules: rules.collect(),
            ..without_rules(policy)
        }
    });
    evaluator::evaluate(&Model::new(witness.cluster.clone(), policies), flow)
}

/// A policy, but for what it says.
pub(crate) fn without_rules(policy: &Policy) -> Policy {
    Policy {
        kind: policy.kind,
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
        subject: policy.subject.clone(),
        applies: policy.applies,
        default_deny: policy.default_deny,
        rules: vec![],
        origin: policy.origin.clone(),
    }
}
