//! Feeds with `EMIT ON WINDOW CLOSE` of what is more than groups by windows: joins, subqueries, OVER and rows. Each row is put out once, when nothing changes it any more.

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use common::{Events, Random, feed};
use twopath_base::{PartitionId, Position};
use twopath_log::{Entry, Log, PartitionBy, Start, TopicConfig};
use twopath_query::{Plan, Value, values};
use twopath_speed::{Backend, Checkpoints, Feed, FeedKind, FeedQuery, FeedReport, Until, run_feed};

const SECOND: i64 = 1_000_000;

/// Each with W in the place of windows over what is on time.
const QUERIES: [&str; 10] = [
    "SELECT window_start, key, COUNT(*) AS c, SUM(n) AS s FROM W t WHERE (window_start, d) IN (SELECT window_start, MAX(d) FROM W GROUP BY window_start) GROUP BY window_start, window_end, key",
    "SELECT window_end, COUNT(*) AS c FROM W t WHERE EXISTS (SELECT 1 FROM W s WHERE s.window_start = t.window_start AND s.d = t.d + 1) GROUP BY window_start, window_end",
    "SELECT window_end, COUNT(*) AS c FROM W t WHERE d NOT IN (SELECT s.d FROM W s WHERE s.window_end = t.window_end AND s.n > 0) GROUP BY window_start, window_end",
    "SELECT window_start, key, COUNT(*) AS c FROM W t GROUP BY window_start, window_end, key
     HAVING COUNT(*) > (SELECT AVG(s.c) FROM (SELECT window_start, key, COUNT(*) AS c FROM W GROUP BY window_start, key) s WHERE s.window_start = t.window_start)",
    "SELECT t.window_end, COUNT(*) AS pairs, MAX(s.n - t.n) AS most FROM W t JOIN W s ON s.window_start = t.window_start AND s.key = t.key AND s.n > t.n GROUP BY t.window_start, t.window_end",
    "SELECT window_start, key, COUNT(*) AS c, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY COUNT(*) DESC, key) AS place
     FROM W GROUP BY window_start, window_end, key QUALIFY place <= 2",
    "SELECT window_start, key, GROUPING(key) AS g, COUNT(*) AS c FROM W GROUP BY window_start, window_end, ROLLUP (key)",
    "SELECT window_start, COUNT(*) AS c, (SELECT s.key FROM W s WHERE s.window_start = t.window_start ORDER BY s.n DESC NULLS LAST, s.d, s.key LIMIT 1) AS best FROM W t GROUP BY window_start, window_end",
    "SELECT _partition AS p, _offset AS o, window_start, key, d FROM W WHERE d > 10",
    "SELECT _partition AS p, _offset AS o, window_end, d, SUM(d) OVER (PARTITION BY window_end, key ORDER BY d ROWS 2 PRECEDING) AS s, LEAD(d) OVER (PARTITION BY window_end ORDER BY d, _partition, _offset) AS next
     FROM W WHERE d > 3",
];

fn windows(window: &str) -> String {
    let lengths = match window {
        "HOP" => "INTERVAL '3' SECOND, INTERVAL '9' SECOND",
        _ => "INTERVAL '7' SECOND",
    };
    format!("{window}(TABLE WATERMARK(TABLE events, DESCRIPTOR(time), INTERVAL '2' SECOND), DESCRIPTOR(time), {lengths})")
}

fn plan(events: &Events, sql: &str) -> Plan {
    twopath_query::logical_plan(sql, "events", events.topic.schema()).unwrap_or_else(|e| panic!("{}", e.report(sql)))
}

/// Events over some seconds from a moment on, of which a few are late.
fn batch(events: &mut Events, from: i64, rows: usize) -> RecordBatch {
    let random = &mut events.random;
    let time = |random: &mut Random| {
        let late = if random.below(10) == 0 { random.below(9) as i64 * SECOND } else { 0 };
        from + random.below(2_000_000) as i64 - late
    };
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|_| time(random)));
    let keys = StringArray::from_iter((0..rows).map(|_| (random.below(8) != 0).then(|| format!("key {}", random.below(3)))));
    let n = Int64Array::from_iter((0..rows).map(|_| (random.below(5) != 0).then(|| random.below(40) as i64 - 20)));
    let d = Int64Array::from_iter_values((0..rows).map(|_| 1 + random.below(20) as i64));
    let columns: Vec<ArrayRef> = vec![Arc::new(times.with_timezone("UTC")), Arc::new(keys), Arc::new(n), Arc::new(d)];
    RecordBatch::try_new(events.topic.schema().clone(), columns).unwrap()
}

fn sorted(rows: Vec<Vec<Value>>) -> Vec<String> {
    let in_a_topic = |value| if let Value::Numeric(sum) = value { Value::Int(sum.try_into().unwrap()) } else { value };
    let mut rows: Vec<String> = rows.into_iter().map(|row| format!("{:?}", row.into_iter().map(in_a_topic).collect::<Vec<_>>())).collect();
    rows.sort_unstable();
    rows
}

/// Everything that the output was ever given.
fn appended(log: &Log) -> Vec<String> {
    let output = log.topic("out").unwrap();
    let mut rows = Vec::new();
    for q in 0..output.partitions() as u32 {
        let mut reader = output.reader(PartitionId(q), Start::First, None).unwrap();
        while let Some(entry) = reader.next().unwrap() {
            if let Entry::Records(records) = entry {
                rows.extend(values::rows(&records.batch).unwrap());
            }
        }
    }
    sorted(rows)
}

