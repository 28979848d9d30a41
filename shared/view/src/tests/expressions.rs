//! Expressions with the values that PostgreSQL gives, worked out by hand.

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::*;
use arrow_cast::cast;
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::query;
use super::rows::column;
use crate::{canonical, eval};
use twopath_query::values::{Columns, rows};
use twopath_query::{DataType, EvalError, Expr, Value};

const COLUMNS: [(&str, DataType); 6] = [
    ("i", DataType::Int),
    ("j", DataType::Int),
    ("f", DataType::Float),
    ("s", DataType::Text),
    ("ts", DataType::Timestamp),
    ("b", DataType::Bool),
];

fn expr(sql: &str) -> Expr {
    query(&format!("SELECT {sql} AS x FROM t"), &COLUMNS).keys[0].expr.clone()
}

/// The expression's values over rows of (i, j, f, s, ts, b).
fn values(sql: &str, data: &[[Value; 6]]) -> Result<Vec<Value>, EvalError> {
    let columns: Vec<ArrayRef> = COLUMNS.iter().enumerate().map(|(c, (_, t))| column(data.iter().map(|r| r[c].clone()), *t)).collect();
    let result = eval(&expr(sql), &columns, data.len())?;
    let batch = RecordBatch::try_from_iter_with_nullable([("x", result, true)]).unwrap();
    Ok(rows(&batch).unwrap().into_iter().map(|mut row| row.remove(0)).collect())
}

const NULLS: [Value; 6] = [Value::Null, Value::Null, Value::Null, Value::Null, Value::Null, Value::Null];

fn with(i: i64, j: i64) -> [Value; 6] {
    let mut row = NULLS;
    (row[0], row[1]) = (Value::Int(i), Value::Int(j));
    row
}

fn float(f: f64) -> [Value; 6] {
    let mut row = NULLS;
    row[2] = Value::Float(f);
    row
}

fn text(s: &str) -> [Value; 6] {
    let mut row = NULLS;
    row[3] = Value::Text(s.into());
    row
}

fn time(us: i64) -> [Value; 6] {
    let mut row = NULLS;
    row[4] = Value::Timestamp(us);
    row
}

fn one(sql: &str, row: [Value; 6]) -> Result<Value, EvalError> {
    Ok(values(sql, &[row])?.remove(0))
}

#[test]
fn a_constant_divides_as_a_column_of_it_does() {
    let around = |n: i64| [n.saturating_sub(1), n, n.saturating_add(1)];
    let dividends: Vec<i64> = [0, 123, -123, 1 << 40, i64::MAX, i64::MIN].into_iter().flat_map(around).collect();
    for by in [1, -1, 2, -2, 3, 7, -123, 1_000_000_007, i64::MAX, -i64::MAX] {
        for &a in &dividends {
            for op in ["/", "%"] {
                assert_eq!(one(&format!("i {op} {by}"), with(a, 0)), one(&format!("i {op} j"), with(a, by)), "{a} {op} {by}");
            }
        }
    }
    assert_eq!(values("i % 7", &[NULLS, with(-8, 0)]), Ok(vec![Value::Null, Value::Int(-1)]));
}

#[test]
fn integers() {
    assert_eq!(one("i / j", with(-7, 2)), Ok(Value::Int(-3)));
    assert_eq!(one("i % j", with(-7, 2)), Ok(Value::Int(-1)));
    assert_eq!(one("i % j", with(7, -2)), Ok(Value::Int(1)));
    assert_eq!(one("i % j", with(i64::MIN, -1)), Ok(Value::Int(0)));
    assert_eq!(one("i / j", with(i64::MIN, -1)), Err(EvalError::OutOfRange));
    assert_eq!(one("-i", with(i64::MIN, 0)), Err(EvalError::OutOfRange));
    assert_eq!(one("i + j", with(i64::MAX, 1)), Err(EvalError::OutOfRange));
    assert_eq!(one("i * j", with(i64::MAX, 2)), Err(EvalError::OutOfRange));
    assert_eq!(one("i / j", with(1, 0)), Err(EvalError::DivisionByZero));
    assert_eq!(one("i % 0", with(1, 0)), Err(EvalError::DivisionByZero));
    assert_eq!(one("i / j", NULLS), Ok(Value::Null));
    assert_eq!(one("i / 0", NULLS), Ok(Value::Null));
}

