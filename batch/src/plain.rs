//! Plain polars over sealed segments, as over any Arrow files: what the batch layer maps them with, and is measured against.
//!
//! Nothing of the log is used here but its promise that a sealed segment is a standard Arrow IPC file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use polars::prelude::{Column, DataFrame, IntoColumn, IntoLazy, PolarsResult, Series, col, len, lit};
use polars_arrow::array::{Array, PrimitiveArray};
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::io::ipc::read::read_file_metadata;
use polars_arrow::mmap::mmap_unchecked;

use crate::BatchError;

/// `SELECT window_start, key, COUNT(*), SUM(sum) FROM TUMBLE(..., time, size) GROUP BY window_start, key`, all columns being 64-bit
/// integers in memory and none of them NULL.
#[derive(Debug, Clone)]
pub struct CountAndSum<'a> {
    pub time: &'a str,
    pub size_us: i64,
    pub key: &'a str,
    pub sum: &'a str,
}

/// The groups that plain polars found, as polars left them.
pub struct PlainGroups(DataFrame);

impl PlainGroups {
    pub fn len(&self) -> usize {
        self.0.height()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Window start (microseconds since 1970), key, count, sum: one entry per group, ascending.
    pub fn rows(&self) -> Result<Vec<[i64; 4]>, BatchError> {
        let column = |c: &Column| Ok(c.i64()?.iter().map(Option::unwrap_or_default).collect());
        let columns: Vec<Vec<i64>> = self.0.columns().iter().map(column).collect::<PolarsResult<_>>().map_err(failed)?;
        let mut rows: Vec<[i64; 4]> = (0..self.len()).map(|row| [0, 1, 2, 3].map(|c| columns[c][row])).collect();
        rows.sort_unstable();
        Ok(rows)
    }
}

/// Maps sealed segments with polars' own Arrow reader and runs the query as polars users would: one lazy plan over all of them,
/// grouped by its in-memory engine in its own thread pool.
pub fn plain_polars(sealed: &[PathBuf], query: &CountAndSum) -> Result<PlainGroups, BatchError> {
    let frame = map_segments(sealed, &[query.time, query.key, query.sum]).map_err(failed)?;
    let window = col(query.time) - col(query.time) % lit(query.size_us);
    let groups = frame
        .lazy()
        .group_by([window.alias("window"), col(query.key).alias("key")])
        .agg([len().cast(polars::prelude::DataType::Int64).alias("count"), col(query.sum).sum().alias("sum")])
        .collect();
    groups.map(PlainGroups).map_err(failed)
}

/// The columns of sealed segments as one frame, a chunk per frame of the log; nothing is copied. Timestamps are Int64.
pub fn map_segments(sealed: &[PathBuf], columns: &[&str]) -> PolarsResult<DataFrame> {
    let mut chunks: Vec<Vec<Box<dyn Array>>> = vec![Vec::new(); columns.len()];
    for path in sealed {
        chunks.iter_mut().zip(map_segment(path, columns)?).for_each(|(all, more)| all.extend(more));
    }
    let columns = columns.iter().zip(chunks).map(|(name, chunks)| {
        if chunks.is_empty() {
            return Ok(Column::new_empty((*name).into(), &polars::prelude::DataType::Int64));
        }
        Ok(Series::from_arrow_chunks((*name).into(), chunks)?.into_column())
    });
    DataFrame::new_infer_height(columns.collect::<PolarsResult<_>>()?)
}

/// The columns of one sealed segment, a chunk per frame of the log; nothing is copied. Times are Int64.
pub fn map_segment(path: &Path, columns: &[&str]) -> PolarsResult<Vec<Vec<Box<dyn Array>>>> {
    let mut chunks: Vec<Vec<Box<dyn Array>>> = vec![Vec::new(); columns.len()];
    let mut file = File::open(path)?;
    let metadata = read_file_metadata(&mut file)?;
    // SAFETY: sealed segments are written once and never changed or cut.
    let data = Arc::new(unsafe { Mmap::map(&file) }?);
    let places: Vec<usize> = columns
        .iter()
        .map(|name| {
            let missing = || polars::prelude::polars_err!(ColumnNotFound: "{} has no column '{name}'", path.display());
            metadata.schema.index_of(name).ok_or_else(missing)
        })
        .collect::<PolarsResult<_>>()?;
    for block in 0..metadata.blocks.len() {
        // SAFETY: the log wrote these buffers from valid arrays; whoever maps them has had their checksums verified.
        let batch = unsafe { mmap_unchecked(&metadata, &Default::default(), data.clone(), block) }?;
        for (chunks, &place) in chunks.iter_mut().zip(&places) {
            chunks.push(physical(batch.arrays()[place].as_ref()));
        }
    }
    Ok(chunks)
}

/// Times as the integers that they are.
fn physical(array: &dyn Array) -> Box<dyn Array> {
    match array.dtype() {
        ArrowDataType::Timestamp(..) | ArrowDataType::Duration(_) | ArrowDataType::Date64 => {
            let times = array.as_any().downcast_ref::<PrimitiveArray<i64>>().expect("these times are 64-bit integers");
            times.clone().to(ArrowDataType::Int64).boxed()
        }
        _ => array.to_boxed(),
    }
}

fn failed(source: polars::prelude::PolarsError) -> BatchError {
    BatchError::Polars { logic: "plain polars over sealed segments".to_owned(), source }
}
