//! Feeds with groups: the newest row of each group is the reference's answer, whatever happens on the way, and no change is there twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use twopath::feeds::{Definition, FeedError, FeedKind, FeedReport, FeedRun, Graph, OutputOptions, Until, run_feed};
use twopath::systems::StateBackend;
use twopath_base::clock::SystemClock;
use twopath_base::{Offset, PartitionId};
use twopath_log::{
    Compaction, Entry, Log, LogError, PartitionBy, ProducerSequence, Retention, Start, Topic, TopicConfig, TopicWriter, producer_id,
};
use twopath_query::values::rows;
use twopath_query::{ExprKind, Query, Value, parse};
use twopath_reference::Reference;
use twopath_speed::SpeedError;
use twopath_storage::FaultyStorage;

/// Some of a row: the group's columns, a value that comes and goes, an hour.
#[derive(Debug, Clone)]
struct Row {
    k: Option<u8>,
    j: i64,
    v: Option<i64>,
    hour: i64,
}

fn batch(rows: &[Row]) -> RecordBatch {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = [("k", DataType::Utf8), ("j", DataType::Int64), ("v", DataType::Int64), ("t", time)];
    let schema = Schema::new(fields.map(|(name, t)| Field::new(name, t, true)).to_vec());
    let us = rows.iter().map(|r| r.hour * 3_600_000_000 + r.j);
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(rows.iter().map(|r| r.k.map(|k| format!("k{k}"))).collect::<StringArray>()),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.j))),
            Arc::new(rows.iter().map(|r| r.v).collect::<Int64Array>()),
            Arc::new(TimestampMicrosecondArray::from_iter_values(us).with_timezone("UTC")),
        ],
    )
    .unwrap()
}

/// Rows of a stream that is the same each time.
fn some(rows: std::ops::Range<i64>) -> RecordBatch {
    let row = |i: i64| Row { k: Some((i * 7 % 5) as u8), j: i % 3, v: (i % 11 != 5).then_some(i * 13 % 21 - 10), hour: i / 40 };
    batch(&rows.map(row).collect::<Vec<_>>())
}

fn source(log: &Log, partitions: u32) -> Topic {
    let config = TopicConfig { partitions, segment_bytes: 2048, ..TopicConfig::new("a", batch(&[]).schema()) };
    log.create_topic(config).unwrap()
}

fn feed(name: &str, sql: &str) -> Definition {
    Definition {
        name: name.into(),
        input: "a".into(),
        beside: vec![],
        output: name.into(),
        sql: sql.into(),
        state: StateBackend::Memory,
        every_ms: None,
        on_time_us: None,
        topics: None,
    }
}

/// How it is run.
fn how(until: Until, workers: usize, stop: &AtomicBool) -> FeedRun<'_> {
    FeedRun { until, workers, checkpoint_interval: Duration::from_millis(1), stop }
}

fn run(log: &Log, feed: &Definition, made_as: &OutputOptions) -> Result<FeedReport, FeedError> {
    run_by(1, log, feed, made_as)
}

fn run_by(workers: usize, log: &Log, feed: &Definition, made_as: &OutputOptions) -> Result<FeedReport, FeedError> {
    run_feed(log, feed, made_as, &how(Until::End, workers, &AtomicBool::new(false)))
}

fn parts(n: u32) -> OutputOptions {
    OutputOptions { partitions: Some(n), segment_bytes: Some(2048), ..OutputOptions::default() }
}

/// All rows of a partition, in order.
fn read(topic: &Topic, partition: u32) -> Vec<RecordBatch> {
    let mut reader = topic.reader(PartitionId(partition), Start::First, None).unwrap();
    let mut batches = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Records(records) = entry {
            batches.push(records.batch);
        }
    }
    batches
}

/// The output columns that are the query's keys.
fn key_columns(query: &Query) -> Vec<usize> {
    let is = |key: usize| move |o: &twopath_query::NamedExpr| matches!(o.expr.kind, ExprKind::Column(c) if c == key);
    (0..query.keys.len()).map(|key| query.output.iter().position(is(key)).unwrap()).collect()
}

