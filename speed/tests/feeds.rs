//! Jobs whose sink is a topic: each frame of the input leaves its own rows, once, whatever the number of workers, and however often the job
//! is started again.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use common::{Events, feed};
use twopath_base::{Offset, PartitionId};
use twopath_log::{Entry, Log, PartitionBy, Start, Topic, TopicConfig};
use twopath_query::{Query, Value, values};
use twopath_reference::Reference;
use twopath_speed::{FeedQuery, FeedReport, SpeedError, Until, run_feed};

const BY_KEY: &str = "SELECT key, COUNT(*) AS c, SUM(d) AS s, MIN(n) AS lo FROM events WHERE d % 3 <> 0 GROUP BY key";
const SOME_KEYS: &str = "SELECT key, COUNT(*) AS c, SUM(n) AS s FROM events GROUP BY key HAVING SUM(n) > 500";
const ROWS: &str = "SELECT key, d * 2 AS twice FROM events WHERE d % 3 <> 0";

fn log(events: &Events) -> Log {
    Log::open(events.dir.path()).unwrap()
}

/// The feed's output, made where there is none: by key, over three partitions.
fn output(events: &Events) -> Topic {
    log(events).topic("out").unwrap()
}

fn run(events: &Events, sql: &str, workers: usize, follow: bool, stop: &AtomicBool) -> Result<FeedReport, SpeedError> {
    let query = FeedQuery::new(events.query(sql).as_ref().clone()).unwrap();
    if !log(events).topics().unwrap().contains(&"out".to_owned()) {
        let config = TopicConfig::new("out", query.schema().clone());
        let config = TopicConfig { partitions: 3, partition_by: PartitionBy::Key("key".into()), segment_bytes: 16 << 10, ..config };
        query.check_output(&config).unwrap();
        log(events).create_topic(config).unwrap();
    }
    let until = if follow { Until::Stopped } else { Until::End };
    run_feed(feed(events, query, None), &until, workers, stop)
}

fn to_the_end(events: &Events, sql: &str, workers: usize) -> FeedReport {
    run(events, sql, workers, false, &AtomicBool::new(false)).unwrap()
}

fn frames(topic: &Topic, partition: u32) -> Vec<RecordBatch> {
    let mut reader = topic.reader(PartitionId(partition), Start::First, None).unwrap();
    let mut frames = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Records(records) = entry {
            frames.push(records.batch);
        }
    }
    frames
}

/// The output's rows by key, in their order.
fn rows_by_key(events: &Events) -> BTreeMap<String, Vec<Vec<Value>>> {
    let mut rows: BTreeMap<String, (u32, Vec<Vec<Value>>)> = BTreeMap::new();
    for q in 0..3 {
        for row in frames(&output(events), q).iter().flat_map(|batch| values::rows(batch).unwrap()) {
            let (at, of_key) = rows.entry(format!("{:?}", row[0])).or_insert((q, Vec::new()));
            assert_eq!(*at, q, "{:?} in two partitions", row[0]);
            of_key.push(row);
        }
    }
    rows.into_iter().map(|(key, (_, rows))| (key, rows)).collect()
}

/// Topics have no 128-bit integers.
fn as_in_a_topic(row: Vec<Value>) -> Vec<Value> {
    let int = |value| if let Value::Numeric(sum) = value { Value::Int(sum.try_into().unwrap()) } else { value };
    row.into_iter().map(int).collect()
}

fn answer(reference: &Reference) -> BTreeMap<String, Vec<Value>> {
    reference.answer().unwrap().into_iter().map(as_in_a_topic).map(|row| (format!("{:?}", row[0]), row)).collect()
}

/// What the reference says of each key after each frame of a log of one partition that touched it.
fn wanted_by_key(events: &Events, query: &Query) -> BTreeMap<String, Vec<Vec<Value>>> {
    let mut reference = Reference::new(query.clone());
    let mut wanted: BTreeMap<String, Vec<Vec<Value>>> = BTreeMap::new();
    for batch in frames(&events.topic, 0) {
        reference.push(&batch);
        let mut of_frame = Reference::new(Query { having: None, ..query.clone() });
        of_frame.push(&batch);
        let after = answer(&reference);
        for key in answer(&of_frame).into_keys() {
            wanted.entry(key.clone()).or_default().extend(after.get(&key).cloned());
        }
    }
    wanted
}

