//! `twopath job run`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use twopath_log::Log;
use twopath_serving::ServingError;

use super::show;
use super::standby::{TakenOver, stand_by};
use crate::cli::{Failure, parse_duration, progress};
use crate::feeds::{Definition, FeedError, FeedReport, FeedRun, OutputOptions, Until, run_feed};
use crate::standing::{JobError, JobState, Standing, StandingJob, VersionNow, told};
use crate::systems::{Keeping, StateBackend};

/// How soon a step that another process takes is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Follows the log with all versions of a job, until Ctrl-C
///
/// Puts their state at rest again and again, so that whoever asks, and every restart, has little left to read; versions that are deployed, cut over to or
/// deleted meanwhile are noticed. Questions do not need it: they read what is missing themselves.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job run delays
  twopath job run delays --checkpoint-interval 1m
  twopath job run delays --standby")]
pub(super) struct RunArgs {
    name: String,
    /// How often their state is put at rest: a checkpoint of what is new, what a local store has not yet or, with the state in memory, the whole table
    #[arg(long, visible_alias = "save-every", value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    checkpoint_interval: Duration,
    /// Where the versions were deployed to keep their state: `memory`, `checkpoint`, `local` or `redis://HOST:PORT`; others are refused [default: wherever that is]
    #[arg(long, value_name = "BACKEND")]
    state: Option<StateBackend>,
    /// Waits beside the process that runs the job, with the state of its versions (`local`) at hand, and takes over when that one ends
    #[arg(long)]
    standby: bool,
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
    args.state.as_ref().map_or(Ok(()), |state| job.check_backend(state))?;
    let keeping = Keeping::Owns { checkpoint_interval: args.checkpoint_interval };
    let bar = progress::bar("", 1);
    // Nobody is kept from running a job that another process runs, too: of a state, the first one then is the owner no more.
    let (_running, mut taken_over) = match args.standby {
        false => {
            let running = job.try_run()?;
            if running.is_none() {
                bar.suspend(|| {
                    eprintln!(
                        "another process runs job '{}', too: where its state is at rest it ends now; to wait beside it, give --standby",
                        args.name
                    );
                });
            }
            (running, BTreeMap::new())
        }
        true => match stand_by(&job, &stop, &bar)? {
            Some(TakenOver { running, states }) => (Some(running), states),
            None => return Ok(()),
        },
    };
    let mut late = LateFeeds::default();
    let mut running: BTreeMap<(u64, String), Standing> = BTreeMap::new();
    // Versions that cannot be followed, which is told once.
    let mut left_out: BTreeSet<(u64, String)> = BTreeSet::new();
    let (mut active, mut saved) = (None, Instant::now());
    loop {
        let stopping = stop.load(Ordering::SeqCst);
        let versions = job.states()?;
        running.retain(|key, _| versions.iter().any(|v| v.key() == *key));
        for now in versions.iter().filter(|v| v.state != JobState::Unfinished && !stopping) {
            let (version, key) = (now.version, now.key());
            let Entry::Vacant(place) = running.entry(key.clone()) else { continue };
            let workers = usize::from(args.workers);
            let started = match taken_over.remove(&key) {
                Some(states) => job.taken_over(version, workers, states, keeping),
                None => job.version(version, workers, keeping),
            };
            let started = match started {
                // Readers are on another one, which goes on.
                Err(e) if e.is_of_a_gone_topic() && now.state != JobState::Active => {
                    if left_out.insert(key) {
                        bar.suspend(|| eprintln!("version {version} is not followed: {e}"));
                    }
                    continue;
                }
                started => started,
            };
            let Some(standing) = unless_deleted(started)? else { continue };
            bar.suspend(|| eprintln!("version {version} follows the log from {}", told(&standing.starts_from())));
            for refused in standing.recoveries().flat_map(|recovery| &recovery.refused) {
                bar.suspend(|| eprintln!("{} was passed over: {}", refused.file.display(), refused.reason));
            }
            place.insert(standing);
        }
        let now_active = versions.iter().find(|v| v.state == JobState::Active).map(VersionNow::key);
        if now_active != active {
            active = now_active;
            if let Some((version, _)) = &active {
                bar.suspend(|| eprintln!("readers are on version {version}"));
            }
        }
        for standing in running.values() {
            standing.check()?;
        }
        late.follow(&job, dir)?;
        if let Some(standing) = active.as_ref().and_then(|key| running.get(key)) {
            show(&bar, standing.version(), &standing.progress());
        }
        if stopping || saved.elapsed() >= args.checkpoint_interval {
            // Others keep their state by themselves until then.
            for standing in running.values().filter(|standing| stopping || !standing.keeps_itself()) {
                unless_deleted(job.save(standing))?;
            }
            saved = Instant::now();
        }
        if stopping {
            bar.finish_and_clear();
            late.stop()?;
            eprintln!("the state of {} versions is at rest", running.len());
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Feeds of what versions leave out because it is late, by their topics.
#[derive(Default)]
struct LateFeeds(BTreeMap<String, LateFeed>);

struct LateFeed {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<FeedReport, FeedError>>,
}

impl LateFeeds {
    /// Runs those that versions have, and stops those that none has any more.
    fn follow(&mut self, job: &StandingJob, dir: &Path) -> Result<(), Failure> {
        let wanted: BTreeMap<String, Definition> = job.late_feeds()?.into_iter().map(|(_, feed)| (feed.output.clone(), feed)).collect();
        let is_over = |(topic, feed): &(&String, &LateFeed)| !wanted.contains_key(*topic) || feed.thread.is_finished();
        let over: Vec<String> = self.0.iter().filter(is_over).map(|(topic, _)| topic.clone()).collect();
        over.iter().filter_map(|topic| self.0.remove(topic)).try_for_each(LateFeed::stop)?;
        for (topic, feed) in wanted {
            let Entry::Vacant(place) = self.0.entry(topic) else { continue };
            let (log, stop) = (Log::open(dir)?, Arc::new(AtomicBool::new(false)));
            let stopped = stop.clone();
            let thread =
                thread::spawn(move || run_feed(&log, &feed, &OutputOptions::default(), &FeedRun::new(Until::Stopped, 1, &stopped)));
            place.insert(LateFeed { stop, thread });
        }
        Ok(())
    }

    fn stop(self) -> Result<(), Failure> {
        self.0.into_values().try_for_each(LateFeed::stop)
    }
}

impl LateFeed {
    /// Ends it, and tells why it had ended by itself.
    fn stop(self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a feed does not panic")?;
        Ok(())
    }
}

/// None where somebody deleted the version between two looks.
pub(super) fn unless_deleted<T>(done: Result<T, JobError>) -> Result<Option<T>, JobError> {
    match done {
        Err(JobError::Serving(ServingError::UnknownVersion { .. })) => Ok(None),
        other => other.map(Some),
    }
}
