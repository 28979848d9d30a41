//! CAST.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, PrimitiveArray, StringArray};

use super::canonical::{as_i64, from_i64, numeric};
use twopath_query::time::{format_timestamp, parse_timestamp};
use twopath_query::{DataType, EvalError, parse_float};

/// `CAST(array AS to)` from one canonical type to another; the pairs are those of [`twopath_query::ExprKind::Cast`].
pub fn cast(array: &ArrayRef, from: DataType, to: DataType) -> Result<ArrayRef, EvalError> {
    use DataType::*;
    Ok(match (from, to) {
        _ if from == to => array.clone(),
        (Decimal { .. }, _) | (_, Decimal { .. }) | (Float | Text, Numeric) | (Numeric, Text) => super::decimal::cast(array, from, to)?,
        (Bool, Int) => {
            let a = array.as_boolean();
            Arc::new(Int64Array::new(a.values().iter().map(i64::from).collect(), a.nulls().cloned()))
        }
        (Bool, Text) => Arc::new(array.as_boolean().iter().map(|v| v.map(|v| if v { "true" } else { "false" })).collect::<StringArray>()),
        (Int, Float) => Arc::new(array.as_primitive::<Int64Type>().unary::<_, Float64Type>(|v| v as f64)),
        (Int, Numeric) => {
            let a = array.as_primitive::<Int64Type>();
            Arc::new(numeric(a.values().iter().map(|&v| i128::from(v)).collect(), a.nulls().cloned()))
        }
        (Int, Text) => Arc::new(array.as_primitive::<Int64Type>().iter().map(|v| v.map(|v| v.to_string())).collect::<StringArray>()),
        (Float, Int) => Arc::new(array.as_primitive::<Float64Type>().try_unary::<_, Int64Type, _>(float_to_int)?),
        (Numeric, Int) => {
            let narrow = |v: i128| i64::try_from(v).map_err(|_| EvalError::OutOfRange);
            Arc::new(array.as_primitive::<Decimal128Type>().try_unary::<_, Int64Type, _>(narrow)?)
        }
        (Numeric, Float) => Arc::new(array.as_primitive::<Decimal128Type>().unary::<_, Float64Type>(|v| v as f64)),
        (Text, Int) => Arc::new(parsed::<Int64Type>(array.as_string(), parse_int)?),
        (Text, Float) => Arc::new(parsed::<Float64Type>(array.as_string(), parse_float)?),
        (Float, Text) => Arc::new(array.as_primitive::<Float64Type>().iter().map(|v| v.map(float_text)).collect::<StringArray>()),
        (Timestamp, Text) => Arc::new(as_i64(array.as_ref()).iter().map(|us| us.map(format_timestamp)).collect::<StringArray>()),
        (Text, Timestamp) => {
            let read = |text: &str| parse_timestamp(text).ok_or_else(|| EvalError::InvalidText { text: text.into(), to });
            from_i64(parsed::<Int64Type>(array.as_string(), read)?, Timestamp)
        }
        (Text, Bool) => {
            let texts: &StringArray = array.as_string();
            Arc::new(texts.iter().map(|text| text.map(parse_bool).transpose()).collect::<Result<BooleanArray, _>>()?)
        }
        _ => panic!("the parser refuses a cast from {from:?} to {to:?}"),
    })
}

/// Half to even, as PostgreSQL rounds floats.
fn float_to_int(v: f64) -> Result<i64, EvalError> {
    /// 2^63, which is a float where the largest i64 is none.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let rounded = v.round_ties_even();
    if (-LIMIT..LIMIT).contains(&rounded) { Ok(rounded as i64) } else { Err(EvalError::OutOfRange) }
}

fn parsed<T: ArrowPrimitiveType>(
    array: &StringArray,
    parse: impl Fn(&str) -> Result<T::Native, EvalError>,
) -> Result<PrimitiveArray<T>, EvalError> {
    let values = array.iter().map(|text| text.map_or(Ok(T::default_value()), &parse)).collect::<Result<Vec<_>, _>>()?;
    Ok(PrimitiveArray::new(values.into(), array.nulls().cloned()))
}

/// Any beginning of the words that says which it is.
fn parse_bool(text: &str) -> Result<bool, EvalError> {
    let word = text.trim_ascii().to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(EvalError::InvalidText { text: text.into(), to: DataType::Bool })
    }
}

/// The fewest digits that give the float back, with an exponent where it is small or large.
fn float_text(v: f64) -> String {
    if v.is_nan() {
        return "NaN".to_owned();
    }
    if v.is_infinite() {
        return if v > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{v:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("this form has an exponent");
    let exponent: i32 = exponent.parse().expect("a whole number");
    if (-4..15).contains(&exponent) {
        return v.to_string();
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn parse_int(text: &str) -> Result<i64, EvalError> {
    let trimmed = text.trim_ascii();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EvalError::InvalidText { text: text.into(), to: DataType::Int });
    }
    trimmed.parse().map_err(|_| EvalError::OutOfRange)
}
