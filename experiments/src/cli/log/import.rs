//! `twopath log import`: the events of files into a topic, once.

mod advice;
mod history;
mod paths;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arrow_array::RecordBatch;
use clap::{Args, ValueEnum};
use twopath_base::PartitionId;
use twopath_events::files::{Chunk, EventFile, FileError, FileFormat, FilePart, Input, ReadArgs, ReadOptions, Rejected, format_of};
use twopath_log::{Address, Durability, LogError, PartitionBy, ProducerSequence, Topic, TopicWriter};

use self::history::{Import, ImportHistory, ImportPlan, Overlap, plan};
use super::TopicArgs;
use crate::cli::{Failure, progress};

/// Of rows that do not fit, so many are shown.
const SHOWN: usize = 10;

/// Rows that were checked are kept to be appended, up to so many bytes; the others are read a second time.
const KEPT_BYTES: usize = 512 << 20;

/// Imports Parquet, CSV, JSON and Arrow files
///
/// The topic is made if it does not exist, with the first file's columns. A row that does not fit (a cell of another type, no event
/// time) makes the import stop before anything is appended, unless --bad-rows says otherwise. Files may be compressed (.gz, .zst), and
/// `--from -` reads a pipe.
///
/// The same command can be given again, also after it was killed: what the topic has is not appended a second time. Of a file that has
/// grown, what is new is imported; one that has changed otherwise, and bytes that the topic has from another file or read with other
/// options, are refused.
///
/// With --again or --rest one says what is meant then: all rows once more, or what follows those that the topic has.
///
/// Types of CSV and JSON files are found from their first 10,000 rows: bool, int, float, timestamp (ISO 8601 and what programs' logs
/// write; UTC where no zone is given), text. A column of which nearly all values are of one type has that type, and the others do not
/// fit. Numbers that would lose digits do not fit either; times go to the microsecond, and what is finer is cut off. Empty CSV cells
/// are NULL, and "" is the empty text. 0517 is the number 517; give --schema 'code:text, *' to keep it as a text.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log import flights --from flights.parquet --time-column sched_dep --key tailnum --partitions 2
  twopath log import clicks --from clicks.csv --time-column time --schema 'zip:text, *' --null NA
  twopath log import clicks --from clicks.jsonl --time-column ts --time-unit ms --bad-rows set-aside
  twopath log import clicks --from 'clicks-2024-*.csv.gz' --time-column day --time-format '%d/%m/%Y'
  zcat clicks.jsonl.gz | twopath log import clicks --from - --schema 'ts:timestamp, user.id:int' --time-column ts
  twopath log import planes --from db.jsonl --envelope debezium --key id --time-column __ts_ms
  twopath log import --log kafka://localhost:9092/clicks --from clicks.csv --time-column time")]
pub(super) struct ImportArgs {
    /// The topic that the events go into
    topic: Option<String>,
    /// The files, one after the other; * and ? stand for characters of their names, and - is standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    from: Vec<PathBuf>,
    /// The event-time column: a timestamp in every row
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    #[command(flatten)]
    read: ReadArgs,
    /// What happens to rows that do not fit
    #[arg(long, value_enum, default_value = "refuse")]
    bad_rows: BadRows,
    /// Import all rows once more, though the topic has these bytes, or has some of the file's and the file has changed
    #[arg(long)]
    again: bool,
    /// Import only what follows the rows that the topic has from a file of another name, or from a pipe
    #[arg(long, conflicts_with = "again")]
    rest: bool,
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

/// A part of a file that is to be imported, and what the check of it found.
struct Piece<'a> {
    input: &'a Input,
    part: FilePart,
    import: Import,
    rows: u64,
    rejected: u64,
    /// The first chunks; none is left out between them.
    kept: Vec<Chunk>,
    /// Whether these are all.
    is_all_kept: bool,
}

