//! Address blocks, found by what they lie in and by what lies in them.

use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;

/// Blocks with what belongs to each, which remember the order in which they were given.
pub(super) struct Blocks<T> {
    /// By first address, the widest first, then by place.
    sorted: Vec<(IpNet, usize, T)>,
    /// Where each block is in `sorted`, for the first of its equals.
    place_of: HashMap<IpNet, usize>,
    /// The lengths of prefixes that there are, for each family.
    lengths: [Vec<u8>; 2],
}

impl<T: Copy> Blocks<T> {
    /// Blocks without host bits.
    pub(super) fn of(blocks: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let blocks = blocks.into_iter().enumerate();
        let mut sorted: Vec<_> = blocks.map(|(place, (block, of))| (block, place, of)).collect();
        sorted.sort_by_key(|(block, place, _)| (block.network(), block.prefix_len(), *place));
        let mut place_of = HashMap::new();
        let mut lengths = [Vec::new(), Vec::new()];
        for (at, (block, ..)) in sorted.iter().enumerate() {
            place_of.entry(*block).or_insert(at);
            let [v4, v6] = &mut lengths;
            let lengths = if block.addr().is_ipv4() { v4 } else { v6 };
            if !lengths.contains(&block.prefix_len()) {
                lengths.push(block.prefix_len());
            }
        }
        Self {
            sorted,
            place_of,
            lengths,
        }
    }

    /// Those that lie in a block, with the place of each.
    pub(super) fn within(&self, around: &IpNet) -> impl Iterator<Item = (usize, IpNet, T)> {
        let (first, last) = (around.network(), around.broadcast());
        let narrower = around.prefix_len();
        let from = self.sorted.partition_point(|(block, ..)| block.network() < first);
        let there = self.sorted.get(from..).unwrap_or_default();
        let until = there.partition_point(|(block, ..)| block.network() <= last);
        there
            .iter()
            .take(until)
            .filter(move |(block, ..)| block.prefix_len() >= narrower)
            .map(|(block, place, of)| (*place, *block, *of))
    }

    /// Those in which a block lies, the first of its equals for each.
    pub(super) fn around(&self, inside: &IpNet) -> impl Iterator<Item = (usize, IpNet, T)> {
        let [v4, v6] = &self.lengths;
        let lengths = match inside.addr() {
            IpAddr::V4(_) => v4,
            IpAddr::V6(_) => v6,
        };
        lengths
            .iter()
            .filter(|length| **length <= inside.prefix_len())
            .filter_map(|length| {
                let wider = IpNet::new(inside.addr(), *length).ok()?.trunc();
                let (block, place, of) = self.sorted.get(*self.place_of.get(&wider)?)?;
                Some((*place, *block, *of))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block() -> impl Strategy<Value = IpNet> {
        // Few bits that differ, so that blocks meet.
        let v4 = (0_u32..16, 26_u8..=32)
            .prop_map(|(low, length)| (IpAddr::from((low << 2).to_be_bytes()), length));
        let v6 = (0_u128..16, 122_u8..=128)
            .prop_map(|(low, length)| (IpAddr::from((low << 2).to_be_bytes()), length));
        prop_oneof![v4, v6].prop_map(|(address, length)| IpNet::new(address, length).unwrap().trunc())
    }

    proptest! {
        #[test]
        fn nested_blocks_are_found(blocks in prop::collection::vec(block(), 0..20), asked in block()) {
            let index = Blocks::of(blocks.iter().map(|block| (*block, ())));
            let first = |wanted: &dyn Fn(&IpNet) -> bool| blocks.iter().position(wanted);
            let found = |mut found: Vec<(usize, IpNet, ())>| {
                found.sort();
                found.first().map(|(place, ..)| *place)
            };
            prop_assert_eq!(
                found(index.within(&asked).collect()),
                first(&|block| asked.contains(block))
            );
            prop_assert_eq!(
                found(index.around(&asked).collect()),
                first(&|block| block.contains(&asked))
            );
        }
    }
}
