//! `twopath log recall`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::verify::Format;
use crate::cli::Failure;

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
    let report = super::open_topic(dir, &args.topic)?.recall()?;
    if args.format == Format::Json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(|e| Failure::from(std::io::Error::from(e)))?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} segments brought back, {} bytes", report.segments_moved, report.bytes_moved);
    super::offload::tell_left(report.objects_left);
    Ok(ExitCode::SUCCESS)
}
