//! `twopath job deploy`.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use twopath_results::number;

use super::catch_up;
use crate::cli::{Failure, late, log, parse_duration, sql};
use crate::feeds::Until;
use crate::standing::{Deployment, JobState, Reads, StandingJob};
use crate::systems::StateBackend;

/// Computes a new version from the log's start, beside those that are there
///
/// Readers stay on the version that they are on, until `twopath job cutover`; a job's first version serves at once. Where this is interrupted,
/// the same command takes it up again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job deploy delays --sql delays.sql
  twopath job deploy departures --sql 'SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin' --workers 2")]
pub(super) struct DeployArgs {
    /// The job; its first version makes it
    name: String,
    /// The version's query: a SQL text, or the name of a file that holds one
    #[arg(long, value_name = "TEXT_OR_FILE")]
    sql: String,
    /// Append the records that the query's WATERMARK leaves out to this topic, each once: by a feed of that name, which `twopath job run` takes along. The topic is
    /// made where there is none
    #[arg(long, value_name = "TOPIC")]
    late_to: Option<String>,
    /// Worker threads of the replay
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Compute it from what is left of a log whose beginning is gone, by retention or compaction: its numbers are smaller then
    #[arg(long)]
    from_log_start: bool,
    /// Where its state is kept: in `memory`, with its table at rest at the end; or by `checkpoint`s, from the newest of which an interrupted deployment, and
    /// every restart, goes on; with each epoch on a Redis server (`redis://HOST:PORT`); or at intervals in a `local` index with a changelog, a topic named JOB.vVERSION.changelog
    #[arg(long, value_name = "BACKEND", default_value = "checkpoint")]
    state: StateBackend,
    /// From the start of one checkpoint to the start of the next; how often a local state is written
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    checkpoint_interval: Duration,
}

pub(super) fn run(dir: &Path, args: &DeployArgs) -> Result<(), Failure> {
    let text = sql::read_sql(&args.sql)?;
    let names = twopath_query::topics_of(&text).map_err(|e| Failure::sql(&e, &text))?;
    let topics = names.iter().map(|name| log::open_topic(dir, name)).collect::<Result<Vec<_>, _>>()?;
    let reads = Reads::of(&text, topics).map_err(|e| Failure::sql(&e, &text))?;
    for compacted in reads.compacted().map_err(Failure::of)? {
        eprintln!("{}", compacted.told());
    }
    let late = args.late_to.as_ref().map(|output| late::feed(dir, &reads.plan().late(), output)).transpose()?;
    let job = StandingJob::named(dir, &args.name);
    let how = Deployment {
        workers: usize::from(args.workers),
        from_log_start: args.from_log_start,
        backend: args.state.clone(),
        checkpoint_interval: args.checkpoint_interval,
        late_to: args.late_to.clone(),
    };
    let standing = job.deploy(reads, text.trim(), &how)?;
    for checkpoint in standing.recoveries().filter_map(|recovery| recovery.checkpoint.as_ref()) {
        eprintln!("the interrupted deployment goes on from checkpoint {} at {}", checkpoint.number, checkpoint.position());
    }
    let version = standing.version();
    let last = catch_up(&standing)?;
    job.save(&standing)?;
    standing.stop()?;
    if let Some(feed) = &late {
        // Where another version has the same feed, who runs the job may be at it already.
        if !job.late_feeds()?.iter().any(|(v, f)| *v != version && f.output == feed.output) {
            let at = last.positions.iter().find(|(topic, _)| *topic == feed.input).map(|(_, at)| at.clone());
            late::append(dir, feed, at.map_or(Until::End, Until::Position), usize::from(args.workers))?;
        }
    }
    let first = !job.status()?.iter().any(|v| v.state == JobState::Active);
    if first {
        job.cutover(version)?;
    }
    let (records, rate) = (number::count(last.records()), number::count(last.rate_records_per_s as u64));
    let next = match first {
        true => format!("readers are on it: `twopath job query {}`", args.name),
        false => format!("readers stay where they are until `twopath job cutover {}`", args.name),
    };
    eprintln!("version {version} of '{}' has caught up: {records} records at {rate} records/s; {next}", args.name);
    Ok(())
}
