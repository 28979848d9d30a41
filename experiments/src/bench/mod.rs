//! `twopath bench`: speed as ratios, measured side by side in one run, with the answers checked.
//!
//! Every row times two ways of doing the same work in turn, A B A B ..., several times, and reports the median of the paired
//! ratios: on a noisy machine a ratio holds where an absolute time does not. A row whose two answers differ is an error, not a row.

mod append;
mod broker;
mod checkpoint;
mod compaction;
mod events;
mod freshness;
mod incremental;
mod kafka;
mod log_scale;
pub mod peers;
mod published;
mod read;
mod replay;
mod scan;
mod tier;
mod wake;

use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use twopath_log::Address;

pub use events::{Pageviews, Totals, hand_written_loop};

/// One measured ratio.
#[derive(Debug, Clone, Serialize)]
pub struct Ratio {
    /// A stable name: `append_none`.
    pub id: &'static str,
    /// What is measured, against what.
    pub what: String,
    /// The median over the rounds. How many times as fast as the baseline; for a row with a unit, the value itself.
    pub ratio: f64,
    /// Every round's ratio.
    pub rounds: Vec<f64>,
    /// At least this (at most, where `lower_is_better`).
    pub floor: f64,
    pub aim: f64,
    /// Of `ratio`, `floor` and `aim`: none for a plain ratio, or `ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    pub lower_is_better: bool,
    /// Absolute figures of this run, for orientation only.
    pub detail: String,
}

impl Ratio {
    /// A plain ratio: how many times as fast, or as cheap, in each round.
    fn of(id: &'static str, what: String, floor: f64, aim: f64, rounds: Vec<f64>, detail: String) -> Ratio {
        Ratio { id, what, ratio: median(&rounds), rounds, floor, aim, unit: None, lower_is_better: false, detail }
    }

    pub fn meets_floor(&self) -> bool {
        if self.lower_is_better { self.ratio <= self.floor } else { self.ratio >= self.floor }
    }

    pub fn meets_aim(&self) -> bool {
        if self.lower_is_better { self.ratio <= self.aim } else { self.ratio >= self.aim }
    }
}

