//! `twopath feed`: topics made of topics.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use twopath_log::Log;
use twopath_query::{self as query, Plan, Value};
use twopath_speed::{SpeedError, SpokeLate};

use super::log::TopicArgs;
use super::output::{self, ReportFormat};
use super::{Failure, late, log, parse_duration, sql};
use crate::feeds::{Definition, FeedError, FeedReport, FeedRun, OutputOptions, Until, run_feed};
use crate::question::plan_of;
use crate::systems::StateBackend;

/// Runs derived feeds: what a SELECT makes of one topic or several, appended to another
#[derive(Debug, Args)]
pub(super) struct FeedArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<RunArgs>),
    List(ListArgs),
    Describe(DescribeArgs),
    Drop(DropArgs),
}

/// Appends what a SELECT makes of a topic, or of several, to another topic, each row once
///
/// Without aggregates, the SELECT passes rows on one by one: columns and expressions, and a WHERE clause. With GROUP BY or aggregates it
/// makes a changelog: each time a group changes, its row is appended anew, and a group's newest row counts. Where HAVING lets a group
/// through no more, its newest row is NULL but for the columns that it groups by. The feed goes on where it stopped, however it stopped:
/// output and input position are committed together. The output topic is made where there is none; its partitions, key, time column and
/// durability are the input's unless told otherwise. A changelog is keyed by the first column of GROUP BY; with --compact and one such
/// column only the newest row of each group is kept.
///
/// A SELECT of any other shape (joins, also of several topics; groups of groups, OVER, UPSERT) is kept as a table by the engine differential: rows that have
/// changed are appended by their key, and a row that goes leaves one that is NULL but for its key. It reads its whole inputs
/// again when it starts, or with --state checkpoint what came since. What is past is let go where the watermarks of both sides say so (interval joins).
///
/// With --every TIME what changed is appended at that interval, and not at once.
///
/// With EMIT ON WINDOW CLOSE each window's rows are appended once, when the watermark has passed its end, and its groups are let go: the feed keeps what is
/// open, and a restart reads on from the first record of that (which is what its lag counts). With --every there are early rows before that, with --on-time those
/// that are on time and late ones; a column, firing, says what each row is. What is more than groups by windows, and goes by the window (a join, also
/// of several topics that have a WATERMARK each; a subquery, OVER), is appended once as well.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath feed run flights late --sql 'SELECT sched_dep, carrier, dep_delay FROM flights WHERE dep_delay > 60'
  twopath feed run late very_late --sql 'SELECT * FROM late WHERE dep_delay > 240' --follow
  twopath feed run flights by_carrier --sql 'SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier' --compact
  twopath feed run flights by_dest --sql 'SELECT dest, COUNT(*) AS n FROM flights GROUP BY dest' --every 10s --follow
  twopath feed run flights planes by_maker --sql flights_with_planes.sql --follow
  twopath feed run planes in_use --sql 'SELECT tailnum, seats FROM UPSERT(TABLE planes) WHERE seats > 50'
  twopath feed run flights hourly --sql hourly.sql --late-to too_late --follow
  twopath feed run flights hourly --sql hourly.sql --every 10s --on-time 1m --follow")]
struct RunArgs {
    /// The topics that the query reads
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    output: String,
    /// The query: a SQL text, or the name of a file that holds one
    #[arg(long, value_name = "TEXT_OR_FILE")]
    sql: String,
    /// The feed's name [default: the output's]
    #[arg(long)]
    name: Option<String>,
    /// Append the records that the query's WATERMARK leaves out to this topic, each once: by a feed of its own, which has that name. The topic is made where there is none
    #[arg(long, value_name = "TOPIC")]
    late_to: Option<String>,
    /// Wait for more
    #[arg(long, short)]
    follow: bool,
    /// Append what has changed at most every TIME, so that of the changes in between the last counts. Groups are then kept as a table, too [default: as soon
    /// as something changes]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    every: Option<Duration>,
    /// Of windows (EMIT ON WINDOW CLOSE): append their rows once event time is TIME past their ends, and again whenever late records have changed them, before the final ones
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    on_time: Option<Duration>,
    /// Worker threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Where a feed's groups are kept, so that a restart does not read the whole input again: by `checkpoint`s; with each epoch on a Redis server
    /// (`redis://HOST:PORT`); at intervals in a `local` index with a changelog, a topic named feed.NAME.changelog; or in `memory` alone. Of what is more than groups, joins
    /// and the like, checkpoints keep the rows that it is computed of [default: where they were kept before, else memory]
    #[arg(long, value_name = "BACKEND")]
    state: Option<StateBackend>,
    /// From the start of one checkpoint to the start of the next; how often a local state is written
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    checkpoint_interval: Duration,
    /// Of a new topic: the event-time column
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    #[command(flatten)]
    topic: TopicArgs,
}

