//! CAST.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, PrimitiveArray, StringArray, make_array};

use super::calendar::{DAY_US, Date, HOUR_US, MINUTE_US, SECOND_US};
use super::canonical::{from_i64, numeric, value_at};
use crate::query::{DataType, EvalError, Value};

/// `CAST(array AS to)` from one canonical type to another.
pub fn cast(array: &dyn Array, from: DataType, to: DataType) -> Result<ArrayRef, EvalError> {
    use DataType::*;
    Ok(match (from, to) {
        _ if from == to => make_array(array.to_data()),
        (Text, _) => return from_text(array.as_string(), to),
        (_, Text) => to_text(array),
        (Bool, Int) => {
            let a = array.as_boolean();
            Arc::new(Int64Array::new(a.values().iter().map(i64::from).collect(), a.nulls().cloned()))
        }
        (Int, Bool) => {
            let a = array.as_primitive::<Int64Type>();
            Arc::new(BooleanArray::new(a.values().iter().map(|&v| v != 0).collect(), a.nulls().cloned()))
        }
        (Int, Float) => Arc::new(array.as_primitive::<Int64Type>().unary::<_, Float64Type>(|v| v as f64)),
        (Int, Numeric) => {
            let a = array.as_primitive::<Int64Type>();
            Arc::new(numeric(a.values().iter().map(|&v| i128::from(v)).collect(), a.nulls().cloned()))
        }
        (Float, Int) => Arc::new(array.as_primitive::<Float64Type>().try_unary::<_, Int64Type, _>(float_to_int)?),
        (Float, Numeric) => {
            let values: PrimitiveArray<Decimal128Type> = array.as_primitive::<Float64Type>().try_unary(float_to_numeric)?;
            let (_, values, nulls) = values.into_parts();
            Arc::new(numeric(values.to_vec(), nulls))
        }
        (Numeric, Int) => Arc::new(
            array.as_primitive::<Decimal128Type>().try_unary::<_, Int64Type, _>(|v| i64::try_from(v).map_err(|_| EvalError::OutOfRange))?,
        ),
        (Numeric, Float) => Arc::new(array.as_primitive::<Decimal128Type>().unary::<_, Float64Type>(|v| v as f64)),
        _ => panic!("the parser refuses a cast from {from:?} to {to:?}"),
    })
}

/// Half to even, as PostgreSQL rounds floats.
fn float_to_int(v: f64) -> Result<i64, EvalError> {
    let rounded = v.round_ties_even();
    // 2^63 is a float, the largest i64 is none.
    if rounded >= -9_223_372_036_854_775_808.0 && rounded < 9_223_372_036_854_775_808.0 {
        Ok(rounded as i64)
    } else {
        Err(EvalError::OutOfRange)
    }
}

fn float_to_numeric(v: f64) -> Result<i128, EvalError> {
    let rounded = v.round_ties_even();
    if rounded.abs() < 1e38 { Ok(rounded as i128) } else { Err(EvalError::OutOfRange) }
}

fn to_text(array: &dyn Array) -> ArrayRef {
    let mut out = StringBuilder::new();
    for row in 0..array.len() {
        out.append_option(text_of(&value_at(array, row)));
    }
    Arc::new(out.finish())
}

/// A value as PostgreSQL prints it; `None` for NULL. Timestamps are `2013-01-31 23:59:00`, in UTC.
pub fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Float(v) => float_text(*v),
        Value::Text(v) => v.to_string(),
        Value::Timestamp(v) => timestamp_text(*v),
        Value::Interval(v) => interval_text(*v),
        Value::Numeric(v) => v.to_string(),
    })
}

/// The fewest digits that read back the same; with an exponent from 1e15 and below 1e-4.
fn float_text(v: f64) -> String {
    if v.is_nan() {
        return "NaN".into();
    }
    if v.is_infinite() {
        return if v > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let scientific = format!("{v:e}");
    let (digits, exponent) = scientific.split_once('e').expect("{:e} has an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} has an exponent");
    if v != 0.0 && !(-4..15).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    } else {
        v.to_string()
    }
}

fn timestamp_text(us: i64) -> String {
    let date = Date::from_days(us.div_euclid(DAY_US));
    let (year, era) = if date.year > 0 { (date.year, "") } else { (1 - date.year, " BC") };
    format!("{year:04}-{:02}-{:02} {}{era}", date.month, date.day, clock_text(us.rem_euclid(DAY_US)))
}

fn interval_text(us: i64) -> String {
    let (days, rest) = (us / DAY_US, us % DAY_US);
    let sign = if rest < 0 { "-" } else { "" };
    let clock = format!("{sign}{}", clock_text(rest.abs()));
    match (days, rest) {
        (0, _) => clock,
        (1 | -1, 0) => format!("{days} day{}", if days < 0 { "s" } else { "" }),
        (_, 0) => format!("{days} days"),
        (1, _) => format!("{days} day {clock}"),
        (_, _) => format!("{days} days {clock}"),
    }
}

