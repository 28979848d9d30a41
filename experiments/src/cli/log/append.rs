//! `twopath log append`: JSON Lines from standard input, as they come.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;
use twopath_log::{Address, TopicWriter};

use crate::cli::Failure;
use twopath_events::files::{CHUNK_ROWS, JsonRows, TimeUnitOfNumbers};

/// Lines wait for others at most this long.
const PAUSE: Duration = Duration::from_millis(20);

/// Appends JSON Lines from standard input as they come
///
/// One object a line, with the topic's columns as fields; a field that is missing is NULL. Lines that come close together are
/// appended together, and nothing waits longer than 20 ms. After each append the topic's new end is written to standard output: what
/// lies before it is acknowledged. A line that does not fit is reported with its number and left out, and the exit code is then 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  echo '{\"time\":\"2024-05-01T12:00:00Z\",\"user\":\"ann\"}' | twopath log append clicks
  tail -F clicks.jsonl | twopath log append clicks --quiet")]
pub(super) struct AppendArgs {
    topic: Option<String>,
    /// What numbers in timestamp columns count, since 1970
    #[arg(long, value_enum, value_name = "UNIT")]
    time_unit: Option<TimeUnitOfNumbers>,
    /// Do not write the topic's end after each append
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(place: &Address, args: &AppendArgs) -> Result<ExitCode, Failure> {
    let topic = place.topic(super::topic_name(place, args.topic.as_deref())?)?;
    let writer = topic.writer()?;
    if std::io::stdin().is_terminal() {
        eprintln!("type JSON objects, one a line; end with Ctrl-D");
    }
    let lines = read_lines();
    let mut rows = JsonRows::of_lines(topic.schema(), args.time_unit);
    let (mut appended, mut bad) = (0_u64, 0_u64);
    let mut open = true;
    while open {
        open = gather(&lines, &mut rows)?;
        let (batch, rejected) = rows.take();
        bad += rejected.len() as u64;
        rejected.iter().for_each(|r| eprintln!("{r}"));
        if batch.num_rows() > 0 {
            appended += batch.num_rows() as u64;
            acknowledge(&writer, &batch, args.quiet)?;
        }
    }
    writer.close()?;
    eprintln!(
        "{appended} events appended to '{}'{}",
        topic.name(),
        if bad > 0 { format!(", {bad} lines left out") } else { String::new() }
    );
    Ok(if bad > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn acknowledge(writer: &TopicWriter, batch: &arrow_array::RecordBatch, quiet: bool) -> Result<(), Failure> {
    let end = writer.append(batch)?;
    if !quiet {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{end}")?;
        out.flush()?;
    }
    Ok(())
}

/// Lines of standard input, read by a thread of their own, so that a pause in them is seen.
fn read_lines() -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(CHUNK_ROWS);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = input.read_until(b'\n', &mut line);
            let end = !matches!(read, Ok(n) if n > 0);
            if matches!(read, Ok(0)) || sender.send(read.map(|_| line)).is_err() || end {
                return;
            }
        }
    });
    receiver
}

/// Takes lines until there is a pause, or enough of them; false at the end of the input.
fn gather(lines: &Receiver<std::io::Result<Vec<u8>>>, rows: &mut JsonRows) -> Result<bool, Failure> {
    let Ok(first) = lines.recv() else { return Ok(false) };
    rows.push_line(&first?);
    let until = Instant::now() + PAUSE;
    for _ in 1..CHUNK_ROWS {
        if rows.is_large() {
            return Ok(true);
        }
        // An idle input is not waited for when it is the last line of a burst: the pause is short.
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => rows.push_line(&line?),
            Err(RecvTimeoutError::Timeout) => return Ok(true),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        };
    }
    Ok(true)
}
