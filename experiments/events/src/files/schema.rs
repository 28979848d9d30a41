//! Column types, and schemas as people write them.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::{FileError, FileFormat, ReadOptions};

/// The types of a topic's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    Bool,
    Int,
    Float,
    Text,
    Timestamp,
    /// Digits in all, and after the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
}

/// What numbers in a timestamp column count, since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TimeUnitOfNumbers {
    S,
    Ms,
    Us,
    Ns,
}

impl TimeUnitOfNumbers {
    /// Microseconds, rounded down; none where they do not fit.
    pub fn to_us(self, number: i64) -> Option<i64> {
        match self {
            TimeUnitOfNumbers::S => number.checked_mul(1_000_000),
            TimeUnitOfNumbers::Ms => number.checked_mul(1_000),
            TimeUnitOfNumbers::Us => Some(number),
            TimeUnitOfNumbers::Ns => Some(number.div_euclid(1_000)),
        }
    }

    /// By which power of ten a number is multiplied to count microseconds.
    pub(super) fn places(self) -> i64 {
        match self {
            TimeUnitOfNumbers::S => 6,
            TimeUnitOfNumbers::Ms => 3,
            TimeUnitOfNumbers::Us => 0,
            TimeUnitOfNumbers::Ns => -3,
        }
    }
}

impl ColumnType {
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Int => DataType::Int64,
            ColumnType::Float => DataType::Float64,
            ColumnType::Text => DataType::Utf8,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale as i8),
        }
    }

    /// The type of a topic's column that holds what an Arrow column holds; none where there is none.
    pub fn of(arrow: &DataType) -> Option<Self> {
        if let Some((precision, scale)) = super::decimal::of(arrow) {
            return Some(ColumnType::Decimal { precision, scale });
        }
        Some(match arrow {
            DataType::Boolean => ColumnType::Bool,
            t if t.is_integer() => ColumnType::Int,
            DataType::Decimal32(_, 0) | DataType::Decimal64(_, 0) | DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0) => {
                ColumnType::Int
            }
            t if t.is_floating() || t.is_decimal() => ColumnType::Float,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => ColumnType::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => ColumnType::Text,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => ColumnType::Timestamp,
            DataType::Dictionary(_, values) => return ColumnType::of(values),
            DataType::RunEndEncoded(_, values) => return ColumnType::of(values.data_type()),
            _ => return None,
        })
    }

    /// As people read and write it.
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Bool => "bool",
            ColumnType::Int => "int",
            ColumnType::Float => "float",
            ColumnType::Text => "text",
            ColumnType::Timestamp => "timestamp",
            ColumnType::Decimal { .. } => "decimal",
        }
    }

    /// As [`ColumnType::name`], with a decimal's digits: `decimal(12,2)`.
    pub fn text(self) -> String {
        match self {
            ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            other => other.name().to_owned(),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        if let Some((precision, scale)) = super::decimal::from_name(name) {
            return Some(ColumnType::Decimal { precision, scale });
        }
        Some(match name.to_ascii_lowercase().as_str() {
            "bool" | "boolean" => ColumnType::Bool,
            "int" | "integer" | "bigint" | "int64" | "long" => ColumnType::Int,
            "float" | "double" | "float64" | "real" => ColumnType::Float,
            "text" | "string" | "utf8" | "varchar" => ColumnType::Text,
            "timestamp" | "timestamptz" | "datetime" | "time" => ColumnType::Timestamp,
            _ => return None,
        })
    }
}

/// A schema as written on the command line or in a file: `time:timestamp, name:text, *`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaText {
    pub columns: Vec<(String, ColumnType)>,
    /// Whether a `*` stands for all other columns, with the types found in the file.
    pub rest: bool,
}

impl SchemaText {
    /// From a text, or from the file of that name; in a file, lines separate as commas do, and `#` begins a comment.
    pub fn read(text_or_file: &str) -> Result<Self, FileError> {
        let path = Path::new(text_or_file);
        // A star alone is all columns, as it is behind others.
        if (!text_or_file.contains(':') && text_or_file.trim() != "*") || path.is_file() {
            let text = std::fs::read_to_string(path).map_err(|e| FileError::io(path, e))?;
            let lines: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or("")).collect();
            return Self::parse(&lines.join(","));
        }
        Self::parse(text_or_file)
    }

    pub fn parse(text: &str) -> Result<Self, FileError> {
        let wrong = |reason: String| FileError::SchemaText { text: text.trim().trim_matches(',').to_owned(), reason };
        let mut schema = SchemaText { columns: Vec::new(), rest: false };
        for part in super::decimal::parts(text).into_iter().map(str::trim).filter(|p| !p.is_empty()) {
            if part == "*" {
                schema.rest = true;
                continue;
            }
            let (name, type_name) = part.rsplit_once(':').ok_or_else(|| wrong(format!("'{part}' has no type")))?;
            let (name, type_name) = (name.trim(), type_name.trim());
            let column_type = ColumnType::from_name(type_name).ok_or_else(|| wrong(format!("there is no type '{type_name}'")))?;
            if name.is_empty() {
                return Err(wrong(format!("'{part}' has no name")));
            }
            if schema.columns.iter().any(|(n, _)| n == name) {
                return Err(wrong(format!("'{name}' stands there twice")));
            }
            schema.columns.push((name.to_owned(), column_type));
        }
        match schema.columns.is_empty() && !schema.rest {
            true => Err(wrong("it names no column".into())),
            false => Ok(schema),
        }
    }

    /// The Arrow schema; the time column allows no NULL. `*` stands for nothing here.
    pub fn arrow(&self, time_column: Option<&str>) -> SchemaRef {
        let field = |(name, column_type): &(String, ColumnType)| Field::new(name, column_type.arrow(), time_column != Some(name));
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

/// What a file offers: a column's name, its type, and whether it may be NULL.
pub(super) type Offered = (String, Result<ColumnType, Foreign>, bool);

/// A type that no column of a topic has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Foreign {
    Type {
        given: String,
        has_text: bool,
    },
    /// Months, days and milliseconds, or what has them within: what reads Parquet here drops the months.
    ParquetInterval,
}

