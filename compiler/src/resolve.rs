//! The model, resolved: identities, and the verdict tables of every endpoint.

use ir::cluster::{Cluster, EndpointId, Family};
use ir::flow::Party;
use ir::identity::Identities;
use ir::model::Model;
use ir::policy::Direction;
use ir::table::VerdictTable;
use rayon::prelude::*;

/// Both tables of one endpoint.
#[derive(Clone, Debug)]
pub struct Tables {
    /// What may reach it.
    pub ingress: VerdictTable,
    /// What it may reach.
    pub egress: VerdictTable,
}

impl Tables {
    /// The table of one direction.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &VerdictTable {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// A model with everything that answers are read from.
#[derive(Clone, Debug)]
pub struct Resolved<'m> {
    /// The model.
    pub model: &'m Model,
    /// Who can be told apart.
    pub identities: Identities,
    /// By [`EndpointId`].
    tables: Vec<Tables>,
}

impl<'m> Resolved<'m> {
    /// Resolves `model`; endpoints in parallel, results in their order.
    #[must_use]
    pub fn of(model: &'m Model) -> Self {
        let identities = Identities::of(model);
        let ids: Vec<_> = model.cluster.endpoint_ids().map(|(id, _)| id).collect();
        let tables = ids
            .into_par_iter()
            .map(|id| Tables {
                ingress: VerdictTable::build(model, &identities, id, Direction::Ingress),
                egress: VerdictTable::build(model, &identities, id, Direction::Egress),
            })
            .collect();
        Self {
            model,
            identities,
            tables,
        }
    }

    /// The tables of an endpoint; `None` for one that is not of the model.
    #[must_use]
    pub fn tables(&self, endpoint: EndpointId) -> Option<&Tables> {
        self.tables.get(endpoint.0 as usize)
    }
}

/// An endpoint as policies see it at one of its addresses: a host-network pod is its node.
#[must_use]
pub fn as_party(cluster: &Cluster, id: EndpointId, address: Option<std::net::IpAddr>) -> Party {
    match cluster.endpoint(id) {
        Some(endpoint) if endpoint.host_network => {
            match endpoint.node.as_deref().and_then(|name| cluster.node_named(name)) {
                Some(id) => Party::Node { id, address },
                None => Party::SomeNode,
            }
        }
        _ => Party::Endpoint { id, address },
    }
}

/// The address pairs over which one endpoint can reach another: those of one family where both are known, else
/// whatever is known of each.
#[must_use]
pub fn address_pairs(
    cluster: &Cluster,
    source: EndpointId,
    destination: EndpointId,
) -> Vec<(Option<std::net::IpAddr>, Option<std::net::IpAddr>)> {
    let (Some(source), Some(destination)) = (cluster.endpoint(source), cluster.endpoint(destination)) else {
        return Vec::new();
    };
    if source.addresses.is_empty() || destination.addresses.is_empty() {
        let known = |addresses: &[std::net::IpAddr]| -> Vec<_> {
            if addresses.is_empty() {
                vec![None]
            } else {
                addresses.iter().copied().map(Some).collect()
            }
        };
        let destinations = known(&destination.addresses);
        return known(&source.addresses)
            .into_iter()
            .flat_map(|source| destinations.iter().map(move |destination| (source, *destination)))
            .collect();
    }
    Family::BOTH
        .into_iter()
        .filter_map(|family| Some((Some(source.address(family)?), Some(destination.address(family)?))))
        .collect()
}
