//! What stands in the log, and how one asks for it.

use std::sync::Arc;

use arrow_array::RecordBatch;

use twopath_base::{Offset, PartitionId, Position};

/// A cut of the log at which every reader can agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// Counts up from 1.
    pub number: u64,
    pub position: Position,
}

/// Who appends, and its running number: a repeated (producer, sequence) is acknowledged with its first offset, and not appended again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerSequence {
    pub producer: u64,
    /// Counts the instances of the producer ([`TopicWriter::begin_producer`]): an older one is fenced. 0 for one that needs no fencing.
    pub epoch: u32,
    /// Goes up with each append to a partition, also from one epoch to the next.
    pub sequence: u64,
}

/// What stands in the log.
#[derive(Debug, Clone)]
pub enum Entry {
    Records(Records),
    Barrier(Barrier),
}

/// One frame's records.
#[derive(Debug, Clone)]
pub struct Records {
    pub partition: PartitionId,
    /// The offset of row 0.
    pub base: Offset,
    /// Exclusive. In a compacted segment there are fewer records than offsets.
    pub end: Offset,
    /// The offset of each row, where some of the range have no record any more.
    pub offsets: Option<Arc<[Offset]>>,
    /// When the log took them: microseconds since 1970.
    pub arrival_us: i64,
    /// Zero-copy over the mapped segment wherever that is possible.
    pub batch: RecordBatch,
}

impl Records {
    /// The offset of a row.
    pub fn offset_of(&self, row: usize) -> Offset {
        self.offsets.as_ref().map_or(Offset(self.base.0 + row as u64), |offsets| offsets[row])
    }

    /// How many of the rows have offsets below this one.
    pub fn rows_below(&self, offset: Offset) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.partition_point(|o| *o < offset),
            None => offset.0.saturating_sub(self.base.0).min(self.batch.num_rows() as u64) as usize,
        }
    }

    /// The part of these records from one offset up to, and without, another.
    pub fn cut(self, from: Offset, to: Offset) -> Records {
        let (from, to) = (from.max(self.base), to.min(self.end));
        if (from, to) == (self.base, self.end) || from >= to {
            return if from < to { self } else { Records { base: from, end: from, offsets: None, batch: self.batch.slice(0, 0), ..self } };
        }
        let (first, after) = (self.rows_below(from), self.rows_below(to));
        let offsets = self.offsets.map(|offsets| offsets[first..after].into());
        Records { base: from, end: to, offsets, batch: self.batch.slice(first, after - first), ..self }
    }
}

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first record that is left.
    First,
    End,
    /// At this record; the barriers that stand right before it come first.
    Offset(Offset),
    /// The first frame that holds a record with this event time (microseconds since 1970) or later.
    EventTime(i64),
    /// The first frame that arrived at this time (microseconds since 1970) or later.
    ArrivalTime(i64),
}
