//! `twopath run state`: what the user chose, for [`crate::scenarios::state`].

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use twopath_query::Value;
use twopath_speed::Remote;

use crate::cli::{Failure, output, parse_duration, progress};
use crate::scenarios::state::{self, BackendResult, StateSettings, run_state};
use crate::systems::StateBackend;

/// Shows what it costs to keep a stream's state, and what kill -9 leaves of it
///
/// A job counts and sums by key in a process of its own, which is killed at random moments and started again: throughput, freshness, recovery time, events
/// read again, and whether each answer after it is right, for each backend and number of keys.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath run state --quick
  twopath run state --backends checkpoint --keys 1000000 --kills 9 --format json")]
pub(super) struct StateArgs {
    /// Fewer keys, and less time
    #[arg(long)]
    quick: bool,
    /// Which backends: memory, checkpoint, local, redis://HOST:PORT [default: all; the server at $TWOPATH_REDIS, else redis://127.0.0.1:6379, if it answers]
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    backends: Vec<StateBackend>,
    /// How many keys, one run for each [default: 1000, 100000 and 1000000; with --quick 1000 and 20000]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    keys: Vec<u64>,
    /// Events per second while freshness is measured
    #[arg(long, value_name = "N", default_value_t = 20_000.0)]
    rate: f64,
    /// How long, before each kill [default: 5s; with --quick 1s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// How often the process is killed [default: 5; with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    kills: Option<u32>,
    /// From the start of one checkpoint to the start of the next
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "500ms")]
    checkpoint_interval: Duration,
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Only runs the job over the topic in this folder, until it is killed
    #[arg(long, value_name = "DIR", hide = true)]
    child: Option<PathBuf>,
    /// Of that job
    #[arg(long, value_name = "BACKEND", hide = true, default_value = "memory")]
    backend: StateBackend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One object: {"backends":[{"backend","keys","events_per_s","freshness_p99_ms","recovery_ms","events_replayed","wrong_answers",...}],...}
    Json,
}

pub(super) fn run(dir: &Path, args: &StateArgs) -> Result<ExitCode, Failure> {
    if let Some(dir) = &args.child {
        state::child(dir, &args.backend, args.checkpoint_interval).map_err(Failure::of)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !(args.rate.is_finite() && args.rate > 0.0) {
        return Err(Failure::usage("--rate: write how many events a second, such as 20000"));
    }
    let io = |e: std::io::Error| Failure::of(format!("{}: {e}", dir.display()));
    let keys = match (&args.keys[..], args.quick) {
        ([], true) => vec![1_000, 20_000],
        ([], false) => vec![1_000, 100_000, 1_000_000],
        (keys, _) => keys.to_vec(),
    };
    let settings = StateSettings {
        backends: if args.backends.is_empty() { all_backends() } else { args.backends.clone() },
        keys,
        rate: args.rate,
        duration: args.duration.unwrap_or(Duration::from_secs(if args.quick { 1 } else { 5 })),
        kills: args.kills.unwrap_or(if args.quick { 3 } else { 5 }),
        checkpoint_interval: args.checkpoint_interval,
        seed: args.seed,
        program: std::env::current_exe()?,
    };
    std::fs::create_dir_all(dir).map_err(io)?;
    let scratch = tempfile::Builder::new().prefix(".state-").tempdir_in(dir).map_err(io)?;
    let bar = progress::bar("starting", 0);
    bar.enable_steady_tick(Duration::from_millis(100));
    let result = run_state(&settings, scratch.path(), |what| bar.set_message(what.to_owned()));
    bar.finish_and_clear();
    let result = result.map_err(Failure::of)?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => output::report(&mut out, &result)?,
        Format::Table => {
            let names = [
                "backend",
                "keys",
                "events/s",
                "fresh p99, ms",
                "recovery, ms",
                "replayed",
                "wrong",
                "answers",
                "bytes at rest",
                "round trips",
                "bytes sent",
                "received",
            ];
            output::table(&mut out, &names.map(String::from), &result.backends.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    let wrong = result.backends.iter().any(|b| b.wrong_answers > 0);
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All that can be had.
fn all_backends() -> Vec<StateBackend> {
    let server = std::env::var("TWOPATH_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let mut backends = vec![StateBackend::Memory, StateBackend::Checkpoint, StateBackend::Local];
    match Remote::ping(&server) {
        Ok(()) => backends.push(StateBackend::Remote(server)),
        Err(why) => eprintln!("Redis is left out: no server answers at {server} ({why})"),
    }
    backends
}

fn row(of: &BackendResult) -> Vec<Value> {
    let count = |n: u64| Value::Int(n as i64);
    let tenths = |x: f64| Value::Float((x * 10.0).round() / 10.0);
    vec![
        Value::Text(of.backend.to_string().into()),
        count(of.keys),
        Value::Float(of.events_per_s.round()),
        tenths(of.freshness_p99_ms),
        tenths(of.recovery_ms),
        count(of.events_replayed),
        count(of.wrong_answers),
        count(of.answers),
        count(of.state_bytes),
        count(of.store.round_trips),
        count(of.store.bytes_sent),
        count(of.store.bytes_received),
    ]
}