#[test]
fn every_frame_leaves_the_rows_that_it_changed_at_any_number_of_workers() {
    for workers in 1..=3 {
        let mut events = Events::new(1, 7 + workers as u64);
        for round in 0..4 {
            let mut new = 0;
            for _ in 0..20 {
                let rows = 1 + events.random.below(30) as usize;
                let batch = events.batch(rows);
                events.writer.append(&batch).unwrap();
                new += rows as u64;
            }
            let report = to_the_end(&events, BY_KEY, workers);
            let wanted = wanted_by_key(&events, &events.query(BY_KEY));
            assert_eq!(rows_by_key(&events), wanted, "{workers} workers, round {round}");
            assert_eq!((report.rows_read, report.rows_left_out), (new, 0));
        }
    }
}

/// Over several partitions the order in which frames meet is free: each key's count goes up, its newest row is the reference's answer, and
/// there are as many rows as the frames changed groups. The number of workers changes from run to run.
#[test]
fn partitions_and_restarts_with_other_workers_lose_and_repeat_nothing() {
    let mut events = Events::new(4, 99);
    let query = events.query(BY_KEY);
    let mut appended = 0;
    for workers in [3, 1, 2, 4, 1] {
        for p in [0, 1, 2, 3, 1, 1, 2, 0] {
            let rows = 1 + events.random.below(40) as usize;
            let batch = events.batch(rows);
            events.writer.append_to(PartitionId(p), &batch, None).unwrap();
        }
        if workers == 2 {
            events.writer.barrier().unwrap();
        }
        appended += to_the_end(&events, BY_KEY, workers).rows_appended;
        assert_eq!(to_the_end(&events, BY_KEY, workers).rows_appended, 0, "nothing new");
        let (mut reference, mut changes) = (Reference::new(query.as_ref().clone()), 0);
        for batch in (0..4).flat_map(|p| frames(&events.topic, p)) {
            reference.push(&batch);
            let mut of_frame = Reference::new(query.as_ref().clone());
            of_frame.push(&batch);
            changes += of_frame.answer().unwrap().len() as u64;
        }
        let rows = rows_by_key(&events);
        for rows in rows.values() {
            let counts: Vec<i64> = rows.iter().map(|row| if let Value::Int(n) = row[1] { n } else { panic!("{row:?}") }).collect();
            assert!(counts.windows(2).all(|two| two[0] < two[1]), "{counts:?}");
        }
        let newest: BTreeMap<String, Vec<Value>> = rows.into_iter().map(|(key, mut rows)| (key, rows.pop().unwrap())).collect();
        assert_eq!(newest, answer(&reference));
        assert_eq!(appended, changes);
    }
}

#[test]
fn having_deletes_by_rows_without_values() {
    for workers in 1..=2 {
        let mut events = Events::new(2, 31);
        let query = events.query(SOME_KEYS);
        for round in 0..6u32 {
            for p in 0..8 {
                let rows = 1 + events.random.below(12) as usize;
                let batch = events.batch(rows);
                events.writer.append_to(PartitionId(p % 2), &batch, None).unwrap();
            }
            to_the_end(&events, SOME_KEYS, workers);
            let mut reference = Reference::new(query.as_ref().clone());
            (0..2).flat_map(|p| frames(&events.topic, p)).for_each(|batch| reference.push(&batch));
            let mut newest: BTreeMap<String, Vec<Value>> =
                rows_by_key(&events).into_iter().map(|(key, mut rows)| (key, rows.pop().unwrap())).collect();
            newest.retain(|_, row| row[1] != Value::Null);
            assert_eq!(newest, answer(&reference), "{workers} workers, round {round}");
        }
    }
}

