//! Arrow columns of any type in the types of a topic.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int64Type};
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use twopath_query::time::US_PER_DAY;

use super::cell::{Cell, Reading, article, shortened};
use super::iso::{iso, iso_of_ns};
use super::nested::{is_nested, json_text};
use super::number::{exact_float, is_exact_as_float};
use super::schema::{ColumnType, TimeUnitOfNumbers};
use super::times::Times;

/// A column in a topic's type; a value that does not fit becomes NULL.
pub fn convert_column(given: &ArrayRef, to: &DataType, time_unit: Option<TimeUnitOfNumbers>) -> Result<ArrayRef, ArrowError> {
    convert(given, to, &time_unit.into())
}

/// Whether a column of that type can be brought to a topic's, its values permitting.
pub(super) fn convertible(from: &DataType, to: &DataType, times: &Times) -> bool {
    match (from, ColumnType::of(from), ColumnType::of(to)) {
        (DataType::Dictionary(_, values), ..) => convertible(values, to, times),
        (DataType::RunEndEncoded(_, values), ..) => convertible(values.data_type(), to, times),
        (_, _, Some(ColumnType::Text)) => is_nested(from) || can_cast_types(from, &DataType::Utf8) || from.is_binary_like(),
        (_, Some(ColumnType::Int | ColumnType::Float | ColumnType::Decimal { .. }), Some(ColumnType::Timestamp)) => times.read_numbers(),
        (_, Some(ColumnType::Bool | ColumnType::Timestamp), Some(ColumnType::Decimal { .. })) => false,
        (_, Some(ColumnType::Timestamp | ColumnType::Text), Some(ColumnType::Timestamp)) => true,
        (_, Some(ColumnType::Text), Some(_)) => true,
        (_, Some(_), Some(_)) => can_cast_types(from, to),
        _ => false,
    }
}

trait BinaryLike {
    fn is_binary_like(&self) -> bool;
}

impl BinaryLike for DataType {
    fn is_binary_like(&self) -> bool {
        matches!(self, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
    }
}

/// As [`convert_column`], with times as the user says they are written.
pub(super) fn convert(given: &ArrayRef, to: &DataType, times: &Times) -> Result<ArrayRef, ArrowError> {
    let from = given.data_type();
    if from == to {
        return Ok(given.clone());
    }
    if let DataType::Dictionary(_, values) = from {
        return convert(&cast(given, values)?, to, times);
    }
    if let DataType::RunEndEncoded(_, values) = from {
        return convert(&cast(given, values.data_type())?, to, times);
    }
    if from.is_binary_like() {
        return convert(&texts_of_bytes(given)?, to, times);
    }
    match (ColumnType::of(from), ColumnType::of(to)) {
        (Some(ColumnType::Text), Some(wanted)) if wanted != ColumnType::Text => {
            let texts = cast(given, &DataType::Utf8)?;
            let texts: &StringArray = texts.as_string();
            Ok(read(texts, &Reading { column_type: wanted, nullable: true, times: times.clone() }))
        }
        (Some(_), Some(ColumnType::Decimal { precision, scale })) => super::decimal::convert(given, precision, scale),
        (Some(ColumnType::Decimal { .. }), Some(ColumnType::Int)) => super::decimal::to_integers(given),
        (Some(ColumnType::Decimal { .. }), Some(ColumnType::Float)) => super::decimal::to_floats(given),
        (Some(ColumnType::Int | ColumnType::Float | ColumnType::Decimal { .. }), Some(ColumnType::Timestamp)) => {
            if let (true, Some(unit), true) = (from.is_integer(), times.unit, times.formats.is_empty()) {
                let numbers = cast(given, &DataType::Int64)?;
                let us = numbers.as_primitive::<Int64Type>().iter().map(|n| n.and_then(|n| unit.to_us(n)));
                return Ok(Arc::new(us.collect::<TimestampMicrosecondArray>().with_timezone("UTC")));
            }
            let us = texts_of_numbers(given)?.iter().map(|text| text.and_then(|text| times.number(text).ok())).collect();
            Ok(Arc::new(TimestampMicrosecondArray::with_timezone(us, "UTC")))
        }
        (Some(ColumnType::Timestamp), Some(ColumnType::Timestamp)) => Ok(Arc::new(in_us(given)?.with_timezone("UTC"))),
        (Some(ColumnType::Timestamp), Some(ColumnType::Text)) => Ok(Arc::new(times_as_text(given)?)),
        // A cast would cut the fraction off.
        (Some(ColumnType::Float), Some(ColumnType::Int)) if from.is_floating() => {
            let floats = cast(given, &DataType::Float64)?;
            // 2^63 is the first float that is too large.
            let whole =
                |f: f64| (f.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&f)).then_some(f as i64);
            let numbers: Int64Array = floats.as_primitive::<Float64Type>().iter().map(|f| f.and_then(whole)).collect();
            Ok(Arc::new(numbers))
        }
        (Some(ColumnType::Float), Some(ColumnType::Int)) => {
            let reading = Reading { column_type: ColumnType::Int, nullable: true, times: Times::default() };
            Ok(read(&texts_of_numbers(given)?, &reading))
        }
        // A cast would round.
        (Some(ColumnType::Int), Some(ColumnType::Float)) if from.is_integer() && *from != DataType::UInt64 => {
            let numbers = cast(given, &DataType::Int64)?;
            let exact = |n: i64| is_exact_as_float(n).then_some(n as f64);
            Ok(Arc::new(numbers.as_primitive::<Int64Type>().iter().map(|n| n.and_then(exact)).collect::<Float64Array>()))
        }
        (Some(ColumnType::Int | ColumnType::Float), Some(ColumnType::Float)) if !from.is_floating() => {
            let floats = texts_of_numbers(given)?.iter().map(|text| text.and_then(|text| exact_float(text).ok())).collect::<Float64Array>();
            Ok(Arc::new(floats))
        }
        (Some(ColumnType::Float), Some(ColumnType::Text)) if from.is_floating() => Ok(Arc::new(texts_of_numbers(given)?)),
        (None, Some(ColumnType::Text)) if is_nested(from) => {
            let text = |row| given.is_valid(row).then(|| json_text(given, row));
            Ok(Arc::new((0..given.len()).map(text).collect::<StringArray>()))
        }
        _ => cast(given, to),
    }
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: true, ..Default::default() })
}

