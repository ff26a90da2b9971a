//! Fixes: edits that would make a finding go away.
//!
//! Whoever finds a mistake knows the edit and how sure it is; [`crate::fixes`] applies them. An edit is held as a place in
//! lines, as everything in a finding is, and covers exactly what it replaces once it has been
//! [settled](crate::fixes::settle) against the text.

use super::Code;
use ir::origin::Origin;

/// How sure a fix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Applicability {
    /// It says what was meant beyond doubt, or what is meant already: it cannot open anything that the text as it stands
    /// does not ask for.
    Safe,
    /// Probably what was meant; a person decides.
    Suggestion,
}

impl Applicability {
    /// The word in formats for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Suggestion => "suggestion",
        }
    }
}

/// Edits that belong together: all of them or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an imperative: `` write `ports` ``.
    pub title: String,
    /// How sure it is.
    pub applicability: Applicability,
    /// The edits; never empty once they are settled.
    pub edits: Vec<Edit>,
}

/// One replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced. Empty to insert.
    pub place: Origin,
    /// The part of the place that is replaced, where not all of it is: a name between its quotes. It must occur once.
    pub was: Option<String>,
    /// What stands there instead.
    pub replacement: String,
}

impl Fix {
    /// A fix without edits yet.
    #[must_use]
    pub fn new(applicability: Applicability, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            applicability,
            edits: Vec::new(),
        }
    }

    /// [`Self::new`], safe.
    #[must_use]
    pub fn safe(title: impl Into<String>) -> Self {
        Self::new(Applicability::Safe, title)
    }

    /// [`Self::new`], a suggestion.
    #[must_use]
    pub fn suggestion(title: impl Into<String>) -> Self {
        Self::new(Applicability::Suggestion, title)
    }

    /// Writing `replacement` for `was`, which stands somewhere in `place`.
    #[must_use]
    pub fn rewording(
        applicability: Applicability,
        place: Origin,
        was: impl Into<String>,
        replacement: impl Into<String>,
    ) -> Self {
        let replacement = replacement.into();
        Self::new(applicability, format!("write `{replacement}`")).reword(place, was, replacement)
    }

    /// Replaces all of a place.
    #[must_use]
    pub fn replace(mut self, place: Origin, replacement: impl Into<String>) -> Self {
        self.edits.push(Edit {
            place,
            was: None,
            replacement: replacement.into(),
        });
        self
    }

    /// Replaces the one occurrence of `was` in a place.
    #[must_use]
    pub fn reword(mut self, place: Origin, was: impl Into<String>, replacement: impl Into<String>) -> Self {
        self.edits.push(Edit {
            place,
            was: Some(was.into()),
            replacement: replacement.into(),
        });
        self
    }
}

/// The codes whose findings come with fixes, and how sure these are at best. Not every finding of a code has one.
const FIXABLE: &[(Code, Applicability)] = &[
    (Code::UNKNOWN_FIELD, Applicability::Safe),
    (Code::WRONG_TYPE, Applicability::Safe),
    (Code::END_PORT_BELOW_PORT, Applicability::Suggestion),
    (Code::INVALID_CIDR, Applicability::Suggestion),
    (Code::INVALID_SELECTOR, Applicability::Safe),
    (Code::UNKNOWN_ENTITY, Applicability::Safe),
    (Code::YAML_BOOLEAN, Applicability::Safe),
    (Code::API_VERSION, Applicability::Suggestion),
    (Code::UNKNOWN_KIND, Applicability::Safe),
    (Code::NUMBER_NOTATION, Applicability::Suggestion),
    (Code::INVALID_VALUE, Applicability::Safe),
    (Code::NAMED_PORT_UNDEFINED, Applicability::Suggestion),
    (Code::NAMED_PORT_UNDEFINED_DENY, Applicability::Suggestion),
    (Code::NAMED_PORT_OTHER_PROTOCOL, Applicability::Suggestion),
    (Code::PORT_NAME_INVALID, Applicability::Safe),
    (Code::SERVICE_PORT_IN_POLICY, Applicability::Suggestion),
    (Code::POLICY_TYPES_OMITTED, Applicability::Safe),
    (Code::UNUSED_ACCEPTANCE, Applicability::Safe),
    (Code::SECTION_WITHOUT_ITS_TYPE, Applicability::Suggestion),
];

impl Code {
    /// How sure the fixes of this code's findings are at best; `None` where they have none.
    #[must_use]
    pub fn fixable(self) -> Option<Applicability> {
        let at = FIXABLE.binary_search_by_key(&self, |(code, _)| *code).ok()?;
        FIXABLE.get(at).map(|(_, applicability)| *applicability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(FIXABLE.is_sorted_by(|(one, _), (next, _)| one < next));
        assert_eq!(Code::UNKNOWN_FIELD.fixable(), Some(Applicability::Safe));
        assert_eq!(Code::RULE_REDUNDANT.fixable(), None);
    }
}
