//! Feeds over several topics: a stream beside a table that changes meanwhile. The newest rows of the output are what the query says of the joint position that is committed.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use common::table::{Table, as_table, shown};
use common::{Events, feed};
use twopath_base::Position;
use twopath_log::{Compaction, Durability, Entry, Log, PartitionBy, Start, Topic, TopicConfig, TopicWriter};
use twopath_query::{Plan, Query, TopicSchema};
use twopath_reference::PlanReference;
use twopath_speed::{Backend, Checkpoints, Feed, FeedQuery, FeedReport, SpeedError, Until, run_feed};

/// With the columns that tell rows apart first, and how many those are.
const TABLES: [(&str, usize); 6] = [
    // As of now: each change of a place corrects all that was counted for it.
    ("SELECT p.region, COUNT(*) AS c, SUM(e.n) AS s FROM events e JOIN UPSERT(TABLE places) p ON e.key = p.key GROUP BY p.region", 1),
    // As of arrival.
    (
        "SELECT p.region, COUNT(*) AS c, SUM(e.d) AS s FROM events e
         LEFT JOIN places FOR SYSTEM_TIME AS OF PROCTIME() AS p ON e.key = p.key GROUP BY p.region",
        1,
    ),
    (
        "SELECT p.key, p.region, e.c FROM UPSERT(TABLE places) p
         LEFT JOIN (SELECT key, COUNT(*) AS c FROM events GROUP BY key) e ON e.key = p.key",
        1,
    ),
    ("SELECT key, COUNT(*) AS c FROM (SELECT key FROM places UNION ALL SELECT key FROM events WHERE d % 2 = 0) both GROUP BY key", 1),
    (
        "SELECT a.key, b.key AS other, a.region, e.c FROM UPSERT(TABLE places) a JOIN UPSERT(TABLE places) b ON a.region = b.region AND a.key < b.key
         JOIN (SELECT key, COUNT(*) AS c FROM events GROUP BY key HAVING COUNT(*) > 3) e ON e.key = a.key",
        2,
    ),
    ("SELECT region, most FROM (SELECT p.region, MAX(e.d) AS most FROM places p FULL JOIN events e ON e.key = p.key GROUP BY p.region) m WHERE region > 1", 1),
];

struct Both {
    events: Events,
    places: Topic,
    writer: TopicWriter,
}

impl Both {
    fn new(partitions: (u32, u32), seed: u64) -> Both {
        let events = Events::new(partitions.0, seed);
        let schema = Arc::new(Schema::new(vec![Field::new("key", DataType::Utf8, true), Field::new("region", DataType::Int64, true)]));
        let config = TopicConfig {
            partitions: partitions.1,
            partition_by: PartitionBy::Key("key".into()),
            durability: Durability::None,
            segment_bytes: 4 << 10,
            ..TopicConfig::new("places", schema)
        };
        let places = log(&events).create_topic(config).unwrap();
        let writer = places.writer().unwrap();
        Both { events, places, writer }
    }

    /// Some events and some changes of places, of which a few are deletions, in turn.
    fn append(&mut self, batches: usize) {
        for _ in 0..batches {
            let rows = 1 + self.events.random.below(12) as usize;
            let batch = self.events.batch(rows);
            self.events.writer.append(&batch).unwrap();
            let random = &mut self.events.random;
            let rows = random.below(4) as usize;
            let keys = StringArray::from_iter_values((0..rows).map(|_| format!("key {}", random.below(20))));
            let regions = Int64Array::from_iter((0..rows).map(|_| (random.below(5) != 0).then(|| random.below(5) as i64)));
            let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(regions)];
            self.writer.append(&RecordBatch::try_new(self.places.schema().clone(), columns).unwrap()).unwrap();
        }
    }

    fn plan(&self, sql: &str) -> Plan {
        let events = TopicSchema { name: "events", schema: self.events.topic.schema(), key: Some("key"), time: Some("time") };
        let places = TopicSchema { name: "places", schema: self.places.schema(), key: Some("key"), time: None };
        twopath_query::logical_plan_over(sql, &[events, places]).unwrap()
    }

    fn topic(&self, name: &str) -> &Topic {
        if name == "events" { &self.events.topic } else { &self.places }
    }

    fn run(&self, sql: &str, until: &Until, workers: usize, stop: &AtomicBool) -> Result<FeedReport, SpeedError> {
        self.run_every(None, sql, until, workers, stop)
    }

    fn run_every(
        &self,
        every: Option<Duration>,
        sql: &str,
        until: &Until,
        workers: usize,
        stop: &AtomicBool,
    ) -> Result<FeedReport, SpeedError> {
        self.run_kept(Backend::Memory, every, sql, until, workers, stop)
    }

    fn run_kept(
        &self,
        backend: Backend,
        every: Option<Duration>,
        sql: &str,
        until: &Until,
        workers: usize,
        stop: &AtomicBool,
    ) -> Result<FeedReport, SpeedError> {
        let query = FeedQuery::kept(self.plan(sql).maintained())?;
        let log = log(&self.events);
        if !log.topics().unwrap().contains(&"out".to_owned()) {
            let config = TopicConfig::new("out", query.schema().clone());
            let key = query.key().unwrap().to_owned();
            let config = TopicConfig { partitions: 3, partition_by: PartitionBy::Key(key), segment_bytes: 16 << 10, ..config };
            query.check_output(&config).unwrap();
            log.create_topic(config).unwrap();
        }
        run_feed(Feed { backend, ..feed(&self.events, query, every) }, until, workers, stop)
    }

    fn to_the_end(&self, sql: &str, workers: usize) -> Result<FeedReport, SpeedError> {
        self.run(sql, &Until::End, workers, &AtomicBool::new(false))
    }

    /// How far the feed says it is in a topic.
    fn committed(&self, name: &str) -> Position {
        let topic = self.topic(name);
        if topic.groups().unwrap().is_empty() {
            return Position::zero(topic.partitions());
        }
        Position::new(topic.group_progress("feed.f").unwrap().iter().map(|p| p.committed.unwrap_or_default()).collect())
    }

    /// What the query answers at the joint position that is committed.
    fn wanted(&self, sql: &str, key: usize) -> Table {
        let plan = self.plan(sql);
        let inputs = plan.program().unwrap().inputs;
        let mut reference = PlanReference::new(plan);
        for name in ["events", "places"] {
            let columns = inputs.iter().filter(|q| q.topic == name).map(Query::whole_rows).max_by_key(Vec::len).unwrap();
            for (partition, to) in self.committed(name).iter() {
                let mut reader = self.topic(name).reader(partition, Start::First, Some(&columns)).unwrap();
                while reader.offset() < to {
                    if let Some(Entry::Records(records)) = reader.next().unwrap() {
                        reference.push(name, &records.batch).unwrap();
                    }
                }
            }
        }
        as_table(reference.answer().unwrap(), key)
    }

    fn shown(&self, key: usize) -> Table {
        shown(&log(&self.events).topic("out").unwrap(), key)
    }
}

