//! One value of a row-wise file, on its way into a column.

use std::borrow::Cow;

use super::number::{Decimal, NoFloat, exact_float};
use super::schema::ColumnType;
use super::times::Times;

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
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub column_type: ColumnType,
    pub nullable: bool,
    pub times: Times,
}

impl Reading {
    /// Reads a text; an empty one is NULL, unless it is quoted and meant for a column of texts.
    pub fn text<'a>(&self, text: Cow<'a, str>, is_quoted: bool) -> Result<Cell<'a>, String> {
        if text.is_empty() && !(is_quoted && self.column_type == ColumnType::Text) {
            return self.null();
        }
        if self.column_type == ColumnType::Text {
            return Ok(Cell::Text(text));
        }
        self.value(trimmed(&text)).map_err(|reason| format!("'{}' {reason}", shortened(&text)))
    }

    /// Reads a JSON number, as it is written.
    pub fn json_number<'a>(&self, digits: &'a str) -> Result<Cell<'a>, String> {
        match self.column_type {
            ColumnType::Text => Ok(Cell::Text(Cow::Borrowed(digits))),
            ColumnType::Bool => Err(self.misfit()),
            ColumnType::Timestamp => self.times.number(digits).map(Cell::Timestamp).map_err(|e| e.to_string()),
            ColumnType::Int | ColumnType::Float | ColumnType::Decimal { .. } => self.value(digits),
        }
        .map_err(|reason| format!("{} {reason}", shortened(digits)))
    }

    /// Reads what a JSON string holds.
    pub fn json_string<'a>(&self, text: Cow<'a, str>) -> Result<Cell<'a>, String> {
        match self.column_type {
            ColumnType::Text => return Ok(Cell::Text(text)),
            // Decimals stand in quotes where numbers of JSON would lose digits.
            ColumnType::Timestamp | ColumnType::Decimal { .. } => self.value(&text),
            // JSON has no such numbers, and cannot say them otherwise.
            ColumnType::Float => super::number::special_float(&text).map(Cell::Float).ok_or_else(|| self.misfit()),
            ColumnType::Bool | ColumnType::Int => Err(self.misfit()),
        }
        .map_err(|reason| format!("\"{}\" {reason}", shortened(&text)))
    }

    /// Takes a JSON value of another kind, as it is written.
    pub fn json_other<'a>(&self, written: &'a str) -> Result<Cell<'a>, String> {
        match (self.column_type, written) {
            (_, "null") => self.null(),
            (ColumnType::Text, _) => Ok(Cell::Text(Cow::Borrowed(written))),
            (ColumnType::Bool, "true") => Ok(Cell::Bool(true)),
            (ColumnType::Bool, "false") => Ok(Cell::Bool(false)),
            _ => Err(format!("{} {}", shortened(written), self.misfit())),
        }
    }

    fn value(&self, text: &str) -> Result<Cell<'static>, String> {
        match self.column_type {
            ColumnType::Bool => parse_bool(text).map(Cell::Bool).ok_or_else(|| self.misfit()),
            ColumnType::Int => self.integer(text).map(Cell::Int),
            ColumnType::Float => match exact_float(text) {
                Ok(float) => Ok(Cell::Float(float)),
                Err(NoFloat::NotANumber) => Err(self.misfit()),
                Err(NoFloat::TooLarge) => Err("is larger than any float".into()),
                Err(NoFloat::TooManyDigits) => Err("has more digits than a float keeps".into()),
            },
            ColumnType::Timestamp => self.times.text(text).map(Cell::Timestamp).map_err(|e| e.to_string()),
            ColumnType::Decimal { precision, scale } => super::decimal::read(text, precision, scale).map(Cell::Decimal),
            ColumnType::Text => Ok(Cell::Text(Cow::Owned(text.to_owned()))),
        }
    }

    fn integer(&self, text: &str) -> Result<i64, String> {
        // Most are short.
        if let Ok(integer) = text.parse() {
            return Ok(integer);
        }
        Decimal::parse(text).and_then(|n| n.integer()).ok_or_else(|| self.misfit())
    }

    pub fn null(&self) -> Result<Cell<'static>, String> {
        match (self.nullable, self.column_type) {
            (true, _) => Ok(Cell::Null),
            (false, ColumnType::Timestamp) => Err("there is no time here".into()),
            (false, _) => Err("there is no value here, and the column must have one".into()),
        }
    }

    fn misfit(&self) -> String {
        format!("is not {}", article(self.column_type))
    }
}

/// A text without white space at its ends, of which most have none.
pub(super) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// What a column wants, with its article.
pub(super) fn article(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Bool => "true or false",
        ColumnType::Int => "an integer of 64 bits",
        ColumnType::Float => "a number",
        ColumnType::Text => "a text",
        ColumnType::Timestamp => "a timestamp",
        ColumnType::Decimal { .. } => "a decimal number of its column's digits",
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

/// At most 40 characters of a text, for a message.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
    }
}
