//! `twopath log cat`: what stands in a topic.

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use arrow_array::RecordBatch;
use clap::{Args, ValueEnum};
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Address, Entry, Member, MemberOptions, PartitionReader, Records, Start, Topic};
use twopath_query::Value;
use twopath_query::time::parse_timestamp;

use super::ForeignArgs;
use crate::cli::{Failure, output};

/// A member commits at the latest after so many frames; sooner where it has to wait.
const FRAMES_PER_COMMIT: u32 = 64;

/// A follower looks again after this long, should nothing have woken it.
const WAIT: Duration = Duration::from_secs(1);

/// Shows a topic's events
///
/// Partition after partition, each in its order; with --follow, new events as they come. With --group, as a member of a consumer group:
/// from where the group is, its partitions shared with the other members, and what was shown is committed, so that it is not shown again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log cat flights --limit 10 --format table --columns sched_dep,carrier,dep_delay
  twopath log cat flights --partition 0 --from 5000 --to 5010 --with-offsets
  twopath log cat flights --since 2013-12-31T00:00:00Z --format csv
  twopath log cat clicks --from end --follow
  twopath log cat --log kafka://localhost:9092/orders --schema 'at:timestamp, item:text, price:float' --limit 10
  twopath log cat clicks --group audit --follow")]
pub(super) struct CatArgs {
    topic: Option<String>,
    /// Only this partition
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// Where to begin: `start`, `end`, an offset, or a position such as 120,98
    #[arg(long, value_name = "WHERE", default_value = "start")]
    from: From,
    /// Begin at the first frame with an event of this time or later
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "from")]
    since: Option<i64>,
    /// Begin at the first frame that arrived at this time or later
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with_all = ["from", "since"])]
    since_arrival: Option<i64>,
    /// Where to end, exclusive: an offset, or a position
    #[arg(long, value_name = "WHERE", conflicts_with = "follow")]
    to: Option<Position>,
    /// At most so many events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Wait for more
    #[arg(long, short)]
    follow: bool,
    /// Read as a member of this consumer group, and commit what was shown
    #[arg(long, value_name = "GROUP", conflicts_with_all = ["partition", "from", "since", "since_arrival", "to"])]
    group: Option<String>,
    /// The member's name [default: p and the process's number]
    #[arg(long, value_name = "NAME", requires = "group")]
    member: Option<String>,
    /// Own these partitions instead of a share of all
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', requires = "group")]
    partitions: Option<Vec<u32>>,
    /// Only these columns, in this order
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Put each event's partition, offset and arrival time before it
    #[arg(long)]
    with_offsets: bool,
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    #[command(flatten)]
    foreign: ForeignArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// RFC 4180 with a header line
    Csv,
    /// For people
    Table,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Start,
    End,
    At(Position),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "start" => Ok(From::Start),
            "end" => Ok(From::End),
            _ => text.parse().map(From::At).map_err(|_| "write start, end, an offset, or a position such as 120,98".into()),
        }
    }
}

fn parse_time(text: &str) -> Result<i64, String> {
    parse_timestamp(text).ok_or_else(|| "write a time as 2013-01-01T10:00:00Z".into())
}

/// What is shown of each frame.
struct Shown {
    /// Of the topic's schema, in the order wanted.
    columns: Vec<usize>,
    names: Vec<String>,
    with_offsets: bool,
}

impl Shown {
    /// What a reader is asked for: ascending. The order wanted is restored when a row is shown.
    fn projection(&self) -> Vec<usize> {
        let mut columns = self.columns.clone();
        columns.sort_unstable();
        columns
    }
}

