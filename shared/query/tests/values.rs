//! Rows of record batches as SQL values: every Arrow type that a topic may have.

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::*;
use arrow_schema::DataType as Arrow;
use twopath_query::values::{row, rows};
use twopath_query::{DataType, EvalError, Value, column_type};

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().enumerate().map(|(i, c)| (format!("c{i}"), c, true))).unwrap()
}

/// The values of a column, the last of which is NULL.
fn column(array: ArrayRef) -> Vec<Value> {
    rows(&batch(vec![array])).unwrap().into_iter().map(|r| r[0].clone()).collect()
}

#[test]
fn whole_numbers_of_every_width() {
    macro_rules! check {
        ($($array:ty: $low:expr, $high:expr;)*) => { $(
            let array: $array = vec![Some($low), Some($high), None].into();
            assert_eq!(column_type(array.data_type()), Some(DataType::Int));
            assert_eq!(column(Arc::new(array)), [Value::Int($low as i64), Value::Int($high as i64), Value::Null]);
        )* };
    }
    check! {
        Int8Array: i8::MIN, i8::MAX;
        Int16Array: i16::MIN, i16::MAX;
        Int32Array: i32::MIN, i32::MAX;
        Int64Array: i64::MIN, i64::MAX;
        UInt8Array: 0, u8::MAX;
        UInt16Array: 0, u16::MAX;
        UInt32Array: 0, u32::MAX;
        UInt64Array: 0, i64::MAX as u64;
    }
    let beyond = batch(vec![Arc::new(UInt64Array::from(vec![1, u64::MAX]))]);
    assert_eq!(row(&beyond, 0), Ok(vec![Value::Int(1)]));
    assert_eq!(row(&beyond, 1), Err(EvalError::OutOfRange));
}

#[test]
fn texts_floats_and_truth() {
    let texts = [Some("é"), Some(""), None];
    let values = [Value::Text("é".into()), Value::Text("".into()), Value::Null];
    assert_eq!(column(Arc::new(StringArray::from_iter(texts))), values);
    assert_eq!(column(Arc::new(LargeStringArray::from_iter(texts))), values);
    assert_eq!(column(Arc::new(StringViewArray::from_iter(texts))), values);
    assert_eq!(column(Arc::new(DictionaryArray::<Int8Type>::from_iter(texts))), values);
    let null_in_dictionary = StringArray::from(vec![Some("a"), None]);
    let dictionary = DictionaryArray::new(Int8Array::from(vec![0, 1]), Arc::new(null_in_dictionary));
    assert_eq!(column(Arc::new(dictionary)), [Value::Text("a".into()), Value::Null]);
    assert_eq!(column(Arc::new(Float32Array::from(vec![Some(0.5), None]))), [Value::Float(0.5), Value::Null]);
    assert_eq!(column(Arc::new(Float64Array::from(vec![Some(0.1), None]))), [Value::Float(0.1), Value::Null]);
    assert_eq!(column(Arc::new(BooleanArray::from(vec![Some(true), None]))), [Value::Bool(true), Value::Null]);
    let wide = Decimal128Array::from(vec![Some(-(10_i128.pow(37))), None]).with_precision_and_scale(38, 0).unwrap();
    assert_eq!(column(Arc::new(wide)), [Value::Numeric(-(10_i128.pow(37))), Value::Null]);
}

#[test]
fn times_of_every_unit() {
    let us = |t: i64| vec![Value::Timestamp(t), Value::Null];
    assert_eq!(column(Arc::new(TimestampSecondArray::from(vec![Some(-2), None]))), us(-2_000_000));
    assert_eq!(column(Arc::new(TimestampMillisecondArray::from(vec![Some(-2), None]))), us(-2_000));
    assert_eq!(column(Arc::new(TimestampMicrosecondArray::from(vec![Some(-2), None]).with_timezone("UTC"))), us(-2));
    assert_eq!(column(Arc::new(TimestampNanosecondArray::from(vec![Some(-2), None]))), us(-1), "rounded down");
    assert_eq!(column(Arc::new(Date32Array::from(vec![Some(-1), None]))), us(-86_400_000_000));
    assert_eq!(column(Arc::new(Date64Array::from(vec![Some(86_400_000), None]))), us(86_400_000_000));
    let interval = |t: i64| vec![Value::Interval(t), Value::Null];
    assert_eq!(column(Arc::new(DurationSecondArray::from(vec![Some(3), None]))), interval(3_000_000));
    assert_eq!(column(Arc::new(DurationNanosecondArray::from(vec![Some(-1), None]))), interval(-1));
    let beyond = batch(vec![Arc::new(TimestampSecondArray::from(vec![i64::MAX]))]);
    assert_eq!(row(&beyond, 0), Err(EvalError::OutOfRange));
}

#[test]
fn slices_are_read_from_their_start() {
    let whole = batch(vec![Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])), Arc::new(StringArray::from(vec!["a", "b", "c"]))]);
    let slice = whole.slice(1, 2);
    assert_eq!(row(&slice, 0), Ok(vec![Value::Null, Value::Text("b".into())]));
    assert_eq!(row(&slice, 1), Ok(vec![Value::Int(3), Value::Text("c".into())]));
}

#[test]
fn what_no_query_reads() {
    for arrow in [
        Arrow::Binary,
        Arrow::Null,
        Arrow::Float16,
        Arrow::Decimal128(10, -2),
        Arrow::Decimal256(40, 2),
        Arrow::Time32(arrow_schema::TimeUnit::Second),
    ] {
        assert_eq!(column_type(&arrow), None, "{arrow}");
    }
}
