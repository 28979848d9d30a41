//! One index, kept in one way, while documents change and searches are asked, each on schedule.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use twopath_base::meters::{process_cpu_ns, thread_cpu_ns};
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId};
use twopath_log::{Entry, Log, Start, Topic, TopicWriter};

use super::age::{Published, Schedule, TICK_US};
use super::documents::{Change, Documents, changes};
use super::inverted::{Inverted, Snapshot};
use super::truth::Found;
use crate::scenarios::{Lab, ScenarioError};

const P0: PartitionId = PartitionId(0);
/// Rows of a frame of the history.
const ROWS: u64 = 256;
/// How long somebody waits who is told that there is something.
const PATIENCE: Duration = Duration::from_millis(50);

/// How the index is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// Each change goes into the index as it comes; what came together is published together, and so often at most.
    PerChange(Duration),
    /// A new index of the whole log, begun at each multiple of so long after the start; where that is nothing, whenever the last is done.
    Rebuilt(Duration),
}

/// How much happens, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) documents: Documents,
    pub(super) schedule: Schedule,
    pub(super) duration: Duration,
    /// Between two searches.
    pub(super) search_every: Duration,
}

/// A search, and what it found.
pub(super) struct Asked {
    pub(super) at_us: i64,
    pub(super) term: String,
    /// Of the index that was asked.
    pub(super) position: u64,
    pub(super) found: Vec<Found>,
}

/// What was seen of an index.
pub(super) struct Seen {
    pub(super) published: Vec<Published>,
    pub(super) asked: Vec<Asked>,
    /// As it was in the end.
    pub(super) last: Snapshot,
    /// Changes that came while it was watched, and what they cost: CPU, documents put in, bytes written.
    pub(super) changes: u64,
    pub(super) cpu_s: f64,
    pub(super) indexed: u64,
    pub(super) written: u64,
}

/// What the index is seen by, and when it changed.
struct Window {
    current: Mutex<(Snapshot, Vec<Published>)>,
    start: Instant,
}

impl Window {
    fn publish(&self, snapshot: Snapshot) {
        let mut current = lock(&self.current);
        current.1.push(Published { at_us: self.now_us(), position: snapshot.position });
        current.0 = snapshot;
    }

    fn now_us(&self) -> i64 {
        self.start.elapsed().as_micros() as i64
    }
}

/// Runs it until everything that was appended can be found. Gives the topic as well, for the truth.
///
/// # Errors
/// It was stopped, or the log or the index fails.
pub(super) fn watch(lab: &Lab, keeping: Keeping, load: Load, topic: &Topic) -> Result<Seen, ScenarioError> {
    let writer = topic.writer()?;
    let mut next = 0;
    while next < load.schedule.history {
        let rows = ROWS.min(load.schedule.history - next);
        writer.append_to(P0, &load.documents.batch(next, rows), None)?;
        next += rows;
    }
    let written = Arc::new(AtomicU64::new(0));
    let (mut index, first) = rebuild(topic, load.schedule.history, &written)?;
    let (before, wrote) = (index.indexed, written.load(Ordering::Relaxed));
    let already = Published { at_us: i64::MIN, position: first.position };
    let window = Window { current: Mutex::new((first, vec![already])), start: Instant::now() };
    // How many there will have been, once that is known.
    let end = AtomicU64::new(u64::MAX);
    let done = AtomicBool::new(false);
    let cpu = process_cpu_ns();
    let outcome = thread::scope(|scope| -> Result<_, ScenarioError> {
        let searcher = scope.spawn(|| search(&window, load, &done));
        let keeper = scope.spawn(|| {
            let kept = match keeping {
                Keeping::PerChange(every) => keep(topic, &mut index, every, &window, &end).map(|()| index.indexed - before),
                Keeping::Rebuilt(every) => renew(topic, every, &written, &window, &end),
            };
            done.store(true, Ordering::SeqCst);
            kept
        });
        let own = thread_cpu_ns();
        let produced = produce(lab, &writer, load, window.start);
        end.store(*produced.as_ref().unwrap_or(&load.schedule.history), Ordering::SeqCst);
        topic.tail()?.wake();
        let own = thread_cpu_ns() - own;
        let kept = keeper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let searched = searcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (asked, others) = searched?;
        Ok((produced?, kept?, asked, own + others))
    });
    let (end, indexed, asked, others) = outcome?;
    index.close()?;
    let cpu_ns = (process_cpu_ns() - cpu).saturating_sub(others);
    writer.close()?;
    let (last, published) = window.current.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let written = written.load(Ordering::Relaxed) - wrote;
    Ok(Seen { published, asked, last, changes: end - load.schedule.history, cpu_s: cpu_ns as f64 / 1e9, indexed, written })
}

