//! The reference interpreter against results computed by hand, as PostgreSQL gives them.

use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use twopath_query::{EvalError, Value, parse};
use twopath_reference::Reference;

fn int(i: i64) -> Value {
    Value::Int(i)
}

fn float(f: f64) -> Value {
    Value::Float(f)
}

fn text(t: &str) -> Value {
    Value::Text(Arc::from(t))
}

fn numeric(n: i128) -> Value {
    Value::Numeric(n)
}

/// One row of one column, for expressions of literals.
fn one() -> RecordBatch {
    let schema = Schema::new(vec![Field::new("x", Arrow::Int64, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(vec![Some(1)]))]).unwrap()
}

fn answer(sql: &str, batch: &RecordBatch) -> Result<Vec<Vec<Value>>, EvalError> {
    let query = parse(sql, "t", &batch.schema()).unwrap_or_else(|e| panic!("{}", e.report(sql)));
    let mut reference = Reference::new(query);
    reference.push(batch);
    reference.answer()
}

/// The value of an expression of literals, of which `x` is 1.
fn value(expr: &str) -> Result<Value, EvalError> {
    answer(&format!("SELECT {expr} FROM t"), &one()).map(|rows| rows[0][0].clone())
}

#[track_caller]
fn check(table: &[(&str, Value)]) {
    for (expr, expected) in table {
        assert_eq!(value(expr).as_ref(), Ok(expected), "{expr}");
    }
}

#[track_caller]
fn check_errors(table: &[(&str, EvalError)]) {
    for (expr, expected) in table {
        assert_eq!(value(expr).as_ref(), Err(expected), "{expr}");
    }
}

#[test]
fn three_valued_logic() {
    let truth = [("TRUE", Some(true)), ("FALSE", Some(false)), ("NULL", None)];
    let value_of = |b: Option<bool>| b.map_or(Value::Null, Value::Bool);
    for (a, va) in truth {
        assert_eq!(value(&format!("NOT CAST({a} AS BOOLEAN)")), Ok(value_of(va.map(|v| !v))));
        for (b, vb) in truth {
            let and = if va == Some(false) || vb == Some(false) { Some(false) } else { va.and(vb) };
            let or = if va == Some(true) || vb == Some(true) { Some(true) } else { va.and(vb) };
            assert_eq!(value(&format!("{a} AND {b}")), Ok(value_of(and)), "{a} AND {b}");
            assert_eq!(value(&format!("{a} OR {b}")), Ok(value_of(or)), "{a} OR {b}");
        }
    }
    let (t, f) = (Value::Bool(true), Value::Bool(false));
    check(&[
        ("NULL = NULL", Value::Null),
        ("NULL IS NULL", t.clone()),
        ("1 IS NOT NULL", t.clone()),
        ("1 IN (2, NULL)", Value::Null),
        ("1 IN (1, NULL)", t.clone()),
        ("1 NOT IN (2, NULL)", Value::Null),
        ("1 NOT IN (2, 3)", t.clone()),
        ("2 BETWEEN 1 AND 3", t.clone()),
        ("2 BETWEEN 3 AND 1", f.clone()),
        ("4 NOT BETWEEN 1 AND NULL", Value::Null),
        ("0 BETWEEN 1 AND NULL", f.clone()),
        ("NULL IS DISTINCT FROM 1", t.clone()),
        ("NULL IS DISTINCT FROM NULL", f.clone()),
        ("1 IS NOT DISTINCT FROM 1", t.clone()),
        ("1 IS NOT DISTINCT FROM NULL", f.clone()),
        ("(NULL = 1) IS TRUE", f.clone()),
        ("(NULL = 1) IS NOT TRUE", t.clone()),
        ("(NULL = 1) IS UNKNOWN", t.clone()),
        ("(1 = 2) IS FALSE", t.clone()),
        ("(NULL = 1) IS NOT FALSE", t),
    ]);
}

