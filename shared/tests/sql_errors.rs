//! What a bad query is told: the message, and the place.

use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use twopath_shared::query::parse;

fn schema() -> Schema {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Schema::new(vec![
        Field::new("t", time, false),
        Field::new("origin", Arrow::Utf8, false),
        Field::new("delay", Arrow::Int32, true),
        Field::new("distance", Arrow::Float64, true),
        Field::new("cancelled", Arrow::Boolean, false),
    ])
}

/// `line:column 'the text marked' message`
fn error(sql: &str) -> String {
    match parse(sql, "flights", &schema()) {
        Ok(query) => panic!("no error: {query}"),
        Err(e) => format!("{}:{} '{}' {}", e.line, e.column, &sql[e.span.clone()], e.message),
    }
}

fn errors(sqls: &[&str]) -> String {
    sqls.iter().map(|sql| error(sql) + "\n").collect()
}

/// Errors of expressions, as an output column.
fn expr_errors(exprs: &[&str]) -> String {
    exprs.iter().map(|e| format!("{e}\n    {}\n", error(&format!("SELECT {e} FROM flights")))).collect()
}

#[test]
fn the_report_marks_the_place() {
    let sql = "SELECT origin,\n       COUNT(*) AS n\nFROM flights\nWHERE dealy > 15\nGROUP BY origin";
    let error = parse(sql, "flights", &schema()).unwrap_err();
    insta::assert_snapshot!(error.report(sql), @"");
    insta::assert_snapshot!(error, @"");
}

#[test]
fn names() {
    insta::assert_snapshot!(errors(&[
        "SELECT orgin FROM flights",
        "SELECT nothing_like_it FROM flights",
        "SELECT f.origin FROM flights",
        "SELECT a.b.c FROM flights",
        "SELECT \"Origin\" FROM flights",
        "SELECT origin FROM flihgts",
        "SELECT window_start, COUNT(*) FROM flights GROUP BY window_start",
        "SELECT smu(delay) FROM flights",
        "SELECT frobnicate(delay) FROM flights",
        "SELECT now() FROM flights",
        "SELECT median(delay) FROM flights",
    ]), @"");
}

#[test]
fn groups_and_aggregates() {
    insta::assert_snapshot!(errors(&[
        "SELECT origin, delay, COUNT(*) FROM flights GROUP BY origin",
        "SELECT origin FROM flights GROUP BY origin ORDER BY delay",
        "SELECT COUNT(*) FROM flights HAVING delay > 3",
        "SELECT delay + SUM(delay) FROM flights",
        "SELECT window_end, COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR) GROUP BY origin",
        "SELECT SUM(COUNT(*)) FROM flights",
        "SELECT origin FROM flights WHERE COUNT(*) > 1",
        "SELECT COUNT(*) FROM flights GROUP BY COUNT(*)",
        "SELECT COUNT(*) AS n FROM flights GROUP BY n",
        "SELECT COUNT(*) AS n FROM flights GROUP BY 2",
        "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin ORDER BY 3",
        "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin HAVING n > 3",
        "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin ORDER BY n + 1",
        "SELECT origin AS a, delay AS a FROM flights ORDER BY a",
        "SELECT COUNT(*) FROM flights GROUP BY 'x'",
        "SELECT SUM(origin) FROM flights",
        "SELECT AVG(cancelled) FROM flights",
        "SELECT MAX(cancelled) FROM flights",
        "SELECT SUM(*) FROM flights",
        "SELECT SUM(DISTINCT delay) FROM flights",
        "SELECT COUNT() FROM flights",
        "SELECT APPROX_QUANTILE(delay) FROM flights",
        "SELECT APPROX_QUANTILE(delay, 50) FROM flights",
        "SELECT APPROX_QUANTILE(delay, distance) FROM flights",
        "SELECT APPROX_QUANTILE(origin, 0.5) FROM flights",
    ]), @"");
}

#[test]
fn types() {
    insta::assert_snapshot!(expr_errors(&[
        "origin + 1",
        "t + 1",
        "cancelled * 2",
        "t * INTERVAL '1' HOUR",
        "t + t",
        "delay = 'soon'",
        "origin = 5",
        "t > 'yesterday'",
        "cancelled = 1",
        "NOT delay",
        "delay AND cancelled",
        "CASE WHEN delay THEN 1 END",
        "CASE WHEN cancelled THEN 1 ELSE 'x' END",
        "COALESCE(delay, origin)",
        "- origin",
        "'1' + '2'",
        "ABS(origin)",
        "DATE_TRUNC('fortnight', t)",
        "DATE_TRUNC(origin, t)",
        "DATE_TRUNC('hour', delay)",
        "EXTRACT(CENTURY FROM t)",
        "EXTRACT(YEAR FROM INTERVAL '1 day')",
        "CAST(t AS BIGINT)",
        "CAST(origin AS TIMESTAMP)",
        "CAST(delay AS SMALLINT)",
        "CAST(distance AS NUMERIC(10, 2))",
        "CAST('x' AS BIGINT)",
        "TIMESTAMP '2013-02-29'",
        "INTERVAL '1 month'",
        "INTERVAL 'soon'",
        "9223372036854775808",
        "1e999",
        "ABS(1, 2)",
        "COALESCE()",
        "TRY_CAST(delay AS TEXT)",
    ]), @"");
}