/// What `twopath bench --format json` prints.
#[derive(Debug, Serialize)]
pub struct BenchResult {
    pub ratios: Vec<Ratio>,
    /// `quick` runs are small: they check that the benches work, and their ratios mean little.
    pub quick: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{bench}: the two sides gave different answers ({left} against {right}); this is a bug, and no ratio is reported")]
    Answers { bench: &'static str, left: String, right: String },
    #[error("{0}")]
    Log(#[from] twopath_log::LogError),
    #[error("{0}")]
    Batch(#[from] twopath_batch::BatchError),
    #[error("{0}")]
    Speed(#[from] twopath_speed::SpeedError),
    #[error("{0}")]
    Serving(#[from] twopath_serving::ServingError),
    #[error("cannot use the bench's folder: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Peer(String),
    #[error("there is no bench named '{name}'; there are: {known}")]
    Unknown { name: String, known: String },
}

/// How large the benches are.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Events of the large aggregations (20 million in full).
    pub events: u64,
    /// Times each pair is measured.
    pub rounds: usize,
    pub quick: bool,
}

impl Size {
    pub fn full() -> Self {
        Size { events: 20_000_000, rounds: 5, quick: false }
    }

    /// Small enough for a test.
    pub fn quick() -> Self {
        Size { events: 200_000, rounds: 2, quick: true }
    }
}

/// What every bench is given.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// A folder to work in.
    pub dir: &'a Path,
    pub size: Size,
    /// The `twopath` program, for what takes a second process.
    pub program: &'a Path,
}

type Bench = fn(Setting) -> Result<Vec<Ratio>, BenchError>;

const BENCHES: [(&str, Bench); 14] = [
    ("append_none", append::durability_none),
    ("append_batch", append::durability_batch),
    ("scan", scan::column),
    ("speed", replay::speed_against_loop),
    ("replay", replay::replay_batch_and_polars),
    ("freshness", freshness::at_half_rate),
    ("read", read::merged_against_batch),
    ("scale", replay::scale),
    ("remote", tier::remote),
    ("checkpoint", checkpoint::checkpoint),
    ("incremental", incremental::one_percent),
    ("published", published::against_loops),
    ("hop", replay::hop_against_tumble),
    ("workers", replay::two_workers_against_one),
];

/// The group `log-scale`, which takes its time and is not part of the others.
const LOG_SCALE: [(&str, Bench); 7] = [
    ("compaction", compaction::halved),
    ("groups", log_scale::groups),
    ("wake", wake::in_process),
    ("wake_across", wake::across_processes),
    ("partitions", log_scale::partitions),
    ("open", log_scale::open),
    ("memory", log_scale::memory),
];

/// The names that `--only` takes.
pub fn names() -> Vec<&'static str> {
    BENCHES.iter().chain(&LOG_SCALE).map(|(n, _)| *n).collect()
}

/// Runs the benches named in `only` (where it is empty, all but those of the groups) in a scratch folder below the setting's; `progress` hears each name before it runs.
pub fn run(setting: Setting, only: &[String], progress: impl FnMut(&str)) -> Result<BenchResult, BenchError> {
    if let Some(name) = only.iter().find(|o| !names().contains(&o.as_str())) {
        return Err(BenchError::Unknown { name: name.clone(), known: names().join(", ") });
    }
    let named = |(name, _): &&(&str, Bench)| only.iter().any(|o| o == name);
    if only.is_empty() {
        return run_each(BENCHES.iter(), setting, progress);
    }
    run_each(BENCHES.iter().chain(&LOG_SCALE).filter(named), setting, progress)
}

/// As [`run`], how the log does with many readers, partitions, segments and events.
pub fn run_log_scale(setting: Setting, progress: impl FnMut(&str)) -> Result<BenchResult, BenchError> {
    run_each(LOG_SCALE.iter(), setting, progress)
}

/// The embedded log against Kafka's.
pub fn run_log(setting: Setting, kafka: &Address, progress: impl FnMut(&str)) -> Result<BenchResult, BenchError> {
    Ok(BenchResult { ratios: kafka::rows(setting.dir, kafka, setting.size, progress)?, quick: setting.size.quick })
}

fn run_each<'a>(
    benches: impl Iterator<Item = &'a (&'static str, Bench)>,
    setting: Setting,
    mut progress: impl FnMut(&str),
) -> Result<BenchResult, BenchError> {
    let mut ratios = Vec::new();
    for (name, bench) in benches {
        progress(name);
        let scratch = setting.dir.join(name);
        std::fs::create_dir_all(&scratch)?;
        let made = bench(Setting { dir: &scratch, ..setting });
        std::fs::remove_dir_all(&scratch)?;
        ratios.extend(made?);
    }
    Ok(BenchResult { ratios, quick: setting.size.quick })
}

/// Times `a` and `b` in turn and gives every round's seconds.
fn side_by_side<E>(
    rounds: usize,
    mut a: impl FnMut(usize) -> Result<Duration, E>,
    mut b: impl FnMut(usize) -> Result<Duration, E>,
) -> Result<Vec<(f64, f64)>, E> {
    let mut pairs = Vec::with_capacity(rounds);
    for round in 0..rounds {
        // The order changes from round to round, so that neither always runs on the other's warm or dirty caches.
        let (ta, tb) = if round % 2 == 0 {
            let ta = a(round)?;
            (ta, b(round)?)
        } else {
            let tb = b(round)?;
            (a(round)?, tb)
        };
        pairs.push((ta.as_secs_f64(), tb.as_secs_f64()));
    }
    Ok(pairs)
}

/// That two ways came to the same.
fn same(bench: &'static str, left: u64, right: u64) -> Result<(), BenchError> {
    if left == right { Ok(()) } else { Err(BenchError::Answers { bench, left: left.to_string(), right: right.to_string() }) }
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Of nanoseconds; what is longer than a minute counts as a minute (without bounds, what is above 2 µs would count as 2 µs).
fn histogram_ns() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order")
}

fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let made = f();
    (made, start.elapsed())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 {
        return f64::NAN;
    }
    (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0
}

/// The ratio of speeds, ours over the baseline's, from pairs of (our seconds, baseline's seconds) for `units` of work.
fn speed_ratio(id: &'static str, what: &str, floor: f64, aim: f64, pairs: &[(f64, f64)], units: f64, unit: &str) -> Ratio {
    let rounds = pairs.iter().map(|(ours, base)| base / ours).collect();
    let ours = median(&pairs.iter().map(|p| units / p.0).collect::<Vec<_>>());
    let base = median(&pairs.iter().map(|p| units / p.1).collect::<Vec<_>>());
    Ratio::of(id, what.to_owned(), floor, aim, rounds, format!("{ours:.1} against {base:.1} {unit}"))
}
