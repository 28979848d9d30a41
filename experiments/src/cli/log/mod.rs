//! `twopath log`: topics, and what is in them.

mod append;
mod cat;
mod compact;
mod create;
mod delete;
mod foreign;
mod groups;
mod import;
mod offload;
mod recall;
mod retain;
mod stat;
mod verify;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use twopath_log::{Address, Compaction, Durability, Offload, PartitionBy, Retention, Topic, TopicConfig};
use twopath_storage::check_store_address;

pub(super) use foreign::ForeignArgs;

use super::Failure;
use twopath_events::files::{FileError, SchemaText};

/// Makes topics, fills them, reads and checks them
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(create::CreateArgs),
    Import(import::ImportArgs),
    Append(append::AppendArgs),
    Cat(cat::CatArgs),
    Stat(stat::StatArgs),
    Groups(groups::GroupsArgs),
    Retain(retain::RetainArgs),
    Compact(compact::CompactArgs),
    Offload(offload::OffloadArgs),
    Recall(recall::RecallArgs),
    Verify(verify::VerifyArgs),
    Delete(delete::DeleteArgs),
}

pub(super) fn run(place: &Address, args: LogArgs) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Create(args) => create::run(place, &args),
        Command::Import(args) => import::run(place, &args),
        Command::Append(args) => append::run(place, &args),
        Command::Cat(args) => cat::run(place, &args),
        Command::Stat(args) => stat::run(place, &args),
        Command::Groups(args) => groups::run(place, &args),
        Command::Retain(args) => retain::run(super::folder(place, "log retain")?, &args),
        Command::Compact(args) => compact::run(super::folder(place, "log compact")?, &args),
        Command::Offload(args) => offload::run(super::folder(place, "log offload")?, &args),
        Command::Recall(args) => recall::run(super::folder(place, "log recall")?, &args),
        Command::Verify(args) => verify::run(super::folder(place, "log verify")?, &args),
        Command::Delete(args) => delete::run(place, &args),
    }
}

/// How a topic that does not exist yet is to be made.
#[derive(Debug, Args)]
pub(super) struct TopicArgs {
    /// The column that decides an event's partition: equal keys, one partition [default: none, in turn]
    #[arg(long, value_name = "COLUMN")]
    pub key: Option<String>,
    /// Of a new topic [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub partitions: Option<u32>,
    /// When an append counts as done: `none` (the operating system has it), `batch` (it is on the disk), or `interval` (synced every 100 ms; `interval:50ms` for another) [default: none]
    #[arg(long, value_name = "POLICY", value_parser = parse_durability)]
    pub durability: Option<Durability>,
    /// Segments are sealed at this size, such as 64M [default: 64M]
    #[arg(long, value_name = "BYTES", value_parser = crate::systems::parse_bytes)]
    pub segment_bytes: Option<u64>,
    /// Segments whose last event arrived longer ago than this are removed, such as 7d [default: never]
    #[arg(long, value_name = "AGE", value_parser = super::parse_duration)]
    pub retain_age: Option<Duration>,
    /// The oldest segments are removed while the topic is larger than this, such as 10G [default: never]
    #[arg(long, value_name = "BYTES", value_parser = crate::systems::parse_bytes)]
    pub retain_bytes: Option<u64>,
    /// Of each key only the newest event is kept (for topics with a key)
    #[arg(long)]
    pub compact: bool,
    /// Sealed segments are moved to this folder, or s3://BUCKET/PREFIX, as `twopath log offload` does [default: they stay]
    #[arg(long, value_name = "WHERE", value_parser = parse_store)]
    pub offload_to: Option<String>,
    /// Only those whose last event arrived longer ago, such as 7d
    #[arg(long, value_name = "AGE", value_parser = super::parse_duration, requires = "offload_to")]
    pub offload_older_than: Option<Duration>,
    /// Only the oldest, while more than this is local, such as 10G
    #[arg(long, value_name = "BYTES", value_parser = crate::systems::parse_bytes, requires = "offload_to")]
    pub offload_keep_local: Option<u64>,
}

