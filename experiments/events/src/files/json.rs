//! JSON objects as events.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use twopath_log::{RowDecoder, RowDecoders};

use super::cell::{Cell, Reading};
use super::columns::{Columns, readings};
use super::envelope::{Object, Unwrap};
use super::infer::Seen;
use super::input::Input;
use super::json_forms::{Form, JsonGrammar};
use super::json_text::{Value, field_at, is_root};
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
    /// Fields of the file that the user chose to leave out.
    left_out: Vec<String>,
    /// Whether fields that the schema does not name are left out, too.
    named_only: bool,
    unwrap: Unwrap,
}

impl JsonRows {
    /// Lines that are given one by one with [`JsonRows::push_line`].
    pub fn of_lines(schema: &SchemaRef, times: impl Into<Times>) -> Self {
        let fields = Fields {
            schema: schema.clone(),
            readings: readings(schema, &times.into()),
            left_out: Vec::new(),
            named_only: false,
            unwrap: Unwrap::default(),
        };
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
        let line = if self.line == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
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
            && let Some((name, _)) = fields.iter().find(|(name, _)| !self.knows(name))
        {
            return Err((Some(name.to_string()), "there is no such column in the schema".into()));
        }
        let mut cells = Vec::with_capacity(self.readings.len());
        for (field, reading) in self.schema.fields().iter().zip(&self.readings) {
            let cell = match field_at(fields, field.name()) {
                Ok(None) => reading.null(),
                Ok(Some(value)) => read(reading, value),
                Err(reason) => Err(reason),
            };
            cells.push(cell.map_err(|reason| (Some(field.name().clone()), reason))?);
        }
        Ok(cells)
    }

    fn knows(&self, name: &str) -> bool {
        self.schema.index_of(name).is_ok()
            || self.left_out.iter().any(|n| n == name)
            || self.schema.fields().iter().any(|f| is_root(name, f.name()))
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
        let sample = Rows::new(input, mark, u64::MAX, 1, grammar()).block(SAMPLE_ROWS)?.unwrap_or_default();
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
                None => FileError::Empty { path: path.into() },
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
        let inferred = |name: &str| options.target.is_none() && options.type_of(name).is_none() && schema.index_of(name).is_ok();
        let long = names.iter().zip(&seen).filter(|(name, seen)| seen.is_long_numbers() && inferred(name));
        let notes = long.map(|(name, _)| super::csv::long_numbers(name)).collect();
        let fields = Fields {
            readings: readings(&schema, &options.times),
            left_out: names.into_iter().filter(|n| schema.index_of(n).is_err()).collect(),
            named_only: false,
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
