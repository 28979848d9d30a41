//! Compaction against rewriting the bytes that survive it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use twopath_base::PartitionId;
use twopath_log::{Compaction, Log, PartitionBy, Topic, TopicConfig};

use super::events::{WIDE_COLUMNS, wide_events, wide_schema};
use super::{BenchError, Ratio, Setting, side_by_side, speed_ratio};

const P0: PartitionId = PartitionId(0);

/// Every key comes twice, so that half of the bytes survive.
pub fn halved(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let rows = if size.quick { 40_000 } else { 1_500_000 };
    let pairs = side_by_side(size.rounds, |_| second(|| compacted(&dir.join("keyed"), rows)), |_| second(|| rewritten(dir, rows)))?;
    let what = "compaction of events of 208 bytes, of which half survive, against writing and syncing as many bytes in as many files";
    Ok(vec![speed_ratio("compaction", what, 0.5, 0.8, &pairs, rows as f64 / 2e6, "million surviving events/s")])
}

/// Done twice, and the second time counts: the first makes sure of the memory, which on a virtual machine the host may have to give first (what
/// writes is slower by a factor of up to five then).
fn second(mut f: impl FnMut() -> Result<Duration, BenchError>) -> Result<Duration, BenchError> {
    f()?;
    f()
}

fn filled(dir: &Path, rows: usize) -> Result<Topic, BenchError> {
    let config = TopicConfig { partition_by: PartitionBy::Key("c0".into()), ..TopicConfig::new("keyed", wide_schema()) };
    let topic = Log::open(dir)?.create_topic(config)?;
    let writer = topic.writer()?;
    let keys = rows / 2;
    for batch in wide_events(rows, |row, column| if column == 0 { row % keys } else { row * column } as i64) {
        writer.append_to(P0, &batch, None)?;
    }
    // Only sealed segments are compacted.
    writer.barrier()?;
    writer.close()?;
    for segment in topic.local()?.segments(P0)? {
        synced(&segment.path)?;
    }
    Ok(topic)
}

fn compacted(dir: &Path, rows: usize) -> Result<Duration, BenchError> {
    let topic = filled(dir, rows)?;
    let start = Instant::now();
    let report = topic.local()?.compact(&Compaction { dirty_ratio_min: 0.0, ..Compaction::default() })?;
    let took = start.elapsed();
    let kept = topic.range(P0, topic.start()?.get(P0), topic.end()?.get(P0), Some(&[0]))?;
    let mut found = 0;
    for records in kept {
        found += records?.batch.num_rows();
    }
    if found != rows / 2 || report.records_after != found as u64 {
        return Err(BenchError::Answers { bench: "compaction", left: found.to_string(), right: (rows / 2).to_string() });
    }
    std::fs::remove_dir_all(dir)?;
    Ok(took)
}

/// What is read is on the disk before the clock starts: else either side's own sync might have to wait for it.
fn synced(path: &Path) -> Result<(), BenchError> {
    Ok(File::open(path)?.sync_data()?)
}

/// The bytes that survive, from the page cache to files of a segment's size, each synced.
fn rewritten(dir: &Path, rows: usize) -> Result<Duration, BenchError> {
    let (from, to) = (dir.join("surviving"), dir.join("rewritten"));
    std::fs::write(&from, vec![7u8; rows / 2 * WIDE_COLUMNS * 8])?;
    synced(&from)?;
    std::fs::create_dir(&to)?;
    let start = Instant::now();
    let mut source = File::open(&from)?;
    for n in 0.. {
        let mut bytes = Vec::new();
        Read::by_ref(&mut source).take(TopicConfig::SEGMENT_BYTES).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            break;
        }
        let mut file = File::create(to.join(n.to_string()))?;
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    let took = start.elapsed();
    std::fs::remove_file(from)?;
    std::fs::remove_dir_all(to)?;
    Ok(took)
}
