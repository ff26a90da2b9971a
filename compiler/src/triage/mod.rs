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
use acceptance::{Acceptance, Covers};
use baseline::Baseline;
use codes::{Choice, Codes};
use date::Date;
use ir::origin::Origin;
use std::cell::LazyCell;
use std::collections::HashMap;
use std::sync::Arc;

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
    let cluster = &understood.model.cluster;
    let unmet = LazyCell::new(|| Places::of(named_ports::unmet(&understood.model)));
    let said = accept(
        &mut findings,
        &understood.input.acceptances,
        how.today,
        |acceptance, code| {
            run.judges(code)
                && (!needs_pods(code) || !cluster.endpoints().is_empty())
                && (!needs_ranges(code) || !cluster.endpoints().is_empty() || !cluster.nodes().is_empty())
                && !(code.is_about_port_names() && unmet.any_covered(acceptance))
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

/// Whether nothing of this code is found without a pod: pods that others are compared with, or that are left open.
fn needs_pods(code: Code) -> bool {
    matches!(
        code,
        Code::POLICY_SELECTS_NOTHING
            | Code::PEER_SELECTS_NOTHING
            | Code::NAMESPACE_WITHOUT_DEFAULT_DENY
            | Code::POLICY_ON_HOST_NETWORK
            | Code::CIDR_AND_PODS
    )
}

/// Whether nothing of this code is found without a range of the cluster's own.
fn needs_ranges(code: Code) -> bool {
    code == Code::CIDR_INSIDE_CLUSTER_RANGE
}

/// Places by what acceptances cover: many speak for many, and each asks for those near it alone.
#[derive(Default)]
struct Places<'p> {
    by_line: HashMap<(&'p str, u32), Vec<&'p Origin>>,
    by_document: HashMap<(&'p str, u32), Vec<&'p Origin>>,
}

impl<'p> Places<'p> {
    fn of(places: impl IntoIterator<Item = &'p Origin>) -> Self {
        let mut found = Self::default();
        for place in places {
            let file = &*place.file;
            found.by_line.entry((file, place.line)).or_default().push(place);
            let document = found.by_document.entry((file, place.document));
            document.or_default().push(place);
        }
        found
    }

    fn any_covered(&self, acceptance: &Acceptance) -> bool {
        let file = &*acceptance.origin.file;
        let near = match acceptance.covers {
            Covers::Line(line) => self.by_line.get(&(file, line)),
            Covers::Object { .. } => self.by_document.get(&(file, acceptance.origin.document)),
        };
        let mut near = near.into_iter().flatten();
        near.any(|place| acceptance.covers_place(place))
    }
}

/// The findings that acceptances of a code may speak for, by where they are.
#[derive(Default)]
struct Candidates {
    by_line: HashMap<(Code, Arc<str>, u32), Vec<usize>>,
    by_document: HashMap<(Code, Arc<str>, u32), Vec<usize>>,
    /// Without a place.
    nowhere: HashMap<Code, Vec<usize>>,
}

impl Candidates {
    fn of(findings: &[Finding]) -> Self {
        let mut found = Self::default();
        for (index, finding) in findings.iter().enumerate() {
            let Some(label) = finding.primary() else {
                found.nowhere.entry(finding.code).or_default().push(index);
                continue;
            };
            let at = &label.origin;
            let key = |number| (finding.code, Arc::clone(&at.file), number);
            found.by_line.entry(key(at.line)).or_default().push(index);
            found.by_document.entry(key(at.document)).or_default().push(index);
        }
        found
    }

    /// Indices, which [`Acceptance::covers`] is to be asked about.
    fn near(&self, acceptance: &Acceptance, code: Code) -> impl Iterator<Item = usize> {
        let key = |number| (code, Arc::clone(&acceptance.origin.file), number);
        let placed = match acceptance.covers {
            Covers::Line(line) => self.by_line.get(&key(line)),
            Covers::Object { .. } => self.by_document.get(&key(acceptance.origin.document)),
        };
        let nowhere = self.nowhere.get(&code);
        placed.into_iter().chain(nowhere).flatten().copied()
    }
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
    let candidates = Candidates::of(findings);
    for acceptance in acceptances {
        let statement = &acceptance.statement;
        let expired = statement.until.filter(|until| *until < today);
        for &code in &statement.codes {
            let mut used = false;
            let mut refused = false;
            for index in candidates.near(acceptance, code) {
                let Some(finding) = findings
                    .get_mut(index)
                    .filter(|finding| acceptance.covers(finding))
                else {
                    continue;
                };
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
