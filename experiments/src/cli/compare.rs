//! `twopath compare`: what the user chose, for [`crate::scenarios::compare`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use twopath_events::files::ReadArgs;
use twopath_events::workloads::{BUILT_IN, OwnTable};
use twopath_log::{Address, Durability};
use twopath_results::result::Month;

use super::Failure;
use super::log::parse_durability;
use crate::scenarios::compare::{self, CompareSettings, HistoryLength, SweepOf, parse_count};
use crate::systems::{BatchEngine, Language, SpeedEngine, StateBackend};

/// Runs architectures side by side on the same events and compares them
///
/// Each runs as a process of its own: history is loaded, events arrive on schedule, and in mid-run version 2 of the query is deployed,
/// which corrects a bug of version 1. The table tells which was fresher, which was right, what each cost and what the change cost.
/// Ctrl-C ends it with the results so far.
///
/// With --log kafka://HOST:PORT/PREFIX a Kafka cluster keeps the log: each run makes the topic PREFIX.ARCHITECTURE-REPEAT there, which is
/// deleted after it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath compare
  twopath compare --architectures lambda,kappa --rate 20000 --duration 20s --repeats 5
  twopath compare --architectures lambda,lambda-sql,kappa,kappa-sql --history 10M
  twopath compare --architectures lambda-sql --batch-engine rayon
  twopath compare --architectures batch,lambda --batch-engine rayon --language sql --incremental
  twopath compare --architectures lambda-sql,kappa-sql --speed-lateness 1h
  twopath compare --matrix --repeats 5
  twopath compare --sweep history=1M,3M,10M,30M
  twopath compare --workload pageviews --durability batch
  twopath compare --events-per-day 1B --retention-days 90 --changes-per-month 1
  twopath compare --workload nexmark --query q11 --architectures lambda-sql,kappa-sql --history 1M
  twopath compare --state checkpoint --checkpoint-interval 500ms
  twopath compare --log kafka://localhost:9092/compare
  twopath compare --events clicks.csv --time-column time --sql clicks.sql --fix corrected.sql --history all
  twopath compare --events clicks.csv --events pages.csv --time-column clicks=at --sql joined.sql
  twopath compare --format json --out results > result.json")]