impl Foreign {
    pub fn refused(&self, path: &Path, column: &str) -> FileError {
        let (path, column) = (path.to_owned(), column.to_owned());
        match self {
            Foreign::Type { given, has_text } => FileError::ColumnType { path, column, given: given.clone(), has_text: *has_text },
            Foreign::ParquetInterval => FileError::ParquetInterval { path, column },
        }
    }
}

/// Chooses a file's columns and settles their types: which of the offered columns to take, and the schema they make.
pub(super) fn settle(path: &Path, offered: &[Offered], options: &ReadOptions) -> Result<(Vec<Option<usize>>, SchemaRef), FileError> {
    let names = || offered.iter().map(|(n, ..)| n.as_str()).collect::<Vec<_>>().join(", ");
    let find = |name: &str| offered.iter().position(|(n, ..)| n == name);
    let missing = |name: &str| FileError::MissingColumn { path: path.to_owned(), column: name.to_owned(), known: names() };
    for (i, (name, ..)) in offered.iter().enumerate() {
        if offered[..i].iter().any(|(n, ..)| n == name) {
            let is_csv = options.format == Some(FileFormat::Csv) || FileFormat::of_name(path) == Some(FileFormat::Csv);
            let advice = match &options.header {
                Some(_) => "give each a name of its own in --header".to_owned(),
                None if is_csv => format!("rename one, or name all with --header A,B,... --skip-lines {}", options.skip_lines + 1),
                None => "rename one".to_owned(),
            };
            return Err(FileError::RepeatedColumn { path: path.to_owned(), column: name.clone(), advice });
        }
    }
    if let Some(time) = &options.time_column
        && find(time).is_none()
    {
        return Err(missing(time));
    }
    // A name that stands nowhere is a slip of the pen, whose type would be lost without a word.
    let of_topic = |name: &str| options.target.as_ref().is_some_and(|t| t.index_of(name).is_ok());
    if let Some((name, _)) = options.schema.iter().flat_map(|s| &s.columns).find(|(n, _)| find(n).is_none() && !of_topic(n)) {
        return Err(missing(name));
    }
    let chosen: Vec<String> = match (&options.columns, &options.schema) {
        (Some(columns), _) => columns.clone(),
        (None, Some(schema)) if !schema.rest => schema.columns.iter().map(|(n, _)| n.clone()).collect(),
        _ => offered.iter().map(|(n, ..)| n.clone()).collect(),
    };
    if let Some(column) = chosen.iter().find(|c| find(c).is_none()) {
        return Err(missing(column));
    }
    if let Some(target) = &options.target {
        let known = || target.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", ");
        if let Some(column) = chosen.iter().find(|c| target.index_of(c).is_err()) {
            return Err(FileError::ExtraColumn { path: path.to_owned(), column: column.clone(), known: known() });
        }
        let mut sources = Vec::new();
        for field in target.fields() {
            let source = find(field.name()).filter(|_| chosen.contains(field.name()));
            if source.is_none() && !field.is_nullable() {
                return Err(missing(field.name()));
            }
            sources.push(source);
        }
        return Ok((sources, target.clone()));
    }
    let mut fields = Vec::new();
    for name in &chosen {
        let (_, found, nullable) = &offered[find(name).ok_or_else(|| missing(name))?];
        let declared = options.schema.as_ref().and_then(|s| s.columns.iter().find(|(n, _)| n == name)).map(|(_, t)| *t);
        let is_time = options.time_column.as_ref() == Some(name);
        let column_type = match (declared, found) {
            (Some(declared), _) => declared,
            (None, Err(foreign)) => return Err(foreign.refused(path, name)),
            (None, Ok(found)) => match found {
                ColumnType::Text if is_time => ColumnType::Timestamp,
                ColumnType::Int | ColumnType::Float | ColumnType::Decimal { .. } if is_time && options.times.read_numbers() => {
                    ColumnType::Timestamp
                }
                found => *found,
            },
        };
        if is_time && column_type != ColumnType::Timestamp {
            return Err(match column_type {
                ColumnType::Int | ColumnType::Float | ColumnType::Decimal { .. } => {
                    FileError::TimeOfNumbers { path: path.to_owned(), column: name.clone() }
                }
                other => FileError::TimeType { path: path.to_owned(), column: name.clone(), given: other.name().into() },
            });
        }
        fields.push(Field::new(name, column_type.arrow(), *nullable && !is_time));
    }
    if let Some(time) = options.time_column.as_ref().filter(|time| !chosen.contains(time)) {
        return Err(FileError::MissingColumn { path: path.to_owned(), column: time.clone(), known: chosen.join(", ") });
    }
    Ok((chosen.iter().map(|name| find(name)).collect(), Arc::new(Schema::new(fields))))
}