pub(super) fn run(place: &Address, args: &CatArgs) -> Result<ExitCode, Failure> {
    if let (Some(group), None) = (&args.group, place.folder()) {
        let message = "--group wants a topic in a folder: over Kafka the members of a group are Kafka's own consumers";
        let help =
            format!("read with --from POSITION, and set the group with `twopath log groups --log {place} --group {group} --seek POSITION`");
        return Err(Failure::usage_with_help(message, help));
    }
    let topic = args.foreign.open(place, super::topic_name(place, args.topic.as_deref())?)?;
    let shown = shown(&topic, args)?;
    if let Some(group) = &args.group {
        return as_member(&topic, group, args, shown);
    }
    let partitions: Vec<PartitionId> = match args.partition {
        Some(p) => vec![PartitionId(p)],
        None => (0..topic.partitions() as u32).map(PartitionId).collect(),
    };
    let projection = shown.projection();
    let mut readers = Vec::new();
    for (i, partition) in partitions.iter().enumerate() {
        let reader = topic.reader(*partition, start(args, *partition, i, &partitions)?, Some(&projection))?;
        let to = args.to.as_ref().map(|to| bound(to, "--to", *partition, i, &partitions)).transpose()?;
        readers.push((reader, to));
    }
    let mut printer = Printer::new(shown, projection, args.format, args.limit);
    let tail = topic.tail()?;
    printer.header()?;
    loop {
        let seen = tail.sequence();
        let mut any = false;
        for (reader, to) in &mut readers {
            any |= print_all(reader, *to, &mut printer)?;
        }
        if printer.left == Some(0) || !args.follow {
            printer.finish()?;
            return Ok(ExitCode::SUCCESS);
        }
        printer.flush()?;
        if !any {
            tail.wait(seen, WAIT);
        }
    }
}

/// Shows what comes to a member of a group. Nothing is committed that was not written out before.
fn as_member(topic: &Topic, group: &str, args: &CatArgs, shown: Shown) -> Result<ExitCode, Failure> {
    let projection = shown.projection();
    let options = MemberOptions {
        partitions: args.partitions.as_ref().map(|all| all.iter().copied().map(PartitionId).collect()),
        projection: Some(projection.clone()),
        ..MemberOptions::default()
    };
    let id = args.member.clone().unwrap_or_else(|| format!("p{}", std::process::id()));
    let mut member = topic.local()?.group_or_new(group)?.join(&id, options)?;
    let mut printer = Printer::new(shown, projection, args.format, args.limit);
    printer.header()?;
    let mut frames = 0;
    while printer.left != Some(0) {
        let entry = match member.poll(Duration::ZERO)? {
            Some(entry) => entry,
            None => {
                written_and_committed(&mut printer, &mut member)?;
                if !args.follow {
                    break;
                }
                let Some(entry) = member.poll(WAIT)? else { continue };
                entry
            }
        };
        if let Entry::Records(records) = entry {
            let rows = records.batch.num_rows() as u64;
            let wanted = printer.left.map_or(rows, |left| rows.min(left));
            printer.records(&records, wanted)?;
            if wanted < rows {
                printer.finish()?;
                for (partition, delivered) in member.delivered() {
                    let here = partition == records.partition;
                    member.commit_at(partition, if here { records.offset_of(wanted as usize) } else { delivered })?;
                }
                return Ok(ExitCode::SUCCESS);
            }
            // The next poll may commit it for another member to go on.
            printer.out.flush()?;
            frames += 1;
            if frames % FRAMES_PER_COMMIT == 0 {
                written_and_committed(&mut printer, &mut member)?;
            }
        }
    }
    printer.finish()?;
    member.leave()?;
    Ok(ExitCode::SUCCESS)
}

fn written_and_committed(printer: &mut Printer, member: &mut Member) -> Result<(), Failure> {
    printer.flush()?;
    Ok(member.commit()?)
}

fn shown(topic: &Topic, args: &CatArgs) -> Result<Shown, Failure> {
    let schema = topic.schema();
    let all = || schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    let wanted = args.columns.clone().unwrap_or_else(all);
    let mut columns = Vec::new();
    for name in &wanted {
        let index = schema
            .index_of(name)
            .map_err(|_| Failure::of(format!("topic '{}' has no column '{name}'; it has {}", topic.name(), all().join(", "))))?;
        if columns.contains(&index) {
            return Err(Failure::usage(format!("--columns names '{name}' twice")));
        }
        columns.push(index);
    }
    let offsets = ["_partition", "_offset", "_arrival"].map(String::from);
    let names = if args.with_offsets { offsets.into_iter().chain(wanted).collect() } else { wanted };
    Ok(Shown { columns, names, with_offsets: args.with_offsets })
}

