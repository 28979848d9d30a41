//! Reading a topic whose segments are in an object store (a folder), against reading it local.

use std::path::Path;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use twopath_base::PartitionId;
use twopath_log::{Log, Offload, TopicConfig};

use super::events::{WIDE_COLUMNS, wide_events, wide_schema};
use super::{BenchError, Ratio, Setting, side_by_side, speed_ratio};

const P0: PartitionId = PartitionId(0);

/// With nothing fetched yet, and with everything fetched by an earlier process.
pub fn remote(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let rows = if size.quick { 100_000 } else { 2_000_000 };
    let (local, far) = (dir.join("local"), dir.join("far"));
    fill(&local, rows)?;
    fill(&far, rows)?;
    let to = dir.join("store").display().to_string();
    let moved = Log::open(&far)?.topic("t")?.local()?.offload(&Offload { to, older_than: None, keep_local_bytes: None })?;
    let cache = far.join("t").join("cache");
    let cold = || -> Result<Duration, BenchError> {
        if cache.exists() {
            std::fs::remove_dir_all(&cache)?;
        }
        read(&far, rows)
    };
    let cold = side_by_side(size.rounds, |_| cold(), |_| read(&local, rows))?;
    let warm = side_by_side(size.rounds, |_| read(&far, rows), |_| read(&local, rows))?;
    let of = format!("{} of {} segments in a folder", moved.segments_remote, moved.segments_remote + moved.segments_local);
    let what = |cache: &str| format!("reading every event of a topic with {of}, {cache}, against all of it local");
    let million = rows as f64 / 1e6;
    let ratios = vec![
        speed_ratio("remote_cold", &what("none of them fetched"), 0.05, 0.1, &cold, million, "million events/s"),
        speed_ratio("remote_warm", &what("all of them fetched by an earlier process"), 0.3, 0.7, &warm, million, "million events/s"),
    ];
    for made in [local, far, dir.join("store")] {
        std::fs::remove_dir_all(made)?;
    }
    Ok(ratios)
}

fn fill(dir: &Path, rows: usize) -> Result<(), BenchError> {
    let segment_bytes = TopicConfig::SEGMENT_BYTES.min((rows * WIDE_COLUMNS) as u64);
    let writer = Log::open(dir)?.create_topic(TopicConfig { segment_bytes, ..TopicConfig::new("t", wide_schema()) })?.writer()?;
    for batch in wide_events(rows, |row, column| (row * (column + 1)) as i64) {
        writer.append_to(P0, &batch, None)?;
    }
    Ok(writer.close()?)
}

/// All of it, as a process that has read nothing yet does.
fn read(dir: &Path, rows: usize) -> Result<Duration, BenchError> {
    let start = Instant::now();
    let topic = Log::open(dir)?.topic("t")?;
    let mut sum = 0_i64;
    for records in topic.range(P0, topic.start()?.get(P0), topic.end()?.get(P0), None)? {
        sum += records?.batch.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
    }
    let took = start.elapsed();
    let expected = (rows as i64 - 1) * rows as i64 / 2;
    if sum != expected {
        return Err(BenchError::Answers { bench: "remote", left: sum.to_string(), right: expected.to_string() });
    }
    Ok(took)
}
