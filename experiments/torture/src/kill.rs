//! kill -9 of real processes, at any moment of their lives: appending, importing, and making topics of another: of its
//! rows, and of its groups.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use twopath_base::PartitionId;
use twopath_log::{Durability, Log, Topic};

use super::Item;
use super::dice::Dice;
use super::tally::Tally;
use super::world::{TOPIC, config, contents};

const P0: PartitionId = PartitionId(0);
/// Of one item, on one topic.
const KILLS: u64 = 25;
const IMPORTED: i64 = 60_000;

/// What a feed makes of the topic, and the topic that it makes.
struct Feed {
    sql: &'static str,
    output: &'static str,
    has_groups: bool,
    /// What is wrong with the first column of its output, where the topic has ids up to a number; and where all of them are through.
    wrong: fn(&[i64], i64, bool) -> Option<String>,
}

const ROWS: Feed = Feed { sql: "SELECT id, name FROM t WHERE id % 2 = 0", output: "fed", has_groups: false, wrong: wrong_rows };
/// Names are those of the ids' last digits: ten times how many there are, and the digit.
const GROUPS: Feed = Feed {
    sql: "SELECT COUNT(*) * 10 + MIN(id) AS counted, name FROM t GROUP BY name",
    output: "counted",
    has_groups: true,
    wrong: wrong_groups,
};

pub(super) fn items(long: bool) -> u64 {
    if long { 200 } else { 8 }
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    let mut dice = Dice::new(item.seed, item.number);
    let durability = dice.pick(&[Durability::None, Durability::Batch, Durability::Interval(Duration::from_millis(2))]);
    let log = Log::open(item.scratch).expect("the scratch folder is ours");
    log.create_topic(config(1, durability)).expect("no fault was asked for");
    let file = item.scratch.join("events.jsonl");
    std::fs::write(&file, lines(0..IMPORTED)).expect("the scratch folder is ours");
    let mut there = 0;
    for kill in 0..KILLS {
        let after = Duration::from_micros(500 + dice.below(30_000));
        let place = || format!("{durability:?}, kill {kill}, after {after:?}");
        tally.check(item.number, place, || match kill % 5 {
            2 => feed(item, &log, &GROUPS, there, after),
            3 => feed(item, &log, &ROWS, there, after),
            4 => import(item, &log, &file, &format!("i{kill}"), after),
            _ => append(item, &log, &mut there, after),
        });
    }
    for feed in [&ROWS, &GROUPS] {
        tally.check(item.number, || format!("the feed to '{}' after all kills", feed.output), || feed_ends(item, &log, feed, there));
    }
}

fn lines(ids: std::ops::Range<i64>) -> String {
    ids.map(|id| format!("{{\"id\":{id},\"name\":\"n{}\"}}\n", id % 10)).collect()
}

