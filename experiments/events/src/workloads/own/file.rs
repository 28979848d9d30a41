//! One file of events, in memory.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;

use super::WorkloadError;
use crate::files::{EventFile, FileError, FilePart, Input, ReadOptions};

/// All rows of a file, in its order.
///
/// # Errors
/// The file cannot be read, has rows that do not fit, or none.
pub(super) fn all_rows(path: &Path, options: &ReadOptions) -> Result<RecordBatch, WorkloadError> {
    let mut file = EventFile::of(&Input::open(path)?, options, FilePart::ALL)?;
    let mut batches = Vec::new();
    let mut rejected = Vec::new();
    while let Some(chunk) = file.next_chunk()? {
        batches.push(chunk.batch);
        rejected.extend(chunk.rejected);
    }
    if let Some(first) = rejected.first() {
        return Err(WorkloadError::BadRows { path: path.to_owned(), count: rejected.len() as u64, first: first.to_string() });
    }
    let rows = concat_batches(file.schema(), &batches).map_err(|e| FileError::arrow(path, e))?;
    if rows.num_rows() == 0 {
        return Err(WorkloadError::NoEvents { path: path.to_owned() });
    }
    Ok(rows)
}
