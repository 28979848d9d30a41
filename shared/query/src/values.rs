//! Rows of Arrow record batches as SQL values.
//!
//! This is how single values leave the columns: for the reference interpreter and for printing. It looks a column's Arrow
//! type up once per record batch, and borrows texts.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, LargeStringArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType as Arrow, TimeUnit};

use super::decimal::{DIGITS_MAX, Decimal};
use super::types::{EvalError, Value};

/// One SQL value, its text borrowed where that is possible: [`Value`] without the allocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    Timestamp(i64),
    /// Microseconds.
    Interval(i64),
    Numeric(i128),
    Decimal(Decimal),
}

impl Cell<'_> {
    pub fn into_value(self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Bool(b) => Value::Bool(b),
            Cell::Int(i) => Value::Int(i),
            Cell::Float(f) => Value::Float(f),
            Cell::Text(t) => Value::Text(Arc::from(&*t)),
            Cell::Timestamp(us) => Value::Timestamp(us),
            Cell::Interval(us) => Value::Interval(us),
            Cell::Numeric(n) => Value::Numeric(n),
            Cell::Decimal(d) => Value::Decimal(d),
        }
    }
}

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(b) => Cell::Bool(*b),
            Value::Int(i) => Cell::Int(*i),
            Value::Float(f) => Cell::Float(*f),
            Value::Text(t) => Cell::Text(Cow::Borrowed(t)),
            Value::Timestamp(us) => Cell::Timestamp(*us),
            Value::Interval(us) => Cell::Interval(*us),
            Value::Numeric(n) => Cell::Numeric(*n),
            Value::Decimal(d) => Cell::Decimal(*d),
        }
    }
}

/// The columns of a record batch, ready to be read value by value.
pub struct Columns<'a>(Vec<Column<'a>>);

