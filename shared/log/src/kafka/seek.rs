//! Where a reader starts: binary searches over Kafka offsets.

use crate::error::LogError;
use crate::records::Start;
use twopath_base::{Offset, PartitionId};

use super::header::{Header, Kind};
use super::state::KafkaState;

/// A place in a partition.
pub(super) struct Target {
    /// Kafka's offset.
    pub at: i64,
    pub offset: Offset,
    /// The number of barriers before it.
    pub generation: u64,
}

impl Target {
    fn before(header: &Header) -> Target {
        Target { at: header.at, offset: header.base, generation: header.generation }
    }
}

pub(super) fn find(topic: &KafkaState, partition: PartitionId, start: Start) -> Result<Target, LogError> {
    topic.check_partition(partition)?;
    let known = topic.refresh(partition)?;
    let end = Target { at: known.next_at, offset: known.last.end(), generation: known.generation() };
    let wanted: &dyn Fn(&Header) -> bool = match start {
        Start::End => return Ok(end),
        Start::First | Start::Offset(Offset(0)) => return Ok(Target { at: 0, offset: Offset(0), generation: 0 }),
        Start::Offset(offset) if offset > end.offset => {
            return Err(LogError::OffsetOutOfRange { topic: topic.config.name.clone(), partition, offset, end: end.offset });
        }
        Start::Offset(offset) => &move |h| h.end() > offset || h.base >= offset,
        Start::EventTime(at_us) => &move |h| h.event_max_so_far_us >= at_us,
        Start::ArrivalTime(at_us) => &move |h| h.arrival_us >= at_us,
    };
    let mut found = search(topic, partition, known.next_at, wanted)?;
    if matches!(start, Start::ArrivalTime(_)) {
        // A time is a record's: barriers on the way to it have been passed.
        while let Some(header) = found.filter(|h| h.kind != Kind::Records) {
            found = topic.counting(partition, header.at + 1, known.next_at)?.map(|(h, _)| h);
        }
    }
    Ok(found.as_ref().map_or(end, Target::before))
}

/// The first record that counts for which `wanted` holds, where it holds for all after one for which it does.
fn search(topic: &KafkaState, partition: PartitionId, end: i64, wanted: &dyn Fn(&Header) -> bool) -> Result<Option<Header>, LogError> {
    let (mut from, mut to, mut found) = (0, end, None);
    while from < to {
        let middle = from + (to - from) / 2;
        match topic.counting(partition, middle, to)? {
            Some((header, _)) if !wanted(&header) => from = header.at + 1,
            Some((header, _)) => (to, found) = (middle, Some(header)),
            None => to = middle,
        }
    }
    Ok(found)
}