/// Stops a feed, also where a test fails: else that would wait for it.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn log(events: &Events) -> Log {
    Log::open(events.dir.path()).unwrap()
}

#[test]
fn the_newest_rows_are_the_answer_at_a_joint_position() {
    for (number, (sql, key)) in TABLES.into_iter().enumerate() {
        for partitions in [(1, 1), (3, 2)] {
            let mut both = Both::new(partitions, 90 + number as u64);
            for round in 0..4 {
                both.append(6);
                let (workers, place) = (1 + round % 3, format!("{sql}, {partitions:?} partitions, round {round}"));
                let report = both.to_the_end(sql, workers).unwrap_or_else(|e| panic!("{place}: {e}"));
                let ends = [both.events.end(), both.places.end().unwrap()];
                assert_eq!([both.committed("events"), both.committed("places")], ends, "{place}");
                assert_eq!(both.shown(key), both.wanted(sql, key), "{place}");
                let all: u64 = ends.iter().map(Position::records).sum();
                assert_eq!(report.rows_read + report.rows_read_again, all, "{place}");
                let again = both.to_the_end(sql, 1 + (round + 1) % 3).unwrap();
                assert_eq!((again.rows_read, again.rows_appended, again.rows_read_again), (0, 0, all), "{place}");
            }
        }
    }
}

/// What is kept at rest is of one joint position.
#[test]
fn what_is_kept_at_rest_is_of_a_joint_position() {
    for (number, (sql, key)) in TABLES.into_iter().enumerate() {
        let mut both = Both::new((2, 3), 70 + number as u64);
        let dir = both.events.dir.path().join("f.feed/checkpoints");
        let stop = AtomicBool::new(false);
        let run = |both: &Both, workers| {
            let backend = Backend::Checkpoints(Checkpoints::every(Duration::from_millis(1), &dir));
            both.run_kept(backend, None, sql, &Until::End, workers, &stop)
        };
        let mut before = 0;
        for round in 0..4 {
            both.append(6);
            let (workers, place) = (1 + round % 3, format!("{sql}, round {round}"));
            let report = run(&both, workers).unwrap_or_else(|e| panic!("{place}: {e}"));
            assert_eq!(both.shown(key), both.wanted(sql, key), "{place}");
            let all = both.events.end().records() + both.places.end().unwrap().records();
            assert_eq!((report.rows_read, report.rows_read_again), (all - before, 0), "{place}");
            let again = run(&both, 1 + (round + 1) % 3).unwrap();
            assert_eq!((again.rows_read, again.rows_appended, again.rows_read_again), (0, 0, 0), "{place}");
            before = all;
        }
    }
}

