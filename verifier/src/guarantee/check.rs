//! A guarantee holds: no flow that it speaks of gets the verdict that it does not want
//! (`unsat(in the region ∧ verdict ≠ wanted)`).
//!
//! The flows are all those between ends that could exist; with `for existing`, between pods of the input. What rules
//! demand beyond addresses and ports counts against the guarantee: an allow with such a demand is taken to let
//! everything through where the flow must be denied, and nothing where it must be allowed. A guarantee that speaks of
//! no flow is vacuous, which is no way of holding.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::EndpointId;
use ir::flow::{Decision, Judgement, Party};
use ir::model::Model;
use ir::peer::PeerMatch;
use ir::policy::{Action, BeyondKind, Direction, PolicyId, Rule, RuleId, Subject};

use super::meaning::Guarantee;
use crate::answers::{Described, Text};
use crate::encode::assignment::WholeAssignment;
use crate::encode::kept::Words;
use crate::encode::vocabulary::Vocabulary;
use crate::encode::whole::Allows;
use crate::encode::{Encoder, Formula, Found, in_own_context};
use crate::error::VerifierError;
use crate::options::Options;
use crate::overlap::{rules_may_overlap, selectors_may_overlap};
use crate::region::{Ends, Region, Scene, Who};
use crate::replay::judge;
use crate::witness::Witness;

/// What is known of a guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Proved for everything that it speaks of.
    Holds,
    /// It speaks of no flow.
    Vacuous,
    /// Refuted.
    Violated(Box<Counterexample>),
    /// Not decided, and why.
    Unknown(String),
}

/// A flow that refutes a guarantee, as the evaluator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The flow, between existing or made up ends.
    pub witness: Witness,
    /// What both sides say of it; rules and policies are those of the model.
    pub judgement: Judgement,
}

/// Asks whether a guarantee holds.
///
/// # Errors
/// A mistake in this crate; see [`VerifierError`].
pub fn prove(model: &Model, guarantee: &Guarantee, options: &Options) -> Result<Outcome, VerifierError> {
    let region = &guarantee.region;
    let (policies, rules) = slice(model, region, &Direction::BOTH);
    let vocabulary = Vocabulary::of(
        policies.iter().filter_map(|id| model.policy(*id)),
        rules
            .iter()
            .filter_map(|id| model.rule(*id))
            .chain([&region.mentions()]),
    );
    let words = Words {
        model,
        vocabulary: &vocabulary,
    };
    let refuted = |values: &WholeAssignment| {
        let witness = Witness::of_whole_flow(model, &vocabulary, values);
        replay(model, guarantee, witness)
    };
    let said = options.answers.to(
        || {
            let mut speaking = policies.clone();
            // Rules that match nothing of it may still leave it open (`depends_on_groups`).
            for direction in Direction::BOTH {
                speaking.extend(relevant(model, &region.seen_from(direction), direction));
            }
            Text::of("guarantee", options)
                .with("guarantee", guarantee)
                .with_policies(model, &speaking, |id| {
                    rules.contains(&id) || model.rule(id).is_some_and(names_groups)
                })
                .with_cluster(&Described::default(), &model.cluster)
                .done()
        },
        |kept| match kept {
            "holds" => Some(Said::Holds),
            "vacuous" => Some(Said::Vacuous),
            values => {
                let values = words.read_whole(values)?;
                refuted(&values).ok()?;
                Some(Said::Violated(values))
            }
        },
        || in_own_context(|| Question::new(model, guarantee, &Direction::BOTH, options)?.answer()),
        |said| match said {
            Said::Holds => Some("holds".to_owned()),
            Said::Vacuous => Some("vacuous".to_owned()),
            Said::Violated(values) => Some(words.write_whole(values)),
            Said::Unknown(_) => None,
        },
    )?;
    Ok(match said {
        Said::Holds => Outcome::Holds,
        Said::Vacuous => Outcome::Vacuous,
        Said::Violated(values) => Outcome::Violated(Box::new(refuted(&values)?)),
        Said::Unknown(reason) => Outcome::Unknown(reason),
    })
}

/// The solver's answer.
enum Said {
    Holds,
    Vacuous,
    Violated(WholeAssignment),
    Unknown(String),
}

/// The question as SMT-LIB text: unsatisfiable iff the guarantee holds.
///
/// # Errors
/// A mistake in this crate; see [`VerifierError`].
pub fn smt_lib(model: &Model, guarantee: &Guarantee, options: &Options) -> Result<String, VerifierError> {
    in_own_context(|| {
        let question = Question::new(model, guarantee, &Direction::BOTH, options)?;
        let violated = question.encoder.question(&question.violated);
        question.encoder.to_smt_lib(&violated, &[])
    })
}