/// The newest row of each group, without those that were deleted; by their keys, as text. On the way: each group is in one partition, and
/// its `n`, a COUNT(*), goes up from row to row, so that no row is there twice.
fn newest(output: &Topic, query: &Query) -> BTreeMap<String, Vec<Value>> {
    let keys = key_columns(query);
    let n = output.schema().index_of("n").unwrap();
    let mut newest: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut counts: BTreeMap<String, (u32, i64)> = BTreeMap::new();
    for p in 0..output.partitions() as u32 {
        for row in read(output, p).iter().flat_map(|batch| rows(batch).unwrap()) {
            let key = format!("{:?}", keys.iter().map(|&c| &row[c]).collect::<Vec<_>>());
            if row.iter().enumerate().all(|(c, value)| keys.contains(&c) || *value == Value::Null) {
                assert!(query.having.is_some(), "only HAVING deletes");
                newest.remove(&key);
                continue;
            }
            let Value::Int(count) = row[n] else { panic!("{row:?}") };
            let before = counts.insert(key.clone(), (p, count)).unwrap_or((p, 0));
            assert_eq!(before.0, p, "{key} in two partitions");
            assert!(before.1 < count, "{key}: {count} rows after {}", before.1);
            newest.insert(key, row);
        }
    }
    newest
}

/// The reference's answer over a topic, by key.
fn wanted(input: &Topic, query: &Query) -> BTreeMap<String, Vec<Value>> {
    let mut reference = Reference::new(query.clone());
    (0..input.partitions() as u32).flat_map(|p| read(input, p)).for_each(|batch| reference.push(&batch));
    let keys = key_columns(query);
    let int = |value| match value {
        Value::Numeric(sum) => Value::Int(sum.try_into().unwrap()),
        other => other,
    };
    let row = |row: Vec<Value>| {
        let row: Vec<Value> = row.into_iter().map(int).collect();
        (format!("{:?}", keys.iter().map(|&c| &row[c]).collect::<Vec<_>>()), row)
    };
    reference.answer().unwrap().into_iter().map(row).collect()
}

fn check(log: &Log, feed: &Definition) {
    let input = log.topic("a").unwrap();
    let query = parse(&feed.sql, "a", input.schema()).unwrap();
    let output = log.topic(&feed.output).unwrap();
    assert_eq!(newest(&output, &query), wanted(&input, &query), "{}", feed.sql);
    assert!(output.local().unwrap().verify().unwrap().is_clean());
}

const QUERIES: [&str; 8] = [
    "SELECT k, COUNT(*) AS n, SUM(v) AS s, MIN(v) AS lo, MAX(v) AS hi, AVG(v) AS mean FROM a GROUP BY k",
    "SELECT COUNT(*) AS n, SUM(v) AS s, COUNT(DISTINCT k) AS ks FROM a",
    "SELECT COUNT(*) * 2 AS twice, j, k, COUNT(*) AS n FROM a WHERE v > -5 GROUP BY k, j",
    "SELECT window_start, COUNT(*) AS n, MAX(k) AS k FROM TUMBLE(TABLE a, DESCRIPTOR(t), INTERVAL '1' HOUR) GROUP BY window_start",
    "SELECT k, SUM(v) AS s, COUNT(*) AS n FROM a GROUP BY k HAVING SUM(v) > 3",
    "SELECT k, j % 2 AS odd, COUNT(*) AS n, k AS again FROM a GROUP BY k, j % 2 HAVING SUM(v) > 2",
    "SELECT COUNT(*) AS n, SUM(v) AS s FROM a HAVING SUM(v) > 0",
    "SELECT CAST(v AS DOUBLE PRECISION) AS f, COUNT(*) AS n FROM a GROUP BY CAST(v AS DOUBLE PRECISION)",
];

