//! Checkpoints: what an incremental one writes against a full one, and how fast a job starts from one against reading its files.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use twopath_log::{Durability, Log, Topic, TopicConfig, TopicWriter};
use twopath_query::{Query, parse};
use twopath_speed::{Backend, Checkpoints, Engine, Logic, SpeedJob, SpeedOptions, start};

use super::{BenchError, Ratio, Setting, side_by_side, speed_ratio};

const SQL: &str = "SELECT key, COUNT(*) AS n, SUM(key) AS s FROM t GROUP BY key";
const APPEND_ROWS: i64 = 65_536;
/// Runs that have not changed for so long are merged.
const SETTLED: Duration = Duration::from_millis(300);

/// One in a hundred keys changes between two checkpoints; and a start from the last of them.
pub fn checkpoint(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let keys: i64 = if size.quick { 20_000 } else { 10_000_000 };
    let (log, kept) = (dir.join("log"), dir.join("checkpoints"));
    let schema = Arc::new(Schema::new(vec![Field::new("key", DataType::Int64, false)]));
    let topic = Log::open(&log)?.create_topic(TopicConfig { durability: Durability::None, ..TopicConfig::new("t", schema) })?;
    let query = Arc::new(parse(SQL, "t", topic.schema()).expect("the query is ours"));
    let writer = topic.writer()?;
    append(&writer, &topic, 0..keys)?;
    let job = begin(&topic, &query, &kept)?;
    settle(&job, &topic)?;
    job.take_checkpoint()?;
    let mut increments = Vec::new();
    for round in 0..size.rounds as i64 {
        let before = job.checkpoint_stats();
        let first = round * keys / 100 % keys;
        append(&writer, &topic, first..first + keys / 100)?;
        settle(&job, &topic)?;
        job.take_checkpoint()?;
        let after = job.checkpoint_stats();
        increments.push(after.last_bytes as f64 / (after.bytes_written - before.bytes_written).max(1) as f64);
    }
    let bytes = job.checkpoint_stats().last_bytes;
    let detail = format!("{:.1} MB in full, of {keys} keys", bytes as f64 / 1e6);
    let what = "bytes of a full checkpoint against those that one writes after one in a hundred keys has changed";
    let increment = Ratio::of("checkpoint_increment", what.into(), 20.0, 50.0, increments, detail);
    job.stop()?;
    let starts = side_by_side(
        size.rounds,
        |_| {
            let began = Instant::now();
            let job = begin(&topic, &query, &kept)?;
            wait_for_end(&job, &topic)?;
            let took = began.elapsed();
            let groups: usize = job.view().generations.iter().flat_map(|g| &g.tables).map(|table| table.len()).sum();
            job.stop()?;
            if (groups as i64) < keys {
                return Err(BenchError::Answers { bench: "checkpoint", left: groups.to_string(), right: keys.to_string() });
            }
            Ok(took)
        },
        |_| read_all(&kept),
    )?;
    let what = "starting a job from its checkpoint, until it answers, against reading the checkpoint's files";
    let restore = speed_ratio("restore", what, 0.3, 0.7, &starts, keys as f64 / 1e6, "million keys/s");
    for made in [log, kept] {
        std::fs::remove_dir_all(made)?;
    }
    Ok(vec![increment, restore])
}

fn append(writer: &TopicWriter, topic: &Topic, keys: std::ops::Range<i64>) -> Result<(), BenchError> {
    let mut first = keys.start;
    while first < keys.end {
        let last = keys.end.min(first + APPEND_ROWS);
        let column = Arc::new(Int64Array::from_iter_values(first..last));
        writer.append(&RecordBatch::try_new(topic.schema().clone(), vec![column]).expect("one column"))?;
        first = last;
    }
    Ok(())
}

fn begin(topic: &Topic, query: &Arc<Query>, dir: &Path) -> Result<SpeedJob, BenchError> {
    let options = SpeedOptions { backend: Backend::Checkpoints(Checkpoints::every(Duration::MAX, dir)), ..SpeedOptions::default() };
    Ok(start(topic, Arc::clone(query), Logic::Sql, Engine::Timely, (0, topic.start()?), options, Arc::new(|_| {}))?)
}

fn wait_for_end(job: &SpeedJob, topic: &Topic) -> Result<(), BenchError> {
    let end = topic.end()?;
    while job.view().position() != &end {
        job.progress().failure.map_or(Ok(()), Err)?;
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// Waits until all is read, and the runs are merged as far as they will be.
fn settle(job: &SpeedJob, topic: &Topic) -> Result<(), BenchError> {
    wait_for_end(job, topic)?;
    let runs = || job.view().generations.iter().flat_map(|g| &g.tables).map(|table| table.len()).collect::<Vec<_>>();
    let (mut seen, mut since) = (runs(), Instant::now());
    while since.elapsed() < SETTLED {
        std::thread::sleep(Duration::from_millis(10));
        let now = runs();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// One file after the other, as a program that only copies them does.
fn read_all(dir: &Path) -> Result<Duration, BenchError> {
    let began = Instant::now();
    let mut sum = 0_u64;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "arrow") {
            // Every byte is looked at.
            sum += std::fs::read(path)?.iter().map(|b| u64::from(*b)).sum::<u64>();
        }
    }
    std::hint::black_box(sum);
    Ok(began.elapsed())
}
