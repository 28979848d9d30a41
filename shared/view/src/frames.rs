//! Merging runs of groups that overlap: panes into windows, rows into frames.

use std::ops::Range;

use super::accumulator::{Accumulate, Accumulator};

/// Groups in an order, and what neighbouring ones of them merge to: two by two, those again two by two, and so on. A run of groups is then
/// merged of twice the logarithm of its length, whatever the accumulator, and all runs together level by level.
pub struct Frames {
    /// In the level `n`, group `i` is merged of the groups `i << n` up to `(i + 1) << n`.
    levels: Vec<Accumulator>,
}

impl Frames {
    /// Of `count` groups, of which no run will be longer than `longest`.
    pub fn new(groups: Accumulator, count: usize, longest: usize) -> Self {
        let mut levels = vec![groups];
        let mut count = count;
        // A run of a level takes two of its groups at each end at most, so that fewer than two in the middle need no level above.
        while count > 1 && longest >> levels.len() > 0 {
            let below = levels.last().expect("there is a first level");
            let mut level = below.emptied();
            level.grow(count.div_ceil(2), below.complete());
            for side in [0, 1] {
                let from: Vec<u32> = (side..count as u32).step_by(2).collect();
                let to: Vec<u32> = from.iter().map(|group| group / 2).collect();
                level.merge(below, &from, &to);
            }
            levels.push(level);
            count = count.div_ceil(2);
        }
        Frames { levels }
    }

    /// One group for each frame, merged of the groups in it.
    pub fn merged(&self, frames: &[Range<u32>]) -> Accumulator {
        let first = &self.levels[0];
        let mut merged = first.emptied();
        merged.grow(frames.len(), first.complete() && frames.iter().all(|f| f.start < f.end));
        // What is left of each frame, in groups of the level.
        let mut left: Vec<(u32, Range<u32>)> = (0..).zip(frames.iter().cloned()).filter(|(_, f)| f.start < f.end).collect();
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (number, level) in self.levels.iter().enumerate() {
            let last = number + 1 == self.levels.len();
            from.clear();
            to.clear();
            for (frame, run) in &mut left {
                let mut take = |group| {
                    from.push(group);
                    to.push(*frame);
                };
                if last {
                    run.clone().for_each(take);
                    continue;
                }
                if run.start % 2 == 1 {
                    take(run.start);
                    run.start += 1;
                }
                if run.end % 2 == 1 && run.start < run.end {
                    run.end -= 1;
                    take(run.end);
                }
                *run = run.start / 2..run.end / 2;
            }
            merged.merge(level, &from, &to);
            left.retain(|(_, run)| run.start < run.end);
            if left.is_empty() {
                break;
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow_array::{ArrayRef, Int64Array};
    use twopath_query::{Aggregate, AggregateFunction, DataType, Expr};

    /// Every run of up to 40 groups, whose sums and counts are those of a loop.
    #[test]
    fn every_run_is_merged_once() {
        for count in 1..40usize {
            let values: ArrayRef = Arc::new((0..count as i64).map(|v| (v % 5 != 0).then_some(v * v)).collect::<Int64Array>());
            let aggregate = Aggregate::new(AggregateFunction::Sum, Some(Expr::column(0, DataType::Int)));
            let mut groups = Accumulator::new(&aggregate);
            groups.grow(count, false);
            groups.update(std::slice::from_ref(&values), &(0..count as u32).collect::<Vec<_>>());
            let runs: Vec<Range<u32>> = (0..=count as u32).flat_map(|start| (start..=count as u32).map(move |end| start..end)).collect();
            for longest in [1, 7, 8, count] {
                let runs: Vec<Range<u32>> = runs.iter().filter(|run| run.len() <= longest).cloned().collect();
                let merged = Frames::new(groups.clone(), count, longest).merged(&runs);
                let sums = merged.finalise(&(0..runs.len() as u32).collect::<Vec<_>>()).unwrap();
                let expected: Vec<Option<i128>> = runs
                    .iter()
                    .map(|run| {
                        let values: Vec<i128> = run.clone().filter(|v| v % 5 != 0).map(|v| i128::from(v * v)).collect();
                        (!values.is_empty()).then(|| values.iter().sum())
                    })
                    .collect();
                let given: Vec<Option<i128>> =
                    arrow_array::cast::as_primitive_array::<arrow_array::types::Decimal128Type>(&sums).iter().collect();
                assert_eq!(given, expected, "{count} groups, {longest} at the longest");
            }
        }
    }
}
