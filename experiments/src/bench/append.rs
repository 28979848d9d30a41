//! Appending against writing the same bytes to a plain file.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use twopath_base::PartitionId;
use twopath_log::{Durability, Log};

use super::events::{Pageviews, column_bytes};
use super::{BenchError, Ratio, Setting, side_by_side, speed_ratio};

/// Rows per append: half a megabyte of 32-byte events.
const ROWS_PER_APPEND: usize = 16_384;
/// Eight kilobytes.
const ROWS_PER_SMALL_APPEND: usize = 256;

pub fn durability_none(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let events = (size.events / 4).max(100_000);
    let batches = Pageviews::generate(events, 1, ROWS_PER_APPEND).batches;
    let pairs = append_and_write(dir, size.rounds, &batches, Durability::None, false)?;
    Ok(vec![speed_ratio(
        "append_none",
        "append, durability none, 32-byte events, against writing the same bytes to a file",
        0.5,
        0.8,
        &pairs,
        events as f64 / 1e6,
        "million events/s",
    )])
}

pub fn durability_batch(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let row = |id, rows_per_append: usize, appends: usize| -> Result<Ratio, BenchError> {
        let appends = if size.quick { 5 } else { appends };
        let batches = Pageviews::generate((appends * rows_per_append) as u64, 1, rows_per_append).batches;
        let pairs = append_and_write(dir, size.rounds, &batches, Durability::Batch, true)?;
        let what = format!(
            "append {rows_per_append} events at a time, durability batch, against writing and fdatasync'ing the same bytes at the same cadence"
        );
        Ok(speed_ratio(id, &what, 0.9, 1.0, &pairs, appends as f64, "synced appends/s"))
    };
    Ok(vec![row("append_batch", ROWS_PER_APPEND, 100)?, row("append_batch_small", ROWS_PER_SMALL_APPEND, 2_000)?])
}

fn append_and_write(
    dir: &Path,
    rounds: usize,
    batches: &[RecordBatch],
    durability: Durability,
    sync: bool,
) -> Result<Vec<(f64, f64)>, BenchError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    side_by_side(
        rounds,
        |round| {
            let home = dir.join(format!("log-{round}"));
            let topic = Log::open(&home)?.create_topic(Pageviews::topic("pageviews", 1, durability))?;
            let writer = topic.writer()?;
            let start = Instant::now();
            for batch in batches {
                writer.append_to(PartitionId(0), batch, None)?;
            }
            let took = start.elapsed();
            writer.close()?;
            let end = topic.end()?.records();
            if end != rows as u64 {
                return Err(BenchError::Answers { bench: "append", left: end.to_string(), right: rows.to_string() });
            }
            std::fs::remove_dir_all(home)?;
            Ok(took)
        },
        |round| {
            let path = dir.join(format!("plain-{round}"));
            let took = write_plainly(&path, batches, sync)?;
            std::fs::remove_file(path)?;
            Ok(took)
        },
    )
}

/// Writes the values of all batches to a new file, each batch with one call, with a sync after each if wanted, and returns how long that took.
pub fn write_plainly(path: &Path, batches: &[RecordBatch], sync: bool) -> std::io::Result<Duration> {
    let mut file = File::create(path)?;
    let start = Instant::now();
    for batch in batches {
        let mut columns: Vec<IoSlice<'_>> = batch.columns().iter().map(|c| IoSlice::new(column_bytes(c))).collect();
        let mut left = columns.as_mut_slice();
        while !left.is_empty() {
            let written = file.write_vectored(left)?;
            IoSlice::advance_slices(&mut left, written);
        }
        if sync {
            file.sync_data()?;
        }
    }
    Ok(start.elapsed())
}
