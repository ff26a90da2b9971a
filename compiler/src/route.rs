//! Where a value stands in a document: `spec.ingress[0].ports[1].port`.
//!
//! A finding holds a route and resolves it to a span only when it is reported, so typed models carry no positions.

use std::fmt;
use std::sync::Arc;

/// One step of a [`Route`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The value of a key in a mapping.
    Key(Arc<str>),
    /// An element of a sequence, from 0.
    Index(u32),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.into())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// A path from a document's (or an object's) root to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route(Vec<Step>);

impl Route {
    /// The root itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// This route and one step more.
    #[must_use]
    pub fn then(&self, step: impl Into<Step>) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step.into());
        Self(steps)
    }

    /// This route followed by all of `tail`.
    #[must_use]
    pub fn join(&self, tail: &Self) -> Self {
        Self(self.0.iter().chain(&tail.0).cloned().collect())
    }

    /// The route that is displayed so; nothing where it has keys in quotes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|_| !text.is_empty()) {
            let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if !key.is_empty() {
                steps.push(is_plain(key).then(|| Step::from(key))?);
            }
            for index in indices.split_terminator(']') {
                steps.push(Step::Index(index.strip_prefix('[')?.parse().ok()?));
            }
        }
        Some(Self(steps))
    }

    /// [`Self::join`] as text.
    #[must_use]
    pub fn joined_text(&self, tail: &Self) -> String {
        let mut text = String::with_capacity(64);
        // Writing into a `String` cannot fail.
        let _ = write_steps(&mut text, self.0.iter().chain(&tail.0));
        text
    }

    /// The steps, root first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

/// Steps as given, so that `route!["spec", "ingress", 0, "ports"]` reads like the route it makes.
#[macro_export]
macro_rules! route {
    ($($step:expr),* $(,)?) => {{
        let route = $crate::route::Route::root();
        $(let route = route.then($step);)*
        route
    }};
}

impl FromIterator<Step> for Route {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

/// Keys other than letters, digits, `-` and `_` are quoted: `metadata.labels["app.kubernetes.io/name"]`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_steps(f, self.0.iter())
    }
}

fn write_steps<'s>(out: &mut impl fmt::Write, steps: impl Iterator<Item = &'s Step>) -> fmt::Result {
    for (at, step) in steps.enumerate() {
        match step {
            Step::Index(index) => write!(out, "[{index}]")?,
            Step::Key(key) if is_plain(key) => {
                if at > 0 {
                    out.write_char('.')?;
                }
                out.write_str(key)?;
            }
            Step::Key(key) => write!(out, "[{key:?}]")?,
        }
    }
    Ok(())
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_read_like_field_paths() {
        assert_eq!(
            route!["spec", "ingress", 0, "ports", 1, "port"].to_string(),
            "spec.ingress[0].ports[1].port"
        );
        assert_eq!(
            route!["metadata", "labels", "app.kubernetes.io/name"].to_string(),
            r#"metadata.labels["app.kubernetes.io/name"]"#
        );
        assert_eq!(route![0, "", "a\"b"].to_string(), r#"[0][""]["a\"b"]"#);
        assert_eq!(Route::root().to_string(), "");
        assert_eq!(route!["a"].join(&route![1, "b"]), route!["a", 1, "b"]);
        for (head, tail) in [(route!["a", 0], route!["b", "c/d"]), (Route::root(), route!["b"])] {
            assert_eq!(head.joined_text(&tail), head.join(&tail).to_string());
        }
    }

    #[test]
    fn what_is_displayed_is_read_back() {
        for route in [
            Route::root(),
            route!["spec", "ingress", 0, "ports", 1, "port"],
            route!["items", 3, "spec", "specs", 12, 0, "k8s-app"],
            route![0, "a"],
        ] {
            assert_eq!(Route::read(&route.to_string()), Some(route));
        }
        assert_eq!(Route::read(&route!["a", "b.c"].to_string()), None);
        assert_eq!(Route::read(&route!["a]", 1].to_string()), None);
    }
}