#[test]
fn floats() {
    assert_eq!(one("f / 0", float(1.0)), Err(EvalError::DivisionByZero));
    assert_eq!(one("f * f", float(1e200)), Err(EvalError::OutOfRange));
    assert_eq!(one("f + 1", float(f64::INFINITY)), Ok(Value::Float(f64::INFINITY)));
    assert_eq!(one("f > 1e308", float(f64::NAN)), Ok(Value::Bool(true)));
    assert_eq!(one("f = f", float(f64::NAN)), Ok(Value::Bool(true)));
    assert_eq!(one("f = 0.0", float(-0.0)), Ok(Value::Bool(true)));
    assert_eq!(one("CAST(f AS BIGINT)", float(2.5)), Ok(Value::Int(2)));
    assert_eq!(one("CAST(f AS BIGINT)", float(3.5)), Ok(Value::Int(4)));
    assert_eq!(one("CAST(f AS BIGINT)", float(-2.5)), Ok(Value::Int(-2)));
    assert_eq!(one("CAST(f AS BIGINT)", float(9.3e18)), Err(EvalError::OutOfRange));
    assert_eq!(one("CAST(f AS BIGINT)", float(f64::NAN)), Err(EvalError::OutOfRange));
}

#[test]
fn texts() {
    assert_eq!(one("CAST(s AS BIGINT)", text(" -12\n")), Ok(Value::Int(-12)));
    assert_eq!(one("CAST(s AS BIGINT)", text("9223372036854775808")), Err(EvalError::OutOfRange));
    assert_eq!(one("CAST(s AS BIGINT)", text("1.5")), Err(EvalError::InvalidText { text: "1.5".into(), to: DataType::Int }));
    assert_eq!(one("CAST(s AS DOUBLE PRECISION)", text("1e3")), Ok(Value::Float(1000.0)));
    assert_eq!(one("CAST(s AS DOUBLE PRECISION)", text("1e400")), Err(EvalError::OutOfRange));
    assert_eq!(one("CAST(i AS TEXT)", with(-5, 0)), Ok(Value::Text("-5".into())));
    assert_eq!(one("s < 'b'", text("B")), Ok(Value::Bool(true)));
    assert_eq!(one("s < 'z'", text("ä")), Ok(Value::Bool(false)));
}

#[test]
fn three_values_of_truth() {
    let b = |v: Option<bool>| {
        let mut row = NULLS;
        row[5] = v.map_or(Value::Null, Value::Bool);
        row
    };
    let data = [b(Some(true)), b(Some(false)), b(None)];
    let truth = |v: &[Option<bool>]| Ok(v.iter().map(|v| v.map_or(Value::Null, Value::Bool)).collect::<Vec<_>>());
    assert_eq!(values("b AND NULL", &data), truth(&[None, Some(false), None]));
    assert_eq!(values("b OR NULL", &data), truth(&[Some(true), None, None]));
    assert_eq!(values("NOT b", &data), truth(&[Some(false), Some(true), None]));
    assert_eq!(values("b IS NULL", &data), truth(&[Some(false), Some(false), Some(true)]));
    assert_eq!(values("i = j", &[NULLS, with(1, 1)]), truth(&[None, Some(true)]));
}

