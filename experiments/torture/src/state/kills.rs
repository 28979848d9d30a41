//! kill -9 of a process with a job that takes checkpoints, and its next start: with another number of workers, with the newest checkpoint damaged,
//! or while the one before was only stopped and goes on.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_base::sync::lock;
use twopath_log::{Durability, Log, Topic, TopicWriter};
use twopath_query::{Query, Value, parse};
use twopath_speed::{Backend, Checkpoints, Engine, LOCAL_MEMORY, Local, Logic, Remote, SpeedError, SpeedOptions, Standby, start};

use super::oracle::{Oracle, rows_of};
use crate::Item;
use crate::dice::Dice;
use crate::tally::Tally;
use crate::world::{TOPIC, config, events};

/// Of one item, on one topic.
const KILLS: u64 = 20;
const SQL: &str = "SELECT name, COUNT(*) AS n, SUM(id) AS s, MIN(id) AS least, COUNT(DISTINCT id % 7) AS d FROM t GROUP BY name";
/// Answers of one life that are held against the reference.
const ANSWERS: usize = 8;
const PARTITIONS: u32 = 3;
/// How often a checkpoint is taken, and a local state written.
const WRITE_EVERY: Duration = Duration::from_micros(700);
const CHECKPOINT: &str = "checkpoint";
const LOCAL: &str = "local";

/// One line of the process.
#[derive(Serialize, Deserialize)]
enum Said {
    /// Where it started from: a checkpoint's position, if there was one.
    Started(Option<Position>),
    /// What it published.
    Answer(Position, Vec<Vec<Value>>),
    /// Why it ends by itself.
    Fenced,
}

/// Where a job of the torture keeps its state: in checkpoints or a local index in this folder, or on a server, whose address `place` is then.
fn backend(dir: &Path, place: &str, log: &Log) -> Backend {
    match place {
        CHECKPOINT => Backend::Checkpoints(Checkpoints::every(WRITE_EVERY, &dir.join("state"))),
        LOCAL => Backend::Local(local(dir, log)),
        server => Backend::Remote(remote(dir, server)),
    }
}

fn local(dir: &Path, log: &Log) -> Local {
    let (log, changelog) = (log.clone(), "t.changelog".into());
    Local { dir: dir.join("state"), log, changelog, owns: true, memory: LOCAL_MEMORY, interval: WRITE_EVERY, taken: None }
}

fn remote(dir: &Path, server: &str) -> Remote {
    Remote { server: server.to_owned(), name: format!("torture:{}", dir.display()), owns: true }
}

/// Items take the places in turn; the server is one that a test or whoever runs the torture has started.
fn place(item: &Item<'_>) -> String {
    let mut places = vec![CHECKPOINT.to_owned(), LOCAL.to_owned()];
    places.extend(std::env::var("TWOPATH_TEST_REDIS").ok());
    places.swap_remove((item.number / super::ROUND) as usize % places.len())
}

/// A job over the topic in `dir` that tells of its views on standard output until it is killed: what the process does that the torture starts.
///
/// # Errors
/// The job does not start, or fails.
pub fn child(dir: &Path, workers: usize, place: &str, stands_by: bool) -> Result<(), SpeedError> {
    let log = Log::open(&dir.join("log"))?;
    let topic = log.topic(TOPIC)?;
    let query = Arc::new(parse(SQL, TOPIC, topic.schema()).expect("the query is ours"));
    let out = Arc::new(Mutex::new(()));
    // A killed process leaves a line cut: the parent takes whole ones.
    let say = move |said: &Said| {
        let _turn = lock(&out);
        let mut line = serde_json::to_string(said).expect("numbers and texts are JSON");
        line.push('\n');
        // Nobody listens to one that is to be killed.
        let _ = io::stdout().write_all(line.as_bytes());
    };
    let backend = match stands_by {
        true => Backend::Local(Standby::beside(&local(dir, &log), &query)?.wait(Duration::from_micros(500), |_| {})?),
        false => backend(dir, place, &log),
    };
    let options = SpeedOptions { workers, backend, ..SpeedOptions::default() };
    let publish = {
        let (query, say) = (Arc::clone(&query), say.clone());
        move |view: Arc<twopath_view::RealtimeView>| {
            if let Ok(rows) = rows_of(&query, &view) {
                say(&Said::Answer(view.position().clone(), rows));
            }
        }
    };
    let from = (0, Position::zero(topic.partitions()));
    let job = start(&topic, query, Logic::Sql, Engine::Timely, from, options, Arc::new(publish))?;
    say(&Said::Started(job.recovery().checkpoint.as_ref().map(|c| c.position().clone())));
    loop {
        std::thread::sleep(Duration::from_millis(1));
        match job.progress().failure {
            Some(SpeedError::Fenced { .. }) => {
                say(&Said::Fenced);
                return Ok(());
            }
            Some(failure) => return Err(failure),
            None => {}
        }
    }
}