struct Question<'a> {
    model: &'a Model,
    guarantee: &'a Guarantee,
    encoder: Encoder<'a>,
    region: Formula,
    violated: Formula,
}

impl<'a> Question<'a> {
    fn new(
        model: &'a Model,
        guarantee: &'a Guarantee,
        sides: &[Direction],
        options: &Options,
    ) -> Result<Self, VerifierError> {
        let region = &guarantee.region;
        let (policies, rules) = slice(model, region, sides);
        let encoder = Encoder::of_whole_flows(
            model,
            &policies,
            &rules,
            &[region.mentions()],
            &written(model, region),
            options,
        )?;
        let lies_in = encoder.lies_in(region);
        let allowed = encoder.allowed(sides, |_| true, counted_allows(guarantee.wanted));
        let unwanted = if guarantee.wanted {
            allowed.negated()
        } else {
            allowed
        };
        Ok(Self {
            model,
            guarantee,
            violated: lies_in.and(&unwanted),
            region: lies_in,
            encoder,
        })
    }

    fn answer(&self) -> Result<Said, VerifierError> {
        match self.encoder.ask(&self.encoder.question(&self.region), &[])? {
            Found::None => return Ok(Said::Vacuous),
            Found::Unknown(reason) => return Ok(Said::Unknown(reason)),
            Found::Some => {}
        }
        let violated = self.encoder.question(&self.violated);
        let [sources, destinations] = self.preferred();
        match self
            .encoder
            .smallest_whole(&violated, [&sources, &destinations])?
        {
            Err(reason) => Ok(Said::Unknown(reason)),
            Ok(Some(values)) => Ok(Said::Violated(values)),
            Ok(None) => Ok(match self.depends_on_groups() {
                Some(reason) => Said::Unknown(reason),
                None => Said::Holds,
            }),
        }
    }

    /// Existing sources and destinations to tell a counterexample with.
    fn preferred(&self) -> [Vec<EndpointId>; 2] {
        let region = &self.guarantee.region;
        let cluster = &self.model.cluster;
        let candidates = |pick: fn(&crate::region::Clause) -> &Ends| -> Vec<EndpointId> {
            let described: Option<Vec<PeerMatch>> = region
                .any_of
                .iter()
                .map(|clause| match pick(clause) {
                    Ends::OneOf(list) => Some(list.iter().map(Who::described).collect::<Vec<_>>()),
                    Ends::Anyone | Ends::NoneOf(_) => None,
                })
                .collect::<Option<Vec<_>>>()
                .map(|lists| lists.concat());
            let fits = |id: EndpointId| match (&described, cluster.endpoint(id)) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(list), Some(pod)) => list.iter().any(|one| match one {
                    PeerMatch::Endpoints(selector) => {
                        selector.matches(|attribute| cluster.attribute(pod, attribute))
                    }
                    _ => true,
                }),
            };
            cluster
                .endpoint_ids()
                .filter(|(id, pod)| !pod.host_network && fits(*id))
                .map(|(id, _)| id)
                .collect()
        };
        [candidates(|clause| &clause.from), candidates(|clause| &clause.to)]
    }

    /// Why the guarantee may not hold although nothing that is known refutes it: an allow for addresses that only a
    /// cloud provider knows.
    fn depends_on_groups(&self) -> Option<String> {
        let region = &self.guarantee.region;
        if self.guarantee.wanted {
            return None;
        }
        Direction::BOTH.into_iter().find_map(|direction| {
            let seen = region.seen_from(direction);
            relevant(self.model, &seen, direction).into_iter().find_map(|id| {
                let (_, rule) = self
                    .model
                    .rule_ids(id)
                    .find(|(_, rule)| rule.direction == direction && names_groups(rule))?;
                let outside = seen.iter().any(|(_, flows)| match &flows.peers {
                    ir::peer::Peers::Any => true,
                    ir::peer::Peers::OneOf(peers) => peers
                        .iter()
                        .any(|peer| matches!(peer.matches, PeerMatch::Cidr(_) | PeerMatch::Entity(_))),
                });
                outside.then(|| {
                    format!(
                        "the rule at {} allows a cloud provider's groups, whose addresses are not known",
                        rule.origin
                    )
                })
            })
        })
    }
}

