//! What the dataflow costs, side by side with a loop written by hand: `cargo test --release -p twopath-speed --test measure --
//! --ignored --nocapture --test-threads 1`. `ROWS` sets the number of events. `twopath bench` measures the same with the real workload.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use hashbrown::HashTable;
use twopath_base::meters::process_cpu_ns;
use twopath_base::{PartitionId, Position};
use twopath_log::{Durability, Log, PartitionBy, Topic, TopicConfig, TopicWriter};
use twopath_query::{Query, Value, parse, values};
use twopath_speed::{Engine, Logic, SpeedOptions, replay, start};
use twopath_view::{RealtimeView, Selection, answer};

const MINUTE_US: i64 = 60_000_000;
const MINUTES: usize = 46;
const URLS: f64 = 10_000.0;
const FRAME_ROWS: usize = 32 * 1024;
const SQL: &str = "SELECT window_start, url, COUNT(*), SUM(duration_ms)
    FROM TUMBLE(TABLE views, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url";

fn rows() -> usize {
    std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(5_000_000)
}

/// A cheap hash of the row number stands for chance.
fn chance(row: usize, salt: u64) -> f64 {
    let mut z = (row as u64 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z >> 11) as f64 / (1u64 << 53) as f64
}

/// Zipf (s = 1) urls, events up to ten seconds late.
fn frame(from: usize, all: usize) -> RecordBatch {
    let rows = from..(from + FRAME_ROWS).min(all);
    let per_row = (MINUTES as i64 * MINUTE_US) / all as i64;
    let time = rows.clone().map(|r| r as i64 * per_row + MINUTE_US - (chance(r, 1) * 1e7) as i64);
    let url = rows.clone().map(|r| format!("/page/{}", URLS.powf(chance(r, 2)) as u64));
    let user = rows.clone().map(|r| (chance(r, 3) * 1e6) as i64);
    let duration = rows.clone().map(|r| (chance(r, 4) * 30_000.0) as i64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(time).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(url)),
        Arc::new(Int64Array::from_iter_values(user)),
        Arc::new(Int64Array::from_iter_values(duration)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new("url", DataType::Utf8, false),
        Field::new("user", DataType::Int64, false),
        Field::new("duration_ms", DataType::Int64, false),
    ]))
}

fn topic(dir: &std::path::Path, partitions: u32) -> (Topic, TopicWriter, Arc<Query>) {
    let config = TopicConfig {
        partitions,
        partition_by: PartitionBy::RoundRobin,
        time_column: Some("time".into()),
        durability: Durability::None,
        segment_bytes: 64 << 20,
        ..TopicConfig::new("views", schema())
    };
    let topic = Log::open(dir).unwrap().create_topic(config).unwrap();
    let writer = topic.writer().unwrap();
    let query = Arc::new(parse(SQL, "views", topic.schema()).unwrap());
    (topic, writer, query)
}

/// The competent loop: one hash table of (minute, url) over columns in memory.
fn by_hand(frames: &[RecordBatch]) -> Vec<(i64, &str, i64, i64)> {
    let hasher = foldhash::fast::FixedState::default();
    let hash = |minute: i64, url: &str| hasher.hash_one((minute, url));
    let mut index: HashTable<u32> = HashTable::new();
    let mut groups: Vec<(i64, &str, i64, i64)> = Vec::new();
    for frame in frames {
        let time = frame.column(0).as_primitive::<TimestampMicrosecondType>().values();
        let url = frame.column(1).as_string::<i32>();
        let duration = frame.column(3).as_primitive::<Int64Type>().values();
        for row in 0..frame.num_rows() {
            let (minute, url) = (time[row] - time[row].rem_euclid(MINUTE_US), url.value(row));
            let entry = index.entry(
                hash(minute, url),
                |&g| groups[g as usize].0 == minute && groups[g as usize].1 == url,
                |&g| hash(groups[g as usize].0, groups[g as usize].1),
            );
            let group = match entry {
                hashbrown::hash_table::Entry::Occupied(e) => *e.get(),
                hashbrown::hash_table::Entry::Vacant(e) => {
                    let group = groups.len() as u32;
                    e.insert(group);
                    groups.push((minute, url, 0, 0));
                    group
                }
            };
            let group = &mut groups[group as usize];
            group.2 += 1;
            group.3 += duration[row];
        }
    }
    groups
}

fn check(query: &Query, view: &RealtimeView, mut expected: Vec<(i64, &str, i64, i64)>) {
    let parts: Vec<_> = view.generations.iter().flat_map(|g| &g.tables).map(|t| &**t).collect();
    let batch = answer(query, &parts, &Selection::default()).unwrap();
    expected.sort_unstable();
    assert_eq!(batch.num_rows(), expected.len());
    for (row, (minute, url, count, sum)) in expected.into_iter().enumerate().step_by(1001) {
        let values = values::row(&batch, row).unwrap();
        assert_eq!(values, [Value::Timestamp(minute), Value::Text(url.into()), Value::Int(count), Value::Numeric(sum.into())]);
    }
}