#[test]
fn what_is_not_needed_raises_nothing() {
    let data = [with(1, 0), with(6, 2), NULLS];
    assert_eq!(values("CASE WHEN j <> 0 THEN i / j ELSE -1 END", &data), Ok(vec![Value::Int(-1), Value::Int(3), Value::Int(-1)]));
    assert_eq!(values("CASE WHEN j = 0 THEN 0 WHEN i / j > 2 THEN 1 END", &data), Ok(vec![Value::Int(0), Value::Int(1), Value::Null]));
    assert_eq!(values("CASE WHEN j <> 0 THEN 1 / 0 ELSE 2 END", &[with(1, 0)]), Ok(vec![Value::Int(2)]));
    assert_eq!(values("CASE WHEN j <> 0 THEN 1 / 0 ELSE 2 END", &data), Err(EvalError::DivisionByZero));
    assert_eq!(values("j <> 0 AND i / j = 3", &data[..2]), Ok(vec![Value::Bool(false), Value::Bool(true)]));
    assert_eq!(values("j = 0 OR i / j = 3", &data[..2]), Ok(vec![Value::Bool(true), Value::Bool(true)]));
    assert_eq!(values("i / j = 3 AND j <> 0", &data), Err(EvalError::DivisionByZero));
    // NULL does not decide.
    assert_eq!(one("f > 0 AND i / j = 1", with(1, 0)), Err(EvalError::DivisionByZero));
    // Nested: the guard of the outer CASE holds inside.
    let nested = "CASE WHEN j <> 0 THEN CASE WHEN i > 0 OR i / j < 0 THEN i / j END END";
    assert_eq!(values(nested, &[with(-1, 0), with(4, 2), with(-4, 2)]), Ok(vec![Value::Null, Value::Int(2), Value::Int(-2)]));
    // No row, no error.
    assert_eq!(values("1 / 0", &[]), Ok(vec![]));
}

#[test]
fn times() {
    // 2013-03-31 23:59:58.25, a Sunday.
    let us = 1_364_774_398_250_000;
    for (field, expected) in [
        ("YEAR", 2013),
        ("QUARTER", 1),
        ("MONTH", 3),
        ("WEEK", 13),
        ("DAY", 31),
        ("DOW", 0),
        ("DOY", 90),
        ("HOUR", 23),
        ("MINUTE", 59),
        ("MICROSECOND", 58_250_000),
    ] {
        assert_eq!(one(&format!("EXTRACT({field} FROM ts)"), time(us)), Ok(Value::Int(expected)), "{field}");
    }
    assert_eq!(one("EXTRACT(SECOND FROM ts)", time(us)), Ok(Value::Float(58.25)));
    assert_eq!(one("EXTRACT(EPOCH FROM ts)", time(us)), Ok(Value::Float(1_364_774_398.25)));
    for (unit, expected) in [
        ("second", 1_364_774_398),
        ("minute", 1_364_774_340),
        ("hour", 1_364_770_800),
        ("day", 1_364_688_000),
        // Monday 25 March, 1 March, 1 January.
        ("week", 1_364_169_600),
        ("month", 1_362_096_000),
        ("quarter", 1_356_998_400),
        ("year", 1_356_998_400),
    ] {
        assert_eq!(one(&format!("DATE_TRUNC('{unit}', ts)"), time(us)), Ok(Value::Timestamp(expected * 1_000_000)), "{unit}");
    }
    // Before 1970, down too: 1969-12-31 23:59:59.999999.
    assert_eq!(one("DATE_TRUNC('minute', ts)", time(-1)), Ok(Value::Timestamp(-60_000_000)));
    assert_eq!(one("EXTRACT(YEAR FROM ts)", time(-1)), Ok(Value::Int(1969)));
    assert_eq!(one("DATE_TRUNC('hour', ts)", time(i64::MIN)), Err(EvalError::OutOfRange));
    // A window that starts in range may follow one that does not.
    let rows = [time(i64::MAX), NULLS, time(i64::MIN + 7_200_000_000)];
    assert!(values("DATE_TRUNC('hour', ts)", &rows).is_ok());
    assert_eq!(one("ts - ts", time(5)), Ok(Value::Interval(0)));
    assert_eq!(one("EXTRACT(HOUR FROM ts - DATE_TRUNC('day', ts))", time(us)), Ok(Value::Int(23)));
}

