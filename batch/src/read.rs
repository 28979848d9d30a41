//! The log below a horizon, in parts that can be read side by side, and each part in record batches of a good size.

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Entry, Start, Topic};

use crate::BatchError;

/// Frames of fewer rows are put together before an engine sees them: starting on a batch costs as much as some thousand rows.
const ROWS_MIN: usize = 16 * 1024;
/// Up to so many rows.
const ROWS_MAX: usize = 128 * 1024;
/// The records of a part: enough that starting a part costs nothing, few enough that threads end together.
const PART_RECORDS: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 20;
/// How many parts a thread gets on average, where the log is large enough.
const PARTS_PER_THREAD: u64 = 4;

/// Consecutive records of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    pub partition: PartitionId,
    pub lower: Offset,
    /// Exclusive.
    pub upper: Offset,
}

/// All records from `lower` up to `upper`, in log order, in parts for so many threads.
pub fn parts(lower: &Position, upper: &Position, threads: usize) -> Vec<LogPart> {
    let records = (upper.records_since(lower) / (PARTS_PER_THREAD * threads as u64)).clamp(*PART_RECORDS.start(), *PART_RECORDS.end());
    let part = |(partition, upper)| LogPart { partition, lower: lower.get(partition), upper };
    upper.iter().map(part).flat_map(|part| cut(part, records)).collect()
}

/// A part in parts of at most so many records.
pub fn cut(part: LogPart, records: u64) -> impl Iterator<Item = LogPart> {
    let LogPart { partition, lower, upper } = part;
    (lower.0..upper.0).step_by(records as usize).map(move |at| LogPart {
        partition,
        lower: Offset(at),
        upper: upper.min(Offset(at + records)),
    })
}

/// Checks that a horizon is one of this topic, and not beyond its end.
pub fn check_horizon(topic: &Topic, horizon: &Position) -> Result<(), BatchError> {
    let name = || topic.config().name.clone();
    if horizon.partitions() != topic.partitions() {
        return Err(BatchError::HorizonShape {
            topic: name(),
            horizon: horizon.to_string(),
            given: horizon.partitions(),
            partitions: topic.partitions(),
        });
    }
    let end = topic.end()?;
    if !end.covers(horizon) {
        return Err(BatchError::HorizonBeyondEnd { topic: name(), horizon: horizon.to_string(), end: end.to_string() });
    }
    topic.check_readable(&topic.start()?, horizon)?;
    Ok(())
}

/// Reads a part's columns (ascending indexes, the log's own behind the topic's) and calls `f` with record batches of it, in no certain order.
///
/// Large frames are handed on as they are mapped; small ones are copied together.
pub fn for_each_piece(
    topic: &Topic,
    part: &LogPart,
    projection: &[usize],
    mut f: impl FnMut(&RecordBatch) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let mut reader = topic.reader(part.partition, Start::Offset(part.lower), Some(projection))?;
    let mut small: Vec<RecordBatch> = Vec::new();
    let mut small_rows = 0;
    let mut next = part.lower;
    while next < part.upper {
        let entry = reader.next()?;
        let Some(Entry::Records(records)) = entry else {
            assert!(entry.is_some(), "the log ends at {next}, before the horizon {}, which it had reached", part.upper);
            continue;
        };
        let records = records.cut(next, part.upper);
        next = records.end;
        let (rows, batch) = (records.batch.num_rows(), records.batch);
        if rows >= ROWS_MIN {
            f(&batch)?;
            reader.let_go();
            continue;
        }
        small_rows += rows;
        small.push(batch);
        if small_rows >= ROWS_MAX {
            let piece = together(&small);
            small.clear();
            reader.let_go();
            f(&piece)?;
            small_rows = 0;
        }
    }
    if small_rows > 0 { f(&together(&small)) } else { Ok(()) }
}

/// Several batches of one schema as one.
fn together(batches: &[RecordBatch]) -> RecordBatch {
    match batches {
        [batch] => batch.clone(),
        _ => concat_batches(batches[0].schema_ref(), batches).expect("batches of one topic have one schema"),
    }
}
