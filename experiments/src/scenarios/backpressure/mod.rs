//! `twopath run backpressure`: one producer, one topic, a fast and a slow consumer, and the three things that can be done about the slow one.
//!
//! ```text
//! producer ─→ topic ─→ fast consumer (follows the log)
//!     └── edge: block, drop or buffer ──→ slow consumer
//! ```
//!
//! The producer has a schedule (open loop): each frame has a moment at which it should be appended, and the fast consumer's lateness
//! counts from there, so that a producer that is held up shows in it. The slow consumer works by waiting, as one that calls another
//! service does; it takes no processor time from the others.

mod edge;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use twopath_base::{Offset, PartitionId};
use twopath_log::{Durability, Entry, Log, LogError, PartitionBy, Start, Topic, TopicConfig};

use twopath_events::workloads::Pageviews;

pub use edge::{EDGE_GROUP, EdgeCounts, EdgeReceiver, EdgeSender, Piece, Pressure, edge};

/// Between two frames of the producer.
const TICK: Duration = Duration::from_millis(5);

/// Anything later counts as this late: an hour.
const LATE_US_MAX: u64 = 3_600_000_000;

const P0: PartitionId = PartitionId(0);

/// What the user chose.
#[derive(Debug, Clone)]
pub struct BackpressureSettings {
    /// Events per second.
    pub rate: f64,
    /// How long the producer runs, for each choice.
    pub duration: Duration,
    /// How many times as long as the producer the slow consumer takes for an event.
    pub slow_factor: f64,
    /// Frames that may wait in memory.
    pub capacity: usize,
    pub seed: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct BackpressureResult {
    pub rate: f64,
    pub duration_s: f64,
    pub slow_factor: f64,
    pub capacity_frames: usize,
    pub frame_events: u64,
    pub seed: u64,
    pub choices: Vec<Choice>,
}

/// One way to deal with the slow consumer, and what became of everybody.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    pub pressure: Pressure,
    /// Events that the producer appended in its time; what it should have appended is `rate` × `duration_s`.
    pub produced: u64,
    pub produced_per_s: f64,
    pub producer_blocked_s: f64,
    /// Events that the fast consumer saw, and how late after their intended moments.
    pub fast_seen: u64,
    pub fast_late_p50_ms: f64,
    pub fast_late_p99_ms: f64,
    pub fast_late_max_ms: f64,
    pub slow_delivered: u64,
    pub slow_dropped: u64,
    /// Offsets that were dropped: from, and to (exclusive).
    pub slow_dropped_ranges: Vec<(u64, u64)>,
    /// Events that the slow consumer was behind: at most, and when the producer stopped.
    pub slow_lag_max: u64,
    pub slow_lag_at_end: u64,
    /// How long it took after that until it had everything.
    pub slow_caught_up_after_s: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum BackpressureError {
    #[error("{what}")]
    Settings { what: String },
    #[error("{pressure:?}: events are unaccounted for ({what}); this is a bug, and no result is reported")]
    Unaccounted { pressure: Pressure, what: String },
    #[error("{0}")]
    Log(#[from] LogError),
    #[error("cannot use the scenario's folder: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs the three choices one after the other, each with a log of its own in a folder below `dir`; `progress` hears each before it runs.
pub fn run_backpressure(
    settings: &BackpressureSettings,
    dir: &Path,
    mut progress: impl FnMut(Pressure),
) -> Result<BackpressureResult, BackpressureError> {
    let frame_events = (settings.rate * TICK.as_secs_f64()).round().max(1.0) as u64;
    let wrong = |what: &str| Err(BackpressureError::Settings { what: what.to_owned() });
    if !(settings.rate.is_finite() && settings.rate * TICK.as_secs_f64() >= 1.0 && settings.rate <= 1e8) {
        return wrong("--rate must be 200 to 100000000 events per second");
    }
    if !(settings.slow_factor.is_finite() && settings.slow_factor > 0.0) || settings.duration.is_zero() {
        return wrong("--slow-factor and --duration must be more than 0");
    }
    let mut choices = Vec::new();
    for pressure in [Pressure::Block, Pressure::Drop, Pressure::Buffer] {
        progress(pressure);
        let home = dir.join(format!("{pressure:?}").to_lowercase());
        let choice = run_choice(settings, frame_events, pressure, &home)?;
        std::fs::remove_dir_all(&home)?;
        choices.push(choice);
    }
    Ok(BackpressureResult {
        rate: settings.rate,
        duration_s: settings.duration.as_secs_f64(),
        slow_factor: settings.slow_factor,
        capacity_frames: settings.capacity,
        frame_events,
        seed: settings.seed,
        choices,
    })
}

fn run_choice(settings: &BackpressureSettings, frame_events: u64, pressure: Pressure, home: &Path) -> Result<Choice, BackpressureError> {
    let config = Pageviews::default().workload().topic_config(1, Durability::None);
    let topic = Log::open(home)?.create_topic(TopicConfig { partition_by: PartitionBy::RoundRobin, ..config })?;
    let (sender, receiver) = edge(pressure, settings.capacity, &topic)?;
    let work_per_event_s = settings.slow_factor / settings.rate;
    let start = Instant::now();
    // Where the producer stopped, once it has.
    let end = AtomicU64::new(u64::MAX);
    std::thread::scope(|scope| {
        let fast = scope.spawn(|| follow(&topic, start, frame_events, &end));
        let slow = scope.spawn(move || consume(receiver, work_per_event_s));
        let produced = produce(settings, frame_events, &topic, &sender, start);
        let stopped = Instant::now();
        let lag_at_end = sender.lag();
        // Whatever happened, the others must hear that nothing more comes.
        end.store(*produced.as_ref().unwrap_or(&0), Ordering::SeqCst);
        if let Ok(tail) = topic.tail() {
            tail.wake();
        }
        sender.close();
        let (slow, fast) = (join(slow), join(fast));
        let counts = sender.counts();
        let (produced, (slow, caught_up), fast) = (produced?, slow?, fast?);
        let result = Choice {
            pressure,
            produced,
            produced_per_s: produced as f64 / (stopped - start).as_secs_f64(),
            producer_blocked_s: counts.blocked.as_secs_f64(),
            fast_seen: fast.seen,
            fast_late_p50_ms: fast.late_ms(0.5),
            fast_late_p99_ms: fast.late_ms(0.99),
            fast_late_max_ms: fast.late_ms(1.0),
            slow_delivered: slow.iter().map(|(from, to)| to - from).sum(),
            slow_dropped: counts.records_dropped(),
            slow_dropped_ranges: counts.dropped.iter().map(|(from, to)| (from.0, to.0)).collect(),
            slow_lag_max: counts.lag_max,
            slow_lag_at_end: lag_at_end,
            slow_caught_up_after_s: caught_up.saturating_duration_since(stopped).as_secs_f64(),
        };
        check(&result, &slow)?;
        Ok(result)
    })
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Appends a frame at each of its moments, or as soon as it can, until the time is up; gives the number of events.
fn produce(
    settings: &BackpressureSettings,
    frame_events: u64,
    topic: &Topic,
    sender: &EdgeSender,
    start: Instant,
) -> Result<u64, BackpressureError> {
    let writer = topic.writer()?;
    let events = Pageviews { seed: settings.seed, ..Pageviews::default() };
    let frames = (settings.rate * settings.duration.as_secs_f64()) as u64 / frame_events;
    let mut produced = 0;
    for frame in 0..frames {
        let batch = events.batch(produced, frame_events as usize);
        let due = start + TICK * frame as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if start.elapsed() >= settings.duration {
            break;
        }
        writer.append_to(P0, &batch, None)?;
        let (from, to) = (Offset(produced), Offset(produced + frame_events));
        sender.send(Piece { from, to, batch });
        produced = to.0;
    }
    writer.close()?;
    Ok(produced)
}

struct Fast {
    seen: u64,
    late_us: Histogram<u64>,
}

impl Fast {
    fn late_ms(&self, quantile: f64) -> f64 {
        self.late_us.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// Reads the log as it grows, and notes how late each event comes, from when it should have been appended.
fn follow(topic: &Topic, start: Instant, frame_events: u64, end: &AtomicU64) -> Result<Fast, BackpressureError> {
    let mut reader = topic.reader(P0, Start::First, None)?;
    let tail = topic.tail()?;
    let mut fast = Fast { seen: 0, late_us: Histogram::new_with_bounds(1, LATE_US_MAX, 3).expect("the bounds are in order") };
    loop {
        let seen = tail.sequence();
        match reader.next()? {
            Some(Entry::Records(records)) => {
                let due = start + TICK * (records.base.0 / frame_events) as u32;
                let late = Instant::now().saturating_duration_since(due);
                let count = records.batch.num_rows() as u64;
                fast.late_us.saturating_record_n(late.as_micros() as u64, count);
                fast.seen += count;
            }
            Some(Entry::Barrier(_)) => {}
            None if fast.seen >= end.load(Ordering::SeqCst) => return Ok(fast),
            None => tail.wait(seen, Duration::from_secs(1)),
        }
    }
}

type Ranges = Vec<(u64, u64)>;

/// Receives, and takes its time over each piece; gives the ranges received, and when the last one was done.
fn consume(mut receiver: EdgeReceiver, work_per_event_s: f64) -> Result<(Ranges, Instant), BackpressureError> {
    let mut ranges = Vec::new();
    let mut done = Instant::now();
    while let Some(piece) = receiver.receive()? {
        let (from, to) = (piece.from.0, piece.to.0);
        assert_eq!(piece.batch.num_rows() as u64, to - from, "a piece holds the records that it says");
        ranges.push((from, to));
        // From when it could begin: a sleep that was too long is made up for.
        done = done.max(Instant::now().checked_sub(TICK).unwrap_or(done)) + Duration::from_secs_f64(work_per_event_s * (to - from) as f64);
        std::thread::sleep(done.saturating_duration_since(Instant::now()));
    }
    Ok((ranges, Instant::now()))
}

/// That every event was delivered or dropped, exactly once, and that the fast consumer saw all.
fn check(choice: &Choice, delivered: &[(u64, u64)]) -> Result<(), BackpressureError> {
    let bad = |what: String| Err(BackpressureError::Unaccounted { pressure: choice.pressure, what });
    let mut all: Ranges = delivered.iter().chain(&choice.slow_dropped_ranges).copied().collect();
    all.sort_unstable();
    let end = all.iter().try_fold(0, |end, &(from, to)| (from == end).then_some(to));
    if end != Some(choice.produced) {
        return bad(format!("delivered and dropped ranges do not make up 0 to {}", choice.produced));
    }
    if !delivered.is_sorted() {
        return bad("the slow consumer got events out of order".into());
    }
    if choice.fast_seen != choice.produced {
        return bad(format!("{} produced, and the fast consumer saw {}", choice.produced, choice.fast_seen));
    }
    if choice.pressure != Pressure::Drop && choice.slow_dropped > 0 {
        return bad(format!("{} dropped", choice.slow_dropped));
    }
    Ok(())
}
