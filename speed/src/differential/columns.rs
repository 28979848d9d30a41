//! Values as Arrow columns in the canonical type of their SQL type.

use std::sync::Arc;

use arrow_array::types::{DurationMicrosecondType, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;
use twopath_query::DataType;
use twopath_view::arrow_type;

use super::datum::Datum;

/// A column of these values, which are of type `t` or NULL.
pub fn column<'a>(values: impl Iterator<Item = &'a Datum>, t: DataType) -> ArrayRef {
    let wrong = |value: &Datum| -> ! { panic!("{value:?} in a column of {t:?}") };
    match t {
        DataType::Bool => Arc::new(BooleanArray::from_iter(values.map(|value| match value {
            Datum::Null => None,
            Datum::Bool(v) => Some(*v),
            other => wrong(other),
        }))),
        DataType::Float => Arc::new(Float64Array::from_iter(values.map(|value| match value {
            Datum::Null => None,
            Datum::Float(v) => Some(*v),
            other => wrong(other),
        }))),
        DataType::Text => Arc::new(StringArray::from_iter(values.map(|value| match value {
            Datum::Null => None,
            Datum::Text(v) => Some(v),
            other => wrong(other),
        }))),
        DataType::Int | DataType::Timestamp | DataType::Interval => {
            let values = values.map(|value| match value {
                Datum::Null => None,
                Datum::Int(v) | Datum::Timestamp(v) | Datum::Interval(v) => Some(*v),
                other => wrong(other),
            });
            integers(Int64Array::from_iter(values), t)
        }
        DataType::Decimal { .. } => {
            let values = values.map(|value| match value {
                Datum::Null => None,
                Datum::Decimal { unscaled, .. } => Some(unscaled.get()),
                other => wrong(other),
            });
            Arc::new(Decimal128Array::from_iter(values).with_data_type(arrow_type(t)))
        }
        DataType::Numeric => numeric(values.map(|value| match value {
            Datum::Null => None,
            Datum::Numeric(v) => Some(v.get()),
            other => wrong(other),
        })),
    }
}

/// A column of lists of values of type `t`.
pub fn list<'a>(all: impl Iterator<Item = &'a [Datum]> + Clone, t: DataType) -> ArrayRef {
    lists(all.clone().map(<[Datum]>::len), all.flatten(), t)
}

/// A column of lists of these lengths, which all values of type `t` fill one after the other.
pub fn lists<'a>(lengths: impl Iterator<Item = usize>, values: impl Iterator<Item = &'a Datum>, t: DataType) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths(lengths);
    let values = column(values, t);
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Arc::new(ListArray::new(field, offsets, values, None))
}

/// A column of Numeric.
pub fn numeric(values: impl Iterator<Item = Option<i128>>) -> ArrayRef {
    Arc::new(Decimal128Array::from_iter(values).with_data_type(arrow_type(DataType::Numeric)))
}

/// Integers as a column of Int, Timestamp or Interval.
fn integers(values: Int64Array, t: DataType) -> ArrayRef {
    match t {
        DataType::Timestamp => Arc::new(values.reinterpret_cast::<TimestampMicrosecondType>().with_data_type(arrow_type(t))),
        DataType::Interval => Arc::new(values.reinterpret_cast::<DurationMicrosecondType>()),
        _ => Arc::new(values),
    }
}
