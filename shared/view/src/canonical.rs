//! The one Arrow type per SQL type in which values are handed over, and their form as ordered 64-bit integers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, DurationMicrosecondType, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray};
use arrow_buffer::NullBuffer;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType as ArrowType, TimeUnit};

use twopath_query::time::US_PER_DAY;
use twopath_query::{DataType, EvalError, Value};

/// The Arrow type in which the engines hand over values of a SQL type: Boolean, Int64, Float64, Utf8, Timestamp(Microsecond, "UTC"),
/// Duration(Microsecond), Decimal128 of the precision and scale (of Numeric 38 and 0).
pub fn arrow_type(t: DataType) -> ArrowType {
    match t {
        DataType::Bool => ArrowType::Boolean,
        DataType::Int => ArrowType::Int64,
        DataType::Float => ArrowType::Float64,
        DataType::Text => ArrowType::Utf8,
        DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Interval => ArrowType::Duration(TimeUnit::Microsecond),
        DataType::Numeric => ArrowType::Decimal128(38, 0),
        DataType::Decimal { precision, scale } => ArrowType::Decimal128(precision, scale as i8),
    }
}

/// Whether `array` already is in the canonical type of `t`.
pub fn is_canonical(array: &dyn Array, t: DataType) -> bool {
    match (t, array.data_type()) {
        (DataType::Bool, ArrowType::Boolean)
        | (DataType::Int, ArrowType::Int64)
        | (DataType::Float, ArrowType::Float64)
        | (DataType::Text, ArrowType::Utf8)
        | (DataType::Interval, ArrowType::Duration(TimeUnit::Microsecond))
        | (DataType::Numeric, ArrowType::Decimal128(38, 0)) => true,
        (DataType::Decimal { precision, scale }, ArrowType::Decimal128(p, s)) => *p == precision && *s == scale as i8,
        (DataType::Timestamp, ArrowType::Timestamp(TimeUnit::Microsecond, Some(zone))) => zone.as_ref() == "UTC",
        _ => false,
    }
}

/// A topic's column in the canonical type of `t`, from any of the Arrow types that [`DataType`] names. Free where it has that type
/// already. Times are rounded down to microseconds; what does not fit 64 bits is [`EvalError::OutOfRange`].
pub fn canonical(array: &ArrayRef, t: DataType) -> Result<ArrayRef, EvalError> {
    if is_canonical(array.as_ref(), t) {
        return Ok(array.clone());
    }
    if !matches!(t, DataType::Timestamp | DataType::Interval) {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        return cast_with_options(array, &arrow_type(t), &options).map_err(|_| EvalError::OutOfRange);
    }
    let (units, us_per_unit) = match array.data_type() {
        ArrowType::Timestamp(unit, _) | ArrowType::Duration(unit) => (bare_i64(array), us_per(*unit)),
        ArrowType::Date64 => (bare_i64(array), us_per(TimeUnit::Millisecond)),
        ArrowType::Date32 => (array.as_primitive::<Date32Type>().unary(i64::from), Some(US_PER_DAY)),
        other => panic!("a column of type {other} is no {t:?}: the schema and the query disagree"),
    };
    let us = match us_per_unit {
        None => units.unary(|v: i64| v.div_euclid(1_000)),
        Some(1) => units,
        Some(us) => units.try_unary(|v: i64| v.checked_mul(us).ok_or(EvalError::OutOfRange))?,
    };
    Ok(from_i64(us, t))
}

/// Microseconds in a unit; `None` for nanoseconds.
fn us_per(unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => Some(1_000_000),
        TimeUnit::Millisecond => Some(1_000),
        TimeUnit::Microsecond => Some(1),
        TimeUnit::Nanosecond => None,
    }
}

/// The integers in memory of a column of times, whatever they mean.
fn bare_i64(array: &ArrayRef) -> Int64Array {
    let data = array.to_data().into_builder().data_type(ArrowType::Int64).build().expect("times of 64 bits are integers of 64 bits");
    Int64Array::from(data)
}

/// A boolean, integer, float, timestamp or interval column as integers of the same order: NaN is greatest and equals itself, -0.0 is
/// 0.0. Equal integers are equal SQL values. The inverse is [`from_ordinals`].
pub fn ordinals(array: &dyn Array) -> Int64Array {
    match array.data_type() {
        ArrowType::Boolean => {
            let a = array.as_boolean();
            Int64Array::new(a.values().iter().map(i64::from).collect(), a.nulls().cloned())
        }
        ArrowType::Float64 => array.as_primitive::<Float64Type>().unary(float_ordinal),
        _ => as_i64(array),
    }
}

/// Columns that are 64-bit integers in memory, as such: Int64, timestamps and intervals.
pub fn as_i64(array: &dyn Array) -> Int64Array {
    match array.data_type() {
        ArrowType::Int64 => array.as_primitive::<Int64Type>().clone(),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast(),
        ArrowType::Duration(TimeUnit::Microsecond) => array.as_primitive::<DurationMicrosecondType>().reinterpret_cast(),
        other => panic!("{other} is not a canonical type of 64-bit integers"),
    }
}

