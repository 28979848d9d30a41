//! What the log knows of a record beside the topic's own fields.

/// A column that every topic has, whatever its schema: where the record stands in the log, since when, and what was there before it.
///
/// Projections of readers and columns of queries number them after the topic's own:
///
/// ```
/// use twopath_base::LogColumn;
///
/// // Of a topic with 19 fields.
/// assert_eq!(LogColumn::Offset.index(19), 21);
/// assert_eq!(LogColumn::at(19, 19), Some(LogColumn::Arrival));
/// assert_eq!(LogColumn::at(18, 19), None);
/// assert_eq!(LogColumn::EACH[..3], LogColumn::ORDER);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogColumn {
    /// When the log took the record, as its frame's header says: microseconds since 1970. Within a partition it never goes back. (Of a Kafka
    /// topic that others write it is the record's timestamp, of which that cannot be promised.)
    Arrival,
    /// The number of the record's partition, from 0.
    Partition,
    /// The record's number in its partition.
    Offset,
    /// The greatest event time of all records of its partition that were appended before it: microseconds since 1970, none where there is none. Records that were
    /// appended together (one frame) have the same, so that none of them is late because of another. Which records are late is decided by it alone: so it is the same for
    /// whoever reads the log, however partitions are interleaved.
    Watermark,
}

impl LogColumn {
    /// Those that are, in this order, the log's order over partitions.
    pub const ORDER: [LogColumn; 3] = [LogColumn::Arrival, LogColumn::Partition, LogColumn::Offset];
    /// Each of them, as they are numbered.
    pub const EACH: [LogColumn; 4] = [LogColumn::Arrival, LogColumn::Partition, LogColumn::Offset, LogColumn::Watermark];

    /// As queries name it. A field of the topic that has this name hides it.
    pub fn name(self) -> &'static str {
        match self {
            LogColumn::Arrival => "_arrival",
            LogColumn::Partition => "_partition",
            LogColumn::Offset => "_offset",
            LogColumn::Watermark => "_watermark",
        }
    }

    /// Its number in a topic with so many fields.
    pub fn index(self, fields: usize) -> usize {
        fields + self as usize
    }

    /// The column with this number in a topic with so many fields; none for a field's.
    pub fn at(index: usize, fields: usize) -> Option<LogColumn> {
        LogColumn::EACH.get(index.checked_sub(fields)?).copied()
    }
}