/// Every Arrow type that a topic may have is read as the SQL value that [`twopath_query::values`] reads.
#[test]
fn columns_of_every_type() {
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), None, Some(100), Some(3)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("a")]));
    let mut arrays: Vec<(ArrayRef, DataType)> = Vec::new();
    use ArrowType::*;
    for t in [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64] {
        arrays.push((cast(&ints, &t).unwrap(), DataType::Int));
    }
    for t in [Float32, Float64] {
        arrays.push((cast(&ints, &t).unwrap(), DataType::Float));
    }
    for t in [Utf8, LargeUtf8, Utf8View, Dictionary(Box::new(Int8), Box::new(Utf8))] {
        arrays.push((cast(&texts, &t).unwrap(), DataType::Text));
    }
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        for zone in [None, Some("+00:00".into()), Some("UTC".into())] {
            arrays.push((cast(&ints, &Timestamp(unit, None)).unwrap(), DataType::Timestamp));
            let zoned = arrays.last().unwrap().0.to_data().into_builder().data_type(Timestamp(unit, zone)).build().unwrap();
            arrays.push((make_array(zoned), DataType::Timestamp));
        }
        arrays.push((cast(&ints, &Duration(unit)).unwrap(), DataType::Interval));
    }
    arrays.push((Arc::new(Date32Array::from(vec![Some(-1), None, Some(15_706), Some(106_751_991)])), DataType::Timestamp));
    arrays.push((Arc::new(Date64Array::from(vec![Some(-1), None, Some(86_400_000)])), DataType::Timestamp));
    arrays.push((Arc::new(TimestampNanosecondArray::from(vec![-1, -1_000, 1_999, i64::MIN])), DataType::Timestamp));
    arrays.push((Arc::new(DurationNanosecondArray::from(vec![-1, 1_999])), DataType::Interval));
    arrays.push((Arc::new(BooleanArray::from(vec![Some(true), None])), DataType::Bool));
    // NULL in the dictionary, not in the keys.
    let dictionary = DictionaryArray::<Int8Type>::new(Int8Array::from(vec![0, 1, 0]), Arc::new(StringArray::from(vec![Some("x"), None])));
    arrays.push((Arc::new(dictionary), DataType::Text));
    for (array, t) in arrays {
        for array in [array.clone(), array.slice(1, array.len() - 1)] {
            let expected = RecordBatch::try_from_iter_with_nullable([("x", array.clone(), true)]).unwrap();
            let found = RecordBatch::try_from_iter_with_nullable([("x", canonical(&array, t).unwrap(), true)]).unwrap();
            let (expected, found) = (Columns::of(&expected), Columns::of(&found));
            for row in 0..array.len() {
                assert_eq!(found.get(0, row), expected.get(0, row), "{:?} row {row}", array.data_type());
            }
        }
    }
    let too_large: [(ArrayRef, DataType); 4] = [
        (Arc::new(Date32Array::from(vec![106_751_992])), DataType::Timestamp),
        (Arc::new(UInt64Array::from(vec![1, u64::MAX])), DataType::Int),
        (Arc::new(TimestampSecondArray::from(vec![i64::MAX])), DataType::Timestamp),
        (Arc::new(DurationMillisecondArray::from(vec![i64::MIN])), DataType::Interval),
    ];
    for (array, t) in too_large {
        assert_eq!(canonical(&array, t).err(), Some(EvalError::OutOfRange));
        let batch = RecordBatch::try_from_iter([("x", array)]).unwrap();
        assert_eq!(rows(&batch).err(), Some(EvalError::OutOfRange));
    }
    // Only where the row is wanted.
    let columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(vec![1, u64::MAX])), Arc::new(Int64Array::from(vec![1, 0]))];
    assert!(eval(&expr("CASE WHEN j = 1 THEN i END"), &columns, 2).is_ok());
    assert_eq!(eval(&expr("CASE WHEN j = 0 THEN i END"), &columns, 2).err(), Some(EvalError::OutOfRange));
}
