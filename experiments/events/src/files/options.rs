//! How a file is to be read, as a user says it.

use std::path::Path;

use arrow_schema::SchemaRef;
use clap::Args;

use super::envelope::Envelope;
use super::schema::{ColumnType, SchemaText, TimeUnitOfNumbers};
use super::time_format::TimeFormat;
use super::times::Times;
use super::{FileError, FileFormat};

/// How to read a file; `Default` finds everything out from it.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// None: by the name's extension, or by the content where the name does not tell.
    pub format: Option<FileFormat>,
    /// The columns and their types, as the user wrote them.
    pub schema: Option<SchemaText>,
    /// The topic's own schema, where the topic exists already: columns are matched by name.
    pub target: Option<SchemaRef>,
    /// The event-time column: a timestamp in every row.
    pub time_column: Option<String>,
    /// How times are written, where they do not tell it themselves.
    pub times: Times,
    /// Only these columns, in this order.
    pub columns: Option<Vec<String>>,
    /// CSV: between cells; none: found out from the first rows.
    pub delimiter: Option<u8>,
    /// CSV: what encloses cells.
    pub quote: Quote,
    /// CSV: the names of the columns, for files whose first line is a row.
    pub header: Option<Vec<String>>,
    /// CSV: so many lines before the header are no part of the table.
    pub skip_lines: u64,
    /// CSV: cells with one of these texts are NULL, as empty cells are.
    pub nulls: Vec<String>,
    /// JSON: what stands around the rows.
    pub envelope: Option<Envelope>,
    /// The column that the topic is keyed by: of a row that was deleted, its value is left.
    pub key: Option<String>,
}

impl ReadOptions {
    /// The type that the user gave a column.
    pub(super) fn type_of(&self, column: &str) -> Option<ColumnType> {
        self.schema.as_ref()?.columns.iter().find(|(name, _)| name == column).map(|(_, column_type)| *column_type)
    }
}

/// What encloses cells of CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quote {
    /// A double quote; rows that a lone one swallows are refused.
    #[default]
    Auto,
    /// Nothing: quotes are text.
    None,
    /// This, and cells of several lines are taken as they come.
    Is(u8),
}

/// The options of every command that reads a file of events.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadArgs {
    /// What the file is, where its name and its content do not tell
    #[arg(long, value_enum)]
    pub input_format: Option<FileFormat>,
    /// The columns to take and their types, such as 'time:timestamp, n:int, payload.user.id:int' (a path leads into nested JSON), with *
    /// for all others; or a file that holds that
    #[arg(long, value_name = "TEXT_OR_FILE")]
    pub schema: Option<String>,
    /// Only these columns, in this order
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// What numbers in timestamp columns count, since 1970; fractions count
    #[arg(long, value_enum, value_name = "UNIT")]
    pub time_unit: Option<TimeUnitOfNumbers>,
    /// How times are written, such as '%d/%m/%Y %H:%M:%S' (as strftime; %f is a fraction); may be given several times
    #[arg(long, value_name = "FORMAT")]
    pub time_format: Vec<TimeFormat>,
    /// CSV: what separates cells [default: found out; a tab for .tsv, else a comma, where they fit]
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter)]
    pub delimiter: Option<u8>,
    /// CSV: what encloses cells, or none. Saying it lets quoted cells have any number of lines
    #[arg(long, value_name = "CHAR", value_parser = parse_quote, conflicts_with = "no_quotes")]
    pub quote: Option<Quote>,
    /// CSV: a quote is text like any other, as --quote none
    #[arg(long)]
    pub no_quotes: bool,
    /// CSV: the columns' names, for a file that begins with a row
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    pub header: Option<Vec<String>>,
    /// CSV: so many lines come before the header
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub skip_lines: u64,
    /// CSV: a cell of this text is NULL, too; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub null: Vec<String>,
    /// JSON: rows stand in envelopes that say what became of them. Deletions leave the topic's --key; the column __ts_ms has the time of
    /// the change, where it is the time column
    #[arg(long, value_enum, value_name = "KIND")]
    pub envelope: Option<Envelope>,
}

