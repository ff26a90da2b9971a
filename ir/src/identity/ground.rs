//! The address space, cut wherever a block or a hole begins or ends, with the blocks that hold each piece.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::questions::Questions;
use crate::cluster::Family;
use crate::peer::{CidrBlock, CidrScope};

/// What the blocks of the policies say of every address, and of an address not known yet.
pub(super) struct Ground {
    v4: Vec<Piece<Ipv4Addr>>,
    v6: Vec<Piece<Ipv6Addr>>,
    /// Of an address not known yet only blocks that hold every address of a family are certain.
    unknown: Vec<u32>,
}

/// The addresses from `first` up to the next piece.
struct Piece<A> {
    first: A,
    /// Indices of the matchers of the blocks around it, ascending.
    blocks: Vec<u32>,
    /// Those of them that speak of pods and nodes too.
    of_members: Vec<u32>,
}

impl Ground {
    pub(super) fn of(questions: &Questions<'_>) -> Self {
        // At each cut, the blocks that may begin or end there: between two of theirs a block's answer does not change.
        let mut cuts_v4: BTreeMap<u32, Vec<(u32, &CidrBlock)>> = BTreeMap::from([(0, Vec::new())]);
        let mut cuts_v6: BTreeMap<u128, Vec<(u32, &CidrBlock)>> = BTreeMap::from([(0, Vec::new())]);
        let mut unknown = Vec::new();
        for (index, block) in questions.blocks() {
            if block.scope == CidrScope::Everything && block.is_whole_family() {
                unknown.push(index);
            }
            for net in std::iter::once(&block.cidr).chain(&block.except) {
                match net {
                    IpNet::V4(net) => {
                        let behind = net.broadcast().to_bits().checked_add(1);
                        for cut in std::iter::once(net.network().to_bits()).chain(behind) {
                            cuts_v4.entry(cut).or_default().push((index, block));
                        }
                    }
                    IpNet::V6(net) => {
                        let behind = net.broadcast().to_bits().checked_add(1);
                        for cut in std::iter::once(net.network().to_bits()).chain(behind) {
                            cuts_v6.entry(cut).or_default().push((index, block));
                        }
                    }
                }
            }
        }
        Self {
            v4: pieces(cuts_v4, Ipv4Addr::from_bits),
            v6: pieces(cuts_v6, Ipv6Addr::from_bits),
            unknown,
        }
    }

    /// The blocks that match a pod or a node at this address.
    pub(super) fn of_member(&self, address: Option<IpAddr>) -> &[u32] {
        match address {
            None => &self.unknown,
            Some(IpAddr::V4(address)) => members_at(&self.v4, address),
            Some(IpAddr::V6(address)) => members_at(&self.v6, address),
        }
    }

    /// The pieces of IPv4, ascending from its first address: first address, family, blocks around it.
    pub(super) fn v4(&self) -> impl Iterator<Item = (Ipv4Addr, Family, &[u32])> {
        let pieces = self.v4.iter();
        pieces.map(|piece| (piece.first, Family::V4, piece.blocks.as_slice()))
    }

    /// The pieces of IPv6.
    pub(super) fn v6(&self) -> impl Iterator<Item = (Ipv6Addr, Family, &[u32])> {
        let pieces = self.v6.iter();
        pieces.map(|piece| (piece.first, Family::V6, piece.blocks.as_slice()))
    }
}

/// The pieces between the cuts of one family, which begin at 0.
fn pieces<B, A: Copy + Into<IpAddr>>(
    cuts: BTreeMap<B, Vec<(u32, &CidrBlock)>>,
    address: impl Fn(B) -> A,
) -> Vec<Piece<A>> {
    let mut around: BTreeSet<u32> = BTreeSet::new();
    let mut of_members: BTreeSet<u32> = BTreeSet::new();
    cuts.into_iter()
        .map(|(first, blocks)| {
            let first = address(first);
            for (index, block) in blocks {
                let speaks_of_members = block.scope == CidrScope::Everything;
                if block.contains(first.into()) {
                    around.insert(index);
                    if speaks_of_members {
                        of_members.insert(index);
                    }
                } else {
                    around.remove(&index);
                    of_members.remove(&index);
                }
            }
            Piece {
                first,
                blocks: around.iter().copied().collect(),
                of_members: of_members.iter().copied().collect(),
            }
        })
        .collect()
}

fn members_at<A: Ord + Copy>(pieces: &[Piece<A>], address: A) -> &[u32] {
    let after = pieces.partition_point(|piece| piece.first <= address);
    after
        .checked_sub(1)
        .and_then(|at| pieces.get(at))
        .map_or(&[], |piece| &piece.of_members)
}
