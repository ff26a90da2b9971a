//! Bytes as a file of guarantees: problems lie inside the text, and what can be read has a meaning or a reason.

use super::{LIMITS, findings, vocabulary};
use crate::check::{self, Options};
use crate::{load, prove};
use std::ops::Range;

pub(super) fn ask(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (statements, problems) = verifier::guarantee::parse(text);
        let spans = statements.iter().map(|statement| &statement.span);
        for span in spans.chain(problems.iter().map(|problem| &problem.span)) {
            is_inside(text, span);
        }
        for statement in &statements {
            // A sentence means the same wherever it stands.
            let alone = text.get(statement.span.clone()).unwrap_or_default();
            let (again, problems) = verifier::guarantee::parse(alone);
            assert_eq!(problems, [], "{alone:?}");
            assert_eq!(again.len(), 1, "{alone:?}");
        }
    }
    let manifests = [("cluster.yaml", vocabulary::CLUSTER.as_bytes())];
    let input = load::load_bytes_with(manifests, [("shop.guarantees", bytes)], &LIMITS);
    let understood = check::understand_input(input, &Options::default());
    let read = prove::prove(&understood, None);
    assert!(read.is_ok(), "nothing is asked without a solver");
    let read = read.unwrap_or_default();
    findings::render(&read.findings, &understood.input.sources, read.complete);
}

fn is_inside(text: &str, span: &Range<usize>) {
    assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
}