#[derive(Debug, Clone)]
enum Step {
    /// To one of the partitions.
    Append(u32, Vec<Row>),
    /// To the end.
    Run,
    /// Until it is told to stop, so many microseconds after.
    Stop(u64),
    /// Until so many bytes were written.
    Die(u64),
    /// Sets the feed's group elsewhere: no matter for what is in the output.
    Seek(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let row = (prop::option::weighted(0.9, 0..6u8), 0..3i64, prop::option::weighted(0.9, -10..=10i64), 0..5i64);
    let rows = prop::collection::vec(row.prop_map(|(k, j, v, hour)| Row { k, j, v, hour }), 1..25);
    prop_oneof![
        8 => (0..4u32, rows).prop_map(|(p, rows)| Step::Append(p, rows)),
        1 => Just(Step::Run),
        1 => (0..1500u64).prop_map(Step::Stop),
        3 => (0..6000u64).prop_map(Step::Die),
        1 => (0..60u64).prop_map(Step::Seek),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_newest_rows_are_the_answer(
        sql in prop::sample::select(&QUERIES[..]),
        inputs in 1..4u32,
        outputs in 1..4u32,
        workers in 1..4usize,
        state in prop::sample::select(vec![StateBackend::Memory, StateBackend::Checkpoint, StateBackend::local()]),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let storage = FaultyStorage::default();
        let open = || Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir.path()).unwrap();
        let mut log = open();
        source(&log, inputs);
        let feed = Definition { state, ..feed("f", sql) };
        let query = parse(sql, "a", batch(&[]).schema().as_ref()).unwrap();
        for step in steps.into_iter().chain([Step::Append(0, vec![Row { k: None, j: 0, v: Some(1), hour: 0 }]), Step::Run]) {
            match step {
                Step::Append(p, rows) => {
                    let writer = log.topic("a").unwrap().writer().unwrap();
                    writer.append_to(PartitionId(p % inputs), &batch(&rows), None).unwrap();
                }
                Step::Run => drop(run_by(workers, &log, &feed, &parts(outputs)).unwrap()),
                Step::Stop(us) => {
                    let stop = AtomicBool::new(false);
                    std::thread::scope(|scope| {
                        scope.spawn(|| {
                            std::thread::sleep(Duration::from_micros(us));
                            stop.store(true, Ordering::Relaxed);
                        });
                        run_feed(&log, &feed, &parts(outputs), &how(Until::Stopped, workers, &stop)).unwrap();
                    });
                }
                Step::Die(bytes) => {
                    storage.crash_after_bytes(bytes);
                    let died = run_by(workers, &log, &feed, &parts(outputs));
                    prop_assert_eq!(died.is_err(), storage.struck(), "{:?}", died);
                    storage.heal();
                    log = open();
                }
                Step::Seek(to) => drop(log.topic("a").unwrap().local().unwrap().group_or_new("feed.f").unwrap().seek(Start::Offset(Offset(to)))),
            }
            if log.topics().unwrap().contains(&"f".to_owned()) {
                // In the middle, too, no row is there twice.
                newest(&log.topic("f").unwrap(), &query);
            }
        }
        check(&log, &feed);
    }
}

/// What is kept is not read again, whatever number of workers goes on with it; what is lost or damaged is made again from the input.
#[test]
fn a_changelog_goes_on_from_the_state_that_it_keeps() {
    for (state, sql) in [StateBackend::Checkpoint, StateBackend::local()].iter().flat_map(|s| QUERIES.iter().map(move |sql| (s, sql))) {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let writer = source(&log, 3).writer().unwrap();
        let feed = Definition { state: state.clone(), ..feed("f", sql) };
        let mut appended = 0;
        for (step, workers) in [1, 3, 2, 2, 1].into_iter().enumerate() {
            let from = step as i64 * 70;
            writer.append(&some(from..from + 70)).unwrap();
            let report = run_by(workers, &log, &feed, &parts(2)).unwrap();
            assert_eq!((report.rows_read, report.rows_read_again), (70, 0), "{state}, {sql}, step {step}");
            appended += report.rows_appended;
            check(&log, &feed);
        }
        assert_eq!(run_by(2, &log, &feed, &parts(2)).unwrap(), FeedReport::default(), "{state}, {sql}");
        assert_eq!(log.topic("f").unwrap().end().unwrap().records(), appended);

        let kept = dir.path().join(".feeds/f.state");
        match state {
            StateBackend::Local { .. } => std::fs::remove_dir_all(kept.join("local/index")).unwrap(),
            _ => std::fs::remove_dir_all(&kept).unwrap(),
        }
        writer.append(&some(350..400)).unwrap();
        let report = run_by(2, &log, &feed, &parts(2)).unwrap();
        // The changelog has what the index had.
        let again = if *state == StateBackend::local() { 0 } else { 350 };
        assert_eq!((report.rows_read, report.rows_read_again), (50, again), "{state}, {sql}");
        check(&log, &feed);

        // In an output that is made anew nothing is of the state before.
        log.delete_topic("f").unwrap();
        let report = run_by(2, &log, &feed, &parts(2)).unwrap();
        assert_eq!((report.rows_read, report.rows_read_again), (400, 0), "{state}, {sql}");
        check(&log, &feed);

        let elsewhere = Definition { state: StateBackend::Memory, ..feed.clone() };
        let refused = run(&log, &elsewhere, &parts(2)).unwrap_err().to_string();
        let wanted = format!(
            "feed 'f' keeps its state in {state}, not in memory; give this feed another --name and output, or run it as it is defined"
        );
        assert_eq!(refused, wanted);
        feed.forget(&log).unwrap();
        assert!(!kept.exists());
        assert_eq!(log.topics().unwrap(), ["a", "f"]);
    }
}

/// Every place at which it can die, by the bytes that it wrote until then.
#[test]
fn a_changelog_that_dies_at_any_byte_goes_on_where_its_output_is() {
    for (sql, bytes_left) in QUERIES.iter().flat_map(|sql| (0..12u64).map(move |i| (sql, i * i * 997 % 17_011))) {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let storage = FaultyStorage::default();
        let open = || Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir.path()).unwrap();
        let writer = source(&open(), 2).writer().unwrap();
        let mut log = open();
        let feed = feed("f", sql);
        for round in 0..3 {
            for i in 0..6 {
                let from = round * 120 + i * 20;
                writer.append_to(PartitionId((i % 2) as u32), &some(from..from + 20), None).unwrap();
            }
            storage.crash_after_bytes(bytes_left);
            let died = run(&log, &feed, &parts(3));
            assert_eq!(died.is_err(), storage.struck(), "{died:?}");
            storage.heal();
            log = open();
        }
        run(&log, &feed, &parts(3)).unwrap();
        check(&log, &feed);
    }
}