/// Lists the feeds: from which topic to which, and how far behind each is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath feed list
  twopath feed list --format json")]
struct ListArgs {
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

/// Tells what a feed does, and how far it is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath feed describe late")]
struct DescribeArgs {
    name: String,
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

/// Forgets a feed: its definition, and how far it was; what it has appended stays
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath feed drop late")]
struct DropArgs {
    name: String,
}

/// A feed, and records of its inputs that it has not done; no number where one is gone.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    feed: Definition,
    lag: Option<u64>,
}

fn listed(log: &Log, feed: Definition) -> Result<Listed, Failure> {
    let lag = feed.progress(log)?.map(|progress| progress.iter().map(|progress| progress.lag).sum());
    Ok(Listed { feed, lag })
}

fn list(dir: &Path, args: &ListArgs) -> Result<ExitCode, Failure> {
    let log = Log::open(dir)?;
    let feeds = Definition::all(dir)?.into_iter().map(|feed| listed(&log, feed)).collect::<Result<Vec<_>, _>>()?;
    let mut out = std::io::stdout().lock();
    if args.format == ReportFormat::Json {
        output::report(&mut out, &feeds)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |text: &str| Value::Text(text.into());
    let row = |l: &Listed| {
        vec![text(&l.feed.name), text(&l.feed.inputs_named()), text(&l.feed.output), l.lag.map_or(Value::Null, |n| Value::Int(n as i64))]
    };
    output::table(&mut out, &["feed", "from", "to", "lag"].map(String::from), &feeds.iter().map(row).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

fn describe(dir: &Path, args: &DescribeArgs) -> Result<ExitCode, Failure> {
    let described = listed(&Log::open(dir)?, Definition::named(dir, &args.name)?)?;
    let mut out = std::io::stdout().lock();
    if args.format == ReportFormat::Json {
        output::report(&mut out, &described)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Listed { feed, lag } = &described;
    let behind = lag.map_or("an input is gone".to_owned(), |lag| format!("{lag} records behind"));
    let every = feed.every().map_or(String::new(), |every| format!("every {every:?}, "));
    let on_time = feed.on_time_us.map_or(String::new(), |us| format!("on time after {}, ", query::time::format_interval(us)));
    writeln!(
        out,
        "feed '{}' from '{}' to '{}', {every}{on_time}state in {}, {behind}",
        feed.name,
        feed.inputs_named(),
        feed.output,
        feed.state
    )?;
    feed.sql.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    Ok(ExitCode::SUCCESS)
}

fn forget(dir: &Path, args: &DropArgs) -> Result<ExitCode, Failure> {
    let feed = Definition::named(dir, &args.name)?;
    feed.forget(&Log::open(dir)?)?;
    eprintln!("feed '{}' is forgotten; what it appended to '{}' stays", feed.name, feed.output);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run(dir: &Path, args: FeedArgs) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Run(args) => run_one(dir, &args),
        Command::List(args) => list(dir, &args),
        Command::Describe(args) => describe(dir, &args),
        Command::Drop(args) => forget(dir, &args),
    }
}

fn run_one(dir: &Path, args: &RunArgs) -> Result<ExitCode, Failure> {
    let sql = sql::read_sql(&args.sql)?.trim().to_owned();
    let read = query::topics_of(&sql).map_err(|e| Failure::sql(&e, &sql))?;
    if read.iter().collect::<BTreeSet<_>>() != args.inputs.iter().collect() || read.len() != args.inputs.len() {
        let (read, inputs) = (read.join("', '"), args.inputs.join("', '"));
        return Err(Failure::usage(format!("the query reads '{read}', and the feed '{inputs}'; name the same topics in both")));
    }
    let name = args.name.clone().unwrap_or_else(|| args.output.clone());
    let earlier = Definition::earlier(dir, &name)?;
    // In the order in which they were named first.
    let as_before = earlier.as_ref().map(|earlier| earlier.inputs().cloned().collect::<Vec<_>>());
    let named = as_before.filter(|before| before.iter().collect::<BTreeSet<_>>() == args.inputs.iter().collect());
    let named = named.unwrap_or_else(|| args.inputs.clone());
    let inputs = named.iter().map(|input| log::open_topic(dir, input)).collect::<Result<Vec<_>, _>>()?;
    let plan = plan_of(&sql, &inputs).map_err(|e| Failure::sql(&e, &sql))?;
    if inputs.len() == 1 {
        plan.query().map_err(|e| Failure::sql(&query::not_lowered(&sql, e), &sql))?;
    }
    if args.every.is_some_and(|every| every.is_zero()) {
        return Err(Failure::usage("--every 0: that is no interval; leave it out, and changes are appended as they come"));
    }
    let feed = Definition {
        name,
        input: named[0].clone(),
        beside: named[1..].to_vec(),
        output: args.output.clone(),
        sql,
        every_ms: args.every.map(|every| every.as_millis().max(1) as u64).or(earlier.as_ref().and_then(|feed| feed.every_ms)),
        on_time_us: args
            .on_time
            .map(|t| i64::try_from(t.as_micros()).unwrap_or(i64::MAX))
            .or(earlier.as_ref().and_then(|feed| feed.on_time_us)),
        state: args.state.clone().or(earlier.map(|feed| feed.state)).unwrap_or_default(),
        topics: None,
    };
    let log = Log::open(dir)?;
    if log.topics()?.contains(&args.output) {
        args.topic.check(log.topic(&args.output)?.config())?;
    }
    let made_as = OutputOptions {
        partitions: args.topic.partitions,
        key: args.topic.key.clone(),
        time_column: args.time_column.clone(),
        durability: args.topic.durability,
        segment_bytes: args.topic.segment_bytes,
        retention: args.topic.retention(),
        compaction: args.topic.compaction(),
        offload: args.topic.offload(),
    };
    let late = args.late_to.as_ref().map(|output| late_feed(dir, &feed, &plan, output)).transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let until = if args.follow { Until::Stopped } else { Until::End };
    let how = FeedRun { checkpoint_interval: args.checkpoint_interval, ..FeedRun::new(until, usize::from(args.workers), &stop) };
    let run = |feed: &Definition, made_as: &OutputOptions| {
        let report = run_feed(&log, feed, made_as, &how);
        // One does not go on without the other.
        stop.fetch_or(report.is_err(), Ordering::Relaxed);
        report.map_err(|e| match e {
            FeedError::Speed(SpeedError::NoFeed { .. } | SpeedError::NoState { .. } | SpeedError::KeptRows { .. })
            | FeedError::BadName { .. } => Failure::usage(e),
            other => other.into(),
        })
    };
    let (report, late_report) = thread::scope(|scope| {
        let late = late.as_ref().map(|late| scope.spawn(|| run(late, &OutputOptions::default())));
        (run(&feed, &made_as), late.map(|late| late.join().expect("a feed does not panic")))
    });
    tell(&feed, &report?);
    if let (Some(feed), Some(report)) = (&late, late_report.transpose()?) {
        late::tell(feed, &report);
    }
    Ok(ExitCode::SUCCESS)
}

/// The feed of what `feed` leaves out.
fn late_feed(dir: &Path, feed: &Definition, plan: &Plan, output: &str) -> Result<Definition, Failure> {
    if [&feed.output, &feed.name].iter().any(|name| *name == output) {
        return Err(Failure::usage(format!("--late-to {output}: that is where the feed's own rows go; choose another topic")));
    }
    late::feed(dir, &plan.late(), output)
}

fn tell(feed: &Definition, report: &FeedReport) {
    eprintln!(
        "feed '{}': {} rows of '{}' read, {} appended to '{}'{}{}{}{}",
        feed.name,
        report.rows_read,
        feed.inputs_named().replace(", ", "', '"),
        report.rows_appended,
        feed.output,
        if report.rows_not_final > 0 { format!(", {} of them not final", report.rows_not_final) } else { String::new() },
        if report.rows_left_out > 0 { format!(", {} that were there already left out", report.rows_left_out) } else { String::new() },
        if report.rows_read_again > 0 { format!(", {} read again to make its state", report.rows_read_again) } else { String::new() },
        if report.groups_open > 0 { format!(", {} groups of open windows", report.groups_open) } else { String::new() }
    );
    if let Some(SpokeLate { partition, from, closed_to }) = report.spoke_late {
        eprintln!(
            "warning: partition {partition} of '{}' had been silent, and spoke (from offset {from} on) after windows up to {} were closed without it: what it has of those windows is not in '{}'",
            feed.input,
            query::time::format_timestamp(closed_to),
            feed.output
        );
    }
}
