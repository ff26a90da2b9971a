//! What a network policy *means*, free of YAML, z3 and eBPF.
//!
//! Input: a [`model::Model`] (a cluster and its policies), as the compiler lowers it. Output: verdicts, twice over:
//! one flow at a time by the reference [`evaluator`], and as flat [`table`]s over [`identity`] classes, which
//! everything below consumes.
//!
//! Invariants:
//! - every policy, rule, peer, port and container port has an [`origin::Origin`];
//! - a named port is resolved for each destination endpoint by itself ([`named_port`]), never once for the cluster;
//! - the evaluator shares no code with the table beyond the vocabulary; the two agree on every flow;
//! - collections are in canonical order: the same objects in any order give equal models.
//!
//! Deliberately absent: file formats other than the IR's own text form, input/output, solvers, programs.

// The vocabulary.
pub mod cluster;
pub mod flow;
pub mod model;
pub mod origin;
pub mod peer;
pub mod policy;
pub mod port;
pub mod selector;
pub mod text;

// The meaning of one flow.
pub mod evaluator;
pub mod judge;

// The meaning of all flows.
pub mod identity;
pub mod label_index;
pub mod named_port;
pub mod selecting;
pub mod table;

// The part of it that programs can enforce.
pub mod enforceable;

// The addresses of pods.
pub mod slice;

// Models to test with.
#[cfg(any(test, feature = "testing"))]
pub mod testing;
