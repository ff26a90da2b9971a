//! Port names as the rows of a table, for CSV and Markdown: one for each definition, and one for each use that means
//! nothing anywhere.

use super::{Definition, PortName, Use, policy_text, role_word};
use crate::tabular::Table;
use std::collections::BTreeMap;

/// The table.
#[must_use]
pub fn table(names: &BTreeMap<String, PortName>) -> Table<11> {
    let mut rows = Vec::new();
    for (name, entry) in names {
        for definition in &entry.definitions {
            let users: Vec<_> = entry
                .uses
                .iter()
                .filter(|one| reaches(one, definition))
                .map(user)
                .collect();
            rows.push([
                name.clone(),
                definition.namespace.clone(),
                definition.workload.name.clone(),
                definition.workload.kind.clone(),
                definition.pods.to_string(),
                definition.container.clone(),
                role_word(definition.role).to_owned(),
                definition.number.to_string(),
                definition.protocol.to_string(),
                definition.origin.to_string(),
                users.join("; "),
            ]);
        }
        for one in entry.uses.iter().filter(|one| one.destinations.is_empty()) {
            let empty = String::new;
            let row = [
                name.clone(),
                empty(),
                empty(),
                empty(),
                empty(),
                empty(),
                empty(),
                empty(),
                one.protocol.to_string(),
                empty(),
                user(one),
            ];
            rows.push(row);
        }
    }
    Table {
        header: [
            "name",
            "namespace",
            "workload",
            "kind",
            "pods",
            "container",
            "role",
            "number",
            "protocol",
            "defined_at",
            "used_by",
        ],
        rows,
    }
}

fn reaches(one: &Use, definition: &Definition) -> bool {
    let mut origins = one
        .destinations
        .iter()
        .flat_map(|destination| &destination.origins);
    origins.any(|origin| *origin == definition.origin)
}

/// `allow egress NetworkPolicy shop/web policy.yaml:9:22`
fn user(one: &Use) -> String {
    format!(
        "{} {} {} {}",
        one.action.as_str(),
        one.direction,
        policy_text(&one.policy),
        one.origin
    )
}
