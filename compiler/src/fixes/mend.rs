//! Fixes applied until nothing more can be.

use super::apply::{apply, select};
use crate::check::{self, CheckError, Options};
use crate::diagnostic::{Code, Finding};
use crate::load::Texts;
use crate::triage::{self, Triage};
use ir::origin::Origin;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rounds before mending stops whatever is left. A mistake hides another at most as deep as objects are nested.
const ROUNDS: usize = 16;

/// A fix that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The finding's code.
    pub code: Code,
    /// Where it was, in the text that the fix found.
    pub place: Origin,
    /// What was done.
    pub title: String,
}

/// Texts after all fixes.
#[derive(Clone, Debug, Default)]
pub struct Mended {
    /// All of them.
    pub texts: Texts,
    /// Those that changed.
    pub changed: BTreeMap<Arc<str>, String>,
    /// What was applied, in order.
    pub applied: Vec<Applied>,
}

/// Applies the fixes of the findings that `how` lets count, and those of what then comes to light, until there are none.
/// The solver is not asked: what it finds has no fixes.
///
/// # Errors
/// A mistake of ours, see [`check::check`].
pub fn mend(texts: &Texts, options: &Options, how: &Triage, suggestions: bool) -> Result<Mended, CheckError> {
    let how = Triage {
        solver: false,
        ..how.clone()
    };
    let mut mended = Mended {
        texts: texts.clone(),
        ..Mended::default()
    };
    for _ in 0..ROUNDS {
        let understood = check::understand_input(mended.texts.input(&options.limits), options);
        let checked = check::check(&understood, None)?;
        let triaged = triage::triage(&checked, &understood, &how);
        let selection = select(&triaged.findings, suggestions);
        let mut next: BTreeMap<Arc<str>, String> = BTreeMap::new();
        for (file, edits) in selection.by_file() {
            let source = understood.input.sources.by_name(file);
            if let Some(source) = source
                && let Some(text) = apply(source, edits)
                && *text != **source.text()
            {
                next.insert(source.name().clone(), text);
            }
        }
        if next.is_empty() {
            break;
        }
        mended.texts = mended.texts.with(&next);
        mended.changed.append(&mut next);
        let applied = selection.fixes.iter().filter_map(|(finding, fix)| {
            Some(Applied {
                code: finding.code,
                place: place(finding)?,
                title: fix.title.clone(),
            })
        });
        mended.applied.extend(applied);
    }
    let before: BTreeMap<&str, &str> = texts
        .sources()
        .map(|source| (&**source.name(), &**source.text()))
        .collect();
    mended
        .changed
        .retain(|name, text| before.get(&**name).is_some_and(|before| *before != &**text));
    Ok(mended)
}

fn place(finding: &Finding) -> Option<Origin> {
    finding.primary().map(|label| label.origin.clone())
}
