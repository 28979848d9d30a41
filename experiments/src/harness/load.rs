//! The generator: events arrive on an open-loop schedule, whatever the system does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};
use twopath_base::meters::{self, Layer};
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{LogError, TopicWriter};

use crate::systems::timeline::Timeline;

/// The generator does not wake up more often than this, and appends what has become due meanwhile at once.
const WAKE_EVERY: Duration = Duration::from_micros(500);
/// A generator that is behind catches up in appends of this many events.
const APPEND_ROWS_MAX: u64 = 1 << 16;

/// When each event of the steady phase is intended to arrive: event `i` at `start_us + i / rate`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// On the timeline.
    pub start_us: u64,
    /// Events per second.
    pub rate: f64,
    pub events: u64,
}

impl Schedule {
    /// When event `i` is intended to arrive, on the timeline.
    pub fn due_us(&self, i: u64) -> u64 {
        self.start_us + (i as f64 * 1e6 / self.rate).ceil() as u64
    }

    /// How many events are intended to have arrived by `at_us`, those due at that moment included.
    pub fn arrived(&self, at_us: u64) -> u64 {
        let Some(since_us) = at_us.checked_sub(self.start_us) else { return 0 };
        let mut arrived = ((since_us as f64 * self.rate / 1e6) as u64 + 1).min(self.events);
        // Rounding must not make an event both due and not arrived.
        while arrived < self.events && self.due_us(arrived) <= at_us {
            arrived += 1;
        }
        while arrived > 0 && self.due_us(arrived - 1) > at_us {
            arrived -= 1;
        }
        arrived
    }

    /// When the last event is intended to arrive.
    pub fn end_us(&self) -> u64 {
        self.due_us(self.events.saturating_sub(1))
    }
}

/// Where in the log the events of the steady phase are, and when they were intended to arrive there.
pub struct Arrivals {
    pub schedule: Schedule,
    /// Where they begin: the end of the history.
    pub base: Position,
    /// Per partition the event numbers, in the order of their offsets from `base` on.
    by_partition: Vec<Vec<u32>>,
}

/// One append of the steady phase: up to which event, and the log's position after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// Exclusive.
    pub to_event: u64,
    pub position: Position,
}

impl Arrivals {
    /// Works out the offset of each event: an append says how many rows each partition got, and `partition_of_row` (by the topic's
    /// key) which rows. Without it an append's rows must all have gone to one partition.
    ///
    /// # Panics
    /// If the two contradict each other: then the log has not done what it says.
    pub fn new(schedule: Schedule, base: Position, appends: &[Append], partition_of_row: Option<&[PartitionId]>) -> Self {
        let mut by_partition = vec![Vec::new(); base.partitions()];
        let (mut from_event, mut before) = (0, base.clone());
        for append in appends {
            let events = from_event..append.to_event;
            let alone = append.position.iter().find(|&(p, offset)| offset.0 - before.get(p).0 == events.end - events.start);
            match (alone, partition_of_row) {
                (Some((p, _)), _) => by_partition[p.index()].extend(events.map(|i| i as u32)),
                (None, Some(partition)) => events.for_each(|i| by_partition[partition[i as usize].index()].push(i as u32)),
                (None, None) => {
                    panic!("without a key, an append of {events:?} went to several partitions: {before} to {}", append.position)
                }
            }
            (from_event, before) = (append.to_event, append.position.clone());
        }
        for (p, end) in before.iter() {
            let counted = base.get(p).0 + by_partition[p.index()].len() as u64;
            assert_eq!(counted, end.0, "rows that partition {p} got, by hash and by position");
        }
        Arrivals { schedule, base, by_partition }
    }

    /// The intended arrival of the record at an offset of the steady phase; `None` for others.
    pub fn due_us(&self, partition: PartitionId, offset: Offset) -> Option<u64> {
        let index = offset.0.checked_sub(self.base.get(partition).0)?;
        let event = self.by_partition[partition.index()].get(index as usize)?;
        Some(self.schedule.due_us(u64::from(*event)))
    }

    /// What is intended to be in the log at `at_us`.
    pub fn position_at(&self, at_us: u64) -> Position {
        let arrived = self.schedule.arrived(at_us);
        self.position_after(arrived)
    }

    /// The position of the steady phase's first `events` events.
    pub fn position_after(&self, events: u64) -> Position {
        let count = |p: PartitionId| self.by_partition[p.index()].partition_point(|&i| u64::from(i) < events) as u64;
        Position::new(self.base.iter().map(|(p, base)| Offset(base.0 + count(p))).collect())
    }

    /// Where the steady phase ends.
    pub fn end(&self) -> Position {
        self.position_after(self.schedule.events)
    }

    /// The age of the oldest event that had arrived by `at_us` and is not below `position`; 0 where there is none.
    pub fn staleness_us(&self, position: &Position, at_us: u64) -> u64 {
        let missing = position.iter().filter_map(|(p, offset)| self.due_us(p, offset.max(self.base.get(p))));
        missing.min().map_or(0, |due_us| at_us.saturating_sub(due_us))
    }

    /// All records of the steady phase: partition, offset, intended arrival; by partition, then offset.
    pub fn iter(&self) -> impl Iterator<Item = (PartitionId, Offset, u64)> + '_ {
        self.base.iter().flat_map(move |(p, base)| {
            let events = self.by_partition[p.index()].iter().enumerate();
            events.map(move |(k, &i)| (p, Offset(base.0 + k as u64), self.schedule.due_us(u64::from(i))))
        })
    }
}

