//! Numbers that look random and are the same on every machine, for ever.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 where there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        usize::try_from(self.next().checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }

    /// Any order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }

    /// True `percent` times in a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them; `None` of nothing.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }
}

/// `total` cut into `parts` as Zipf's law would have it: the second is half of the first, the third a third of it.
/// Each has at least one, where there is enough.
pub(super) fn zipf(total: usize, parts: usize) -> Vec<usize> {
    let spread = total.saturating_sub(parts);
    let harmonic: f64 = (1..=parts).map(|rank| 1.0 / small(rank)).sum();
    let mut sizes: Vec<usize> = (1..=parts)
        .map(|rank| {
            let share = small(spread) / (small(rank) * harmonic);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share is between 0 and the total"
            )]
            let share = share as usize;
            share + usize::from(rank <= total)
        })
        .collect();
    let left = total.saturating_sub(sizes.iter().sum());
    // Rounding leaves fewer than there are parts.
    for size in sizes.iter_mut().take(left) {
        *size += 1;
    }
    sizes
}

#[expect(clippy::cast_precision_loss, reason = "counts of objects, far below 2^52")]
fn small(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_none_is_empty() {
        for (total, parts) in [(10, 10), (1000, 7), (100_000, 500), (3, 5), (0, 4)] {
            let sizes = zipf(total, parts);
            assert_eq!((sizes.len(), sizes.iter().sum()), (parts, total));
            assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
            assert!(total < parts || sizes.iter().all(|size| *size > 0));
        }
        assert!(zipf(1000, 7)[0] > 2 * zipf(1000, 7)[2]);
    }
}
