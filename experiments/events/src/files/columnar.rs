//! Parquet and Arrow files.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use twopath_query::time::parse_timestamp;

use super::schema::{ColumnType, TimeUnitOfNumbers, settle};
use super::{CHUNK_BYTES, CHUNK_ROWS, Chunk, FileError, Format, ReadOptions, Rejected};

pub(super) struct ColumnarRows {
    path: PathBuf,
    format: &'static str,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    /// A batch of the file and how far it has been handed out: files have batches of any size, chunks are of one size.
    current: Option<(RecordBatch, usize)>,
    sources: Vec<Option<usize>>,
    schema: SchemaRef,
    time_unit: Option<TimeUnitOfNumbers>,
    rows_read: u64,
    rows: u64,
}

impl ColumnarRows {
    pub fn open(path: &Path, mut file: File, format: Format, options: &ReadOptions) -> Result<Self, FileError> {
        let name = if format == Format::Parquet { "Parquet" } else { "Arrow" };
        let malformed = |reason: String| FileError::Malformed { path: path.to_owned(), format: name, reason };
        let arrow = |e: ArrowError| malformed(e.to_string());
        let (file_schema, rows, batches): (SchemaRef, u64, Box<dyn Iterator<Item = _> + Send>) = if format == Format::Parquet {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| malformed(e.to_string()))?;
            let rows = builder.metadata().file_metadata().num_rows().max(0) as u64;
            let schema = builder.schema().clone();
            (schema, rows, Box::new(builder.with_batch_size(CHUNK_ROWS).build().map_err(|e| malformed(e.to_string()))?))
        } else {
            let mut magic = [0; 6];
            let is_file = file.read_exact(&mut magic).is_ok() && &magic == b"ARROW1";
            file.seek(SeekFrom::Start(0)).map_err(|e| FileError::io(path, e))?;
            if is_file {
                let reader = FileReader::try_new(BufReader::new(file), None).map_err(arrow)?;
                (reader.schema(), 0, Box::new(reader))
            } else {
                let reader = StreamReader::try_new(BufReader::new(file), None).map_err(arrow)?;
                (reader.schema(), 0, Box::new(reader))
            }
        };
        let offered: Vec<_> = file_schema
            .fields()
            .iter()
            .map(|f| (f.name().clone(), ColumnType::of(f.data_type()).ok_or_else(|| f.data_type().to_string()), f.is_nullable()))
            .collect();
        let (sources, schema) = settle(path, &offered, options)?;
        for (field, source) in schema.fields().iter().zip(&sources) {
            let given = source.map(|s| file_schema.field(s).data_type());
            if let Some(given) = given.filter(|given| !convertible(given, field.data_type(), options.time_unit)) {
                let (path, column) = (path.to_owned(), field.name().clone());
                return Err(match ColumnType::of(given) {
                    Some(ColumnType::Int | ColumnType::Float) => FileError::TimeOfNumbers { path, column },
                    _ => FileError::ColumnType { path, column, given: given.to_string() },
                });
            }
        }
        Ok(ColumnarRows {
            path: path.to_owned(),
            format: name,
            batches,
            current: None,
            sources,
            schema,
            time_unit: options.time_unit,
            rows_read: 0,
            rows,
        })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn progress(&self) -> (u64, u64) {
        (self.rows_read, self.rows)
    }

    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        let (batch, at) = match self.current.take().filter(|(batch, at)| *at < batch.num_rows()) {
            Some(current) => current,
            None => match self.batches.next() {
                None => return Ok(None),
                Some(batch) => (batch.map_err(|e| self.malformed(&e))?, 0),
            },
        };
        let mut rows = CHUNK_ROWS.min(batch.num_rows() - at);
        let chunk = loop {
            let chunk = self.convert(&batch.slice(at, rows)).map_err(|e| self.malformed(&e))?;
            let bytes = bytes(&chunk.batch).map_err(|e| self.malformed(&e))?;
            if rows == 1 || bytes <= CHUNK_BYTES {
                break chunk;
            }
            rows = (rows * CHUNK_BYTES / bytes).max(1);
        };
        self.current = Some((batch, at + rows));
        self.rows_read += rows as u64;
        Ok(Some(chunk))
    }

    /// Brings a part of the file to the topic's types, and tells apart the rows that do not fit.
    fn convert(&self, part: &RecordBatch) -> Result<Chunk, ArrowError> {
        let mut columns = Vec::new();
        let mut fits = vec![true; part.num_rows()];
        let mut rejected = Vec::new();
        for (field, source) in self.schema.fields().iter().zip(&self.sources) {
            let Some(source) = *source else {
                columns.push(new_null_array(field.data_type(), part.num_rows()));
                continue;
            };
            let given = part.column(source);
            let column = convert_column(given, field.data_type(), self.time_unit)?;
            // A dictionary may have NULL as a value, which only logical nulls tell.
            let given_nulls = given.logical_nulls();
            for (row, fits) in fits.iter_mut().enumerate() {
                if column.is_valid(row) || !*fits {
                    continue;
                }
                let lost = given_nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                if lost || !field.is_nullable() {
                    *fits = false;
                    rejected.push((row, field.name().clone(), self.reason(given, row, lost, field.data_type())));
                }
            }
            columns.push(column);
        }
        rejected.sort_by_key(|(row, ..)| *row);
        let rejected = rejected
            .into_iter()
            .map(|(row, column, reason)| Rejected {
                line: self.rows_read + row as u64 + 1,
                column: Some(column),
                reason,
                row: row_text(part, row),
            })
            .collect::<Vec<_>>();
        // The batch allows NULLs that the schema does not until the rows that have them are gone.
        let lenient =
            arrow_schema::Schema::new(self.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>());
        let mut batch = RecordBatch::try_new(Arc::new(lenient), columns)?;
        if !rejected.is_empty() {
            batch = filter_record_batch(&batch, &BooleanArray::from(fits))?;
        }
        let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
        Ok(Chunk { batch, rejected })
    }

    fn reason(&self, given: &ArrayRef, row: usize, lost: bool, to: &DataType) -> String {
        let wanted = ColumnType::of(to)
            .map_or("of its column's type", |t| super::cell::Reading { column_type: t, nullable: true, time_unit: None }.article());
        match (lost, ColumnType::of(to)) {
            (true, _) => format!("'{}' is not {wanted}", super::cell::shortened(&cell_text(given, row))),
            (false, Some(ColumnType::Timestamp)) => "there is no time here".into(),
            (false, _) => "there is no value here, and the column must have one".into(),
        }
    }

    fn malformed(&self, error: &ArrowError) -> FileError {
        FileError::Malformed { path: self.path.clone(), format: self.format, reason: error.to_string() }
    }
}

