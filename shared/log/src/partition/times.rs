//! How many records a partition has, and from when to when they are, without reading them.

use twopath_base::PartitionId;

use crate::error::LogError;
use crate::format::frame::{Header, Kind};
use crate::partition::state::{TopicState, retrying};
use crate::partition::walk::Walk;

/// What the log says of a partition's records. Times are the least and the greatest, in microseconds since 1970; `None` where no record has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// How many there are: retention and compaction may have taken others.
    pub records: u64,
    pub event_us: Option<(i64, i64)>,
    pub arrival_us: Option<(i64, i64)>,
}

impl Times {
    /// Adds what is known of further records.
    pub fn add(&mut self, records: u64, event_us: Option<(i64, i64)>, arrival_us: (i64, i64)) {
        self.records += records;
        let wider = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
        self.event_us = match (self.event_us, event_us) {
            (Some(a), Some(b)) => Some(wider(a, b)),
            (a, b) => a.or(b),
        };
        self.arrival_us = Some(self.arrival_us.map_or(arrival_us, |a| wider(a, arrival_us)));
    }
}

/// By the seals of the sealed segments (so that nothing is fetched), and the headers of the active one's frames.
pub(crate) fn times(topic: &TopicState, partition: PartitionId) -> Result<Times, LogError> {
    retrying(topic, partition, || look_at_times(topic, partition))
}

fn look_at_times(topic: &TopicState, partition: PartitionId) -> Result<Times, LogError> {
    let mut times = Times::default();
    let committed = topic.committed(partition)?;
    let bases = topic.committed_bases(partition, &committed)?;
    for base in bases.iter().filter(|b| **b < committed.base) {
        let summary = topic.summary(partition, *base)?;
        if summary.records > 0 {
            times.add(summary.records, summary.event_us, summary.arrival_us);
        }
    }
    let generation = topic.generation_at(partition, &bases, committed.base)?;
    let mut walk = Walk::resume(topic, partition, committed.base, 0, committed.base, generation)?;
    while walk.pos < walk.view.limit() {
        let Some((_, header)) = walk.next_in_segment(topic)? else { break };
        if let Header { kind: Kind::Records, count: count @ 1.., event_us, arrival_us, .. } = header {
            times.add(u64::from(count), event_us, (arrival_us, arrival_us));
        }
    }
    Ok(times)
}
