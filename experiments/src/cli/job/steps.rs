//! `twopath job cutover`, `rollback`, `delete` and `drop`.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use twopath_serving::ServingError;

use super::catch_up;
use crate::cli::Failure;
use crate::standing::{JobError, JobState, JobVersion, StandingJob, told};
use crate::systems::Keeping;
use twopath_results::number;

/// Moves the readers to a new version, in one step
///
/// The version first reads what has come since it was deployed. The version that readers leave is kept for a rollback.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_help = "\
Examples:
  twopath job cutover delays
  twopath job cutover delays 2
  twopath job cutover delays --max-changed 1%"
)]
pub(super) struct CutoverArgs {
    name: String,
    /// The version [default: the newest]
    version: Option<u64>,
    /// Refuse it where more of the answer's groups would change: a share, such as 1% or 0.01
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    max_changed: Option<f64>,
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
/// The topics that it reads stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job drop delays")]
pub(super) struct DropArgs {
    name: String,
}

/// `1%`, `0.01`.
fn parse_share(text: &str) -> Result<f64, String> {
    let wrong = || "write a share such as 1% or 0.01, from 0 to all".to_owned();
    let (digits, of) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let share = digits.trim().parse::<f64>().map_err(|_| wrong())? / of;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(wrong()) }
}

/// Refuses a version that would change more than a share of the groups that readers see now.
fn gate(job: &StandingJob, name: &str, versions: &[JobVersion], to: u64, limit: f64) -> Result<(), Failure> {
    let Some(active) = versions.iter().find(|v| v.state == JobState::Active && v.version != to) else { return Ok(()) };
    let diff = job.diff(active.version, to, 0)?;
    let (differing, share) = (diff.added + diff.removed + diff.changed, diff.changed_share());
    if share <= limit {
        eprintln!("{differing} of {} groups change ({})", diff.groups, number::in_words(share, "share"));
        return Ok(());
    }
    Err(Failure::with_help(
        format!(
            "version {to} of '{name}' changes {differing} of {} groups ({}), and --max-changed allows {}: readers stay on version {}",
            diff.groups,
            number::in_words(share, "share"),
            number::in_words(limit, "share"),
            active.version
        ),
        format!("see what changes with `twopath job diff {name}`"),
    ))
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
    if let Some(limit) = args.max_changed {
        gate(&job, &args.name, &versions, version, limit)?;
    }
    job.cutover(version)?;
    let left = versions.iter().find(|v| v.state == JobState::Active && v.version != version);
    let kept = left.map_or(String::new(), |v| format!("; version {} is kept for `twopath job rollback {}`", v.version, args.name));
    eprintln!("readers of '{}' are on version {version}, which has read to {}{kept}", args.name, told(&last.positions));
    Ok(())
}

pub(super) fn rollback(dir: &Path, args: &RollbackArgs) -> Result<(), Failure> {
    let version = StandingJob::named(dir, &args.name).rollback()?;
    eprintln!("readers of '{}' are back on version {version}", args.name);
    Ok(())
}

pub(super) fn drop_all(dir: &Path, args: &DropArgs) -> Result<(), Failure> {
    let job = StandingJob::named(dir, &args.name);
    let versions = job.summary()?.versions;
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
