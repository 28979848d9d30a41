//! Scanning one column of sealed segments against summing it in memory.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use twopath_base::PartitionId;
use twopath_log::{Durability, Entry, Log, LogError, Start, Topic};

use super::events::{DURATION_MS, Pageviews};
use super::{BenchError, Ratio, Setting, side_by_side, speed_ratio, timed};

pub fn column(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let made = Pageviews::generate(size.events, 1, 65_536);
    let topic = made.log(&Log::open(dir)?, "pageviews", 1, Durability::None)?;
    let in_memory: Vec<i64> =
        made.batches.iter().flat_map(|b| b.column(DURATION_MS).as_primitive::<Int64Type>().values().iter().copied()).collect();
    drop(made);

    // The first pass verifies checksums, once per process; the row is about what every later scan costs.
    let first = sum(&topic)?;
    let right: i64 = in_memory.iter().sum();
    if first != right {
        return Err(BenchError::Answers { bench: "scan", left: first.to_string(), right: right.to_string() });
    }
    let pairs = side_by_side(
        size.rounds * 3,
        |_| {
            let (total, took) = timed(|| sum(&topic));
            assert_eq!(total?, right);
            Ok::<_, BenchError>(took)
        },
        |_| {
            let (total, took) = timed(|| std::hint::black_box(&in_memory).iter().sum::<i64>());
            assert_eq!(total, right);
            Ok(took)
        },
    )?;
    Ok(vec![speed_ratio(
        "scan",
        "scan of one 8-byte column of sealed segments in the page cache, against summing the same column in memory",
        0.5,
        0.8,
        &pairs,
        size.events as f64 / 1e6,
        "million values/s",
    )])
}

fn sum(topic: &Topic) -> Result<i64, LogError> {
    let mut reader = topic.reader(PartitionId(0), Start::First, Some(&[DURATION_MS]))?;
    let mut total = 0i64;
    while let Some(entry) = reader.next()? {
        if let Entry::Records(records) = entry {
            total += records.batch.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
        }
    }
    Ok(total)
}
