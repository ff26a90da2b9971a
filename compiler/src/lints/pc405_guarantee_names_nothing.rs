//! # PC405 guarantee-names-nothing
//!
//! A guarantee names a namespace in which there is no object of the input.
//!
//! ## What is wrong
//! The guarantee is proved for every pod that could be created in a namespace of that name, but nothing in the input
//! is in it: most often the name is misspelt, and the guarantee protects nothing.
//!
//! ## Example
//! ```text
//! isolated ns:pyaments
//! ```
//!
//! ## How to fix it
//! Correct the name, or check the manifests of that namespace together with the others.

use crate::de::suggest;
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use ir::origin::Origin;
use std::collections::BTreeSet;

/// The finding about an unknown namespace.
#[must_use]
pub fn finding(model: &Model, namespace: &str, origin: Origin) -> Finding {
    let message = format!("nothing in the input is in namespace `{namespace}`");
    let mut known: BTreeSet<&str> = model.cluster.namespaces().keys().map(String::as_str).collect();
    known.extend(
        model
            .policies()
            .iter()
            .filter_map(|policy| policy.namespace.as_deref()),
    );
    let known: Vec<&str> = known.into_iter().collect();
    let finding = Finding::new(Code::GUARANTEE_NAMES_NOTHING, message).at(origin, "");
    let near: Vec<_> = suggest::nearest(namespace, &known)
        .into_iter()
        .map(|near| format!("`{near}`"))
        .collect();
    if near.is_empty() {
        finding
    } else {
        finding.help(format!("did you mean {}?", near.join(" or ")))
    }
}
