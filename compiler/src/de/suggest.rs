//! "Did you mean": the fields that an unknown one may have stood for.

use super::{Frame, Record};
use crate::diagnostic::Applicability;

/// Help for an unknown field `name` of `record`, met inside `frame`; `is_scalar` says what its value is. What stands
/// beside it already, which is `given`, was not meant.
pub(super) fn help(
    name: &str,
    is_scalar: bool,
    record: Record,
    frame: &Frame<'_>,
    given: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut open: Vec<&str> = record.fields.to_vec();
    open.retain(|field| !given(field));
    let mut near = nearest(name, &open);
    if near.is_empty() {
        near = beginning(name, &open);
    }
    if !near.is_empty() {
        let names: Vec<_> = near.iter().map(|field| format!("`{field}`")).collect();
        return Some(format!("did you mean {}?", names.join(" or ")));
    }
    // The commonest mistake in selectors: Services take labels directly, everything else does not.
    if record.name == "LabelSelector" && is_scalar {
        return Some(format!("if `{name}` is a label, put it under `matchLabels`"));
    }
    if let Some(owner) = owner_above(name, frame) {
        return Some(format!("`{name}` is a field of `{owner}`: check the indentation"));
    }
    (record.fields.len() <= 8).then(|| {
        let names: Vec<_> = record.fields.iter().map(|field| format!("`{field}`")).collect();
        format!("the fields here are {}", names.join(", "))
    })
}

/// The type further up that has the field: the sign of a line indented too far.
fn owner_above(name: &str, frame: &Frame<'_>) -> Option<&'static str> {
    let mut above = Some(frame);
    while let Some(frame) = above {
        if let Some(record) = frame.record
            && record.fields.contains(&name)
        {
            return Some(record.name);
        }
        above = frame.parent;
    }
    None
}

/// What is added to "there is none of this name"; nothing where no name is near.
#[must_use]
pub fn or_those(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}

/// At most three candidates, nearest first. Other case alone is the surest sign and stands alone.
pub fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Vec<&'c str> {
    let folded = name.to_lowercase();
    if let Some(same) = candidates
        .iter()
        .find(|candidate| candidate.to_lowercase() == folded)
    {
        return vec![same];
    }
    // A third of the letters may differ: `port` and `from` are not the same word misspelt.
    let allowed = (name.chars().count().max(3) / 3).min(4);
    let mut scored: Vec<_> = candidates
        .iter()
        .map(|&candidate| (distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .collect();
    scored.sort_unstable();
    let best = scored.first().map_or(0, |&(distance, _)| distance);
    scored
        .into_iter()
        .filter(|&(distance, _)| distance <= best + 1)
        .take(3)
        .map(|(_, name)| name)
        .collect()
}

/// At most three candidates that begin with `name`, where it is long enough to mean something.
pub fn beginning<'c>(name: &str, candidates: &[&'c str]) -> Vec<&'c str> {
    const SHORTEST: usize = 3;
    let folded = name.to_lowercase();
    let begins = |candidate: &&&str| candidate.to_lowercase().starts_with(&folded);
    let long_enough = folded.chars().count() >= SHORTEST;
    let longer = candidates.iter().filter(|_| long_enough).filter(begins);
    longer.copied().take(3).collect()
}

/// The only candidate that `name` can have stood for, if there is just one. It is sure where the two differ in case alone,
/// or by one mistake: a letter too many, too few, wrong, or two of them changed over.
pub fn sole<'c>(name: &str, candidates: &[&'c str]) -> Option<(&'c str, Applicability)> {
    let near = nearest(name, candidates);
    let [only] = near.as_slice() else {
        return None;
    };
    let is_sure = distance(&name.to_lowercase(), &only.to_lowercase()) <= 1;
    Some((
        only,
        if is_sure {
            Applicability::Safe
        } else {
            Applicability::Suggestion
        },
    ))
}

fn distance(a: &str, b: &str) -> usize {
    // A plural is one letter and one mistake, and so is a forgotten one.
    strsim::damerau_levenshtein(a, b)
}

#[cfg(test)]
mod tests {
    use super::{nearest, sole};
    use crate::diagnostic::Applicability::{Safe, Suggestion};

    #[test]
    fn suggestions_are_near_and_few() {
        let peer = ["ipBlock", "namespaceSelector", "podSelector"];
        assert_eq!(nearest("podselector", &peer), ["podSelector"]);
        assert_eq!(nearest("podSelectors", &peer), ["podSelector"]);
        assert_eq!(nearest("namespaceSelecter", &peer), ["namespaceSelector"]);
        assert_eq!(nearest("ipBlocks", &peer), ["ipBlock"]);
        assert!(nearest("ports", &peer).is_empty());
        assert_eq!(nearest("form", &["from", "ports"]), ["from"]);
        assert!(nearest("", &["from"]).is_empty());
    }
    #[test]
    fn one_mistake_is_sure_and_several_candidates_are_none() {
        let peer = ["ipBlock", "namespaceSelector", "podSelector"];
        assert_eq!(sole("podselector", &peer), Some(("podSelector", Safe)));
        assert_eq!(sole("podSelecotr", &peer), Some(("podSelector", Safe)));
        assert_eq!(sole("podSelecotrs", &peer), Some(("podSelector", Suggestion)));
        assert_eq!(sole("toCIDRs", &["toCIDR", "toCIDRSet"]), None);
        assert_eq!(sole("ports", &peer), None);
    }
}
