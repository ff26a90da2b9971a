//! Whole flows: both sides judged at once, between any two ends of which one at least is a pod.
//!
//! The flow has two views. The source's side sees a subject (the source) and a peer (the destination), the
//! destination's side the same two the other way round; both share their variables. At most one end is no pod, so
//! what there is to know of such an end (its node labels, whether it is the other's own node, the DNS names it answers
//! to) is there once. The ends have two addresses of one family.
//!
//! Flows that no policy decides are none: from a pod's own node to it, and between two ends that are no pods.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::{Endpoint, EndpointId};
use ir::model::Model;
use ir::policy::{Action, Direction, PolicyId, Rule, RuleId};
use ir::port::Protocol;
use z3::ast::{BV, Bool};

use super::assignment::{Class, EndValues, PodValues, TRIED, WholeAssignment};
use super::flow::SymbolicFlow;
use super::smallest::{Search, counted};
use super::solver::Session;
use super::terms::{all, any, at_most, constant, is, not};
use super::vocabulary::Vocabulary;
use super::{Encoder, Formula, Question};
use crate::error::VerifierError;
use crate::options::Options;
use crate::region::{Clause, Ends, Region, Who};

/// Pods of the input that an end can be *as such*, and not only as a pod like any other: for each end the position in
/// the list plus one of the pod that it is, 0 for none of them.
pub(super) struct Written {
    pods: Vec<EndpointId>,
    source: BV,
    destination: BV,
}

/// Which rules a verdict counts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allows {
    /// All.
    All,
    /// Only those that let everything through that they match, whatever it carries.
    Unconditional,
}

impl<'m> Encoder<'m> {
    /// Encodes these policies with these of their rules for whole flows; `also` mentions what else is to be told
    /// apart, `written` are the pods that an end can be as such.
    pub(crate) fn of_whole_flows(
        model: &'m Model,
        policies: &BTreeSet<PolicyId>,
        rules: &BTreeSet<RuleId>,
        also: &[Rule],
        written: &[EndpointId],
        options: &Options,
    ) -> Result<Self, VerifierError> {
        let vocabulary = Vocabulary::of(
            policies.iter().filter_map(|id| model.policy(*id)),
            rules.iter().filter_map(|id| model.rule(*id)).chain(also),
        );
        let (sent, received) = views(&vocabulary);
        let session = Session::new(options);
        for fact in sent.well_formed_ends(&vocabulary, &model.cluster) {
            session.state(fact);
        }
        for fact in of_both_ends(&sent, &received) {
            session.state(fact);
        }
        let mut encoder = Self {
            model,
            policies: policies.clone(),
            rules: BTreeMap::new(),
            vocabulary,
            flow: sent,
            received: Some(received),
            written: None,
            session,
        };
        encoder.encode(rules)?;
        encoder.introduce(written);
        Ok(encoder)
    }

    /// Says what is true of an end that is one of these pods.
    fn introduce(&mut self, pods: &[EndpointId]) {
        let count = pods.len() as u64;
        let bits = (u64::BITS - count.leading_zeros()).max(1);
        let written = Written {
            pods: pods.to_vec(),
            source: BV::new_const("source.pod", bits),
            destination: BV::new_const("destination.pod", bits),
        };
        for (side, term) in [
            (Direction::Ingress, &written.source),
            (Direction::Egress, &written.destination),
        ] {
            self.session.state(at_most(term, count));
            for (code, pod) in (1..)
                .zip(pods)
                .filter_map(|(code, id)| Some((code, self.model.cluster.endpoint(*id)?)))
            {
                self.session
                    .state(is(term, code).implies(self.is_like(side, pod)));
            }
        }
        for (code, pod) in (1..)
            .zip(pods)
            .filter_map(|(code, id)| Some((code, self.model.cluster.endpoint(*id)?)))
        {
            if !can_be_two(pod) {
                let both = all([is(&written.source, code), is(&written.destination, code)]);
                self.session.state(not(&both));
            }
        }
        self.written = Some(written);
    }