#[test]
fn rows_keep_their_order_and_come_once() {
    for workers in 1..=3 {
        let mut events = Events::new(3, 5);
        for round in 0..3 {
            for p in 0..9u32 {
                let batch = events.batch(20);
                events.writer.append_to(PartitionId(p % 3), &batch, None).unwrap();
            }
            if round == 1 {
                // Wherever the group is set: the output knows what it has.
                let group = events.topic.local().unwrap().group("feed.f").unwrap();
                group.seek(Start::Offset(Offset(7))).unwrap();
            }
            to_the_end(&events, ROWS, workers);
        }
        let mut left: Vec<Vec<Value>> = (0..3).flat_map(|q| frames(&output(&events), q)).flat_map(|b| values::rows(&b).unwrap()).collect();
        let of = |p| frames(&events.topic, p).into_iter().flat_map(|b| values::rows(&b).unwrap());
        let passes = |row: &Vec<Value>| matches!(row[3], Value::Int(d) if d % 3 != 0);
        let twice = |row: Vec<Value>| vec![row[1].clone(), if let Value::Int(d) = row[3] { Value::Int(d * 2) } else { Value::Null }];
        let mut wanted: Vec<Vec<Value>> = (0..3).flat_map(of).filter(passes).map(twice).collect();
        let by_text = |row: &Vec<Value>| format!("{row:?}");
        left.sort_by_key(by_text);
        wanted.sort_by_key(by_text);
        assert_eq!(left, wanted, "{workers} workers");
    }
}

#[test]
fn a_job_follows_commits_and_stops() {
    for workers in 1..=2 {
        let mut events = Events::new(2, 17);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let batches: Vec<RecordBatch> = (0..40).map(|_| events.batch(25)).collect();
            let running = scope.spawn(|| run(&events, BY_KEY, workers, true, &stop).unwrap());
            for (i, batch) in batches.iter().enumerate() {
                events.writer.append_to(PartitionId(i as u32 % 2), batch, None).unwrap();
            }
            // What was committed is in the output: an idle feed commits, too.
            let lag = || events.topic.local().unwrap().group_or_new("feed.f").unwrap().lag().unwrap();
            while lag() > 0 && !running.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, Ordering::Relaxed);
            assert_eq!(running.join().unwrap().rows_read, 1000);
        });
        let report = to_the_end(&events, BY_KEY, workers);
        assert_eq!((report.rows_read, report.rows_appended, report.rows_read_again), (0, 0, 1000));
        let mut reference = Reference::new(events.query(BY_KEY).as_ref().clone());
        (0..2).flat_map(|p| frames(&events.topic, p)).for_each(|batch| reference.push(&batch));
        let newest: BTreeMap<String, Vec<Value>> =
            rows_by_key(&events).into_iter().map(|(key, mut rows)| (key, rows.pop().unwrap())).collect();
        assert_eq!(newest, answer(&reference));
    }
}

/// What came before a frame that raises an error is there, nothing of it or after it, and the job says where it stands.
#[test]
fn an_error_stops_the_job_before_its_frame() {
    for (workers, follow) in [(1, false), (1, true), (3, false)] {
        let events = Events::new(1, 1);
        for d in [5, 6, 0, 7] {
            events.writer.append(&events.one("a", d)).unwrap();
        }
        for _ in 0..2 {
            let error = run(&events, "SELECT key, 100 / d AS x FROM events", workers, follow, &AtomicBool::new(false)).unwrap_err();
            assert!(matches!(&error, SpeedError::FeedRow { from: Offset(2), to: Offset(3), .. }), "{error}");
            assert!(error.to_string().contains("division by zero"), "{error}");
            assert_eq!(output(&events).end().unwrap().records(), 2);
        }
    }
}

#[test]
fn what_a_feed_cannot_do_is_refused() {
    let events = Events::new(1, 1);
    let feed = |sql: &str| FeedQuery::new(events.query(sql).as_ref().clone());
    for sql in ["SELECT COUNT(*) AS c FROM events GROUP BY key", "SELECT d FROM events ORDER BY d", "SELECT d FROM events LIMIT 1"] {
        assert!(matches!(feed(sql), Err(SpeedError::NoFeed { .. })), "{sql}");
    }
    let stop = AtomicBool::new(false);
    assert!(matches!(run(&events, ROWS, 0, false, &stop), Err(SpeedError::NoWorkers)));
    let mut other = events.topic.local().unwrap().group("feed.f").unwrap().join("eve", Default::default()).unwrap();
    other.rebalance().unwrap();
    let error = run(&events, ROWS, 1, false, &stop).unwrap_err().to_string();
    assert_eq!(error, "feed 'f' reads all of its input, and 'eve' reads partition 0 of it as the same group: stop that one first");
}