impl TopicArgs {
    fn config(&self, name: &str, schema: arrow_schema::SchemaRef, time_column: Option<&str>) -> TopicConfig {
        TopicConfig {
            name: name.into(),
            schema,
            partitions: self.partitions.unwrap_or(1),
            partition_by: self.key.clone().map_or(PartitionBy::RoundRobin, PartitionBy::Key),
            time_column: time_column.map(String::from),
            durability: self.durability.unwrap_or(Durability::None),
            segment_bytes: self.segment_bytes.unwrap_or(TopicConfig::SEGMENT_BYTES),
            retention: self.retention(),
            compaction: self.compaction(),
            offload: self.offload(),
        }
    }

    pub fn retention(&self) -> Retention {
        Retention { age: self.retain_age, bytes: self.retain_bytes }
    }

    pub fn compaction(&self) -> Option<Compaction> {
        self.compact.then(Compaction::default)
    }

    pub fn offload(&self) -> Option<Offload> {
        let to = self.offload_to.clone()?;
        Some(Offload { to, older_than: self.offload_older_than, keep_local_bytes: self.offload_keep_local })
    }

    /// That an existing topic is what the options say, where they say something.
    pub fn check(&self, config: &TopicConfig) -> Result<(), Failure> {
        let differs = |what: &str, has: String, wanted: String| {
            let message = format!("topic '{}' exists and has {what} {has}, not {wanted}", config.name);
            Err(Failure::with_help(message, format!("leave out the option: {what} is chosen when a topic is made")))
        };
        if let Some(n) = self.partitions.filter(|n| *n != config.partitions) {
            return differs("--partitions", config.partitions.to_string(), n.to_string());
        }
        if let Some(key) = self.key.as_ref().filter(|key| config.partition_by != PartitionBy::Key(String::clone(key))) {
            let has = match &config.partition_by {
                PartitionBy::Key(column) => column.clone(),
                PartitionBy::RoundRobin => "none".into(),
            };
            return differs("--key", has, key.clone());
        }
        if let Some(durability) = self.durability.filter(|d| *d != config.durability) {
            return differs("--durability", durability_text(config.durability), durability_text(durability));
        }
        if self.compact && config.compaction.is_none() {
            return differs("--compact", "no".into(), "yes".into());
        }
        Ok(())
    }
}

/// `none`, `batch`, `interval` or `interval:50ms`.
pub(super) fn parse_durability(text: &str) -> Result<Durability, String> {
    match text {
        "none" => Ok(Durability::None),
        "batch" => Ok(Durability::Batch),
        "interval" => Ok(Durability::Interval(Duration::from_millis(100))),
        _ => match text.strip_prefix("interval:").and_then(|t| super::parse_duration(t).ok()).filter(|d| !d.is_zero()) {
            Some(interval) => Ok(Durability::Interval(interval)),
            None => Err("write none, batch, interval, or interval:50ms".into()),
        },
    }
}

pub(super) fn durability_text(durability: Durability) -> String {
    match durability {
        Durability::None => "none".into(),
        Durability::Batch => "batch".into(),
        Durability::Interval(interval) => format!("interval:{}ms", interval.as_secs_f64() * 1e3),
    }
}

/// The address of an object store.
fn parse_store(text: &str) -> Result<String, String> {
    check_store_address(text).map(|()| text.to_owned()).map_err(|e| e.to_string())
}

/// The topic that a command is about: its argument, or the one that the address names.
fn topic_name<'a>(place: &'a Address, given: Option<&'a str>) -> Result<&'a str, Failure> {
    match (place.named_topic(), given) {
        (Some(named), Some(given)) if named != given => {
            Err(Failure::usage(format!("--log names topic '{named}', and the command '{given}'; name the same one, or leave one out")))
        }
        (named, given) => given.or(named).ok_or_else(|| Failure::usage("which topic? give its name, or --log kafka://HOST:PORT/TOPIC")),
    }
}

/// Opens a topic in a folder for reading, without making a folder where there is none.
pub(super) fn open_topic(dir: &Path, name: &str) -> Result<Topic, Failure> {
    Ok(Address::Folder(dir.to_owned()).topic(name)?)
}

/// A `--schema`, read.
pub(super) fn schema_text(text_or_file: Option<&str>) -> Result<Option<SchemaText>, Failure> {
    let wrong = |e: FileError| match e {
        FileError::SchemaText { .. } => Failure::usage(e),
        other => Failure::from(other),
    };
    text_or_file.map(SchemaText::read).transpose().map_err(wrong)
}