    /// Whether these sides let the flow through, by the policies that count. A side that is no pod does.
    pub(crate) fn allowed(
        &self,
        sides: &[Direction],
        counts: impl Fn(PolicyId) -> bool,
        allows: Allows,
    ) -> Formula {
        Formula(all(sides.iter().map(|direction| {
            let mut rules: Vec<_> = self
                .rules
                .iter()
                .filter(|(id, encoded)| encoded.rule.direction == *direction && counts(id.policy))
                .filter(|(_, encoded)| {
                    allows == Allows::All
                        || encoded.rule.action != Action::Allow
                        || encoded.rule.beyond.is_empty()
                })
                .map(|(id, encoded)| (*id, encoded.rule, encoded.matches.clone()))
                .collect();
            rules.sort_by_key(|(id, rule, _)| (rule.rank, *id));
            let verdict = self.tiers(*direction, &rules, self.isolated_by(*direction, &counts));
            // The subject of one side is the peer of the other.
            let is_pod = self.view(direction.opposite()).class_is(Class::Pod);
            any([not(&is_pod), verdict])
        })))
    }

    /// Whether the flow lies in a region.
    pub(crate) fn lies_in(&self, region: &Region) -> Formula {
        let one_of = |clauses: &[Clause]| any(clauses.iter().map(|clause| self.lies_in_clause(clause)));
        let mut facts = vec![one_of(&region.any_of), not(&one_of(&region.except))];
        if region.existing {
            for side in Direction::BOTH {
                let is_pod = self.view(side).class_is(Class::Pod);
                facts.push(any([not(&is_pod), self.is_written(side, |_| true)]));
            }
        }
        Formula(all(facts))
    }

    fn lies_in_clause(&self, clause: &Clause) -> Bool {
        let ports = match &clause.ports {
            None => constant(true),
            Some(ports) => any(ports
                .iter()
                .map(|port| self.matching(Direction::Egress).port(port, Direction::Egress))),
        };
        // The source is the peer of the destination's side, and the other way round.
        all([
            self.are(Direction::Ingress, &clause.from),
            self.are(Direction::Egress, &clause.to),
            ports,
        ])
    }

    /// Whether the peer that one side sees is one of `ends`.
    fn are(&self, side: Direction, ends: &Ends) -> Bool {
        match ends {
            Ends::Anyone => constant(true),
            Ends::OneOf(list) => any(list.iter().map(|who| match who {
                Who::Matching(peer) => self.matching(side).peer(peer, false),
                Who::Exactly(pod) => self.is_written(side, |other| other == &**pod),
            })),
            Ends::NoneOf(list) => not(&any(list
                .iter()
                .map(|who| self.matching(side).peer(&who.described(), false)))),
        }
    }

    /// Whether the peer that one side sees is one of the written pods that are picked.
    fn is_written(&self, side: Direction, picked: impl Fn(&Endpoint) -> bool) -> Bool {
        let Some(written) = &self.written else {
            return constant(false);
        };
        let term = match side {
            Direction::Ingress => &written.source,
            Direction::Egress => &written.destination,
        };
        any((1..).zip(&written.pods).filter_map(|(code, id)| {
            let pod = self.model.cluster.endpoint(*id)?;
            picked(pod).then(|| is(term, code))
        }))
    }

    /// Whether the peer that one side sees is a pod that no formula tells from this one.
    fn is_like(&self, side: Direction, pod: &Endpoint) -> Bool {
        let view = self.view(side);
        let codes = self.codes(&self.model.cluster, pod);
        let labels = view
            .peer
            .attributes
            .values()
            .zip(codes)
            .map(|(term, code)| is(term, code));
        let names = view.peer.names.iter().map(|(name, term)| {
            let numbers = counted(pod).filter(|(own, _)| own == name).map(|(_, port)| port);
            term.iff(any(numbers.map(|(protocol, number)| {
                all([view.protocol_is(protocol), is(&view.port, u64::from(number))])
            })))
        });
        let is_pod = view.class_is(Class::Pod);
        all(std::iter::once(is_pod)
            .chain(labels)
            .chain(names)
            .chain(at_own_address(view, pod)))
    }