/// What the output has may end inside of a frame: where the feed's group was set into it, and the feed then died. The frame is read whole later.
#[test]
fn a_frame_of_which_the_output_has_a_part_is_cut() {
    let mut parts_there = 0;
    for bytes_left in (0..80).map(|i| i * 131) {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let storage = FaultyStorage::default();
        let open = || Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir.path()).unwrap();
        let log = open();
        let input = source(&log, 1);
        input.writer().unwrap().append(&some(0..20)).unwrap();
        let feed = feed("f", QUERIES[0]);
        let group = input.local().unwrap().group_or_new("feed.f").unwrap();
        group.seek(Start::Offset(Offset(10))).unwrap();
        storage.crash_after_bytes(bytes_left);
        let _ = run(&log, &feed, &parts(2));
        storage.heal();
        let log = open();
        if let Ok(output) = log.topic("f") {
            let writer = output.writer().unwrap();
            let last = |q| writer.producer_state(PartitionId(q), producer_id("feed f partition 0")).unwrap().and_then(|s| s.last());
            parts_there += [last(0), last(1)].iter().filter(|last| **last == Some(10)).count();
        }
        group.seek(Start::First).unwrap();
        run(&log, &feed, &parts(2)).unwrap();
        check(&log, &feed);
    }
    assert!(parts_there > 2, "{parts_there}");
}

#[test]
fn a_start_reads_the_input_again_and_appends_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let input = source(&log, 2);
    let writer = input.writer().unwrap();
    let feed = feed("f", QUERIES[0]);
    for i in 0..4 {
        writer.append_to(PartitionId(i % 2), &some(0..5), None).unwrap();
    }
    // Five groups in each of four frames.
    let report = run(&log, &feed, &parts(3)).unwrap();
    assert_eq!(report, FeedReport { rows_read: 20, rows_appended: 20, ..FeedReport::default() });
    let output = log.topic("f").unwrap();
    assert_eq!(output.config().partition_by, PartitionBy::Key("k".into()));
    assert_eq!(run(&log, &feed, &parts(3)).unwrap(), FeedReport { rows_read_again: 20, ..FeedReport::default() });
    writer.append_to(PartitionId(1), &some(0..1), None).unwrap();
    let report = run(&log, &feed, &parts(3)).unwrap();
    assert_eq!(report, FeedReport { rows_read: 1, rows_appended: 1, rows_read_again: 20, ..FeedReport::default() });
    check(&log, &feed);
    let lags: Vec<u64> = Graph::read(&log).unwrap().edges.iter().filter_map(|e| e.lag).collect();
    assert_eq!(lags, [0]);
    assert_eq!(Graph::read(&log).unwrap().nodes[2].gives, Some(FeedKind::Changelog));
}

