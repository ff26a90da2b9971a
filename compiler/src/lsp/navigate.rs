//! From a name to what it stands for, and back.

use super::analysis::Analysis;
use super::cursor::Cursor;
use super::hover::{definitions_at, uses_at};
use crate::load::{Object, ObjectKind};
use crate::route;
use ir::origin::Origin;
use lsp_types::Position;
use std::collections::BTreeSet;

/// Where what stands at a position is defined: the container ports of a port name, the object that is referred to.
pub(super) fn definitions(analysis: &Analysis, file: &str, at: Position) -> Vec<Origin> {
    let Some(cursor) = Cursor::at(analysis, file, at) else {
        return Vec::new();
    };
    let uses = uses_at(analysis, &cursor);
    if !uses.is_empty() {
        let destinations = uses.iter().flat_map(|(_, one)| &one.destinations);
        return sorted(destinations.flat_map(|destination| destination.origins.iter().cloned()));
    }
    let own = definitions_at(analysis, &cursor);
    if !own.is_empty() {
        return sorted(
            own.into_iter()
                .map(|(_, _, definition)| definition.origin.clone()),
        );
    }
    referred(analysis, &cursor).into_iter().collect()
}

/// The rules that use a port name which a container defines; from a rule's port, all rules that use the name.
pub(super) fn references(
    analysis: &Analysis,
    file: &str,
    at: Position,
    with_definition: bool,
) -> Vec<Origin> {
    let Some(cursor) = Cursor::at(analysis, file, at) else {
        return Vec::new();
    };
    let mut found = BTreeSet::new();
    for (_, port, definition) in definitions_at(analysis, &cursor) {
        let uses = port.uses.iter().filter(|one| {
            let mut origins = one
                .destinations
                .iter()
                .flat_map(|destination| &destination.origins);
            origins.any(|origin| *origin == definition.origin)
        });
        found.extend(uses.map(|one| one.origin.clone()));
        if with_definition {
            found.insert(definition.origin.clone());
        }
    }
    for (name, _) in uses_at(analysis, &cursor) {
        let Some(port) = analysis.names().get(name) else {
            continue;
        };
        found.extend(port.uses.iter().map(|one| one.origin.clone()));
        if with_definition {
            found.extend(
                port.definitions
                    .iter()
                    .map(|definition| definition.origin.clone()),
            );
        }
    }
    found.into_iter().collect()
}

/// The name of the object that a field refers to.
fn referred(analysis: &Analysis, cursor: &Cursor<'_>) -> Option<Origin> {
    let name = cursor.text(&cursor.route)?;
    let namespace = match cursor.key()? {
        "cidrGroupRef" => None,
        // `k8sService: {serviceName: …, namespace: …}`; without one, the policy's own.
        "serviceName" => {
            cursor
                .text(&cursor.parent().then("namespace"))
                .or(cursor.object.name.namespace.as_deref())
        }
        _ => return None,
    };
    let is_meant = |object: &&Object| match &object.kind {
        ObjectKind::CiliumCidrGroup(_) => cursor.key() == Some("cidrGroupRef") && object.name.name == name,
        ObjectKind::Service(_) => {
            cursor.key() == Some("serviceName")
                && object.name.name == name
                && object.name.namespace.as_deref() == namespace
        }
        _ => false,
    };
    let object = analysis.understood.input.objects.iter().find(is_meant)?;
    Some(object.origin(&route!["metadata", "name"]))
}

fn sorted(origins: impl Iterator<Item = Origin>) -> Vec<Origin> {
    let origins: BTreeSet<Origin> = origins.collect();
    origins.into_iter().collect()
}
