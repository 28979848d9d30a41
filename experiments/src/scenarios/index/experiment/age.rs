//! How old an index is, from when changes were due and what was published when. Times are microseconds since the producer's start.

/// Between two frames of the producer.
pub(super) const TICK_US: i64 = 5_000;

/// When each change is due. Those of the history are as they would have been, had the producer gone on for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Changes before the start.
    pub(super) history: u64,
    /// Changes of a frame.
    pub(super) per_tick: u64,
}

impl Schedule {
    /// When the change at an offset is due.
    pub(super) fn due_us(&self, offset: u64) -> i64 {
        (offset as i64 - self.history as i64).div_euclid(self.per_tick as i64) * TICK_US
    }

    /// The first offset that is not due at a time.
    pub(super) fn due_before(&self, at_us: i64) -> u64 {
        let frames = at_us.div_euclid(TICK_US) + 1;
        (self.history as i64 + frames * self.per_tick as i64).max(0) as u64
    }
}

/// What could be found from when on: at this time, the changes below this position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) at_us: i64,
    pub(super) position: u64,
}

/// How long after each change of a time was due it could be found. Publications are in order, and cover it.
pub(super) fn searchable_after_us(schedule: Schedule, published: &[Published], (from_us, until_us): (i64, i64)) -> Vec<i64> {
    let (first, end) = (schedule.due_before(from_us - TICK_US), schedule.due_before(until_us - TICK_US));
    let mut covering = published.iter().peekable();
    let mut after = vec![];
    for offset in first..end {
        while covering.next_if(|p| p.position <= offset).is_some() {}
        let Some(by) = covering.peek() else { break };
        after.push(by.at_us - schedule.due_us(offset));
    }
    after
}

/// The age of the oldest change that was due and could not be found at a time; 0 where everything could.
pub(super) fn index_age_us(schedule: Schedule, published: &[Published], at_us: i64) -> i64 {
    let held = published.iter().rfind(|p| p.at_us <= at_us).map_or(0, |p| p.position);
    if held >= schedule.due_before(at_us) { 0 } else { at_us - schedule.due_us(held) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Two changes every 5 ms, the first at 0; four before.
        let schedule = Schedule { history: 4, per_tick: 2 };
        assert_eq!([0, 1, 2, 4, 5, 6].map(|offset| schedule.due_us(offset)), [-10_000, -10_000, -5_000, 0, 0, 5_000]);
        assert_eq!([-1, 0, 4_999, 5_000].map(|at| schedule.due_before(at)), [4, 6, 6, 8]);
        let at = |at_us, position| Published { at_us, position };
        let published = [at(-50, 4), at(1_000, 5), at(7_000, 8)];
        assert_eq!(searchable_after_us(schedule, &published, (0, 10_000)), [1_000, 7_000, 2_000, 2_000]);
        assert_eq!(searchable_after_us(schedule, &published, (5_000, 10_000)), [2_000, 2_000]);
        // At 500 µs the two changes due at 0 are not in; at 1,000 one of them is; at 7,000 all are, until the next are due.
        let ages = [-10, 500, 1_000, 6_000, 7_000, 9_999, 10_500].map(|t| index_age_us(schedule, &published, t));
        assert_eq!(ages, [0, 500, 1_000, 6_000, 0, 0, 500]);
    }
}
