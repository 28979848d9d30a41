//! CSV and its kin: a header line, and cells between delimiters.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};

use super::cell::{Cell, Reading};
use super::columns::{Columns, readings};
use super::dialect::{CsvGrammar, Dialect, RowFault, Span};
use super::infer::Seen;
use super::input::{Input, mark};
use super::number::Decimal;
use super::rows::{Block, Chunks, Grammar, Next, Rows};
use super::schema::{Offered, settle};
use super::{Chunk, FileError, FilePart, ReadOptions, Rejected, SAMPLE_ROWS};

pub(super) struct CsvRows {
    chunks: Chunks<CsvGrammar>,
    bytes: u64,
    schema: SchemaRef,
    notes: Vec<String>,
}

/// What every row is read by.
struct Table {
    path: PathBuf,
    dialect: Dialect,
    /// Cells of a row, as the header has them.
    width: usize,
    /// The cell of each column of the schema.
    sources: Vec<Option<usize>>,
    readings: Vec<Reading>,
    schema: SchemaRef,
    nulls: Vec<String>,
}

/// A row as it stands in the file, and as a text, where that is known of all rows around it.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    bytes: &'a [u8],
    text: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn cell(self, dialect: &Dialect, span: Span) -> Result<Cow<'a, str>, std::str::Utf8Error> {
        match self.text.and_then(|text| text.get(span.start..span.end)) {
            Some(text) => Ok(dialect.unquoted(text, span)),
            None => dialect.cell(self.bytes, span),
        }
    }
}

/// Of a row that does not fit: the column, if it is one, and why.
type Misfit = (Option<String>, String);

impl CsvRows {
    pub fn open(input: &Input, options: &ReadOptions, part: FilePart) -> Result<Self, FileError> {
        let path = input.name();
        let start = input.start(1 << 16)?;
        let mark = mark(&start);
        let told = told_delimiter(&start[mark..]);
        // Where the line that tells the delimiter ends.
        let (told, begin) = match told {
            // Who skips lines skips this one, too.
            Some((delimiter, _)) if options.skip_lines > 0 => (Some(delimiter), mark),
            Some((delimiter, length)) => (Some(delimiter), mark + length),
            None => (None, mark),
        };
        let dialect = Dialect::of(path, &start[begin..], options.delimiter.or(told), options.quote, input.bytes() <= start.len() as u64);
        let (header, from, line) = header(input, dialect, begin, options)?;
        let line = line + u64::from(begin > mark);
        let (mut header, mut notes) = (header, Vec::new());
        for (i, name) in header.iter_mut().enumerate().filter(|(_, name)| name.is_empty()) {
            *name = format!("column{}", i + 1);
            notes.push(format!("the header names no column {}: it is called '{name}'", i + 1));
        }
        let grammar = || CsvGrammar { dialect, path: path.to_owned(), has_one_column: header.len() == 1 };
        let sample = Rows::new(input, from, u64::MAX, line, grammar()).block(SAMPLE_ROWS)?.unwrap_or_default();
        let mut seen = vec![Seen::default(); header.len()];
        let mut spans = Vec::new();
        for (_, range) in &sample.rows {
            let row = &sample.text[range.clone()];
            if dialect.cells(row, &mut spans).is_err() {
                continue;
            }
            for (seen, span) in seen.iter_mut().zip(&spans) {
                let cell = dialect.cell(row, *span).unwrap_or(Cow::Borrowed("\u{fffd}"));
                if !options.nulls.iter().any(|null| *null == cell) {
                    seen.text(&cell, &options.times);
                }
            }
        }
        let offered: Vec<Offered> = header.iter().zip(&seen).map(|(name, seen)| (name.clone(), Ok(seen.column_type()), true)).collect();
        if sample.rows.is_empty() && options.schema.is_none() && options.target.is_none() {
            return Err(FileError::Empty { path: path.into() });
        }
        let (sources, schema) = settle(path, &offered, options)?;
        for (field, source) in schema.fields().iter().zip(&sources) {
            let is_text = field.data_type() == &DataType::Utf8 && options.type_of(field.name()).is_none();
            if options.target.is_none() && is_text && source.is_some_and(|s| seen[s].is_long_numbers()) {
                notes.push(long_numbers(field.name()));
            }
        }
        let table = Table {
            path: path.to_owned(),
            dialect,
            width: header.len(),
            sources,
            readings: readings(&schema, &options.times),
            schema: schema.clone(),
            nulls: options.nulls.clone(),
        };
        let (from, line) = if part.from > from { (part.from, part.line) } else { (from, line) };
        let rows = Rows::new(input, from, part.to, line, grammar());
        let chunks = Chunks::new(rows, Arc::new(move |block: &Block| table.parse(block)));
        Ok(CsvRows { chunks, bytes: part.to.min(input.bytes()), schema, notes })
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

/// What a first line such as `sep=;` says, by which Excel is told the delimiter, and how long the line is.
fn told_delimiter(start: &[u8]) -> Option<(u8, usize)> {
    let line = start.split_inclusive(|b| *b == b'\n').next()?;
    let text = line.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text))?;
    match text.trim_ascii() {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => Some((*delimiter, line.len())),
        // A tab is white space.
        [s, e, p, b'='] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && text.ends_with(b"=\t") => Some((b'\t', line.len())),
        _ => None,
    }
}

