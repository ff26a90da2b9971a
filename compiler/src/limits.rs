//! How much input is read before it is refused.

use std::str::FromStr;
use thiserror::Error;

/// Bounds on input. Each one exceeded is a `PC113` finding, never a crash or an endless run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file. More than 4 GiB is never read, whatever is set here.
    pub bytes: u64,
    /// Documents in one file.
    pub documents: usize,
    /// Nodes (mappings, sequences, keys, scalars) written in one document.
    pub nodes: usize,
    /// Nodes of one document after aliases and merge keys are expanded.
    pub expanded_nodes: u64,
    /// Nesting of mappings and sequences, aliases expanded. At most [`Limits::DEEPEST`].
    pub depth: usize,
}

/// Far above real manifests: the largest in everyday use (a monitoring stack's CRDs) has some 2 MB and 60,000 nodes.
impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            documents: 100_000,
            nodes: 4_000_000,
            expanded_nodes: 4_000_000,
            depth: 128,
        }
    }
}

/// Why a limit cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LimitError {
    /// No `=`.
    #[error("`{0}` is not a limit: write it as `NAME=NUMBER`")]
    Form(String),
    /// There is no such limit.
    #[error("there is no limit `{0}`: they are {names}", names = Limits::NAMES.join(", "))]
    Name(String),
    /// Not a number, or one that no limit can have.
    #[error("`{1}` is no value for the limit `{0}`: write a number above 0, such as 5000 or 64Mi")]
    Value(String, String),
    /// Deeper than can be read without running out of stack.
    #[error("the limit `depth` is at most {deepest}", deepest = Limits::DEEPEST)]
    Depth,
}

impl Limits {
    /// The limits by name, as the command line writes them.
    pub const NAMES: [&str; 5] = ["bytes", "documents", "nodes", "expanded-nodes", "depth"];

    /// What `depth` can be at most: reading takes stack for each level.
    pub const DEEPEST: usize = 512;

    /// Sets one limit by its name. The number may end in `Ki`, `Mi` or `Gi`.
    ///
    /// # Errors
    /// When there is no such limit, or it cannot have this value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LimitError> {
        let wrong = || LimitError::Value(name.to_owned(), value.to_owned());
        let number = number(value).filter(|number| *number > 0).ok_or_else(wrong)?;
        let size = || usize::try_from(number).map_err(|_| wrong());
        match name {
            "bytes" => self.bytes = number,
            "documents" => self.documents = size()?,
            "nodes" => self.nodes = size()?,
            "expanded-nodes" => self.expanded_nodes = number,
            "depth" if number > Self::DEEPEST as u64 => return Err(LimitError::Depth),
            "depth" => self.depth = size()?,
            _ => return Err(LimitError::Name(name.to_owned())),
        }
        Ok(())
    }
}

/// `bytes=1Mi,depth=40`: these, and the defaults for the others.
impl FromStr for Limits {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let mut limits = Self::default();
        for part in text.split(',') {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| LimitError::Form(part.to_owned()))?;
            limits.set(name.trim(), value.trim())?;
        }
        Ok(limits)
    }
}

fn number(text: &str) -> Option<u64> {
    let units = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)];
    let (digits, unit) = units
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1));
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;
    use crate::load;

    #[test]
    fn limits_are_set_by_name() {
        let limits: Limits = "bytes=1Mi, depth=40,expanded-nodes=7".parse().unwrap();
        let expected = Limits {
            bytes: 1 << 20,
            depth: 40,
            expanded_nodes: 7,
            ..Limits::default()
        };
        assert_eq!(limits, expected);
        for (text, reason) in [
            ("depth", "`depth` is not a limit: write it as `NAME=NUMBER`"),
            (
                "deep=1",
                "there is no limit `deep`: they are bytes, documents, nodes, expanded-nodes, depth",
            ),
            (
                "nodes=0",
                "`0` is no value for the limit `nodes`: write a number above 0, such as 5000 or 64Mi",
            ),
            (
                "nodes=+1",
                "`+1` is no value for the limit `nodes`: write a number above 0, such as 5000 or 64Mi",
            ),
            (
                "bytes=18446744073709551615Ki",
                "`18446744073709551615Ki` is no value for the limit `bytes`: write a number above 0, such as 5000 or 64Mi",
            ),
            ("depth=513", "the limit `depth` is at most 512"),
        ] {
            assert_eq!(text.parse::<Limits>().unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn each_limit_is_a_finding_where_it_is_exceeded_and_none_below() {
        let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: &a {matchLabels: {a: b}}, ingress: [{from: [{podSelector: *a}]}]}\n";
        for (limit, fits, exceeded) in [
            ("bytes", policy.len(), policy.len() - 1),
            ("documents", 1, 1),
            ("nodes", 24, 12),
            ("expanded-nodes", 40, 24),
            ("depth", 10, 4),
        ] {
            let codes = |text: &str, value: usize| -> Vec<Code> {
                let limits = format!("{limit}={value}").parse().unwrap();
                let input = load::load_bytes([("a.yaml", text.as_bytes())], &limits);
                input.findings.iter().map(|finding| finding.code).collect()
            };
            assert_eq!(codes(policy, fits), [], "{limit}={fits}");
            let longer = if limit == "documents" {
                format!("{policy}---\na: b\n")
            } else {
                policy.to_owned()
            };
            assert_eq!(
                codes(&longer, exceeded),
                [Code::LIMIT_EXCEEDED],
                "{limit}={exceeded}"
            );
        }
    }

    #[test]
    fn the_deepest_document_is_read_on_a_small_stack() {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let deep = Limits::DEEPEST - 8;
            let text = format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: a}}\nspec: {{podSelector: {}b{}}}\n",
                open.repeat(deep),
                close.repeat(deep)
            );
            let reading = move || {
                let limits = Limits {
                    depth: Limits::DEEPEST,
                    ..Limits::default()
                };
                let input = load::load_bytes([("a.yaml", text.as_bytes())], &limits);
                input
                    .findings
                    .iter()
                    .any(|finding| finding.code == Code::LIMIT_EXCEEDED)
            };
            // The threads that read files have 2 MiB.
            let reading = std::thread::Builder::new().stack_size(2 << 20).spawn(reading);
            assert!(!reading.unwrap().join().unwrap());
        }
    }
}
