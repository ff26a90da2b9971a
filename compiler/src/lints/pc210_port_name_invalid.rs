//! # PC210 port-name-invalid
//!
//! The text is not a valid port name, or reads like a number and is not one.
//!
//! ## What is wrong
//! A port name has 1 to 15 small letters, digits and single inner dashes, and at least one letter. What breaks the rule
//! is refused by the API server in a NetworkPolicy. What follows it is taken for a name: the text `0x50` is a *name*,
//! not port 80, and no pod has it. Cilium's policies give ports as text, and read capital letters as small ones.
//!
//! ## What engines do
//!
//! | | `0x50` | `HTTP` | `http_web` |
//! |---|---|---|---|
//! | Kubernetes' text | a name | refused | refused |
//! | Cilium 1.20 | a name | the name `http` | refused by the agent: the policy exists, and is not enforced |
//! | Cilium up to 1.19 | a name | the name `http` | the same |
//!
//! A number with a leading zero (`010`) is octal in Cilium's policies: that is PC119.
//!
//! ## Example
//! ```yaml
//! toPorts: [{ports: [{port: "0x50", protocol: TCP}]}]
//! ```
//!
//! ## How to fix it
//! Write numbers in plain decimal, and names as the pods define them.
//!
//! `check --fix` writes a name in small letters, and in a NetworkPolicy a number without its quotes;
//! `--unsafe-fixes` writes `0x50` as `80`.

use crate::diagnostic::{Applicability, Code, Finding, Fix, Severity};
use ir::origin::Origin;

/// What is found. The places are the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The code.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// The sentence.
    pub message: String,
    /// The way out, and the edit.
    way_out: Option<WayOut>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct WayOut {
    help: String,
    applicability: Applicability,
    /// What is replaced; the whole value, quotes included, where it is `None`.
    was: Option<String>,
    replacement: String,
}

impl Remark {
    /// Adds the way out to the finding that it became, for a name that is written at `place`.
    #[must_use]
    pub fn advise(self, finding: Finding, place: Origin) -> Finding {
        let Some(way_out) = self.way_out else {
            return finding;
        };
        let title = format!("write `{}`", way_out.replacement);
        let fix = Fix::new(way_out.applicability, title);
        let fix = match way_out.was {
            Some(was) => fix.reword(place, was, way_out.replacement),
            None => fix.replace(place, way_out.replacement),
        };
        finding.help(way_out.help).fix(fix)
    }
}

/// The same name in small letters.
fn in_small_letters(name: &str, lower: String) -> WayOut {
    WayOut {
        help: format!("write `{lower}`"),
        applicability: Applicability::Safe,
        was: Some(name.to_owned()),
        replacement: lower,
    }
}

/// A name that the API server refuses.
#[must_use]
pub fn refused(name: &str, fault: &str, is_valid: impl Fn(&str) -> bool) -> Remark {
    let lower = name.to_ascii_lowercase();
    let number = name.parse::<u16>().ok().filter(|number| *number > 0);
    let way_out = match number {
        Some(number) => Some(WayOut {
            help: format!("for the number, remove the quotes: `port: {name}`"),
            applicability: Applicability::Safe,
            was: None,
            replacement: number.to_string(),
        }),
        None if lower != name && is_valid(&lower) => Some(in_small_letters(name, lower)),
        None => None,
    };
    Remark {
        code: Code::PORT_NAME_INVALID,
        severity: Severity::Error,
        message: format!("`{name}` is not a valid port name: {fault}"),
        way_out,
    }
}

/// Whether a name would be a number in another notation.
#[must_use]
pub fn is_like_a_number(name: &str) -> bool {
    like_a_number(&name.to_ascii_lowercase()).is_some()
}

fn like_a_number(lower: &str) -> Option<u16> {
    [("0x", 16), ("0b", 2), ("0o", 8)]
        .into_iter()
        .find_map(|(prefix, radix)| u16::from_str_radix(lower.strip_prefix(prefix)?, radix).ok())
}

/// How a policy writes the number of a port where it could write a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberForm {
    /// As a number: `port: 80`.
    Bare,
    /// As text: `port: "80"`.
    Quoted,
    /// In a field of its own.
    Elsewhere,
}

/// A name that is valid, and probably not what was meant.
#[must_use]
pub fn doubtful(name: &str, form: NumberForm) -> Option<Remark> {
    let lower = name.to_ascii_lowercase();
    if let Some(number) = like_a_number(&lower) {
        let way_out = |help, was| WayOut {
            help,
            applicability: Applicability::Suggestion,
            was,
            replacement: number.to_string(),
        };
        return Some(Remark {
            code: Code::PORT_NAME_INVALID,
            severity: Severity::Error,
            message: format!("`{name}` is the name of a port here, not the number {number}"),
            way_out: match form {
                NumberForm::Bare => Some(way_out(
                    format!("for the number write `{number}`, without quotes"),
                    None,
                )),
                NumberForm::Quoted => Some(way_out(
                    format!("for the number write `\"{number}\"`"),
                    Some(name.to_owned()),
                )),
                NumberForm::Elsewhere => None,
            },
        });
    }
    (lower != name).then(|| Remark {
        code: Code::PORT_NAME_INVALID,
        severity: Severity::Note,
        message: format!("port names are written in small letters; `{name}` is read as `{lower}`"),
        way_out: Some(in_small_letters(name, lower)),
    })
}