/// That numbers became texts, and what to do about it.
pub(super) fn long_numbers(column: &str) -> String {
    format!("column '{column}' holds numbers of more digits than an integer of 64 bits or a float keeps: it is read as text")
}

/// Whether a first line is a row rather than the names of columns: it has numbers and times only, or the time of an event. (Years and
/// days alone are names of columns often enough.) A cell in quotes is a name, and so is what the user or the topic names.
fn is_row(names: &[String], spans: &[Span], options: &ReadOptions) -> bool {
    let of_topic = options.target.iter().flat_map(|t| t.fields().iter().map(|f| f.name()));
    let of_schema = options.schema.iter().flat_map(|s| s.columns.iter().map(|(name, _)| name));
    let mut asked_for = of_topic.chain(of_schema).chain(options.columns.iter().flatten()).chain(&options.time_column);
    if asked_for.any(|name| names.contains(name)) {
        return false;
    }
    let is_time = |name: &str| options.times.text(name).is_ok();
    let is_value = |name: &str| Decimal::parse(name).is_some() || is_time(name);
    let filled = names.iter().zip(spans).filter(|(name, _)| !name.is_empty());
    let cells: Vec<&str> = filled.map(|(name, span)| if span.is_quoted { "" } else { name }).collect();
    let is_moment = |cell: &&str| cell.contains(':') && is_time(cell);
    !cells.is_empty() && cells.iter().all(|cell| is_value(cell)) || cells.iter().any(is_moment)
}

/// The names of the columns, and where the rows begin: a byte and its line, counted from where the text begins.
fn header(input: &Input, dialect: Dialect, begin: usize, options: &ReadOptions) -> Result<(Vec<String>, u64, u64), FileError> {
    let path = input.name();
    let malformed = |reason: &str| FileError::Malformed { path: path.into(), format: "CSV", reason: reason.into() };
    let mut text = Vec::new();
    let mut at = 0;
    let mut line = 1;
    let mut left = options.skip_lines;
    let mut grammar = CsvGrammar { dialect, path: path.to_owned(), has_one_column: false };
    let mut spans = Vec::new();
    let mut read = 0;
    loop {
        let is_all = (begin + text.len()) as u64 >= input.bytes();
        // A line that is skipped is one whatever stands in it.
        if left > 0 {
            if let Some(end) = memchr::memchr(dialect.line_end, &text[at..]) {
                (at, line, left) = (at + end + 1, line + 1, left - 1);
                continue;
            }
            if is_all {
                return Err(malformed("it has fewer lines than --skip-lines skips"));
            }
        } else if let Some(names) = &options.header {
            return Ok((names.clone(), (begin + at) as u64, line));
        } else {
            match grammar.next(&text[at..], is_all, line)? {
                Next::End => return Err(malformed("there is no header line")),
                Next::Row { row, end, lines, .. } => {
                    let row = &text[at + row.start..at + row.end];
                    (at, line) = (at + end, line + lines);
                    if row.is_empty() {
                        continue;
                    }
                    let fault = |_: RowFault| malformed("a quote in the header line is not closed where its cell ends");
                    dialect.cells(row, &mut spans).map_err(fault)?;
                    if dialect.looks_like_rows(row, spans.len()) {
                        return Err(FileError::SwallowedRows { path: path.into(), line: 1, last: line - 1 });
                    }
                    let name = |span: &Span| dialect.cell(row, *span).map(|name| name.trim().to_owned());
                    let names: Result<Vec<_>, _> = spans.iter().map(name).collect();
                    let names = names.map_err(|_| malformed("the header is not UTF-8"))?;
                    if is_row(&names, &spans, options) {
                        return Err(FileError::NoHeader { path: path.into(), cells: names.join(", "), skip: line - 1 });
                    }
                    return Ok((names, (begin + at) as u64, line));
                }
                Next::More => {}
            }
        }
        if is_all {
            return Err(malformed("there is no header line"));
        }
        read += 1;
        text = input.start(begin + (1 << (15 + read)))?.split_off(begin);
    }
}