#[test]
fn having_takes_groups_away_by_tombstones() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let writer = source(&log, 1).writer().unwrap();
    let feed = feed("f", "SELECT k, SUM(v) AS s, COUNT(*) AS n FROM a GROUP BY k HAVING SUM(v) > 3");
    for v in [1, 4, 2, -6, 1, 5] {
        let row = Row { k: Some(1), j: 0, v: Some(v), hour: 0 };
        writer.append_to(PartitionId(0), &batch(&[row]), None).unwrap();
        run(&log, &feed, &parts(1)).unwrap();
    }
    let all: Vec<Vec<Value>> = read(&log.topic("f").unwrap(), 0).iter().flat_map(|batch| rows(batch).unwrap()).collect();
    let (k, row) = (Value::Text("k1".into()), |s, n| vec![Value::Text("k1".into()), Value::Int(s), Value::Int(n)]);
    let gone = || vec![k.clone(), Value::Null, Value::Null];
    // The first and the fifth change nothing that shows, and are known to be done by a tombstone all the same.
    assert_eq!(all, [gone(), row(5, 2), row(7, 3), gone(), gone(), row(7, 6)]);
}

#[test]
fn compaction_leaves_the_latest_table_and_the_feed_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let input = source(&log, 2);
    let writer = input.writer().unwrap();
    let feed = feed("f", QUERIES[0]);
    let made_as = OutputOptions { compaction: Some(Compaction { dirty_ratio_min: 0.0, ..Compaction::default() }), ..parts(2) };
    for round in 0..4 {
        for i in 0..40 {
            let from = round * 800 + i * 20;
            writer.append_to(PartitionId((i % 2) as u32), &some(from..from + 20), None).unwrap();
        }
        let report = run(&log, &feed, &made_as).unwrap();
        assert_eq!(report.rows_read, 800);
        // What is not sealed is not compacted: a barrier seals it.
        let output = log.topic("f").unwrap();
        output.writer().unwrap().barrier().unwrap();
        let compacted = output.local().unwrap().compact(&Compaction { dirty_ratio_min: 0.0, ..Compaction::default() }).unwrap();
        assert!(compacted.records_before >= compacted.records_after);
        let left: usize = (0..2).flat_map(|p| read(&output, p)).map(|batch| batch.num_rows()).sum();
        assert_eq!(left, 5, "a row for each group");
        check(&log, &feed);
    }
}

#[test]
fn a_chain_of_a_changelog_and_a_row_feed() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let writer = source(&log, 2).writer().unwrap();
    let first = feed("f", QUERIES[0]);
    let second = Definition { input: "f".into(), ..feed("g", "SELECT k, n, s + 0 AS s FROM f WHERE n % 2 = 0") };
    for i in 0..10 {
        writer.append_to(PartitionId(i % 2), &some(i64::from(i) * 30..i64::from(i) * 30 + 30), None).unwrap();
        run(&log, &first, &parts(2)).unwrap();
        run(&log, &second, &parts(2)).unwrap();
    }
    check(&log, &first);
    let (f, g) = (log.topic("f").unwrap(), log.topic("g").unwrap());
    for p in 0..2 {
        let all = |topic: &Topic| read(topic, p).iter().flat_map(|batch| rows(batch).unwrap()).collect::<Vec<_>>();
        let even = |row: &Vec<Value>| matches!(row[1], Value::Int(n) if n % 2 == 0);
        let through: Vec<Vec<Value>> = all(&f).into_iter().filter(even).map(|row| row[..3].to_vec()).collect();
        assert!(!through.is_empty());
        assert_eq!(all(&g), through);
    }
    // And a query over it: the largest count of each group that is even.
    let query = parse("SELECT k, MAX(n) AS n FROM g GROUP BY k", "g", g.schema()).unwrap();
    assert_eq!(wanted(&g, &query).len(), 5);
}

