//! What becomes of findings: which ones are wanted, how much they matter here, which ones were accepted and why.
//!
//! [`triage`] tells the story in order. Two things it never does: it does not drop a finding that makes every other
//! answer a guess, and it does not call an acceptance unused where the check that would use it was not made or the pods
//! that the check is about are not in the input.

pub mod acceptance;
pub mod baseline;
pub mod codes;
pub mod date;
#[cfg(test)]
mod tests;

use crate::check::{Checked, Understood};
use crate::diagnostic::{self, Accepted, Applicability, Code, Finding, Fix, Repository, Severity};
use crate::lints::{named_ports, pc301_rule_never_matches};
use acceptance::Acceptance;
use baseline::Baseline;
use codes::{Choice, Codes};
use date::Date;
use std::cell::LazyCell;

/// What the user decided about findings.
#[derive(Clone, Debug)]
pub struct Triage {
    /// Which codes are reported.
    pub chosen: Choice,
    /// The same from the command line, which counts more.
    pub asked: Choice,
    /// How much codes matter here; of two that name a code, the more exact one decides.
    pub severity: Vec<(Codes, Severity)>,
    /// The same from the command line, which counts more.
    pub overrides: Vec<(Codes, Severity)>,
    /// Findings that were there before.
    pub baseline: Option<Baseline>,
    /// Where the files are, which the baseline knows by their paths in it.
    pub repository: Repository,
    /// The day on which acceptances are judged.
    pub today: Date,
    /// Whether questions were put to the solver.
    pub solver: bool,
}

impl Triage {
    /// Nothing decided: every finding as it is, on this day.
    #[must_use]
    pub fn on(today: Date) -> Self {
        Self {
            chosen: Choice::default(),
            asked: Choice::default(),
            severity: Vec::new(),
            overrides: Vec::new(),
            baseline: None,
            repository: Repository::default(),
            today,
            solver: true,
        }
    }

    fn wants(&self, code: Code) -> bool {
        let of_flags = self.asked.wants(code);
        of_flags.or_else(|| self.chosen.wants(code)).unwrap_or(true)
    }

    fn severity(&self, finding: &Finding) -> Severity {
        let most_exact = |list: &[(Codes, Severity)]| {
            let naming = list.iter().filter(|(codes, _)| codes.contain(finding.code));
            naming
                .max_by_key(|(codes, _)| codes.exactness())
                .map(|(_, severity)| *severity)
        };
        most_exact(&self.overrides)
            .or_else(|| most_exact(&self.severity))
            .unwrap_or(finding.severity)
    }
}

/// Findings, decided about.
#[derive(Debug)]
pub struct Triaged {
    /// What is reported, sorted.
    pub findings: Vec<Finding>,
    /// Findings of the baseline that did not occur again; 0 where not every check was made.
    pub stale: usize,
}

/// Decides about the findings of a check, and says of each what a tool made its place from.
#[must_use]
pub fn triage(checked: &Checked, understood: &Understood, how: &Triage) -> Triaged {
    let mut findings = checked.findings.clone();
    let decided = !understood.blocked() && checked.undecided.is_empty() && how.solver;
    let is_unreadable = |finding: &Finding| finding.code == Code::GUARANTEE_UNREADABLE;
    let run = Run {
        analysed: !understood.blocked(),
        decided,
        proved: decided && !findings.iter().any(is_unreadable),
    };
    let unreached = LazyCell::new(|| named_ports::unreached(&understood.model));
    let said = accept(
        &mut findings,
        &understood.input.acceptances,
        how.today,
        |acceptance, code| {
            run.judges(code)
                && !(needs_pods(code) && understood.model.cluster.endpoints().is_empty())
                && !(is_about_port_names(code) && unreached.iter().any(|at| acceptance.covers_place(at)))
        },
    );
    findings.extend(said);
    diagnostic::name_templates(&mut findings, &understood.input.templates);
    diagnostic::sort(&mut findings);
    // In order, so that of several with one fingerprint always the same ones are new.
    let stale = match &how.baseline {
        Some(baseline) => baseline.apply(&mut findings, &understood.input.sources, &how.repository),
        None => 0,
    };
    findings.retain(|finding| finding.blocks_analysis || how.wants(finding.code));
    // Of what is reported alone: who asks for the consequence only is told it.
    pc301_rule_never_matches::leave_to_named_ports(&mut findings);
    for finding in &mut findings {
        finding.severity = how.severity(finding);
    }
    let stale = if decided { stale } else { 0 };
    Triaged { findings, stale }
}

