//! CSV with a header line.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use csv::{ByteRecord, Reader, ReaderBuilder};

use super::cell::Reading;
use super::columns::{Columns, readings};
use super::infer::Seen;
use super::schema::settle;
use super::{CHUNK_BYTES, CHUNK_ROWS, Chunk, FileError, ReadOptions, Rejected, SAMPLE_ROWS};

pub(super) struct CsvRows {
    path: PathBuf,
    reader: Reader<File>,
    bytes: u64,
    /// Cells of a row, as the header has them.
    width: usize,
    /// The cell of each column of the schema.
    sources: Vec<Option<usize>>,
    readings: Vec<Reading>,
    schema: SchemaRef,
    nulls: Vec<String>,
}

impl CsvRows {
    pub fn open(path: &Path, file: File, options: &ReadOptions) -> Result<Self, FileError> {
        let tabs = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
        let delimiter = options.delimiter.unwrap_or(if tabs { b'\t' } else { b',' });
        let bytes = file.metadata().map_err(|e| FileError::io(path, e))?.len();
        let reader = |file| ReaderBuilder::new().delimiter(delimiter).flexible(true).buffer_capacity(1 << 18).from_reader(file);
        let mut sample = reader(file);
        let malformed = |e: csv::Error| malformed(path, &e);
        let header = sample.headers().map_err(malformed)?.clone();
        if header.is_empty() {
            return Err(FileError::Malformed { path: path.into(), format: "CSV", reason: "there is no header line".into() });
        }
        let mut seen = vec![Seen::default(); header.len()];
        let mut row = ByteRecord::new();
        let mut rows = 0;
        while rows < SAMPLE_ROWS && sample.read_byte_record(&mut row).map_err(malformed)? {
            rows += 1;
            for (seen, cell) in seen.iter_mut().zip(&row) {
                let text = String::from_utf8_lossy(cell);
                if !options.nulls.iter().any(|null| *null == text) {
                    seen.text(&text);
                }
            }
        }
        let offered: Vec<_> = header.iter().zip(&seen).map(|(name, seen)| (name.trim().to_owned(), Ok(seen.column_type()), true)).collect();
        if rows == 0 && options.schema.is_none() && options.target.is_none() {
            return Err(FileError::Empty { path: path.into() });
        }
        let (sources, schema) = settle(path, &offered, options)?;
        let file = File::open(path).map_err(|e| FileError::io(path, e))?;
        let mut reader = reader(file);
        reader.headers().map_err(malformed)?;
        Ok(CsvRows {
            path: path.to_owned(),
            reader,
            bytes,
            width: header.len(),
            sources,
            readings: readings(&schema, options.time_unit),
            schema,
            nulls: options.nulls.clone(),
        })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn progress(&self) -> (u64, u64) {
        (self.reader.position().byte(), self.bytes)
    }

    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        let mut columns = Columns::new(&self.schema);
        let mut rejected = Vec::new();
        let mut row = ByteRecord::new();
        let mut rows = 0;
        while rows < CHUNK_ROWS
            && columns.bytes() < CHUNK_BYTES
            && self.reader.read_byte_record(&mut row).map_err(|e| malformed(&self.path, &e))?
        {
            rows += 1;
            let line = row.position().map_or(0, csv::Position::line);
            if let Err((column, reason)) = self.push(&row, &mut columns) {
                rejected.push(Rejected { line, column, reason, row: as_text(&row) });
            }
        }
        Ok((rows > 0).then(|| Chunk { batch: columns.finish(), rejected }))
    }

    /// Adds a row if all of it fits; else says which column does not, and why.
    fn push(&self, row: &ByteRecord, columns: &mut Columns) -> Result<(), (Option<String>, String)> {
        if row.len() != self.width {
            return Err((None, format!("the row has {} cells and the header {}", row.len(), self.width)));
        }
        let mut cells = Vec::with_capacity(self.sources.len());
        for (i, (source, reading)) in self.sources.iter().zip(&self.readings).enumerate() {
            let cell = match source {
                None => reading.null(),
                Some(source) => match std::str::from_utf8(&row[*source]) {
                    Ok(text) if self.nulls.iter().any(|null| null == text) => reading.null(),
                    Ok(text) => reading.text(text),
                    Err(_) => Err("not UTF-8".into()),
                },
            };
            cells.push(cell.map_err(|reason| (Some(self.schema.field(i).name().clone()), reason))?);
        }
        columns.push(&cells);
        Ok(())
    }
}

/// The row again, as CSV with commas.
fn as_text(row: &ByteRecord) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let written = writer.write_byte_record(row).and_then(|()| Ok(writer.flush()?));
    match (written, writer.into_inner()) {
        (Ok(()), Ok(bytes)) => String::from_utf8_lossy(&bytes).trim_end().to_owned(),
        _ => String::new(),
    }
}

fn malformed(path: &Path, error: &csv::Error) -> FileError {
    FileError::Malformed { path: path.to_owned(), format: "CSV", reason: error.to_string() }
}