/// Either topic wakes a feed that follows, with one worker and with several.
#[test]
fn a_feed_follows_all_of_its_topics() {
    for workers in [1, 2] {
        let (sql, key) = TABLES[2];
        let mut both = Both::new((2, 1), 7);
        both.append(5);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| both.run(sql, &Until::Stopped, workers, &stop));
            let _stops = Stops(&stop);
            let wait_for = |what: &str| {
                let started = Instant::now();
                while both.committed("events") != both.events.end() || both.committed("places") != both.places.end().unwrap() {
                    assert!(started.elapsed().as_secs() < 60 && !running.is_finished(), "{what} woke nobody");
                    std::thread::sleep(Duration::from_millis(5));
                }
            };
            wait_for("what was there");
            for i in 0..10 {
                if i % 2 == 0 {
                    both.events.writer.append(&both.events.one("key 1", i)).unwrap();
                    wait_for("an event");
                } else {
                    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["key 1"])), Arc::new(Int64Array::from(vec![i]))];
                    both.writer.append(&RecordBatch::try_new(both.places.schema().clone(), columns).unwrap()).unwrap();
                    wait_for("a change of the table");
                }
            }
            stop.store(true, Ordering::Relaxed);
            running.join().unwrap().unwrap();
        });
        assert_eq!(both.shown(key), both.wanted(sql, key));
    }
}

/// Of the changes within an interval the last is appended, whichever topic it came by; and a feed that is stopped does not wait for the interval's end.
#[test]
fn changes_are_appended_at_an_interval() {
    let every = Duration::from_millis(200);
    for workers in [1, 2] {
        let sql = "SELECT p.key, MAX(p.region) AS region, COUNT(*) AS c FROM UPSERT(TABLE places) p JOIN events e ON e.key = p.key GROUP BY p.key";
        let both = Both::new((2, 1), 8);
        let place = |region: i64| {
            let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["key 1"])), Arc::new(Int64Array::from(vec![region]))];
            both.writer.append(&RecordBatch::try_new(both.places.schema().clone(), columns).unwrap()).unwrap();
        };
        place(0);
        both.events.writer.append(&both.events.one("key 1", 1)).unwrap();
        let stop = AtomicBool::new(false);
        let appended = std::thread::scope(|scope| {
            let running = scope.spawn(|| both.run_every(Some(every), sql, &Until::Stopped, workers, &stop));
            let _stops = Stops(&stop);
            let started = Instant::now();
            // More than one epoch takes.
            let many = both.events.with_keys(&vec![Some("key 1"); 30_000], 1);
            (0..10).for_each(|_| drop(both.events.writer.append(&many).unwrap()));
            for i in 0..100 {
                if i % 2 == 0 {
                    place(i)
                } else {
                    drop(both.events.writer.append(&both.events.one("key 1", i)).unwrap())
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            while both.committed("events") != both.events.end() || both.committed("places") != both.places.end().unwrap() {
                assert!(started.elapsed().as_secs() < 60 && !running.is_finished());
                std::thread::sleep(Duration::from_millis(5));
            }
            let intervals = started.elapsed().as_millis() / every.as_millis() + 1;
            stop.store(true, Ordering::Relaxed);
            let report = running.join().unwrap().unwrap();
            // What was there when it started comes at once, and is one more.
            assert!(u128::from(report.rows_appended) <= intervals + 1, "{} rows in {intervals} intervals", report.rows_appended);
            report.rows_appended
        });
        assert!(appended > 1, "{appended}");
        assert_eq!(both.shown(1), both.wanted(sql, 1));
        // An hour is not waited for.
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| both.run_every(Some(Duration::from_secs(3600)), sql, &Until::Stopped, workers, &stop));
            std::thread::sleep(Duration::from_millis(300));
            let started = Instant::now();
            stop.store(true, Ordering::Relaxed);
            running.join().unwrap().unwrap();
            assert!(started.elapsed().as_secs() < 60);
        });
    }
}

/// A table that is compacted is enough where its newest rows are all that is read, and not where its past is.
#[test]
fn a_compacted_table_is_read_where_its_newest_rows_are_all_that_counts() {
    let mut both = Both::new((2, 2), 11);
    for _ in 0..5 {
        both.append(40);
        both.places.local().unwrap().compact(&Compaction { dirty_ratio_min: 0.0, ..Compaction::default() }).unwrap();
    }
    let since = both.places.since().unwrap();
    assert!(since.iter().any(|(_, offset)| offset.0 > 0), "something was compacted: {since}");
    for (sql, key) in [TABLES[0], TABLES[4]] {
        both.to_the_end(sql, 2).unwrap();
        assert_eq!(both.shown(key), both.wanted(sql, key), "{sql}");
        log(&both.events).delete_topic("out").unwrap();
    }
    // Also not where it is newest by another column than what compaction goes by, or looks at what was before.
    let by_region = "SELECT region, key FROM UPSERT(TABLE places, DESCRIPTOR(region))";
    let watermark = "SELECT p.key, p._watermark AS w, e.c FROM UPSERT(TABLE places) p JOIN (SELECT key, COUNT(*) AS c FROM events GROUP BY key) e ON e.key = p.key";
    for sql in [TABLES[1].0, TABLES[3].0, by_region, watermark] {
        let refused = both.to_the_end(sql, 1).unwrap_err();
        assert!(matches!(&refused, SpeedError::NotWhole { topic, .. } if topic == "places"), "{refused}");
    }
}
