//! Raw samples, as Parquet.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::check::Verdict;
use super::load::Arrivals;
use super::recording::Recorded;

#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; see that the folder exists, is writable and has room", path.display())]
pub struct SamplesError {
    path: PathBuf,
    source: ParquetError,
}

/// One row per event of the steady phase: `partition`, `offset`, `intended_us` and `fresh_us` (when the first answer that covers it
/// could be read; null where none), in microseconds since the start of the steady phase.
pub fn write_freshness(path: &Path, arrivals: &Arrivals, fresh_us: &[Option<u64>]) -> Result<(), SamplesError> {
    let start_us = arrivals.schedule.start_us as i64;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("partition", Arc::new(UInt32Array::from_iter_values(arrivals.iter().map(|(p, ..)| p.0)))),
        ("offset", Arc::new(UInt64Array::from_iter_values(arrivals.iter().map(|(_, offset, _)| offset.0)))),
        ("intended_us", Arc::new(Int64Array::from_iter_values(arrivals.iter().map(|(.., due_us)| due_us as i64 - start_us)))),
        ("fresh_us", Arc::new(fresh_us.iter().map(|at| at.map(|us| us as i64 - start_us)).collect::<Int64Array>())),
    ];
    write(path, columns)
}

/// One row per answer: `due_us` and `read_us` (microseconds since the start of the steady phase), `latency_us`, `full` (everything was
/// asked for, not a key), `version`, `position`, `bytes` (of its rows), `wrong`, `wrong_engine`, `outdated`, `error`.
pub fn write_answers(path: &Path, start_us: u64, answers: &[Recorded], verdicts: &[Verdict]) -> Result<(), SamplesError> {
    let at = |us: u64| us as i64 - start_us as i64;
    let flag = |of: fn(&Verdict) -> bool| -> ArrayRef { Arc::new(BooleanArray::from_iter(verdicts.iter().map(|v| Some(of(v))))) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("due_us", Arc::new(Int64Array::from_iter_values(answers.iter().map(|a| at(a.due_us))))),
        ("read_us", Arc::new(Int64Array::from_iter_values(answers.iter().map(|a| at(a.read_us))))),
        ("latency_us", Arc::new(UInt64Array::from_iter_values(answers.iter().map(Recorded::latency_us)))),
        ("full", Arc::new(BooleanArray::from_iter(answers.iter().map(|a| Some(a.key.is_none()))))),
        ("version", Arc::new(UInt32Array::from_iter_values(answers.iter().map(|a| a.version)))),
        ("position", Arc::new(StringArray::from_iter_values(answers.iter().map(|a| a.position.to_string())))),
        ("bytes", Arc::new(UInt64Array::from_iter_values(answers.iter().map(|a| a.rows.bytes)))),
        ("wrong", flag(|v| v.wrong)),
        ("wrong_engine", flag(|v| v.wrong_engine)),
        ("outdated", flag(|v| v.outdated)),
        ("error", Arc::new(Float64Array::from_iter_values(verdicts.iter().map(|v| v.error)))),
    ];
    write(path, columns)
}

/// Columns of one length as a Parquet file.
pub fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) -> Result<(), SamplesError> {
    let failed = |source: ParquetError| SamplesError { path: path.into(), source };
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let file = File::create(path).map_err(|e| failed(e.into()))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(())
}
