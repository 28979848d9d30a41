//! `twopath log offload`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use twopath_log::Offload;

use super::verify::Format;
use crate::cli::{Failure, output};

/// Moves sealed segments to an object store
///
/// To a folder, or to S3 (in a build with the feature s3), whose endpoint and keys come from the usual AWS_* variables. What is moved
/// is checked, and then read from there as if it were here: fetched segments are kept beside the topic, up to a size that can be set.
/// Each partition's newest sealed segment stays. Without an option all others go. Appends and readers go on meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log offload flights --to /mnt/archive
  twopath log offload clicks --to s3://bucket/twopath --older-than 7d
  twopath log offload clicks --to s3://bucket/twopath --keep-local 10G --cache-bytes 2G")]
pub(super) struct OffloadArgs {
    topic: String,
    /// A folder, file:///FOLDER or s3://BUCKET/PREFIX
    #[arg(long, value_name = "WHERE", value_parser = super::parse_store)]
    to: String,
    /// Segments whose last event arrived longer ago, such as 7d or 90m
    #[arg(long, value_name = "AGE", value_parser = crate::cli::parse_duration)]
    older_than: Option<Duration>,
    /// The oldest, while more than this is local, such as 10G
    #[arg(long, value_name = "BYTES", value_parser = crate::systems::parse_bytes)]
    keep_local: Option<u64>,
    /// How much of what is fetched later is kept beside the topic, from now on [default: 1G, or as set before]
    #[arg(long, value_name = "BYTES", value_parser = crate::systems::parse_bytes)]
    cache_bytes: Option<u64>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(dir: &Path, args: &OffloadArgs) -> Result<ExitCode, Failure> {
    let topic = super::open_topic(dir, &args.topic)?;
    if let Some(bytes) = args.cache_bytes {
        topic.local()?.set_cache_bytes(bytes)?;
    }
    let options = Offload { to: args.to.clone(), older_than: args.older_than, keep_local_bytes: args.keep_local };
    let report = topic.local()?.offload(&options)?;
    let mut out = std::io::stdout().lock();
    if args.format == Format::Json {
        output::report(&mut out, &report)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{} segments moved and checked, {} bytes", report.segments_moved, report.bytes_moved)?;
    writeln!(out, "remote now: {} segments, {} bytes", report.segments_remote, report.bytes_remote)?;
    writeln!(out, "local now:  {} segments, {} bytes", report.segments_local, report.bytes_local)?;
    tell_left(&mut out, report.objects_left)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn tell_left(out: &mut impl Write, objects: u64) -> std::io::Result<()> {
    if objects > 0 {
        writeln!(
            out,
            "{objects} objects that nothing needs could not be deleted; the next offload, recall, retain or compact tries again"
        )?;
    }
    Ok(())
}
