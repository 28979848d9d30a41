//! The examples of the book's page on SQL: every query runs, every expression gives what the page says.

use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use twopath_query::{TopicSchema, logical_plan_over};
use twopath_reference::PlanReference;

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
        field("_arrival", time.clone()),
        field("_partition", Arrow::Int64),
        field("_offset", Arrow::Int64),
        field("_watermark", time),
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
            times(vec![1_357_034_300_000_000; 3]),
        ],
    )
    .expect("columns of one length")
}

/// Changes of a table, by tail.
fn planes() -> RecordBatch {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name, t| Field::new(name, t, true);
    let log = [("_arrival", time.clone()), ("_partition", Arrow::Int64), ("_offset", Arrow::Int64), ("_watermark", time.clone())];
    let columns = [("tail", Arrow::Utf8), ("since", time), ("seats", Arrow::Int64)].into_iter().chain(log);
    let schema = Schema::new(columns.map(|(name, t)| field(name, t)).collect::<Vec<_>>());
    let times = |us: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(us).with_timezone("UTC"));
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(StringArray::from(vec!["N14228", "N14228", "N24211"])),
            times(vec![1_350_000_000_000_000, 1_356_000_000_000_000, 1_355_000_000_000_000]),
            Arc::new(Int64Array::from(vec![149, 150, 189])),
            times(vec![1_357_034_000_000_000; 3]),
            Arc::new(Int64Array::from(vec![0; 3])),
            Arc::new(Int64Array::from(vec![0, 1, 2])),
            times(vec![1_340_000_000_000_000; 3]),
        ],
    )
    .expect("columns of one length")
}

fn answer(sql: &str) -> Vec<Vec<twopath_query::Value>> {
    let topics = [("flights", flights(), 8, None, "at"), ("planes", planes(), 3, Some("tail"), "since")];
    // Behind the topic's columns stand the log's own.
    let schemas =
        topics.each_ref().map(|(_, batch, fields, ..)| batch.schema().project(&(0..*fields).collect::<Vec<_>>()).expect("columns"));
    let named: Vec<TopicSchema> = topics
        .iter()
        .zip(&schemas)
        .map(|((name, _, _, key, time), schema)| TopicSchema { name, schema, key: *key, time: Some(*time) })
        .collect();
    let plan = logical_plan_over(sql, &named).unwrap_or_else(|e| panic!("{}", e.report(sql)));
    plan.program().unwrap_or_else(|e| panic!("{sql}: {e}"));
    let mut reference = PlanReference::new(plan);
    for (name, batch, ..) in &topics {
        reference.push(name, batch).expect("columns that queries read");
    }
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
