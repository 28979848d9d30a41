//! `twopath job`: standing jobs, the single path over one's own topics.

mod deploy;
mod diff;
mod list;
mod query;
mod run;
mod standby;
mod status;
mod steps;

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;

use super::{Failure, progress};
use crate::standing::{JobError, Progress, Standing};
use twopath_results::number;

/// Keeps a query's answer standing, version beside version
///
/// A job is a SQL query that stays. Its table is computed from the log once and kept at rest; a question takes it and reads what has
/// come since, so that an answer is exact for the log's end. A change of the code is a new version, replayed from the log's start beside the old
/// one; readers move to it in one step, and back as fast.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job deploy delays --sql delays.sql
  twopath job query delays --format csv
  twopath job deploy delays --sql delays-fixed.sql
  twopath job diff delays
  twopath job status delays
  twopath job cutover delays
  twopath job rollback delays
  twopath job delete delays 2
  twopath job list
  twopath job drop delays")]
pub(super) struct JobArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Deploy(deploy::DeployArgs),
    List(list::ListArgs),
    Describe(list::DescribeArgs),
    Query(query::QueryArgs),
    Diff(diff::DiffArgs),
    Status(status::StatusArgs),
    Cutover(steps::CutoverArgs),
    Rollback(steps::RollbackArgs),
    Delete(steps::DeleteArgs),
    Drop(steps::DropArgs),
    Run(run::RunArgs),
}

pub(super) fn run(dir: &Path, args: &JobArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Deploy(args) => deploy::run(dir, args),
        Command::List(args) => list::list(dir, args),
        Command::Describe(args) => list::describe(dir, args),
        Command::Query(args) => query::run(dir, args),
        Command::Diff(args) => diff::run(dir, args),
        Command::Status(args) => status::run(dir, args),
        Command::Cutover(args) => steps::cutover(dir, args),
        Command::Rollback(args) => steps::rollback(dir, args),
        Command::Delete(args) => steps::delete(dir, args),
        Command::Drop(args) => steps::drop_all(dir, args),
        Command::Run(args) => run::run(dir, args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Reads to the log's end, and shows lag, rate and time left meanwhile. Tells the last of it.
fn catch_up(standing: &Standing) -> Result<Progress, JobError> {
    let mut last = standing.progress();
    let bar = progress::bar("", last.lag_records.max(1));
    let caught_up = standing.catch_up(|progress| {
        show(&bar, standing.version(), progress);
        last = progress.clone();
        true
    });
    bar.finish_and_clear();
    caught_up.map(|()| last)
}

fn show(bar: &ProgressBar, version: u64, progress: &Progress) {
    let total = bar.length().unwrap_or(0).max(progress.lag_records);
    bar.set_length(total);
    bar.set_position(total - progress.lag_records);
    bar.set_message(lag(version, progress));
}

fn lag(version: u64, progress: &Progress) -> String {
    let (behind, rate) = (number::count(progress.lag_records), number::count(progress.rate_records_per_s as u64));
    let left = match progress.eta {
        Some(eta) => format!("{} left", number::duration(eta.as_secs_f64() * 1e3)),
        None if progress.rate_records_per_s == 0.0 => "starting".into(),
        None => "falling behind".into(),
    };
    format!("version {version}: {behind} records behind, {rate} records/s, {left}")
}