/// How much the rows of a batch take, which may be a part of a larger one.
fn bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}

fn convertible(from: &DataType, to: &DataType, time_unit: Option<TimeUnitOfNumbers>) -> bool {
    match (ColumnType::of(from), ColumnType::of(to)) {
        (Some(ColumnType::Int | ColumnType::Float | ColumnType::Decimal { .. }), Some(ColumnType::Timestamp)) => time_unit.is_some(),
        (Some(ColumnType::Timestamp), Some(ColumnType::Timestamp)) => true,
        (Some(_), Some(_)) => can_cast_types(from, to) || can_cast_types(from, &DataType::Utf8),
        _ => false,
    }
}

/// A column in a topic's type; a value that does not fit becomes NULL.
pub fn convert_column(given: &ArrayRef, to: &DataType, time_unit: Option<TimeUnitOfNumbers>) -> Result<ArrayRef, ArrowError> {
    let cast = |array: &ArrayRef, to: &DataType| cast_with_options(array, to, &CastOptions { safe: true, ..Default::default() });
    if given.data_type() == to {
        return Ok(given.clone());
    }
    match (ColumnType::of(given.data_type()), ColumnType::of(to)) {
        (Some(ColumnType::Text), Some(ColumnType::Timestamp)) => {
            let texts = cast(given, &DataType::Utf8)?;
            let texts: &StringArray = texts.as_string();
            let times: TimestampMicrosecondArray = texts.iter().map(|text| text.and_then(parse_timestamp)).collect();
            Ok(Arc::new(times.with_timezone("UTC")))
        }
        (
            Some(ColumnType::Int | ColumnType::Float | ColumnType::Text | ColumnType::Decimal { .. }),
            Some(ColumnType::Decimal { precision, scale }),
        ) => super::decimal::convert(given, precision, scale),
        (Some(ColumnType::Decimal { .. }), Some(ColumnType::Int)) => super::decimal::to_integers(given),
        (Some(ColumnType::Decimal { .. }), Some(ColumnType::Float)) => super::decimal::to_floats(given),
        (Some(ColumnType::Int | ColumnType::Float | ColumnType::Decimal { .. }), Some(ColumnType::Timestamp)) => {
            let numbers = cast(given, &DataType::Int64)?;
            let times: TimestampMicrosecondArray =
                numbers.as_primitive::<Int64Type>().iter().map(|n| n.and_then(|n| time_unit?.to_us(n))).collect();
            Ok(Arc::new(times.with_timezone("UTC")))
        }
        (Some(ColumnType::Timestamp), Some(ColumnType::Timestamp)) => Ok(Arc::new(in_us(given)?.with_timezone("UTC"))),
        // A cast would cut the fraction off.
        (Some(ColumnType::Float), Some(ColumnType::Int)) => {
            let floats = cast(given, &DataType::Float64)?;
            let whole = |f: f64| (f.fract() == 0.0 && (-9.2e18..9.2e18).contains(&f)).then_some(f as i64);
            let numbers: Int64Array = floats.as_primitive::<Float64Type>().iter().map(|f| f.and_then(whole)).collect();
            Ok(Arc::new(numbers))
        }
        _ => cast(given, to),
    }
}

/// A timestamp or date column in microseconds, without a zone. With one, Arrow counts in UTC already; without, UTC is meant.
fn in_us(column: &ArrayRef) -> Result<TimestampMicrosecondArray, ArrowError> {
    let zone = match column.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let options = CastOptions { safe: true, ..Default::default() };
    let cast = cast_with_options(column, &DataType::Timestamp(TimeUnit::Microsecond, zone), &options)?;
    Ok(cast.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<&str>))
}

fn cell_text(column: &ArrayRef, row: usize) -> String {
    let cell = column.slice(row, 1);
    // Named time zones cannot be formatted without a database of them; the instant can.
    let cell = match cell.data_type() {
        DataType::Timestamp(..) => in_us(&cell).map(|us| Arc::new(us) as ArrayRef),
        _ => Ok(cell),
    };
    let text = |cell: ArrayRef| ArrayFormatter::try_new(&cell, &FormatOptions::default()).map(|f| f.value(0).to_string());
    cell.and_then(text).unwrap_or_default()
}

/// A row as a JSON object of texts.
fn row_text(part: &RecordBatch, row: usize) -> String {
    let schema = part.schema();
    let cells = schema.fields().iter().zip(part.columns()).map(|(field, column)| {
        let value = if column.is_null(row) { serde_json::Value::Null } else { cell_text(column, row).into() };
        (field.name().clone(), value)
    });
    serde_json::Value::Object(cells.collect()).to_string()
}