/// The flow lies in the region, and has the verdict that the guarantee does not want, by the evaluator's word.
fn replay(
    model: &Model,
    guarantee: &Guarantee,
    mut witness: Witness,
) -> Result<Counterexample, VerifierError> {
    let scene = Scene {
        cluster: &witness.cluster,
        flow: &witness.flow,
        api_server: witness.api_server,
    };
    let error = |witness: &Witness, what| VerifierError::ReplayFlow {
        flow: witness.to_string(),
        what,
    };
    if !guarantee.region.contains(scene) {
        return Err(error(&witness, "the guarantee does not speak of it"));
    }
    let made_up = |party: Party, invented: bool| invented && matches!(party, Party::Endpoint { .. });
    if guarantee.region.existing
        && (made_up(witness.flow.source, witness.source_invented)
            || made_up(witness.flow.destination, witness.destination_invented))
    {
        return Err(error(&witness, "one of its pods is not in the input"));
    }
    let firm = guarantee.wanted;
    let judgement = judge(&witness, model.policies(), |rule| {
        !(firm && rule.action == Action::Allow && !rule.beyond.is_empty())
    });
    if judgement.allowed() == guarantee.wanted {
        return Err(error(&witness, "it has the verdict that the guarantee wants"));
    }
    witness.allowed = judgement.allowed();
    witness.direction = deciding_side(&witness, &judgement);
    Ok(Counterexample { witness, judgement })
}

/// The pods that an end can be as such: those that the region names, and all of them where it speaks of no others.
fn written(model: &Model, region: &Region) -> Vec<EndpointId> {
    let named = region.written();
    model
        .cluster
        .endpoint_ids()
        .filter(|(_, pod)| !pod.host_network && (region.existing || named.contains(pod)))
        .map(|(id, _)| id)
        .collect()
}

fn counted_allows(wanted: bool) -> Allows {
    if wanted {
        Allows::Unconditional
    } else {
        Allows::All
    }
}

fn names_groups(rule: &Rule) -> bool {
    rule.action == Action::Allow
        && rule
            .beyond
            .iter()
            .any(|demand| demand.kind == BeyondKind::CloudGroups)
}

/// The side to look at first: one that denies, else the destination's where it is a pod's.
fn deciding_side(witness: &Witness, judgement: &Judgement) -> Direction {
    let denies = |decision: &Decision| !decision.allowed;
    let is_pod = |party| matches!(party, Party::Endpoint { .. });
    if denies(&judgement.egress) || !is_pod(witness.flow.destination) {
        Direction::Egress
    } else {
        Direction::Ingress
    }
}

/// The policies that can be in force on a pod at the subject's end of a region's flows, ascending.
fn relevant(
    model: &Model,
    seen: &[(Option<Vec<PeerMatch>>, Rule)],
    direction: Direction,
) -> BTreeSet<PolicyId> {
    model
        .policy_ids()
        .filter(|(_, policy)| policy.applies.has(direction))
        .filter(|(_, policy)| match &policy.subject {
            Subject::Nodes(_) => false,
            Subject::Endpoints(selector) => seen.iter().any(|(subjects, _)| match subjects {
                None => true,
                Some(list) => list.iter().any(|one| match one {
                    PeerMatch::Endpoints(other) => selectors_may_overlap(selector, other),
                    PeerMatch::Entity(_) => true,
                    PeerMatch::Nodes(_)
                    | PeerMatch::OtherNodes(_)
                    | PeerMatch::Cidr(_)
                    | PeerMatch::Domain(_) => false,
                }),
            }),
        })
        .map(|(id, _)| id)
        .collect()
}

/// The policies and rules that have a say in the flows of a region, on these sides.
pub(crate) fn slice(
    model: &Model,
    region: &Region,
    sides: &[Direction],
) -> (BTreeSet<PolicyId>, BTreeSet<RuleId>) {
    let mut policies = BTreeSet::new();
    let mut rules: BTreeMap<RuleId, ()> = BTreeMap::new();
    for direction in sides {
        let seen = region.seen_from(*direction);
        for id in relevant(model, &seen, *direction) {
            let before = rules.len();
            for (rule_id, rule) in model.rule_ids(id) {
                if seen.iter().any(|(_, flows)| rules_may_overlap(flows, rule)) {
                    rules.insert(rule_id, ());
                }
            }
            let isolates = model
                .policy(id)
                .is_some_and(|policy| policy.default_deny.has(*direction));
            if isolates || rules.len() > before {
                policies.insert(id);
            }
        }
    }
    (policies, rules.into_keys().collect())
}
