//! The policies that are asked about, by name.

use crate::de::suggest;
use ir::model::Model;
use ir::policy::{Policy, PolicyId};
use std::collections::BTreeSet;
use thiserror::Error;

/// There is no policy of a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no policy `{name}`{}", suggest::or_those(.near))]
pub struct Unknown {
    /// What was asked for.
    pub name: String,
    /// Names that are near it.
    pub near: Vec<String>,
}

/// The policies of these names, in the order of the model; all of them where no name is given.
///
/// # Errors
/// When there is no policy of a name.
pub fn policies(model: &Model, names: &[String]) -> Result<Vec<PolicyId>, Unknown> {
    let mut found = BTreeSet::new();
    for asked in names {
        let before = found.len();
        let wanted = model
            .policy_ids()
            .filter(|(_, policy)| names_of(policy).contains(asked));
        found.extend(wanted.map(|(id, _)| id));
        if found.len() == before
            && !model
                .policies()
                .iter()
                .any(|policy| names_of(policy).contains(asked))
        {
            return Err(unknown(model, asked));
        }
    }
    if names.is_empty() {
        found.extend(model.policy_ids().map(|(id, _)| id));
    }
    Ok(found.into_iter().collect())
}

/// What a policy may be called: the name (with its namespace), and the same with the kind before it.
fn names_of(policy: &Policy) -> [String; 2] {
    let name = match &policy.namespace {
        Some(namespace) => format!("{namespace}/{}", policy.name),
        None => policy.name.clone(),
    };
    [format!("{}/{name}", policy.kind), name]
}

fn unknown(model: &Model, asked: &str) -> Unknown {
    let known: BTreeSet<String> = model
        .policies()
        .iter()
        .flat_map(|policy| {
            let [with_kind, name] = names_of(policy);
            // Whoever leaves out the namespace may mean it all the same.
            [with_kind, name]
        })
        .collect();
    let here: Vec<String> = model
        .policies()
        .iter()
        .filter(|policy| policy.namespace.is_some() && policy.name == asked)
        .map(|policy| {
            let [_, name] = names_of(policy);
            name
        })
        .take(3)
        .collect();
    let candidates: Vec<_> = known.iter().map(String::as_str).collect();
    Unknown {
        name: asked.to_owned(),
        near: if here.is_empty() {
            let near = suggest::nearest(asked, &candidates);
            near.into_iter().map(str::to_owned).collect()
        } else {
            here
        },
    }
}
