//! `twopath log import`: the events of a file into a topic, once.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use twopath_base::PartitionId;
use twopath_base::checksum::Crc32c;
use twopath_log::{Address, LogError, PartitionBy, ProducerSequence, Topic, TopicWriter};

use super::TopicArgs;
use crate::cli::{Failure, progress};
use twopath_events::files::{Chunk, EventFile, Format, ReadOptions, Rejected, TimeUnitOfNumbers};

/// Of rows that do not fit, so many are shown.
const SHOWN: usize = 10;

/// Imports a Parquet, CSV, JSON Lines or Arrow file
///
/// The topic is made if it does not exist, with the file's columns. A row that does not fit (a cell of another type, no event time)
/// makes the import stop before anything is appended, unless --bad-rows says otherwise.
///
/// The same command can be given again after it was killed: what the topic has acknowledged is not appended a second time.
///
/// Types of CSV and JSON Lines files are found from their first 10,000 rows: bool, int, float, timestamp (ISO 8601; UTC where no zone
/// is given), text. A column of which nearly all values are of one type has that type, and the others do not fit. Empty CSV cells
/// are NULL. 0517 is the number 517; give --schema 'code:text, *' to keep it as a text.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log import flights --from flights.parquet --time-column sched_dep --key tailnum --partitions 2
  twopath log import clicks --from clicks.csv --time-column time --schema 'zip:text, *' --null NA
  twopath log import clicks --from clicks.jsonl --time-column ts --time-unit ms --bad-rows set-aside
  twopath log import --log kafka://localhost:9092/clicks --from clicks.csv --time-column time")]
pub(super) struct ImportArgs {
    /// The topic that the events go into
    topic: Option<String>,
    /// The file
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The event-time column: a timestamp in every row
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// What the file is, where its name does not tell
    #[arg(long, value_enum)]
    input_format: Option<Format>,
    /// The columns to take and their types, such as 'time:timestamp, n:int', with * for all others; or a file that holds that
    #[arg(long, value_name = "TEXT_OR_FILE")]
    schema: Option<String>,
    /// Only these columns, in this order
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// What numbers in timestamp columns count, since 1970
    #[arg(long, value_enum, value_name = "UNIT")]
    time_unit: Option<TimeUnitOfNumbers>,
    /// CSV: what separates cells [default: a tab for .tsv, else a comma]
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter)]
    delimiter: Option<u8>,
    /// CSV: a cell of this text is NULL, too; may be given several times
    #[arg(long, value_name = "TEXT")]
    null: Vec<String>,
    /// What happens to rows that do not fit
    #[arg(long, value_enum, default_value = "refuse")]
    bad_rows: BadRows,
    #[command(flatten)]
    new: TopicArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BadRows {
    /// The import stops before anything is appended, and shows them
    Refuse,
    /// They go into FILE.rejected.jsonl beside the data folder, with place and reason, and the others are imported
    SetAside,
}

pub(in crate::cli) fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" => Ok(b'\t'),
        _ if text.len() == 1 => Ok(text.as_bytes()[0]),
        _ => Err("give one character, or tab".into()),
    }
}