/// Integers as a column of Int, Timestamp or Interval.
pub fn from_i64(values: Int64Array, t: DataType) -> ArrayRef {
    match t {
        DataType::Int => Arc::new(values),
        DataType::Timestamp => {
            Arc::new(values.reinterpret_cast::<TimestampMicrosecondType>().with_data_type(arrow_type(DataType::Timestamp)))
        }
        DataType::Interval => Arc::new(values.reinterpret_cast::<DurationMicrosecondType>()),
        _ => panic!("{t:?} is not made of 64-bit integers"),
    }
}

/// The column whose [`ordinals`] are given.
pub fn from_ordinals(values: Vec<i64>, nulls: Option<NullBuffer>, t: DataType) -> ArrayRef {
    match t {
        DataType::Bool => Arc::new(BooleanArray::new(values.into_iter().map(|v| v != 0).collect(), nulls)),
        DataType::Float => Arc::new(Float64Array::new(values.into_iter().map(ordinal_float).collect(), nulls)),
        _ => from_i64(Int64Array::new(values.into(), nulls), t),
    }
}

/// The place of a float in the order of all floats, NaN last. Flipping the lower bits of negative numbers makes their order that of
/// two's complement integers.
pub fn float_ordinal(v: f64) -> i64 {
    let v = if v.is_nan() {
        f64::NAN.copysign(1.0)
    } else if v == 0.0 {
        0.0
    } else {
        v
    };
    let bits = v.to_bits() as i64;
    bits ^ (bits >> 63 & i64::MAX)
}

/// The inverse of [`float_ordinal`].
pub fn ordinal_float(ordinal: i64) -> f64 {
    f64::from_bits((ordinal ^ (ordinal >> 63 & i64::MAX)) as u64)
}

/// The ordinal of a value of type `t`; `None` where the value is NULL, text, or of another type.
pub fn value_ordinal(value: &Value, t: DataType) -> Option<i64> {
    match (value, t) {
        (Value::Bool(v), DataType::Bool) => Some(i64::from(*v)),
        (Value::Int(v), DataType::Int) | (Value::Timestamp(v), DataType::Timestamp) | (Value::Interval(v), DataType::Interval) => Some(*v),
        (Value::Float(v), DataType::Float) => Some(float_ordinal(*v)),
        _ => None,
    }
}

/// The value of type `t` with this ordinal.
pub fn ordinal_value(ordinal: i64, t: DataType) -> Value {
    match t {
        DataType::Bool => Value::Bool(ordinal != 0),
        DataType::Int => Value::Int(ordinal),
        DataType::Float => Value::Float(ordinal_float(ordinal)),
        DataType::Timestamp => Value::Timestamp(ordinal),
        DataType::Interval => Value::Interval(ordinal),
        DataType::Text | DataType::Numeric | DataType::Decimal { .. } => panic!("{t:?} has no ordinals"),
    }
}

/// Integers as a Numeric column.
pub fn numeric(values: Vec<i128>, nulls: Option<NullBuffer>) -> Decimal128Array {
    Decimal128Array::new(values.into(), nulls).with_data_type(arrow_type(DataType::Numeric))
}

/// A column of a decimal type from unscaled values.
pub fn from_unscaled(values: Vec<i128>, nulls: Option<NullBuffer>, t: DataType) -> ArrayRef {
    Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(arrow_type(t)))
}

/// A column of one row.
pub fn one_row(value: &Value, t: DataType) -> ArrayRef {
    match value {
        Value::Null => arrow_array::new_null_array(&arrow_type(t), 1),
        Value::Bool(v) => Arc::new(BooleanArray::from(vec![*v])),
        Value::Int(v) | Value::Timestamp(v) | Value::Interval(v) => from_i64(Int64Array::from(vec![*v]), t),
        Value::Float(v) => Arc::new(Float64Array::from(vec![*v])),
        Value::Text(v) => Arc::new(StringArray::from(vec![v.as_ref()])),
        Value::Numeric(v) => Arc::new(numeric(vec![*v], None)),
        Value::Decimal(v) => from_unscaled(vec![v.unscaled], None, t),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_keep_their_order() {
        let sorted = [f64::NEG_INFINITY, -1e300, -1.5, -f64::MIN_POSITIVE, 0.0, f64::MIN_POSITIVE, 1.5, f64::INFINITY, f64::NAN];
        for pair in sorted.windows(2) {
            assert!(float_ordinal(pair[0]) < float_ordinal(pair[1]), "{pair:?}");
        }
        assert_eq!(float_ordinal(-0.0), float_ordinal(0.0));
        assert_eq!(float_ordinal(f64::NAN), float_ordinal(-f64::NAN));
        for v in &sorted[..8] {
            assert_eq!(ordinal_float(float_ordinal(*v)), *v);
        }
    }
}
