//! # PC210 port-name-invalid
//!
//! The text is not a valid port name, or reads like a number and is not one.
//!
//! ## What is wrong
//! A port name has 1 to 15 small letters, digits and single inner dashes, and at least one letter. What breaks the rule
//! is refused by the API server in a NetworkPolicy. Cilium's policies give ports as text and take anything that fits
//! for a name: `0x50` is a *name* there, not port 80, and no pod has it. Capital letters are read as small ones.
//!
//! ## What engines do
//!
//! | | `0x50` | `HTTP` | `http_web` |
//! |---|---|---|---|
//! | Kubernetes' text | a name | refused | refused |
//! | Cilium 1.20 | a name | the name `http` | refused |
//! | Cilium up to 1.19 | a name | the name `http` | refused |
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

use crate::diagnostic::{Code, Severity};

/// What is found: code, severity, message, and the way out. The places are the caller's.
pub type Remark = (Code, Severity, String, Option<String>);

/// A name that the API server refuses.
#[must_use]
pub fn refused(name: &str, fault: &str, is_valid: impl Fn(&str) -> bool) -> Remark {
    let lower = name.to_ascii_lowercase();
    let help = if name.parse::<u16>().is_ok_and(|number| number > 0) {
        Some(format!("for the number, remove the quotes: `port: {name}`"))
    } else if lower != name && is_valid(&lower) {
        Some(format!("write `{lower}`"))
    } else {
        None
    };
    let message = format!("`{name}` is not a valid port name: {fault}");
    (Code::PORT_NAME_INVALID, Severity::Error, message, help)
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

/// A name that Cilium takes, and that is probably not what was meant.
#[must_use]
pub fn doubtful(name: &str) -> Option<Remark> {
    let lower = name.to_ascii_lowercase();
    if let Some(number) = like_a_number(&lower) {
        let message = format!("`{name}` is the name of a port here, not the number {number}");
        let help = format!("for the number write `\"{number}\"`");
        return Some((Code::PORT_NAME_INVALID, Severity::Error, message, Some(help)));
    }
    if lower != name {
        let message = format!("port names are written in small letters; `{name}` is read as `{lower}`");
        let help = format!("write `{lower}`");
        return Some((Code::PORT_NAME_INVALID, Severity::Note, message, Some(help)));
    }
    None
}