pub fn run(item: &Item<'_>, tally: &Tally) {
    let mut dice = Dice::new(item.seed, item.number);
    let log = Log::open(&item.scratch.join("log")).expect("the scratch folder is ours");
    let topic = log.create_topic(config(PARTITIONS, Durability::None)).expect("no fault was asked for");
    let query = parse(SQL, TOPIC, topic.schema()).expect("the query is ours");
    let mut world = Stream { writer: topic.writer().expect("no fault was asked for"), next: 0 };
    let mut oracle = Oracle::new(&topic, &query);
    let kept = place(item);
    for kill in 0..KILLS {
        let after = Duration::from_micros(dice.below(20_000));
        let how = dice.below(8);
        let told = || format!("{kept}, kill {kill}, {after:?} after the start, way {how}");
        tally.check(item.number, told, || match how {
            // A local index is locked by the process that was taken for dead, and nobody can take it over.
            0 if kept != LOCAL => zombie(item, &topic, &mut world, &mut oracle, &mut dice),
            0 | 2 if kept == LOCAL => stood_by(item, &topic, &mut world, &mut oracle, &mut dice, after),
            1 if kept == LOCAL => {
                damage_index(&item.scratch.join("state"), &mut dice).map_err(|e| format!("the folder cannot be damaged: {e}"))?;
                one_life(item, &topic, &mut world, &mut oracle, &mut dice, after)
            }
            1 => {
                damage(&item.scratch.join("state"), &mut dice).map_err(|e| format!("the folder cannot be damaged: {e}"))?;
                one_life(item, &topic, &mut world, &mut oracle, &mut dice, after)
            }
            _ => one_life(item, &topic, &mut world, &mut oracle, &mut dice, after),
        });
    }
    // Left alone, it comes to the log's end.
    tally.check(item.number, || format!("{kept}, after all kills"), || left_alone(item, &log, &topic, &query, &mut oracle));
    if kept != CHECKPOINT && kept != LOCAL {
        tally.check(item.number, || "the server's state".into(), || remote(item.scratch, &kept).remove().map_err(|e| e.to_string()));
    }
}

/// What is appended: ids that count up.
struct Stream {
    writer: TopicWriter,
    next: i64,
}

