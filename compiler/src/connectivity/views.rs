//! What the verdict tables say of pods and of the outside, without what only explains it: for each identity that a
//! connection can have, the ports that are open.
//!
//! Tables that differ in nothing else than that have one view.

use super::port_sets::{PortSets, SetId};
use super::{PortSet, blocks, matrix};
use crate::resolve::Resolved;
use ipnet::IpNet;
use ir::cluster::{EndpointId, Family};
use ir::identity::{Class, IdentityId};
use ir::table::VerdictTable;
use rayon::prelude::*;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The outside as one table sees it: for each set of open ports, in order, the blocks that have it.
pub(super) type Outside = [(Arc<PortSet>, Arc<[IpNet]>)];

/// The views of all tables.
pub(super) struct Views {
    /// For each view, the identities with an open port, ascending.
    views: Vec<Vec<(IdentityId, SetId)>>,
    /// By [`EndpointId`]: ingress and egress.
    of_endpoint: Vec<(usize, usize)>,
}

impl Views {
    pub(super) fn of(resolved: &Resolved<'_>, sets: &mut PortSets) -> Self {
        let visible = visible(resolved);
        let cluster = &resolved.model.cluster;
        let mut tables: Vec<&Arc<VerdictTable>> = Vec::new();
        let mut place_of: HashMap<*const VerdictTable, usize> = HashMap::new();
        let mut place = |table| {
            *place_of.entry(Arc::as_ptr(table)).or_insert_with(|| {
                tables.push(table);
                tables.len() - 1
            })
        };
        let places: Vec<Option<(usize, usize)>> = cluster
            .endpoint_ids()
            .map(|(id, _)| {
                let tables = resolved.tables(id)?;
                Some((place(&tables.ingress), place(&tables.egress)))
            })
            .collect();
        let open: Vec<Vec<(IdentityId, PortSet)>> = tables
            .into_par_iter()
            .map(|table| open(table, &visible))
            .collect();

        // The first view lets nothing through: that of an endpoint without tables.
        let mut views = vec![Vec::new()];
        let mut known: HashMap<Vec<(IdentityId, SetId)>, usize> = HashMap::from([(Vec::new(), 0)]);
        let view_of: Vec<usize> = open
            .into_iter()
            .map(|open| {
                let open: Vec<_> = open
                    .into_iter()
                    .map(|(identity, ports)| (identity, sets.number(ports)))
                    .collect();
                *known.entry(open).or_insert_with_key(|open| {
                    views.push(open.clone());
                    views.len() - 1
                })
            })
            .collect();
        let view = |place: usize| view_of.get(place).copied().unwrap_or(0);
        Self {
            views,
            of_endpoint: places
                .into_iter()
                .map(|places| places.map_or((0, 0), |(ingress, egress)| (view(ingress), view(egress))))
                .collect(),
        }
    }

    /// The views of an endpoint's tables: ingress, egress.
    pub(super) fn of_endpoint(&self, id: EndpointId) -> (usize, usize) {
        self.of_endpoint.get(id.0 as usize).copied().unwrap_or((0, 0))
    }

    /// The identities that a view lets through, ascending, and on which ports.
    pub(super) fn allowed(&self, view: usize) -> &[(IdentityId, SetId)] {
        self.views.get(view).map_or(&[], Vec::as_slice)
    }

    /// The ports that a view opens for an identity; `None` where it opens none.
    pub(super) fn ports(&self, view: usize, identity: IdentityId) -> Option<SetId> {
        let allowed = self.allowed(view);
        let at = allowed
            .binary_search_by_key(&identity, |(identity, _)| *identity)
            .ok()?;
        allowed.get(at).map(|(_, ports)| *ports)
    }

    /// What each view lets through of the outside.
    pub(super) fn outside(&self, resolved: &Resolved<'_>, sets: &PortSets) -> Vec<Arc<Outside>> {
        let family_of: HashMap<IdentityId, Family> = (0..)
            .map(IdentityId)
            .zip(resolved.identities.identities())
            .filter_map(|(id, identity)| match identity.class {
                Class::Outside(family) => Some((id, family)),
                _ => None,
            })
            .collect();
        let mut known: HashMap<BTreeMap<Family, BTreeSet<IdentityId>>, Arc<[IpNet]>> = HashMap::new();
        self.views
            .iter()
            .map(|view| {
                let mut groups: BTreeMap<&Arc<PortSet>, BTreeMap<Family, BTreeSet<IdentityId>>> =
                    BTreeMap::new();
                for (identity, ports) in view {
                    if let (Some(family), Some(ports)) = (family_of.get(identity), sets.get(*ports)) {
                        let families = groups.entry(ports).or_default();
                        families.entry(*family).or_default().insert(*identity);
                    }
                }
                groups
                    .into_iter()
                    .map(|(ports, families)| {
                        let blocks = known
                            .entry(families)
                            .or_insert_with_key(|families| blocks_of(resolved, families));
                        (Arc::clone(ports), Arc::clone(blocks))
                    })
                    .collect()
            })
            .collect()
    }
}

fn blocks_of(resolved: &Resolved<'_>, families: &BTreeMap<Family, BTreeSet<IdentityId>>) -> Arc<[IpNet]> {
    let addresses = resolved.identities.addresses();
    families
        .iter()
        .flat_map(|(family, wanted)| blocks::of_identities(addresses, *family, wanted))
        .collect()
}

/// The identities that an end of a connection can have: those of endpoints, and those outside.
fn visible(resolved: &Resolved<'_>) -> RoaringBitmap {
    let cluster = &resolved.model.cluster;
    let endpoints = cluster.endpoint_ids().flat_map(|(id, endpoint)| {
        let identities = matrix::identities(resolved, id, endpoint);
        identities.into_iter().map(|(_, identity)| identity.0)
    });
    let outside = (0..)
        .zip(resolved.identities.identities())
        .filter(|(_, identity)| matches!(identity.class, Class::Outside(_)))
        .map(|(id, _)| id);
    endpoints.chain(outside).collect()
}

/// The visible identities with an open port, ascending.
fn open(table: &VerdictTable, visible: &RoaringBitmap) -> Vec<(IdentityId, PortSet)> {
    // For each identity, which cells let it through; few different answers occur.
    let mut open_in: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, cells) in table.cells.iter().enumerate() {
        for identity in &cells.allowed & visible {
            open_in.entry(identity).or_default().push(index);
        }
    }
    let mut known: HashMap<Vec<usize>, PortSet> = HashMap::new();
    open_in
        .into_iter()
        .map(|(identity, cells)| {
            let ports = known.entry(cells).or_insert_with_key(|cells| {
                PortSet::of_rows(table, |index| cells.binary_search(&index).is_ok())
            });
            (IdentityId(identity), ports.clone())
        })
        .filter(|(_, ports)| !ports.is_empty())
        .collect()
}