/// A changelog's input is needed from its first record on, wherever the feed is, as long as the feed's group is there.
#[test]
fn retention_leaves_the_input_of_a_changelog_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let input = source(&log, 1);
    let writer = input.writer().unwrap();
    (0..20).for_each(|i| drop(writer.append(&some(i * 30..i * 30 + 30)).unwrap()));
    let feed = feed("f", QUERIES[0]);
    run(&log, &feed, &parts(1)).unwrap();
    assert_eq!(input.local().unwrap().group("feed.f").unwrap().lag().unwrap(), 0);
    let kept = input.local().unwrap().retain(&Retention::of_bytes(1), false).unwrap();
    assert_eq!((kept.segments_removed, kept.kept_for[0].who.as_str(), kept.kept_for[0].from), (0, "group 'feed.f'", Offset(0)));
    assert_eq!(run(&log, &feed, &parts(1)).unwrap().rows_read_again, 600);
    let forced = input.local().unwrap().retain(&Retention::of_bytes(1), true).unwrap();
    assert_eq!(forced.lost[0].who, "group 'feed.f'");
    assert!(forced.after[0] > Offset(0));
    let error = run(&log, &feed, &parts(1)).unwrap_err().to_string().replace(&format!("offset {}", forced.after[0]), "offset N");
    insta::assert_snapshot!(error);
    // What the message advises.
    let copy = Definition { output: "kept".into(), ..self::feed("kept", "SELECT * FROM a") };
    run(&log, &copy, &OutputOptions::default()).unwrap();
    let over = Definition { input: "kept".into(), ..self::feed("g", &QUERIES[0].replace("FROM a", "FROM kept")) };
    run(&log, &over, &parts(1)).unwrap();
    input.local().unwrap().group("feed.f").unwrap().remove().unwrap();
}

#[test]
fn a_group_removed_needs_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let input = source(&log, 1);
    let writer = input.writer().unwrap();
    (0..20).for_each(|i| drop(writer.append(&some(i * 30..i * 30 + 30)).unwrap()));
    run(&log, &feed("f", QUERIES[0]), &parts(1)).unwrap();
    input.local().unwrap().group("feed.f").unwrap().remove().unwrap();
    assert!(input.local().unwrap().retain(&Retention::of_bytes(1), false).unwrap().segments_removed > 0);
}

#[test]
fn a_compacted_input_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let keyed =
        TopicConfig { partition_by: PartitionBy::Key("k".into()), segment_bytes: 2048, ..TopicConfig::new("a", batch(&[]).schema()) };
    let input = log.create_topic(keyed.clone()).unwrap();
    let writer = input.writer().unwrap();
    (0..20).for_each(|i| drop(writer.append(&some(i * 30..i * 30 + 30)).unwrap()));
    run(&log, &feed("f", QUERIES[0]), &parts(1)).unwrap();
    input.local().unwrap().compact(&Compaction { dirty_ratio_min: 0.0, ..Compaction::default() }).unwrap();
    let to = input.local().unwrap().compacted_to().unwrap().get(PartitionId(0));
    let error = run(&log, &feed("f", QUERIES[0]), &parts(1)).unwrap_err().to_string().replace(&format!("offset {to}"), "offset N");
    insta::assert_snapshot!(error);
    let policy = TopicConfig { name: "b".into(), compaction: Some(Compaction::default()), ..keyed };
    log.create_topic(policy).unwrap();
    let over = Definition { input: "b".into(), ..feed("g", "SELECT k, COUNT(*) AS n FROM b GROUP BY k") };
    let error = run(&log, &over, &parts(1)).unwrap_err();
    assert!(matches!(error, FeedError::Speed(SpeedError::NotWhole { .. })), "{error}");
    assert!(!log.topics().unwrap().contains(&"g".to_owned()), "nothing was made");
    assert!(log.topic("b").unwrap().groups().unwrap().is_empty());
}

/// Groups that an expression over them cannot say anything of stop the feed, and what came before is there.
#[test]
fn a_group_that_raises_an_error_stops_the_feed() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let writer = source(&log, 1).writer().unwrap();
    let row = |v| Row { k: Some(1), j: 0, v: Some(v), hour: 0 };
    for v in [3, 4, -7, 2] {
        writer.append(&batch(&[row(v)])).unwrap();
    }
    let feed = feed("f", "SELECT k, COUNT(*) AS n, 10 / CAST(SUM(v) AS BIGINT) AS share FROM a GROUP BY k");
    let error = run(&log, &feed, &parts(1)).unwrap_err();
    assert!(matches!(&error, FeedError::Speed(SpeedError::FeedRow { from: Offset(2), to: Offset(3), .. })), "{error}");
    insta::assert_snapshot!(error.to_string());
    assert_eq!(log.topic("f").unwrap().end().unwrap().records(), 2);
    let large = self::feed("g", "SELECT SUM(v + 9223372036854775800) AS s FROM a");
    let error = run(&log, &large, &parts(1)).unwrap_err();
    assert!(error.to_string().contains("number out of range"), "{error}");
}

