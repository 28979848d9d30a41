//! Parquet and Arrow files.

use std::collections::VecDeque;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow_buffer::BooleanBuffer;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Type as Physical;

use super::convert::{convert, convertible, misfit};
use super::input::Input;
use super::nested::{any_within, column_at, find};
use super::schema::{ColumnType, Foreign, Offered, settle};
use super::times::Times;
use super::value_text::{cell_text, has_text};
use super::{CHUNK_BYTES, CHUNK_ROWS, Chunk, FileError, FileFormat, ReadOptions, Rejected};

/// Batches of a row group that wait for those before them.
const BATCHES_AHEAD: usize = 128;

/// What a thread sends of a row group: its chunks, or why there are none; nothing at the end.
type RowGroup = Option<Result<Vec<Chunk>, FileError>>;

pub(super) struct ColumnarRows {
    schema: SchemaRef,
    /// What each thread reads: its batches' chunks, and nothing after each row group.
    threads: Vec<Receiver<RowGroup>>,
    /// Which of the row groups is read; the threads take turns.
    group: usize,
    groups: usize,
    ready: VecDeque<Chunk>,
    rows_read: u64,
    rows: u64,
}

/// What brings a file's batches to the topic's types.
struct Converter {
    path: PathBuf,
    format: &'static str,
    /// Of each column of the schema: the place in the file's, and in the structs there.
    sources: Vec<Option<Vec<usize>>>,
    schema: SchemaRef,
    times: Times,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

impl ColumnarRows {
    pub fn open(input: &Input, format: FileFormat, options: &ReadOptions) -> Result<Self, FileError> {
        if format == FileFormat::Parquet { Self::parquet(input, options) } else { Self::arrow(input, options) }
    }

    fn parquet(input: &Input, options: &ReadOptions) -> Result<Self, FileError> {
        let malformed = |e: &dyn std::fmt::Display| malformed(input, "Parquet", e);
        let metadata = ArrowReaderMetadata::load(input, ArrowReaderOptions::default()).map_err(|e| malformed(&e))?;
        let metadata = with_far_times(metadata).map_err(|e| malformed(&e))?;
        let converter = Arc::new(Converter::new(input, "Parquet", metadata.schema(), options)?);
        let mut roots: Vec<usize> = converter.sources.iter().flatten().map(|places| places[0]).collect();
        roots.sort_unstable();
        roots.dedup();
        let narrow = Arc::new(converter.narrowed(&roots));
        let mask = ProjectionMask::roots(metadata.metadata().file_metadata().schema_descr(), roots);
        let groups = metadata.metadata().num_row_groups();
        let rows_of: Vec<u64> = metadata.metadata().row_groups().iter().map(|g| g.num_rows().max(0) as u64).collect();
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(groups);
        let mut threads = Vec::new();
        for thread in 0..count {
            let (input, metadata, mask, converter, rows_of) =
                (input.clone(), metadata.clone(), mask.clone(), narrow.clone(), rows_of.clone());
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            std::thread::spawn(move || {
                for group in (thread..groups).step_by(count) {
                    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input.clone(), metadata.clone());
                    let reader = builder.with_projection(mask.clone()).with_row_groups(vec![group]).with_batch_size(CHUNK_ROWS).build();
                    let batches: Batches = match reader {
                        Ok(reader) => Box::new(reader),
                        Err(e) => Box::new(std::iter::once(Err(e.into()))),
                    };
                    let mut row: u64 = rows_of[..group].iter().sum();
                    for batch in batches {
                        if sender.send(Some(converter.chunks(batch, &mut row))).is_err() {
                            return;
                        }
                    }
                    if sender.send(None).is_err() {
                        return;
                    }
                }
            });
            threads.push(receiver);
        }
        let (schema, rows) = (converter.schema.clone(), rows_of.iter().sum());
        Ok(ColumnarRows { schema, threads, group: 0, groups, ready: VecDeque::new(), rows_read: 0, rows })
    }