pub(super) fn run(place: &Address, args: &ImportArgs) -> Result<ExitCode, Failure> {
    let name = super::topic_name(place, args.topic.as_deref())?;
    let existing = place.find(name)?;
    let time_column = time_column(args, existing.as_ref())?;
    let options = ReadOptions {
        format: args.input_format,
        schema: super::schema_text(args.schema.as_deref())?,
        target: existing.as_ref().map(|t| t.schema().clone()),
        time_column: time_column.clone(),
        time_unit: args.time_unit,
        columns: args.columns.clone(),
        delimiter: args.delimiter,
        nulls: args.null.clone(),
    };
    let open = || EventFile::open(&args.from, options.clone());
    let (rows, rejected) = check(open()?, args)?;
    if rejected > 0 && args.bad_rows == BadRows::Refuse {
        return Ok(ExitCode::FAILURE);
    }
    let topic = match existing {
        Some(topic) => {
            args.new.check(topic.config())?;
            topic
        }
        None => place.create_topic(args.new.config(name, open()?.schema().clone(), time_column.as_deref()))?,
    };
    let producer = producer_of(&args.from)?;
    let writer = topic.writer()?;
    let before = topic.end()?;
    let set_aside = append_all(open()?, &topic, &writer, producer, rejected_path(place, &args.from))?;
    // So that all of its events are standard Arrow files, for everyone.
    writer.seal()?;
    writer.close()?;
    let end = topic.end()?;
    let appended = end.records_since(&before);
    match rows - appended {
        0 if rows == 0 => eprintln!("{}: no rows to import", args.from.display()),
        0 => eprintln!("{appended} events imported into '{name}', which now ends at {end}"),
        all if all == rows => eprintln!("already imported: all {rows} events of {} are in '{name}'", args.from.display()),
        there => {
            eprintln!("{appended} events imported into '{name}', where {there} of this file were already; it now ends at {end}")
        }
    }
    if let Some(path) = set_aside {
        eprintln!("{rejected} rows set aside in {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The event-time column: the user's, which must be the topic's where that exists.
fn time_column(args: &ImportArgs, existing: Option<&Topic>) -> Result<Option<String>, Failure> {
    let Some(config) = existing.map(Topic::config) else { return Ok(args.time_column.clone()) };
    match (&args.time_column, &config.time_column) {
        (Some(given), Some(has)) if given != has => {
            Err(Failure::of(format!("the time column of topic '{}' is '{has}', not '{given}'", config.name)))
        }
        (Some(given), None) => {
            Err(Failure::of(format!("topic '{}' was made without a time column; leave out --time-column {given}", config.name)))
        }
        (_, has) => Ok(has.clone()),
    }
}

/// Reads the whole file, counts the rows that fit and those that do not, and shows the first of these.
fn check(mut file: EventFile, args: &ImportArgs) -> Result<(u64, u64), Failure> {
    let bar = progress::bar("checking ", file.progress().1);
    let (mut rows, mut rejected) = (0, 0);
    let mut shown: Vec<Rejected> = Vec::new();
    while let Some(chunk) = file.next_chunk()? {
        rows += chunk.batch.num_rows() as u64;
        rejected += chunk.rejected.len() as u64;
        shown.extend(chunk.rejected.into_iter().take(SHOWN - shown.len()));
        bar.set_position(file.progress().0);
    }
    bar.finish_and_clear();
    if rejected > 0 {
        let refused = args.bad_rows == BadRows::Refuse;
        let end = if refused { "; nothing was imported" } else { "" };
        eprintln!("{}: {rejected} of {} rows do not fit{end}", args.from.display(), rows + rejected);
        shown.iter().for_each(|r| eprintln!("  {r}"));
        if rejected > shown.len() as u64 {
            eprintln!("  ... and {} more", rejected - shown.len() as u64);
        }
        if refused {
            eprintln!(
                "correct them, read the column as another type (--schema 'column:text, *'), name what stands for NULL (--null TEXT), or go on without them (--bad-rows set-aside)"
            );
        }
    }
    Ok((rows, rejected))
}

/// Appends every chunk under its number, so that a second run finds its place; gives the file of rejected rows, if there are any.
fn append_all(
    mut file: EventFile,
    topic: &Topic,
    writer: &TopicWriter,
    producer: u64,
    rejected_path: PathBuf,
) -> Result<Option<PathBuf>, Failure> {
    let bar = progress::bar("importing", file.progress().1);
    let mut rejects: Option<BufWriter<File>> = None;
    let mut sequence = 0;
    while let Some(Chunk { batch, rejected }) = file.next_chunk()? {
        if !rejected.is_empty() {
            let write = |rejects: &mut BufWriter<File>| -> std::io::Result<()> {
                for row in &rejected {
                    serde_json::to_writer(&mut *rejects, row)?;
                    rejects.write_all(b"\n")?;
                }
                Ok(())
            };
            let made = match rejects.take() {
                Some(rejects) => Ok(rejects),
                None => File::create(&rejected_path).map(BufWriter::new),
            };
            let written = made.and_then(|mut r| write(&mut r).map(|()| r));
            rejects = Some(written.map_err(|e| Failure::of(format!("{}: {e}", rejected_path.display())))?);
        }
        for (partition, part) in split(topic, &batch, sequence)? {
            match writer.append_to(partition, &part, Some(ProducerSequence { producer, epoch: 0, sequence })) {
                // Lower than the last: an earlier run of this import appended it.
                Ok(_) | Err(LogError::StaleSequence { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        sequence += 1;
        bar.set_position(file.progress().0);
    }
    bar.finish_and_clear();
    match rejects {
        None => Ok(None),
        Some(mut rejects) => {
            rejects.flush().map_err(|e| Failure::of(format!("{}: {e}", rejected_path.display())))?;
            Ok(Some(rejected_path))
        }
    }
}

/// Each partition's rows. A topic that takes turns does so by chunk, so that a second run comes to the same parts.
fn split(topic: &Topic, batch: &arrow_array::RecordBatch, sequence: u64) -> Result<Vec<(PartitionId, arrow_array::RecordBatch)>, Failure> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    match topic.config().partition_by {
        PartitionBy::RoundRobin => Ok(vec![(PartitionId((sequence % topic.partitions() as u64) as u32), batch.clone())]),
        PartitionBy::Key(_) => Ok(topic.split(batch)?),
    }
}

/// The producer that a file is: the same for the same bytes, wherever they stand.
fn producer_of(path: &Path) -> Result<u64, Failure> {
    let io = |e| Failure::of(format!("{}: {e}", path.display()));
    let mut file = File::open(path).map_err(io)?;
    let mut buffer = vec![0; 1 << 18];
    let (mut crc, mut bytes) = (Crc32c::new(), 0_u64);
    loop {
        let read = file.read(&mut buffer).map_err(io)?;
        if read == 0 {
            return Ok(u64::from(crc.value()) << 32 | (bytes & 0xffff_ffff));
        }
        crc.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// Beside the data folder; where there is none, in the working folder.
fn rejected_path(place: &Address, file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    place.folder().and_then(Path::parent).unwrap_or(Path::new("")).join(format!("{name}.rejected.jsonl"))
}
