//! Bytes as what a repository decided about findings: `portcullis.toml`, a baseline, acceptances in comments and
//! annotations, codes, patterns and limits on the command line.

use super::findings;
use crate::config;
use crate::limits::Limits;
use crate::load::{Exclude, Pattern};
use crate::source::{Source, Sources};
use crate::triage::acceptance;
use crate::triage::baseline::Baseline;
use crate::triage::codes::Codes;
use crate::triage::date::Date;
use ir::origin::Origin;
use std::path::Path;

pub(super) fn ask(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let source = Source::new("portcullis.toml", &text);
    let (_, wrong) = config::read::read(&source);
    let mut sources = Sources::default();
    sources.push(source);
    findings::render(&wrong, &sources, false);
    let _ = Baseline::read("baseline.json", &text);
    for line in text.lines() {
        let comment = acceptance::comment(line);
        let (key, value) = line.split_once(": ").unwrap_or((line, ""));
        for read in [comment, acceptance::annotation(key, value)] {
            match read {
                None => {}
                Some(Ok(statement)) => {
                    assert!(
                        !statement.codes.is_empty() && !statement.reason.trim().is_empty(),
                        "{line:?}"
                    );
                }
                Some(Err(fault)) => {
                    let finding = fault.finding(Origin::synthetic("portcullis.toml"));
                    findings::render(&[finding], &sources, true);
                }
            }
        }
        if let Ok(date) = line.trim().parse::<Date>() {
            // There is one way to write a day.
            assert_eq!(date.to_string(), line.trim());
        }
        if let Ok(codes) = line.trim().parse::<Codes>() {
            let again = codes.to_string().parse::<Codes>();
            assert_eq!(again.as_ref().ok(), Some(&codes), "{line:?}");
        }
        if let Ok(pattern) = line.parse::<Pattern>() {
            let exclude = Exclude::from("/repository").with(Path::new(""), &[pattern]);
            let leaves_out = |is_directory| exclude.leaves_out(Path::new(line), is_directory);
            assert!(leaves_out(true) || !leaves_out(false), "{line:?}");
        }
        if let Ok(limits) = line.parse::<Limits>() {
            assert!(limits.depth <= Limits::DEEPEST && limits.depth > 0, "{line:?}");
        }
    }
}
