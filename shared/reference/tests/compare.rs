//! The comparison of answers accepts what sketches may differ by, and nothing else.

use arrow_schema::{DataType as Arrow, Field, Schema};
use twopath_query::{EvalError, Query, Value, parse};
use twopath_reference::{Difference, compare};

fn query(sql: &str) -> Query {
    let schema =
        Schema::new(vec![Field::new("k", Arrow::Utf8, true), Field::new("v", Arrow::Int64, true), Field::new("f", Arrow::Float64, true)]);
    parse(sql, "t", &schema).unwrap()
}

fn int(i: i64) -> Value {
    Value::Int(i)
}

fn float(f: f64) -> Value {
    Value::Float(f)
}

/// Whether one row of one column counts as the same.
fn same(sql: &str, expected: Value, actual: Value) -> bool {
    compare(&query(sql), &Ok(vec![vec![expected]]), &Ok(vec![vec![actual]])).is_ok()
}

#[test]
fn exact_columns_are_exact() {
    let counts = "SELECT COUNT(*) FROM t";
    assert!(same(counts, int(1_000_000), int(1_000_000)));
    assert!(!same(counts, int(1_000_000), int(1_000_001)));
    assert!(!same(counts, int(1), Value::Null));
    assert!(!same(counts, Value::Null, int(1)));
    assert!(!same(counts, int(1), float(1.0)), "the type belongs to the answer");
    assert!(!same("SELECT SUM(v) FROM t", Value::Numeric(10), Value::Numeric(11)));
    assert!(!same("SELECT COUNT(DISTINCT v) FROM t", int(10), int(11)));
    assert!(!same("SELECT MAX(k) FROM t", Value::Text("a".into()), Value::Text("b".into())));
}

#[test]
fn floats_are_the_same_to_the_last_bit() {
    for sql in ["SELECT SUM(f) FROM t", "SELECT AVG(v) FROM t", "SELECT MAX(f) FROM t"] {
        assert!(same(sql, float(0.1), float(0.1)));
        assert!(!same(sql, float(0.1), float(0.1f64.next_up())));
        assert!(same(sql, float(f64::NAN), float(-f64::NAN)));
        assert!(!same(sql, float(f64::NAN), float(1.0)));
        assert!(!same(sql, float(1.0), float(f64::NAN)));
        assert!(!same(sql, float(f64::INFINITY), float(1.0)));
        assert!(!same(sql, float(1.0), float(f64::INFINITY)));
        assert!(!same(sql, float(f64::INFINITY), float(f64::MAX)));
        assert!(same(sql, float(f64::NEG_INFINITY), float(f64::NEG_INFINITY)));
        assert!(!same(sql, float(f64::NEG_INFINITY), float(f64::INFINITY)));
        assert!(same(sql, float(0.0), float(-0.0)));
        assert!(!same(sql, float(0.0), float(f64::from_bits(1))));
    }
}

#[test]
fn sketches_may_err_as_far_as_they_say() {
    let quantile = "SELECT APPROX_QUANTILE(v, 0.5) FROM t";
    assert!(same(quantile, float(-100.0), float(-101.0)));
    assert!(!same(quantile, float(-100.0), float(-102.0)));
    assert!(!same(quantile, float(0.0), float(1e-300)));
    assert!(same(quantile, float(1e-10), float(1.01e-10)));
    assert!(!same(quantile, float(1e-10), float(1.011e-10)));
    assert!(!same(quantile, Value::Null, float(0.0)));
    let distinct = "SELECT APPROX_COUNT_DISTINCT(v) FROM t";
    assert!(same(distinct, int(1), int(3)));
    assert!(same(distinct, int(1000), int(1080)));
    assert!(!same(distinct, int(1000), int(1090)));
    assert!(!same(distinct, int(1000), int(900)));
}

#[test]
fn rows_are_compared_place_by_place() {
    let q = query("SELECT k, COUNT(*) FROM t GROUP BY k ORDER BY 2 DESC");
    let rows = |n: &[i64]| Ok(n.iter().map(|n| vec![Value::Null, int(*n)]).collect());
    assert_eq!(compare(&q, &rows(&[3, 2]), &rows(&[3, 2])), Ok(()));
    assert_eq!(compare(&q, &rows(&[3, 2]), &rows(&[3])), Err(Difference::RowCount { expected: 2, actual: 1 }));
    let difference = compare(&q, &rows(&[3, 2]), &rows(&[2, 3])).unwrap_err();
    assert_eq!(difference, Difference::Cell { row: 0, column: "count".to_owned(), expected: int(3).into(), actual: int(2).into() });
    insta::assert_snapshot!(difference, @"row 0, column count: expected Int(3), got Int(2)");
}

#[test]
fn an_inexact_order_makes_a_bag() {
    let sql = "SELECT v, APPROX_QUANTILE(f, 0.5) FROM t GROUP BY v ORDER BY 2";
    let rows = |keys: &[i64]| Ok(keys.iter().map(|k| vec![int(*k), float(*k as f64)]).collect());
    let q = query(sql);
    assert_eq!(compare(&q, &rows(&[1, 2, 3]), &rows(&[2, 3, 1])), Ok(()));
    assert_eq!(compare(&q, &rows(&[1, 2, 2]), &rows(&[2, 1, 1])), Err(Difference::Row { expected: vec![int(2), float(2.0)] }));
    let limited = query(&format!("{sql} LIMIT 2"));
    assert_eq!(compare(&limited, &rows(&[1, 2]), &rows(&[1, 3])), Ok(()));
    assert!(compare(&limited, &rows(&[1, 2]), &rows(&[1])).is_err());
}

#[test]
fn an_error_agrees_with_errors_only() {
    let q = query("SELECT SUM(v / 0) FROM t");
    let error = || Err(EvalError::DivisionByZero);
    assert_eq!(compare(&q, &error(), &Err(EvalError::OutOfRange)), Ok(()));
    assert!(compare(&q, &error(), &Ok(vec![])).is_err());
    assert!(compare(&q, &Ok(vec![]), &error()).is_err());
}
