//! From manifests to findings, answers and bundles.
//!
//! Input: files, directories and standard input ([`load`]). The text of each ([`source`]) is parsed once, without
//! loss, into a tree with spans ([`tree`]); a serde deserializer over that tree ([`de`]) makes typed Kubernetes
//! objects of it, and everything that is wrong with them becomes a finding ([`diagnostic`]) at its exact place.
//! [`lower`] says what the objects mean, as an [`ir::model::Model`].
//!
//! Output: what is wrong with it ([`check`], [`lints`]) as far as the user did not decide otherwise ([`triage`],
//! [`config`]), mended where that is beyond doubt ([`fixes`]), whether guarantees hold ([`prove`]), who can talk to whom
//! ([`connectivity`]), one flow's verdict and why ([`query`]), what a change does to flows ([`diff`], [`symbolic`]), what
//! each policy adds ([`impact`]), the programs that enforce it ([`compile`]), or what a finding's
//! code means ([`explain`]). [`cli`] is the `portcullis` command. A reader starts at [`check::understand`] and
//! [`check::check`], which tell the story in order.
//!
//! Invariants:
//! - one parse: nothing reads a manifest but through [`tree`];
//! - bad input gives findings with a code and a span, never a panic, and nothing is ignored in silence: an object is
//!   typed, counted as skipped, or reported;
//! - a policy that the API server would refuse is never given part of its meaning: analysis stops;
//! - the same inputs in any order, on any number of threads, give byte-identical results.
//!
//! Deliberately absent: what policies mean (`ir`), proofs (`verifier`), programs (`codegen_ebpf`), the kernel.

pub mod diagnostic;

pub mod limits;
pub mod source;

pub mod route;
pub mod tree;

pub mod de;

pub mod cilium;
pub mod network_policy_api;

pub mod load;

pub mod lower;

// The model, and what is read from it.
pub mod placement;
pub mod resolve;
pub mod selected;
pub mod services;

pub mod lints;

pub mod explain;

// What policies are held against.
pub mod prove;

pub mod check;

// What becomes of findings.
pub mod config;
pub mod fixes;
pub mod triage;

// What the solver said before.
pub mod answers;

// Forms that several answers are written in.
pub mod areas;
pub mod cite;
pub mod graphviz;
pub mod tabular;

pub mod connectivity;
pub mod ports;
pub mod query;

pub mod diff;
pub mod impact;
pub mod report;
pub mod symbolic;

pub mod compile;

// Editors.
pub mod lsp;

// The command.
pub mod cli;

// Clusters to measure with.
#[cfg(any(test, feature = "synthetic"))]
pub mod synthetic;

// What must hold of any input.
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
