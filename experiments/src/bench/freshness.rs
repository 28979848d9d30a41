//! Freshness while events keep coming: at half the highest rate that the stream sustains, with the generator on the same cores.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use hdrhistogram::Histogram;
use twopath_base::{PartitionId, Position};
use twopath_log::{Durability, Log};
use twopath_view::RealtimeView;

use super::events::Pageviews;
use super::{BenchError, Ratio, Setting, median};

/// How often the generator appends what is due.
const TICK: Duration = Duration::from_micros(500);

/// What is longer counts as this long (a histogram without bounds would count what is above 2 ms as 2 ms).
const LONGEST_US: u64 = 3_600_000_000;

pub fn at_half_rate(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let (seconds, attempts) = if size.quick { (0.2, 2) } else { (2.0, 7) };
    let rate = |attempt: u32| 500_000.0 * f64::from(1u32 << attempt);
    // Made once, so that no round pays for another's memory.
    let batches = Pageviews::generate((rate(attempts - 1) * seconds) as u64, 1, 65_536).batches;
    // The highest rate at which the view keeps up until the last event: doubled until it fails.
    let mut sustained = rate(0) / 2.0;
    for attempt in 0..attempts {
        let rate = rate(attempt);
        let run = follow(&dir.join(format!("rate-{attempt}")), &batches, rate, seconds)?;
        if !run.kept_up {
            break;
        }
        sustained = rate;
    }
    let mut rounds = Vec::new();
    let mut detail = vec![format!("highest sustained rate {:.1} million events/s", sustained / 1e6)];
    for round in 0..if size.quick { 1 } else { 3 } {
        let run = follow(&dir.join(format!("half-{round}")), &batches, sustained / 2.0, seconds * 2.0)?;
        let ms = |q: f64| run.freshness_us.value_at_quantile(q) as f64 / 1e3;
        detail.push(format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", ms(0.5), ms(0.99), ms(1.0)));
        rounds.push(ms(0.99));
    }
    Ok(vec![Ratio {
        id: "freshness",
        what: "freshness p99 at half the highest sustained rate, generator on the same cores".into(),
        ratio: median(&rounds),
        rounds,
        floor: 5.0,
        aim: 1.0,
        unit: Some("ms"),
        lower_is_better: true,
        detail: detail.join("; "),
    }])
}

struct Followed {
    /// Of every event, from its intended arrival.
    freshness_us: Histogram<u64>,
    kept_up: bool,
}

/// Appends at `rate` events per second for `seconds` while a one-worker speed job follows.
fn follow(dir: &Path, batches: &[RecordBatch], rate: f64, seconds: f64) -> Result<Followed, BenchError> {
    let events = (rate * seconds) as u64;
    let topic = Log::open(dir)?.create_topic(Pageviews::topic("pageviews", 1, Durability::None))?;
    let query = Arc::new(Pageviews::query(&topic));
    let writer = topic.writer()?;
    let published: Arc<Mutex<Vec<(Instant, u64)>>> = Arc::default();
    let hear = published.clone();
    let publish = Arc::new(move |view: Arc<RealtimeView>| {
        let covered = view.position().get(PartitionId(0)).0;
        hear.lock().expect("no publisher panics").push((Instant::now(), covered));
    });
    let options = twopath_speed::SpeedOptions { workers: 1, ..Default::default() };
    let job = twopath_speed::start(
        &topic,
        query,
        twopath_speed::Logic::Sql,
        twopath_speed::Engine::default(),
        (0, Position::zero(1)),
        options,
        publish,
    )?;

    let start = Instant::now();
    let mut appended = 0u64;
    while appended < events {
        let due = ((start.elapsed().as_secs_f64() * rate) as u64).min(events);
        while appended < due {
            let slice = slice_of(batches, appended, due);
            appended += slice.num_rows() as u64;
            writer.append_to(PartitionId(0), &slice, None)?;
        }
        std::thread::sleep(TICK);
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while published.lock().expect("no publisher panics").last().is_none_or(|p| p.1 < events) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    job.stop()?;
    writer.close()?;

    let published = published.lock().expect("no publisher panics");
    let mut freshness_us = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are in order");
    let mut next = 0u64;
    let mut last_late = Duration::ZERO;
    for &(at, covered) in published.iter() {
        while next < covered {
            let intended = start + Duration::from_secs_f64(next as f64 / rate);
            last_late = at.saturating_duration_since(intended);
            freshness_us.saturating_record(last_late.as_micros() as u64);
            next += 1;
        }
    }
    std::fs::remove_dir_all(dir)?;
    // Kept up: all covered, and the last events no later than a backlog of 50 ms.
    Ok(Followed { freshness_us, kept_up: next == events && last_late < Duration::from_millis(50) })
}

/// The events from number `from` on that lie in one batch, at most up to `to`.
fn slice_of(batches: &[RecordBatch], from: u64, to: u64) -> RecordBatch {
    let size = batches[0].num_rows() as u64;
    let batch = &batches[(from / size) as usize];
    let start = from % size;
    let len = (to - from).min(batch.num_rows() as u64 - start);
    batch.slice(start as usize, len as usize)
}
