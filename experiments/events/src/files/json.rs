//! JSON Lines: one object a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use twopath_log::{RowDecoder, RowDecoders};

use super::cell::{Cell, Reading};
use super::columns::{Columns, readings};
use super::infer::Seen;
use super::schema::{TimeUnitOfNumbers, settle};
use super::{CHUNK_BYTES, CHUNK_ROWS, Chunk, FileError, ReadOptions, Rejected, SAMPLE_ROWS};

/// JSON Lines of one schema, from anywhere.
pub struct JsonRows {
    path: PathBuf,
    reader: Option<BufReader<File>>,
    bytes: u64,
    bytes_read: u64,
    line: u64,
    schema: SchemaRef,
    readings: Vec<Reading>,
    /// Fields of the file that the user chose to leave out.
    left_out: Vec<String>,
    /// Whether fields that the schema does not name are left out, too.
    named_only: bool,
    columns: Columns,
    rejected: Vec<Rejected>,
}

impl JsonRows {
    /// Lines that are given one by one with [`JsonRows::push_line`].
    pub fn of_lines(schema: &SchemaRef, time_unit: Option<TimeUnitOfNumbers>) -> Self {
        JsonRows {
            path: PathBuf::new(),
            reader: None,
            bytes: 0,
            bytes_read: 0,
            line: 0,
            schema: schema.clone(),
            readings: readings(schema, time_unit),
            left_out: Vec::new(),
            named_only: false,
            columns: Columns::new(schema),
            rejected: Vec::new(),
        }
    }

    /// What reads the values of a topic that others write.
    pub fn decoders(schema: &SchemaRef, time_unit: Option<TimeUnitOfNumbers>) -> RowDecoders {
        let schema = schema.clone();
        Arc::new(move || Box::new(JsonRows { named_only: true, ..Self::of_lines(&schema, time_unit) }))
    }

    pub(super) fn open(path: &Path, file: File, options: &ReadOptions) -> Result<Self, FileError> {
        let bytes = file.metadata().map_err(|e| FileError::io(path, e))?.len();
        let mut names: Vec<String> = Vec::new();
        let mut seen: Vec<Seen> = Vec::new();
        for line in BufReader::new(file).lines().take(SAMPLE_ROWS) {
            let Ok(line) = line else { continue };
            let Ok(Object(fields)) = serde_json::from_str(&line) else { continue };
            for (name, value) in &fields {
                let column = names.iter().position(|n| n == name).unwrap_or_else(|| {
                    names.push(name.clone());
                    seen.push(Seen::default());
                    names.len() - 1
                });
                seen[column].json(value);
            }
        }
        if names.is_empty() && options.schema.is_none() && options.target.is_none() {
            return Err(FileError::Empty { path: path.into() });
        }
        // A field that the sample's objects lack may stand in later ones: what is asked for by name counts as offered.
        let wanted = options.schema.iter().flat_map(|s| s.columns.iter().map(|(n, _)| n.clone()));
        let of_topic = options.target.iter().flat_map(|t| t.fields().iter().filter(|f| f.is_nullable()).map(|f| f.name().clone()));
        for name in wanted.chain(of_topic).collect::<Vec<_>>() {
            if !names.contains(&name) {
                names.push(name);
                seen.push(Seen::default());
            }
        }
        let offered: Vec<_> = names.iter().cloned().zip(seen.iter().map(|s| Ok(s.column_type()))).map(|(n, t)| (n, t, true)).collect();
        let (_, schema) = settle(path, &offered, options)?;
        let left_out = names.into_iter().filter(|n| schema.index_of(n).is_err()).collect();
        let file = File::open(path).map_err(|e| FileError::io(path, e))?;
        let reader = Some(BufReader::with_capacity(1 << 18, file));
        Ok(JsonRows { path: path.to_owned(), reader, bytes, left_out, ..Self::of_lines(&schema, options.time_unit) })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        (self.bytes_read, self.bytes)
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        let mut line = Vec::new();
        let mut rows = 0;
        while rows < CHUNK_ROWS && !self.is_large() {
            line.clear();
            let Some(reader) = &mut self.reader else { break };
            let read = reader.read_until(b'\n', &mut line).map_err(|e| FileError::io(&self.path, e))?;
            if read == 0 {
                break;
            }
            self.bytes_read += read as u64;
            rows += usize::from(self.push_line(&line));
        }
        Ok((rows > 0).then(|| Chunk { batch: self.columns.finish(), rejected: std::mem::take(&mut self.rejected) }))
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
        if let Err((column, reason)) = self.push(line) {
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

    fn push(&mut self, line: &[u8]) -> Result<(), (Option<String>, String)> {
        let Object(fields) = serde_json::from_slice(line).map_err(|e| (None, json_error(&e)))?;
        if !self.named_only
            && let Some((name, _)) = fields.iter().find(|(name, _)| self.schema.index_of(name).is_err() && !self.left_out.contains(name))
        {
            return Err((Some(name.clone()), "there is no such column in the schema".into()));
        }
        let cells = cells(&fields, &self.schema, &self.readings)?;
        self.columns.push(&cells);
        Ok(())
    }
}

/// Values of records that other programs wrote, one object each; of its fields those are taken that the schema names.
impl RowDecoder for JsonRows {
    fn push(&mut self, value: &[u8]) -> Result<(), String> {
        JsonRows::push(self, value).map_err(|(column, reason)| match column {
            Some(column) => format!("column '{column}': {reason}"),
            None => reason,
        })
    }

    fn take(&mut self) -> RecordBatch {
        self.columns.finish()
    }
}

/// A JSON object's fields in the order of the text, which makes the order of the columns.
struct Object(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields: Vec<(String, Json)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Json>()? {
                    if fields.iter().any(|(n, _)| *n == name) {
                        return Err(serde::de::Error::custom(format!("the field '{name}' stands there twice")));
                    }
                    fields.push((name, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The cells of an object, in the schema's order.
fn cells<'a>(fields: &'a [(String, Json)], schema: &SchemaRef, readings: &[Reading]) -> Result<Vec<Cell<'a>>, (Option<String>, String)> {
    let cell = |(field, reading): (&Arc<arrow_schema::Field>, &Reading)| {
        let value = fields.iter().find(|(name, _)| name == field.name());
        let cell = value.map_or_else(|| reading.null(), |(_, value)| reading.json(value));
        cell.map_err(|reason| (Some(field.name().clone()), reason))
    };
    schema.fields().iter().zip(readings).map(cell).collect()
}

/// serde_json counts lines within the text that it is given, which here is one line.
fn json_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    match error.is_data() {
        true => what.to_owned(),
        false => format!("not JSON at character {}: {what}", error.column()),
    }
}