pub(super) struct CompareArgs {
    /// Which events: flights, departures (recorded); pageviews, nexmark, ysb or theodolite (generated)
    #[arg(long, value_name = "NAME", default_value = "flights", value_parser = BUILT_IN, conflicts_with = "events")]
    workload: String,
    /// Which of the workload's queries [default: its first]
    #[arg(long, value_name = "NAME", conflicts_with = "sql")]
    query: Option<String>,
    /// Which architectures: batch, lambda, lambda-sql, lambda-timely, kappa, kappa-sql, kappa-backfill
    #[arg(long, value_name = "A,B,...", value_delimiter = ',', value_parser = presets(), default_values_t = CompareSettings::default().architectures)]
    architectures: Vec<String>,
    /// Every possible cross of architectures, engines and languages; with one of the next three options, those that have it
    #[arg(long, conflicts_with = "architectures")]
    matrix: bool,
    /// Who computes batch views, in the place of the architectures' own: polars, rayon or timely
    #[arg(long, value_name = "ENGINE", value_parser = BatchEngine::from_str)]
    batch_engine: Option<BatchEngine>,
    /// Who follows the log, in the place of the architectures' own: timely or differential
    #[arg(long, value_name = "ENGINE", value_parser = SpeedEngine::from_str)]
    speed_engine: Option<SpeedEngine>,
    /// How the query is written, in the place of the architectures' own: by hand or sql
    #[arg(long, value_name = "LANGUAGE", value_parser = Language::from_str)]
    language: Option<Language>,
    /// Events loaded before the steady phase: a number such as 300k or 10M, or all but the last of your own [default: 3M flights, 10M pageviews, 1M of the others, all of your own]
    #[arg(long, value_name = "N", value_parser = HistoryLength::from_str)]
    history: Option<HistoryLength>,
    /// One comparison for each value of a parameter: history=1M,3M,10M or rate=1k,10k or keys=10k,1M or speed-lateness=15m,4h
    #[arg(long, value_name = "PARAMETER=A,B,...", value_parser = SweepOf::from_str)]
    sweep: Option<SweepOf>,
    /// Events per second of the steady phase
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_rate, default_value_t = CompareSettings::default().rate)]
    rate: f64,
    /// How long the steady phase is
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration, default_value = "6s")]
    duration: Duration,
    /// Reads of one group, per second
    #[arg(long, value_name = "N", value_parser = parse_reads, default_value_t = CompareSettings::default().read_rate)]
    reads: f64,
    /// Reads of all groups, per second
    #[arg(long, value_name = "N", value_parser = parse_reads, default_value_t = CompareSettings::default().full_read_rate)]
    full_reads: f64,
    /// How often each architecture runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), default_value_t = CompareSettings::default().repeats)]
    repeats: u32,
    /// Of the topic
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), default_value_t = CompareSettings::default().partitions)]
    partitions: u32,
    /// Worker threads of the speed layer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), default_value = "1")]
    workers: u16,
    /// When an append counts as done: none, interval, interval:50ms or batch
    #[arg(long, value_name = "POLICY", value_parser = parse_durability, default_value = "none")]
    durability: Durability,
    /// Of the generated events, the order of the runs and the keys that are read
    #[arg(long, value_name = "N", default_value_t = CompareSettings::default().seed)]
    seed: u64,
    /// Your own events: a Parquet, CSV, JSON Lines or Arrow file, in order of arrival. Given several times, each is a table that the query
    /// reads by its name, and arrives by its event times
    #[arg(long, value_name = "[NAME=]FILE", requires = "sql")]
    events: Vec<String>,
    /// The event-time column of your own events; of one table alone: TABLE=COLUMN
    #[arg(long, value_name = "COLUMN", requires = "events")]
    time_column: Vec<String>,
    #[command(flatten)]
    read: ReadArgs,
    /// Your own query, over your own events or the workload's: a SQL text, or a file that holds one
    #[arg(long, value_name = "TEXT_OR_FILE")]
    sql: Option<String>,
    /// The same query, corrected: it is deployed in mid-run
    #[arg(long, value_name = "TEXT_OR_FILE", requires = "sql")]
    fix: Option<String>,
    /// Where the results go [default: twopath-results/START]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// From the start of one batch run to the start of the next
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration, default_value = "2s")]
    batch_interval: Duration,
    /// Each batch run reads only what has come since the one before, and goes on from its view: with --batch-engine rayon and compiled SQL
    #[arg(long)]
    incremental: bool,
    /// From one snapshot of the speed layer to the next
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration, default_value = "1ms")]
    publish_interval: Duration,
    /// The speed layer alone leaves out what comes more than so much event time after newer events of its partition: the next batch run,
    /// or a replay, takes it. Answers say that they are approximate, and how wrong they were and for how long is told. With --language sql
    #[arg(long, value_name = "TIME", value_parser = super::parse_duration)]
    speed_lateness: Option<Duration>,
    /// Of the month whose money is compared: events a day, such as 10M
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "10M")]
    events_per_day: u64,
    /// Of the same month: how many days of events the log keeps
    #[arg(long, value_name = "DAYS", value_parser = parse_amount, default_value_t = Month::default().retention_days)]
    retention_days: f64,
    /// Of the same month: changes of the code
    #[arg(long, value_name = "N", value_parser = parse_amount, default_value_t = Month::default().changes_per_month)]
    changes_per_month: f64,
    /// Of the same month: batch runs a day
    #[arg(long, value_name = "N", value_parser = parse_amount, default_value_t = Month::default().batch_runs_per_day)]
    batch_runs_per_day: f64,
    /// Where the state of the speed layer lives, charged to the architecture: `memory`, `checkpoint`, `local` or `redis://HOST:PORT`. Final values by hand (kappa) keep their state in their
    /// own dataflow, which no checkpoint reaches: kappa-sql stands in its place among the default's architectures
    #[arg(long, value_name = "BACKEND", default_value_t = CompareSettings::default().state)]
    state: StateBackend,
    /// From the start of one checkpoint to the start of the next; how often a local state is written
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration, default_value = "1s")]
    checkpoint_interval: Duration,
    /// A price file in TOML, instead of the bundled one
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// All of result.json
    Json,
}

