//! Text that is no manifest before something else has filled it in.

/// What has to fill in a text first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrendered {
    /// A renderer of templates, such as Helm: `{{ … }}` and `{% … %}`.
    Template,
    /// Who knows the variables: `${…}`.
    Variables,
}

impl Unrendered {
    /// What waits in a text to be filled in.
    #[must_use]
    pub fn in_text(text: &str) -> Option<Self> {
        let has = |opening| text.contains(opening);
        if has("{{") || has("{%") {
            Some(Self::Template)
        } else {
            has("${").then_some(Self::Variables)
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Template => {
                "this looks like a template: render it first, for example `helm template … | portcullis check -`"
            }
            Self::Variables => {
                "this looks like a variable: substitute it first, for example `envsubst < … | portcullis check -`, or with \
                 `flux build`"
            }
        }
    }
}
