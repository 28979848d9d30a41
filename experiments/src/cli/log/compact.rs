//! `twopath log compact`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use twopath_base::PartitionId;
use twopath_log::{Compaction, Start, Topic};

use super::verify::Format;
use crate::cli::{Failure, output};

/// Keeps of each key the newest event only
///
/// For topics with a key. Sealed segments are rewritten without the events that have a newer one of their key; offsets and order stay.
/// An event whose columns are all NULL, but for the key and the event time, deletes its key, and goes itself after a while.
/// Appends and readers go on meanwhile. Told are the bytes, and how long reading the topic from its start takes, before and after.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log compact planes
  twopath log compact planes --dirty-ratio 0 --tombstone-age 1h")]
pub(super) struct CompactArgs {
    topic: String,
    /// Only if this share of the bytes was never compacted, 0 to 1 [default: 0.5, or as the topic says]
    #[arg(long, value_name = "RATIO")]
    dirty_ratio: Option<f64>,
    /// Leaves alone what arrived less long ago [default: 0s, or as the topic says]
    #[arg(long, value_name = "AGE", value_parser = crate::cli::parse_duration)]
    min_age: Option<Duration>,
    /// How long deletions stay [default: 1d, or as the topic says]
    #[arg(long, value_name = "AGE", value_parser = crate::cli::parse_duration)]
    tombstone_age: Option<Duration>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(dir: &Path, args: &CompactArgs) -> Result<ExitCode, Failure> {
    let topic = super::open_topic(dir, &args.topic)?;
    let mut options = topic.config().compaction.unwrap_or_default();
    options = Compaction {
        dirty_ratio_min: args.dirty_ratio.unwrap_or(options.dirty_ratio_min),
        age_min: args.min_age.unwrap_or(options.age_min),
        tombstone_age: args.tombstone_age.unwrap_or(options.tombstone_age),
    };
    if !(0.0..=1.0).contains(&options.dirty_ratio_min) {
        return Err(Failure::usage(format!("--dirty-ratio {} is no share; give it 0 to 1", options.dirty_ratio_min)));
    }
    let bytes_before = topic.bytes()?;
    let restore_before = restore(&topic)?;
    let report = topic.local()?.compact(&options)?;
    let bytes_after = topic.bytes()?;
    let restore_after = restore(&topic)?;
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let mut out = std::io::stdout().lock();
    if args.format == Format::Json {
        let json = serde_json::json!({
            "report": report, "topic_bytes_before": bytes_before, "topic_bytes_after": bytes_after,
            "restore_ms_before": ms(restore_before), "restore_ms_after": ms(restore_after),
        });
        output::report(&mut out, &json)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "segments rewritten: {} became {}", report.segments_before, report.segments_after)?;
    writeln!(
        out,
        "their records:      {} became {}, {} deletions among those that went",
        report.records_before, report.records_after, report.tombstones_removed
    )?;
    writeln!(out, "their bytes:        {} became {}", report.bytes_before, report.bytes_after)?;
    writeln!(out, "the topic's bytes:  {bytes_before} became {bytes_after}")?;
    writeln!(out, "reading all of it:  {:.1} ms became {:.1} ms", ms(restore_before), ms(restore_after))?;
    super::offload::tell_left(&mut out, report.objects_left)?;
    if report.partitions_skipped > 0 {
        writeln!(out, "{} partitions were left alone: too little of them is dirty, sealed or old enough", report.partitions_skipped)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How long it takes to read the topic from its start.
fn restore(topic: &Topic) -> Result<Duration, Failure> {
    let started = Instant::now();
    for p in 0..topic.partitions() as u32 {
        let mut reader = topic.reader(PartitionId(p), Start::First, None)?;
        while reader.next()?.is_some() {}
    }
    Ok(started.elapsed())
}
