//! JSON objects as events.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use twopath_log::{RowDecoder, RowDecoders};

use super::cell::{Cell, Reading};
use super::columns::{Columns, readings};
use super::envelope::{Object, Unwrap};
use super::infer::Seen;
use super::input::{Input, mark};
use super::json_forms::{Form, JsonGrammar};
use super::json_text::{Value, children, field_at, is_root, named};
use super::rows::{Block, Chunks, Rows};
use super::schema::{Offered, settle};
use super::times::Times;
use super::{CHUNK_BYTES, Chunk, FileError, FilePart, ReadOptions, Rejected, SAMPLE_ROWS};

/// Of an object that does not fit: the column, if it is one, and why.
type Misfit = (Option<String>, String);

/// JSON Lines of one schema, from anywhere.
pub struct JsonRows {
    line: u64,
    fields: Fields,
    columns: Columns,
    rejected: Vec<Rejected>,
}

/// How objects become rows.
#[derive(Clone)]
struct Fields {
    schema: SchemaRef,
    readings: Vec<Reading>,
    /// Whether fields that the schema does not name are left out.
    named_only: bool,
    unwrap: Unwrap,
}

impl JsonRows {
    /// Lines that are given one by one with [`JsonRows::push_line`].
    pub fn of_lines(schema: &SchemaRef, times: impl Into<Times>) -> Self {
        let fields =
            Fields { schema: schema.clone(), readings: readings(schema, &times.into()), named_only: false, unwrap: Unwrap::default() };
        JsonRows { line: 0, columns: Columns::new(schema), fields, rejected: Vec::new() }
    }

    /// What reads the values of a topic that others write.
    pub fn decoders(schema: &SchemaRef, times: impl Into<Times>) -> RowDecoders {
        let (schema, times) = (schema.clone(), times.into());
        Arc::new(move || {
            let mut rows = Self::of_lines(&schema, times.clone());
            rows.fields.named_only = true;
            Box::new(rows)
        })
    }

    /// Takes one line, with or without its end; false for a blank one.
    pub fn push_line(&mut self, line: &[u8]) -> bool {
        self.line += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if self.line == 1 { &line[mark(line)..] } else { line };
        if line.iter().all(u8::is_ascii_whitespace) {
            return false;
        }
        if let Err((column, reason)) = self.fields.push(line, &mut self.columns) {
            self.rejected.push(Rejected { line: self.line, column, reason, row: String::from_utf8_lossy(line).into_owned() });
        }
        true
    }

    /// Whether the rows that were pushed take as much as a chunk may.
    pub fn is_large(&self) -> bool {
        self.columns.bytes() >= CHUNK_BYTES
    }

    /// The rows that were pushed since the last call, and those of them that did not fit.
    pub fn take(&mut self) -> (RecordBatch, Vec<Rejected>) {
        (self.columns.finish(), std::mem::take(&mut self.rejected))
    }
}

/// Values of records that other programs wrote, one object each; of its fields those are taken that the schema names.
impl RowDecoder for JsonRows {
    fn push(&mut self, value: &[u8]) -> Result<(), String> {
        self.fields.push(value, &mut self.columns).map_err(|(column, reason)| match column {
            Some(column) => format!("column '{column}': {reason}"),
            None => reason,
        })
    }

    fn take(&mut self) -> RecordBatch {
        self.columns.finish()
    }
}

impl Fields {
    /// Adds what an object holds if all of it fits: a row, but for some envelopes.
    fn push(&self, text: &[u8], columns: &mut Columns) -> Result<(), Misfit> {
        let rows = text_of(text).and_then(|text| self.unwrap.rows(text)).map_err(|reason| (None, reason))?;
        let rows = rows.iter().map(|fields| self.cells(fields)).collect::<Result<Vec<_>, _>>()?;
        rows.iter().for_each(|cells| columns.push(cells));
        Ok(())
    }

