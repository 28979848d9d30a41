//! `twopath job run`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use twopath_serving::ServingError;

use super::show;
use crate::cli::{Failure, parse_duration, progress};
use crate::standing::{JobError, JobState, Standing, StandingJob};

/// How soon a step that another process takes is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Follows the log with all versions of a job, until Ctrl-C
///
/// Puts their tables at rest again and again, so that whoever asks has little left to read; versions that are deployed, cut over to or deleted meanwhile
/// are noticed. Questions do not need it: they read what is missing themselves.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job run delays
  twopath job run delays --save-every 1m")]
pub(super) struct RunArgs {
    name: String,
    /// How often the tables are put at rest
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    save_every: Duration,
    /// Worker threads of each version
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
}

pub(super) fn run(dir: &Path, args: &RunArgs) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone()).map_err(Failure::of)?;
        signal_hook::flag::register(signal, stop.clone()).map_err(Failure::of)?;
    }
    let job = StandingJob::named(dir, &args.name);
    let bar = progress::bar("", 1);
    let mut running: BTreeMap<u64, Standing> = BTreeMap::new();
    let (mut active, mut saved) = (None, Instant::now());
    loop {
        let stopping = stop.load(Ordering::SeqCst);
        let versions = job.status()?;
        running.retain(|version, _| versions.iter().any(|v| v.version == *version));
        for v in versions.iter().filter(|v| v.state != JobState::Unfinished && !stopping) {
            let Entry::Vacant(place) = running.entry(v.version) else { continue };
            let Some(standing) = unless_deleted(job.version(v.version, usize::from(args.workers)))? else { continue };
            let at = v.position.as_ref().map(ToString::to_string).unwrap_or_default();
            bar.suspend(|| eprintln!("version {} follows the log from {at}", v.version));
            place.insert(standing);
        }
        let now_active = versions.iter().find(|v| v.state == JobState::Active).map(|v| v.version);
        if now_active != active {
            active = now_active;
            if let Some(version) = active {
                bar.suspend(|| eprintln!("readers are on version {version}"));
            }
        }
        for standing in running.values() {
            standing.check()?;
        }
        if let Some(standing) = active.and_then(|v| running.get(&v)) {
            show(&bar, standing.version(), &standing.progress());
        }
        if stopping || saved.elapsed() >= args.save_every {
            for standing in running.values() {
                unless_deleted(job.save(standing))?;
            }
            saved = Instant::now();
        }
        if stopping {
            bar.finish_and_clear();
            eprintln!("the tables of {} versions are at rest", running.len());
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// None where somebody deleted the version between two looks.
fn unless_deleted<T>(done: Result<T, JobError>) -> Result<Option<T>, JobError> {
    match done {
        Err(JobError::Serving(ServingError::UnknownVersion { .. })) => Ok(None),
        other => other.map(Some),
    }
}