impl<'a> Columns<'a> {
    pub fn of(batch: &'a RecordBatch) -> Self {
        Columns(batch.columns().iter().map(Column::of).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value in a column and row.
    ///
    /// # Errors
    /// [`EvalError::OutOfRange`] where the stored value has no SQL value: an unsigned integer above `i64::MAX`, a time beyond 64 bits of
    /// microseconds.
    ///
    /// # Panics
    /// Beyond the batch, and for a column that no query can read, which `parse` refuses.
    pub fn get(&self, column: usize, row: usize) -> Result<Cell<'a>, EvalError> {
        self.0[column].get(row)
    }
}

/// The values of one row of a record batch.
///
/// # Errors
/// As [`Columns::get`].
pub fn row(batch: &RecordBatch, row: usize) -> Result<Vec<Value>, EvalError> {
    batch.columns().iter().map(|c| Ok(Column::of(c).get(row)?.into_value())).collect()
}

/// All rows of a record batch.
///
/// # Errors
/// As [`Columns::get`].
pub fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, EvalError> {
    let columns = Columns::of(batch);
    let row = |row| (0..columns.len()).map(|c| Ok(columns.get(c, row)?.into_value())).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// One column, by the way its values are read.
struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Bool(&'a BooleanArray),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    /// The row's number in a dictionary, and the dictionary.
    Dictionary(Vec<usize>, &'a StringArray),
    /// Days since 1970.
    Days(&'a [i32]),
    /// Times since 1970, with the length of their unit.
    Timestamp(&'a [i64], Unit),
    Interval(&'a [i64], Unit),
    Numeric(&'a [i128]),
    /// With its scale.
    Decimal(&'a [i128], u8),
    Unreadable(Arrow),
}

/// The length of a time unit against the microsecond.
#[derive(Clone, Copy)]
enum Unit {
    Microseconds(i64),
    Nanoseconds,
}

impl Unit {
    fn of(unit: TimeUnit) -> Self {
        match unit {
            TimeUnit::Second => Unit::Microseconds(1_000_000),
            TimeUnit::Millisecond => Unit::Microseconds(1_000),
            TimeUnit::Microsecond => Unit::Microseconds(1),
            TimeUnit::Nanosecond => Unit::Nanoseconds,
        }
    }

    fn microseconds(self, count: i64) -> Result<i64, EvalError> {
        match self {
            Unit::Microseconds(us) => count.checked_mul(us).ok_or(EvalError::OutOfRange),
            Unit::Nanoseconds => Ok(count.div_euclid(1_000)),
        }
    }
}

fn slice<T: ArrowPrimitiveType>(array: &ArrayRef) -> &[T::Native] {
    let array: &PrimitiveArray<T> = array.as_primitive();
    array.values()
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        let values = match array.data_type() {
            Arrow::Boolean => Values::Bool(array.as_boolean()),
            Arrow::Int8 => Values::I8(slice::<Int8Type>(array)),
            Arrow::Int16 => Values::I16(slice::<Int16Type>(array)),
            Arrow::Int32 => Values::I32(slice::<Int32Type>(array)),
            Arrow::Int64 => Values::I64(slice::<Int64Type>(array)),
            Arrow::UInt8 => Values::U8(slice::<UInt8Type>(array)),
            Arrow::UInt16 => Values::U16(slice::<UInt16Type>(array)),
            Arrow::UInt32 => Values::U32(slice::<UInt32Type>(array)),
            Arrow::UInt64 => Values::U64(slice::<UInt64Type>(array)),
            Arrow::Float32 => Values::F32(slice::<Float32Type>(array)),
            Arrow::Float64 => Values::F64(slice::<Float64Type>(array)),
            Arrow::Utf8 => Values::Text(array.as_string()),
            Arrow::LargeUtf8 => Values::LargeText(array.as_string()),
            Arrow::Utf8View => Values::TextView(array.as_string_view()),
            Arrow::Dictionary(_, value) if **value == Arrow::Utf8 => {
                let dictionary = array.as_any_dictionary();
                Values::Dictionary(dictionary.normalized_keys(), dictionary.values().as_string())
            }
            Arrow::Date32 => Values::Days(slice::<Date32Type>(array)),
            Arrow::Date64 => Values::Timestamp(slice::<Date64Type>(array), Unit::Microseconds(1_000)),
            Arrow::Timestamp(unit, _) => {
                let values = match unit {
                    TimeUnit::Second => slice::<TimestampSecondType>(array),
                    TimeUnit::Millisecond => slice::<TimestampMillisecondType>(array),
                    TimeUnit::Microsecond => slice::<TimestampMicrosecondType>(array),
                    TimeUnit::Nanosecond => slice::<TimestampNanosecondType>(array),
                };
                Values::Timestamp(values, Unit::of(*unit))
            }
            Arrow::Duration(unit) => {
                let values = match unit {
                    TimeUnit::Second => slice::<DurationSecondType>(array),
                    TimeUnit::Millisecond => slice::<DurationMillisecondType>(array),
                    TimeUnit::Microsecond => slice::<DurationMicrosecondType>(array),
                    TimeUnit::Nanosecond => slice::<DurationNanosecondType>(array),
                };
                Values::Interval(values, Unit::of(*unit))
            }
            Arrow::Decimal128(DIGITS_MAX, 0) => Values::Numeric(slice::<Decimal128Type>(array)),
            Arrow::Decimal128(_, scale @ 0..) => Values::Decimal(slice::<Decimal128Type>(array), scale.unsigned_abs()),
            other => Values::Unreadable(other.clone()),
        };
        Column { nulls: array.nulls().filter(|n| n.null_count() > 0), values }
    }

    fn get(&self, row: usize) -> Result<Cell<'a>, EvalError> {
        if self.nulls.is_some_and(|n| n.is_null(row)) {
            return Ok(Cell::Null);
        }
        Ok(match &self.values {
            Values::Bool(a) => Cell::Bool(a.value(row)),
            Values::I8(a) => Cell::Int(a[row].into()),
            Values::I16(a) => Cell::Int(a[row].into()),
            Values::I32(a) => Cell::Int(a[row].into()),
            Values::I64(a) => Cell::Int(a[row]),
            Values::U8(a) => Cell::Int(a[row].into()),
            Values::U16(a) => Cell::Int(a[row].into()),
            Values::U32(a) => Cell::Int(a[row].into()),
            Values::U64(a) => Cell::Int(a[row].try_into().map_err(|_| EvalError::OutOfRange)?),
            Values::F32(a) => Cell::Float(a[row].into()),
            Values::F64(a) => Cell::Float(a[row]),
            Values::Text(a) => Cell::Text(Cow::Borrowed(a.value(row))),
            Values::LargeText(a) => Cell::Text(Cow::Borrowed(a.value(row))),
            Values::TextView(a) => Cell::Text(Cow::Borrowed(a.value(row))),
            Values::Dictionary(keys, values) if values.is_null(keys[row]) => Cell::Null,
            Values::Dictionary(keys, values) => Cell::Text(Cow::Borrowed(values.value(keys[row]))),
            Values::Days(a) => Cell::Timestamp(i64::from(a[row]).checked_mul(super::time::US_PER_DAY).ok_or(EvalError::OutOfRange)?),
            Values::Timestamp(a, unit) => Cell::Timestamp(unit.microseconds(a[row])?),
            Values::Interval(a, unit) => Cell::Interval(unit.microseconds(a[row])?),
            Values::Numeric(a) => Cell::Numeric(a[row]),
            Values::Decimal(a, scale) => Cell::Decimal(Decimal { unscaled: a[row], scale: *scale }),
            Values::Unreadable(t) => panic!("no query reads columns of type {t}: parse refuses them"),
        })
    }
}
