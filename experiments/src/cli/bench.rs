//! `twopath bench`: what the user chose, for [`crate::bench`].

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use twopath_log::Address;
use twopath_query::Value;

use super::{Failure, output, progress};
use crate::bench::{self, Ratio, Setting, Size};

/// Measures the layers against plain code, side by side
///
/// Each ratio compares a part of Twopath with the simplest code that does the same work on the same data in the same run; the answers
/// are checked. The full size takes several minutes and some gigabytes in the data folder, which are removed at the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath bench --quick
  twopath bench --only scan,replay --format json
  twopath bench log-scale
  twopath bench log --kafka localhost:9092")]
pub(super) struct BenchArgs {
    /// Another group of benches
    #[arg(value_enum, conflicts_with = "only")]
    group: Option<Group>,
    /// For the group `log`: the Kafka cluster to measure against (several with commas between)
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Only these
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(bench::names()))]
    only: Vec<String>,
    /// Little data and few rounds: whether the benches work, not how fast anything is
    #[arg(long)]
    quick: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// The log with many consumer groups, writers, segments and events
    LogScale,
    /// The embedded log against Kafka's, on the same events: speed, CPU of client and broker, time from append to read
    Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One object: {"ratios":[{"what","ratio","floor","aim",...}]}
    Json,
}

pub(super) fn run(dir: &Path, args: &BenchArgs) -> Result<ExitCode, Failure> {
    let servers = match (args.group, args.kafka.as_deref()) {
        (Some(Group::Log), None) => {
            return Err(Failure::usage("bench log measures against a Kafka cluster: say which with --kafka HOST:PORT"));
        }
        (group, Some(_)) if group != Some(Group::Log) => return Err(Failure::usage("--kafka goes with `twopath bench log`")),
        (_, servers) => servers,
    };
    let servers = servers.map(|s| format!("kafka://{s}").parse::<Address>()).transpose().map_err(Failure::usage)?;
    let io = |e: std::io::Error| Failure::of(format!("{}: {e}", dir.display()));
    std::fs::create_dir_all(dir).map_err(io)?;
    // In the data folder, so that it is that disk which is measured.
    let scratch = tempfile::Builder::new().prefix(".bench-").tempdir_in(dir).map_err(io)?;
    let size = if args.quick { Size::quick() } else { Size::full() };
    let program = std::env::current_exe()?;
    let setting = Setting { dir: scratch.path(), size, program: &program };
    let bar = progress::bar("starting", 0);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let hear = |name: &str| bar.set_message(name.to_owned());
    let result = match (args.group, &servers) {
        (Some(Group::Log), Some(kafka)) => bench::run_log(setting, kafka, hear),
        (Some(Group::LogScale), _) => bench::run_log_scale(setting, hear),
        _ => bench::run(setting, &args.only, hear),
    };
    bar.finish_and_clear();
    let result = result?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => output::report(&mut out, &result)?,
        Format::Table => {
            let names = ["what", "ratio", "floor", "aim", "", "detail"].map(String::from);
            output::table(&mut out, &names, &result.ratios.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    if result.quick {
        eprintln!("quick: these figures mean little; leave --quick out to measure");
    }
    Ok(ExitCode::SUCCESS)
}

fn row(ratio: &Ratio) -> Vec<Value> {
    let text = |t: &str| Value::Text(t.into());
    let figure = |f: f64| text(&format!("{f:.2}{}", ratio.unit.map(|u| format!(" {u}")).unwrap_or_default()));
    let verdict = match (ratio.meets_floor(), ratio.meets_aim()) {
        (_, true) => "aim met",
        (true, false) => "floor met",
        (false, false) => "below floor",
    };
    vec![text(&ratio.what), figure(ratio.ratio), figure(ratio.floor), figure(ratio.aim), text(verdict), text(&ratio.detail)]
}