    /// A question: is there a flow that meets the formula?
    pub(crate) fn question(&self, formula: &Formula) -> Question {
        Question(self.session.literal(&formula.0))
    }

    /// The smallest flow that answers the question, between `preferred` sources and destinations of the input where
    /// that is possible; `None` when there is none, `Err` inside when undecided.
    pub(crate) fn smallest_whole(
        &self,
        question: &Question,
        preferred: [&[EndpointId]; 2],
    ) -> Result<Result<Option<WholeAssignment>, String>, VerifierError> {
        self.session.scoped(|session| {
            session.assert(&question.0);
            let mut search = match Search::start(session)? {
                Ok(Some(search)) => search,
                Ok(None) => return Ok(Ok(None)),
                Err(reason) => return Ok(Err(reason)),
            };
            let found = self.drive_whole(&mut search, preferred);
            search.unwind();
            found
        })
    }

    fn drive_whole(
        &self,
        search: &mut Search<'_>,
        preferred: [&[EndpointId]; 2],
    ) -> Result<Result<Option<WholeAssignment>, String>, VerifierError> {
        let [sent, received] = [self.view(Direction::Egress), self.view(Direction::Ingress)];
        let mut classes = vec![];
        for view in [received, sent] {
            let code = search.minimise(&view.class)?;
            classes.push(Class::ALL.into_iter().find(|one| one.code() == code));
        }
        let [Some(source), Some(destination)] = classes.as_slice() else {
            return Err(VerifierError::Solver("give every variable a value in its domain"));
        };
        let numbered = any(Protocol::TRANSPORT.map(|protocol| sent.protocol_is(protocol)));
        search.prefer(&all([numbered, !is(&sent.port, 0)]))?;

        let [source_pod, destination_pod] = [
            self.written_pod(search, |written| &written.source)?,
            self.written_pod(search, |written| &written.destination)?,
        ];
        // Any other pod of the input is one like those that could exist.
        let others = |candidates: &[EndpointId]| -> Vec<EndpointId> {
            let written = self.written.iter().flat_map(|written| &written.pods);
            let written: BTreeSet<EndpointId> = written.copied().collect();
            candidates
                .iter()
                .copied()
                .filter(|id| !written.contains(id))
                .collect()
        };
        let [sources, destinations] = preferred.map(others);
        let mut existing = [source_pod, destination_pod];
        if *source == Class::Pod && source_pod.is_none() {
            existing[0] = self.existing(search, &received.peer, &sources, None, TRIED, |pod| {
                at_own_address(received, pod)
            })?;
        }
        if *destination == Class::Pod && destination_pod.is_none() {
            let taken = existing[0].filter(|id| {
                let pod = self.model.cluster.endpoint(*id);
                pod.is_some_and(|pod| !can_be_two(pod))
            });
            existing[1] = self.existing(search, &sent.peer, &destinations, taken, TRIED, |pod| {
                at_own_address(sent, pod)
            })?;
        }
        if let Some(pod) = existing[1].and_then(|id| self.model.cluster.endpoint(id)) {
            search.prefer(&any(counted(pod).map(|(_, (protocol, number))| {
                all([sent.protocol_is(protocol), is(&sent.port, u64::from(number))])
            })))?;
        }

        let mut attributes = vec![];
        for view in [received, sent] {
            let mut values = BTreeMap::new();
            for (attribute, term) in &view.peer.attributes {
                values.insert(attribute.clone(), search.minimise(term)?);
            }
            attributes.push(values);
        }
        let node = Self::node(search, sent)?;
        let api_server = match &sent.api_server {
            Some(term) => !search.prefer(&!term)?,
            None => false,
        };
        let (packet, names) = Self::packet(search, sent, [&received.peer, &sent.peer], node)?;
        let mut addresses = vec![];
        for (view, class) in [(received, *source), (sent, *destination)] {
            addresses.push(self.address(search, view, class)?);
        }

        let mut ends = [*source, *destination]
            .into_iter()
            .zip(existing)
            .zip(attributes.into_iter().zip(names))
            .zip(addresses)
            .map(|(((class, existing), (attributes, names)), address)| EndValues {
                class,
                pod: PodValues {
                    existing,
                    attributes,
                    names,
                },
                address,
            });
        let (Some(source), Some(destination)) = (ends.next(), ends.next()) else {
            return Err(VerifierError::Solver("give every variable a value in its domain"));
        };
        if let Some(reason) = search.gave_up.take() {
            return Ok(Err(reason));
        }
        Ok(Ok(Some(WholeAssignment {
            source,
            destination,
            packet,
            api_server,
        })))
    }
}