    fn arrow(input: &Input, options: &ReadOptions) -> Result<Self, FileError> {
        let malformed = |e: &dyn std::fmt::Display| malformed(input, "Arrow", e);
        let mut range = input.range(0, input.bytes());
        let mut magic = [0; 6];
        let is_file = range.read_exact(&mut magic).is_ok() && &magic == b"ARROW1";
        range.seek(SeekFrom::Start(0)).map_err(|e| FileError::io(input.name(), e))?;
        let (file_schema, batches): (SchemaRef, Box<dyn Iterator<Item = _> + Send>) = if is_file {
            let reader = FileReader::try_new(BufReader::new(range), None).map_err(|e| malformed(&e))?;
            (reader.schema(), Box::new(reader))
        } else {
            let reader = StreamReader::try_new(BufReader::new(range), None).map_err(|e| malformed(&e))?;
            (reader.schema(), Box::new(reader))
        };
        let converter = Converter::new(input, "Arrow", &file_schema, options)?;
        let schema = converter.schema.clone();
        let (sender, receiver) = sync_channel(2);
        std::thread::spawn(move || {
            let mut row = 0;
            for batch in batches {
                if sender.send(Some(converter.chunks(batch, &mut row))).is_err() {
                    return;
                }
            }
            // Who reads may have stopped.
            let _ = sender.send(None);
        });
        Ok(ColumnarRows { schema, threads: vec![receiver], group: 0, groups: 1, ready: VecDeque::new(), rows_read: 0, rows: 0 })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn progress(&self) -> (u64, u64) {
        (self.rows_read, self.rows)
    }

    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                self.rows_read += (chunk.batch.num_rows() + chunk.rejected.len()) as u64;
                return Ok(Some(chunk));
            }
            if self.group == self.groups {
                return Ok(None);
            }
            match self.threads[self.group % self.threads.len()].recv().expect("a thread ends each row group") {
                Some(chunks) => self.ready.extend(chunks?),
                None => self.group += 1,
            }
        }
    }
}

fn malformed(input: &Input, format: &'static str, error: &dyn std::fmt::Display) -> FileError {
    let start = input.start(60).unwrap_or_default();
    let looks = std::str::from_utf8(&start).ok().and_then(|text| text.lines().next()).filter(|line| line.chars().all(|c| !c.is_control()));
    let looks = looks.filter(|line| !line.is_empty()).map(|line| format!("; it begins as a text does: '{}'", super::cell::shortened(line)));
    FileError::Malformed { path: input.name().to_owned(), format, reason: format!("{error}{}", looks.unwrap_or_default()) }
}

/// Times of 96 bits, as old writers have them, in microseconds: in nanoseconds, years beyond 2262 would come out as others.
fn with_far_times(metadata: ArrowReaderMetadata) -> parquet::errors::Result<ArrowReaderMetadata> {
    let descriptor = metadata.metadata().file_metadata().schema_descr();
    let mut fields: Vec<Field> = metadata.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    let mut any = false;
    for (i, column) in descriptor.columns().iter().enumerate() {
        let field = &mut fields[descriptor.get_column_root_idx(i)];
        if column.physical_type() == Physical::INT96 && matches!(field.data_type(), DataType::Timestamp(..)) {
            *field = field.clone().with_data_type(DataType::Timestamp(TimeUnit::Microsecond, None));
            any = true;
        }
    }
    if !any {
        return Ok(metadata);
    }
    let schema = Schema::new_with_metadata(fields, metadata.schema().metadata().clone());
    ArrowReaderMetadata::try_new(metadata.metadata().clone(), ArrowReaderOptions::new().with_schema(Arc::new(schema)))
}

/// Whether a topic has fields of this column by their paths, and not the column itself.
fn is_by_fields(name: &str, target: &Schema) -> bool {
    target.index_of(name).is_err() && target.fields().iter().any(|f| f.name().starts_with(&format!("{name}.")))
}

