//! `twopath job cutover`, `rollback`, `delete` and `drop`.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use twopath_serving::ServingError;

use super::catch_up;
use crate::cli::Failure;
use crate::standing::{JobError, JobState, Keeping, StandingJob};

/// Moves the readers to a new version, in one step
///
/// The version first reads what has come since it was deployed. The version that readers leave is kept for a rollback.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_help = "\
Examples:
  twopath job cutover delays
  twopath job cutover delays 2"
)]
pub(super) struct CutoverArgs {
    name: String,
    /// The version [default: the newest]
    version: Option<u64>,
}

/// Moves the readers back to the version that they were on before the last cutover
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job rollback delays")]
pub(super) struct RollbackArgs {
    name: String,
}

/// Deletes a version that readers are not on, with its table
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_help = "\
Examples:
  twopath job delete delays 1"
)]
pub(super) struct DeleteArgs {
    name: String,
    version: u64,
}

/// Removes a job with all its versions, also the one that readers are on
///
/// The topic that it reads stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job drop delays")]
pub(super) struct DropArgs {
    name: String,
}

pub(super) fn cutover(dir: &Path, args: &CutoverArgs) -> Result<(), Failure> {
    let job = StandingJob::named(dir, &args.name);
    let versions = job.status()?;
    let newest = versions.last().map_or(1, |v| v.version);
    let version = args.version.unwrap_or(newest);
    // Who runs the job keeps its state; where nobody does, what is read here is kept.
    let keeping = if job.is_kept(version)? { Keeping::Reads } else { Keeping::Owns { checkpoint_interval: Duration::MAX } };
    let standing = job.version(version, 1, keeping)?;
    let last = catch_up(&standing)?;
    job.save(&standing)?;
    standing.stop()?;
    job.cutover(version)?;
    let left = versions.iter().find(|v| v.state == JobState::Active && v.version != version);
    let kept = left.map_or(String::new(), |v| format!("; version {} is kept for `twopath job rollback {}`", v.version, args.name));
    eprintln!("readers of '{}' are on version {version}, which has read to {}{kept}", args.name, last.position);
    Ok(())
}

pub(super) fn rollback(dir: &Path, args: &RollbackArgs) -> Result<(), Failure> {
    let version = StandingJob::named(dir, &args.name).rollback()?;
    eprintln!("readers of '{}' are back on version {version}", args.name);
    Ok(())
}

pub(super) fn drop_all(dir: &Path, args: &DropArgs) -> Result<(), Failure> {
    let job = StandingJob::named(dir, &args.name);
    let (versions, _) = job.versions()?;
    job.drop_all()?;
    eprintln!("job '{}' is gone, with {versions} version{}", args.name, if versions == 1 { "" } else { "s" });
    Ok(())
}

pub(super) fn delete(dir: &Path, args: &DeleteArgs) -> Result<(), Failure> {
    let job = StandingJob::named(dir, &args.name);
    job.delete(args.version).map_err(|error| match error {
        JobError::Serving(ServingError::IsOnly { .. }) => {
            Failure::with_help(error, format!("`twopath job drop {}` removes the job with its last version", args.name))
        }
        error => error.into(),
    })?;
    eprintln!("version {} of '{}' is deleted", args.version, args.name);
    Ok(())
}
