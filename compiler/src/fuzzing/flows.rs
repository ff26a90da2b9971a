//! Flows of a model, asked in every way that there is.

use crate::query;
use crate::synthetic::random::Random;
use ir::evaluator;
use ir::flow::Flow;
use ir::identity::Identities;
use ir::model::Model;
use ir::testing::{Comparison, parties, ports};

/// Asks about so many flows. Which ones is up to `seed`.
pub(super) fn compare(model: &Model, seed: &[u8], flows: usize) {
    let identities = Identities::of(model);
    let mut comparison = Comparison::of(model, &identities);
    for flow in sample(model, seed, flows) {
        let disagreement = comparison.flow(&flow).err();
        assert_eq!(disagreement, None, "{}", ir::text::print(model));
        let told = query::judge(model, &flow);
        let judged = evaluator::evaluate(model, &flow);
        assert_eq!(
            told.allowed,
            judged.allowed(),
            "{flow:?}\n{}",
            ir::text::print(model)
        );
    }
}

/// Flows to and from pods, on ports that the model can tell apart.
fn sample(model: &Model, seed: &[u8], flows: usize) -> Vec<Flow> {
    // FNV-1a: any number that depends on every byte.
    let seed = seed.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut random = Random::new(seed);
    let (parties, ports) = (parties(model), ports(model));
    (0..flows)
        .filter_map(|_| {
            let (source, destination) = (*random.pick(&parties)?, *random.pick(&parties)?);
            let (protocol, port) = *random.pick(&ports)?;
            let fitting = match (source.family(), destination.family()) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            };
            fitting.then_some(Flow {
                source,
                destination,
                protocol,
                port,
            })
        })
        .collect()
}
