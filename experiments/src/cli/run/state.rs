//! `twopath run state`: what the user chose, for [`crate::scenarios::state`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Common, show};
use crate::cli::{Failure, parse_duration};
use crate::scenarios::run::run_as;
use crate::scenarios::state::{self, SCENARIO, Settings};
use crate::systems::StateBackend;

/// Asks where a stream's state should live: what each place costs, and what kill -9 leaves of it
///
/// A job counts and sums by key in a process of its own, which is killed at random moments and started again: throughput, freshness, memory, recovery time,
/// events read again, and whether each answer after it is right, for each backend and number of keys; for a local state also with a process that stands by.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath run state --quick
  twopath run state --backends checkpoint,local:64M --keys 10000000 --kills 9 --format json")]
pub(super) struct StateArgs {
    #[command(flatten)]
    common: Common,
    /// Which: memory, checkpoint, local, local:SIZE, redis://HOST:PORT [default: all; the server at $TWOPATH_REDIS, else redis://127.0.0.1:6379, if it answers]
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    backends: Vec<StateBackend>,
    /// How many keys [default: 1000, 100000 and 1000000; with --quick 1000 and 20000]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    keys: Vec<u64>,
    /// Events per second while freshness is measured
    #[arg(long, value_name = "N", default_value_t = 20_000.0)]
    rate: f64,
    /// How long, before each kill [default: 5s; with --quick 1s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// How often the process is killed [default: 3; with --quick 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    kills: Option<u32>,
    /// From the start of one checkpoint to the start of the next; how often a local state is written
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "500ms")]
    checkpoint_interval: Duration,
    /// Scatters the history's events over all keys: without, they are of 10,000 keys at a time, as those of windows are
    #[arg(long)]
    scattered: bool,
    /// How often each key comes in the history, in the mean: a group that a thousand events change is kept once for all of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000), default_value_t = state::EVENTS_PER_KEY)]
    events_per_key: u64,
    /// Only runs the job over the topic in this folder, until it is killed
    #[arg(long, value_name = "DIR", hide = true)]
    child: Option<PathBuf>,
    /// Of that job
    #[arg(long, value_name = "BACKEND", hide = true, default_value = "memory")]
    backend: StateBackend,
    /// That job waits for the end of another
    #[arg(long, hide = true)]
    stands_by: bool,
}

pub(super) fn run(args: &StateArgs) -> Result<ExitCode, Failure> {
    if let Some(dir) = &args.child {
        state::child(dir, &args.backend, args.checkpoint_interval, args.stands_by).map_err(Failure::of)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !(args.rate.is_finite() && args.rate > 0.0) {
        return Err(Failure::usage("--rate: write how many events a second, such as 20000"));
    }
    let settings = Settings {
        backends: args.backends.clone(),
        keys: args.keys.clone(),
        rate: args.rate,
        duration: args.duration.unwrap_or_default(),
        kills: args.kills.unwrap_or_default(),
        checkpoint_interval: args.checkpoint_interval,
        scattered: args.scattered,
        events_per_key: args.events_per_key,
        ..Settings::default()
    };
    let (result, out) = run_as(&SCENARIO, &args.common.options(), &|lab, notes| state::measure(lab, notes, &settings))?;
    show(&result, &out, args.common.format)
}
