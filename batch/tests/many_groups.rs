//! Groups that are too many for one table, and come back at any time: the engine rayon scatters their rows.

mod common;

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use common::{TestTopic, assert_agrees, topic};
use twopath_query::arbitrary::Random;
use twopath_query::parse;

const ROWS: usize = 400_000;
const KEYS: i64 = 150_000;

fn filled() -> TestTopic {
    let mut random = Random::new(11);
    let batches: Vec<RecordBatch> = (0..ROWS / 20_000)
        .map(|_| {
            let mut ints = |nulls: bool, values: i64| -> Vec<Option<i64>> {
                (0..20_000).map(|_| if nulls && random.below(50) == 0 { None } else { Some(random.between(0, values)) }).collect()
            };
            let texts: StringArray = ints(true, KEYS / 10).into_iter().map(|n| n.map(|n| format!("text {n}"))).collect();
            let floats: Float64Array = ints(true, 1_000).into_iter().map(|n| n.map(|n| n as f64 / 7.0)).collect();
            let columns: [(&str, ArrayRef); 5] = [
                ("k", Arc::new(Int64Array::from(ints(false, KEYS)))),
                ("n", Arc::new(Int64Array::from(ints(true, KEYS)))),
                ("s", Arc::new(texts)),
                ("v", Arc::new(Int64Array::from(ints(true, 1_000)))),
                ("x", Arc::new(floats)),
            ];
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
        })
        .collect();
    let t = topic("t", batches[0].schema(), 2, None, 4 << 20);
    batches.iter().for_each(|batch| drop(t.writer.append(batch).unwrap()));
    t
}

#[test]
fn rows_that_were_scattered_come_together() {
    let t = filled();
    let end = t.topic.end().unwrap();
    let answered = |sql: &str| assert_agrees(&t.topic, &parse(sql, "t", t.topic.schema()).unwrap(), &end);
    assert!(answered("SELECT k, COUNT(*), SUM(v), MIN(s), MAX(x) FROM t GROUP BY k").is_some_and(|rows| rows > 100_000));
    assert!(answered("SELECT s, n, COUNT(*), SUM(x), AVG(x) FROM t GROUP BY s, n").is_some_and(|rows| rows > 300_000));
    assert!(answered("SELECT n, COUNT(DISTINCT v) AS d FROM t GROUP BY n HAVING COUNT(DISTINCT v) > 7 ORDER BY d DESC").is_some());
    assert_eq!(
        answered("SELECT s, k + 1 AS k, SUM(v) AS v FROM t WHERE v > 3 GROUP BY s, k + 1 ORDER BY v DESC LIMIT 100 OFFSET 7"),
        Some(100)
    );
    assert!(answered("SELECT DISTINCT n % 70000 AS m FROM t ORDER BY m DESC LIMIT 10").is_some());
    // An error of one row, of one group, and of a row that no answer shows.
    assert_eq!(answered("SELECT k, SUM(1 / (v - 500)) FROM t GROUP BY k"), None);
    assert_eq!(answered("SELECT k, 1 / (SUM(v) - 500) FROM t GROUP BY k"), None);
    assert_eq!(answered("SELECT k, COUNT(*) AS n, 1 / (SUM(v) - 500) FROM t GROUP BY k ORDER BY n DESC LIMIT 1"), None);
}