#[test]
#[ignore = "a measurement"]
fn replay_against_a_loop_by_hand() {
    let all = rows();
    let frames: Vec<RecordBatch> = (0..all).step_by(FRAME_ROWS).map(|from| frame(from, all)).collect();
    let dir = tempfile::tempdir().unwrap();
    let (topic, writer, query) = topic(dir.path(), 2);
    for (i, frame) in frames.iter().enumerate() {
        writer.append_to(PartitionId(i as u32 % 2), frame, None).unwrap();
    }
    let end = topic.end().unwrap();
    let replayed =
        |workers: usize| replay(&topic, query.clone(), Logic::Sql, Engine::Timely, (0, Position::zero(2)), &end, workers).unwrap();
    check(&query, &replayed(1), by_hand(&frames));
    check(&query, &replayed(2), by_hand(&frames));
    for _ in 0..3 {
        // Million rows per second, and per second of CPU: on a busy machine only the second says something.
        let timed = |what: &dyn Fn()| {
            let (started, cpu_ns) = (Instant::now(), process_cpu_ns());
            what();
            let rows = all as f64 / 1e6;
            (rows / started.elapsed().as_secs_f64(), rows / ((process_cpu_ns() - cpu_ns) as f64 / 1e9))
        };
        let (hand, hand_cpu) = timed(&|| drop(by_hand(&frames)));
        for workers in [1, 2] {
            let (rows, rows_cpu) = timed(&|| drop(replayed(workers)));
            println!(
                "{workers} workers: {rows:.1} M rows/s, {:.2} of {hand:.1} by hand; per CPU second {rows_cpu:.1}, {:.2} of {hand_cpu:.1}",
                rows / hand,
                rows_cpu / hand_cpu
            );
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn catching_up() {
    let all = rows();
    let dir = tempfile::tempdir().unwrap();
    let (topic, writer, query) = topic(dir.path(), 2);
    for (i, from) in (0..all).step_by(FRAME_ROWS).enumerate() {
        writer.append_to(PartitionId(i as u32 % 2), &frame(from, all), None).unwrap();
    }
    let end = topic.end().unwrap();
    for workers in [1, 2] {
        let started = Instant::now();
        let options = SpeedOptions { workers, ..SpeedOptions::default() };
        let views = Arc::new(Mutex::new(0));
        let count = Arc::clone(&views);
        let publish = Arc::new(move |_| *count.lock().unwrap() += 1);
        let job = start(&topic, query.clone(), Logic::Sql, Engine::Timely, (0, Position::zero(2)), options, publish).unwrap();
        while job.view().position() != &end {
            std::thread::sleep(Duration::from_millis(1));
        }
        let s = started.elapsed().as_secs_f64();
        let runs = job.view().generations[0].tables.len();
        let (views, bytes) = (*views.lock().unwrap(), job.state_bytes());
        println!("{workers} workers: caught up at {:.1} M rows/s in {views} views, {runs} runs, {bytes} bytes", all as f64 / s / 1e6);
        job.stop().unwrap();
    }
}

/// From the intended arrival of an event (open loop) to the publication of the first view that covers it.
#[test]
#[ignore = "a measurement"]
fn freshness() {
    let per_s: usize = std::env::var("RATE").ok().and_then(|r| r.parse().ok()).unwrap_or(200_000);
    let seconds = 5;
    let batch_rows = (per_s / 2000).max(1);
    let all = frame(0, FRAME_ROWS);
    for workers in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let (topic, writer, query) = topic(dir.path(), 2);
        let seen: Arc<Mutex<Vec<(Instant, u64)>>> = Arc::default();
        let keep = Arc::clone(&seen);
        let publish = Arc::new(move |view: Arc<RealtimeView>| {
            keep.lock().unwrap().push((Instant::now(), view.position().records()));
        });
        let options = SpeedOptions { workers, ..SpeedOptions::default() };
        let job = start(&topic, query, Logic::Sql, Engine::Timely, (0, Position::zero(2)), options, publish).unwrap();
        let started = Instant::now();
        let mut sent = Vec::new();
        for i in 0..per_s * seconds / batch_rows {
            let due = started + Duration::from_secs_f64((i * batch_rows) as f64 / per_s as f64);
            if let Some(left) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(left);
            }
            let from = (i * batch_rows) % (FRAME_ROWS - batch_rows);
            writer.append_to(PartitionId(i as u32 % 2), &all.slice(from, batch_rows), None).unwrap();
            sent.push((due, ((i + 1) * batch_rows) as u64));
        }
        let end = topic.end().unwrap();
        while job.view().position() != &end {
            std::thread::sleep(Duration::from_millis(1));
        }
        job.stop().unwrap();
        let seen = seen.lock().unwrap();
        // One writer thread appends in turn, so records counted over both partitions say what is covered.
        let mut ms: Vec<f64> = Vec::new();
        let mut view = 0;
        for (due, records) in sent {
            while seen[view].1 < records {
                view += 1;
            }
            ms.push(seen[view].0.saturating_duration_since(due).as_secs_f64() * 1e3);
        }
        ms.sort_by(f64::total_cmp);
        let q = |q: f64| ms[((ms.len() - 1) as f64 * q) as usize];
        println!(
            "{workers} workers, {per_s} events/s: freshness p50 {:.2} ms, p90 {:.2}, p99 {:.2}, max {:.2}; {} views",
            q(0.5),
            q(0.9),
            q(0.99),
            q(1.0),
            seen.len()
        );
    }
}

/// A job with nothing to read.
#[test]
#[ignore = "a measurement"]
fn idle() {
    let dir = tempfile::tempdir().unwrap();
    let (topic, _writer, query) = topic(dir.path(), 2);
    for workers in [1, 2] {
        let options = SpeedOptions { workers, ..SpeedOptions::default() };
        let job = start(&topic, query.clone(), Logic::Sql, Engine::Timely, (0, Position::zero(2)), options, Arc::new(|_| {})).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let cpu_ns = process_cpu_ns();
        std::thread::sleep(Duration::from_secs(2));
        println!("{workers} workers: {} µs of CPU in 2 s", (process_cpu_ns() - cpu_ns) / 1000);
        job.stop().unwrap();
    }
}
