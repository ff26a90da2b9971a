//! # PC211 end-port-with-name
//!
//! A port range cannot start at a name.
//!
//! ## What is wrong
//! `endPort` ends a range that begins at a number. A name may be another number on each pod, so there is no range to
//! speak of. The reader takes it for a range, and no engine does.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | refused by the API server |
//! | Cilium 1.20, in its own policies | `endPort` is ignored: the name alone counts |
//! | Cilium up to 1.19, in its own policies | the same |
//!
//! ## Example
//! ```yaml
//! ports: [{port: http, endPort: 8090}]
//! ```
//!
//! ## How to fix it
//! Give the range in numbers, or remove `endPort`.

/// The way out.
pub const HELP: &str =
    "give the range in numbers, or remove `endPort`: a name may mean another number on each pod";

/// In a NetworkPolicy.
#[must_use]
pub fn refused(name: &str) -> String {
    format!("`endPort` cannot stand beside the port name `{name}`")
}

/// In Cilium's policies.
#[must_use]
pub fn ignored(name: &str) -> String {
    format!("`endPort` beside the port name `{name}` is ignored")
}