/// Appends every event when it is due, until all are in or `stop` is set. A late event stays late: nothing is left out or slowed
/// down.
pub fn append_on_schedule(
    writer: &TopicWriter,
    events: &RecordBatch,
    schedule: &Schedule,
    timeline: &Timeline,
    stop: &AtomicBool,
) -> Result<Vec<Append>, LogError> {
    punctual_sleep();
    let mut next = 0;
    let mut appends = Vec::new();
    while next < schedule.events && !stop.load(Ordering::Relaxed) {
        let now_us = timeline.now_us();
        let due = schedule.arrived(now_us).min(next + APPEND_ROWS_MAX);
        if due > next {
            let rows = events.slice(next as usize, (due - next) as usize);
            let position = meters::charge(Layer::Log, || writer.append(&rows))?;
            appends.push(Append { to_event: due, position });
            next = due;
        }
        // Of many events a second some are due again by now; they wait for the next time, unless those of this time are not all in yet.
        if next < schedule.events && schedule.arrived(now_us) <= next {
            let wake_us = schedule.due_us(next).max(now_us + WAKE_EVERY.as_micros() as u64);
            thread::sleep(Duration::from_micros(wake_us.saturating_sub(timeline.now_us())));
        }
    }
    Ok(appends)
}

/// Lets the calling thread's sleeps end within microseconds of their time, where the system can: by default Linux adds up to 50 µs,
/// which would stand in every latency.
pub fn punctual_sleep() {
    #[cfg(target_os = "linux")]
    // SAFETY: sets a number of the calling thread and touches no memory; a refusal changes nothing.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use arrow_schema::{DataType, Field, Schema as ArrowSchema};
    use twopath_log::{Durability, Log, TopicConfig};

    use super::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    /// Five microseconds apart, as 200,000 a second are: those of half a millisecond come in one append, or else appending them, and reading so many frames, costs more
    /// than the events.
    #[test]
    fn many_events_a_second_are_appended_together() {
        let dir = tempfile::tempdir().unwrap();
        let schema = Arc::new(ArrowSchema::new(vec![Field::new("n", DataType::Int64, false)]));
        let config = TopicConfig { durability: Durability::None, ..TopicConfig::new("t", schema.clone()) };
        let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
        let writer = topic.writer().unwrap();
        let events = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from_iter_values(0..10_000))]).unwrap();
        let timeline = Timeline::new();
        let schedule = Schedule { start_us: timeline.now_us(), rate: 200_000.0, events: 10_000 };
        let appends = append_on_schedule(&writer, &events, &schedule, &timeline, &AtomicBool::new(false)).unwrap();
        let took_us = timeline.now_us() - schedule.start_us;
        assert_eq!((topic.end().unwrap().to_string(), appends.last().unwrap().to_event), ("10000".to_owned(), 10_000));
        let most = 2 + took_us / WAKE_EVERY.as_micros() as u64;
        assert!(appends.len() as u64 <= most, "{} appends in {took_us} microseconds", appends.len());
    }

    #[test]
    fn events_are_found_at_their_offsets() {
        let schedule = Schedule { start_us: 0, rate: 1_000.0, events: 6 };
        let appends = [
            Append { to_event: 3, position: at("12,21") },
            Append { to_event: 4, position: at("12,22") },
            Append { to_event: 6, position: at("13,23") },
        ];
        let partitions = [0, 1, 0, 1, 1, 0].map(PartitionId);
        let arrivals = Arrivals::new(schedule, at("10,20"), &appends, Some(&partitions));
        let due = |p, offset| arrivals.due_us(PartitionId(p), Offset(offset));
        assert_eq!([due(0, 9), due(0, 10), due(0, 11), due(0, 12), due(0, 13)], [None, Some(0), Some(2_000), Some(5_000), None]);
        assert_eq!([due(1, 20), due(1, 22), due(1, 23)], [Some(1_000), Some(4_000), None]);
        assert_eq!(arrivals.position_at(0), at("11,20"));
        assert_eq!(arrivals.position_at(2_999), at("12,21"));
        assert_eq!(arrivals.end(), at("13,23"));
        assert_eq!(arrivals.staleness_us(&at("11,20"), 2_500), 1_500, "event 1 is the oldest missing");
        assert_eq!(arrivals.staleness_us(&at("12,21"), 2_500), 0);
        assert_eq!(arrivals.staleness_us(&at("5,21"), 2_500), 2_500, "where the history is missing, the steady phase is");
        assert_eq!(arrivals.iter().count(), 6);
    }

    #[test]
    #[should_panic(expected = "by hash and by position")]
    fn a_log_that_put_rows_elsewhere_is_found_out() {
        let schedule = Schedule { start_us: 0, rate: 1_000.0, events: 3 };
        let appends = [Append { to_event: 3, position: at("2,1") }];
        Arrivals::new(schedule, at("0,0"), &appends, Some(&[1, 1, 0].map(PartitionId)));
    }

    #[test]
    fn the_schedule_counts_as_it_dates() {
        for rate in [1.0, 3.0, 997.0, 20_000.0, 1_234_567.8] {
            let schedule = Schedule { start_us: 1_000, rate, events: 5_000 };
            assert_eq!(schedule.arrived(999), 0);
            assert_eq!(schedule.arrived(1_000), schedule.arrived(schedule.due_us(0)));
            for i in 0..schedule.events {
                let due_us = schedule.due_us(i);
                assert!(schedule.arrived(due_us) > i, "event {i} has arrived when it is due, at {rate}/s");
                if due_us > 1_000 {
                    assert!(schedule.arrived(due_us - 1) <= i, "and not before, at {rate}/s");
                }
            }
            assert_eq!(schedule.arrived(u64::MAX / 2), schedule.events);
        }
    }
}