    fn cells<'a>(&self, fields: &Object<'a>) -> Result<Vec<Cell<'a>>, Misfit> {
        if !self.named_only
            && let Some(path) = fields.iter().find_map(|(name, value)| self.unknown(name, value))
        {
            return Err((Some(path), "there is no such column in the schema".into()));
        }
        let mut cells = Vec::with_capacity(self.readings.len());
        for (field, reading) in self.schema.fields().iter().zip(&self.readings) {
            let cell = match field_at(fields, field.name()) {
                Ok(None) => reading.null(),
                Ok(Some(value)) => read(reading, value),
                // The object is a column, too, so that neither is lost.
                Err(_) if self.is_taken_whole(field.name()) && named(fields, field.name()).is_some() => {
                    named(fields, field.name()).map_or_else(|| reading.null(), |value| read(reading, value.clone()))
                }
                Err(reason) => Err(reason),
            };
            cells.push(cell.map_err(|reason| (Some(field.name().clone()), reason))?);
        }
        Ok(cells)
    }

    /// Where a value stands that no column takes: at this path, or within what stands there. None where all of it is taken.
    fn unknown(&self, path: &str, value: &Value<'_>) -> Option<String> {
        if self.schema.fields().find(path).is_some() {
            return None;
        }
        if !self.schema.fields().iter().any(|f| is_root(path, f.name())) {
            return Some(path.to_owned());
        }
        // What cannot be taken apart is told where the column is looked for.
        let inner = children(value).unwrap_or_default();
        inner.iter().find_map(|(name, value)| self.unknown(&format!("{path}.{name}"), value))
    }

    /// Whether an object that a path leads through is a column itself.
    fn is_taken_whole(&self, path: &str) -> bool {
        self.schema.fields().iter().any(|f| is_root(f.name(), path))
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to() + 1))
}

fn read<'a>(reading: &Reading, value: Value<'a>) -> Result<Cell<'a>, String> {
    match value {
        Value::String(text) => reading.json_string(text),
        Value::Number(digits) => reading.json_number(digits),
        Value::Other(written) => reading.json_other(written),
    }
}

fn see(seen: &mut Seen, value: &Value<'_>, times: &Times) {
    match value {
        Value::String(text) => seen.string(text, times),
        Value::Number(digits) => {
            seen.number(digits);
        }
        Value::Other("null") => {}
        Value::Other("true" | "false") => seen.bool(),
        Value::Other(_) => seen.other(),
    }
}

/// A file of JSON objects.
pub(super) struct JsonFile {
    chunks: Chunks<JsonGrammar>,
    bytes: u64,
    schema: SchemaRef,
    notes: Vec<String>,
}

