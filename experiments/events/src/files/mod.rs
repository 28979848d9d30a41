//! Event files: Parquet, CSV, JSON Lines and Arrow, read as record batches of a topic's schema.
//!
//! A file's types become the few that a topic has: 64-bit integers and floats, booleans, text, and timestamps in microseconds UTC.
//! A row that does not fit is never dropped in silence: it stands in [`Chunk::rejected`] with its place and the reason.

mod cell;
mod columnar;
mod columns;
mod content;
mod convert;
mod csv;
mod decimal;
mod dialect;
mod envelope;
mod error;
mod infer;
mod input;
mod iso;
mod json;
mod json_forms;
mod json_text;
mod nested;
mod number;
mod options;
mod rows;
mod schema;
mod time_format;
mod times;
mod value_text;

use std::fmt;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

pub use convert::convert_column;
pub use envelope::{CHANGED_AT, Envelope};
pub use error::FileError;
pub use input::Input;
pub use iso::iso;
pub use json::JsonRows;
pub use options::{Quote, ReadArgs, ReadOptions};
pub use schema::{ColumnType, SchemaText, TimeUnitOfNumbers};
pub use time_format::TimeFormat;
pub use times::{TOO_FAR, Times};

/// Rows of one chunk, those that do not fit included. Imports number their chunks to find their place again after a crash, so
/// another figure would make a half-done import start anew.
pub const CHUNK_ROWS: usize = 8192;

/// A chunk takes no more rows once those that fit take this many bytes as columns: a Kafka record takes at most about 64 MiB.
pub const CHUNK_BYTES: usize = 32 << 20;

/// Rows from which the types of a CSV or JSON Lines file are inferred.
pub const SAMPLE_ROWS: usize = 10_000;

/// How an event file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FileFormat {
    Parquet,
    Csv,
    /// JSON objects: one a line, over several lines, or in one array.
    #[value(alias = "json")]
    Jsonl,
    /// Arrow IPC, file or stream.
    Arrow,
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

/// Which bytes of a file are read; the rest of it counts as if it were not there, but for the header and what types are found from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePart {
    /// The first byte, at which a row begins; 0 for the first row.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
    /// The line in which `from` stands.
    pub line: u64,
}

impl FilePart {
    pub const ALL: FilePart = FilePart { from: 0, to: u64::MAX, line: 1 };
}

/// The format of a file: as the user says it, or as it is found.
pub fn format_of(input: &Input, options: &ReadOptions) -> Result<FileFormat, FileError> {
    content::format(input, options.format)
}

/// An open event file.
pub struct EventFile {
    path: PathBuf,
    format: FileFormat,
    schema: SchemaRef,
    rows: Rows,
}

enum Rows {
    Csv(csv::CsvRows),
    Json(json::JsonFile),
    Columnar(columnar::ColumnarRows),
}

impl EventFile {
    /// Opens a file and settles its schema.
    pub fn open(path: &Path, options: ReadOptions) -> Result<Self, FileError> {
        Self::of(&Input::open(path)?, &options, FilePart::ALL)
    }

    /// A file that is open already, or a part of it.
    pub fn of(input: &Input, options: &ReadOptions, part: FilePart) -> Result<Self, FileError> {
        let format = format_of(input, options)?;
        if options.envelope.is_some() && format != FileFormat::Jsonl {
            return Err(FileError::NoEnvelopes { path: input.name().to_owned() });
        }
        let rows = match format {
            FileFormat::Csv => Rows::Csv(csv::CsvRows::open(input, options, part)?),
            FileFormat::Jsonl => Rows::Json(json::JsonFile::open(input, options, part)?),
            // These have their columns' places at their end.
            FileFormat::Parquet | FileFormat::Arrow if part.from > 0 => return Err(FileError::NoParts { path: input.name().to_owned() }),
            format => Rows::Columnar(columnar::ColumnarRows::open(input, format, options)?),
        };
        let schema = match &rows {
            Rows::Csv(rows) => rows.schema(),
            Rows::Json(rows) => rows.schema(),
            Rows::Columnar(rows) => rows.schema(),
        };
        Ok(EventFile { path: input.name().to_owned(), format, schema: schema.clone(), rows })
    }

    /// Of every chunk, in the topic's types.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// What the user should know of how the file is read.
    pub fn notes(&self) -> &[String] {
        match &self.rows {
            Rows::Csv(rows) => rows.notes(),
            Rows::Json(rows) => rows.notes(),
            Rows::Columnar(_) => &[],
        }
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

    /// Of a text file that has been read to its end: the line that would follow. A file that grows goes on there.
    pub fn next_line(&self) -> Option<u64> {
        match &self.rows {
            Rows::Csv(rows) => Some(rows.line()),
            Rows::Json(rows) => Some(rows.line()),
            Rows::Columnar(_) => None,
        }
    }
}
