//! `twopath log recall`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::verify::Format;
use crate::cli::{Failure, output};

/// Brings segments back from an object store
///
/// All that were moved by `twopath log offload`: each is fetched, checked and put back into the topic's folder; then its object is deleted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log recall flights")]
pub(super) struct RecallArgs {
    topic: String,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(dir: &Path, args: &RecallArgs) -> Result<ExitCode, Failure> {
    let report = super::open_topic(dir, &args.topic)?.local()?.recall()?;
    let mut out = std::io::stdout().lock();
    if args.format == Format::Json {
        output::report(&mut out, &report)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{} segments brought back, {} bytes", report.segments_moved, report.bytes_moved)?;
    super::offload::tell_left(&mut out, report.objects_left)?;
    Ok(ExitCode::SUCCESS)
}
