//! From manifests to findings, answers and bundles.
//!
//! Input: files, directories and standard input ([`load`]). The text of each ([`source`]) is parsed once, without
//! loss, into a tree with spans ([`tree`]); a serde deserializer over that tree ([`de`]) makes typed Kubernetes
//! objects of it, and everything that is wrong with them becomes a finding ([`diagnostic`]) at its exact place.
//!
//! Invariants:
//! - one parse: nothing reads a manifest but through [`tree`];
//! - bad input gives findings with a code and a span, never a panic, and nothing is ignored in silence: an object is
//!   typed, counted as skipped, or reported;
//! - the same inputs in any order, on any number of threads, give byte-identical results.
//!
//! Deliberately absent: what policies mean (`ir`), proofs (`verifier`), programs (`codegen_ebpf`), the kernel.

pub mod diagnostic;

pub mod limits;
pub mod source;

pub mod route;
pub mod tree;

pub mod de;

pub mod load;

pub mod lower;
