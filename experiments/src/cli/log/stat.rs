//! `twopath log stat`.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use twopath_base::PartitionId;
use twopath_log::{Address, Entry, LogError, PartitionBy, Start, Times, Topic};
use twopath_query::Value;

use super::ForeignArgs;
use crate::cli::Failure;
use crate::cli::output::{self, ReportFormat};
use twopath_events::files::ColumnType;

/// Tells what a topic holds
///
/// Without a topic's name: what topics there are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log stat
  twopath log stat flights
  twopath log stat flights --format json")]
pub(super) struct StatArgs {
    topic: Option<String>,
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
    #[command(flatten)]
    foreign: ForeignArgs,
}

#[derive(Serialize)]
struct Stat {
    topic: String,
    /// Without those that retention removed and compaction left out.
    records: u64,
    /// The position of the first record that there is: one offset per partition.
    start: String,
    /// The position after the last.
    end: String,
    bytes: u64,
    durability: String,
    key: Option<String>,
    time_column: Option<String>,
    columns: Vec<Column>,
    partitions: Vec<Partition>,
    barriers: Vec<Barrier>,
}

#[derive(Serialize)]
struct Column {
    name: String,
    r#type: String,
    nullable: bool,
}

#[derive(Serialize)]
struct Partition {
    partition: u32,
    records: u64,
    /// Of a topic in a folder.
    #[serde(flatten)]
    segments: Option<Segments>,
    /// ISO 8601 UTC; none where there are no records, or no time column.
    event_time_min: Option<String>,
    event_time_max: Option<String>,
    arrival_time_min: Option<String>,
    arrival_time_max: Option<String>,
}

#[derive(Serialize)]
struct Segments {
    segments: u64,
    segments_sealed: u64,
    /// In an object store.
    segments_remote: u64,
    bytes: u64,
    bytes_remote: u64,
}

#[derive(Serialize)]
struct Barrier {
    number: u64,
    position: String,
}

