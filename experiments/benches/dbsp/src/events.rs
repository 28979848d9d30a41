//! Reads NEXMark's events from a Parquet file, in the file's order and a step at a time.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use arrow_array::{Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

/// Events of a step: so many go into the circuit before it brings the answer up to date. They are a second of event time, and enough that
/// a step's fixed cost is small.
const STEP: usize = 10_000;

/// Says which kind of event a row is.
const KIND: &str = "event_type";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

/// The file's events, of which only some columns are read.
pub struct Events(ParquetRecordBatchReader);

impl Events {
    pub fn open(folder: &Path, columns: &[&str]) -> Result<Self> {
        let path = folder.join("nexmark.parquet");
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let events = Self::of(file, columns);
        events.with_context(|| format!("cannot read {}", path.display()))
    }

    fn of(file: File, columns: &[&str]) -> Result<Self> {
        let file = ParquetRecordBatchReaderBuilder::try_new(file)?;
        let wanted = || columns.iter().copied().chain([KIND]);
        for column in wanted() {
            ensure!(file.schema().column_with_name(column).is_some(), "it has no column '{column}'");
        }
        let projection = ProjectionMask::columns(file.parquet_schema(), wanted());
        Ok(Events(file.with_projection(projection).with_batch_size(STEP).build()?))
    }
}

impl Iterator for Events {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(Step).context("cannot read events"))
    }
}

/// Some events that follow one another.
pub struct Step(RecordBatch);

impl Step {
    /// Makes a row of each event of a kind; `row` is told the event's place in the step.
    pub fn rows<R>(&self, kind: Kind, row: impl Fn(usize) -> Result<R>) -> Result<Vec<R>> {
        let [kinds] = self.numbers([KIND])?;
        let mut rows = Vec::new();
        for at in 0..self.0.num_rows() {
            if kinds.at(at)? == kind as i64 {
                rows.push(row(at)?);
            }
        }
        Ok(rows)
    }

    pub fn numbers<const N: usize>(&self, names: [&'static str; N]) -> Result<[Column<'_, Int64Array>; N]> {
        self.columns(names, "whole numbers")
    }

    /// Times in microseconds since 1970.
    pub fn times<const N: usize>(&self, names: [&'static str; N]) -> Result<[Column<'_, TimestampMicrosecondArray>; N]> {
        self.columns(names, "timestamps in microseconds")
    }

    pub fn texts<const N: usize>(&self, names: [&'static str; N]) -> Result<[Column<'_, StringArray>; N]> {
        self.columns(names, "texts")
    }

    fn columns<const N: usize, A: Array + 'static>(&self, names: [&'static str; N], what: &str) -> Result<[Column<'_, A>; N]> {
        let column = |name| -> Result<Column<'_, A>> {
            let Some(column) = self.0.column_by_name(name) else { bail!("column '{name}' was not read") };
            let Some(values) = column.as_any().downcast_ref() else { bail!("column '{name}' is not one of {what}") };
            Ok(Column { name, values })
        };
        let columns = names.into_iter().map(column).collect::<Result<Vec<_>>>()?;
        Ok(columns.try_into().ok().expect("one for each name"))
    }
}

/// The values of a column, of which those that a kind of event has are not NULL.
pub struct Column<'a, A> {
    name: &'static str,
    values: &'a A,
}

impl<A: Array> Column<'_, A> {
    fn is_there(&self, at: usize) -> Result<()> {
        ensure!(self.values.is_valid(at), "column '{}' is NULL in an event that needs it", self.name);
        Ok(())
    }
}

impl Column<'_, Int64Array> {
    pub fn at(&self, at: usize) -> Result<i64> {
        self.is_there(at)?;
        Ok(self.values.value(at))
    }
}

impl Column<'_, TimestampMicrosecondArray> {
    pub fn at(&self, at: usize) -> Result<i64> {
        self.is_there(at)?;
        Ok(self.values.value(at))
    }
}

impl Column<'_, StringArray> {
    pub fn at(&self, at: usize) -> Result<String> {
        self.is_there(at)?;
        Ok(self.values.value(at).to_owned())
    }
}
