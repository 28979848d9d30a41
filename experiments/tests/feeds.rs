//! Derived feeds: what a chain of them gives is what its queries say, once and in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use twopath::feeds::{Definition, FeedError, FeedReport, FeedRun, Graph, NodeKind, OutputOptions, Until, run_feed};
use twopath::systems::StateBackend;
use twopath_base::clock::SystemClock;
use twopath_base::{Offset, PartitionId};
use twopath_log::{Durability, Entry, Log, PartitionBy, Start, Topic, TopicConfig};
use twopath_speed::{RowQuery, SpeedError};
use twopath_storage::FaultyStorage;

fn events(ids: std::ops::Range<i64>) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("who", DataType::Utf8, true)]);
    let users: StringArray = ids.clone().map(|i| (i % 11 != 5).then(|| format!("user{}", i % 13))).collect();
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from_iter_values(ids)), Arc::new(users)]).unwrap()
}

fn source(log: &Log, partitions: u32) -> Topic {
    let config = TopicConfig {
        partitions,
        partition_by: PartitionBy::Key("who".into()),
        segment_bytes: 4096,
        durability: Durability::Batch,
        ..TopicConfig::new("a", events(0..0).schema())
    };
    log.create_topic(config).unwrap()
}

fn feed(name: &str, input: &str, output: &str, sql: &str) -> Definition {
    Definition {
        name: name.into(),
        input: input.into(),
        beside: vec![],
        output: output.into(),
        sql: sql.into(),
        state: StateBackend::Memory,
        every_ms: None,
        on_time_us: None,
        topics: None,
    }
}

/// Keeps two of three, and halves.
fn first() -> Definition {
    feed("first", "a", "b", "SELECT id, id / 2 AS half, who FROM a WHERE id % 3 <> 0")
}

/// Of those, the halves above nine, in partitions of another key.
fn second() -> Definition {
    feed("second", "b", "c", "SELECT half * 2 AS twice, id FROM b WHERE half > 9")
}

fn by_id() -> OutputOptions {
    OutputOptions { key: Some("id".into()), partitions: Some(3), ..OutputOptions::default() }
}

/// How it is run.
fn how(until: Until, workers: usize, stop: &AtomicBool) -> FeedRun<'_> {
    FeedRun { until, workers, checkpoint_interval: Duration::from_millis(1), stop }
}

fn run(log: &Log, feed: &Definition, made_as: &OutputOptions) -> Result<FeedReport, FeedError> {
    run_feed(log, feed, made_as, &how(Until::End, 1, &AtomicBool::new(false)))
}

/// A column of a partition.
fn column(topic: &Topic, partition: u32, name: &str) -> Vec<i64> {
    let column = topic.schema().index_of(name).unwrap();
    let mut reader = topic.reader(PartitionId(partition), Start::First, None).unwrap();
    let mut values = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Records(r) = entry {
            values.extend_from_slice(r.batch.column(column).as_primitive::<Int64Type>().values());
        }
    }
    values
}

/// What the two feeds should make of the ids, row by row in plain Rust.
fn wanted(ids: impl Iterator<Item = i64>) -> Vec<(i64, i64)> {
    ids.filter(|id| id % 3 != 0).filter(|id| id / 2 > 9).map(|id| (id / 2 * 2, id)).collect()
}

/// That the chain's end holds what it should, once, and in the order of each partition that it came through.
fn check_chain(log: &Log, end: i64) {
    let (a, b, c) = (log.topic("a").unwrap(), log.topic("b").unwrap(), log.topic("c").unwrap());
    for p in 0..a.partitions() as u32 {
        // Keyed by the same column over as many partitions: partition by partition.
        let through: Vec<i64> = column(&a, p, "id").into_iter().filter(|id| id % 3 != 0).collect();
        assert_eq!(column(&b, p, "id"), through);
        assert_eq!(column(&b, p, "half"), through.iter().map(|id| id / 2).collect::<Vec<_>>());
    }
    let mut all = Vec::new();
    for p in 0..3 {
        let rows: Vec<(i64, i64)> = column(&c, p, "twice").into_iter().zip(column(&c, p, "id")).collect();
        for q in 0..b.partitions() as u32 {
            let of_b: std::collections::HashSet<i64> = column(&b, q, "id").into_iter().collect();
            let from_q: Vec<i64> = rows.iter().map(|r| r.1).filter(|id| of_b.contains(id)).collect();
            assert!(from_q.is_sorted(), "rows of one input partition keep their order");
        }
        all.extend(rows);
    }
    all.sort_unstable_by_key(|r| r.1);
    assert_eq!(all, wanted(0..end));
    for topic in [b, c] {
        assert!(topic.local().unwrap().verify().unwrap().is_clean());
    }
}