pub(super) fn run(place: &Address, args: &StatArgs) -> Result<ExitCode, Failure> {
    match args.topic.as_deref().or(place.named_topic()) {
        Some(name) => show_topic(&stat(&args.foreign.open(place, super::topic_name(place, Some(name))?)?)?, args.format)?,
        None => show_topics(place, args.format)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn stat(topic: &Topic) -> Result<Stat, Failure> {
    let config = topic.config();
    let partitions: Vec<Partition> = (0..config.partitions).map(|p| partition(topic, PartitionId(p))).collect::<Result<_, _>>()?;
    let column = |f: &std::sync::Arc<arrow_schema::Field>| Column {
        name: f.name().clone(),
        r#type: ColumnType::of(f.data_type()).map_or_else(|| f.data_type().to_string(), |t| t.text()),
        nullable: f.is_nullable(),
    };
    Ok(Stat {
        topic: config.name.clone(),
        records: partitions.iter().map(|p| p.records).sum(),
        start: topic.start()?.to_string(),
        end: topic.end()?.to_string(),
        bytes: topic.bytes()?,
        durability: super::durability_text(config.durability),
        key: match &config.partition_by {
            PartitionBy::Key(column) => Some(column.clone()),
            PartitionBy::RoundRobin => None,
        },
        time_column: config.time_column.clone(),
        columns: topic.schema().fields().iter().map(column).collect(),
        partitions,
        barriers: topic.barriers()?.iter().map(|b| Barrier { number: b.number, position: b.position.to_string() }).collect(),
    })
}

fn partition(topic: &Topic, partition: PartitionId) -> Result<Partition, Failure> {
    let times = match topic.local() {
        Ok(local) => local.times(partition)?,
        Err(_) => read_times(topic, partition)?,
    };
    Ok(Partition {
        partition: partition.0,
        records: times.records,
        segments: topic.local().is_ok().then(|| segments(topic, partition)).transpose()?,
        event_time_min: times.event_us.map(|(min, _)| output::timestamp(min)),
        event_time_max: times.event_us.map(|(_, max)| output::timestamp(max)),
        arrival_time_min: times.arrival_us.map(|(min, _)| output::timestamp(min)),
        arrival_time_max: times.arrival_us.map(|(_, max)| output::timestamp(max)),
    })
}

/// Of a topic that is kept elsewhere than in a folder: its time column is read, and nothing else of it.
fn read_times(topic: &Topic, partition: PartitionId) -> Result<Times, Failure> {
    let time = topic.config().time_column.as_ref().and_then(|name| topic.schema().index_of(name).ok());
    let projection: Vec<usize> = time.into_iter().collect();
    let mut reader = topic.reader(partition, Start::First, Some(&projection))?;
    let mut times = Times::default();
    while let Some(entry) = reader.next()? {
        let Entry::Records(records) = entry else { continue };
        let rows = output::values(&records.batch).map_err(Failure::of)?;
        let event = rows.iter().filter_map(|row| if let [Value::Timestamp(us)] = row[..] { Some(us) } else { None });
        let event_us = event.clone().min().zip(event.max());
        times.add(records.batch.num_rows() as u64, event_us, (records.arrival_us, records.arrival_us));
    }
    Ok(times)
}

fn segments(topic: &Topic, partition: PartitionId) -> Result<Segments, Failure> {
    let all = topic.local()?.segments(partition)?;
    let remote = || all.iter().filter(|s| s.object.is_some());
    Ok(Segments {
        segments: all.len() as u64,
        segments_sealed: all.iter().filter(|s| s.sealed).count() as u64,
        segments_remote: remote().count() as u64,
        bytes: all.iter().map(|s| s.bytes).sum(),
        bytes_remote: remote().map(|s| s.bytes).sum(),
    })
}

fn show_topic(stat: &Stat, format: ReportFormat) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if format == ReportFormat::Json {
        return Ok(output::report(&mut out, stat)?);
    }
    let from = if stat.start.split(',').any(|offset| offset != "0") { format!("from {} ", stat.start) } else { String::new() };
    writeln!(out, "{}: {} records in {} bytes, {from}up to {}", stat.topic, stat.records, stat.bytes, stat.end)?;
    let key = stat.key.as_ref().map_or("in turn".to_owned(), |k| format!("by {k}"));
    let time = stat.time_column.as_deref().unwrap_or("none");
    writeln!(out, "durability {}, partitioned {key}, time column {time}", stat.durability)?;
    let columns: Vec<String> =
        stat.columns.iter().map(|c| format!("{}:{}{}", c.name, c.r#type, if c.nullable { "" } else { " not null" })).collect();
    writeln!(out, "columns {}\n", columns.join(", "))?;
    let names = ["partition", "records", "segments", "sealed", "bytes", "events from", "events to", "arrived from", "arrived to"];
    let text = |t: &Option<String>| t.as_ref().map_or(Value::Null, |t| Value::Text(t.as_str().into()));
    let number = |n: u64| Value::Int(n as i64);
    let rows: Vec<Vec<Value>> = stat
        .partitions
        .iter()
        .map(|p| {
            let times = [&p.event_time_min, &p.event_time_max, &p.arrival_time_min, &p.arrival_time_max].map(text);
            let of = |f: fn(&Segments) -> u64| p.segments.as_ref().map_or(Value::Null, |s| number(f(s)));
            let segments = [of(|s| s.segments), of(|s| s.segments_sealed), of(|s| s.bytes)];
            [number(p.partition.into()), number(p.records)].into_iter().chain(segments).chain(times).collect()
        })
        .collect();
    output::table(&mut out, &names.map(String::from), &rows)?;
    let remote: (u64, u64) = stat
        .partitions
        .iter()
        .filter_map(|p| p.segments.as_ref())
        .fold((0, 0), |sum, s| (sum.0 + s.segments_remote, sum.1 + s.bytes_remote));
    if remote.0 > 0 {
        writeln!(out, "\nremote: {} of the segments, {} of the bytes", remote.0, remote.1)?;
        let row = |p: &Partition| {
            let segments = p.segments.as_ref()?;
            Some(vec![number(p.partition.into()), number(segments.segments_remote), number(segments.bytes_remote)])
        };
        let rows: Vec<Vec<Value>> = stat.partitions.iter().filter_map(row).collect();
        if rows.len() > 1 {
            output::table(&mut out, &["partition", "remote segments", "remote bytes"].map(String::from), &rows)?;
        }
    }
    if !stat.barriers.is_empty() {
        writeln!(out)?;
        let rows: Vec<Vec<Value>> = stat.barriers.iter().map(|b| vec![number(b.number), Value::Text(b.position.as_str().into())]).collect();
        output::table(&mut out, &["barrier".into(), "position".into()], &rows)?;
    }
    Ok(())
}

fn show_topics(place: &Address, format: ReportFormat) -> Result<(), Failure> {
    let names = place.topics()?;
    let mut rows = Vec::new();
    for name in &names {
        let look = || -> Result<_, LogError> {
            let topic = place.topic(name)?;
            Ok((name, topic.records_left()?, u64::from(topic.config().partitions), topic.bytes()?))
        };
        match look() {
            Ok(row) => rows.push(row),
            // In a cluster others have topics too, and make and delete them meanwhile.
            Err(e) if place.folder().is_none() => eprintln!("left out: {e}"),
            Err(e) => return Err(e.into()),
        }
    }
    let mut out = std::io::stdout().lock();
    if format == ReportFormat::Json {
        let topics: Vec<_> = rows
            .iter()
            .map(|(name, records, partitions, bytes)| serde_json::json!({"topic": name, "records": records, "partitions": partitions, "bytes": bytes}))
            .collect();
        return Ok(writeln!(out, "{}", serde_json::Value::from(topics))?);
    }
    if rows.is_empty() {
        eprintln!("{place} holds no topics; make one with `twopath log create` or `twopath log import`");
        return Ok(());
    }
    let rows: Vec<Vec<Value>> = rows
        .into_iter()
        .map(|(name, records, partitions, bytes)| {
            vec![Value::Text(name.as_str().into()), Value::Int(records as i64), Value::Int(partitions as i64), Value::Int(bytes as i64)]
        })
        .collect();
    Ok(output::table(&mut out, &["topic", "records", "partitions", "bytes"].map(String::from), &rows)?)
}