pub(super) fn run(place: &Address, args: &ImportArgs) -> Result<ExitCode, Failure> {
    if args.topic.is_none() && place.named_topic().is_none() && args.from.len() > 1 {
        return Err(Failure::usage("which topic? give its name before --from"));
    }
    let name = super::topic_name(place, args.topic.as_deref())?;
    let existing = place.find(name)?;
    let time_column = time_column(args, existing.as_ref())?;
    let paths = paths::expand(&args.from)?;
    if paths.iter().filter(|p| *p == Path::new("-")).count() > 1 {
        return Err(Failure::usage("standard input (-) can be read once"));
    }
    let mut options = args.read.options(time_column.as_deref()).map_err(schema_failure)?;
    options.target = existing.as_ref().map(|t| t.schema().clone());
    options.key = match existing.as_ref().map(|t| &t.config().partition_by) {
        Some(PartitionBy::Key(key)) => Some(key.clone()),
        Some(PartitionBy::RoundRobin) => None,
        None => args.new.key.clone(),
    };
    let written = args.read.text().map_err(schema_failure)?;
    let mut seen = Vec::new();
    let inputs = paths.iter().filter(|path| {
        let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let is_new = !seen.contains(&place);
        seen.push(place);
        is_new
    });
    let inputs = inputs.map(|path| Input::open(path)).collect::<Result<Vec<_>, _>>()?;
    check_csv_options(&inputs, &options, &args.read)?;
    let mut history = existing.as_ref().map(ImportHistory::of).transpose()?.unwrap_or_default();
    let mut pieces = pieces(name, existing.is_some(), &history, &inputs, &written, args)?;
    if let Some(topic) = &existing {
        args.new.check(topic.config())?;
    }
    if pieces.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let schema = check(&mut pieces, &mut options, existing.is_some().then_some(name), args)?;
    let rejected: u64 = pieces.iter().map(|p| p.rejected).sum();
    if rejected > 0 && args.bad_rows == BadRows::Refuse {
        return Ok(ExitCode::FAILURE);
    }
    let topic = match existing {
        Some(topic) => topic,
        None => place.create_topic(args.new.config(name, schema, time_column.as_deref()))?,
    };
    let writer = topic.writer()?;
    // Another import may have ended between the look at what is there and the lock.
    let now = ImportHistory::of(&topic)?;
    if !history.is_kept() {
        history = now;
    } else if history != now {
        return Err(Failure::of(format!("another import into '{name}' has ended meanwhile; give the command again")));
    }
    let count = pieces.len();
    let mut rows_before = None;
    for piece in pieces {
        let file = piece.input.name().display().to_string();
        let (rows, rejected, from) = (piece.rows, piece.rejected, piece.part.from);
        let before = topic.end()?;
        let (done, set_aside) = append(piece, rows_before, &options, &topic, &writer, place, &mut history)?;
        rows_before = Some(done);
        let end = topic.end()?;
        let appended = end.records_since(&before);
        let file_is = if count > 1 { format!("{file}: ") } else { String::new() };
        match rows - appended {
            0 if rows == 0 => eprintln!("{file}: no rows to import"),
            0 if from > 0 => {
                eprintln!("{file_is}{appended} events, by which the file has grown, imported into '{name}', which now ends at {end}")
            }
            0 => eprintln!("{file_is}{appended} events imported into '{name}', which now ends at {end}"),
            all if all == rows => eprintln!("already imported: all {rows} events of {file} are in '{name}'"),
            there => eprintln!(
                "{file_is}{appended} events imported into '{name}', where {there} of this file were already; it now ends at {end}"
            ),
        }
        if let Some(path) = set_aside {
            eprintln!("{rejected} rows set aside in {}", path.display());
        }
    }
    // So that all of its events are standard Arrow files, for everyone.
    writer.seal()?;
    writer.close()?;
    Ok(ExitCode::SUCCESS)
}

/// A schema that cannot be read is a mistake in the command; a file that is not there is not.
fn schema_failure(error: FileError) -> Failure {
    match error {
        FileError::SchemaText { .. } => Failure::usage(error),
        other => Failure::from(other),
    }
}