/// A feed that was replaced by a newer one cannot append any more, whoever holds the writer.
#[test]
fn each_run_fences_those_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let input = source(&log, 1);
    let writer = input.writer().unwrap();
    for (name, sql) in [("rows", "SELECT k, v FROM a"), ("groups", QUERIES[0])] {
        let feed = feed(name, sql);
        let producer = producer_id(&format!("feed {name} partition 0"));
        let epoch = |writer: &TopicWriter| writer.producer_state(PartitionId(0), producer).unwrap().unwrap().epoch;
        for run_number in 1..4 {
            writer.append(&some(0..10)).unwrap();
            run(&log, &feed, &parts(1)).unwrap();
            let output = log.topic(name).unwrap();
            let writer = output.writer().unwrap();
            assert_eq!(epoch(&writer), run_number);
            let stale = ProducerSequence { producer, epoch: run_number - 1, sequence: 1 << 40 };
            let row = read(&output, 0)[0].slice(0, 1);
            assert!(matches!(writer.append_to(PartitionId(0), &row, Some(stale)), Err(LogError::Fenced { .. })));
        }
        let count: usize = read(&log.topic(name).unwrap(), 0).iter().map(RecordBatch::num_rows).sum();
        assert_eq!(count, 30, "{name}");
    }
}

#[test]
fn outputs_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    source(&log, 2).writer().unwrap().append(&some(0..10)).unwrap();
    let one = "SELECT k, COUNT(*) AS n FROM a GROUP BY k";
    let two = "SELECT k, j, COUNT(*) AS n FROM a GROUP BY k, j";
    let all = "SELECT COUNT(*) AS n FROM a";
    let schema = |sql: &str| twopath_view::answer_schema(&parse(sql, "a", batch(&[]).schema().as_ref()).unwrap());
    let make = |name: &str, sql: &str, key: Option<&str>, partitions: u32, compaction: Option<Compaction>| {
        let partition_by = key.map_or(PartitionBy::RoundRobin, |key| PartitionBy::Key(key.into()));
        log.create_topic(TopicConfig { partitions, partition_by, compaction, ..TopicConfig::new(name, schema(sql)) }).unwrap();
    };
    make("by_n", one, Some("n"), 2, None);
    make("in_turn", one, None, 2, None);
    make("compact", two, Some("j"), 2, Some(Compaction::default()));
    make("counts", all, Some("n"), 2, None);
    make("alone", one, None, 1, None);
    make("by_j", two, Some("j"), 2, None);
    let mut said = String::new();
    for (name, sql) in [("by_n", one), ("in_turn", one), ("compact", two), ("counts", all)] {
        let error = run(&log, &feed(name, sql), &OutputOptions::default()).unwrap_err();
        assert!(matches!(error, FeedError::Output { .. }));
        said += &format!("{error}\n");
    }
    let compact = OutputOptions { compaction: Some(Compaction::default()), ..OutputOptions::default() };
    said += &format!("{}\n", run(&log, &feed("new", two), &compact).unwrap_err());
    let by_n = OutputOptions { key: Some("n".into()), ..OutputOptions::default() };
    said += &format!("{}\n", run(&log, &feed("new", two), &by_n).unwrap_err());
    assert!(Definition::all(log.dir()).unwrap().is_empty(), "none of them is a feed now");
    run(&log, &feed("alone", one), &OutputOptions::default()).unwrap();
    run(&log, &feed("by_j", two), &OutputOptions::default()).unwrap();
    let other = Definition { name: "other".into(), ..feed("alone", one) };
    said += &format!("{}\n", run(&log, &other, &OutputOptions::default()).unwrap_err());
    let rows = Definition { name: "rows".into(), ..feed("alone", "SELECT k, j AS n FROM a") };
    said += &format!("{}\n", run(&log, &rows, &OutputOptions::default()).unwrap_err());
    insta::assert_snapshot!(said);
}