#[test]
fn a_chain_gives_what_its_queries_say_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let a = source(&log, 2);
    let writer = a.writer().unwrap();
    for round in 0..3 {
        for i in 0..10 {
            let from = round * 300 + i * 30;
            writer.append(&events(from..from + 30)).unwrap();
        }
        let report = run(&log, &first(), &OutputOptions::default()).unwrap();
        assert_eq!((report.rows_read, report.rows_appended, report.rows_left_out), (300, 200, 0));
        run(&log, &second(), &by_id()).unwrap();
        check_chain(&log, (round + 1) * 300);
    }
    assert_eq!(run(&log, &first(), &OutputOptions::default()).unwrap(), FeedReport::default(), "nothing new");

    // Rows that are there already are left out, wherever the group is set.
    a.local().unwrap().group("feed.first").unwrap().seek(Start::First).unwrap();
    let report = run(&log, &first(), &OutputOptions::default()).unwrap();
    assert_eq!((report.rows_read, report.rows_appended, report.rows_left_out), (900, 0, 600));
    a.local().unwrap().group("feed.first").unwrap().seek(Start::Offset(Offset(17))).unwrap();
    run(&log, &first(), &OutputOptions::default()).unwrap();
    check_chain(&log, 900);
}

/// Every place at which a feed can die, by the bytes that it wrote until then: it then goes on, and everything is there once.
#[test]
fn a_feed_that_dies_at_any_byte_goes_on_where_its_output_is() {
    let bytes: Vec<u64> = (0..40).map(|i| i * i * 37 % 30_011).collect();
    for bytes_left in bytes {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let storage = FaultyStorage::default();
        let open = || Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir.path()).unwrap();
        let log = open();
        let writer = source(&log, 2).writer().unwrap();
        for i in 0..12 {
            writer.append(&events(i * 25..i * 25 + 25)).unwrap();
        }
        drop(writer);
        storage.crash_after_bytes(bytes_left);
        let died = run(&log, &first(), &OutputOptions::default()).and_then(|_| run(&log, &second(), &by_id()));
        assert_eq!(died.is_err(), storage.struck(), "{died:?}");
        storage.heal();
        let log = open();
        run(&log, &first(), &OutputOptions::default()).unwrap();
        run(&log, &second(), &by_id()).unwrap();
        check_chain(&log, 300);
    }
}

#[test]
fn a_row_that_raises_an_error_stops_the_feed_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let writer = source(&log, 1).writer().unwrap();
    writer.append(&events(1..10)).unwrap();
    writer.append(&events(10..20)).unwrap();
    let divide = feed("d", "a", "d", "SELECT 100 / (id - 12) AS x FROM a");
    let error = run(&log, &divide, &OutputOptions::default()).unwrap_err();
    assert!(matches!(&error, FeedError::Speed(SpeedError::FeedRow { from: Offset(9), to: Offset(19), .. })), "{error}");
    assert!(error.to_string().contains("division by zero"), "{error}");
    assert_eq!(log.topic("d").unwrap().end().unwrap().records(), 9);
}

#[test]
fn an_output_that_outlived_its_input_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let input = log.create_topic(TopicConfig::new("a", events(0..0).schema())).unwrap();
    let writer = input.writer().unwrap();
    writer.append(&events(0..10)).unwrap();
    let file = input.local().unwrap().segments(PartitionId(0)).unwrap()[0].path.clone();
    let kept = std::fs::metadata(&file).unwrap().len();
    writer.append(&events(10..20)).unwrap();
    run(&log, &first(), &OutputOptions::default()).unwrap();
    drop((writer, input));
    // As the machine's death may leave it.
    std::fs::File::options().write(true).open(&file).unwrap().set_len(kept).unwrap();
    std::fs::remove_file(dir.path().join("a/tail")).unwrap();
    let log = Log::open(dir.path()).unwrap();
    let error = run(&log, &first(), &OutputOptions::default()).unwrap_err();
    assert!(matches!(&error, FeedError::Speed(SpeedError::FeedAhead { reached: Offset(20), end: Offset(10), .. })), "{error}");
}

#[test]
fn a_topic_that_was_made_anew_is_another_one() {
    let count = || feed("count", "a", "count", "SELECT who, COUNT(*) AS n FROM a GROUP BY who");
    for feed in [first(), count()] {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let make_input = |ids: std::ops::Range<i64>| source(&log, 1).writer().unwrap().append(&events(ids)).map(drop).unwrap();
        let delete = |topic: &str| std::fs::remove_dir_all(dir.path().join(topic)).unwrap();
        let run = || run(&log, &feed, &OutputOptions::default());
        let output = || log.topic(&feed.output).unwrap();
        let rows = || output().end().unwrap().records();
        make_input(0..30);
        run().unwrap();
        let there = rows();

        // As many rows as before, and more: the output holds what came of none of them.
        delete("a");
        make_input(100..160);
        let error = run().unwrap_err();
        assert!(matches!(&error, FeedError::OtherInput { .. }), "{error}");
        assert!(error.to_string().contains("under another name"), "{error}");
        assert_eq!(rows(), there, "nothing was appended");
        Graph::read(&log).unwrap();
        assert!(log.topic("a").unwrap().groups().unwrap().is_empty(), "nobody reads it, and nobody holds it for retention");

        // Without the output, nothing is left of the earlier input.
        delete(&feed.output);
        assert_eq!(run().unwrap().rows_read, 60);
        if feed.name == "first" {
            assert_eq!(column(&output(), 0, "id"), (100..160).filter(|id| id % 3 != 0).collect::<Vec<_>>());
        }
        assert_eq!(run().unwrap().rows_appended, 0, "and it goes on from there");

        // The group's position is of the output that was deleted, whoever makes the next one.
        let (there, config) = (rows(), output().config().clone());
        for by_hand in [false, true] {
            delete(&feed.output);
            if by_hand {
                log.create_topic(config.clone()).unwrap();
            }
            run().unwrap();
            assert_eq!(rows(), there, "by hand: {by_hand}");
        }
    }
}

