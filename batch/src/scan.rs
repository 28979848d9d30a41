//! The log below a horizon as frames of polars.
//!
//! A sealed segment is a standard Arrow IPC file: it is mapped where it lies, after the log has verified its checksums. What is not such a
//! file (the unsealed tail, a segment that the horizon cuts, one that was compacted or that is in an object store), and columns that
//! are not in polars' own form there, come through the log's verified buffers, which are shared as well.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use arrow_schema::{DataType as ArrowType, Schema};
use polars::prelude::{Column, DataFrame, IntoColumn, PolarsError, Series};
use polars_arrow::array::Array;
use polars_core::runtime::THREAD_POOL;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use twopath_base::{Offset, Position};
use twopath_log::Topic;

use crate::BatchError;
use crate::plain::map_segment;
use crate::read::{LogPart, cut, for_each_piece};
use crate::sql::ReadColumn;
use crate::sql::frame::{physical_type, to_polars};

/// Chunks of fewer rows are copied together: polars does its work anew for each.
const CHUNK_ROWS_MIN: usize = 16 * 1024;

/// The records of a frame that comes through the log: enough for a plan, few enough that threads end together.
const PART_RECORDS: u64 = 1 << 20;

/// Where a frame comes from.
#[derive(Debug)]
enum Source {
    /// A sealed segment: its file, and what of the log it holds.
    Segment(PathBuf, LogPart),
    /// Records through the log.
    Records(LogPart),
}

/// Everything below `horizon`, a frame per segment or stretch of records, the physical columns under the names that `columns` have. There
/// is at least one frame.
pub fn scan(topic: &Topic, horizon: &Position, columns: &[ReadColumn]) -> Result<Vec<DataFrame>, BatchError> {
    // The log's own columns are in no file.
    let field = |c: &ReadColumn| topic.schema().fields().get(c.index);
    let mappable = columns.iter().all(|c| field(c).is_some_and(|f| is_mappable(f.data_type())));
    let sources = sources(topic, horizon, mappable)?;
    // polars' own pool, which is idle as yet.
    let frames: Result<Vec<_>, _> = THREAD_POOL.install(|| sources.par_iter().map(|source| frame(topic, source, columns)).collect());
    let mut frames = frames?;
    if frames.is_empty() {
        frames.push(ReadColumn::empty_frame(columns).map_err(failed)?);
    }
    Ok(frames)
}

/// Whether a column is in the file as polars has it in memory: integers and times of 64 bits, floats of 64 bits, booleans and UTF-8.
fn is_mappable(column: &ArrowType) -> bool {
    use ArrowType::{Boolean, Date64, Duration, Float64, Int64, Timestamp, Utf8};
    matches!(column, Boolean | Int64 | Float64 | Utf8 | Timestamp(..) | Duration(_) | Date64)
}

fn sources(topic: &Topic, horizon: &Position, mappable: bool) -> Result<Vec<Source>, BatchError> {
    let start = topic.start()?;
    // Only a topic in a folder has files.
    let local = topic.local().ok().filter(|_| mappable);
    let compacted = local.map(|local| local.compacted_to()).transpose()?;
    let mut sources = Vec::new();
    for (partition, end) in horizon.iter() {
        let mut from = start.get(partition);
        let records = |lower: Offset, upper: Offset| cut(LogPart { partition, lower, upper }, PART_RECORDS).map(Source::Records);
        if let (Some(local), Some(compacted)) = (local, &compacted) {
            for segment in local.segments(partition)? {
                let whole = segment.sealed && segment.object.is_none() && segment.base >= compacted.get(partition);
                if whole && segment.base >= from && segment.base < segment.end && segment.end <= end {
                    sources.extend(records(from, segment.base));
                    let part = LogPart { partition, lower: segment.base, upper: segment.end };
                    from = segment.end;
                    sources.push(Source::Segment(segment.path, part));
                }
            }
        }
        sources.extend(records(from, end));
    }
    Ok(sources)
}

fn frame(topic: &Topic, source: &Source, columns: &[ReadColumn]) -> Result<DataFrame, BatchError> {
    let chunks = match source {
        Source::Segment(path, part) => match mapped(topic, path, part, columns) {
            // Compaction replaced it since its name was read.
            Err(Unmapped::Gone) => read(topic, part, columns)?,
            Err(Unmapped::Failed(error)) => return Err(error),
            Ok(chunks) => chunks,
        },
        Source::Records(part) => read(topic, part, columns)?,
    };
    let mut series = Vec::with_capacity(columns.len());
    for (column, chunks) in columns.iter().zip(chunks) {
        series.push(one_column(column, chunks).map_err(failed)?);
    }
    DataFrame::new_infer_height(series).map_err(failed)
}

enum Unmapped {
    Gone,
    Failed(BatchError),
}

/// The chunks of each column of a sealed segment.
fn mapped(topic: &Topic, path: &Path, part: &LogPart, columns: &[ReadColumn]) -> Result<Vec<Vec<Box<dyn Array>>>, Unmapped> {
    let is_gone = || !path.exists();
    let verified = topic.local().and_then(|local| local.verify_segment(part.partition, part.lower));
    verified.map_err(|e| if is_gone() { Unmapped::Gone } else { Unmapped::Failed(e.into()) })?;
    let schema: &Schema = topic.schema();
    let names: Vec<&str> = columns.iter().map(|c| schema.field(c.index).name().as_str()).collect();
    map_segment(path, &names).map_err(|error| match &error {
        PolarsError::IO { error: io, .. } if io.kind() == ErrorKind::NotFound => Unmapped::Gone,
        _ => Unmapped::Failed(failed(error)),
    })
}

/// The chunks of each column of records that the log hands over.
fn read(topic: &Topic, part: &LogPart, columns: &[ReadColumn]) -> Result<Vec<Vec<Box<dyn Array>>>, BatchError> {
    let projection: Vec<usize> = columns.iter().map(|c| c.index).collect();
    let mut chunks: Vec<Vec<Box<dyn Array>>> = columns.iter().map(|_| Vec::new()).collect();
    for_each_piece(topic, part, &projection, |batch| {
        for (chunks, column) in chunks.iter_mut().zip(batch.columns()) {
            chunks.push(to_polars(column).map_err(failed)?);
        }
        Ok(())
    })?;
    Ok(chunks)
}

fn one_column(column: &ReadColumn, chunks: Vec<Box<dyn Array>>) -> Result<Column, PolarsError> {
    let name = column.name.as_str().into();
    if chunks.is_empty() {
        return Ok(Column::new_empty(name, &physical_type(column.data_type)));
    }
    let number = chunks.len();
    let series = Series::from_arrow_chunks(name, chunks)?;
    Ok(if number > 1 && series.len() / number < CHUNK_ROWS_MIN { series.rechunk() } else { series }.into_column())
}

fn failed(source: PolarsError) -> BatchError {
    BatchError::Polars { logic: "the scan of the log".to_owned(), source }
}
