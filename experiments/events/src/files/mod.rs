//! Event files: Parquet, CSV, JSON Lines and Arrow, read as record batches of a topic's schema.
//!
//! A file's types become the few that a topic has: 64-bit integers and floats, booleans, text, and timestamps in microseconds UTC.
//! A row that does not fit is never dropped in silence: it stands in [`Chunk::rejected`] with its place and the reason.

mod cell;
mod columnar;
mod columns;
mod csv;
mod decimal;
mod error;
mod infer;
mod json;
mod schema;

use std::fmt;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

pub use columnar::convert_column;
pub use error::FileError;
pub use json::JsonRows;
pub use schema::{ColumnType, SchemaText, TimeUnitOfNumbers};

/// Rows of one chunk, those that do not fit included. Imports number their chunks to find their place again after a crash, so
/// another figure would make a half-done import start anew.
pub const CHUNK_ROWS: usize = 8192;

/// A chunk takes no more rows once those that fit take this many bytes as columns: a Kafka record takes at most about 64 MiB.
pub const CHUNK_BYTES: usize = 32 << 20;

/// Rows from which the types of a CSV or JSON Lines file are inferred.
pub const SAMPLE_ROWS: usize = 10_000;

/// How an event file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Parquet,
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Arrow IPC, file or stream.
    Arrow,
}

/// How to read a file; `Default` finds everything out from it.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// None: by the name's extension.
    pub format: Option<Format>,
    /// The columns and their types, as the user wrote them.
    pub schema: Option<SchemaText>,
    /// The topic's own schema, where the topic exists already: columns are matched by name.
    pub target: Option<SchemaRef>,
    /// The event-time column: a timestamp in every row.
    pub time_column: Option<String>,
    /// What numbers in timestamp columns count.
    pub time_unit: Option<TimeUnitOfNumbers>,
    /// Only these columns, in this order.
    pub columns: Option<Vec<String>>,
    /// CSV: between cells; none means a tab in `.tsv` files and a comma in others.
    pub delimiter: Option<u8>,
    /// CSV: cells with one of these texts are NULL, as empty cells are.
    pub nulls: Vec<String>,
}

/// A part of a file: the rows that fit, in order, and those that do not.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub batch: RecordBatch,
    pub rejected: Vec<Rejected>,
}

/// A row that does not fit.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Rejected {
    /// Of the file, from 1; in Parquet and Arrow files the row's number, from 1.
    pub line: u64,
    /// The column's name, where the trouble is in one.
    pub column: Option<String>,
    pub reason: String,
    /// The row as it stands in the file; for Parquet and Arrow files a JSON object of its cells' texts.
    pub row: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column '{column}'")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// An open event file.
pub struct EventFile {
    path: PathBuf,
    schema: SchemaRef,
    rows: Rows,
}

enum Rows {
    Csv(csv::CsvRows),
    Json(JsonRows),
    Columnar(columnar::ColumnarRows),
}

impl EventFile {
    /// Opens a file and settles its schema.
    pub fn open(path: &Path, options: ReadOptions) -> Result<Self, FileError> {
        let format = match options.format {
            Some(format) => format,
            None => Format::of(path)?,
        };
        let file = std::fs::File::open(path).map_err(|e| FileError::io(path, e))?;
        if file.metadata().map_err(|e| FileError::io(path, e))?.is_dir() {
            return Err(FileError::Folder { path: path.to_owned() });
        }
        let rows = match format {
            Format::Csv => Rows::Csv(csv::CsvRows::open(path, file, &options)?),
            Format::Jsonl => Rows::Json(JsonRows::open(path, file, &options)?),
            Format::Parquet | Format::Arrow => Rows::Columnar(columnar::ColumnarRows::open(path, file, format, &options)?),
        };
        let schema = match &rows {
            Rows::Csv(rows) => rows.schema(),
            Rows::Json(rows) => rows.schema(),
            Rows::Columnar(rows) => rows.schema(),
        };
        Ok(EventFile { path: path.to_owned(), schema: schema.clone(), rows })
    }

    /// Of every chunk, in the topic's types.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next rows; none at the end of the file.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        match &mut self.rows {
            Rows::Csv(rows) => rows.next_chunk(),
            Rows::Json(rows) => rows.next_chunk(),
            Rows::Columnar(rows) => rows.next_chunk(),
        }
    }

    /// How much has been read and how much there is, in bytes or rows, whichever the format tells.
    pub fn progress(&self) -> (u64, u64) {
        match &self.rows {
            Rows::Csv(rows) => rows.progress(),
            Rows::Json(rows) => rows.progress(),
            Rows::Columnar(rows) => rows.progress(),
        }
    }
}

impl Format {
    /// By the extension of the file's name.
    pub fn of(path: &Path) -> Result<Self, FileError> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match extension.as_str() {
            "parquet" | "pq" => Ok(Format::Parquet),
            "csv" | "tsv" => Ok(Format::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Format::Jsonl),
            "arrow" | "arrows" | "ipc" | "feather" => Ok(Format::Arrow),
            _ => Err(FileError::UnknownFormat { path: path.to_owned() }),
        }
    }
}