/// The paths of the fields within a column that a topic does not have.
fn fields_beside(name: &str, of: &DataType, target: &Schema) -> Vec<String> {
    match of {
        _ if target.index_of(name).is_ok() => Vec::new(),
        DataType::Struct(fields) if is_by_fields(name, target) => {
            fields.iter().flat_map(|field| fields_beside(&format!("{name}.{}", field.name()), field.data_type(), target)).collect()
        }
        _ => vec![name.to_owned()],
    }
}

impl Converter {
    fn new(input: &Input, format: &'static str, file_schema: &SchemaRef, options: &ReadOptions) -> Result<Self, FileError> {
        let path = input.name();
        let foreign = |of: &DataType| match format == "Parquet" && any_within(of, &|of: &DataType| matches!(of, DataType::Interval(_))) {
            true => Foreign::ParquetInterval,
            false => Foreign::Type { given: of.to_string(), has_text: has_text(of) },
        };
        let column_type = |of: &DataType| ColumnType::of(of).ok_or_else(|| foreign(of));
        let mut offered: Vec<Offered> =
            file_schema.fields().iter().map(|f| (f.name().clone(), column_type(f.data_type()), f.is_nullable())).collect();
        let mut places: Vec<(Vec<usize>, DataType)> =
            file_schema.fields().iter().enumerate().map(|(i, f)| (vec![i], f.data_type().clone())).collect();
        // Fields of structs are offered where they are asked for by path.
        let in_schema = options.schema.iter().flat_map(|s| s.columns.iter().map(|(n, _)| n));
        let of_topic = options.target.iter().flat_map(|t| t.fields().iter().map(|f| f.name()));
        let wanted = in_schema.chain(of_topic).chain(options.columns.iter().flatten()).chain(&options.time_column);
        for name in wanted {
            if !offered.iter().any(|(n, ..)| n == name)
                && let Some((place, of)) = find(file_schema.fields(), name)
            {
                offered.push((name.clone(), column_type(&of), true));
                places.push((place, of));
            }
        }
        if let (Some(target), None) = (&options.target, &options.columns) {
            // A struct of which the topic has fields is not itself one of its columns. Its other fields are offered as any column is, so that none is lost without a word.
            for field in file_schema.fields().iter().filter(|field| is_by_fields(field.name(), target)) {
                let place = offered.iter().position(|(name, ..)| name == field.name()).expect("each column of the file is offered");
                drop((offered.remove(place), places.remove(place)));
                for name in fields_beside(field.name(), field.data_type(), target) {
                    let (place, of) = find(file_schema.fields(), &name).expect("a field of the file");
                    offered.push((name, column_type(&of), true));
                    places.push((place, of));
                }
            }
        }
        let (sources, schema) = settle(path, &offered, options)?;
        for (field, source) in schema.fields().iter().zip(&sources) {
            let given = source.map(|s| &places[s].1);
            let Some(given) = given else { continue };
            match (foreign(given), ColumnType::of(given), ColumnType::of(field.data_type())) {
                (Foreign::ParquetInterval, ..) => return Err(Foreign::ParquetInterval.refused(path, field.name())),
                _ if convertible(given, field.data_type(), &options.times) => {}
                (_, Some(ColumnType::Int | ColumnType::Float), Some(ColumnType::Timestamp)) => {
                    return Err(FileError::TimeOfNumbers { path: path.to_owned(), column: field.name().clone() });
                }
                _ => return Err(Foreign::Type { given: given.to_string(), has_text: false }.refused(path, field.name())),
            }
        }
        let sources = sources.into_iter().map(|s| s.map(|s| places[s].0.clone())).collect();
        Ok(Converter { path: path.to_owned(), format, sources, schema, times: options.times.clone() })
    }