/// Texts read as values; one that does not fit becomes NULL.
fn read(texts: &StringArray, reading: &Reading) -> ArrayRef {
    let cells = || texts.iter().map(|text| reading.text(Cow::Borrowed(text?), false).ok());
    match reading.column_type {
        ColumnType::Bool => {
            Arc::new(cells().map(|cell| if let Some(Cell::Bool(v)) = cell { Some(v) } else { None }).collect::<BooleanArray>())
        }
        ColumnType::Int => Arc::new(cells().map(|cell| if let Some(Cell::Int(v)) = cell { Some(v) } else { None }).collect::<Int64Array>()),
        ColumnType::Float => {
            Arc::new(cells().map(|cell| if let Some(Cell::Float(v)) = cell { Some(v) } else { None }).collect::<Float64Array>())
        }
        ColumnType::Timestamp => {
            let us = cells().map(|cell| if let Some(Cell::Timestamp(v)) = cell { Some(v) } else { None });
            Arc::new(us.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        ColumnType::Decimal { precision, scale } => {
            let unscaled = cells().map(|cell| if let Some(Cell::Decimal(v)) = cell { Some(v) } else { None });
            let unscaled = unscaled.collect::<arrow_array::Decimal128Array>();
            Arc::new(unscaled.with_data_type(DataType::Decimal128(precision, scale as i8)))
        }
        ColumnType::Text => Arc::new(texts.clone()),
    }
}

/// Times in ISO 8601, with all digits that they have.
fn times_as_text(times: &ArrayRef) -> Result<StringArray, ArrowError> {
    Ok(match times.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            times.as_primitive::<TimestampNanosecondType>().iter().map(|ns| ns.map(iso_of_ns)).collect()
        }
        _ => in_us(times)?.iter().map(|us| us.map(iso)).collect(),
    })
}

/// Numbers as their shortest decimals: a float's are those of its own width.
fn texts_of_numbers(numbers: &ArrayRef) -> Result<StringArray, ArrowError> {
    Ok(match numbers.data_type() {
        DataType::Float64 => numbers.as_primitive::<Float64Type>().iter().map(|f| f.map(float_text)).collect(),
        DataType::Float32 => numbers.as_primitive::<Float32Type>().iter().map(|f| f.map(float_text)).collect(),
        DataType::Float16 => numbers.as_primitive::<Float16Type>().iter().map(|f| f.map(|f| float_text(f32::from(f)))).collect(),
        _ => cast(numbers, &DataType::Utf8)?.as_string().clone(),
    })
}