impl Encoder<'_> {
    fn written_pod(
        &self,
        search: &mut Search<'_>,
        end: impl Fn(&Written) -> &BV,
    ) -> Result<Option<EndpointId>, VerifierError> {
        let Some(written) = &self.written else {
            return Ok(None);
        };
        let code = search.minimise(end(written))?;
        let index = usize::try_from(code).ok().and_then(|code| code.checked_sub(1));
        Ok(index.and_then(|index| written.pods.get(index)).copied())
    }
}

/// Whether a pod of the input can be at both ends of a flow: as two pods of its workload.
pub(crate) fn can_be_two(pod: &Endpoint) -> bool {
    pod.workload.replicated && pod.addresses.is_empty()
}

fn at_own_address(view: &SymbolicFlow, pod: &Endpoint) -> Option<Bool> {
    (!pod.addresses.is_empty()).then(|| any(pod.addresses.iter().map(|address| view.address_is(*address))))
}

/// The flow as the source's side sees it, and as the destination's does.
fn views(vocabulary: &Vocabulary) -> (SymbolicFlow, SymbolicFlow) {
    let known = || constant(true);
    let mut sent = SymbolicFlow::between("source", "destination", vocabulary);
    sent.own_node_known = known();
    sent.address_known = known();
    sent.domains_known = known();
    sent.api_server = Some(Bool::new_const("peer.api-server"));
    let received = SymbolicFlow {
        subject: sent.peer.clone(),
        class: BV::new_const("source.class", 2),
        peer: sent.subject.clone(),
        node_labels: sent.node_labels.clone(),
        own_node: sent.own_node.clone(),
        own_node_known: known(),
        address_known: known(),
        is_v6: sent.is_v6.clone(),
        v4: BV::new_const("source.address.v4", 32),
        v6: BV::new_const("source.address.v6", 128),
        protocol: sent.protocol.clone(),
        port: sent.port.clone(),
        resolved: sent.resolved.clone(),
        domains_known: known(),
        api_server: sent.api_server.clone(),
    };
    (sent, received)
}

/// What is true of every whole flow beyond what is true of its pods and its packet.
fn of_both_ends(sent: &SymbolicFlow, received: &SymbolicFlow) -> Vec<Bool> {
    let one = |class| any([sent.class_is(class), received.class_is(class)]);
    let both_pods = all([sent.class_is(Class::Pod), received.class_is(Class::Pod)]);
    let different = received
        .is_v6
        .ite(&not(&sent.v6.eq(&received.v6)), &not(&sent.v4.eq(&received.v4)));
    let mut facts = vec![
        different,
        at_most(&sent.class, Class::Node.code()),
        at_most(&received.class, Class::Node.code()),
        one(Class::Pod),
        sent.own_node.implies(one(Class::Node)),
        // What no policy decides.
        not(&all([sent.own_node.clone(), received.class_is(Class::Node)])),
        sent.protocol_is(Protocol::Icmp).implies(!&sent.is_v6),
        sent.protocol_is(Protocol::Icmpv6).implies(&sent.is_v6),
    ];
    if let Some(api_server) = &sent.api_server {
        facts.push(api_server.implies(not(&both_pods)));
    }
    for resolved in sent.resolved.values() {
        facts.push(resolved.implies(one(Class::Outside)));
    }
    facts
}