fn program(item: &Item<'_>, args: &[&str]) -> Command {
    let mut command = Command::new(item.program);
    command.arg("--dir").arg(item.scratch).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

pub(super) fn killed(mut child: Child, after: Duration) -> io::Result<()> {
    std::thread::sleep(after);
    child.kill()?;
    child.wait().map(drop)
}

/// Events go in as fast as they are taken, and the process dies; all that it acknowledged is there.
fn append(item: &Item<'_>, log: &Log, there: &mut i64, after: Duration) -> Result<(), String> {
    let io = |e: io::Error| format!("the process cannot be run: {e}");
    let mut child = program(item, &["log", "append", TOPIC]).spawn().map_err(io)?;
    let (mut input, output) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
    let first = *there;
    let acknowledged = std::thread::scope(|scope| {
        scope.spawn(move || {
            // Until the process is dead: then the pipe is closed.
            let mut id = first;
            while input.write_all(lines(id..id + 3).as_bytes()).is_ok() {
                id += 3;
            }
        });
        let acknowledged = scope.spawn(|| BufReader::new(output).split(b'\n').map_while(Result::ok).filter_map(|l| end(&l)).last());
        killed(child, after).map_err(io)?;
        acknowledged.join().map_err(|_| "the reader of acknowledgements panicked".to_owned())
    })?;
    let topic = log.topic(TOPIC).map_err(|e| e.to_string())?;
    let ids = recovered(&topic, P0)?;
    if !ids.iter().copied().eq(0..ids.len() as i64) {
        return Err("records are not there once, in order".into());
    }
    let acknowledged = acknowledged.unwrap_or(first);
    if (ids.len() as i64) < acknowledged.max(first) {
        return Err(format!("{} records are there, and {acknowledged} were acknowledged (before the run: {first})", ids.len()));
    }
    *there = ids.len() as i64;
    Ok(())
}

/// The end in a whole line of acknowledgement.
fn end(line: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(line).ok()?;
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// A topic is imported from a file, and the process dies: what is there of it is whole.
fn import(item: &Item<'_>, log: &Log, file: &Path, name: &str, after: Duration) -> Result<(), String> {
    let io = |e: io::Error| format!("the process cannot be run: {e}");
    let file = file.display().to_string();
    killed(program(item, &["log", "import", name, "--from", &file]).spawn().map_err(io)?, after).map_err(io)?;
    if !log.topics().map_err(|e| e.to_string())?.iter().any(|t| t == name) {
        return Ok(());
    }
    let topic = log.topic(name).map_err(|e| e.to_string())?;
    let ids = recovered(&topic, P0)?;
    let sent = ids.len() as i64 <= IMPORTED && ids.iter().copied().eq(0..ids.len() as i64);
    std::fs::remove_dir_all(log.dir().join(name)).map_err(io)?;
    if sent { Ok(()) } else { Err(format!("{} records of an import are not those of its file, in order", ids.len())) }
}

/// A feed follows the topic, and the process dies: nothing that it appended is wrong, or there twice.
fn feed(item: &Item<'_>, log: &Log, feed: &Feed, there: i64, after: Duration) -> Result<(), String> {
    let io = |e: io::Error| format!("the process cannot be run: {e}");
    let process = feed_run(item, feed).arg("--follow").spawn().map_err(io)?;
    // It has more to do than one that appends: it starts later, and syncs more.
    killed(process, after * 2).map_err(io)?;
    if !log.topics().map_err(|e| e.to_string())?.iter().any(|t| t == feed.output) {
        return Ok(());
    }
    fed(log, feed, there, false)
}

/// Of a feed with groups, each item keeps them in another place.
fn feed_run(item: &Item<'_>, feed: &Feed) -> Command {
    let mut command = program(item, &["feed", "run", TOPIC, feed.output, "--sql", feed.sql]);
    if feed.has_groups {
        let state = ["memory", "checkpoint", "local"][(item.number % 3) as usize];
        command.args(["--state", state, "--checkpoint-interval", "2ms"]);
    }
    command
}

fn fed(log: &Log, feed: &Feed, there: i64, all: bool) -> Result<(), String> {
    let values = recovered(&log.topic(feed.output).map_err(|e| e.to_string())?, P0)?;
    (feed.wrong)(&values, there, all).map_or(Ok(()), |what| Err(format!("in '{}': {what}", feed.output)))
}

/// Each row once, in order.
fn wrong_rows(ids: &[i64], there: i64, all: bool) -> Option<String> {
    let wanted = (0..there).step_by(2);
    let right = ids.iter().copied().eq(wanted.clone().take(ids.len())) && (!all || ids.len() == wanted.count());
    (!right).then(|| format!("its {} rows are not those of its input, each once and in order", ids.len()))
}

/// Each digit's count goes up from row to row, and ends where it should.
fn wrong_groups(rows: &[i64], there: i64, all: bool) -> Option<String> {
    let mut counts = [0; 10];
    for row in rows {
        let (count, digit) = (row / 10, (row % 10) as usize);
        if count <= counts[digit] {
            return Some(format!("of digit {digit}, {count} ids come after {}", counts[digit]));
        }
        counts[digit] = count;
    }
    let wanted = |digit: usize| (there + 9 - digit as i64) / 10;
    let right = |digit: &usize| if all { counts[*digit] == wanted(*digit) } else { counts[*digit] <= wanted(*digit) };
    let wrong = (0..10).find(|digit| !right(digit))?;
    Some(format!("of digit {wrong} there are {} ids, and it counts {}", wanted(wrong), counts[wrong]))
}

/// The feed, left alone, appends all that is missing.
fn feed_ends(item: &Item<'_>, log: &Log, feed: &Feed, there: i64) -> Result<(), String> {
    let ended = feed_run(item, feed).output();
    let ended = ended.map_err(|e| format!("the process cannot be run: {e}"))?;
    if !ended.status.success() {
        return Err(format!("the feed ends with {}", ended.status));
    }
    fed(log, feed, there, true)
}

/// What is there once a writer has mended it; it must be sound.
pub(super) fn recovered(topic: &Topic, p: PartitionId) -> Result<Vec<i64>, String> {
    let before = contents(topic, p).map_err(|e| format!("it cannot be read: {e}"))?.0;
    topic.writer().and_then(|w| w.close()).map_err(|e| format!("it cannot be written: {e}"))?;
    let report = topic.local().and_then(|topic| topic.verify()).map_err(|e| e.to_string())?;
    if let Some(problem) = report.problems.first() {
        return Err(problem.to_string());
    }
    let ids = contents(topic, p).map_err(|e| format!("it cannot be read: {e}"))?.0;
    if ids.starts_with(&before) { Ok(ids) } else { Err(format!("{} records were there, and {} are", before.len(), ids.len())) }
}
