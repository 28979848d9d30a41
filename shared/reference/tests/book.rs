//! The examples of the book's page on SQL: every query runs, every expression gives what the page says.

use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use twopath_query::parse;
use twopath_reference::Reference;

const PAGE: &str = include_str!("../../../experiments/book/sql.md");

fn flights() -> RecordBatch {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name, t| Field::new(name, t, true);
    let schema = Schema::new(vec![
        field("origin", Arrow::Utf8),
        field("carrier", Arrow::Utf8),
        field("tail", Arrow::Utf8),
        field("delay", Arrow::Int64),
        field("distance", Arrow::Int64),
        field("share", Arrow::Float64),
        field("cancelled", Arrow::Boolean),
        field("at", time.clone()),
        // Behind the topic's columns stand the log's own.
        field("_arrival", time),
        field("_partition", Arrow::Int64),
        field("_offset", Arrow::Int64),
    ]);
    let times = |us: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(us).with_timezone("UTC"));
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(StringArray::from(vec!["JFK", "EWR", "JFK"])),
            Arc::new(StringArray::from(vec!["UA", "AA", "UA"])),
            Arc::new(StringArray::from(vec![Some("N14228"), None, Some("N24211")])),
            Arc::new(Int64Array::from(vec![Some(2), None, Some(-5)])),
            Arc::new(Int64Array::from(vec![1400, 1416, 1089])),
            Arc::new(Float64Array::from(vec![0.5, 0.25, 0.75])),
            Arc::new(BooleanArray::from(vec![false, true, false])),
            times(vec![1_357_034_400_000_000; 3]),
            times(vec![1_357_034_500_000_000; 3]),
            Arc::new(Int64Array::from(vec![0; 3])),
            Arc::new(Int64Array::from(vec![7, 8, 9])),
        ],
    )
    .expect("columns of one length")
}

fn answer(sql: &str) -> Vec<Vec<twopath_query::Value>> {
    let batch = flights();
    let topic = batch.schema().project(&(0..8).collect::<Vec<_>>()).expect("the first columns are the topic's");
    let query = parse(sql, "flights", &topic).unwrap_or_else(|e| panic!("{}", e.report(sql)));
    let mut reference = Reference::new(query);
    reference.push(&batch);
    reference.answer().unwrap_or_else(|e| panic!("{sql}: {e}"))
}

#[test]
fn every_query_runs() {
    let queries: Vec<&str> = PAGE.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap_or("")).collect();
    assert!(queries.len() > 10, "{} queries", queries.len());
    for sql in queries {
        assert!(!answer(sql).is_empty(), "{sql}");
    }
}

#[test]
fn every_expression_gives_what_the_page_says() {
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"));
    let mut count = 0;
    for (expr, expected) in lines {
        let expr = expr.replace("\\|", "|");
        let rows = answer(&format!("SELECT {expr} AS v FROM flights LIMIT 1"));
        assert_eq!(rows[0][0].to_string(), expected, "{expr}");
        count += 1;
    }
    assert!(count > 60, "{count} expressions");
}
