//! CASE within CASE: polars' plan would double with each level, and the answer must not take longer for it.

mod common;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use common::{assert_agrees, topic};
use twopath_query::parse;

#[test]
fn case_within_case() {
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)]));
    let t = topic("t", schema.clone(), 2, None, 1 << 20);
    let column = |f: fn(i64) -> Option<i64>| Arc::new(Int64Array::from_iter((0..500).map(f))) as ArrayRef;
    let columns = vec![column(|i| (i % 7 != 0).then_some(i % 40)), column(|i| (i % 11 != 0).then_some(i % 13))];
    t.writer.append(&RecordBatch::try_new(schema.clone(), columns).unwrap()).unwrap();
    let end = t.topic.end().unwrap();
    for depth in [1, 2, 3, 5, 8, 10] {
        // Every level divides by what is zero in the rows that the level above leaves out.
        let value = (0..depth).fold("b".to_owned(), |inner, level| {
            format!("CASE WHEN a <> {level} AND 100 / (a - {level}) > -20 THEN {inner} + 1000 / (a - {level}) ELSE b - {level} END")
        });
        for sql in [
            format!("SELECT a, SUM({value}) AS s FROM t GROUP BY a"),
            format!("SELECT {value} AS k, COUNT(*) AS n FROM t WHERE {value} > 10 GROUP BY {value}"),
        ] {
            let query = parse(&sql, "t", &schema).unwrap_or_else(|e| panic!("{}", e.report(&sql)));
            let rows = assert_agrees(&t.topic, &query, &end);
            assert!(rows.is_some_and(|n| n > 3), "depth {depth}: {rows:?}");
        }
    }
}
