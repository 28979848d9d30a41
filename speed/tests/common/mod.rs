//! A topic of random events, and the reference rolled forward to any position of it.
#![allow(dead_code)]

pub mod table;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use twopath_base::clock::{Clock, SystemClock};
use twopath_base::{Coverage, CoveragePart, PartitionId, Position};
use twopath_log::{Durability, Entry, Log, PartitionBy, Start, Topic, TopicConfig, TopicWriter};
use twopath_query::{EvalError, Plan, Query, Value, values};
use twopath_reference::{PlanReference, Reference, compare};
use twopath_speed::{Backend, Feed, FeedQuery, Publish};
use twopath_storage::OsStorage;
use twopath_view::{RealtimeView, Selection, answer, tables_for};

/// What the tests ask: windows, no keys at all, a filter with exact and approximate sketches, plain rows.
pub const QUERIES: [&str; 4] = [
    "SELECT window_start, key, COUNT(*), SUM(n), MIN(n), MAX(key) FROM TUMBLE(TABLE events, DESCRIPTOR(time), INTERVAL '1' MINUTE)
     GROUP BY window_start, key",
    "SELECT COUNT(*), SUM(d), AVG(n) FROM events",
    "SELECT key, COUNT(DISTINCT d), APPROX_COUNT_DISTINCT(n), APPROX_QUANTILE(d, 0.5) FROM events WHERE n > 0 GROUP BY key",
    "SELECT key, d FROM events WHERE d % 7 = 3",
];

/// Raises an error for every event whose `d` is 0.
pub const FRAGILE: &str = "SELECT key, SUM(1000 / d) FROM events GROUP BY key";

pub struct Events {
    pub topic: Topic,
    pub writer: TopicWriter,
    pub random: Random,
    schema: SchemaRef,
    pub dir: tempfile::TempDir,
}

/// The feed "f", from the topics that its query reads into the topic "out".
pub fn feed(events: &Events, query: FeedQuery, every: Option<Duration>) -> Feed {
    let log = Log::open(events.dir.path()).unwrap();
    let with_group = |name: &str| {
        let topic = log.topic(name).unwrap();
        let group = topic.local().unwrap().group_or_new("feed.f").unwrap();
        (topic, group)
    };
    let inputs = query.topics().into_iter().map(with_group).collect();
    let output = log.topic("out").unwrap();
    let (writer, dir) = (output.writer().unwrap(), events.dir.path().join("f.feed"));
    Feed { name: "f".into(), producer: "f".into(), inputs, query, output, writer, backend: Backend::Memory, every, dir }
}

impl Events {
    pub fn new(partitions: u32, seed: u64) -> Events {
        Self::with_clock(partitions, seed, Arc::new(SystemClock))
    }

    /// Whose arrival times are a clock's.
    pub fn with_clock(partitions: u32, seed: u64, clock: Arc<dyn Clock>) -> Events {
        let schema = Arc::new(Schema::new(vec![
            Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
            Field::new("key", DataType::Utf8, true),
            Field::new("n", DataType::Int64, true),
            Field::new("d", DataType::Int64, false),
        ]));
        let dir = tempfile::tempdir().unwrap();
        let log = Log::with(Arc::new(OsStorage), clock, dir.path()).unwrap();
        let topic = log
            .create_topic(TopicConfig {
                partitions,
                partition_by: PartitionBy::RoundRobin,
                time_column: Some("time".into()),
                durability: Durability::None,
                segment_bytes: 64 << 10,
                ..TopicConfig::new("events", schema.clone())
            })
            .unwrap();
        let writer = topic.writer().unwrap();
        Events { topic, writer, random: Random(seed), schema, dir }
    }

    pub fn query(&self, sql: &str) -> Arc<Query> {
        Arc::new(twopath_query::parse(sql, "events", self.topic.schema()).unwrap())
    }