impl Table {
    fn parse(&self, block: &Block) -> Result<Chunk, FileError> {
        let mut columns = Columns::new(&self.schema);
        let mut rejected = Vec::new();
        let mut spans = Vec::with_capacity(self.width);
        let mut cells = Vec::with_capacity(self.sources.len());
        // Looked at once, where all of it is.
        let text = std::str::from_utf8(&block.text).ok();
        for (line, range) in &block.rows {
            let row = Row { bytes: &block.text[range.clone()], text: text.and_then(|text| text.get(range.clone())) };
            let (dialect, bytes) = (&self.dialect, row.bytes);
            let pushed = match dialect.cells(bytes, &mut spans) {
                // Only a quote makes a row of several lines.
                Ok(()) if spans.iter().any(|s| s.is_quoted) && dialect.looks_like_rows(bytes, self.width) => {
                    let lines = memchr::memchr_iter(dialect.line_end, bytes).count() as u64;
                    return Err(FileError::SwallowedRows { path: self.path.clone(), line: *line, last: line + lines - 1 });
                }
                Ok(()) => self.push(row, &spans, &mut cells, &mut columns),
                Err(RowFault::OpenQuote) => return Err(FileError::OpenQuote { path: self.path.clone(), line: *line }),
                Err(RowFault::BehindQuote) => {
                    Err((None, "something stands behind the quote that ends a cell; if quotes are text here, give --no-quotes".into()))
                }
            };
            if let Err((column, reason)) = pushed {
                let row = String::from_utf8_lossy(bytes).trim_end_matches(['\n', '\r']).to_owned();
                rejected.push(Rejected { line: *line, column, reason, row });
            }
        }
        Ok(Chunk { batch: columns.finish(), rejected })
    }

    /// Adds a row if all of it fits; else says which column does not, and why.
    fn push<'a>(&self, row: Row<'a>, spans: &[Span], cells: &mut Vec<Cell<'a>>, columns: &mut Columns) -> Result<(), Misfit> {
        if spans.len() != self.width {
            let lines = memchr::memchr_iter(self.dialect.line_end, row.bytes).count();
            let quote =
                if lines > 1 { format!(" (a quote makes {lines} lines one row; --no-quotes takes quotes as text)") } else { "".into() };
            return Err((None, format!("the row has {} cells and the header {}{quote}", spans.len(), self.width)));
        }
        cells.clear();
        for (i, (source, reading)) in self.sources.iter().zip(&self.readings).enumerate() {
            let cell = match source {
                None => reading.null(),
                Some(source) => match row.cell(&self.dialect, spans[*source]) {
                    Ok(text) if self.nulls.iter().any(|null| *null == text) => reading.null(),
                    Ok(text) => reading.text(text, spans[*source].is_quoted),
                    Err(_) => Err("not UTF-8; if the file is Latin-1, convert it with `iconv -f LATIN1 -t UTF-8`".into()),
                },
            };
            cells.push(cell.map_err(|reason| (Some(self.schema.field(i).name().clone()), reason))?);
        }
        columns.push(cells);
        Ok(())
    }
}
