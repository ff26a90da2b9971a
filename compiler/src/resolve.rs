//! The model, resolved: identities, and the verdict tables of every endpoint.

use ir::cluster::{Cluster, Endpoint, EndpointId, Family};
use ir::flow::Party;
use ir::identity::Identities;
use ir::model::Model;
use ir::policy::Direction;
use ir::table::{Standing, Subjects, VerdictTable};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Both tables of one endpoint. Endpoints that nothing tells apart share them.
#[derive(Clone, Debug)]
pub struct Tables {
    /// What may reach it.
    pub ingress: Arc<VerdictTable>,
    /// What it may reach.
    pub egress: Arc<VerdictTable>,
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
    /// By [`EndpointId`]; `None` for endpoints that were not wanted.
    tables: Vec<Option<Tables>>,
}

impl<'m> Resolved<'m> {
    /// Resolves `model` for all of its endpoints.
    #[must_use]
    pub fn of(model: &'m Model) -> Self {
        Self::of_endpoints(model, |_| true)
    }

    /// Resolves `model`: identities of the whole cluster, tables of the endpoints that are `wanted`.
    #[must_use]
    pub fn of_endpoints(model: &'m Model, wanted: impl Fn(&Endpoint) -> bool) -> Self {
        let identities = Identities::of(model);
        let subjects = Subjects::new(model, &identities);
        let wanted: Vec<EndpointId> = model
            .cluster
            .endpoint_ids()
            .filter(|(_, endpoint)| wanted(endpoint))
            .map(|(id, _)| id)
            .collect();
        let tables = tables(&subjects, &wanted);
        let mut by_endpoint = vec![None; model.cluster.endpoints().len()];
        for (id, tables) in wanted.into_iter().zip(tables) {
            if let Some(slot) = by_endpoint.get_mut(id.0 as usize) {
                *slot = Some(tables);
            }
        }
        Self {
            model,
            identities,
            tables: by_endpoint,
        }
    }

    /// The tables of an endpoint; `None` for one that is not of the model, or was not wanted.
    #[must_use]
    pub fn tables(&self, endpoint: EndpointId) -> Option<&Tables> {
        self.tables.get(endpoint.0 as usize)?.as_ref()
    }
}

/// The tables of `wanted`, in their order: each different one is made once, all of them in parallel.
fn tables(subjects: &Subjects<'_>, wanted: &[EndpointId]) -> Vec<Tables> {
    let standings: Vec<[Standing; 2]> = wanted
        .par_iter()
        .map(|id| [Direction::Ingress, Direction::Egress].map(|direction| subjects.standing(*id, direction)))
        .collect();
    // Any endpoint of a standing gives the same table: the first.
    let mut known: HashMap<&Standing, usize> = HashMap::new();
    let mut different: Vec<(EndpointId, Direction)> = Vec::new();
    let mut places: Vec<[usize; 2]> = Vec::with_capacity(wanted.len());
    for (id, [ingress, egress]) in wanted.iter().zip(&standings) {
        let mut place = |standing, direction| {
            *known.entry(standing).or_insert_with(|| {
                different.push((*id, direction));
                different.len() - 1
            })
        };
        places.push([
            place(ingress, Direction::Ingress),
            place(egress, Direction::Egress),
        ]);
    }
    let made: Vec<Arc<VerdictTable>> = different
        .into_par_iter()
        .map(|(id, direction)| Arc::new(subjects.table(id, direction)))
        .collect();
    places
        .into_iter()
        .filter_map(|[ingress, egress]| {
            Some(Tables {
                ingress: Arc::clone(made.get(ingress)?),
                egress: Arc::clone(made.get(egress)?),
            })
        })
        .collect()
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
