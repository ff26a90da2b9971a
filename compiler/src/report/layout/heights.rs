//! How high each cell of a column stands: beside what it is joined to, as far as the others leave room.

use super::order::{Cell, Columns, mean};
use std::collections::BTreeMap;

const SWEEPS: usize = 10;
/// Room above and below a line that passes.
const PASS: f64 = 11.0;
/// Room between boxes.
const BETWEEN_BOXES: f64 = 22.0;
/// Room between a box and a line that passes.
const BESIDE_BOX: f64 = 6.0;
/// A line that passes bends where its cell is not in line with the next: straight ones are worth more than the place of a
/// box.
const STRAIGHT: f64 = 3.0;

/// The middle of each cell, by column.
pub(super) type Middles = Vec<BTreeMap<Cell, f64>>;

/// The middles of all cells; `tall` is the height of a box.
pub(super) fn middles(columns: &Columns, tall: impl Fn(&Cell) -> Option<f64>) -> Middles {
    let steps: Vec<Vec<f64>> = columns.cells.iter().map(|cells| steps(cells, &tall)).collect();
    let mut middles: Middles = columns
        .cells
        .iter()
        .zip(&steps)
        .map(|(cells, steps)| {
            let half = steps.last().copied().unwrap_or(0.0) / 2.0;
            cells
                .iter()
                .zip(steps)
                .map(|(cell, step)| (*cell, step - half))
                .collect()
        })
        .collect();
    for sweep in 0..=SWEEPS {
        let mut order: Vec<usize> = (0..columns.cells.len()).collect();
        if sweep % 2 == 1 {
            order.reverse();
        }
        // The last one looks at both sides.
        let sides = match sweep {
            SWEEPS => Sides::Both,
            _ if sweep % 2 == 0 => Sides::Left,
            _ => Sides::Right,
        };
        for at in order {
            let (Some(cells), Some(steps)) = (columns.cells.get(at), steps.get(at)) else {
                continue;
            };
            let around = around(columns, &middles, at, sides);
            let Some(own) = middles.get_mut(at) else { continue };
            let wishes: Vec<(f64, f64)> = cells
                .iter()
                .map(|cell| {
                    let wish = around.get(cell).and_then(|heights| mean(heights));
                    let weight = if matches!(cell, Cell::Pass { .. }) {
                        STRAIGHT
                    } else {
                        1.0
                    };
                    (wish.or_else(|| own.get(cell).copied()).unwrap_or(0.0), weight)
                })
                .collect();
            *own = cells.iter().copied().zip(settled(&wishes, steps)).collect();
        }
    }
    middles
}

/// How far each cell's middle is below the first one's when they stand as close as they may.
fn steps(cells: &[Cell], tall: &impl Fn(&Cell) -> Option<f64>) -> Vec<f64> {
    let mut below = 0.0;
    let mut steps = Vec::new();
    let mut before: Option<&Cell> = None;
    for cell in cells {
        if let Some(before) = before {
            let (one, other) = (tall(before), tall(cell));
            let between = match (one, other) {
                (Some(_), Some(_)) => BETWEEN_BOXES,
                (None, None) => 0.0,
                _ => BESIDE_BOX,
            };
            below += (one.unwrap_or(PASS) + other.unwrap_or(PASS)) / 2.0 + between;
        }
        steps.push(below);
        before = Some(cell);
    }
    steps
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    Left,
    Right,
    Both,
}

/// Where those stand that the cells of a column are joined to.
fn around(columns: &Columns, middles: &Middles, at: usize, sides: Sides) -> BTreeMap<Cell, Vec<f64>> {
    let mut around: BTreeMap<Cell, Vec<f64>> = BTreeMap::new();
    let left = at.checked_sub(1).filter(|_| sides != Sides::Right);
    if let Some((joints, heights)) = left.and_then(|gap| Some((columns.joints.get(gap)?, middles.get(gap)?)))
    {
        for (other, cell) in joints {
            around.entry(*cell).or_default().extend(heights.get(other));
        }
    }
    let right = Some(at).filter(|_| sides != Sides::Left);
    if let Some((joints, heights)) =
        right.and_then(|gap| Some((columns.joints.get(gap)?, middles.get(gap + 1)?)))
    {
        for (cell, other) in joints {
            around.entry(*cell).or_default().extend(heights.get(other));
        }
    }
    around
}

/// Heights as near to the wishes as steps allow, by least squares; a wish has a weight.
///
/// Less its step, a height must not be below the next one's: that is isotonic regression, which pooling adjacent
/// violators solves.
fn settled(wishes: &[(f64, f64)], steps: &[f64]) -> Vec<f64> {
    struct Pool {
        sum: f64,
        weight: f64,
        count: usize,
    }
    let mut pools: Vec<Pool> = Vec::new();
    for ((wish, weight), step) in wishes.iter().zip(steps) {
        let mut pool = Pool {
            sum: (wish - step) * weight,
            weight: *weight,
            count: 1,
        };
        while let Some(last) = pools.pop_if(|last| last.sum / last.weight > pool.sum / pool.weight) {
            pool.sum += last.sum;
            pool.weight += last.weight;
            pool.count += last.count;
        }
        pools.push(pool);
    }
    pools
        .iter()
        .flat_map(|pool| std::iter::repeat_n(pool.sum / pool.weight, pool.count))
        .zip(steps)
        .map(|(height, step)| height + step)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::settled;

    #[test]
    fn wishes_that_leave_room_are_granted() {
        assert_eq!(settled(&[(5.0, 1.0), (40.0, 1.0)], &[0.0, 20.0]), [5.0, 40.0]);
    }

    #[test]
    fn wishes_that_meet_share_the_loss_by_weight() {
        // Both want 30, and must stand 20 apart: 20 and 40; three times the weight has a third of the other's loss.
        assert_eq!(settled(&[(30.0, 1.0), (30.0, 1.0)], &[0.0, 20.0]), [20.0, 40.0]);
        assert_eq!(settled(&[(30.0, 3.0), (30.0, 1.0)], &[0.0, 20.0]), [25.0, 45.0]);
    }
}