impl Stream {
    fn append(&mut self, dice: &mut Dice) -> Result<(), String> {
        for _ in 0..1 + dice.below(5) {
            let more = 1 + dice.below(30) as i64;
            self.writer.append(&events((self.next..self.next + more).collect::<Vec<_>>().into_iter())).map_err(|e| e.to_string())?;
            self.next += more;
        }
        if dice.one_in(4) {
            self.writer.barrier().map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

fn spawn(item: &Item<'_>, dice: &mut Dice, stands_by: bool) -> Result<(Child, BufReader<ChildStdout>), String> {
    let workers = (1 + dice.below(3)).to_string();
    let mut command = Command::new(item.program);
    command.args(["torture", "--state-in"]).arg(item.scratch).args(["--workers", &workers, "--place", &place(item)]);
    command.args(stands_by.then_some("--stands-by"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("the process cannot be run: {e}"))?;
    let output = BufReader::new(child.stdout.take().ok_or("no output")?);
    Ok((child, output))
}

/// The first line, or what the process complains of.
fn started(child: &mut Child, output: &mut BufReader<ChildStdout>) -> Result<String, String> {
    let mut line = String::new();
    output.read_line(&mut line).map_err(|e| e.to_string())?;
    if !line.is_empty() {
        return Ok(line);
    }
    let mut why = String::new();
    let _ = child.stderr.take().ok_or("no errors")?.read_to_string(&mut why);
    Err(format!("the process did not start: {why}"))
}

/// One process: it starts while events come, and is killed.
fn one_life(
    item: &Item<'_>,
    topic: &Topic,
    stream: &mut Stream,
    oracle: &mut Oracle,
    dice: &mut Dice,
    after: Duration,
) -> Result<(), String> {
    let before = topic.end().map_err(|e| e.to_string())?;
    let (mut child, mut output) = spawn(item, dice, false)?;
    let first = started(&mut child, &mut output)?;
    let text = killed_while_events_come(child, listen(first, output), stream, dice, after)?;
    judge(&text, &before, oracle)
}

/// Appends while a process runs, kills it, and gives what it said.
fn killed_while_events_come(
    child: Child,
    said: Listening,
    stream: &mut Stream,
    dice: &mut Dice,
    after: Duration,
) -> Result<String, String> {
    stream.append(dice)?;
    std::thread::sleep(after / 2);
    stream.append(dice)?;
    crate::kill::killed(child, after / 2).map_err(|e| e.to_string())?;
    heard(said)
}

/// All that a process says, and will have said.
type Listening = JoinHandle<io::Result<String>>;

/// Takes what a process says, so that a full pipe does not make it wait.
fn listen(first: String, mut output: BufReader<ChildStdout>) -> Listening {
    std::thread::spawn(move || {
        let mut text = first;
        output.read_to_string(&mut text).map(|_| text)
    })
}

/// What it has said, once it has ended.
fn heard(listening: Listening) -> Result<String, String> {
    listening.join().map_err(|_| "the reader of what it says panicked".to_owned())?.map_err(|e| e.to_string())
}

/// A process that is killed while another stands by, which is killed too, once it has taken over or before.
fn stood_by(
    item: &Item<'_>,
    topic: &Topic,
    stream: &mut Stream,
    oracle: &mut Oracle,
    dice: &mut Dice,
    after: Duration,
) -> Result<(), String> {
    let before = topic.end().map_err(|e| e.to_string())?;
    let (mut owner, mut owners) = spawn(item, dice, false)?;
    let first = started(&mut owner, &mut owners)?;
    let (mut other, mut others) = spawn(item, dice, true)?;
    let text = killed_while_events_come(owner, listen(first, owners), stream, dice, after)?;
    let handed_over = topic.end().map_err(|e| e.to_string())?;
    if dice.one_in(4) {
        other.kill().and_then(|()| other.wait()).map_err(|e| e.to_string())?;
        return judge(&text, &before, oracle);
    }
    let first = started(&mut other, &mut others)?;
    let said = listen(first, others);
    stream.append(dice)?;
    crate::kill::killed(other, after).map_err(|e| e.to_string())?;
    judge(&text, &before, oracle)?;
    judge(&heard(said)?, &handed_over, oracle).map_err(|e| format!("who stood by: {e}"))
}

/// Holds what a process published against the reference. One that went on from a checkpoint publishes nothing before it has read what had been in
/// the log when it started.
fn judge(text: &str, before: &Position, oracle: &mut Oracle) -> Result<(), String> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let (mut answers, mut recovered) = (Vec::new(), false);
    for line in whole.lines() {
        match serde_json::from_str(line).map_err(|e| format!("it said '{line}': {e}"))? {
            Said::Started(checkpoint) => recovered = checkpoint.is_some(),
            Said::Answer(position, rows) => answers.push((position, rows)),
            Said::Fenced => return Err("it was fenced, and nobody took over".into()),
        }
    }
    if recovered && let Some((position, _)) = answers.first().filter(|(position, _)| !position.covers(before)) {
        return Err(format!("it published at {position}, and had not recovered up to {before}"));
    }
    // Without a checkpoint it reads the log from its start, and shows how it does.
    answers.retain(|(position, _)| oracle.can_check(position));
    let step = answers.len().div_ceil(ANSWERS).max(1);
    let mut sample: Vec<_> = answers.into_iter().rev().step_by(step).collect();
    sample.reverse();
    sample.into_iter().try_for_each(|(position, rows)| oracle.check(&position, &Ok(rows)))
}

/// One that was stopped and taken for dead; the next takes over, and it goes on: it commits nothing, and ends.
fn zombie(item: &Item<'_>, topic: &Topic, stream: &mut Stream, oracle: &mut Oracle, dice: &mut Dice) -> Result<(), String> {
    let (mut old, mut old_output) = spawn(item, dice, false)?;
    started(&mut old, &mut old_output)?;
    stream.append(dice)?;
    std::thread::sleep(Duration::from_micros(dice.below(4_000)));
    signal(&old, "-STOP")?;
    let before = topic.end().map_err(|e| e.to_string())?;
    let (mut new, mut new_output) = spawn(item, dice, false)?;
    // Where the old one holds the lock, it must go on for the new one to start; then the new one waits for it.
    std::thread::sleep(Duration::from_millis(2));
    signal(&old, "-CONT")?;
    let said = started(&mut new, &mut new_output);
    stream.append(dice)?;
    let mut old_text = String::new();
    let ended = std::thread::scope(|scope| {
        let reading = scope.spawn(|| old_output.read_to_string(&mut old_text).map(drop));
        let mut waited = 0;
        let ended = loop {
            match old.try_wait().map_err(|e| e.to_string())? {
                Some(_) => break true,
                // The log grows, so that it has something to commit.
                None if waited < 400 => stream.append(dice)?,
                None => break false,
            }
            waited += 1;
            std::thread::sleep(Duration::from_millis(5));
        };
        if !ended {
            let _ = old.kill();
        }
        reading.join().map_err(|_| "the reader of what it says panicked".to_owned())?.map_err(|e| e.to_string())?;
        Ok::<bool, String>(ended)
    })?;
    let listening = listen(said?, new_output);
    crate::kill::killed(new, Duration::from_millis(3)).map_err(|e| e.to_string())?;
    let text = heard(listening)?;
    let _ = old.wait();
    if !ended || !old_text.lines().any(|line| line.contains("Fenced")) {
        return Err("a process that another took over from goes on as if nothing had happened".into());
    }
    judge(&text, &before, oracle)
}

fn signal(child: &Child, signal: &str) -> Result<(), String> {
    let done = Command::new("kill").args([signal, &child.id().to_string()]).status();
    done.map_err(|e| e.to_string())
        .and_then(|status| if status.success() { Ok(()) } else { Err(format!("kill {signal} ended with {status}")) })
}

/// A bit of one of the newest checkpoint's files, or its end.
fn damage(dir: &Path, dice: &mut Dice) -> io::Result<()> {
    // The first process makes it.
    if !dir.exists() {
        return Ok(());
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("checkpoint-")));
    files.sort();
    let Some(newest) = files.pop() else { return Ok(()) };
    damage_file(&newest, dice)
}

/// All of a local index is gone, or a file of it is cut or has a changed bit.
fn damage_index(dir: &Path, dice: &mut Dice) -> io::Result<()> {
    let mut files = Vec::new();
    // That of who stood by, or the other one.
    let index = dir.join(if dice.one_in(2) { "index" } else { "index-2" });
    let mut dirs = vec![index.clone()];
    while let Some(dir) = dirs.pop().filter(|dir| dir.exists()) {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    if files.is_empty() || dice.one_in(3) {
        return if index.exists() { std::fs::remove_dir_all(index) } else { Ok(()) };
    }
    damage_file(&files[dice.below(files.len() as u64) as usize], dice)
}

/// A file that is not empty is cut, or has a changed bit.
fn damage_file(file: &Path, dice: &mut Dice) -> io::Result<()> {
    let mut bytes = std::fs::read(file)?;
    if !bytes.is_empty() {
        let at = dice.below(bytes.len() as u64) as usize;
        if dice.one_in(2) {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << dice.below(8);
        }
    }
    std::fs::write(file, bytes)
}

fn left_alone(item: &Item<'_>, log: &Log, topic: &Topic, query: &Query, oracle: &mut Oracle) -> Result<(), String> {
    let end = topic.end().map_err(|e| e.to_string())?;
    let options = SpeedOptions { backend: backend(item.scratch, &place(item), log), ..SpeedOptions::default() };
    let from = (0, Position::zero(topic.partitions()));
    let job =
        start(topic, Arc::new(query.clone()), Logic::Sql, Engine::Timely, from, options, Arc::new(|_| {})).map_err(|e| e.to_string())?;
    while job.view().position() != &end {
        job.progress().failure.map_or(Ok(()), |failure| Err(failure.to_string()))?;
        std::thread::sleep(Duration::from_micros(200));
    }
    oracle.check(&end, &rows_of(query, &job.view()))
}
