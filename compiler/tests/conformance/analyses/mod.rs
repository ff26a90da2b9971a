//! `testdata/conformance/analyses`: questions about whole sets of policies, with the answers that the tests of
//! network-config-analyzer publish.
//!
//! Each question is answered three times: over the pods of the file, over every pod that could exist, and by what the
//! program tells. The first must be what is published, always. The others may differ from it where the row says why,
//! and must differ there.

mod answer;
mod read;

use answer::{Answers, answers};
use libtest_mimic::{Failed, Trial};
use read::{Question, Sets};
use std::path::Path;
use std::sync::Arc;

/// The folder, in that of the conformance cases.
pub(crate) const FOLDER: &str = "analyses";

/// Why an answer may be another than the published one.
const REASONS: [&str; 2] = ["pods", "count"];

/// A trial for each question, and one for their sum.
pub(crate) fn trials(root: &Path) -> Vec<Trial> {
    let folder = root.join(FOLDER);
    let mut trials = Vec::new();
    let (mut asked, mut equal) = (0, 0);
    for section in read::sections(&folder) {
        let sets = section.sets;
        for question in section.questions {
            asked += 1;
            equal += usize::from(question.published == question.here);
            let name = format!("{}: {} ({})", section.name, question.words(), question.there);
            let sets = sets.clone();
            trials.push(Trial::test(name, move || check(&sets, &question)));
        }
    }
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    trials.push(Trial::test("the analyses' README has their sum", move || {
        let sum = format!("{asked} questions, of which {equal} are answered here as they are there");
        match readme.replace('\n', " ").contains(&sum) {
            true => Ok(()),
            false => Err(format!("it does not say: {sum}").into()),
        }
    }));
    trials
}

fn check(sets: &Arc<Sets>, question: &Question) -> Result<(), Failed> {
    let found = answers(sets, question)?;
    judged(question, found).map_err(Failed::from)
}

/// Whether the answers are the row's, and differ from what is published exactly for the reasons it gives.
fn judged(question: &Question, found: Answers) -> Result<(), String> {
    if let Some(other) = question.why.iter().find(|why| !REASONS.contains(&why.as_str())) {
        return Err(format!("no such reason: {other}"));
    }
    let says = |why: &str| question.why.iter().any(|given| given == why);
    let Answers {
        over_pods,
        over_all,
        told,
    } = found;
    if over_pods != question.published {
        return Err(format!(
            "{over_pods} over the pods of the file, published is {}",
            question.published
        ));
    }
    if told != question.here {
        return Err(format!("{told}, the row says {}", question.here));
    }
    if (over_all != over_pods) != says("pods") {
        return Err(format!(
            "{over_pods} over the pods of the file, {over_all} over all that could exist"
        ));
    }
    if (told != over_all) != says("count") {
        return Err(format!("{over_all} each by itself, {told} are told"));
    }
    Ok(())
}

/// The comparison, compared: rows that it must refuse.
pub(crate) fn refused() -> Result<(), Failed> {
    let question = |published, here, why: &[&str]| Question {
        there: String::new(),
        kind: "redundancy".to_owned(),
        sets: Vec::new(),
        published,
        here,
        why: why.iter().map(|why| (*why).to_owned()).collect(),
    };
    let found = Answers {
        over_pods: 2,
        over_all: 1,
        told: 1,
    };
    judged(&question(2, 1, &["pods"]), found)?;
    let wrong = [
        question(1, 1, &["pods"]),
        question(2, 2, &["pods"]),
        question(2, 1, &[]),
        question(2, 1, &["pods", "count"]),
        question(2, 1, &["weather"]),
    ];
    match wrong.iter().find(|row| judged(row, found).is_ok()) {
        Some(row) => Err(format!("it passes: {row:?}").into()),
        None => Ok(()),
    }
}
