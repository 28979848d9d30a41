//! `--late-to`: what a query leaves out because it is late, as a topic of its own.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use twopath_log::Log;
use twopath_query::Late;

use super::Failure;
use crate::feeds::{Definition, FeedError, FeedReport, FeedRun, OutputOptions, Until, run_feed};

/// The feed that appends it.
pub(super) fn feed(dir: &Path, late: &[Late], output: &str) -> Result<Definition, Failure> {
    Definition::of_late(dir, late, output).map_err(|e| match e {
        FeedError::Late { .. } | FeedError::BadName { .. } => Failure::usage(e),
        other => other.into(),
    })
}

/// Appends what is late, and is not there yet, as far as it is told to go.
pub(super) fn append(dir: &Path, feed: &Definition, until: Until, workers: usize) -> Result<(), Failure> {
    let stop = AtomicBool::new(false);
    let report = run_feed(&Log::open(dir)?, feed, &OutputOptions::default(), &FeedRun::new(until, workers, &stop))?;
    tell(feed, &report);
    Ok(())
}

pub(super) fn tell(feed: &Definition, report: &FeedReport) {
    eprintln!("{} late records of '{}' appended to '{}'", report.rows_appended, feed.input, feed.output);
}