impl ReadArgs {
    /// The options that these are, for a new topic.
    pub fn options(&self, time_column: Option<&str>) -> Result<ReadOptions, FileError> {
        Ok(ReadOptions {
            format: self.input_format,
            // A star alone says nothing that is not so without it.
            schema: self.schema.as_deref().map(SchemaText::read).transpose()?.filter(|schema| !schema.columns.is_empty()),
            target: None,
            time_column: time_column.map(String::from),
            times: Times { unit: self.time_unit, formats: self.time_format.clone() },
            columns: self.columns.clone(),
            delimiter: self.delimiter,
            quote: if self.no_quotes { Quote::None } else { self.quote.unwrap_or_default() },
            header: self.header.clone(),
            skip_lines: self.skip_lines,
            nulls: self.null.clone(),
            envelope: self.envelope,
            key: None,
        })
    }

    /// An option that is there and that CSV alone has.
    pub fn of_csv(&self) -> Option<&'static str> {
        let given = [
            ("--delimiter", self.delimiter.is_some()),
            ("--quote", self.quote.is_some()),
            ("--no-quotes", self.no_quotes),
            ("--header", self.header.is_some()),
            ("--skip-lines", self.skip_lines > 0),
            ("--null", !self.null.is_empty()),
        ];
        given.iter().find(|(_, is_given)| *is_given).map(|(option, _)| *option)
    }

    /// As the user could have written them; empty for the defaults. A schema that stands in a file is its text.
    pub fn text(&self) -> Result<String, FileError> {
        let mut parts = Vec::new();
        let mut add = |option: &str, value: String| parts.push(format!("--{option} '{value}'"));
        if let Some(format) = self.input_format {
            add("input-format", format!("{format:?}").to_lowercase());
        }
        if let Some(schema) = &self.schema {
            let schema = SchemaText::read(schema)?;
            let mut columns: Vec<String> = schema.columns.iter().map(|(name, t)| format!("{name}:{}", t.text())).collect();
            if !columns.is_empty() {
                columns.extend(schema.rest.then(|| "*".to_owned()));
                add("schema", columns.join(", "));
            }
        }
        self.columns.iter().for_each(|columns| add("columns", columns.join(",")));
        self.time_unit.iter().for_each(|unit| add("time-unit", format!("{unit:?}").to_lowercase()));
        self.time_format.iter().for_each(|format| add("time-format", format.to_string()));
        self.delimiter.iter().for_each(|d| add("delimiter", char::from(*d).to_string()));
        match (self.no_quotes, self.quote) {
            (true, _) | (_, Some(Quote::None)) => add("quote", "none".into()),
            (false, Some(Quote::Is(quote))) => add("quote", char::from(quote).to_string()),
            _ => {}
        }
        self.header.iter().for_each(|names| add("header", names.join(",")));
        if self.skip_lines > 0 {
            add("skip-lines", self.skip_lines.to_string());
        }
        self.null.iter().for_each(|null| add("null", null.clone()));
        self.envelope.iter().for_each(|envelope| add("envelope", format!("{envelope:?}").to_lowercase()));
        Ok(parts.join(" "))
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" => Ok(b'\t'),
        "\n" | "\r" => Err("a line's end cannot separate cells".into()),
        _ if text.len() == 1 => Ok(text.as_bytes()[0]),
        _ => Err("give one character, or tab".into()),
    }
}

fn parse_quote(text: &str) -> Result<Quote, String> {
    match text.as_bytes() {
        b"none" | b"" => Ok(Quote::None),
        [byte] if byte.is_ascii_punctuation() => Ok(Quote::Is(*byte)),
        _ => Err("give one character, or none".into()),
    }
}

impl FileFormat {
    /// By the extension of the file's name, without that of its compression.
    pub(super) fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "parquet" | "pq" => Some(FileFormat::Parquet),
            "csv" | "tsv" | "tab" => Some(FileFormat::Csv),
            "jsonl" | "ndjson" | "json" => Some(FileFormat::Jsonl),
            "arrow" | "arrows" | "ipc" | "feather" => Some(FileFormat::Arrow),
            _ => None,
        }
    }
}
