//! Bytes as a file of manifests: whatever it holds, every answer about it can be given and written.

use super::{LIMITS, findings, flows, text};
use crate::check::{self, Options, Understood};
use crate::connectivity::exposure::{self, exposures};
use crate::connectivity::{self, Apart, Connectivity};
use crate::report::Contents;
use crate::resolve::Resolved;
use crate::selected::Selected;
use crate::triage::date::Date;
use crate::triage::{self, Triage};
use crate::{load, ports};

/// How many objects of policy and context are looked at: each answer about flows grows with the square of the pods.
const OBJECTS: usize = 40;

/// How many flows are asked about.
const FLOWS: usize = 24;

pub(super) fn ask(bytes: &[u8]) {
    let input = load::load_bytes([("input.yaml", bytes)], &LIMITS);
    understood(&check::understand_input(input, &Options::default()), bytes, None);
}

/// Asks everything about what was understood. With a `solver`, also what only one can answer.
pub(super) fn understood(understood: &Understood, bytes: &[u8], solver: Option<&verifier::options::Options>) {
    if understood.input.objects.len() > OBJECTS {
        return;
    }
    let sources = &understood.input.sources;
    let checked = check::check(understood, solver);
    assert!(checked.is_ok(), "a witness did not replay: {checked:?}");
    let checked = checked.unwrap_or_default();
    let Ok(today) = "2027-01-31".parse::<Date>() else {
        return;
    };
    let mut how = Triage::on(today);
    how.solver = solver.is_some();
    let triaged = triage::triage(&checked, understood, &how);
    findings::render(&triaged.findings, sources, !understood.blocked());
    let page = Contents {
        findings: &triaged.findings,
        sources,
        model: (!understood.blocked()).then_some(&understood.model),
        scope: "",
        skipped: &understood.input.skipped,
        undecided: &checked.undecided,
    };
    findings::written(|out| out.write_all(page.page().as_bytes()));
    if understood.blocked() {
        return;
    }
    let model = &understood.model;
    text::is_inverse(model);
    flows::compare(model, bytes, FLOWS);
    let resolved = Resolved::of(model);
    let connectivity = Connectivity::of(&resolved);
    let connections = connectivity.connections(&Apart::new());
    let exposures = exposures(&resolved, &connectivity);
    findings::written(|out| connectivity::human::write(out, &connections));
    findings::written(|out| exposure::human::write(out, &exposures));
    findings::is_json(&findings::written(|out| {
        connectivity::json::write(out, &connections, Some(&exposures))
    }));
    findings::written(|out| connectivity::dot::write(out, &connections, &exposures));
    findings::written(|out| connectivity::rows::table(&connections, &exposures).write_csv(out));
    findings::written(|out| connectivity::rows::table(&connections, &exposures).write_markdown(out));
    let names = ports::names(model, &Selected::by_policies(model));
    findings::written(|out| ports::human::write(out, &names, crate::diagnostic::human::Options::default()));
}