#[test]
fn only_row_by_row_queries_are_feeds() {
    let query = |sql: &str| RowQuery::new(twopath_query::parse(sql, "a", &events(0..0).schema()).unwrap());
    for sql in ["SELECT COUNT(*) FROM a", "SELECT id FROM a GROUP BY id", "SELECT id FROM a ORDER BY id", "SELECT id FROM a LIMIT 3"] {
        assert!(matches!(query(sql), Err(SpeedError::NoFeed { .. })), "{sql}");
    }
    let rows = query("SELECT who, id, id + 1 AS next, who AS again FROM a WHERE who IS NOT NULL").unwrap();
    let apply = |rows: &RowQuery| rows.apply(&events(0..8).project(rows.projection()).unwrap()).unwrap();
    let (made, which) = apply(&rows);
    assert_eq!(which.unwrap().set_indices().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 6, 7]);
    assert_eq!(made.column(2).as_primitive::<Int64Type>().values().to_vec(), [1, 2, 3, 4, 5, 7, 8]);
    assert_eq!(made.column(0).as_string::<i32>(), made.column(3).as_string::<i32>());
    assert_eq!(apply(&query("SELECT id FROM a WHERE id < 0").unwrap()).0.num_rows(), 0);
    let (all, which) = apply(&query("SELECT id FROM a WHERE id >= 0").unwrap());
    assert_eq!((all.num_rows(), which), (8, None));
}

#[test]
fn one_at_a_time_and_one_meaning() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let a = source(&log, 2);
    a.writer().unwrap().append(&events(0..100)).unwrap();
    run(&log, &first(), &OutputOptions::default()).unwrap();
    let changed = Definition { sql: "SELECT id FROM a".into(), ..first() };
    let error = run(&log, &changed, &OutputOptions::default()).unwrap_err();
    assert!(matches!(error, FeedError::Differs { .. }), "{error}");
    let other = Definition { name: "other".into(), ..changed };
    let error = run(&log, &other, &OutputOptions::default()).unwrap_err();
    assert!(error.to_string().contains("it has the columns id Int64, half Int64, who Utf8, and the feed gives id Int64"), "{error}");
    let mut intruder = a.local().unwrap().group("feed.first").unwrap().join("eve", Default::default()).unwrap();
    intruder.rebalance().unwrap();
    let error = run(&log, &first(), &OutputOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "feed 'first' reads all of its input, and 'eve' reads partition 0 of it as the same group: stop that one first");
}

#[test]
fn the_graph_shows_who_reads_what() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let a = source(&log, 2);
    let writer = a.writer().unwrap();
    writer.append(&events(0..90)).unwrap();
    run(&log, &first(), &OutputOptions::default()).unwrap();
    run(&log, &second(), &by_id()).unwrap();
    writer.append(&events(90..100)).unwrap();
    a.local().unwrap().group_or_new("audit").unwrap().seek(Start::Offset(Offset(3))).unwrap();
    let graph = Graph::read(&log).unwrap();
    let names: Vec<(NodeKind, &str)> = graph.nodes.iter().map(|n| (n.kind, n.name.as_str())).collect();
    use NodeKind::*;
    assert_eq!(names, [(Topic, "a"), (Topic, "b"), (Topic, "c"), (Feed, "first"), (Feed, "second"), (Group, "audit")]);
    let edges: Vec<(&str, &str, Option<u64>)> = graph.edges.iter().map(|e| (e.from.as_str(), e.to.as_str(), e.lag)).collect();
    let audit = ("a", "audit", Some(94));
    assert_eq!(edges, [("a", "first", Some(10)), ("first", "b", None), ("b", "second", Some(0)), ("second", "c", None), audit]);
    let dot = graph.dot();
    assert!(dot.starts_with("digraph") && dot.contains("\"topic a\" -> \"feed first\" [label=\"lag 10\"]"), "{dot}");
    assert!(Path::new(dir.path()).join(".feeds/first.json").is_file());
}