fn start(args: &CatArgs, partition: PartitionId, index: usize, partitions: &[PartitionId]) -> Result<Start, Failure> {
    if let Some(us) = args.since {
        return Ok(Start::EventTime(us));
    }
    if let Some(us) = args.since_arrival {
        return Ok(Start::ArrivalTime(us));
    }
    match &args.from {
        From::Start => Ok(Start::First),
        From::End => Ok(Start::End),
        From::At(position) => Ok(Start::Offset(bound(position, "--from", partition, index, partitions)?)),
    }
}

/// One partition's offset of a position, or of a single offset that is meant for all.
fn bound(position: &Position, option: &str, partition: PartitionId, index: usize, partitions: &[PartitionId]) -> Result<Offset, Failure> {
    match position.offsets() {
        [one] => Ok(*one),
        offsets if offsets.len() == partitions.len() => Ok(offsets[index]),
        offsets if offsets.len() > partition.index() && partitions.len() == 1 => Ok(offsets[partition.index()]),
        offsets => Err(Failure::usage(format!(
            "{option} {position} has {} offsets and {} partitions are shown; give one offset for all, or one for each",
            offsets.len(),
            partitions.len()
        ))),
    }
}

/// Prints what a partition has; whether that was anything.
fn print_all(reader: &mut PartitionReader, to: Option<Offset>, printer: &mut Printer) -> Result<bool, Failure> {
    let mut any = false;
    while printer.left != Some(0) && to.is_none_or(|to| reader.offset() < to) {
        match reader.next()? {
            None => break,
            Some(Entry::Barrier(_)) => {}
            Some(Entry::Records(records)) => {
                any = true;
                let rows = records.batch.num_rows() as u64;
                let wanted = to.map_or(rows, |to| records.rows_below(to) as u64);
                printer.records(&records, wanted)?;
            }
        }
    }
    Ok(any)
}

/// Writes events in one of the formats. A table waits for its end, to know the widths of its columns.
struct Printer {
    shown: Shown,
    /// The columns that the readers give, ascending.
    projection: Vec<usize>,
    format: Format,
    /// How many events may still be shown.
    left: Option<u64>,
    rows: Vec<Vec<Value>>,
    out: BufWriter<std::io::Stdout>,
}

impl Printer {
    fn new(shown: Shown, projection: Vec<usize>, format: Format, left: Option<u64>) -> Self {
        Printer { shown, projection, format, left, rows: Vec::new(), out: BufWriter::new(std::io::stdout()) }
    }

    fn header(&mut self) -> Result<(), Failure> {
        if self.format == Format::Csv {
            output::csv_header(&mut self.out, &self.shown.names)?;
        }
        Ok(())
    }

    fn records(&mut self, records: &Records, rows: u64) -> Result<(), Failure> {
        let rows = self.left.map_or(rows, |left| rows.min(left)) as usize;
        self.left = self.left.map(|left| left - rows as u64);
        let order: Vec<usize> = self.shown.columns.iter().filter_map(|c| self.projection.binary_search(c).ok()).collect();
        let batch: RecordBatch = records.batch.slice(0, rows).project(&order).map_err(Failure::of)?;
        for (i, row) in output::values(&batch).map_err(Failure::of)?.into_iter().enumerate() {
            let row = if self.shown.with_offsets {
                let place = [
                    Value::Int(i64::from(records.partition.0)),
                    Value::Int(records.offset_of(i).0 as i64),
                    Value::Timestamp(records.arrival_us),
                ];
                place.into_iter().chain(row).collect()
            } else {
                row
            };
            match self.format {
                Format::Jsonl => writeln!(self.out, "{}", output::json_row(&self.shown.names, &row))?,
                Format::Csv => output::csv_row(&mut self.out, &row)?,
                Format::Table => self.rows.push(row),
            }
        }
        Ok(())
    }

    /// What came so far is on its way to the reader.
    fn flush(&mut self) -> Result<(), Failure> {
        if self.format == Format::Table && !self.rows.is_empty() {
            output::table(&mut self.out, &self.shown.names, &std::mem::take(&mut self.rows))?;
        }
        Ok(self.out.flush()?)
    }

    fn finish(mut self) -> Result<(), Failure> {
        if self.format == Format::Table {
            output::table(&mut self.out, &self.shown.names, &std::mem::take(&mut self.rows))?;
        }
        Ok(self.out.flush()?)
    }
}
