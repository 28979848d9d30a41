//! Single values as a column.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::NullBuffer;

use super::canonical::{from_i64, numeric};
use twopath_query::{DataType, Value};

/// A column of these values in the canonical type of `t`.
///
/// # Panics
/// If one of them is neither NULL nor of type `t`.
pub fn column_of<'a>(values: impl Iterator<Item = &'a Value>, t: DataType) -> ArrayRef {
    let wrong = |value: &Value| -> ! { panic!("{value:?} in a column of {t:?}") };
    match t {
        DataType::Bool => Arc::new(BooleanArray::from_iter(values.map(|v| match v {
            Value::Bool(v) => Some(*v),
            Value::Null => None,
            other => wrong(other),
        }))),
        DataType::Float => Arc::new(Float64Array::from_iter(values.map(|v| match v {
            Value::Float(v) => Some(*v),
            Value::Null => None,
            other => wrong(other),
        }))),
        DataType::Text => Arc::new(StringArray::from_iter(values.map(|v| match v {
            Value::Text(v) => Some(v),
            Value::Null => None,
            other => wrong(other),
        }))),
        DataType::Int | DataType::Timestamp | DataType::Interval => {
            let values = Int64Array::from_iter(values.map(|v| match (v, t) {
                (Value::Int(v), DataType::Int) | (Value::Timestamp(v), DataType::Timestamp) | (Value::Interval(v), DataType::Interval) => {
                    Some(*v)
                }
                (Value::Null, _) => None,
                (other, _) => wrong(other),
            }));
            from_i64(values, t)
        }
        DataType::Numeric | DataType::Decimal { .. } => {
            let values: Vec<Option<i128>> = values
                .map(|v| match v {
                    Value::Numeric(v) => Some(*v),
                    Value::Decimal(v) if t.decimal_scale() == Some(v.scale) => Some(v.unscaled),
                    Value::Null => None,
                    other => wrong(other),
                })
                .collect();
            let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
            let values = numeric(values.into_iter().map(Option::unwrap_or_default).collect(), Some(nulls));
            Arc::new(values.with_data_type(super::canonical::arrow_type(t)))
        }
    }
}