#[test]
fn integers() {
    check(&[
        ("7 / 2", int(3)),
        ("-7 / 2", int(-3)),
        ("7 / -2", int(-3)),
        ("-7 % 2", int(-1)),
        ("7 % -2", int(1)),
        ("-9223372036854775808 % -1", int(0)),
        ("-9223372036854775808", int(i64::MIN)),
        ("- (5)", int(-5)),
        ("2 + 3 * 4", int(14)),
        ("ABS(-3)", int(3)),
        ("NULLIF(3, 3)", Value::Null),
        ("NULLIF(3, 4)", int(3)),
        ("NULLIF(3, 3.0)", Value::Null),
        ("COALESCE(NULL, NULL, 3)", int(3)),
        ("1 + NULL", Value::Null),
        ("CAST(NULL AS BIGINT) / 0", Value::Null),
    ]);
    check_errors(&[
        ("-9223372036854775808 / -1", EvalError::OutOfRange),
        ("- CAST(-9223372036854775808 AS BIGINT)", EvalError::OutOfRange),
        ("-(x - 9223372036854775807 - 2)", EvalError::OutOfRange),
        ("9223372036854775807 + x", EvalError::OutOfRange),
        ("-9223372036854775808 - x", EvalError::OutOfRange),
        ("4611686018427387904 * 2", EvalError::OutOfRange),
        ("ABS(-9223372036854775808)", EvalError::OutOfRange),
        ("1 / 0", EvalError::DivisionByZero),
        ("1 % 0", EvalError::DivisionByZero),
    ]);
}

#[test]
fn floats() {
    check(&[
        ("7 / 2.0", float(3.5)),
        ("1.5 + 1", float(2.5)),
        ("-7.5 % 2", float(-1.5)),
        ("CAST('NaN' AS DOUBLE PRECISION) = CAST('NaN' AS DOUBLE PRECISION)", Value::Bool(true)),
        ("CAST('NaN' AS DOUBLE PRECISION) > CAST('Infinity' AS DOUBLE PRECISION)", Value::Bool(true)),
        ("-0.0 = 0.0", Value::Bool(true)),
        ("CAST('Infinity' AS DOUBLE PRECISION) * 2", float(f64::INFINITY)),
        ("1e-300 * 1e-300", float(0.0)),
        ("ABS(-2.5)", float(2.5)),
    ]);
    check_errors(&[
        ("1e300 * 1e300", EvalError::OutOfRange),
        ("1.0 / 0", EvalError::DivisionByZero),
        ("1 / -0.0", EvalError::DivisionByZero),
        ("1.5 % 0.0", EvalError::DivisionByZero),
        ("1e308 + 1e308", EvalError::OutOfRange),
    ]);
}

#[test]
fn casts() {
    check(&[
        ("CAST(0.5 AS BIGINT)", int(0)),
        ("CAST(1.5 AS BIGINT)", int(2)),
        ("CAST(2.5 AS BIGINT)", int(2)),
        ("CAST(-0.5 AS BIGINT)", int(0)),
        ("CAST(-1.5 AS BIGINT)", int(-2)),
        ("CAST(-2.5 AS BIGINT)", int(-2)),
        ("2.51::bigint", int(3)),
        ("CAST(-9223372036854775808.0 AS BIGINT)", int(i64::MIN)),
        ("9007199254740993::double precision", float(9_007_199_254_740_992.0)),
        ("CAST(TRUE AS INT)", int(1)),
        ("CAST(0 AS BOOLEAN)", Value::Bool(false)),
        ("CAST(-42 AS TEXT)", text("-42")),
        ("CAST(1 = 1 AS TEXT)", text("true")),
        ("CAST(CAST(x + 41 AS TEXT) AS BIGINT)", int(42)),
        ("CAST(CASE WHEN x = 1 THEN ' +7 ' END AS BIGINT)", int(7)),
        ("CAST(CASE WHEN x = 1 THEN ' 1e3 ' END AS DOUBLE PRECISION)", float(1000.0)),
        ("CAST(CASE WHEN x = 1 THEN 'inf' END AS DOUBLE PRECISION)", float(f64::INFINITY)),
        ("CAST(CASE WHEN x = 2 THEN 'inf' END AS DOUBLE PRECISION)", Value::Null),
    ]);
    let invalid = |t: &str, to| EvalError::InvalidText { text: t.to_owned(), to };
    check_errors(&[
        ("CAST(9223372036854775808.0 AS BIGINT)", EvalError::OutOfRange),
        ("CAST(CAST('NaN' AS DOUBLE PRECISION) AS BIGINT)", EvalError::OutOfRange),
        ("CAST(CASE WHEN x = 1 THEN '9223372036854775808' END AS BIGINT)", EvalError::OutOfRange),
        ("CAST(CASE WHEN x = 1 THEN '1e999' END AS DOUBLE PRECISION)", EvalError::OutOfRange),
        ("CAST(CASE WHEN x = 1 THEN '1.5' END AS BIGINT)", invalid("1.5", twopath_query::DataType::Int)),
        ("CAST(CASE WHEN x = 1 THEN '' END AS BIGINT)", invalid("", twopath_query::DataType::Int)),
        ("CAST(CASE WHEN x = 1 THEN '+-1' END AS BIGINT)", invalid("+-1", twopath_query::DataType::Int)),
        ("CAST(CASE WHEN x = 1 THEN 'one' END AS DOUBLE PRECISION)", invalid("one", twopath_query::DataType::Float)),
    ]);
}

