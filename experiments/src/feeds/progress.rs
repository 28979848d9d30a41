//! How far those are who read a topic.

use twopath_log::{Log, PartitionProgress, Topic};

use super::{Definition, FeedError};

/// How a consumer group stands in its topic, over all partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderProgress {
    /// Offsets that it has done.
    pub done: u64,
    /// Records that it has not done.
    pub lag: u64,
    /// The partitions that somebody reads now.
    pub read_now: u64,
}

impl ReaderProgress {
    /// Of a group of this name. One that is not there has everything before it; it is not made, because retention would heed it.
    pub fn of(topic: &Topic, group: &str) -> Result<ReaderProgress, FeedError> {
        if !topic.groups()?.iter().any(|g| g == group) {
            return Ok(ReaderProgress { done: 0, lag: topic.end()?.records(), read_now: 0 });
        }
        let partitions = topic.group_progress(group)?;
        Ok(ReaderProgress {
            done: partitions.iter().map(|p| p.committed.unwrap_or_default().0).sum(),
            lag: partitions.iter().map(PartitionProgress::lag).sum(),
            read_now: partitions.iter().filter(|p| p.owner.is_some()).count() as u64,
        })
    }
}

impl Definition {
    /// How far the feed is in each of its inputs; `None` where one is gone.
    pub fn progress(&self, log: &Log) -> Result<Option<Vec<ReaderProgress>>, FeedError> {
        let topics = log.topics()?;
        if !self.inputs().all(|input| topics.contains(input)) {
            return Ok(None);
        }
        self.inputs().map(|input| ReaderProgress::of(&log.topic(input)?, &self.group())).collect::<Result<_, _>>().map(Some)
    }
}