/// How far a run came.
struct Run {
    /// The input was read as written.
    analysed: bool,
    /// The solver answered every question.
    decided: bool,
    /// Among them whether each guarantee holds.
    proved: bool,
}

impl Run {
    /// Whether it would have found every finding of this code. New access and group 5 are other questions' answers.
    fn judges(&self, code: Code) -> bool {
        match code {
            Code::GUARANTEE_VIOLATED | Code::GUARANTEE_VACUOUS => self.proved,
            Code::NEW_ACCESS => false,
            _ => match code.number() / 100 {
                1 => true,
                3 => self.decided,
                5 => false,
                _ => self.analysed,
            },
        }
    }
}

/// Whether a code says what a port of a rule means on the pods that the rule reaches.
fn is_about_port_names(code: Code) -> bool {
    code.number() / 100 == 2
}

/// Whether nothing of this code is found without a pod: pods that others are compared with, or that are left open.
fn needs_pods(code: Code) -> bool {
    matches!(
        code,
        Code::POLICY_SELECTS_NOTHING
            | Code::PEER_SELECTS_NOTHING
            | Code::NAMESPACE_WITHOUT_DEFAULT_DENY
            | Code::POLICY_ON_HOST_NETWORK
    )
}

/// Whether a finding of this code comes from the file that it is in, whatever else is read with it.
fn is_of_one_file(code: Code) -> bool {
    code.number() / 100 == 1
}

/// Marks findings as accepted. What is wrong with the acceptances themselves is returned.
fn accept(
    findings: &mut [Finding],
    acceptances: &[Acceptance],
    today: Date,
    is_judged: impl Fn(&Acceptance, Code) -> bool,
) -> Vec<Finding> {
    let mut said = Vec::new();
    for acceptance in acceptances {
        let statement = &acceptance.statement;
        let expired = statement.until.filter(|until| *until < today);
        for &code in &statement.codes {
            let mut used = false;
            let mut refused = false;
            for finding in findings
                .iter_mut()
                .filter(|finding| finding.code == code && acceptance.covers(finding))
            {
                used = true;
                refused |= finding.blocks_analysis;
                if expired.is_none() && finding.counts() && !finding.blocks_analysis {
                    finding.accepted = Some(Accepted {
                        reason: statement.reason.clone(),
                        by: acceptance.by(),
                    });
                }
            }
            said.extend(match (used, expired) {
                _ if refused => Some(unused(
                    acceptance,
                    code,
                    "it cannot be accepted: every other answer would be a guess",
                )),
                (true, Some(until)) => Some(expiry(acceptance, code, until)),
                (false, _) if is_judged(acceptance, code) => {
                    Some(unused(acceptance, code, "there is no such finding here"))
                }
                _ => None,
            });
        }
    }
    said
}

fn unused(acceptance: &Acceptance, code: Code, why: &str) -> Finding {
    let finding = Finding::new(
        Code::UNUSED_ACCEPTANCE,
        format!("this acceptance of {code} ({}) has no effect: {why}", code.name()),
    )
    .at(acceptance.origin.clone(), "has no effect")
    .help("remove it, so that it does not hide the next finding");
    match (&acceptance.removal, acceptance.statement.codes.as_slice()) {
        (Some(place), [_]) => {
            // What is found with other files beside this one may not be found today.
            let applicability = if is_of_one_file(code) {
                Applicability::Safe
            } else {
                Applicability::Suggestion
            };
            finding.fix(Fix::new(applicability, "remove it").replace(place.clone(), ""))
        }
        // The comment says more.
        _ => finding,
    }
}

fn expiry(acceptance: &Acceptance, code: Code, until: Date) -> Finding {
    Finding::new(
        Code::ACCEPTANCE_EXPIRED,
        format!("this acceptance of {code} ({}) held until {until}", code.name()),
    )
    .at(acceptance.origin.clone(), "does not count any more")
    .help("fix what it accepts, or decide again and write a new day")
}
