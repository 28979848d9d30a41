//! Where a batch view is cut, and what it is made of.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use common::{TestTopic, assert_agrees, records, rows, topic};
use twopath_base::{Offset, PartitionId, Position};
use twopath_batch::plain::{CountAndSum, map_segments, plain_polars};
use twopath_batch::{BatchError, Engine, Logic, compute, run_batch};
use twopath_query::{EvalError, Query, Value, parse};
use twopath_view::store::ViewStore;

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let number = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![Field::new("time", time, false), number("url"), number("user"), number("duration_ms")]))
}

fn pageviews(from: i64, rows: i64) -> RecordBatch {
    let number = |f: &dyn Fn(i64) -> i64| Arc::new((from..from + rows).map(f).collect::<Int64Array>()) as ArrayRef;
    let times = (from..from + rows).map(|i| 1_700_000_000_000_000 + i * 40_000 - i % 7 * 1_000_000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let columns = vec![Arc::new(times) as ArrayRef, number(&|i| i * i % 17), number(&|i| i % 100), number(&|i| i * 31 % 60_000)];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn query(sql: &str) -> Query {
    parse(sql, "pageviews", &schema()).unwrap()
}

fn by_minute_and_url() -> Query {
    query(
        "SELECT window_start AS minute, url, COUNT(*) AS views, SUM(duration_ms) AS duration_ms
         FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url",
    )
}

fn in_frames(frame: i64, rows: i64, segment_bytes: u64) -> TestTopic {
    let t = topic("pageviews", schema(), 1, Some("time"), segment_bytes);
    for from in (0..rows).step_by(frame as usize) {
        t.writer.append(&pageviews(from, frame.min(rows - from))).unwrap();
    }
    t
}

#[test]
fn a_horizon_may_lie_anywhere() {
    let t = in_frames(20, 500, 4 << 10);
    for horizon in [0, 1, 19, 20, 21, 250, 499, 500] {
        assert_agrees(&t.topic, &by_minute_and_url(), &Position::new(vec![Offset(horizon)]));
    }
}

#[test]
fn large_frames_and_many_tiny_ones() {
    for frame in [3, 40_000, 200_000] {
        let rows = if frame == 3 { 3_000 } else { 200_000 };
        let t = in_frames(frame, rows, 1 << 20);
        let horizon = Position::new(vec![Offset(rows as u64 - 1)]);
        assert_agrees(&t.topic, &by_minute_and_url(), &horizon);
    }
}

#[test]
fn over_nothing_there_are_no_groups_but_the_global_one() {
    let t = topic("pageviews", schema(), 2, Some("time"), 1 << 20);
    let horizon = Position::zero(2);
    let global = query("SELECT COUNT(*), SUM(duration_ms), MIN(1 / 0), COUNT(DISTINCT url), APPROX_QUANTILE(url, 0.5) FROM pageviews");
    for engine in Engine::ALL {
        assert!(compute(&t.topic, &by_minute_and_url(), &Logic::Sql, engine, &horizon).unwrap().is_empty(), "{engine}");
        let table = compute(&t.topic, &global, &Logic::Sql, engine, &horizon).unwrap();
        let expected = [[Value::Int(0), Value::Null, Value::Null, Value::Int(0), Value::Null]];
        assert_eq!(rows(&global, &table).unwrap(), expected, "{engine}");
    }
}

/// Errors: of rows below the horizon only, of rows that the filter keeps only, and where guards want them only.
#[test]
fn errors_are_those_of_the_rows_that_count() {
    Engine::ALL.into_iter().for_each(errors_of);
}

fn errors_of(engine: Engine) {
    let t = in_frames(20, 100, 1 << 20);
    let at = |n| Position::new(vec![Offset(n)]);
    let of = |sql: &str, horizon: &Position| compute(&t.topic, &query(sql), &Logic::Sql, engine, horizon).map(|table| table.len());
    let divide = "SELECT SUM(1 / (duration_ms - 930)) FROM pageviews";
    assert!(matches!(of(divide, &at(100)), Err(BatchError::Eval(EvalError::DivisionByZero))));
    assert!(matches!(of(divide, &at(31)), Err(BatchError::Eval(EvalError::DivisionByZero))));
    assert_eq!(of(divide, &at(30)).unwrap(), 1);
    assert_eq!(of(&format!("{divide} WHERE duration_ms <> 930"), &at(100)).unwrap(), 1);
    assert_eq!(of("SELECT SUM(CASE WHEN duration_ms <> 930 THEN 1 / (duration_ms - 930) END) FROM pageviews", &at(100)).unwrap(), 1);
    assert_eq!(of("SELECT COUNT(*) FROM pageviews WHERE duration_ms <> 930 AND 1 / (duration_ms - 930) >= 0", &at(100)).unwrap(), 1);
    assert!(matches!(
        of("SELECT SUM(duration_ms * 9000000000000000000) FROM pageviews", &at(100)),
        Err(BatchError::Eval(EvalError::OutOfRange))
    ));
    // Over no row, constants raise nothing.
    assert_eq!(of("SELECT SUM(1 / 0) FROM pageviews WHERE url < 0", &at(100)).unwrap(), 1);
    assert!(matches!(of("SELECT SUM(1 / 0) FROM pageviews", &at(1)), Err(BatchError::Eval(EvalError::DivisionByZero))));
}

#[test]
fn a_position_that_is_not_the_topics_is_refused() {
    let t = in_frames(20, 40, 1 << 20);
    let refused =
        |horizon: Position| compute(&t.topic, &by_minute_and_url(), &Logic::Sql, Engine::Polars, &horizon).unwrap_err().to_string();
    assert_eq!(
        refused(Position::new(vec![Offset(41)])),
        "the horizon 41 lies beyond the end of topic 'pageviews', 40; wait for the log, or choose a position up to 40"
    );
    assert_eq!(
        refused(Position::zero(2)),
        "the horizon 0,0 speaks of 2 partitions, topic 'pageviews' has 1; take it from this topic's end or barriers"
    );
    let other = parse("SELECT COUNT(*) FROM other", "other", &Schema::new(vec![Field::new("a", DataType::Int64, false)])).unwrap();
    let error = compute(&t.topic, &other, &Logic::Sql, Engine::Rayon, &Position::zero(1)).unwrap_err().to_string();
    assert_eq!(error, "the query is over the columns of topic 'other', which are not those of topic 'pageviews': 4 columns, not 1");
}

/// polars' own Arrow reader over sealed segments gives the records that the log gives.
#[test]
fn polars_reads_sealed_segments() {
    let t = in_frames(700, 20_000, 64 << 10);
    t.writer.barrier().unwrap();
    let sealed: Vec<PathBuf> =
        t.topic.local().unwrap().segments(PartitionId(0)).unwrap().into_iter().filter(|s| s.sealed).map(|s| s.path).collect();
    assert!(sealed.len() > 3, "{sealed:?}");

    let frame = map_segments(&sealed, &["time", "url", "duration_ms"]).unwrap();
    let ours = records(&t.topic, PartitionId(0));
    let column = |i: usize| ours.iter().flat_map(|b| b.column(i).as_primitive::<Int64Type>().values().to_vec()).collect::<Vec<_>>();
    let times = ours.iter().flat_map(|b| b.column(0).as_primitive::<TimestampMicrosecondType>().values().to_vec()).collect::<Vec<_>>();
    for (name, expected) in [("time", times), ("url", column(1)), ("duration_ms", column(3))] {
        let read: Vec<i64> = frame.column(name).unwrap().i64().unwrap().iter().map(Option::unwrap).collect();
        assert_eq!(read, expected, "{name}");
    }

    let query = by_minute_and_url();
    let plain = CountAndSum { time: "time", size_us: 60_000_000, key: "url", sum: "duration_ms" };
    let plain = plain_polars(&sealed, &plain).unwrap();
    let table = compute(&t.topic, &query, &Logic::Sql, Engine::Polars, &t.topic.end().unwrap()).unwrap();
    let expected = plain.rows().unwrap().into_iter().map(|[window, url, count, sum]| {
        vec![Value::Timestamp(window), Value::Int(url), Value::Int(count), Value::Numeric(i128::from(sum))]
    });
    assert_eq!(rows(&query, &table).unwrap(), expected.collect::<Vec<_>>());
    assert_eq!(plain.len(), table.len());
}

#[test]
fn a_run_publishes_a_version() {
    for (engine, steps) in [(Engine::Polars, ["read", "polars", "table"]), (Engine::Rayon, ["read", "fold", "merge"])] {
        publishes(engine, steps);
    }
}

fn publishes(engine: Engine, steps: [&str; 3]) {
    let t = in_frames(20, 500, 4 << 10);
    let query = by_minute_and_url();
    let store = ViewStore::open(&t.dir.path().join("views"), 2).unwrap();
    for (number, horizon) in [(1, 100), (2, 300), (3, 500)] {
        let horizon = Position::new(vec![Offset(horizon)]);
        let view = run_batch(&t.topic, &query, &Logic::Sql, engine, number, &horizon, &store).unwrap();
        assert_eq!((view.version, view.barrier, &view.upper), (number, number, &horizon));
        let loaded = store.latest(&query).unwrap().unwrap();
        assert_eq!((loaded.version, loaded.barrier, &loaded.upper), (number, number, &horizon));
        assert_eq!(rows(&query, &loaded.table).unwrap(), rows(&query, &view.table).unwrap());
        assert_eq!(rows(&query, &loaded.table).unwrap(), common::reference(&t.topic, &query, &horizon).answer().unwrap());
        let manifest = store.manifest(number).unwrap();
        assert_eq!((manifest.records, manifest.groups), (horizon.records(), view.table.len() as u64));
        assert_eq!(manifest.logic, "sql");
        for step in ["wall", "write"].iter().chain(&steps) {
            assert!(manifest.timings_ms.contains_key(*step), "{step} in {:?}", manifest.timings_ms);
        }
    }
    assert_eq!(store.versions().unwrap(), [2, 3]);
    // A run that fails publishes nothing.
    let failing = parse("SELECT SUM(1 / (url - 4)) FROM pageviews", "pageviews", &schema()).unwrap();
    let end = t.topic.end().unwrap();
    assert!(matches!(run_batch(&t.topic, &failing, &Logic::Sql, engine, 4, &end, &store), Err(BatchError::Eval(_))));
    assert_eq!(store.versions().unwrap(), [2, 3]);
}