#[test]
fn what_is_not_reached_raises_nothing() {
    check(&[
        ("CASE WHEN x = 0 THEN 1 / 0 ELSE 5 END", int(5)),
        ("CASE WHEN x = 1 THEN 5 ELSE 1 / 0 END", int(5)),
        ("CASE x WHEN 2 THEN 1 / 0 WHEN 1 THEN 6 END", int(6)),
        ("CASE WHEN x = 2 THEN 1 END", Value::Null),
        ("COALESCE(x, 1 / 0)", int(1)),
        ("x = 2 AND 1 / 0 = 1", Value::Bool(false)),
        ("x = 1 OR 1 / 0 = 1", Value::Bool(true)),
        ("1 IN (x, 1 / 0)", Value::Bool(true)),
    ]);
    check_errors(&[
        ("1 / 0 = 1 AND x = 2", EvalError::DivisionByZero),
        ("NULL AND 1 / 0 = 1", EvalError::DivisionByZero),
        ("NULL OR 1 / 0 = 1", EvalError::DivisionByZero),
        ("CASE WHEN 1 / 0 = 1 THEN 1 ELSE 2 END", EvalError::DivisionByZero),
        ("CASE WHEN x = 1 THEN 1 / 0 END", EvalError::DivisionByZero),
    ]);
}

fn us(timestamp: &str) -> Value {
    value(&format!("TIMESTAMP '{timestamp}'")).unwrap()
}

#[test]
fn times() {
    assert_eq!(us("1970-01-01 00:00:00"), Value::Timestamp(0));
    assert_eq!(us("1969-12-31 23:59:59.999999"), Value::Timestamp(-1));
    assert_eq!(us("2013-01-01T05:15:00Z"), Value::Timestamp(1_357_017_300_000_000));
    assert_eq!(us("2013-01-01 00:15:00-05"), Value::Timestamp(1_357_017_300_000_000));
    assert_eq!(us("2000-02-29"), Value::Timestamp(951_782_400_000_000));
    check(&[
        ("DATE '2013-01-01' + INTERVAL '1 day 2 hours'", us("2013-01-02 02:00")),
        ("INTERVAL '30' MINUTE + DATE '2013-01-01'", us("2013-01-01 00:30")),
        ("DATE '2013-03-01' - DATE '2013-02-01'", Value::Interval(28 * 86_400_000_000)),
        ("DATE '2013-01-01' - INTERVAL '0.5' SECOND", us("2012-12-31 23:59:59.5")),
        ("INTERVAL '1 hour' - INTERVAL '90 minutes'", Value::Interval(-1_800_000_000)),
        ("- INTERVAL '1' HOUR", Value::Interval(-3_600_000_000)),
        ("DATE '2013-01-02' > '2013-01-01 12:00'", Value::Bool(true)),
        ("CAST('2013-05-06 07:08' AS DATE)", us("2013-05-06")),
        ("DATE '2013-01-01' + '1 day'", us("2013-01-02")),
    ]);
    check_errors(&[
        ("TIMESTAMP '294247-01-10 04:00:54' + INTERVAL '1 day'", EvalError::OutOfRange),
        ("TIMESTAMP '294247-01-10 04:00:54' - (TIMESTAMP '1970-01-01' - INTERVAL '1 day')", EvalError::OutOfRange),
    ]);
}

