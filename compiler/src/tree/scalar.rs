//! What a scalar means to Kubernetes.
//!
//! API server and `kubectl` read YAML through `sigs.k8s.io/yaml`, a fork of go-yaml v2, whose `resolve.go` this file
//! follows: YAML 1.1 booleans, octal with `0` and `0o`, hexadecimal, binary, `_` between digits, no sexagesimal
//! numbers, timestamps stay text.

use std::borrow::Cow;
use std::sync::Arc;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`.
    SingleQuoted,
    /// `"…"`.
    DoubleQuoted,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
}

/// A scalar: its text, and what the text resolves to.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text after unquoting and unfolding; empty for a value left out.
    pub text: Arc<str>,
    /// How it is written.
    pub style: Style,
    resolution: Resolution,
}

/// How a text is resolved. Numbers are read again whenever they are asked for: there are few, and a scalar that
/// carried them would be half as large again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    String,
    Null,
    Plain,
    Tagged(CoreTag),
}

/// The type and value Kubernetes' reader gives to a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved {
    /// `~`, `null`, or nothing.
    Null,
    /// `true`, and unquoted `yes`, `on`, `y` and their like.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// A whole number in base 2, 8 or 16 beyond 64 bits; a decimal one becomes a [`Resolved::Float`].
    Huge,
    /// Any other number; infinite and NaN included.
    Float(f64),
    /// The text itself.
    String,
}

impl Resolved {
    /// The type's name in messages.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Uint(_) | Self::Huge | Self::Float(_) => "a number",
            Self::String => "a string",
        }
    }
}

impl Scalar {
    /// Text, whatever it looks like: quoted, in a block, or of a type that is not understood.
    #[must_use]
    pub fn string(text: Arc<str>, style: Style) -> Self {
        let resolution = Resolution::String;
        Self {
            text,
            style,
            resolution,
        }
    }

    /// An unquoted text without a tag.
    #[must_use]
    pub fn plain(text: Arc<str>) -> Self {
        let resolution = match resolve_plain(&text) {
            Resolved::String => Resolution::String,
            Resolved::Null => Resolution::Null,
            _ => Resolution::Plain,
        };
        Self {
            text,
            style: Style::Plain,
            resolution,
        }
    }

    /// A text with an explicit core tag. `None`: the text is not of that type.
    #[must_use]
    pub fn tagged(text: Arc<str>, style: Style, tag: CoreTag) -> Option<Self> {
        let resolution = match resolve_tagged(&text, tag)? {
            Resolved::String => Resolution::String,
            Resolved::Null => Resolution::Null,
            _ => Resolution::Tagged(tag),
        };
        Some(Self {
            text,
            style,
            resolution,
        })
    }

    /// What it means.
    #[must_use]
    pub fn value(&self) -> Resolved {
        match self.resolution {
            Resolution::String => Resolved::String,
            Resolution::Null => Resolved::Null,
            Resolution::Plain => resolve_plain(&self.text),
            Resolution::Tagged(tag) => resolve_tagged(&self.text, tag).unwrap_or(Resolved::String),
        }
    }

    /// Whether it means its own text.
    #[must_use]
    pub fn is_string(&self) -> bool {
        self.resolution == Resolution::String
    }

    /// Whether it means nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.resolution == Resolution::Null
    }

    /// The key this scalar becomes in JSON, which is what Kubernetes sees.
    #[must_use]
    pub fn key_text(&self) -> Cow<'_, str> {
        match self.value() {
            Resolved::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Resolved::Int(value) => Cow::Owned(value.to_string()),
            Resolved::Uint(value) => Cow::Owned(value.to_string()),
            Resolved::Float(value) => Cow::Owned(value.to_string()),
            Resolved::Null | Resolved::Huge | Resolved::String => Cow::Borrowed(&self.text),
        }
    }

    /// Whether this is the merge key: plain `<<` (go-yaml's `isMerge`).
    #[must_use]
    pub fn is_merge_key(&self) -> bool {
        self.style == Style::Plain && &*self.text == "<<"
    }
}

/// The core-schema type an explicit tag asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoreTag {
    /// `!!str`
    Str,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!bool`
    Bool,
    /// `!!null`
    Null,
}

/// Resolves a scalar with an explicit core tag. `None`: the text is not of that type, which go-yaml refuses.
#[must_use]
pub fn resolve_tagged(text: &str, tag: CoreTag) -> Option<Resolved> {
    match (tag, resolve_plain(text)) {
        (CoreTag::Str, _) => Some(Resolved::String),
        (CoreTag::Int, value @ (Resolved::Int(_) | Resolved::Uint(_) | Resolved::Huge)) => Some(value),
        (CoreTag::Float, Resolved::Float(value)) => Some(Resolved::Float(value)),
        #[expect(
            clippy::cast_precision_loss,
            reason = "go-yaml converts with float64(v) and loses the same bits"
        )]
        (CoreTag::Float, Resolved::Int(value)) => Some(Resolved::Float(value as f64)),
        (CoreTag::Bool, value @ Resolved::Bool(_)) | (CoreTag::Null, value @ Resolved::Null) => Some(value),
        _ => None,
    }
}