impl JsonFile {
    pub fn open(input: &Input, options: &ReadOptions, part: FilePart) -> Result<Self, FileError> {
        let path = input.name();
        let (form, mark) = Form::of(input)?;
        if part.from > 0 && form != Form::Lines {
            return Err(FileError::NoParts { path: path.to_owned() });
        }
        let grammar = || JsonGrammar::new(form, path.to_owned());
        let mut sampled = Rows::new(input, mark, u64::MAX, 1, grammar());
        let sample = sampled.block(SAMPLE_ROWS)?.unwrap_or_default();
        let unwrap = Unwrap::of(options);
        let mut fault = None;
        let mut objects = Vec::new();
        for (line, range) in &sample.rows {
            match text_of(sample.text[range.clone()].trim_ascii_end()).and_then(|text| unwrap.rows(text)) {
                Ok(rows) => objects.extend(rows),
                Err(reason) => fault = fault.or(Some(format!("line {line}: {reason}"))),
            }
        }
        let mut names: Vec<String> = Vec::new();
        let mut seen: Vec<Seen> = Vec::new();
        for (name, value) in objects.iter().flatten() {
            let column = names.iter().position(|n| n == name).unwrap_or_else(|| {
                names.push(name.to_string());
                seen.push(Seen::default());
                names.len() - 1
            });
            see(&mut seen[column], value, &options.times);
        }
        if names.is_empty() && options.schema.is_none() && options.target.is_none() {
            // Without one row that can be read, the first fault is why.
            return Err(match fault {
                Some(reason) => FileError::Malformed { path: path.into(), format: "JSON", reason },
                None if objects.is_empty() => FileError::Empty { path: path.into() },
                None => FileError::NoFields { path: path.into() },
            });
        }
        // A field that the sample's objects lack may stand in later ones: what is asked for by name counts as offered. A path is
        // offered where it is asked for.
        let at = |fields: &Vec<_>, path: &str| field_at(fields, path).ok().flatten();
        let found = |path: &String| objects.iter().any(|fields| at(fields, path).is_some());
        let in_schema = options.schema.iter().flat_map(|s| s.columns.iter().map(|(n, _)| n.clone()));
        let of_topic = options.target.iter().flat_map(|t| t.fields().iter());
        let of_topic = of_topic.filter(|f| f.is_nullable() || f.name().contains('.')).map(|f| f.name().clone());
        let in_columns = options.columns.iter().flatten().cloned().chain(options.time_column.clone());
        let paths = in_columns.filter(|name| name.contains('.') && found(name));
        for path in in_schema.chain(of_topic).chain(paths).collect::<Vec<_>>() {
            if !names.contains(&path) {
                let mut one = Seen::default();
                objects.iter().filter_map(|fields| at(fields, &path)).for_each(|value| see(&mut one, &value, &options.times));
                names.push(path);
                seen.push(one);
            }
        }
        let mut asked_for = options.columns.iter().flatten().chain(&options.time_column);
        if let Some(column) = asked_for.find(|name| !names.contains(name))
            && sampled.block(1)?.is_some()
        {
            let column_type = if options.time_column.as_ref() == Some(column) { "timestamp" } else { "text" };
            return Err(FileError::LateColumn { path: path.into(), column: column.clone(), column_type, rows: sample.rows.len() });
        }
        let is_whole_field_wanted = |name: &String| {
            let topic = options.target.as_ref().filter(|_| options.columns.is_none());
            topic.is_none_or(|t| t.index_of(name).is_ok() || !t.fields().iter().any(|f| is_root(name, f.name())))
        };
        let offered: Vec<Offered> = names
            .iter()
            .zip(&seen)
            .filter(|(name, _)| is_whole_field_wanted(name))
            .map(|(name, seen)| (name.clone(), Ok(seen.column_type()), true))
            .collect();
        let (_, schema) = settle(path, &offered, options)?;
        let is_text = |name: &str| schema.fields().find(name).is_some_and(|(_, field)| field.data_type() == &DataType::Utf8);
        let inferred = |name: &str| options.target.is_none() && options.type_of(name).is_none();
        let long = names.iter().zip(&seen).filter(|(name, seen)| seen.is_long_numbers() && inferred(name) && is_text(name));
        let notes = long.map(|(name, _)| super::csv::long_numbers(name)).collect();
        let fields = Fields {
            readings: readings(&schema, &options.times),
            // Who names columns leaves out all others, those included that only later rows have.
            named_only: options.columns.is_some() || options.schema.as_ref().is_some_and(|s| !s.rest),
            unwrap,
            schema: schema.clone(),
        };
        let (from, line) = if part.from > mark { (part.from, part.line) } else { (mark, 1) };
        let rows = Rows::new(input, from, part.to, line, grammar());
        let chunks = Chunks::new(rows, Arc::new(move |block: &Block| Ok(fields.chunk(block))));
        Ok(JsonFile { chunks, bytes: part.to.min(input.bytes()), schema, notes })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub fn progress(&self) -> (u64, u64) {
        (self.chunks.rows().bytes_read(), self.bytes)
    }

    pub fn line(&self) -> u64 {
        self.chunks.rows().line()
    }

    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        self.chunks.next_chunk()
    }
}

impl Fields {
    fn chunk(&self, block: &Block) -> Chunk {
        let mut columns = Columns::new(&self.schema);
        let mut rejected = Vec::new();
        for (line, range) in &block.rows {
            let text = block.text[range.clone()].trim_ascii_end();
            if let Err((column, reason)) = self.push(text, &mut columns) {
                rejected.push(Rejected { line: *line, column, reason, row: String::from_utf8_lossy(text).into_owned() });
            }
        }
        Chunk { batch: columns.finish(), rejected }
    }
}
