//! kill -9 of a process that does little else than rolling segments: each append fills one, and barriers end them too.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use twopath_base::PartitionId;
use twopath_log::{Durability, Log, LogError, Topic, TopicConfig};

use super::Item;
use super::dice::Dice;
use super::kill::recovered;
use super::model::PARTITIONS;
use super::tally::Tally;
use super::world::{TOPIC, config, contents, events};

/// Of one item, on one topic.
const KILLS: u64 = 5;
/// In each append; an event's id is its offset.
const ROWS: usize = 2;
/// After so many rounds of appends comes a barrier.
const BARRIER_EVERY: u64 = 4;
/// A process that nobody kills ends by itself.
const ROUNDS_MAX: u64 = 10_000;

pub(super) fn items(long: bool) -> u64 {
    if long { 500 } else { 20 }
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    let mut dice = Dice::new(item.seed, item.number);
    let durability = dice.pick(&[Durability::None, Durability::Batch, Durability::Interval(Duration::from_millis(2))]);
    let log = Log::open(item.scratch).expect("the scratch folder is ours");
    let dir = item.scratch.join(TOPIC);
    // One frame fills a segment.
    let topic = log.create_topic(TopicConfig { segment_bytes: 1, ..config(PARTITIONS, durability) }).expect("no fault was asked for");
    let head_bytes = last_file_bytes(&dir, PartitionId(0)).expect("no fault was asked for");
    for kill in 0..KILLS {
        let after = Duration::from_micros(dice.below(3000));
        let place = || format!("{durability:?}, kill {kill}, {after:?} after the first append");
        tally.check(item.number, place, || {
            let promised = killed(item, after)?;
            let mut in_midst = false;
            for p in partitions() {
                // As it is between two appends, a partition ends with a head.
                in_midst |= last_file_bytes(&dir, p).map_err(|e| format!("its files cannot be listed: {e}"))? != head_bytes;
            }
            if in_midst {
                tally.hit();
            }
            check(&topic, &promised)
        });
    }
}

/// What the process says after each round: how many records of each partition, and how many barriers, are in the log.
struct Said {
    ends: Vec<usize>,
    barriers: usize,
}

impl Said {
    /// Of a whole line.
    fn parse(line: &str) -> Option<Said> {
        let mut ends = line.split(' ').map(|n| n.parse().ok()).collect::<Option<Vec<usize>>>()?;
        let barriers = ends.pop()?;
        (ends.len() == PARTITIONS as usize).then_some(Said { ends, barriers })
    }
}

fn partitions() -> impl Iterator<Item = PartitionId> {
    (0..PARTITIONS).map(PartitionId)
}

/// Appends to the topic in `dir`, and tells of it on standard output, until it is killed: what the process does that the torture starts.
///
/// # Errors
/// The log fails, or nobody listens.
pub fn child(dir: &Path) -> Result<(), LogError> {
    let topic = Log::open(dir)?.topic(TOPIC)?;
    let writer = topic.writer()?;
    let mut out = io::stdout().lock();
    let mut said = Said { ends: topic.end()?.offsets().iter().map(|o| o.0 as usize).collect(), barriers: topic.barriers()?.len() };
    for round in 1..=ROUNDS_MAX {
        for p in partitions() {
            let end = &mut said.ends[p.index()];
            writer.append_to(p, &events((*end..*end + ROWS).map(|id| id as i64)), None)?;
            *end += ROWS;
        }
        if round % BARRIER_EVERY == 0 {
            writer.barrier()?;
            said.barriers += 1;
        }
        let ends: String = said.ends.iter().map(|end| format!("{end} ")).collect();
        let told = writeln!(out, "{ends}{}", said.barriers).and_then(|()| out.flush());
        told.map_err(|source| LogError::Io { action: "tell of an append on", path: "standard output".into(), source })?;
    }
    writer.close()
}

/// Kills one such process so long after it has first told of something, and gives the last that it told of.
fn killed(item: &Item<'_>, after: Duration) -> Result<Said, String> {
    let io = |e: io::Error| format!("the process cannot be run: {e}");
    let mut command = Command::new(item.program);
    command.args(["torture", "--roll-in"]).arg(item.scratch).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(io)?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut errors = child.stderr.take().ok_or("no errors")?;
    let mut text = String::new();
    output.read_line(&mut text).map_err(io)?;
    let text = std::thread::scope(|scope| {
        // So that a full pipe does not make it wait.
        let rest = scope.spawn(move || output.read_to_string(&mut text).map(|_| text));
        super::kill::killed(child, after).map_err(io)?;
        rest.join().map_err(|_| "the reader of what it says panicked".to_owned())?.map_err(io)
    })?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().last().and_then(Said::parse).ok_or_else(|| {
        let mut why = String::new();
        let _ = errors.read_to_string(&mut why);
        format!("the process has said nothing of an append: {text}{why}")
    })
}

/// Bytes of the newest segment file of a topic's partition, whatever is in it.
fn last_file_bytes(topic: &Path, p: PartitionId) -> io::Result<u64> {
    let files = std::fs::read_dir(topic.join(format!("p{p}")))?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    let newest = files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "arrow")).max();
    newest.map_or(Err(io::ErrorKind::NotFound.into()), |path| Ok(path.metadata()?.len()))
}

/// All that it told of is there, once and in order, and at most one round more.
fn check(topic: &Topic, promised: &Said) -> Result<(), String> {
    for p in partitions() {
        let ids = recovered(topic, p)?;
        let end = promised.ends[p.index()];
        if !ids.iter().copied().eq(0..ids.len() as i64) {
            return Err(format!("records of partition {p} are not there once, in order"));
        }
        if !(end..=end + ROWS).contains(&ids.len()) {
            return Err(format!("{} records are in partition {p}, and {end} were acknowledged", ids.len()));
        }
        let barriers = contents(topic, p).map_err(|e| format!("it cannot be read: {e}"))?.1;
        if !(promised.barriers..=promised.barriers + 1).contains(&barriers) {
            return Err(format!("partition {p} has {barriers} barriers, and {} were acknowledged", promised.barriers));
        }
    }
    Ok(())
}
