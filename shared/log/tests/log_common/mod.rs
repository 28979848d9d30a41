//! What the log's tests share: one schema, and batches whose ids count.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use twopath_base::PartitionId;
use twopath_base::clock::ManualClock;
use twopath_log::{Compaction, Entry, Log, Offload, PartitionBy, Records, Start, Topic, TopicConfig, TopicWriter};
use twopath_storage::OsStorage;

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true),
        Field::new("name", DataType::Utf8, true),
        Field::new("odd", DataType::Boolean, true),
    ]))
}

pub fn config(name: &str, partitions: u32) -> TopicConfig {
    TopicConfig { partitions, time_column: Some("at".into()), ..TopicConfig::new(name, schema()) }
}

/// Event `id` happened at `id` milliseconds; some names and flags are NULL.
pub fn events(ids: Range<i64>) -> RecordBatch {
    let ids: Vec<i64> = ids.collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.clone())),
        Arc::new(TimestampMillisecondArray::from(ids.clone()).with_timezone("UTC")),
        Arc::new(ids.iter().map(|i| (i % 7 != 3).then(|| format!("name {}", i % 97))).collect::<StringArray>()),
        Arc::new(ids.iter().map(|i| (i % 5 != 1).then_some(i % 2 == 1)).collect::<BooleanArray>()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// A folder that goes with the test: in memory where the machine offers that, because these tests sync thousands of times.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Two columns of [`events`] only: small frames, for tests that try every byte.
pub fn narrow(ids: Range<i64>) -> RecordBatch {
    events(ids).project(&[0, 2]).unwrap()
}

pub fn narrow_config(name: &str) -> TopicConfig {
    TopicConfig::new(name, narrow(0..0).schema())
}

pub fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

pub fn names(batch: &RecordBatch) -> Vec<Option<String>> {
    batch.column(2).as_string::<i32>().iter().map(|n| n.map(str::to_owned)).collect()
}

pub fn read_all(topic: &Topic, partition: PartitionId) -> Vec<RecordBatch> {
    let mut reader = topic.reader(partition, Start::First, None).unwrap();
    let mut batches = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Records(records) = entry {
            batches.push(records.batch);
        }
    }
    batches
}

pub fn partition_ids(topic: &Topic) -> impl Iterator<Item = PartitionId> + use<> {
    (0..topic.partitions() as u32).map(PartitionId)
}

/// The files below a folder, relative to it.
pub fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_owned());
            }
        }
    }
    found
}

/// The objects that the topic's segments are, relative to the folder that is their store.
pub fn objects(topic: &Topic, store: &Path) -> BTreeSet<PathBuf> {
    let store = format!("file://{}/", store.canonicalize().unwrap().display());
    let segments = partition_ids(topic).flat_map(|p| topic.local().unwrap().segments(p).unwrap());
    segments.filter_map(|s| Some(s.object?.strip_prefix(&store).unwrap().into())).collect()
}

/// Ten segments of ten events each, which arrived a second apart from `ManualClock`'s second 1000 on; it is second 1010 now.
pub fn ten_seconds_of_segments(dir: &Path) -> (Topic, TopicWriter) {
    let clock = Arc::new(ManualClock::at(1_000_000_000));
    let log = Log::with(Arc::new(OsStorage), clock.clone(), dir).unwrap();
    let topic = log.create_topic(TopicConfig { segment_bytes: 1, ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..10 {
        writer.append(&events(i * 10..(i + 1) * 10)).unwrap();
        clock.set(1_000_000_000 + (i + 1) * 1_000_000);
    }
    (topic, writer)
}

/// To a folder: all that can go.
pub fn everything(to: &Path) -> Offload {
    Offload { to: to.to_str().unwrap().into(), older_than: None, keep_local_bytes: None }
}

/// Everything that can be compacted is.
pub const COMPACT: Compaction = Compaction { dirty_ratio_min: 0.0, age_min: Duration::ZERO, tombstone_age: Duration::from_secs(3600) };

/// Columns `key` and `value`.
pub fn keyed() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("key", DataType::Utf8, true), Field::new("value", DataType::Int64, true)]))
}

pub fn rows(rows: &[(Option<&str>, Option<i64>)]) -> RecordBatch {
    let columns: Vec<ArrayRef> =
        vec![Arc::new(rows.iter().map(|r| r.0).collect::<StringArray>()), Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>())];
    RecordBatch::try_new(keyed(), columns).unwrap()
}

/// Offset, key, value.
pub type Row = (u64, Option<String>, Option<i64>);

/// Every record of a partition.
pub fn records(topic: &Topic, p: PartitionId, start: Start) -> Vec<Row> {
    let mut reader = topic.reader(p, start, None).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        if let Entry::Records(r) = entry {
            found.extend(rows_of(&r));
        }
    }
    found
}

pub fn rows_of(r: &Records) -> Vec<Row> {
    let (key, value) = (r.batch.column(0).as_string::<i32>(), r.batch.column(1).as_primitive::<Int64Type>());
    let row = |row| {
        let key = key.is_valid(row).then(|| key.value(row).to_owned());
        (r.offset_of(row).0, key, value.is_valid(row).then(|| value.value(row)))
    };
    (0..r.batch.num_rows()).map(row).collect()
}

/// What a reader of the whole partition holds in the end.
pub fn table(records: &[Row]) -> BTreeMap<String, i64> {
    let mut table = BTreeMap::new();
    apply(&mut table, records);
    table
}

/// What a reader that holds a table makes of more records.
pub fn apply(table: &mut BTreeMap<String, i64>, records: &[Row]) {
    for (_, key, value) in records {
        match (key, value) {
            (Some(key), Some(value)) => drop(table.insert(key.clone(), *value)),
            (Some(key), None) => drop(table.remove(key)),
            (None, _) => {}
        }
    }
}

pub fn keyed_config(partitions: u32, segment_bytes: u64) -> TopicConfig {
    TopicConfig { partitions, partition_by: PartitionBy::Key("key".into()), segment_bytes, ..TopicConfig::new("t", keyed()) }
}

/// Waits for a future that a thread of its own drives, as those of Kafka's admin client are.
pub fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}
