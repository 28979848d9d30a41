//! Reading a topic whose segments are in an object store (a folder), against reading it local.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use twopath_shared::PartitionId;
use twopath_shared::log::{Log, Offload, TopicConfig};

use super::{BenchError, Ratio, Size, side_by_side, speed_ratio};

const ROWS_PER_APPEND: usize = 16_384;
/// 8 bytes each.
const COLUMNS: usize = 26;
const P0: PartitionId = PartitionId(0);

/// With nothing fetched yet, and with everything fetched by an earlier process.
pub fn remote(dir: &Path, size: Size) -> Result<Vec<Ratio>, BenchError> {
    let rows = if size.quick { 100_000 } else { 2_000_000 };
    let (local, far) = (dir.join("local"), dir.join("far"));
    fill(&local, rows)?;
    fill(&far, rows)?;
    let to = dir.join("store").display().to_string();
    let moved = Log::open(&far)?.topic("t")?.offload(&Offload { to, older_than: None, keep_local_bytes: None })?;
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
    let fields: Vec<Field> = (0..COLUMNS).map(|c| Field::new(format!("c{c}"), DataType::Int64, false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let segment_bytes = TopicConfig::SEGMENT_BYTES.min((rows * COLUMNS) as u64);
    let writer = Log::open(dir)?.create_topic(TopicConfig { segment_bytes, ..TopicConfig::new("t", schema.clone()) })?.writer()?;
    for from in (0..rows).step_by(ROWS_PER_APPEND) {
        let column = |c: usize| -> ArrayRef {
            Arc::new((from..rows.min(from + ROWS_PER_APPEND)).map(|i| (i * (c + 1)) as i64).collect::<Int64Array>())
        };
        writer.append_to(
            P0,
            &RecordBatch::try_new(schema.clone(), (0..COLUMNS).map(column).collect()).expect("columns of one length"),
            None,
        )?;
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