pub(super) fn run(args: CompareArgs, log: Option<Address>) -> Result<ExitCode, Failure> {
    if let Some(Address::Folder(dir)) = &log {
        let message = format!("--log {}: compare makes its topics in the folder of its results (--out), or in Kafka", dir.display());
        return Err(Failure::usage(message));
    }
    if let Some(place) = log.as_ref().filter(|place| place.named_topic().is_none()) {
        return Err(Failure::usage(format!(
            "--log {place}: say how the names of the topics begin that it makes: kafka://HOST:PORT/PREFIX"
        )));
    }
    let settings = CompareSettings { log, ..settings(args)? };
    Ok(ExitCode::from(compare::run(&settings)?.exit_code()))
}

fn settings(args: CompareArgs) -> Result<CompareSettings, Failure> {
    let mut architectures: Vec<String> = Vec::new();
    let is_default = args.architectures == CompareSettings::default().architectures;
    for name in args.architectures {
        let name = if is_default && args.state != StateBackend::Memory && name == "kappa" { "kappa-sql".into() } else { name };
        if architectures.contains(&name) {
            return Err(Failure::usage(format!("--architectures names '{name}' twice")));
        }
        architectures.push(name);
    }
    Ok(CompareSettings {
        workload: args.workload,
        architectures,
        matrix: args.matrix,
        batch_engine: args.batch_engine,
        speed_engine: args.speed_engine,
        language: args.language,
        read_rate: args.reads,
        full_read_rate: args.full_reads,
        history: args.history,
        sweep: args.sweep,
        rate: args.rate,
        duration: args.duration,
        repeats: args.repeats,
        partitions: args.partitions,
        workers: usize::from(args.workers),
        durability: args.durability,
        log: None,
        seed: args.seed,
        events: OwnTable::of(&args.events, &args.time_column).map_err(Failure::usage)?,
        read: args.read.options(None)?,
        query: args.query,
        sql: args.sql,
        fix: args.fix,
        out: args.out,
        format: match args.format {
            Format::Table => compare::Format::Table,
            Format::Json => compare::Format::Json,
        },
        month: Month {
            events_per_day: args.events_per_day as f64,
            retention_days: args.retention_days,
            changes_per_month: args.changes_per_month,
            batch_runs_per_day: args.batch_runs_per_day,
        },
        prices: args.prices,
        batch_interval: args.batch_interval,
        incremental: args.incremental,
        publish_interval: args.publish_interval,
        speed_lateness: args.speed_lateness,
        state: args.state,
        checkpoint_interval: args.checkpoint_interval,
        ..CompareSettings::default()
    })
}

fn presets() -> PossibleValuesParser {
    PossibleValuesParser::new(crate::systems::presets())
}

fn parse_reads(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|r: &f64| r.is_finite() && *r >= 0.0).ok_or_else(|| "write how many reads a second, such as 500, or 0".into())
}

fn parse_amount(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0).ok_or_else(|| "write a number, such as 30 or 0.5; 0 is none".into())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|r: &f64| r.is_finite() && *r > 0.0).ok_or_else(|| "write how many events a second, such as 4000".into())
}

fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    super::parse_duration(text).and_then(|d| if d.is_zero() { Err("it must be more than nothing".into()) } else { Ok(d) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: CompareArgs,
    }

    #[test]
    fn defaults_are_those_of_the_scenario() {
        let parsed = Only::try_parse_from(["compare"]).ok().unwrap();
        let settings = settings(parsed.args).ok().unwrap();
        assert_eq!(format!("{settings:?}"), format!("{:?}", CompareSettings::default()));
    }

    #[test]
    fn the_month_is_the_user_s() {
        let given =
            ["compare", "--events-per-day", "250k", "--retention-days", "0.5", "--changes-per-month", "0", "--batch-runs-per-day", "1"];
        let month = settings(Only::try_parse_from(given).ok().unwrap().args).ok().unwrap().month;
        assert_eq!(month, Month { events_per_day: 250e3, retention_days: 0.5, changes_per_month: 0.0, batch_runs_per_day: 1.0 });
        for wrong in ["--retention-days=-1", "--changes-per-month=NaN", "--batch-runs-per-day=many", "--events-per-day=-5"] {
            assert!(Only::try_parse_from(["compare", wrong]).is_err(), "{wrong}");
        }
    }
}