#[test]
fn extract_fields() {
    let fields = |timestamp: &str, expected: [i64; 10]| {
        let names = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "DOY", "HOUR", "MINUTE", "SECOND"];
        for (name, expected) in names.iter().zip(expected) {
            let expr = format!("EXTRACT({name} FROM TIMESTAMP '{timestamp}')");
            // Seconds have their fraction: floats.
            match value(&expr) {
                Ok(Value::Float(seconds)) if *name == "SECOND" => assert_eq!(seconds.floor(), expected as f64, "{expr}"),
                other => assert_eq!(other, Ok(int(expected)), "{expr}"),
            }
        }
    };
    // Thursday; Wednesday, one second before it; leap days; ISO weeks that belong to the year before or after.
    fields("1970-01-01 00:00:00", [1970, 1, 1, 1, 1, 4, 1, 0, 0, 0]);
    fields("1969-12-31 23:59:59.9", [1969, 4, 12, 1, 31, 3, 365, 23, 59, 59]);
    fields("2000-02-29 12:34:56", [2000, 1, 2, 9, 29, 2, 60, 12, 34, 56]);
    fields("1900-03-01 01:02:03", [1900, 1, 3, 9, 1, 4, 60, 1, 2, 3]);
    fields("2012-12-31 06:00:00", [2012, 4, 12, 1, 31, 1, 366, 6, 0, 0]);
    fields("2010-01-03 00:00:00", [2010, 1, 1, 53, 3, 0, 3, 0, 0, 0]);
    fields("2009-12-31 00:00:00", [2009, 4, 12, 53, 31, 4, 365, 0, 0, 0]);
    fields("2005-01-01 00:00:00", [2005, 1, 1, 53, 1, 6, 1, 0, 0, 0]);
    fields("0001-01-01 00:00:00", [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
    fields("9999-12-31 23:59:59", [9999, 4, 12, 52, 31, 5, 365, 23, 59, 59]);
    check(&[
        ("EXTRACT(EPOCH FROM TIMESTAMP '1969-12-31 23:59:58.5')", float(-1.5)),
        ("EXTRACT(EPOCH FROM INTERVAL '1 day 1.25 seconds')", float(86_401.25)),
        ("EXTRACT(DAY FROM INTERVAL '49 hours')", int(2)),
        ("EXTRACT(HOUR FROM INTERVAL '-49 hours')", int(-1)),
        ("EXTRACT(MINUTE FROM INTERVAL '-00:05:10')", int(-5)),
        ("EXTRACT(SECOND FROM INTERVAL '-00:05:10.9')", Value::Float(-10.9)),
        ("EXTRACT(DAY FROM CAST(NULL AS TIMESTAMP))", Value::Null),
    ]);
}

#[test]
fn date_trunc_units() {
    let table = [
        ("second", "1969-12-31 23:59:58.7", "1969-12-31 23:59:58"),
        ("minute", "1969-12-31 23:59:58.7", "1969-12-31 23:59:00"),
        ("hour", "1969-12-31 23:59:58.7", "1969-12-31 23:00:00"),
        ("day", "1969-12-31 23:59:58.7", "1969-12-31"),
        ("week", "1970-01-01", "1969-12-29"),
        ("week", "1969-12-29", "1969-12-29"),
        ("week", "2013-06-30 23:59", "2013-06-24"),
        ("month", "2012-02-29 10:00", "2012-02-01"),
        ("quarter", "2013-06-30", "2013-04-01"),
        ("quarter", "2013-12-31", "2013-10-01"),
        ("year", "1969-07-20", "1969-01-01"),
    ];
    for (unit, from, to) in table {
        assert_eq!(value(&format!("DATE_TRUNC('{unit}', TIMESTAMP '{from}')")), Ok(us(to)), "{unit} {from}");
    }
}

/// Key, value, float, microseconds since 1970.
type Event<'a> = (Option<&'a str>, Option<i64>, Option<f64>, i64);

