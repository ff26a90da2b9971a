//! What a run found, as every format is given it.

use super::{Finding, Label, Repository, Severity, named_ports};
use crate::source::Sources;
use ir::origin::Origin;

/// A run's findings and what is needed to write them.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Every finding, sorted; accepted ones too.
    pub findings: &'a [Finding],
    /// What was read.
    pub sources: &'a Sources,
    /// How much was read.
    pub scope: super::json::Scope,
    /// Findings at this level or above fail the run; `None` when none does.
    pub fail_on: Option<Severity>,
    /// Whether the job could be done: everything was read as written.
    pub successful: bool,
    /// Questions that the solver gave up on, as sentences.
    pub undecided: &'a [String],
    /// Services that show findings beside code know files by their path in the repository.
    pub repository: &'a Repository,
}

impl<'a> Report<'a> {
    /// The findings that nothing accepted.
    pub fn counting(&self) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(|finding| finding.counts())
    }

    /// Whether this finding fails the run.
    #[must_use]
    pub fn fails(&self, finding: &Finding) -> bool {
        finding.counts() && self.fail_on.is_some_and(|level| finding.severity <= level)
    }

    /// On how many questions the solver gave up, in words; `None` where the run is complete.
    #[must_use]
    pub fn gave_up(&self) -> Option<String> {
        let questions = match self.undecided.len() {
            0 => return None,
            1 => "a question".to_owned(),
            many => format!("{many} questions"),
        };
        Some(format!("the solver gave up on {questions}"))
    }

    /// A file's path in the repository.
    #[must_use]
    pub fn path(&self, file: &str) -> String {
        self.repository.path(file)
    }

    /// Where the finding is shown: its own place, or for one about no place in particular the first file's beginning.
    #[must_use]
    pub fn place(&self, finding: &Finding) -> Option<Origin> {
        let first = || self.sources.iter().next();
        match finding.primary() {
            Some(label) => Some(label.origin.clone()),
            None => first().map(|(_, source)| Origin::synthetic(source.name())),
        }
    }

    /// The labels that explain the finding rather than say where it is.
    pub fn related(&self, finding: &'a Finding) -> impl Iterator<Item = &'a Label> {
        let primary = finding.primary();
        finding
            .labels
            .iter()
            .filter(move |label| primary.is_none_or(|primary| !std::ptr::eq(*label, primary)))
    }

    /// The end of a place on its first line, exclusive: what covers several lines is shown by its first.
    #[must_use]
    pub fn end_on_first_line(&self, origin: &Origin) -> u32 {
        if origin.end_line <= origin.line {
            return origin.end_column.max(origin.column);
        }
        let line = self
            .sources
            .by_name(&origin.file)
            .and_then(|source| source.line(origin.line));
        let length = line.map_or(0, |(_, text)| text.chars().count());
        u32::try_from(length + 1).unwrap_or(u32::MAX).max(origin.column)
    }

    /// The finding as lines of plain text: the sentence, the places that explain it, what engines do, the way out, and what a
    /// tool made it from.
    #[must_use]
    pub fn text(&self, finding: &'a Finding) -> String {
        let mut text = finding.message.clone();
        if let Some(label) = finding.primary().filter(|label| !label.text.is_empty()) {
            text.push_str(&format!("\nhere: {}", label.text));
        }
        for label in self.related(finding) {
            let origin = &label.origin;
            let path = self.path(&origin.file);
            text.push_str(&format!(
                "\n{path}:{}:{}: {}",
                origin.line, origin.column, label.text
            ));
        }
        for line in named_ports::lines(&finding.named_ports, finding.engines.as_ref()) {
            text.push_str(&format!("\n{line}"));
        }
        if let Some(help) = &finding.help {
            text.push_str(&format!("\nhelp: {help}"));
        }
        if let Some(witness) = &finding.witness {
            text.push_str(&format!("\nfor example: {witness}"));
        }
        if let Some(made_from) = finding.primary().and_then(Label::made_from) {
            text.push_str(&format!("\n{made_from}"));
        }
        text
    }
}
