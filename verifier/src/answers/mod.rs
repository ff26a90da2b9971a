//! Answers of the solver, kept from one run to the next.
//!
//! What is kept is what costs: the answers of the solver, each under the whole text of its question. The algebra's
//! answers are found again in less time than it takes to write their questions down. A question's text names everything
//! that its answer depends on: the policies and rules that have a say (without the places where they are written), the
//! cluster, the budgets, the version of the solver and of this program. So after a change only those questions are
//! asked that it touches, and an answer is never that of another question.
//!
//! Kept are plain values, not findings: a flow is built and replayed anew each time, so that a witness out of a store
//! is confirmed like any other; one that is not is asked for again. An answer "unknown" is not kept.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ir::cluster::{Cluster, ContainerPort, Endpoint, Node};
use ir::model::Model;
use ir::origin::Origin;
use ir::policy::{Policy, PolicyId, RuleId};

use crate::change::bare;
use crate::encode::solver_version;
use crate::options::Options;

/// A place where answers are kept, by the text of their questions. What cannot be read is not there.
pub trait Store: Send + Sync {
    /// The answer to a question.
    fn get(&self, question: &str) -> Option<String>;

    /// Keeps an answer.
    fn put(&self, question: &str, answer: &str);
}

/// Where answers are kept, if anywhere, and how many questions were asked of the solver all the same.
#[derive(Clone, Default)]
pub struct Answers {
    store: Option<Arc<dyn Store>>,
    asked: Arc<AtomicU64>,
    remembered: Arc<AtomicU64>,
}

impl Answers {
    /// Keeps answers in a store.
    #[must_use]
    pub fn kept_in(store: Arc<dyn Store>) -> Self {
        Self {
            store: Some(store),
            ..Self::default()
        }
    }

    /// How many questions the solver was asked.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many were answered from the store.
    #[must_use]
    pub fn remembered(&self) -> u64 {
        self.remembered.load(Ordering::Relaxed)
    }

    /// The answer to a question: the one that is kept, where `read` makes something of it; else that of `ask`, which is
    /// kept as `write` has it, unless that is nothing.
    pub(crate) fn to<T, E>(
        &self,
        question: impl FnOnce() -> String,
        read: impl FnOnce(&str) -> Option<T>,
        ask: impl FnOnce() -> Result<T, E>,
        write: impl FnOnce(&T) -> Option<String>,
    ) -> Result<T, E> {
        let Some(store) = &self.store else {
            self.asked.fetch_add(1, Ordering::Relaxed);
            return ask();
        };
        let question = question();
        if let Some(answer) = store.get(&question).and_then(|kept| read(&kept)) {
            self.remembered.fetch_add(1, Ordering::Relaxed);
            return Ok(answer);
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = ask()?;
        if let Some(text) = write(&answer) {
            store.put(&question, &text);
        }
        Ok(answer)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("kept", &self.store.is_some())
            .field("asked", &self.asked())
            .finish_non_exhaustive()
    }
}

/// Raised whenever the same question could get another answer from this crate: the version of a release does not tell
/// two builds on the way to it apart.
const MEANING: u32 = 1;

/// The text of a question, as far as all questions have it in common.
pub(crate) struct Text(String);

impl Text {
    /// What kind of question it is, and of whom.
    pub(crate) fn of(kind: &str, options: &Options) -> Self {
        Self(format!(
            "{kind}\nportcullis {} {MEANING}\nsolver {}\nsteps {} milliseconds {}\n",
            env!("CARGO_PKG_VERSION"),
            solver_version(),
            options.steps,
            options.backstop_ms
        ))
    }

    /// Something else that the answer depends on.
    pub(crate) fn with(mut self, what: &str, value: &dyn fmt::Debug) -> Self {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{what} {value:?}");
        self
    }

    /// The policies that have a say, of each the rules that do, in their order; where they are written is left out.
    pub(crate) fn with_policies(
        mut self,
        model: &Model,
        policies: &BTreeSet<PolicyId>,
        rules: impl Fn(RuleId) -> bool,
    ) -> Self {
        for id in policies {
            let Some(policy) = model.policy(*id) else {
                continue;
            };
            let there = model.rule_ids(*id).filter(|(id, _)| rules(*id));
            let there = Policy {
                rules: there.map(|(_, rule)| rule.clone()).collect(),
                ..policy.clone()
            };
            let _ = writeln!(self.0, "policy {:?}", bare(&there));
        }
        self
    }

    /// The pods, nodes and namespaces, where witnesses come from.
    pub(crate) fn with_cluster(self, described: &Described, cluster: &Cluster) -> Self {
        self.with("cluster", &described.text(cluster))
    }

    pub(crate) fn done(self) -> String {
        self.0
    }
}

/// A cluster as text, written once.
#[derive(Debug, Default)]
pub(crate) struct Described(OnceLock<String>);

impl Described {
    fn text(&self, cluster: &Cluster) -> &str {
        self.0.get_or_init(|| {
            let nowhere = || Origin::synthetic("");
            let mut text = format!("{} {:?}", cluster.name(), cluster.namespaces());
            for pod in cluster.endpoints() {
                let ports = pod.ports.iter().map(|port| ContainerPort {
                    origin: nowhere(),
                    ..port.clone()
                });
                let pod = Endpoint {
                    ports: ports.collect(),
                    origin: nowhere(),
                    ..pod.clone()
                };
                let _ = writeln!(text, "{pod:?}");
            }
            for node in cluster.nodes() {
                let node = Node {
                    origin: nowhere(),
                    ..node.clone()
                };
                let _ = writeln!(text, "{node:?}");
            }
            text
        })
    }
}
