//! One page that holds everything: findings, port names, who can talk to whom, and why.
//!
//! ```text
//!  findings ────────────────────────────┐
//!  connections ──▶ graph ──▶ crowds ────┤
//!                  views ──▶ layout ────┼──▶ page (HTML, style and script inside)
//!  verdict tables ──▶ sides ──▶ pairs ──┘
//! ```
//!
//! The page needs nothing but itself: no network (its own content security policy forbids it), no fonts, no clock. It
//! can be read without its script, which only adds a search, a dialog for a pair and keys; the same input gives the
//! same bytes. Everything that manifests say is escaped by the template.

mod card;
mod crowds;
mod deciding;
mod findings;
mod graph;
mod holds;
mod inline;
mod layout;
mod lines;
mod list;
mod matrix;
mod names;
mod page;
mod pairs;
mod picture;
mod sides;
mod snippet;
#[cfg(test)]
mod tests;
mod told;
mod views;
mod why;

use crate::connectivity::members::Members;
use crate::connectivity::{Apart, Connection, Connectivity};
use crate::diagnostic::{Finding, human};
use crate::resolve::Resolved;
use crate::source::Sources;
use ir::model::Model;
use pairs::Pairs;
use std::collections::BTreeMap;

/// The most workloads that the matrix and its explanations are drawn for: beyond it a page grows past what browsers
/// scroll well (every pair is a cell).
pub const MOST_IN_MATRIX: usize = 300;

/// What a page is made from.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The findings, sorted.
    pub findings: &'a [Finding],
    /// Where they are.
    pub sources: &'a Sources,
    /// What was understood; `None` where the input could not be read as written, so that only findings can be shown.
    pub model: Option<&'a Model>,
    /// How much was read, in a line.
    pub scope: &'a str,
    /// How many objects of other kinds were read too, by kind.
    pub skipped: &'a BTreeMap<String, usize>,
    /// What could not be decided, as sentences.
    pub undecided: &'a [String],
}

impl Contents<'_> {
    /// The page, as HTML.
    #[must_use]
    pub fn page(&self) -> String {
        match self.model {
            None => page::render(self, None),
            Some(model) => {
                let resolved = Resolved::of(model);
                let connectivity = Connectivity::of(&resolved);
                let connections = connectivity.connections(&Apart::new());
                let members = Members::of(&model.cluster, &connectivity.apart());
                let answers = Answers {
                    pairs: Pairs::of(&resolved, &connections, &members),
                    connections: &connections,
                    model,
                };
                page::render(self, Some(&answers))
            }
        }
    }

    fn summary(&self) -> String {
        human::summary(crate::diagnostic::Counts::of(self.findings))
    }
}

/// What is known of flows.
struct Answers<'a> {
    pairs: Pairs,
    connections: &'a [Connection],
    model: &'a Model,
}
