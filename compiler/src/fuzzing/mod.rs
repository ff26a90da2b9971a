//! What must hold of any input at all, as functions of bytes: a fuzzer calls them, and so do the ordinary tests.
//!
//! Each target is a file that says what it demands; it panics where that does not hold, and gives nothing otherwise.
//! `compiler/fuzz` holds a program for each, and `compiler/tests/fuzz_targets.rs` calls each with everything in
//! `testdata/` and with what chance makes of it. Cargo feature `fuzzing` opens this module to both.
//!
//! Whatever a target finds becomes a test of its own where the mistake was.

mod choices;
mod decisions;
mod findings;
mod flows;
mod guarantees;
mod manifests;
mod policies;
pub mod seeds;
mod shape;
mod text;
pub mod tree;
mod vocabulary;

use crate::limits::Limits;

/// What is asked of one kind of input.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its program, and of its folder of seeds.
    pub name: &'static str,
    /// Asks. Panics where something does not hold.
    pub ask: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target {
        name: "tree",
        ask: tree::ask,
    },
    Target {
        name: "manifests",
        ask: manifests::ask,
    },
    Target {
        name: "policies",
        ask: policies::ask,
    },
    Target {
        name: "conflicts",
        ask: policies::ask_solver,
    },
    Target {
        name: "text",
        ask: text::ask,
    },
    Target {
        name: "guarantees",
        ask: guarantees::ask,
    },
    Target {
        name: "decisions",
        ask: decisions::ask,
    },
];

/// Edits a text: at `place`, a fraction of its length, `cut` bytes go and `put` comes.
pub fn splice(bytes: &mut Vec<u8>, place: f64, cut: usize, put: impl IntoIterator<Item = u8>) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a fraction of a short text's length"
    )]
    let at = ((bytes.len() as f64) * place) as usize;
    let at = at.min(bytes.len());
    let end = at.saturating_add(cut).min(bytes.len());
    bytes.splice(at..end, put);
}

/// Small enough that each of them is met.
const LIMITS: Limits = Limits {
    bytes: 100_000,
    documents: 50,
    nodes: 5_000,
    expanded_nodes: 20_000,
    depth: 40,
};
