//! The log below a horizon, in parts that can be read side by side, and each part in record batches of a good size.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_select::concat::concat;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Entry, Start, Topic};

use crate::BatchError;

/// Frames of fewer rows are put together before polars sees them: starting a plan costs as much as some thousand rows.
const ROWS_MIN: usize = 16 * 1024;
/// Larger frames are cut: what polars computes for this many rows stays in the core's cache.
const ROWS_MAX: usize = 128 * 1024;
/// The records of a part: enough that starting a part costs nothing, few enough that threads end together.
const PART_RECORDS: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 20;
/// How many parts a thread gets on average, where the log is large enough.
const PARTS_PER_THREAD: u64 = 4;

/// Consecutive records of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub partition: PartitionId,
    pub from: Offset,
    /// Exclusive.
    pub to: Offset,
}

/// All records from the log's start up to `horizon`, in log order, in parts for so many threads.
pub fn parts(topic: &Topic, horizon: &Position, threads: usize) -> Result<Vec<Part>, BatchError> {
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
    let start = topic.start()?;
    topic.check_readable(&start, horizon)?;
    let records = (horizon.records_since(&start) / (PARTS_PER_THREAD * threads as u64)).clamp(*PART_RECORDS.start(), *PART_RECORDS.end());
    let mut parts = Vec::new();
    for (partition, horizon) in horizon.iter() {
        for from in (start.get(partition).0..horizon.0).step_by(records as usize) {
            parts.push(Part { partition, from: Offset(from), to: horizon.min(Offset(from + records)) });
        }
    }
    Ok(parts)
}

/// Reads a part's columns (ascending indexes) and calls `f` with pieces of it, in no certain order: columns and their rows.
///
/// Large frames are handed on as they are mapped; small ones are copied together.
pub fn for_each_piece(
    topic: &Topic,
    part: &Part,
    projection: &[usize],
    mut f: impl FnMut(&[ArrayRef], usize) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let mut reader = topic.reader(part.partition, Start::Offset(part.from), Some(projection))?;
    let mut small: Vec<RecordBatch> = Vec::new();
    let mut small_rows = 0;
    let mut next = part.from;
    while next < part.to {
        let entry = reader.next()?;
        let Some(Entry::Records(records)) = entry else {
            assert!(entry.is_some(), "the log ends at {next}, before the horizon {}, which it had reached", part.to);
            continue;
        };
        let records = records.cut(next, part.to);
        next = records.end;
        let (rows, batch) = (records.batch.num_rows(), records.batch);
        if rows >= ROWS_MIN {
            for start in (0..rows).step_by(ROWS_MAX) {
                let piece = batch.slice(start, ROWS_MAX.min(rows - start));
                f(piece.columns(), piece.num_rows())?;
            }
            continue;
        }
        small_rows += rows;
        small.push(batch);
        if small_rows >= ROWS_MAX {
            f(&together(&small), small_rows)?;
            small.clear();
            small_rows = 0;
        }
    }
    if small_rows > 0 { f(&together(&small), small_rows) } else { Ok(()) }
}

/// The columns of several batches of one schema.
fn together(batches: &[RecordBatch]) -> Vec<ArrayRef> {
    if let [batch] = batches {
        return batch.columns().to_vec();
    }
    let column = |i: usize| {
        let arrays: Vec<_> = batches.iter().map(|b| b.column(i).as_ref()).collect();
        concat(&arrays).expect("batches of one topic have one schema")
    };
    (0..batches[0].num_columns()).map(column).collect()
}
