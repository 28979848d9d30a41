//! How far the partitions have been read, and the generations that follow from it.

use std::collections::BTreeMap;

use twopath_base::{Offset, PartitionId, Position};
use twopath_log::Barrier;
use twopath_view::Generation;

/// How far one worker has read its partitions: announced when it closes an epoch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reached {
    /// Per partition: the offset of the next record, and the number of barriers before it.
    pub partitions: Vec<(PartitionId, Offset, u64)>,
    /// The barriers met since the last announcement.
    pub barriers: Vec<Barrier>,
}

/// What all workers' announcements up to one epoch say together.
#[derive(Debug, Clone)]
pub(crate) struct ReadProgress {
    /// The generation in which the job started, and where.
    from: (u64, Position),
    /// Per partition: the offset of the next record, and the number of barriers before it.
    partitions: Vec<(Offset, u64)>,
    barriers: BTreeMap<u64, Position>,
}

/// A generation's number and the range of the log that is in it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GenerationRange {
    pub number: u64,
    pub lower: Position,
    pub upper: Position,
}

impl GenerationRange {
    /// What a generation of a view covers.
    pub fn of(generation: &Generation) -> Self {
        GenerationRange { number: generation.number, lower: generation.lower.clone(), upper: generation.upper.clone() }
    }
}

impl ReadProgress {
    pub fn new(from: (u64, Position), barriers: &[Barrier]) -> Self {
        let partitions = from.1.offsets().iter().map(|&offset| (offset, from.0)).collect();
        let mut progress = ReadProgress { from, partitions, barriers: BTreeMap::new() };
        barriers.iter().for_each(|b| progress.note(b));
        progress
    }

    /// After generations that were read before, of which there is at least one.
    pub fn going_on(generations: Vec<GenerationRange>, barriers: &[Barrier]) -> Self {
        let (first, last) = (&generations[0], &generations[generations.len() - 1]);
        let mut progress = ReadProgress::new((first.number, first.lower.clone()), barriers);
        progress.partitions = last.upper.offsets().iter().map(|&offset| (offset, last.number)).collect();
        generations.iter().for_each(|g| progress.note(&Barrier { number: g.number, position: g.lower.clone() }));
        progress
    }

    pub fn join(&mut self, reached: &Reached) {
        for &(partition, offset, generation) in &reached.partitions {
            let known = &mut self.partitions[partition.index()];
            assert!(offset >= known.0 && generation >= known.1, "partition {partition} went backwards");
            *known = (offset, generation);
        }
        reached.barriers.iter().for_each(|b| self.note(b));
    }

    /// The generations up to the last, oldest first; each ends where the next starts, the last at the position.
    ///
    /// With `whole_barriers`, the position stops at a barrier until every partition has reached it, so that a generation's start is
    /// its barrier's position: that is what a batch view cut there abuts. It is a wait of moments, because a barrier is put into all
    /// partitions at once. Without, the position is how far was read, whatever that cuts.
    pub fn generations(&self, whole_barriers: bool) -> Vec<GenerationRange> {
        let numbers = self.partitions.iter().map(|&(_, generation)| generation);
        let last = if whole_barriers { numbers.min() } else { numbers.max() }.unwrap_or(self.from.0);
        let position = Position::new(
            self.partitions
                .iter()
                .enumerate()
                .map(
                    |(p, &(offset, generation))| {
                        if generation > last { self.barrier(last + 1).get(PartitionId(p as u32)) } else { offset }
                    },
                )
                .collect(),
        );
        let start = |number: u64| if number == self.from.0 { self.from.1.clone() } else { self.barrier(number).meet(&position) };
        (self.from.0..=last)
            .map(|number| GenerationRange {
                number,
                lower: start(number),
                upper: if number == last { position.clone() } else { start(number + 1) },
            })
            .collect()
    }

    /// All that was read, whatever barriers lie in it, as the generation in which the job started.
    pub fn whole(&self) -> GenerationRange {
        let (number, lower) = self.from.clone();
        GenerationRange { number, lower, upper: Position::new(self.partitions.iter().map(|&(offset, _)| offset).collect()) }
    }

    fn note(&mut self, barrier: &Barrier) {
        if barrier.number > self.from.0 {
            self.barriers.entry(barrier.number).or_insert_with(|| barrier.position.clone());
        }
    }

    fn barrier(&self, number: u64) -> &Position {
        self.barriers.get(&number).unwrap_or_else(|| panic!("a partition passed barrier {number}, which nobody announced"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(offsets: &[u64]) -> Position {
        Position::new(offsets.iter().map(|&o| Offset(o)).collect())
    }

    fn at(partition: u32, offset: u64, generation: u64, barriers: &[(u64, &[u64])]) -> Reached {
        Reached {
            partitions: vec![(PartitionId(partition), Offset(offset), generation)],
            barriers: barriers.iter().map(|&(number, p)| Barrier { number, position: position(p) }).collect(),
        }
    }

    fn range(number: u64, lower: &[u64], upper: &[u64]) -> GenerationRange {
        GenerationRange { number, lower: position(lower), upper: position(upper) }
    }

    #[test]
    fn a_generation_is_held_back_until_all_partitions_reached_its_barrier() {
        let mut progress = ReadProgress::new((0, position(&[0, 0])), &[]);
        progress.join(&at(0, 9, 1, &[(1, &[5, 4])]));
        progress.join(&at(1, 3, 0, &[]));
        assert_eq!(progress.generations(true), [range(0, &[0, 0], &[5, 3])]);
        assert_eq!(progress.generations(false), [range(0, &[0, 0], &[5, 3]), range(1, &[5, 3], &[9, 3])]);
        progress.join(&at(1, 4, 1, &[]));
        assert_eq!(progress.generations(true), [range(0, &[0, 0], &[5, 4]), range(1, &[5, 4], &[9, 4])]);
        assert_eq!(progress.generations(true), progress.generations(false));
        assert_eq!(progress.whole(), range(0, &[0, 0], &[9, 4]));
    }

    #[test]
    fn a_job_that_goes_on_knows_the_generations_before() {
        let before = vec![range(1, &[2, 2], &[5, 4]), range(2, &[5, 4], &[7, 4])];
        let mut progress = ReadProgress::going_on(before.clone(), &[]);
        assert_eq!(progress.generations(true), before);
        progress.join(&at(1, 6, 2, &[]));
        assert_eq!(progress.generations(true), [before[0].clone(), range(2, &[5, 4], &[7, 6])]);
        progress.join(&at(0, 9, 3, &[(3, &[8, 6])]));
        progress.join(&at(1, 6, 3, &[]));
        assert_eq!(progress.generations(true)[1..], [range(2, &[5, 4], &[8, 6]), range(3, &[8, 6], &[9, 6])]);
    }

    #[test]
    fn barriers_without_records_between_them_leave_an_empty_generation() {
        let known = [Barrier { number: 1, position: position(&[5]) }, Barrier { number: 2, position: position(&[5]) }];
        let mut progress = ReadProgress::new((1, position(&[5])), &known);
        progress.join(&at(0, 7, 2, &[]));
        assert_eq!(progress.generations(true), [range(1, &[5], &[5]), range(2, &[5], &[7])]);
    }
}
