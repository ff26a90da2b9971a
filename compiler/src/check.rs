//! The whole story, in order: read → parse → lower → resolve → check.
//!
//! [`understand`] goes from paths to a model, which every verb needs; [`check`] goes on to what is wrong with it.
//! Rendering is [`crate::diagnostic`]'s, printing and exit statuses are [`crate::cli`]'s.

use crate::diagnostic::{self, Finding};
use crate::fixes;
use crate::limits::Limits;
use crate::lints;
use crate::load::{self, Exclude, Input, LoadError};
use crate::lower;
use crate::prove;
use crate::services::{self, Service};
use ir::model::Model;
use std::io::Read;
use std::path::PathBuf;
use thiserror::Error;

/// What to read, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files of guarantees, beside those that are found in directories.
    pub guarantees: Vec<PathBuf>,
    /// What of directories is not read.
    pub exclude: Exclude,
    /// How much input is read before it is refused.
    pub limits: Limits,
    /// What manifests leave open.
    pub lower: lower::Options,
    /// The cluster's name, if it has one of its own ([`ir::cluster::DEFAULT_CLUSTER_NAME`]).
    pub cluster_name: Option<String>,
}

/// Input that was read, with what it means.
#[derive(Debug, Default)]
pub struct Understood {
    /// What was read.
    pub input: Input,
    /// What it means. Not to be used for answers when [`Self::blocked`].
    pub model: Model,
    /// The Services, which policies do not see but people mean.
    pub services: Vec<Service>,
    /// What is wrong with it so far, sorted.
    pub findings: Vec<Finding>,
}

impl Understood {
    /// Whether something could not be read as written, so that every answer would rest on a guess.
    #[must_use]
    pub fn blocked(&self) -> bool {
        self.findings.iter().any(|finding| finding.blocks_analysis)
    }
}

/// Reads paths and says what they mean.
///
/// # Errors
/// When a path cannot be read. What is wrong *in* a file is a finding.
pub fn understand(
    paths: &[PathBuf],
    options: &Options,
    stdin: &mut dyn Read,
) -> Result<Understood, LoadError> {
    Ok(understand_input(
        load::load_all(
            paths,
            &options.guarantees,
            &options.exclude,
            &options.limits,
            stdin,
        )?,
        options,
    ))
}

/// [`understand`], for what was read already.
#[must_use]
pub fn understand_input(mut input: Input, options: &Options) -> Understood {
    let mut lowered = lower::lower(&input, &options.lower);
    if let Some(name) = &options.cluster_name {
        lowered.model.cluster = lowered.model.cluster.named(name);
    }
    let mut findings = std::mem::take(&mut input.findings);
    findings.extend(lowered.findings);
    load::name_charts(&mut findings, &input.sources, &options.exclude);
    fixes::settle(&mut findings, &input, &options.limits);
    diagnostic::name_templates(&mut findings, &input.templates);
    diagnostic::sort(&mut findings);
    Understood {
        services: services::services(&input),
        input,
        model: lowered.model,
        findings,
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Every finding, sorted.
    pub findings: Vec<Finding>,
    /// Questions that the solver gave up on, as sentences.
    pub undecided: Vec<String>,
}

/// Why a check came to no result.
#[derive(Debug, Error)]
pub enum CheckError {
    /// A mistake of ours.
    #[error("the solver's answer was not confirmed, so nothing it says can be trusted: {0}")]
    Verifier(#[from] verifier::error::VerifierError),
}

/// Checks what was understood. Nothing is analysed where input was not read as written: its findings are the result.
/// `solver` is `None` to leave out what only a solver can answer.
///
/// # Errors
/// A mistake of ours, never one in the input.
pub fn check(
    understood: &Understood,
    solver: Option<&verifier::options::Options>,
) -> Result<Checked, CheckError> {
    let mut checked = Checked {
        findings: understood.findings.clone(),
        undecided: Vec::new(),
    };
    if understood.blocked() {
        return Ok(checked);
    }
    let proved = prove::prove(understood, solver)?;
    checked.findings.extend(proved.findings);
    checked.undecided.extend(proved.undecided);
    checked.findings.extend(lints::findings(
        &understood.model,
        &understood.services,
        &understood.input.objects,
    ));
    if let Some(options) = solver {
        let answers = lints::conflicts::check(&understood.model, options)?;
        checked.findings.extend(answers.findings);
        checked.undecided.extend(answers.undecided);
        lints::pc301_rule_never_matches::take_in_contradictions(&mut checked.findings);
    }
    fixes::narrow(&mut checked.findings, &understood.input);
    diagnostic::sort(&mut checked.findings);
    Ok(checked)
}
