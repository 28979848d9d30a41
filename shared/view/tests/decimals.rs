//! Decimals from a column to an answer, with the values that PostgreSQL gives, worked out by hand; the reference says the same.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType as Arrow, Field, Schema, SchemaRef};
use twopath_query::{EvalError, parse, values};
use twopath_reference::{Reference, compare};
use twopath_view::{GroupTable, Selection, answer};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", Arrow::Utf8, true),
        Field::new("price", Arrow::Decimal128(12, 2), true),
        Field::new("wide", Arrow::Decimal128(38, 0), true),
        Field::new("n", Arrow::Int64, true),
        Field::new("f", Arrow::Float64, true),
    ]))
}

const MOST: i128 = 10i128.pow(38) - 1;

fn orders() -> RecordBatch {
    let prices = Decimal128Array::from(vec![Some(1010), Some(-5), None, Some(1010)]).with_precision_and_scale(12, 2).unwrap();
    let wide = Decimal128Array::from(vec![Some(MOST), Some(MOST), Some(-MOST), None]).with_precision_and_scale(38, 0).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a", "b", "b", "a"])),
        Arc::new(prices),
        Arc::new(wide),
        Arc::new(Int64Array::from(vec![3, 2, 1, 7])),
        Arc::new(Float64Array::from(vec![0.125, 2.675, f64::NAN, 1e300])),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// The answer's rows as text, cells separated by blanks; the same by the view in one part, by the view in two that went to rest, and by
/// the reference.
fn rows(sql: &str) -> Result<Vec<String>, EvalError> {
    let query = parse(sql, "t", &schema()).unwrap_or_else(|e| panic!("{}", e.report(sql)));
    let mut reference = Reference::new(query.clone());
    reference.push(&orders());
    let expected = reference.answer();
    let cells = |row: &Vec<twopath_query::Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    for cut in [4, 2] {
        let tables = [orders().slice(0, cut), orders().slice(cut, 4 - cut)].map(|part| {
            let mut table = GroupTable::new(&query);
            table.update_from_log(&query, &part).map(|()| GroupTable::from_batch(&query, &table.to_batch()).unwrap())
        });
        let [first, second] = tables;
        let given = first.and_then(|a| Ok((a, second?))).and_then(|(a, b)| answer(&query, &[&a, &b], &Selection::default()));
        let given = given.and_then(|batch| values::rows(&batch));
        compare(&query, &expected, &given).unwrap_or_else(|d| panic!("{sql}: {d}"));
    }
    expected.map(|rows| rows.iter().map(cells).collect())
}

fn row(sql: &str) -> Result<String, EvalError> {
    rows(sql).map(|mut rows| rows.remove(0))
}

#[test]
fn money_comes_out_as_cents() {
    assert_eq!(
        rows("SELECT k, SUM(price), AVG(price), MIN(price), MAX(price), COUNT(price), COUNT(DISTINCT price) FROM t GROUP BY k").unwrap(),
        ["a 20.20 10.1000000000000000 10.10 10.10 2 1", "b -0.05 -0.0500000000000000 -0.05 -0.05 1 1"]
    );
    assert_eq!(rows("SELECT price, COUNT(*) FROM t GROUP BY price ORDER BY price DESC").unwrap(), [" 1", "10.10 2", "-0.05 1"]);
    assert_eq!(rows("SELECT price, n FROM t WHERE price > 10.099 ORDER BY n").unwrap(), ["10.10 3", "10.10 7"]);
    assert_eq!(row("SELECT APPROX_QUANTILE(price, 1), APPROX_COUNT_DISTINCT(price) FROM t").unwrap(), "10.1 2");
}

#[test]
fn operators_have_the_scales_of_the_standard() {
    let first = |expr: &str| row(&format!("SELECT {expr} AS x FROM t WHERE n = 3"));
    for (expr, expected) in [
        ("price + 0.005", "10.105"),
        ("price - n", "7.10"),
        ("price * 1.19", "12.0190"),
        ("price * n", "30.30"),
        ("price / 3", "3.3666666666666667"),
        ("- price / 3", "-3.3666666666666667"),
        ("2 / price", "0.1980198019801980"),
        ("price % 3", "1.10"),
        ("- price % 3", "-1.10"),
        ("ABS(- price)", "10.10"),
        ("COALESCE(NULL, price)", "10.10"),
        ("CASE WHEN price = 10.1 THEN price ELSE 0 END", "10.10"),
        ("price * f", "1.2625"),
        ("CAST(price AS DECIMAL(3, 1))", "10.1"),
        ("CAST(price + 0.05 AS DECIMAL(4, 1))", "10.2"),
        ("CAST(0.05 - price AS DECIMAL(4, 1))", "-10.1"),
        ("CAST(price + 0.4 AS BIGINT)", "11"),
        ("CAST(price AS DOUBLE PRECISION)", "10.1"),
        ("CAST(price AS TEXT)", "10.10"),
        ("CAST(f AS DECIMAL(10, 2))", "0.13"),
        ("CAST('-7.005' AS DECIMAL(10, 2))", "-7.01"),
        ("DECIMAL '1.50' + 1", "2.50"),
        ("n + price > 13", "true"),
        ("wide > price", "true"),
    ] {
        assert_eq!(first(expr).as_deref(), Ok(expected), "{expr}");
    }
    // By the digits that are written, where the float is below the half.
    assert_eq!(row("SELECT CAST(f AS DECIMAL(10, 2)) AS x FROM t WHERE n = 2").as_deref(), Ok("2.68"));
}

#[test]
fn rounding_stays_exact() {
    let first = |expr: &str| row(&format!("SELECT {expr} AS x FROM t WHERE n = 3"));
    for (expr, expected) in [
        ("ROUND(price)", "10"),
        ("ROUND(price + 0.4)", "11"),
        ("ROUND(-0.4 - price)", "-11"),
        ("ROUND(price, 1)", "10.1"),
        ("ROUND(price + 0.05, 1)", "10.2"),
        ("ROUND(-0.05 - price, 1)", "-10.2"),
        ("ROUND(price * 1.19, 2)", "12.02"),
        ("ROUND(price, 5)", "10.10"),
        ("ROUND(CAST(9.96 AS DECIMAL(3, 2)), 1)", "10.0"),
        ("ROUND(CAST(9.96 AS DECIMAL(3, 2)))", "10"),
        ("FLOOR(price)", "10"),
        ("FLOOR(price + 0.4)", "10"),
        ("FLOOR(-price)", "-11"),
        ("CEIL(price)", "11"),
        ("CEIL(price + 0.4)", "11"),
        ("CEIL(-price)", "-10"),
        ("TRUNC(price + 0.4)", "10"),
        ("TRUNC(-0.4 - price)", "-10"),
        ("TRUNC(price - 10.1)", "0"),
        // No float has so many digits.
        ("FLOOR(CAST('99999999999999999999.99' AS DECIMAL(38, 2)))", "99999999999999999999"),
        ("CEIL(CAST('99999999999999999999.01' AS DECIMAL(38, 2)))", "100000000000000000000"),
        ("ROUND(CAST('9007199254740993.25' AS DECIMAL(38, 2)), 1)", "9007199254740993.3"),
        ("TRUNC(CAST('-9007199254740993.75' AS DECIMAL(38, 2)))", "-9007199254740993"),
    ] {
        assert_eq!(first(expr).as_deref(), Ok(expected), "{expr}");
    }
    assert_eq!(row("SELECT ROUND(AVG(price), 2), ROUND(SUM(price)), FLOOR(MIN(price)) FROM t").as_deref(), Ok("6.72 20 -1"));
    assert_eq!(
        row("SELECT ROUND(price), FLOOR(price), CEIL(price), TRUNC(price), ROUND(price, 1) FROM t WHERE n = 1").as_deref(),
        Ok("    ")
    );
}

#[test]
fn what_has_too_many_digits_is_an_error() {
    let failed = |sql: &str| rows(sql).unwrap_err();
    // Too large on the way is not too large at the end.
    assert_eq!(row("SELECT SUM(wide) FROM t").unwrap(), MOST.to_string());
    assert_eq!(failed("SELECT SUM(wide) FROM t WHERE n > 1"), EvalError::OutOfRange);
    for expr in
        ["wide + DECIMAL '0.5'", "wide * 10", "wide + CAST(1 AS DECIMAL(1, 0))", "CAST(price AS DECIMAL(3, 2))", "CAST(wide AS BIGINT)"]
    {
        assert_eq!(failed(&format!("SELECT {expr} AS x FROM t WHERE n = 3")), EvalError::OutOfRange, "{expr}");
    }
    assert_eq!(failed("SELECT CAST(f AS DECIMAL(38, 2)) AS x FROM t WHERE n = 1"), EvalError::OutOfRange);
    assert_eq!(failed("SELECT CAST(f AS DECIMAL(38, 2)) AS x FROM t WHERE n = 7"), EvalError::OutOfRange);
    assert_eq!(failed("SELECT price / 0 AS x FROM t WHERE n = 3"), EvalError::DivisionByZero);
    assert!(matches!(failed("SELECT CAST(k AS DECIMAL(5, 2)) AS x FROM t"), EvalError::InvalidText { .. }));
    for (expr, message) in [
        ("CAST(price AS DECIMAL)", "needs its digits"),
        ("CAST(price AS DECIMAL(39, 2))", "1 to 38 digits"),
        ("CAST(price AS DECIMAL(2, 3))", "1 to 38 digits"),
        ("CAST(price AS BOOLEAN)", "cannot be cast"),
    ] {
        let e = parse(&format!("SELECT {expr} AS x FROM t"), "t", &schema()).unwrap_err();
        assert!(e.message.contains(message), "{expr}: {}", e.message);
    }
}

#[test]
fn a_group_is_found_by_its_decimal() {
    let query = parse("SELECT price, COUNT(*) AS n FROM t GROUP BY price", "t", &schema()).unwrap();
    let mut table = GroupTable::new(&query);
    table.update_from_log(&query, &orders()).unwrap();
    let price = twopath_query::Value::Decimal(twopath_query::Decimal::parse("10.10").unwrap());
    let ask = Selection { key: Some(vec![price.clone()]), ..Selection::default() };
    assert_eq!(answer(&query, &[&table], &ask).unwrap().num_rows(), 1);
    let ask = Selection { key: None, first_key: (Some(price), None) };
    assert_eq!(answer(&query, &[&table], &ask).unwrap().num_rows(), 1);
    let split = table.split(3);
    assert_eq!(split.iter().map(GroupTable::len).sum::<usize>(), 3);
}