/// A small topic.
fn events(rows: &[Event<'_>]) -> RecordBatch {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Schema::new(vec![
        Field::new("k", Arrow::Utf8, true),
        Field::new("v", Arrow::Int64, true),
        Field::new("f", Arrow::Float64, true),
        Field::new("at", time, false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|r| r.0).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.2).collect::<Float64Array>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.3)).with_timezone("UTC")),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

const HOUR: i64 = 3_600_000_000;

fn sample() -> RecordBatch {
    events(&[
        (Some("a"), Some(1), Some(0.5), 0),
        (Some("b"), Some(10), None, 1),
        (Some("a"), Some(2), Some(-0.0), HOUR),
        (None, Some(i64::MAX), Some(f64::NAN), HOUR + 1),
        (Some("a"), None, Some(0.0), -1),
        (None, Some(i64::MAX), Some(2.5), HOUR),
        (Some("b"), Some(10), None, 2 * HOUR),
    ])
}

#[test]
fn aggregates_of_groups_in_key_order() {
    let sql = "SELECT k, COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(v), AVG(v), COUNT(DISTINCT v), SUM(f), MAX(f) FROM t GROUP BY k";
    let rows = answer(sql, &sample()).unwrap();
    assert_eq!(rows.len(), 3);
    let max = i128::from(i64::MAX);
    assert_eq!(rows[0], [text("a"), int(3), int(2), numeric(3), int(1), int(2), float(1.5), int(2), float(0.5), float(0.5)],);
    assert_eq!(rows[1], [text("b"), int(2), int(2), numeric(20), int(10), int(10), float(10.0), int(1), Value::Null, Value::Null],);
    assert_eq!(rows[2][..8], [Value::Null, int(2), int(2), numeric(2 * max), int(i64::MAX), int(i64::MAX), float(i64::MAX as f64), int(1)]);
    assert!(matches!(rows[2][8], Value::Float(f) if f.is_nan()) && matches!(rows[2][9], Value::Float(f) if f.is_nan()));
}

#[test]
fn aggregates_over_nothing() {
    let sql =
        "SELECT COUNT(*), COUNT(v), SUM(v), MIN(k), MAX(f), AVG(v), COUNT(DISTINCT v), APPROX_COUNT_DISTINCT(v), APPROX_QUANTILE(v, 0.5)
               FROM t WHERE v < 0";
    let null = || Value::Null;
    assert_eq!(answer(sql, &sample()), Ok(vec![vec![int(0), int(0), null(), null(), null(), null(), int(0), int(0), null()]]));
    assert_eq!(answer("SELECT k, COUNT(*) FROM t WHERE v < 0 GROUP BY k", &sample()), Ok(vec![]));
    assert_eq!(answer("SELECT COUNT(*) FROM t HAVING COUNT(*) > 100", &sample()), Ok(vec![]));
}

#[test]
fn keys_put_nan_together_and_zeros_together() {
    let rows = answer("SELECT f, COUNT(*), COUNT(DISTINCT k) FROM t GROUP BY f", &sample()).unwrap();
    assert_eq!(rows[0], [float(0.0), int(2), int(1)]);
    assert_eq!(rows[1], [float(0.5), int(1), int(1)]);
    assert_eq!(rows[2], [float(2.5), int(1), int(0)]);
    assert!(matches!(rows[3][0], Value::Float(f) if f.is_nan()));
    assert_eq!(rows[4], [Value::Null, int(2), int(1)]);
}

