//! Generated models and flows, for property tests here and in the crates that build on this one.
//!
//! Cargo feature `testing` opens this module to others' tests. Everything is generated as a small *sketch* (numbers
//! that stand for choices) and only then drawn as objects, so that a failing case shrinks to few objects with
//! simple values. Values in policies are drawn from the cluster's own, so that rules really match; flows go to
//! named numbers, to the edges of ranges and blocks and one beyond, to holes, to the own node and to the pod itself.
//!
//! ```
//! use portcullis_ir as ir;
//! use ir::testing::{Profile, scenarios};
//! use proptest::prelude::*;
//!
//! proptest!(ProptestConfig::with_cases(4), |(scenario in scenarios(Profile::everything()))| {
//!     for flow in &scenario.flows {
//!         let judgement = ir::evaluator::evaluate(&scenario.model, flow);
//!         prop_assert_eq!(judgement.allowed(), judgement.egress.allowed && judgement.ingress.allowed);
//!     }
//! });
//! ```

use std::fmt;

use proptest::prelude::*;

use crate::flow::Flow;
use crate::model::Model;
use crate::origin::Origin;

mod agreement;
mod cluster;
mod flow;
mod policy;

pub use agreement::Comparison;
pub use flow::{parties, ports};

/// How often a property is tried: so many times, or what the environment variable `PROPTEST_CASES` says.
#[must_use]
pub fn cases(usual: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let is_said = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if is_said { default.cases } else { usual },
        ..default
    }
}

/// What generated models may contain beyond what every NetworkPolicy may.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent thing that a consumer may not support yet"
)]
pub struct Profile {
    /// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: entities, blocks of outside addresses, policies in
    /// force that do not ask for default deny.
    pub cilium: bool,
    /// Deny rules in the namespaced tier.
    pub deny: bool,
    /// Admin tier rules.
    pub admin: bool,
    /// Baseline tier rules.
    pub baseline: bool,
    /// Node selectors as peers.
    pub node_peers: bool,
    /// Policies that select nodes.
    pub host_policies: bool,
    /// Domain peers.
    pub domains: bool,
    /// Demands beyond peers and ports.
    pub beyond: bool,
    /// Rules about ICMP, and flows of it.
    pub icmp: bool,
    /// SCTP ports.
    pub sctp: bool,
    /// Flows of other protocols.
    pub other: bool,
    /// IPv6 addresses and blocks.
    pub ipv6: bool,
    /// Host-network pods, and nodes as parties.
    pub host_network: bool,
    /// Pods whose node or address is not known.
    pub unplaced: bool,
    /// Names and labels that no API server would accept.
    pub odd_text: bool,
}

impl Profile {
    /// What `networking.k8s.io/v1` can say, on a cluster whose pods are all running.
    #[must_use]
    pub fn network_policy() -> Self {
        Self {
            cilium: false,
            deny: false,
            admin: false,
            baseline: false,
            node_peers: false,
            host_policies: false,
            domains: false,
            beyond: false,
            icmp: false,
            sctp: true,
            other: false,
            ipv6: true,
            host_network: true,
            unplaced: false,
            odd_text: false,
        }
    }

    /// Everything that the vocabulary can say of valid objects.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            cilium: true,
            deny: true,
            admin: true,
            baseline: true,
            node_peers: true,
            host_policies: true,
            domains: true,
            beyond: true,
            icmp: true,
            sctp: true,
            other: true,
            ipv6: true,
            host_network: true,
            unplaced: true,
            odd_text: false,
        }
    }
}

/// A model, and flows worth asking about it.
#[derive(Clone)]
pub struct Scenario {
    /// The model.
    pub model: Model,
    /// The flows; at least one end of each is a pod. Empty only if no pod of the cluster has a network of its own.
    pub flows: Vec<Flow>,
}

/// The model in its text form, which a failing case can be pasted from.
impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}{:#?}", crate::text::print(&self.model), self.flows)
    }
}

/// Models within `profile`: up to 3 namespaces, 3 nodes, 7 endpoints and 7 policies of up to 5 rules.
pub fn models(profile: Profile) -> impl Strategy<Value = Model> {
    (cluster::sketches(profile), policy::sketches(profile)).prop_map(move |(cluster, policies)| {
        let cluster = cluster.draw(profile);
        let policies = policy::draw(&policies, &cluster, profile);
        Model::new(cluster, policies)
    })
}

/// Models within `profile`, each with 64 to 128 flows.
pub fn scenarios(profile: Profile) -> impl Strategy<Value = Scenario> {
    (models(profile), flow::sketches()).prop_map(move |(model, flows)| {
        let flows = flow::draw(&flows, &model, profile);
        Scenario { model, flows }
    })
}

/// A choice: the element of a list that a number stands for. Small numbers, to which cases shrink, choose the first.
fn pick<T: Clone>(list: &[T], choice: u8) -> Option<T> {
    let index = usize::from(choice).checked_rem(list.len())?;
    list.get(index).cloned()
}

/// Where the words of a model come from.
fn words(profile: Profile, plain: &[&str]) -> Vec<String> {
    const ODD: [&str; 16] = [
        "in",
        "ns",
        "account",
        "cluster",
        "",
        "a b",
        "quo\"te\\",
        "new\nline",
        "ü/ö",
        "-x",
        "# c",
        "@",
        "{",
        "a,b=c",
        "nothing",
        "\u{7}\u{2028}",
    ];
    let odd = if profile.odd_text { &ODD[..] } else { &[] };
    plain.iter().chain(odd).map(|word| (*word).to_owned()).collect()
}

/// Hands out origins, each its own line of one file.
struct Lines {
    file: String,
    document: u32,
    line: u32,
}

impl Lines {
    fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            document: 0,
            line: 0,
        }
    }

    fn next_document(&mut self) {
        self.document += 1;
        self.line += 1;
    }

    fn origin(&mut self, path: &str) -> Origin {
        self.line += 1;
        Origin {
            file: self.file.as_str().into(),
            document: self.document,
            line: self.line,
            column: 3,
            end_line: self.line + self.line % 2,
            end_column: 3 + self.line % 9,
            path: path.into(),
        }
    }
}
