//! `twopath log groups`: who reads a topic in the name of a group, and how far they are.

use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Serialize;
use twopath_base::Position;
use twopath_log::{Address, PartitionProgress, Start, Topic};
use twopath_query::Value;
use twopath_query::time::parse_timestamp;

use super::ForeignArgs;
use crate::cli::{Failure, output};

/// Tells how far a topic's consumer groups are, and sets them elsewhere
///
/// A group begins when its first member joins (`twopath log cat TOPIC --group GROUP`). Its members share the topic's partitions; what each
/// has done is committed, so that another one goes on there. A group can be set elsewhere, or removed, while it has no members.
///
/// Over Kafka they are the cluster's groups that committed something in the topic, whoever their members are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log groups flights
  twopath log groups flights --format json
  twopath log groups flights --group audit --seek first
  twopath log groups flights --group audit --seek 2013-12-31T00:00:00Z
  twopath log groups flights --group audit --remove
  twopath log groups --log kafka://localhost:9092/flights --group audit --seek end")]
pub(super) struct GroupsArgs {
    topic: Option<String>,
    /// Only this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Set the group to: `first`, `end`, an offset, a position such as 120,98, or the first frame with an event of a time or later
    #[arg(long, value_name = "WHERE", requires = "group")]
    seek: Option<Where>,
    /// Forget the group
    #[arg(long, requires = "group", conflicts_with = "seek")]
    remove: bool,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    foreign: ForeignArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One array of {"group","partition","committed","end","lag","owner"}
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Where {
    Start(Start),
    /// One offset per partition.
    Position(Position),
}

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.parse::<Position>() {
            return Ok(match position.offsets() {
                [one] => Where::Start(Start::Offset(*one)),
                _ => Where::Position(position),
            });
        }
        match text {
            "first" | "start" => Ok(Where::Start(Start::First)),
            "end" => Ok(Where::Start(Start::End)),
            time => parse_timestamp(time)
                .map(|us| Where::Start(Start::EventTime(us)))
                .ok_or_else(|| "write first, end, an offset, a position such as 120,98, or a time such as 2013-01-01T10:00:00Z".into()),
        }
    }
}

/// One group in one partition.
#[derive(Serialize)]
struct Row {
    group: String,
    partition: u32,
    /// Everything below it is done; null where nothing was committed yet.
    committed: Option<u64>,
    end: u64,
    /// In records.
    lag: u64,
    /// The member that reads the partition now.
    owner: Option<String>,
}

pub(super) fn run(place: &Address, args: &GroupsArgs) -> Result<ExitCode, Failure> {
    if args.remove && place.folder().is_none() {
        let message = "--remove forgets a group of a topic in a folder: one of Kafka's may have positions in other topics, too";
        let help = "remove it with Kafka's own kafka-consumer-groups.sh, which can leave those (--delete-offsets --topic TOPIC)";
        return Err(Failure::usage_with_help(message, help));
    }
    let topic = args.foreign.open(place, super::topic_name(place, args.topic.as_deref())?)?;
    match (&args.group, &args.seek) {
        (Some(name), _) if args.remove => {
            topic.local()?.group(name)?.remove()?;
            eprintln!("group '{name}' is forgotten");
        }
        (Some(name), Some(to)) => {
            // A seek may make the group: it then begins there instead of at the start.
            let position = topic.seek_group(name, &starts(&topic, to)?)?;
            eprintln!("group '{name}' goes on at {position}");
        }
        (Some(name), None) => show(&rows(&topic, name)?, args.format)?,
        (None, _) => {
            let mut all = Vec::new();
            for name in topic.groups()? {
                all.extend(rows(&topic, &name)?);
            }
            if all.is_empty() && args.format == Format::Table {
                let begins = match place {
                    Address::Folder(_) => format!("`twopath log cat {} --group NAME`", topic.name()),
                    Address::Kafka { .. } => "what its first member commits, or `--group NAME --seek first`".into(),
                };
                eprintln!("topic '{}' has no consumer groups; one begins with {begins}", topic.name());
                return Ok(ExitCode::SUCCESS);
            }
            show(&all, args.format)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn starts(topic: &Topic, to: &Where) -> Result<Vec<Start>, Failure> {
    match to {
        Where::Start(start) => Ok(vec![*start; topic.partitions()]),
        Where::Position(position) if position.partitions() == topic.partitions() => {
            Ok(position.offsets().iter().map(|o| Start::Offset(*o)).collect())
        }
        Where::Position(position) => Err(Failure::usage(format!(
            "--seek {position} has {} offsets and the topic {} partitions; give one offset for all, or one for each",
            position.partitions(),
            topic.partitions()
        ))),
    }
}

fn rows(topic: &Topic, group: &str) -> Result<Vec<Row>, Failure> {
    let row = |p: PartitionProgress| Row {
        group: group.to_owned(),
        partition: p.partition.0,
        committed: p.committed.map(|o| o.0),
        end: p.end.0,
        lag: p.lag(),
        owner: p.owner,
    };
    Ok(topic.group_progress(group)?.into_iter().map(row).collect())
}

fn show(rows: &[Row], format: Format) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if format == Format::Json {
        return Ok(output::report(&mut out, &rows)?);
    }
    let number = |n: u64| Value::Int(n as i64);
    let rows: Vec<Vec<Value>> = rows
        .iter()
        .map(|row| {
            let owner = row.owner.as_ref().map_or(Value::Null, |o| Value::Text(o.as_str().into()));
            let committed = row.committed.map_or(Value::Null, number);
            vec![Value::Text(row.group.as_str().into()), number(row.partition.into()), committed, number(row.end), number(row.lag), owner]
        })
        .collect();
    Ok(output::table(&mut out, &["group", "partition", "committed", "end", "lag", "owner"].map(String::from), &rows)?)
}