/// An option of CSV has no effect on other files, which a user should know.
fn check_csv_options(inputs: &[Input], options: &ReadOptions, args: &ReadArgs) -> Result<(), Failure> {
    let Some(option) = args.of_csv() else { return Ok(()) };
    for input in inputs {
        if format_of(input, options)? == FileFormat::Csv {
            return Ok(());
        }
    }
    let files = if inputs.len() == 1 { format!("{} is none", inputs[0].name().display()) } else { "these files are none".into() };
    Err(Failure::usage(format!("{option} is for CSV, and {files}; leave it out")))
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

/// What is to be imported of all files, each as if those before it had been imported; says of which nothing is.
fn pieces<'a>(
    topic: &str,
    exists: bool,
    history: &ImportHistory,
    inputs: &'a [Input],
    written: &str,
    args: &ImportArgs,
) -> Result<Vec<Piece<'a>>, Failure> {
    let overlap = match (args.again, args.rest) {
        (true, _) => Overlap::Again,
        (_, true) => Overlap::Rest,
        _ => Overlap::Refuse,
    };
    if exists && !history.is_kept() && overlap != Overlap::Refuse {
        let message = "--again and --rest are for a topic in a folder: of one in a Kafka cluster it is not kept what was imported";
        return Err(Failure::usage(message));
    }
    let mut history = history.clone();
    let mut pieces = Vec::new();
    for input in inputs {
        match plan(&history, topic, input, written, overlap)? {
            ImportPlan::Nothing { rows } => eprintln!("already imported: all {rows} events of {} are in '{topic}'", input.name().display()),
            ImportPlan::Import(parts) => {
                for (part, import) in parts {
                    // Its rows are not counted yet; that there are some is enough for the plan of the next file.
                    history.note(Import { is_done: true, rows: import.rows.max(1), ..import.clone() });
                    pieces.push(Piece { input, part, import, rows: 0, rejected: 0, kept: Vec::new(), is_all_kept: true });
                }
            }
        }
    }
    Ok(pieces)
}