/// Appends a frame at each of its moments, or as soon as it can. Gives the log's end.
fn produce(lab: &Lab, writer: &TopicWriter, load: Load, start: Instant) -> Result<u64, ScenarioError> {
    let Schedule { history, per_tick } = load.schedule;
    let frames = (load.duration.as_micros() as i64 / TICK_US) as u64;
    for frame in 0..frames {
        lab.go_on()?;
        let batch = load.documents.batch(history + frame * per_tick, per_tick);
        let due = start + Duration::from_micros(frame * TICK_US as u64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        writer.append_to(P0, &batch, None)?;
    }
    Ok(history + frames * per_tick)
}

/// Follows the log, and puts each change into the index.
fn keep(topic: &Topic, index: &mut Inverted, every: Duration, window: &Window, end: &AtomicU64) -> Result<(), ScenarioError> {
    let tail = topic.tail()?;
    let mut published = lock(&window.current).0.position;
    let (mut position, mut last) = (published, window.start);
    let mut reader = topic.reader(P0, Start::Offset(Offset(position)), None)?;
    while published < end.load(Ordering::SeqCst) {
        let seen = tail.sequence();
        while let Some(entry) = reader.next()? {
            let Entry::Records(records) = entry else { continue };
            changes(&records).try_for_each(|(offset, change)| index.apply(offset, &change))?;
            position = records.end.0;
        }
        match every.saturating_sub(last.elapsed()) {
            Duration::ZERO if position > published => {
                last = Instant::now();
                window.publish(index.publish(position)?);
                published = position;
            }
            Duration::ZERO => tail.wait(seen, PATIENCE),
            left => tail.wait(seen, left.min(PATIENCE)),
        }
    }
    Ok(())
}

/// Makes a new index at each multiple of an interval. Gives how many documents were put into all of them.
fn renew(topic: &Topic, every: Duration, written: &Arc<AtomicU64>, window: &Window, end: &AtomicU64) -> Result<u64, ScenarioError> {
    let (mut position, mut indexed) = (lock(&window.current).0.position, 0);
    let tail = topic.tail()?;
    loop {
        let due = next_multiple(every, window.start.elapsed());
        loop {
            if position >= end.load(Ordering::SeqCst) {
                return Ok(indexed);
            }
            match due.saturating_sub(window.start.elapsed()) {
                Duration::ZERO => break,
                wait => thread::sleep(wait.min(PATIENCE)),
            }
        }
        let seen = tail.sequence();
        let to = topic.end()?.get(P0).0;
        if to == position {
            tail.wait(seen, PATIENCE);
            continue;
        }
        let (index, snapshot) = rebuild(topic, to, written)?;
        position = to;
        indexed += index.indexed;
        window.publish(snapshot);
        index.close()?;
    }
}

/// The first multiple of an interval after a time; the time itself, where there is no interval.
fn next_multiple(every: Duration, after: Duration) -> Duration {
    let turns = after.as_nanos().checked_div(every.as_nanos());
    turns.map_or(after, |turns| every * (turns as u32 + 1))
}

/// An index of the whole log up to a position: first what each document is there, then an index of these.
fn rebuild(topic: &Topic, to: u64, written: &Arc<AtomicU64>) -> Result<(Inverted, Snapshot), ScenarioError> {
    let mut newest: HashMap<u64, (u64, Change)> = HashMap::new();
    for records in topic.range(P0, Offset(0), Offset(to), None)? {
        newest.extend(changes(&records?).map(|(offset, change)| (change.id, (offset, change))));
    }
    let mut index = Inverted::new(written.clone())?;
    for (id, (version, change)) in newest {
        if let Some(body) = &change.body {
            index.add(Found { id, version }, body)?;
        }
    }
    let snapshot = index.publish(to)?;
    Ok((index, snapshot))
}

/// Asks on schedule until the index is done. Gives what was found, and the CPU that asking took.
fn search(window: &Window, load: Load, done: &AtomicBool) -> Result<(Vec<Asked>, u64), ScenarioError> {
    let (mut asked, mut number) = (vec![], 0);
    while !done.load(Ordering::SeqCst) {
        let due = window.start + load.search_every * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let term = load.documents.term(number.into());
        let (snapshot, at_us) = {
            let current = lock(&window.current);
            (current.0.clone(), window.now_us())
        };
        asked.push(Asked { at_us, found: snapshot.search(&term)?, term, position: snapshot.position });
        number += 1;
    }
    Ok((asked, thread_cpu_ns()))
}

/// A topic of documents in a folder.
pub(super) fn topic(dir: &std::path::Path) -> Result<Topic, ScenarioError> {
    Ok(Log::open(dir)?.create_topic(Documents::topic())?)
}
