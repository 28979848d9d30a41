//! `twopath log retain`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use twopath_log::Retention;

use super::verify::Format;
use crate::cli::{Failure, output};

/// Removes the oldest segments of a topic
///
/// By age, by size, or both; without an option, as the topic says since it was made. What a consumer group, a batch run or a replay
/// still needs is kept, unless forced; then it is told who lost what.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log retain flights --age 30d
  twopath log retain clicks --bytes 1G --force")]
pub(super) struct RetainArgs {
    topic: String,
    /// Segments whose last event arrived longer ago may go, such as 7d or 90m
    #[arg(long, value_name = "AGE", value_parser = crate::cli::parse_duration)]
    age: Option<Duration>,
    /// The oldest may go while the topic is larger than this, such as 10G
    #[arg(long, value_name = "BYTES", value_parser = crate::systems::parse_bytes)]
    bytes: Option<u64>,
    /// Also what somebody still needs
    #[arg(long)]
    force: bool,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(dir: &Path, args: &RetainArgs) -> Result<ExitCode, Failure> {
    let topic = super::open_topic(dir, &args.topic)?;
    let own = topic.config().retention;
    let given = Retention { age: args.age, bytes: args.bytes };
    let retention = if given == Retention::NONE { own } else { given };
    if retention == Retention::NONE {
        let message = format!("topic '{}' keeps everything: there is nothing to remove by", args.topic);
        return Err(Failure::usage(format!("{message}; say --age or --bytes")));
    }
    let report = topic.local()?.retain(&retention, args.force)?;
    let mut out = std::io::stdout().lock();
    if args.format == Format::Json {
        output::report(&mut out, &report)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{} segments removed, {} bytes", report.segments_removed, report.bytes_removed)?;
    for (p, (before, after)) in report.before.iter().zip(&report.after).enumerate() {
        writeln!(
            out,
            "partition {p} starts at offset {after}{}",
            if before == after { String::new() } else { format!(" (before: {before})") }
        )?;
    }
    for claim in &report.kept_for {
        writeln!(out, "kept for {}: partition {}, offsets {} to {}", claim.who, claim.partition, claim.from, claim.to)?;
    }
    super::offload::tell_left(&mut out, report.objects_left)?;
    for claim in &report.lost {
        writeln!(out, "lost to {}: partition {}, offsets {} to {}", claim.who, claim.partition, claim.from, claim.to)?;
    }
    Ok(ExitCode::SUCCESS)
}
