//! Arrow columns of any type in the types of a topic.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_cast::can_cast_types;
use arrow_schema::{ArrowError, DataType};

use super::cell::{Cell, Reading, article, shortened};
use super::number::{exact_float, is_exact_as_float};
use super::schema::{ColumnType, TimeUnitOfNumbers};
use super::times::Times;
use super::value_text::{BinaryLike, cast, cell_text, exact_text, has_text, in_us, texts_of_bytes, times_as_text};

/// A column in a topic's type; a value that does not fit becomes NULL.
pub fn convert_column(given: &ArrayRef, to: &DataType, time_unit: Option<TimeUnitOfNumbers>) -> Result<ArrayRef, ArrowError> {
    convert(given, to, &time_unit.into())
}

/// Whether a column of that type can be brought to a topic's, its values permitting.
pub(super) fn convertible(from: &DataType, to: &DataType, times: &Times) -> bool {
    match (from, ColumnType::of(from), ColumnType::of(to)) {
        (DataType::Dictionary(_, values), ..) => convertible(values, to, times),
        (DataType::RunEndEncoded(_, values), ..) => convertible(values.data_type(), to, times),
        (_, _, Some(ColumnType::Text)) => has_text(from),
        (_, Some(ColumnType::Int | ColumnType::Float | ColumnType::Decimal { .. }), Some(ColumnType::Timestamp)) => times.read_numbers(),
        (_, Some(ColumnType::Bool | ColumnType::Timestamp), Some(ColumnType::Decimal { .. })) => false,
        (_, Some(ColumnType::Timestamp | ColumnType::Text), Some(ColumnType::Timestamp)) => true,
        (_, Some(ColumnType::Text), Some(_)) => true,
        (_, Some(_), Some(_)) => can_cast_types(from, to),
        _ => false,
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
        (None, Some(ColumnType::Text)) => {
            let text = |row| if given.is_valid(row) { exact_text(given, row).ok() } else { None };
            Ok(Arc::new((0..given.len()).map(text).collect::<StringArray>()))
        }
        _ => cast(given, to),
    }
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

/// What is said of bytes that are no text.
const NO_TEXT: &str = "is not text in UTF-8";

/// Why a value did not fit, which conversion made NULL.
pub(super) fn misfit(given: &ArrayRef, row: usize, to: &DataType, times: &Times) -> String {
    let Some(wanted) = ColumnType::of(to) else { return "it does not fit".into() };
    let text = cell_text(given, row);
    if given.data_type().is_binary_like() && text.starts_with("0x") {
        return format!("{} {NO_TEXT}", shortened(&text));
    }
    if wanted == ColumnType::Text
        && let Err(reason) = exact_text(given, row)
    {
        return reason;
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