#[test]
fn what_is_not_supported() {
    insta::assert_snapshot!(errors(&[
        "SELECT a.origin FROM flights a JOIN planes p ON a.tail = p.tail",
        "SELECT origin FROM flights, planes",
        "SELECT origin FROM (SELECT * FROM flights) x",
        "SELECT origin FROM flights WHERE delay IN (SELECT 1)",
        "SELECT origin FROM flights WHERE EXISTS (SELECT 1)",
        "SELECT (SELECT 1) FROM flights",
        "SELECT DISTINCT origin FROM flights",
        "SELECT origin FROM flights UNION SELECT origin FROM flights",
        "SELECT origin FROM flights OFFSET 5",
        "SELECT origin FROM flights LIMIT 5 OFFSET 5",
        "SELECT origin FROM flights LIMIT 1 + 1",
        "SELECT origin FROM flights LIMIT -1",
        "SELECT origin FROM flights FETCH FIRST 5 ROWS ONLY",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT SUM(delay) OVER (PARTITION BY origin) FROM flights",
        "SELECT origin, COUNT(*) FROM flights GROUP BY ROLLUP (origin)",
        "SELECT COUNT(*) FROM flights GROUP BY GROUPING SETS ((origin), (delay))",
        "SELECT origin FROM flights WHERE origin LIKE 'J%'",
        "SELECT origin || 'x' FROM flights",
        "SELECT t AT TIME ZONE 'EST' FROM flights",
        "SELECT FLOOR(distance) FROM flights",
        "SELECT ROUND(distance) FROM flights",
        "SELECT (origin, delay) FROM flights",
        "SELECT delay & 1 FROM flights",
        "SELECT COUNT(*) FROM HOP(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR, INTERVAL '5' MINUTE)",
        "SELECT COUNT(*) FROM SESSION(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBEL(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t))",
        "SELECT COUNT(*) FROM TUMBLE(TABLE fights, DESCRIPTOR(t), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, t, INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(tt), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(delay), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '0' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' MONTH)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), 60)",
        "SELECT origin FROM flights FOR UPDATE",
        "SELECT origin INTO x FROM flights",
        "SELECT * EXCLUDE (origin) FROM flights",
        "SELECT $1 FROM flights",
    ]), @"");
}

#[test]
fn what_is_not_sql() {
    insta::assert_snapshot!(errors(&[
        "",
        "  -- nothing\n",
        "SELECT",
        "SELECT origin FROM",
        "SELECT origin",
        "SELECT origin FROM flights WHERE (delay > 1",
        "SELECT origin FROM flights WHERE delay >",
        "SELECT origin FORM flights",
        "SELECT 'abc FROM flights",
        "SELECT origin FROM flights GROUP",
        "SELECT origin FROM flights; SELECT delay FROM flights",
        "DELETE FROM flights",
        "INSERT INTO flights VALUES (1)",
        "VALUES (1)",
        "(SELECT origin FROM flights)",
        "SELECT origin FROM flights nonsense nonsense",
    ]), @"");
}

#[test]
fn places_count_characters_and_bytes() {
    let sql = "SELECT '日本', -- é\n  'é' AS \"ü\", wrong\nFROM flights";
    let error = parse(sql, "flights", &schema()).unwrap_err();
    assert_eq!((error.line, error.column, &sql[error.span.clone()]), (2, 15, "wrong"));
}

#[test]
fn columns_that_no_query_can_read_are_named() {
    let list = Arrow::List(Field::new_list_field(Arrow::Int32, true).into());
    let schema = Schema::new(vec![Field::new("t", Arrow::Int32, false), Field::new("parts", list, true)]);
    insta::assert_snapshot!(parse("SELECT t FROM x", "x", &schema).unwrap_err(), @"");
}

#[test]
fn too_long_and_too_deep() {
    let nested = format!("SELECT {}1{} FROM flights", "(".repeat(5000), ")".repeat(5000));
    let chained = format!("SELECT 1{} FROM flights", " + 1".repeat(5000));
    let long = format!("SELECT '{}' FROM flights", "x".repeat(200_000));
    let deep = format!("SELECT {}1{} FROM flights", "(".repeat(500), ")".repeat(500));
    for sql in [nested, chained, long, deep] {
        let message = parse(&sql, "flights", &schema()).unwrap_err().message;
        assert!(message.contains("longer than") || message.contains("nests deeper"), "{message}");
    }
}