#[test]
fn windows_round_down_also_before_1970() {
    let sql = "SELECT window_start, window_end, COUNT(*) FROM TUMBLE(TABLE t, DESCRIPTOR(at), INTERVAL '1' HOUR) GROUP BY window_start, window_end";
    let at = |hours: i64| Value::Timestamp(hours * HOUR);
    assert_eq!(
        answer(sql, &sample()),
        Ok(vec![vec![at(-1), at(0), int(1)], vec![at(0), at(1), int(2)], vec![at(1), at(2), int(3)], vec![at(2), at(3), int(1)]]),
    );
    let by_end = "SELECT window_end, COUNT(*) FROM TUMBLE(TABLE t, DESCRIPTOR(at), INTERVAL '1' HOUR) GROUP BY 1";
    assert_eq!(answer(by_end, &sample()).unwrap()[0], [at(0), int(1)]);
}

#[test]
fn having_order_and_limit() {
    let order = |clause: &str| -> Vec<Value> {
        let rows = answer(&format!("SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY k {clause}"), &sample()).unwrap();
        rows.into_iter().map(|r| r[0].clone()).collect()
    };
    let (a, b, null) = (text("a"), text("b"), Value::Null);
    assert_eq!(order("ORDER BY n"), [b.clone(), null.clone(), a.clone()], "ties in key order, NULL key last");
    assert_eq!(order("ORDER BY n DESC"), [a.clone(), b.clone(), null.clone()]);
    assert_eq!(order("ORDER BY k DESC"), [null.clone(), b.clone(), a.clone()]);
    assert_eq!(order("ORDER BY k DESC NULLS LAST"), [b.clone(), a.clone(), null.clone()]);
    assert_eq!(order("ORDER BY k NULLS FIRST LIMIT 2"), [null.clone(), a.clone()]);
    assert_eq!(order("HAVING SUM(v) < 100 ORDER BY 3 DESC"), [b.clone(), a.clone()]);
    assert_eq!(order("ORDER BY SUM(v) % 7, k"), [null, a, b]);
}

#[test]
fn rows_are_repeated_as_often_as_they_came() {
    let rows = answer("SELECT k, v FROM t WHERE k IS NOT NULL ORDER BY v DESC, k", &sample()).unwrap();
    let row = |k: &str, v: Value| vec![text(k), v];
    assert_eq!(rows, [row("a", Value::Null), row("b", int(10)), row("b", int(10)), row("a", int(2)), row("a", int(1))]);
    let by_time = answer("SELECT k FROM t ORDER BY at LIMIT 3", &sample()).unwrap();
    assert_eq!(by_time, [[text("a")], [text("a")], [text("b")]]);
    assert_eq!(answer("SELECT 1 FROM t LIMIT 2", &sample()), Ok(vec![vec![int(1)], vec![int(1)]]));
}

#[test]
fn quantiles_and_distinct_counts_are_exact() {
    let rows: Vec<_> = (1..=10).map(|v| (None, Some(v), Some(if v == 10 { f64::INFINITY } else { v as f64 }), 0)).collect();
    let sql =
        "SELECT APPROX_QUANTILE(v, 0), APPROX_QUANTILE(v, 0.5), APPROX_QUANTILE(v, 0.99), APPROX_QUANTILE(v, 1), APPROX_QUANTILE(f, 1),
               APPROX_COUNT_DISTINCT(v % 3) FROM t";
    assert_eq!(answer(sql, &events(&rows)), Ok(vec![vec![float(1.0), float(5.0), float(9.0), float(10.0), float(9.0), int(3)]]));
}