/// `23:59:00`, with as many decimals as needed.
fn clock_text(us: i64) -> String {
    let (hour, minute, second, fraction) = (us / HOUR_US, us % HOUR_US / MINUTE_US, us % MINUTE_US / SECOND_US, us % SECOND_US);
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    if fraction == 0 { clock } else { format!("{clock}.{fraction:06}").trim_end_matches('0').into() }
}

fn from_text(array: &StringArray, to: DataType) -> Result<ArrayRef, EvalError> {
    Ok(match to {
        DataType::Int => Arc::new(parsed::<Int64Type>(array, parse_int)?),
        DataType::Float => Arc::new(parsed::<Float64Type>(array, parse_float)?),
        DataType::Timestamp => from_i64(parsed::<Int64Type>(array, parse_timestamp)?, to),
        DataType::Bool => {
            let values = parsed::<Int64Type>(array, |text| parse_bool(text).map(i64::from))?;
            Arc::new(BooleanArray::new(values.values().iter().map(|&v| v != 0).collect(), values.nulls().cloned()))
        }
        DataType::Numeric => {
            let (_, values, nulls) = parsed::<Decimal128Type>(array, parse_numeric)?.into_parts();
            Arc::new(numeric(values.to_vec(), nulls))
        }
        DataType::Text | DataType::Interval => panic!("the parser refuses a cast from text to {to:?}"),
    })
}

fn parsed<T: ArrowPrimitiveType>(
    array: &StringArray,
    parse: impl Fn(&str) -> Result<T::Native, EvalError>,
) -> Result<PrimitiveArray<T>, EvalError> {
    let values = array.iter().map(|text| text.map_or(Ok(T::default_value()), &parse)).collect::<Result<Vec<_>, _>>()?;
    Ok(PrimitiveArray::new(values.into(), array.nulls().cloned()))
}

fn invalid(text: &str, to: DataType) -> EvalError {
    EvalError::InvalidText { text: text.into(), to }
}

fn parse_int(text: &str) -> Result<i64, EvalError> {
    i64::try_from(parse_integer(text, DataType::Int)?).map_err(|_| EvalError::OutOfRange)
}

fn parse_numeric(text: &str) -> Result<i128, EvalError> {
    parse_integer(text, DataType::Numeric)
}

fn parse_integer(text: &str, to: DataType) -> Result<i128, EvalError> {
    let trimmed = text.trim_ascii();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(text, to));
    }
    trimmed.parse().map_err(|_| EvalError::OutOfRange)
}

fn parse_float(text: &str) -> Result<f64, EvalError> {
    let trimmed = text.trim_ascii();
    let v: f64 = trimmed.parse().map_err(|_| invalid(text, DataType::Float))?;
    // Digits that become infinite are too large; the word is infinity itself.
    if v.is_infinite() && trimmed.bytes().any(|b| b.is_ascii_digit()) { Err(EvalError::OutOfRange) } else { Ok(v) }
}

fn parse_bool(text: &str) -> Result<bool, EvalError> {
    let word = text.trim_ascii().to_ascii_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid(text, DataType::Bool))
    }
}

/// `2013-01-31`, `2013-01-31 23:59`, `2013-01-31T23:59:00.123456Z`, `2013-01-31 23:59:00+01:00`. Without an offset it is UTC.
pub fn parse_timestamp(text: &str) -> Result<i64, EvalError> {
    let error = || invalid(text, DataType::Timestamp);
    let trimmed = text.trim_ascii();
    let (date, clock) = trimmed.split_once(['T', 't', ' ']).unwrap_or((trimmed, ""));
    let mut parts = date.splitn(3, '-');
    let mut number = |digits: usize| parts.next().and_then(|p| fixed_digits(p, digits)).ok_or_else(error);
    let date = Date { year: number(4)?, month: number(2)?, day: number(2)? };
    if !date.exists() || date.year == 0 {
        return Err(error());
    }
    Ok(date.days() * DAY_US + parse_clock(clock.trim_ascii()).ok_or_else(error)?)
}

/// Microseconds since midnight UTC of `23:59:00.5+01:00`, less the offset.
fn parse_clock(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (clock, offset_us) = match text.find(['Z', 'z', '+', '-']) {
        None => (text, 0),
        Some(at) if text[at..].eq_ignore_ascii_case("z") => (&text[..at], 0),
        Some(at) => {
            let (hours, minutes) = text[at + 1..].split_once(':').unwrap_or((&text[at + 1..], "00"));
            let offset = fixed_digits(hours, 2)? * HOUR_US + fixed_digits(minutes, 2)? * MINUTE_US;
            (&text[..at], if text.as_bytes()[at] == b'-' { -offset } else { offset })
        }
    };
    let mut parts = clock.trim_ascii_end().splitn(3, ':');
    let hour = fixed_digits(parts.next()?, 2)?;
    let minute = fixed_digits(parts.next()?, 2)?;
    let seconds = parts.next().unwrap_or("00");
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let second = fixed_digits(second, 2)?;
    if hour > 23 || minute > 59 || second > 59 || fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").parse().ok()? };
    Some(hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + micros - offset_us)
}

fn fixed_digits(text: &str, digits: usize) -> Option<i64> {
    if text.len() == digits && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}
