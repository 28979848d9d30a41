//! `twopath run backpressure`, which has options of its own.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use twopath_query::Value;

use crate::cli::output::{self, ReportFormat};
use crate::cli::{Failure, parse_duration, progress};
use crate::scenarios::backpressure::{BackpressureError, BackpressureResult, BackpressureSettings, run_backpressure};

/// Shows what can be done about a consumer that is slower than its producer, and what it does to the others
///
/// One producer appends to a topic that a fast consumer follows, and hands each frame to a slow consumer over an edge that blocks the
/// producer, drops what does not fit, or leaves it to the log to buffer. Every event is accounted for. Each choice runs for the given
/// time, and until the slow consumer has what it is to get.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath run backpressure
  twopath run backpressure --rate 100000 --duration 10s --slow-factor 2 --format json")]
pub(super) struct BackpressureArgs {
    /// Events per second
    #[arg(long, value_name = "N", default_value_t = 20_000.0)]
    rate: f64,
    /// How long the producer runs, for each choice
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = parse_duration)]
    duration: Duration,
    /// How many times as long as the producer the slow consumer takes for an event
    #[arg(long, value_name = "TIMES", default_value_t = 3.0)]
    slow_factor: f64,
    /// Frames (of 5 ms each) that may wait in memory
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    capacity: u32,
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What goes to standard output. JSON is one object: {"rate",...,"choices":[{"pressure","produced","fast_late_p99_ms","slow_dropped",...}]}
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

pub(super) fn run(dir: &Path, args: &BackpressureArgs) -> Result<ExitCode, Failure> {
    let io = |e: std::io::Error| Failure::of(format!("{}: {e}", dir.display()));
    let settings = BackpressureSettings {
        rate: args.rate,
        duration: args.duration,
        slow_factor: args.slow_factor,
        capacity: args.capacity as usize,
        seed: args.seed,
    };
    std::fs::create_dir_all(dir).map_err(io)?;
    let scratch = tempfile::Builder::new().prefix(".backpressure-").tempdir_in(dir).map_err(io)?;
    let bar = progress::bar("starting", 0);
    bar.enable_steady_tick(Duration::from_millis(100));
    let result = run_backpressure(&settings, scratch.path(), |pressure| bar.set_message(format!("{pressure:?}").to_lowercase()));
    bar.finish_and_clear();
    let result = result.map_err(|e| match e {
        BackpressureError::Settings { .. } => Failure::usage(e),
        other => other.into(),
    })?;
    let mut out = std::io::stdout().lock();
    match args.format {
        ReportFormat::Json => output::report(&mut out, &result)?,
        ReportFormat::Table => table(&mut out, &result)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A row per figure, a column per choice.
fn table(out: &mut dyn Write, result: &BackpressureResult) -> Result<(), Failure> {
    let names: Vec<String> =
        [String::new()].into_iter().chain(result.choices.iter().map(|c| format!("{:?}", c.pressure).to_lowercase())).collect();
    let choices = &result.choices;
    let row = |what: &str, figure: &dyn Fn(&crate::scenarios::backpressure::Choice) -> String| -> Vec<Value> {
        [what.to_owned()].into_iter().chain(choices.iter().map(figure)).map(|t| Value::Text(t.into())).collect()
    };
    let rows = [
        row("produced, events/s", &|c| format!("{:.0}", c.produced_per_s)),
        row("producer held up, s", &|c| format!("{:.2}", c.producer_blocked_s)),
        row("fast consumer: late p50, ms", &|c| format!("{:.2}", c.fast_late_p50_ms)),
        row("fast consumer: late p99, ms", &|c| format!("{:.2}", c.fast_late_p99_ms)),
        row("slow consumer: delivered", &|c| c.slow_delivered.to_string()),
        row("slow consumer: dropped", &|c| c.slow_dropped.to_string()),
        row("  in so many ranges", &|c| c.slow_dropped_ranges.len().to_string()),
        row("slow consumer: lag at most", &|c| c.slow_lag_max.to_string()),
        row("slow consumer: lag when the producer stopped", &|c| c.slow_lag_at_end.to_string()),
        row("slow consumer: had all after, s", &|c| format!("{:.2}", c.slow_caught_up_after_s)),
    ];
    output::table(out, &names, &rows)?;
    eprintln!(
        "{:.0} events/s for {:.1} s wanted; the slow consumer takes {:.1} times as long; {} frames of {} events may wait in memory",
        result.rate, result.duration_s, result.slow_factor, result.capacity_frames, result.frame_events
    );
    Ok(())
}