fn run(events: &Events, sql: &str, workers: usize) -> u64 {
    run_kept(events, sql, Backend::Memory, workers).rows_appended
}

fn run_kept(events: &Events, sql: &str, backend: Backend, workers: usize) -> FeedReport {
    let log = Log::open(events.dir.path()).unwrap();
    let plan = plan(events, sql);
    assert!(matches!(plan.closing(), Ok(None)), "{sql}: {:?}", plan.closing().err());
    let maintained = plan.maintained();
    assert!(maintained.is_final, "{sql}");
    let query = FeedQuery::kept(maintained).unwrap_or_else(|e| panic!("{sql}: {e}"));
    assert_eq!(query.kind(), FeedKind::Table);
    if !log.topics().unwrap().contains(&"out".to_owned()) {
        let key = query.key().unwrap().to_owned();
        let config = TopicConfig { partitions: 2, partition_by: PartitionBy::Key(key), ..TopicConfig::new("out", query.schema().clone()) };
        query.check_output(&config).unwrap();
        log.create_topic(config).unwrap();
    }
    let feed = Feed { backend, ..feed(events, query, None) };
    run_feed(feed, &Until::End, workers, &AtomicBool::new(false)).unwrap()
}

fn checkpoints(events: &Events) -> PathBuf {
    events.dir.path().join("f.feed/checkpoints")
}

/// The same where what is open is kept at rest, from which each start goes on; and that does not grow with what is closed.
#[test]
fn what_is_closed_is_kept_no_longer() {
    let mut let_go = Vec::new();
    for (number, sql) in QUERIES.into_iter().enumerate() {
        for window in ["TUMBLE", "HOP"] {
            let sql = format!("{} EMIT ON WINDOW CLOSE", sql.replace(" W ", &format!(" {} ", windows(window))));
            let mut events = Events::new(2, 190 + number as u64);
            let log = Log::open(events.dir.path()).unwrap();
            let mut now = 1_357_000_000 * SECOND;
            let mut sizes = Vec::new();
            // What is let go is at rest no more with the next start, and with three checkpoints none has it.
            for (round, steps) in [24, 12, 12, 12, 240, 12, 12, 12].into_iter().enumerate() {
                for step in 0..steps {
                    let rows = 1 + events.random.below(5) as usize;
                    let batch = batch(&mut events, now, rows);
                    events.writer.append_to(PartitionId(step % 2), &batch, None).unwrap();
                    now += SECOND;
                }
                let backend = || Backend::Checkpoints(Checkpoints::every(Duration::from_millis(1), &checkpoints(&events)));
                run_kept(&events, &sql, backend(), 1 + round % 3);
                assert_eq!(appended(&log), wanted(&events, &sql, &events.end()), "{sql}, round {round}");
                let again = run_kept(&events, &sql, backend(), 1 + (round + 1) % 3);
                assert_eq!((again.rows_appended, again.rows_read, again.rows_read_again), (0, 0, 0), "{sql}, round {round}");
                sizes.push(common::bytes_at_rest(&checkpoints(&events)));
            }
            if sizes[7] < 2 * sizes[3] {
                let_go.push((number, window));
            }
        }
    }
    // Not those of which the plan does not say how long rows are needed.
    let expected: Vec<(usize, &str)> =
        [0, 1, 3, 4, 5, 6, 8, 9].into_iter().flat_map(|number| [(number, "TUMBLE"), (number, "HOP")]).collect();
    assert_eq!(let_go, expected);
}

/// Every row that the reference has is appended once, and none is taken back; the reference itself takes none back from one frame to the next.
#[test]
fn each_row_is_put_out_once_when_it_is_final() {
    for (number, sql) in QUERIES.into_iter().enumerate() {
        for window in ["TUMBLE", "HOP"] {
            let sql = format!("{} EMIT ON WINDOW CLOSE", sql.replace(" W ", &format!(" {} ", windows(window))));
            let mut events = Events::new(2, 90 + number as u64);
            let log = Log::open(events.dir.path()).unwrap();
            let mut now = 1_357_000_000 * SECOND;
            let mut before: Vec<String> = Vec::new();
            for round in 0..4 {
                for step in 0..12 {
                    let rows = 1 + events.random.below(5) as usize;
                    let batch = batch(&mut events, now, rows);
                    // Both have spoken before a window ends.
                    events.writer.append_to(PartitionId(step % 2), &batch, None).unwrap();
                    now += SECOND;
                    let wanted = wanted(&events, &sql, &events.end());
                    assert!(is_within(&before, &wanted), "{sql}: a row of {before:?} has changed: {wanted:?}");
                    before = wanted;
                }
                run(&events, &sql, 1 + round % 3);
                assert_eq!(appended(&log), before, "{sql}, round {round}");
                assert_eq!(run(&events, &sql, 1 + (round + 1) % 3), 0);
            }
            assert!(before.len() > 3, "{sql}: {before:?}");
        }
    }
}

fn wanted(events: &Events, sql: &str, to: &Position) -> Vec<String> {
    sorted(events.answer_of(plan(events, sql), to))
}

/// Whether all of the one, both sorted, are in the other, each as often.
fn is_within(some: &[String], all: &[String]) -> bool {
    let mut all = all.iter();
    some.iter().all(|row| all.any(|other| other == row))
}
