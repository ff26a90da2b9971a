//! Port names as the rows of a table, for CSV and Markdown: one for each definition, and one for each use that means
//! nothing anywhere, whose cells about a definition are empty.

use super::{Definition, PortName, Use, policy_text, role_word};
use crate::diagnostic::{Code, Finding};
use crate::tabular::Table;
use ir::origin::Origin;
use std::collections::{BTreeMap, BTreeSet};

/// The table, in which each row has the codes of the `findings` about it.
#[must_use]
pub fn table(names: &BTreeMap<String, PortName>, findings: &[Finding]) -> Table<13> {
    let by_place = codes(names, findings);
    let codes_at = |origins: &mut dyn Iterator<Item = &Origin>| {
        let codes: BTreeSet<_> = origins
            .filter_map(|origin| by_place.get(&place(origin)))
            .flatten()
            .collect();
        let codes: Vec<_> = codes.into_iter().map(ToString::to_string).collect();
        codes.join(" ")
    };
    let mut rows = Vec::new();
    for (name, entry) in names {
        let collision = entry.collides().to_string();
        for definition in &entry.definitions {
            let uses = entry.uses.iter().filter(|one| reaches(one, definition));
            let users: Vec<_> = uses.clone().map(user).collect();
            let mut origins = uses.map(|one| &one.origin).chain([&definition.origin]);
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
                collision.clone(),
                codes_at(&mut origins),
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
                collision.clone(),
                codes_at(&mut [&one.origin].into_iter()),
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
            "collision",
            "codes",
        ],
        rows,
    }
}

/// File, line and column: what is read twice, along two paths, is written once.
type Place<'a> = (&'a str, u32, u32);

fn place(origin: &Origin) -> Place<'_> {
    (&origin.file, origin.line, origin.column)
}

/// The codes of the findings that count, by the definitions and uses that they name. A finding at a use or a definition
/// of one name is not about another name that it points to.
fn codes<'a>(
    names: &'a BTreeMap<String, PortName>,
    findings: &'a [Finding],
) -> BTreeMap<Place<'a>, BTreeSet<Code>> {
    let mut name_at: BTreeMap<Place<'_>, &str> = BTreeMap::new();
    for (name, entry) in names {
        let definitions = entry.definitions.iter().map(|definition| &definition.origin);
        let origins = entry.uses.iter().map(|one| &one.origin).chain(definitions);
        name_at.extend(origins.map(|origin| (place(origin), name.as_str())));
    }
    let mut codes: BTreeMap<Place<'_>, BTreeSet<Code>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.counts()) {
        let about = finding
            .primary()
            .and_then(|label| name_at.get(&place(&label.origin)));
        for label in &finding.labels {
            let place = place(&label.origin);
            let name = name_at.get(&place);
            if name.is_some() && (about.is_none() || about == name) {
                codes.entry(place).or_default().insert(finding.code);
            }
        }
    }
    codes
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
