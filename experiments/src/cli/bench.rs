//! `twopath bench`: what the user chose, for [`crate::bench`].

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use twopath_log::Address;
use twopath_query::Value;

use super::{Failure, output, progress};
use crate::bench::peers::{self, PeerRatio, PeersSetting};
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
  twopath bench log --kafka localhost:9092
  twopath bench peers --python peers/bin/python --only keys,top")]
pub(super) struct BenchArgs {
    /// Another group of benches
    #[arg(value_enum)]
    group: Option<Group>,
    /// For the group `log`: the Kafka cluster to measure against (several with commas between)
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Only these, of the group `peers` or of those without a group
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(all_names()))]
    only: Vec<String>,
    /// For the group `peers`: a Python that has DuckDB and polars, Flink and Spark
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// For the group `peers`: the program of `experiments/benches/dbsp`
    #[arg(long, value_name = "FILE", default_value = "twopath-dbsp")]
    dbsp: PathBuf,
    /// For the group `peers`: rows of each file [default: 20000000, with --quick 200000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    rows: Option<u64>,
    /// For the group `peers`: how often each side does its work [default: 5, with --quick 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
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
    /// Queries and imports as whole processes, against DuckDB and polars on the same rows
    Peers,
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
    if args.group != Some(Group::Peers) && (args.rows.is_some() || args.rounds.is_some()) {
        return Err(Failure::usage("--rows and --rounds go with `twopath bench peers`"));
    }
    let allowed = match args.group {
        Some(Group::Log | Group::LogScale) => Vec::new(),
        Some(Group::Peers) => peers::names(),
        None => bench::names(),
    };
    if let Some(other) = args.only.iter().find(|name| !allowed.contains(&name.as_str())) {
        let known = if allowed.is_empty() { "runs as a whole".to_owned() } else { format!("has {}", allowed.join(", ")) };
        return Err(Failure::usage(format!("--only {other} is of another group; this one {known}")));
    }
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
    if args.group == Some(Group::Peers) {
        let rows = args.rows.unwrap_or(size.events);
        let rounds = args.rounds.map_or(size.rounds, usize::from);
        let setting = PeersSetting { dir: scratch.path(), program: &program, python: &args.python, dbsp: &args.dbsp, rows, rounds };
        let result = peers::run(setting, &args.only, hear);
        bar.finish_and_clear();
        return show_peers(&result?, args.format);
    }
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

fn all_names() -> Vec<&'static str> {
    let names = bench::names();
    // Both groups have a replay.
    let of_peers = peers::names().into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>();
    [names, of_peers].concat()
}

fn show_peers(result: &peers::PeersResult, format: Format) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => output::report(&mut out, result)?,
        Format::Table => {
            let names =
                ["work", "peer", "wall", "at most", "CPU", "at most", "memory", "at most", "p99 freshness", "at most", "rounds", "what"]
                    .map(String::from);
            output::table(&mut out, &names, &result.ratios.iter().map(peer_row).collect::<Vec<_>>())?;
        }
    }
    result.missing.iter().for_each(|missing| eprintln!("{missing}"));
    Ok(ExitCode::SUCCESS)
}

/// Ours ÷ the peer's.
fn peer_row(ratio: &PeerRatio) -> Vec<Value> {
    let text = |t: &str| Value::Text(t.into());
    let figure = |f: f64| text(&format!("{f:.2}"));
    let wanted = |f: Option<f64>| f.map_or(Value::Null, figure);
    let of_rounds = ratio.ours.iter().zip(&ratio.peers).map(|(a, b)| a.wall_s / b.wall_s);
    let (least, most) = of_rounds.fold((f64::INFINITY, 0.0_f64), |(least, most), r| (least.min(r), most.max(r)));
    vec![
        text(ratio.id),
        text(ratio.peer),
        figure(ratio.wall),
        wanted(ratio.wall_at_most),
        figure(ratio.cpu),
        wanted(ratio.cpu_at_most),
        figure(ratio.memory),
        wanted(ratio.memory_at_most),
        wanted(ratio.freshness),
        wanted(ratio.freshness_at_most),
        text(&format!("{least:.2} to {most:.2}")),
        text(&format!("{}, {} rows", ratio.what, ratio.rows)),
    ]
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
