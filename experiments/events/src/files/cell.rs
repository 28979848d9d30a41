//! One value of a row-wise file, on its way into a column.

use std::borrow::Cow;

use serde_json::Value as Json;

use twopath_query::time::parse_timestamp;

use super::schema::{ColumnType, TimeUnitOfNumbers};

/// A value that fits its column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// Microseconds since 1970, UTC.
    Timestamp(i64),
    /// Unscaled.
    Decimal(i128),
}

/// How a value of a text file is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub column_type: ColumnType,
    pub nullable: bool,
    pub time_unit: Option<TimeUnitOfNumbers>,
}

impl Reading {
    /// Reads a CSV cell; the empty one is NULL.
    pub fn text<'a>(&self, text: &'a str) -> Result<Cell<'a>, String> {
        if text.is_empty() {
            return self.null();
        }
        let bare = text.trim();
        if let ColumnType::Decimal { precision, scale } = self.column_type {
            let value = super::decimal::read(bare, precision, scale);
            return value.map(Cell::Decimal).map_err(|reason| format!("'{}' {reason}", shortened(text)));
        }
        match self.column_type {
            ColumnType::Text => Some(Cell::Text(Cow::Borrowed(text))),
            ColumnType::Bool => parse_bool(bare).map(Cell::Bool),
            ColumnType::Int => bare.parse().ok().map(Cell::Int),
            ColumnType::Float => bare.parse().ok().map(Cell::Float),
            ColumnType::Decimal { .. } => None,
            ColumnType::Timestamp => parse_timestamp(bare).or_else(|| self.timestamp_of(bare.parse().ok()?)).map(Cell::Timestamp),
        }
        .ok_or_else(|| format!("'{}' is not {}", shortened(text), self.article()))
    }

    /// Reads a JSON value.
    pub fn json<'a>(&self, value: &'a Json) -> Result<Cell<'a>, String> {
        if let (ColumnType::Decimal { .. }, Json::Number(_) | Json::String(_)) = (self.column_type, value) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return match self.text(&text)? {
                Cell::Decimal(v) => Ok(Cell::Decimal(v)),
                _ => self.null(),
            };
        }
        match (self.column_type, value) {
            (_, Json::Null) => return self.null(),
            (ColumnType::Text, Json::String(s)) => Some(Cell::Text(Cow::Borrowed(s))),
            (ColumnType::Text, other) => Some(Cell::Text(Cow::Owned(other.to_string()))),
            (ColumnType::Bool, Json::Bool(b)) => Some(Cell::Bool(*b)),
            (ColumnType::Int, Json::Number(n)) => n.as_i64().or_else(|| whole(n.as_f64()?)).map(Cell::Int),
            (ColumnType::Float, Json::Number(n)) => n.as_f64().map(Cell::Float),
            (ColumnType::Timestamp, Json::String(s)) => parse_timestamp(s).map(Cell::Timestamp),
            (ColumnType::Timestamp, Json::Number(n)) => {
                n.as_i64().or_else(|| whole(n.as_f64()?)).and_then(|n| self.timestamp_of(n)).map(Cell::Timestamp)
            }
            _ => None,
        }
        .ok_or_else(|| format!("{} is not {}", shortened(&value.to_string()), self.article()))
    }

    pub fn null(&self) -> Result<Cell<'static>, String> {
        match (self.nullable, self.column_type) {
            (true, _) => Ok(Cell::Null),
            (false, ColumnType::Timestamp) => Err("there is no time here".into()),
            (false, _) => Err("there is no value here, and the column must have one".into()),
        }
    }

    fn timestamp_of(&self, number: i64) -> Option<i64> {
        self.time_unit?.to_us(number)
    }

    /// What the column wants, with its article.
    pub fn article(&self) -> &'static str {
        match self.column_type {
            ColumnType::Bool => "true or false",
            ColumnType::Int => "an integer of 64 bits",
            ColumnType::Float => "a number",
            ColumnType::Text => "a text",
            ColumnType::Timestamp => "a timestamp",
            ColumnType::Decimal { .. } => "a decimal number of its column's digits",
        }
    }
}

pub(super) fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A float that is an integer, as one.
fn whole(f: f64) -> Option<i64> {
    (f.fract() == 0.0 && f.abs() < 9.0e15).then_some(f as i64)
}

/// At most 40 characters of a text, for a message.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
    }
}
