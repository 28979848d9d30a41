//! `twopath log verify`.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::{Failure, output};

/// Checks every byte of a topic
///
/// Reads all of it and checks every checksum, position and Arrow footer. Each problem is told with file and byte, one a line on
/// standard output, and the exit code is then 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log verify flights
  twopath log verify flights --format json")]
pub(super) struct VerifyArgs {
    topic: String,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines for people
    Text,
    /// The whole report
    Json,
}

pub(super) fn run(dir: &Path, args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let topic = super::open_topic(dir, &args.topic)?;
    let report = topic.local()?.verify()?;
    let mut out = std::io::stdout().lock();
    use std::io::Write;
    match args.format {
        Format::Json => output::report(&mut out, &report)?,
        Format::Text => report.problems.iter().try_for_each(|problem| writeln!(out, "{problem}"))?,
    }
    let what = format!("{} segments, {} frames, {} records, {} bytes", report.segments, report.frames, report.records, report.bytes);
    if report.is_clean() {
        eprintln!("'{}' is whole: {what}", args.topic);
        return Ok(ExitCode::SUCCESS);
    }
    let count = report.problems.len();
    let s = if count == 1 { "" } else { "s" };
    eprintln!("'{}' has {count} problem{s} in {what}; restore the files from a copy, or import the events anew", args.topic);
    Ok(ExitCode::FAILURE)
}