fn float_text(float: impl Into<f64> + Copy + std::fmt::Display) -> String {
    match float.into() {
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        _ => float.to_string(),
    }
}

/// Bytes as the text that they are in UTF-8, sixteen bytes of a fixed width as a UUID; what is no text becomes NULL.
fn texts_of_bytes(bytes: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if let DataType::FixedSizeBinary(width) = bytes.data_type() {
        let text = |value: &[u8]| if *width == 16 { Some(uuid(value)) } else { String::from_utf8(value.to_vec()).ok() };
        let texts = bytes.as_fixed_size_binary().iter().map(|value| value.and_then(text)).collect::<StringArray>();
        return Ok(Arc::new(texts));
    }
    let bytes = cast(bytes, &DataType::LargeBinary)?;
    let texts = bytes.as_binary::<i64>().iter().map(|value| value.and_then(|value| std::str::from_utf8(value).ok()));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// As RFC 9562 writes it.
fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// A timestamp or date column in microseconds, rounded down, without a zone; NULL where they do not fit. With a zone, Arrow counts in UTC
/// already; without, UTC is meant.
fn in_us(column: &ArrayRef) -> Result<TimestampMicrosecondArray, ArrowError> {
    let unit = TimeUnitOfNumbers::to_us;
    Ok(match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            column.as_primitive::<TimestampSecondType>().unary_opt(|n| unit(TimeUnitOfNumbers::S, n))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive::<TimestampMillisecondType>().unary_opt(|n| unit(TimeUnitOfNumbers::Ms, n))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<&str>)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            column.as_primitive::<TimestampNanosecondType>().unary_opt(|n| unit(TimeUnitOfNumbers::Ns, n))
        }
        DataType::Date32 => column.as_primitive::<Date32Type>().unary_opt(|days| i64::from(days).checked_mul(US_PER_DAY)),
        DataType::Date64 => column.as_primitive::<Date64Type>().unary_opt(|n| unit(TimeUnitOfNumbers::Ms, n)),
        other => return Err(ArrowError::CastError(format!("{other} holds no times"))),
    })
}

/// What is said of bytes that are no text.
pub const NO_TEXT: &str = "is not text in UTF-8";

/// Why a value did not fit, which conversion made NULL.
pub(super) fn misfit(given: &ArrayRef, row: usize, to: &DataType, times: &Times) -> String {
    let Some(wanted) = ColumnType::of(to) else { return "it does not fit".into() };
    let text = cell_text(given, row);
    if given.data_type().is_binary_like() && text.starts_with("0x") {
        return format!("{} {NO_TEXT}", shortened(&text));
    }
    let is_time = ColumnType::of(given.data_type()) == Some(ColumnType::Timestamp);
    if is_time && wanted == ColumnType::Timestamp {
        return format!("'{text}' {}", super::times::NoTime::TooFar);
    }
    match (Reading { column_type: wanted, nullable: true, times: times.clone() }).text(Cow::Borrowed(&text), false) {
        Err(reason) => reason,
        Ok(_) => format!("'{}' is not {}", shortened(&text), article(wanted)),
    }
}

/// A value as text, whatever it is.
pub(super) fn cell_text(column: &ArrayRef, row: usize) -> String {
    let cell = column.slice(row, 1);
    if cell.is_null(0) {
        return String::new();
    }
    if is_nested(cell.data_type()) {
        return json_text(&cell, 0);
    }
    if let DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 = cell.data_type() {
        if let Ok(texts) = times_as_text(&cell)
            && texts.is_valid(0)
        {
            return texts.value(0).to_owned();
        }
        let unit = match cell.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => "s",
            DataType::Timestamp(TimeUnit::Nanosecond, _) => "ns",
            DataType::Date32 => "days",
            _ => "ms",
        };
        let number = cast(&cell, &DataType::Int64).map(|n| n.as_primitive::<Int64Type>().value(0));
        return number.map(|n| format!("{n} {unit} since 1970")).unwrap_or_default();
    }
    if cell.data_type().is_binary_like()
        && let Ok(texts) = texts_of_bytes(&cell)
        && texts.is_valid(0)
    {
        return texts.as_string::<i32>().value(0).to_owned();
    }
    let text = ArrayFormatter::try_new(&cell, &FormatOptions::default()).map(|f| f.value(0).to_string()).unwrap_or_default();
    if cell.data_type().is_binary_like() { format!("0x{text}") } else { text }
}