    /// Events out of order, some with NULLs, over few keys and few minutes.
    pub fn batch(&mut self, rows: usize) -> RecordBatch {
        let random = &mut self.random;
        let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|_| random.below(300_000_000) as i64 - 60_000_000));
        let keys = StringArray::from_iter((0..rows).map(|_| (random.below(8) != 0).then(|| format!("key {}", random.below(20)))));
        let n = Int64Array::from_iter((0..rows).map(|_| (random.below(5) != 0).then(|| random.below(1000) as i64 - 300)));
        let d = Int64Array::from_iter_values((0..rows).map(|_| 1 + random.below(50) as i64));
        let columns: Vec<ArrayRef> = vec![Arc::new(times.with_timezone("UTC")), Arc::new(keys), Arc::new(n), Arc::new(d)];
        RecordBatch::try_new(self.schema.clone(), columns).unwrap()
    }

    /// One event with this key and `d`.
    pub fn one(&self, key: &str, d: i64) -> RecordBatch {
        self.with_keys(&[Some(key)], d)
    }

    /// Events of these keys, alike but for that.
    pub fn with_keys(&self, keys: &[Option<&str>], d: i64) -> RecordBatch {
        let rows = keys.len();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from(vec![0; rows]).with_timezone("UTC")),
            Arc::new(StringArray::from(keys.to_vec())),
            Arc::new(Int64Array::from(vec![1; rows])),
            Arc::new(Int64Array::from(vec![d; rows])),
        ];
        RecordBatch::try_new(self.schema.clone(), columns).unwrap()
    }

    /// Appends random batches, with a barrier now and then; gives their positions.
    pub fn append_some(&mut self, batches: usize) -> Vec<Position> {
        let mut barriers = Vec::new();
        for _ in 0..batches {
            let rows = 1 + self.random.below(200) as usize;
            let batch = self.batch(rows);
            self.writer.append(&batch).unwrap();
            if self.random.below(10) == 0 {
                barriers.push(self.writer.barrier().unwrap().position);
            }
        }
        barriers
    }

    pub fn start(&self) -> Position {
        Position::zero(self.topic.partitions())
    }

    pub fn end(&self) -> Position {
        self.topic.end().unwrap()
    }

    /// The oracle's answer over the records from `from` up to `to`.
    pub fn reference(&self, query: &Query, from: &Position, to: &Position) -> Result<Vec<Vec<Value>>, EvalError> {
        let mut reference = Reference::new(query.clone());
        for (partition, from) in from.iter() {
            let mut reader = self.topic.reader(partition, Start::First, Some(&query.whole_rows())).unwrap();
            while reader.offset() < to.get(partition) {
                let Some(Entry::Records(records)) = reader.next().unwrap() else { continue };
                for row in 0..records.batch.num_rows() {
                    let offset = records.base.0 + row as u64;
                    if (from.0..to.get(partition).0).contains(&offset) {
                        reference.push_row(&records.batch, row);
                    }
                }
            }
        }
        reference.answer()
    }

    /// The oracle's answer to a whole plan over the records up to whole frames' ends.
    pub fn answer_of(&self, plan: Plan, to: &Position) -> Vec<Vec<Value>> {
        let columns = plan.program().unwrap().inputs.iter().map(Query::whole_rows).max_by_key(Vec::len).unwrap();
        let mut reference = PlanReference::new(plan);
        for (partition, to) in to.iter() {
            let mut reader = self.topic.reader(partition, Start::First, Some(&columns)).unwrap();
            while reader.offset() < to {
                if let Some(Entry::Records(records)) = reader.next().unwrap() {
                    assert!(records.end <= to, "a frame is cut");
                    reference.push("events", &records.batch).unwrap();
                }
            }
        }
        reference.answer().unwrap()
    }

    /// Asserts that a view is whole and that it says what the reference says.
    pub fn check(&self, query: &Query, from: &Position, view: &RealtimeView) {
        let mut parts: Vec<CoveragePart> = view
            .generations
            .iter()
            .map(|g| CoveragePart { source: format!("generation {}", g.number), lower: g.lower.clone(), upper: g.upper.clone() })
            .collect();
        if from.records() > 0 {
            let whole = Position::zero(from.partitions());
            parts.insert(0, CoveragePart { source: "before".into(), lower: whole, upper: from.clone() });
        }
        assert_eq!(Coverage::of(parts).position(), Some(view.position()));
        let expected = self.reference(query, from, view.position());
        let found = rows_of(query, view);
        if let Err(difference) = compare(query, &expected, &found) {
            panic!("at {} (from {from}): {difference}", view.position());
        }
    }
}

/// The bytes of the runs that checkpoints are made of: those that none has any more are swept.
pub fn bytes_at_rest(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    files.filter(|file| file.file_name().to_string_lossy().starts_with("run")).map(|file| file.metadata().unwrap().len()).sum()
}

/// A view's answer.
pub fn rows_of(query: &Query, view: &RealtimeView) -> Result<Vec<Vec<Value>>, EvalError> {
    if let Some(error) = &view.error {
        return Err(error.clone());
    }
    let tables = tables_for(&view.generations, query, &Selection::default(), true).unwrap();
    let parts: Vec<_> = tables.iter().map(|t| &**t).collect();
    values::rows(&answer(query, &parts, &Selection::default())?)
}

/// Keeps every view that a job publishes.
#[derive(Default)]
pub struct Views {
    views: Mutex<Vec<Arc<RealtimeView>>>,
    more: Condvar,
}

impl Views {
    pub fn new() -> (Arc<Views>, Publish) {
        let views = Arc::new(Views::default());
        let keep = Arc::clone(&views);
        let publish = move |view| {
            keep.views.lock().unwrap().push(view);
            keep.more.notify_all();
        };
        (views, Arc::new(publish))
    }

    /// Waits for a view that fulfils `wanted`.
    pub fn wait(&self, what: &str, wanted: impl Fn(&RealtimeView) -> bool) -> Arc<RealtimeView> {
        let mut views = self.views.lock().unwrap();
        loop {
            if let Some(view) = views.iter().rev().find(|v| wanted(v)) {
                return Arc::clone(view);
            }
            let (next, timeout) = self.more.wait_timeout(views, Duration::from_secs(60)).unwrap();
            views = next;
            assert!(!timeout.timed_out(), "no view {what}; the last is at {:?}", views.last().map(|v| v.position().to_string()));
        }
    }

    pub fn wait_for(&self, position: &Position) -> Arc<RealtimeView> {
        self.wait(&format!("at {position}"), |v| v.position() == position)
    }

    pub fn all(&self) -> Vec<Arc<RealtimeView>> {
        self.views.lock().unwrap().clone()
    }

    /// Every view in turn, or an even sample of `count` with the last.
    pub fn sample(&self, count: usize) -> Vec<Arc<RealtimeView>> {
        let all = self.all();
        let step = all.len().div_ceil(count).max(1);
        all.iter().rev().step_by(step).cloned().collect()
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// A random position between two.
pub fn between(random: &mut Random, from: &Position, to: &Position) -> Position {
    let mut position = from.clone();
    for (partition, end) in to.iter() {
        let start = from.get(partition).0;
        position.set(PartitionId(partition.0), twopath_base::Offset(start + random.below(end.0 - start + 1)));
    }
    position
}
