//! Findings that are about a pod's definitions rather than about a rule: told once for each set of definitions, with
//! the rules that use the name, however many pods and rules there are.

use super::named_port_hazards::{Hazards, Judged, is_named};
use super::named_ports::Reached;
use ir::cluster::{ContainerPort, ContainerRole};
use ir::origin::Origin;
use std::collections::BTreeMap;

/// Definitions of one name on one kind of pod, with the uses that reach it.
pub(super) struct Site<'h, 'm> {
    /// The first reached pods.
    pub(super) reached: &'h Reached<'m>,
    /// The definitions, in the order written.
    pub(super) ports: Vec<&'m ContainerPort>,
    /// The uses that reach them, in the order of rules.
    pub(super) uses: Vec<&'h Judged<'m>>,
}

impl Site<'_, '_> {
    /// Whether one of the uses denies.
    #[must_use]
    pub(super) fn is_denied(&self) -> bool {
        self.uses.iter().any(|judged| judged.denies())
    }

    /// The use to show: a deny before an allow.
    #[must_use]
    pub(super) fn shown(&self) -> Option<&Judged<'_>> {
        let mut uses = self.uses.iter();
        let deny = uses.find(|judged| judged.denies());
        deny.or_else(|| self.uses.first()).copied()
    }
}

/// The definitions that `wanted` picks from a reached pod (all definitions of the name, init containers included, are
/// offered), grouped by where they are written.
pub(super) fn sites<'h, 'm>(
    hazards: &'h Hazards<'m>,
    wanted: impl Fn(&Judged<'m>, &[&'m ContainerPort]) -> bool,
) -> Vec<Site<'h, 'm>> {
    let mut sites: BTreeMap<(String, Vec<&Origin>), Site<'h, 'm>> = BTreeMap::new();
    for judged in &hazards.uses {
        for reached in judged.one.reached.iter() {
            let ports: Vec<_> = reached
                .endpoint
                .ports
                .iter()
                .filter(|port| is_named(port, judged.one.name))
                .collect();
            if ports.is_empty() || !wanted(judged, &ports) {
                continue;
            }
            let key = (
                judged.one.name.to_ascii_lowercase(),
                ports.iter().map(|port| &port.origin).collect(),
            );
            let site = sites.entry(key).or_insert_with(|| Site {
                reached,
                ports,
                uses: Vec::new(),
            });
            site.uses.push(judged);
        }
    }
    sites.into_values().collect()
}

/// A container of this role, with its article.
#[must_use]
pub(super) fn role(role: ContainerRole) -> &'static str {
    match role {
        ContainerRole::Main => "a container",
        ContainerRole::Sidecar => "a sidecar",
        ContainerRole::Init => "an init container",
    }
}