#[test]
fn aggregates_combine_in_expressions() {
    let sql = "SELECT SUM(v) / COUNT(*) AS mean, SUM(v) % 7, COUNT(*) FILTER (WHERE f IS NULL) * 100 / COUNT(*), CAST(SUM(v) AS BIGINT)
               FROM t WHERE k IS NOT NULL GROUP BY k";
    assert_eq!(
        answer(sql, &sample()),
        Ok(vec![vec![float(1.0), numeric(3), int(0), int(3)], vec![float(10.0), numeric(6), int(100), int(20)]]),
    );
    assert_eq!(answer("SELECT CAST(SUM(v) AS BIGINT) FROM t", &sample()), Err(EvalError::OutOfRange));
    let guarded = "SELECT k, CASE WHEN SUM(v) < 100 THEN CAST(SUM(v) AS BIGINT) END FROM t GROUP BY k";
    assert_eq!(answer(guarded, &sample()).unwrap()[2], [Value::Null, Value::Null]);
    let having_guards = "SELECT k, CAST(SUM(v) AS BIGINT) FROM t GROUP BY k HAVING SUM(v) < 100";
    assert_eq!(answer(having_guards, &sample()).map(|r| r.len()), Ok(2));
    let limit_does_not = "SELECT k, CAST(SUM(v) AS BIGINT) FROM t GROUP BY k LIMIT 1";
    assert_eq!(answer(limit_does_not, &sample()), Err(EvalError::OutOfRange));
}

#[test]
fn interval_sums_are_checked_when_asked_for() {
    let sql = "SELECT SUM(at - TIMESTAMP '1970-01-01'), AVG(at - TIMESTAMP '1970-01-01') FROM t";
    let batch = events(&[(None, None, None, i64::MAX), (None, None, None, 3), (None, None, None, -4)]);
    assert_eq!(answer(sql, &batch), Ok(vec![vec![Value::Interval(i64::MAX - 1), Value::Interval((i64::MAX - 1) / 3)]]));
    let beyond = events(&[(None, None, None, i64::MAX), (None, None, None, 3)]);
    assert_eq!(answer(sql, &beyond), Err(EvalError::OutOfRange));
}

#[test]
fn the_first_error_is_every_later_answer() {
    let batch = sample();
    let query = parse("SELECT SUM(10 / (v - 2)), SUM(v + 1) FROM t", "t", &batch.schema()).unwrap();
    let mut reference = Reference::new(query);
    reference.push(&batch.slice(0, 2));
    assert!(reference.answer().is_ok());
    reference.push_row(&batch, 2);
    assert_eq!(reference.answer(), Err(EvalError::DivisionByZero));
    reference.push(&batch.slice(3, 1));
    assert_eq!(reference.answer(), Err(EvalError::DivisionByZero));
    assert_eq!(reference.answer_key(&[]), Err(EvalError::DivisionByZero));
}

#[test]
fn one_group_by_its_key() {
    let batch = sample();
    let query = parse("SELECT COUNT(*), k FROM t GROUP BY k HAVING COUNT(*) > 2 LIMIT 0", "t", &batch.schema()).unwrap();
    let mut reference = Reference::new(query);
    reference.push(&batch);
    assert_eq!(reference.answer_key(&[text("a")]), Ok(Some(vec![int(3), text("a")])));
    assert_eq!(reference.answer_key(&[text("b")]), Ok(None), "HAVING leaves it out");
    assert_eq!(reference.answer_key(&[text("c")]), Ok(None));
    assert_eq!(reference.answer(), Ok(vec![]));
}

/// Prints the rate; asserts only the answer. `cargo test --release -p twopath-shared --test reference -- --ignored --nocapture`
#[test]
#[ignore = "prints a rate"]
fn rate() {
    let rows: Vec<_> =
        (0..400_000_i64).map(|i| (Some(["a", "b", "c"][i as usize % 3]), Some(i % 1000), Some(0.5), i * 1_000_000)).collect();
    let batch = events(&rows);
    let sql = "SELECT k, window_start, COUNT(*), AVG(v), MAX(v), SUM(CASE WHEN v > 15 THEN 1 ELSE 0 END)
               FROM TUMBLE(TABLE t, DESCRIPTOR(at), INTERVAL '1' HOUR) WHERE v IS NOT NULL GROUP BY k, window_start";
    let mut reference = Reference::new(parse(sql, "t", &batch.schema()).unwrap());
    let start = std::time::Instant::now();
    reference.push(&batch);
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.2} M rows/s", rows.len() as f64 / seconds / 1e6);
    let counted: i64 = reference.answer().unwrap().iter().map(|r| if let Value::Int(n) = r[2] { n } else { 0 }).sum();
    assert_eq!(counted, 400_000);
}