    /// The same for batches that have only these columns.
    fn narrowed(&self, roots: &[usize]) -> Self {
        let narrow = |places: &Vec<usize>| {
            let mut places = places.clone();
            places[0] = roots.binary_search(&places[0]).expect("the roots are those of the sources");
            places
        };
        Converter {
            path: self.path.clone(),
            format: self.format,
            sources: self.sources.iter().map(|s| s.as_ref().map(narrow)).collect(),
            schema: self.schema.clone(),
            times: self.times.clone(),
        }
    }

    /// A batch of the file as chunks of the usual size; `row` is the number of rows before it.
    fn chunks(&self, batch: Result<RecordBatch, ArrowError>, row: &mut u64) -> Result<Vec<Chunk>, FileError> {
        let fault = |e: ArrowError| FileError::Malformed { path: self.path.clone(), format: self.format, reason: e.to_string() };
        let batch = batch.map_err(fault)?;
        let (mut chunks, mut at) = (Vec::new(), 0);
        while at < batch.num_rows() {
            let mut rows = CHUNK_ROWS.min(batch.num_rows() - at);
            let chunk = loop {
                let chunk = self.convert(&batch.slice(at, rows), *row).map_err(fault)?;
                let bytes = bytes(&chunk.batch).map_err(fault)?;
                if rows == 1 || bytes <= CHUNK_BYTES {
                    break chunk;
                }
                rows = (rows * CHUNK_BYTES / bytes).max(1);
            };
            at += rows;
            *row += rows as u64;
            chunks.push(chunk);
        }
        Ok(chunks)
    }

    /// Brings a part of the file to the topic's types, and tells apart the rows that do not fit.
    fn convert(&self, part: &RecordBatch, rows_before: u64) -> Result<Chunk, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut fits = vec![true; part.num_rows()];
        let mut rejected = Vec::new();
        for (field, source) in self.schema.fields().iter().zip(&self.sources) {
            let Some(places) = source else {
                columns.push(new_null_array(field.data_type(), part.num_rows()));
                continue;
            };
            let in_column = |e: ArrowError| ArrowError::CastError(format!("column '{}': {e}", field.name()));
            let given = column_at(part.column(places[0]), &places[1..]).map_err(in_column)?;
            let column = convert(&given, field.data_type(), &self.times).map_err(in_column)?;
            // A dictionary may have NULL as a value, which only logical nulls tell.
            let given_nulls = given.logical_nulls();
            let missing = column.nulls().map(|nulls| !nulls.inner());
            for row in missing.iter().flat_map(BooleanBuffer::set_indices) {
                if !fits[row] {
                    continue;
                }
                let lost = given_nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                if lost || !field.is_nullable() {
                    fits[row] = false;
                    let reason = match (lost, ColumnType::of(field.data_type())) {
                        (true, _) => misfit(&given, row, field.data_type(), &self.times),
                        (false, Some(ColumnType::Timestamp)) => "there is no time here".into(),
                        (false, _) => "there is no value here, and the column must have one".into(),
                    };
                    rejected.push((row, field.name().clone(), reason));
                }
            }
            columns.push(column);
        }
        rejected.sort_by_key(|(row, ..)| *row);
        let rejected = rejected
            .into_iter()
            .map(|(row, column, reason)| Rejected {
                line: rows_before + row as u64 + 1,
                column: Some(column),
                reason,
                row: row_text(part, row),
            })
            .collect::<Vec<_>>();
        // The batch allows NULLs that the schema does not until the rows that have them are gone.
        let lenient = Schema::new(self.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>());
        let mut batch = RecordBatch::try_new(Arc::new(lenient), columns)?;
        if !rejected.is_empty() {
            batch = filter_record_batch(&batch, &BooleanArray::from(fits))?;
        }
        let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
        Ok(Chunk { batch, rejected })
    }
}

/// How much the rows of a batch take, which may be a part of a larger one.
fn bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
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