/// Reads all files to their ends, counts the rows that fit and those that do not, and shows the first of these. Gives the topic's schema, which
/// the first file makes where there is none; `topic` is the name of one that exists.
fn check(
    pieces: &mut [Piece<'_>],
    options: &mut ReadOptions,
    topic: Option<&str>,
    args: &ImportArgs,
) -> Result<arrow_schema::SchemaRef, Failure> {
    let mut kept_bytes = 0;
    for piece in pieces.iter_mut() {
        let mut file = EventFile::of(piece.input, options, piece.part)?;
        file.notes().iter().for_each(|note| eprintln!("{}: {note}", piece.input.name().display()));
        options.target.get_or_insert_with(|| file.schema().clone());
        let bar = progress::bar("checking ", file.progress().1);
        let mut shown: Vec<Rejected> = Vec::new();
        while let Some(chunk) = file.next_chunk()? {
            piece.rows += chunk.batch.num_rows() as u64;
            piece.rejected += chunk.rejected.len() as u64;
            shown.extend(chunk.rejected.iter().take(SHOWN - shown.len()).cloned());
            kept_bytes += chunk.batch.get_array_memory_size();
            if kept_bytes <= KEPT_BYTES && piece.is_all_kept {
                piece.kept.push(chunk);
            } else {
                piece.is_all_kept = false;
            }
            bar.set_position(file.progress().0);
        }
        bar.finish_and_clear();
        if piece.rejected > 0 {
            show_rejected(piece, &shown, args.bad_rows == BadRows::Refuse);
            if args.bad_rows == BadRows::Refuse {
                eprintln!("{}", advice::advice(&shown, &file, options, topic));
            }
        }
    }
    options.target.clone().ok_or_else(|| Failure::of("no file to import"))
}

fn show_rejected(piece: &Piece<'_>, shown: &[Rejected], is_refused: bool) {
    let end = if is_refused { "; nothing was imported" } else { "" };
    eprintln!("{}: {} of {} rows do not fit{end}", piece.input.name().display(), piece.rejected, piece.rows + piece.rejected);
    shown.iter().for_each(|r| eprintln!("  {r}"));
    if piece.rejected > shown.len() as u64 {
        eprintln!("  ... and {} more", piece.rejected - shown.len() as u64);
    }
}

/// Appends every chunk under its number, so that a second run finds its place; gives the rows of the file that are there now, and the file of
/// rejected rows, if there are any.
fn append(
    piece: Piece<'_>,
    rows_before: Option<u64>,
    options: &ReadOptions,
    topic: &Topic,
    writer: &TopicWriter,
    place: &Address,
    history: &mut ImportHistory,
) -> Result<(u64, Option<PathBuf>), Failure> {
    let mut import = piece.import;
    let is_durable = topic.config().durability != Durability::None;
    if import.from > 0 && import.rows == 0 {
        // The part before it was imported just now.
        import.rows = rows_before.unwrap_or(0);
    }
    let earlier = import.rows;
    // A second run of the same import writes the same rows into the same file.
    let mut rejects = match (&import.set_aside, piece.rejected) {
        (_, 0) => None,
        (Some(path), _) => Some((path.clone(), File::create(path).map_err(|e| file_failure(path, &e))?)),
        (None, _) => Some(new_rejected(place, piece.input)?),
    };
    import.set_aside = rejects.as_ref().map(|(path, _)| path.clone());
    history.write(&import, is_durable)?;
    let bar = progress::bar("importing", piece.rows);
    let mut sequence = 0;
    let mut one = |Chunk { batch, rejected }: Chunk| -> Result<(), Failure> {
        if let Some((path, file)) = rejects.as_mut().filter(|_| !rejected.is_empty()) {
            write_rejected(file, &rejected).map_err(|e| file_failure(path, &e))?;
        }
        for (partition, part) in split(topic, &batch, sequence)? {
            match writer.append_to(partition, &part, Some(ProducerSequence { producer: import.producer(), epoch: 0, sequence })) {
                // Lower than the last: an earlier run of this import appended it.
                Ok(_) | Err(LogError::StaleSequence { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        sequence += 1;
        bar.inc(batch.num_rows() as u64);
        Ok(())
    };
    let kept = piece.kept.len();
    for chunk in piece.kept {
        one(chunk)?;
    }
    if !piece.is_all_kept {
        let mut file = EventFile::of(piece.input, options, piece.part)?;
        let mut number = 0;
        while let Some(chunk) = file.next_chunk()? {
            number += 1;
            if number > kept {
                one(chunk)?;
            }
        }
    }
    bar.finish_and_clear();
    let rows = earlier + piece.rows;
    if piece.rows > 0 {
        writer.sync()?;
    }
    let set_aside = import.set_aside.clone();
    history.write(&Import { is_done: true, rows, ..import }, is_durable)?;
    Ok((rows, set_aside))
}

fn write_rejected(file: &mut File, rejected: &[Rejected]) -> std::io::Result<()> {
    let mut out = BufWriter::new(file);
    for row in rejected {
        serde_json::to_writer(&mut out, row)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Each partition's rows. A topic that takes turns does so by chunk, so that a second run comes to the same parts.
fn split(topic: &Topic, batch: &RecordBatch, sequence: u64) -> Result<Vec<(PartitionId, RecordBatch)>, Failure> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    match topic.config().partition_by {
        PartitionBy::RoundRobin => Ok(vec![(PartitionId((sequence % topic.partitions() as u64) as u32), batch.clone())]),
        PartitionBy::Key(_) => Ok(topic.split(batch)?),
    }
}

fn file_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::of(format!("{}: {error}", path.display()))
}

/// A new file beside the data folder (where there is none, in the working folder), called after the events' file: none is written over.
fn new_rejected(place: &Address, input: &Input) -> Result<(PathBuf, File), Failure> {
    let name = input.path().and_then(Path::file_name).map_or("standard-input".into(), |name| name.to_string_lossy());
    let folder = place.folder().and_then(Path::parent).unwrap_or(Path::new(""));
    let mut number = 1;
    loop {
        let counted = if number == 1 { String::new() } else { format!(".{number}") };
        let path = folder.join(format!("{name}.rejected{counted}.jsonl"));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(file_failure(&path, &e)),
        }
    }
}