/// Resolves an unquoted scalar without a tag.
#[must_use]
pub fn resolve_plain(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => between_digits(text).map_or(Resolved::String, |text| float(&text)),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = if text.contains('_') {
                Cow::Owned(text.replace('_', ""))
            } else {
                Cow::Borrowed(text)
            };
            integer(&digits).unwrap_or_else(|| float(&digits))
        }
        _ => Resolved::String,
    }
}

/// Without each `_`, where all stand between digits: what begins with a point is for Go's `strconv.ParseFloat` alone.
fn between_digits(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('_').collect();
    let digit = |c: char| c.is_ascii_digit();
    let mut joints = parts.array_windows();
    joints
        .all(|[before, behind]| before.ends_with(digit) && behind.starts_with(digit))
        .then(|| parts.concat())
}

/// Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint`, then `big.Int` for what is not a decimal.
fn integer(text: &str) -> Option<Resolved> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..)?),
        Some(b'+') => (false, text.get(1..)?),
        _ => (false, text),
    };
    let signed = unsigned.len() != text.len();
    let (base, digits) = base_and_digits(unsigned)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    match u64::from_str_radix(digits, base) {
        Ok(magnitude) => match i64::try_from(magnitude) {
            Ok(value) if negative => Some(Resolved::Int(-value)),
            Ok(value) => Some(Resolved::Int(value)),
            Err(_) if negative && magnitude == 1 << 63 => Some(Resolved::Int(i64::MIN)),
            // `ParseUint` takes no sign.
            Err(_) if !signed => Some(Resolved::Uint(magnitude)),
            Err(_) if base == 10 => None,
            Err(_) => Some(Resolved::Huge),
        },
        Err(_) if base == 10 => None,
        Err(_) => Some(Resolved::Huge),
    }
}

fn base_and_digits(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix('0') else {
        return Some((10, text));
    };
    if rest.is_empty() {
        return Some((10, text));
    }
    let prefixed = |base| rest.get(1..).map(|digits| (base, digits));
    match rest.as_bytes().first() {
        Some(b'x' | b'X') => prefixed(16),
        Some(b'o' | b'O') => prefixed(8),
        Some(b'b' | b'B') => prefixed(2),
        _ => Some((8, rest)),
    }
}

/// go-yaml's `yamlStyleFloat`: digits with an optional point and exponent. Out of `f64`'s range it stays text.
fn float(text: &str) -> Resolved {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let looks_right = body.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && body
            .chars()
            .all(|c| matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'));
    match text.parse::<f64>() {
        Ok(value) if looks_right && value.is_finite() => Resolved::Float(value),
        _ => Resolved::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubernetes_reads() {
        use Resolved::{Bool, Float, Huge, Int, Null, String, Uint};
        let table = [
            ("", Null),
            ("~", Null),
            ("NULL", Null),
            ("nUll", String),
            ("y", Bool(true)),
            ("On", Bool(true)),
            ("oN", String),
            ("off", Bool(false)),
            ("n", Bool(false)),
            ("8080", Int(8080)),
            ("+8", Int(8)),
            ("-8", Int(-8)),
            ("010", Int(8)),
            ("0o10", Int(8)),
            ("0x1F", Int(31)),
            ("-0b11", Int(-3)),
            ("1_000", Int(1000)),
            ("0", Int(0)),
            ("08", Float(8.0)),
            ("0x", String),
            ("-", String),
            ("+-1", String),
            ("12:30:45", String),
            ("2001-01-01", String),
            ("1.2.3", String),
            ("10.0.0.0/8", String),
            ("1e3", Float(1000.0)),
            (".5", Float(0.5)),
            (".5_1", Float(0.51)),
            (".5e1_0", Float(0.5e10)),
            (".5__1", String),
            (".5_", String),
            ("._5", String),
            (".5_e1", String),
            ("5.", Float(5.0)),
            (".", String),
            ("1e", String),
            ("1e999", String),
            ("-.inf", Float(f64::NEG_INFINITY)),
            ("infinity", String),
            ("18446744073709551615", Uint(u64::MAX)),
            ("-9223372036854775808", Int(i64::MIN)),
            ("18446744073709551616", Float(18_446_744_073_709_551_616.0)),
            ("0xffffffffffffffffff", Huge),
            ("http", String),
            ("0.0.0.0", String),
        ];
        for (text, expected) in table {
            assert_eq!(resolve_plain(text), expected, "{text:?}");
        }
        assert!(matches!(resolve_plain(".nan"), Float(value) if value.is_nan()));
    }

    #[test]
    fn tags_decide_or_are_refused() {
        assert_eq!(resolve_tagged("yes", CoreTag::Str), Some(Resolved::String));
        assert_eq!(resolve_tagged("8080", CoreTag::Int), Some(Resolved::Int(8080)));
        assert_eq!(resolve_tagged("8", CoreTag::Float), Some(Resolved::Float(8.0)));
        assert_eq!(resolve_tagged("http", CoreTag::Int), None);
    }
}
