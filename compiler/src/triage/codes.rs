//! Which codes a user means: `PC201`, `named-port-many-numbers`, or a group such as `PC2`.

use crate::de::suggest;
use crate::diagnostic::Code;
use crate::diagnostic::code::REGISTRY;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// One code, a group of them, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes {
    /// The digits behind `PC`: all three of them for one code, the first for its group, none for every code.
    digits: String,
}

/// Text that names no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no code `{text}`{hint}")]
pub struct UnknownCode {
    text: String,
    hint: String,
}

impl Codes {
    /// Whether the code is one of them.
    #[must_use]
    pub fn contain(&self, code: Code) -> bool {
        code.number().to_string().starts_with(&self.digits)
    }

    /// How exactly they are named: of two that contain a code, the more exact one decides.
    #[must_use]
    pub fn exactness(&self) -> usize {
        self.digits.len()
    }
}

/// Which codes are reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The codes to report; every code when there is none.
    pub select: Vec<Codes>,
    /// The codes not to report. Of two that name a code, the more exact one decides; of two as exact, this one.
    pub ignore: Vec<Codes>,
}

impl Choice {
    /// Whether the code is reported. `None` where nothing is selected and the code is not ignored.
    #[must_use]
    pub fn wants(&self, code: Code) -> Option<bool> {
        let exactness = |list: &[Codes]| {
            let naming = list.iter().filter(|codes| codes.contain(code));
            naming.map(Codes::exactness).max()
        };
        match (exactness(&self.select), exactness(&self.ignore)) {
            (None, None) if self.select.is_empty() => None,
            (None, _) => Some(false),
            (Some(selected), ignored) => Some(ignored.is_none_or(|ignored| selected > ignored)),
        }
    }
}

impl From<Code> for Codes {
    fn from(code: Code) -> Self {
        Self {
            digits: code.number().to_string(),
        }
    }
}

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PC{}", self.digits)
    }
}

impl FromStr for Codes {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        if let Some(code) = Code::parse(text) {
            return Ok(code.into());
        }
        let prefix = text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("PC"));
        if let Some(digits) = prefix.and_then(|_| text.get(2..)) {
            let codes = Self {
                digits: digits.to_owned(),
            };
            if REGISTRY.iter().any(|entry| codes.contain(entry.code)) {
                // A digit forgotten would take in codes that nobody meant.
                return match digits.get(..1).filter(|_| digits.len() > 1) {
                    None => Ok(codes),
                    Some(group) => Err(UnknownCode {
                        text: text.to_owned(),
                        hint: format!("; a group is named by one digit: `PC{group}`"),
                    }),
                };
            }
        }
        let names: Vec<_> = REGISTRY.iter().map(|entry| entry.name).collect();
        let hint = match suggest::nearest(text, &names).first() {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        };
        Err(UnknownCode {
            text: text.to_owned(),
            hint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Codes {
        text.parse().unwrap()
    }

    #[test]
    fn codes_are_named_by_number_name_and_group() {
        let code = Code::NAMED_PORT_MANY_NUMBERS;
        for text in ["PC201", "pc201", "named-port-many-numbers", "PC2", "PC"] {
            assert!(codes(text).contain(code), "{text}");
        }
        assert!(!codes("PC202").contain(code) && !codes("PC3").contain(code));
        assert!(codes("PC201").exactness() > codes("PC2").exactness());
        assert_eq!(codes("named-port-many-numbers"), code.into());
    }

    #[test]
    fn what_names_none_says_so() {
        for text in ["PC999", "PC20", "PC8", "X", "", "201", "PCé"] {
            assert!(text.parse::<Codes>().is_err(), "{text}");
        }
        let error = "named-port-many-number".parse::<Codes>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no code `named-port-many-number`; did you mean `named-port-many-numbers`?"
        );
    }
}
