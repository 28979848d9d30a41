//! `isolation`: one slow or dead consumer, with and without the log between. Chains and fan-outs of three stages: where stages hand on to each
//! other directly, over a queue that has an end, whoever is slow holds up whoever is before it; with the log between, nobody waits.
//!
//! ```text
//! chain    producer ─→ 1 ─→ 2 ─→ 3 (in trouble)
//! fan-out  producer ─┬→ 1
//!                    ├→ 2
//!                    └→ 3 (in trouble)
//! ```
//!
//! And a consumer that was away for an hour of log comes back, while the producer and another consumer go on.
//!
//! It grows out of [`super::backpressure`], which has the three things that can be done at one edge.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use hdrhistogram::Histogram;
use twopath_base::PartitionId;
use twopath_events::workloads::Pageviews;
use twopath_log::{Durability, Entry, Log, PartitionBy, PartitionReader, Start, Topic, TopicConfig, TopicWriter};
use twopath_results::scenario::{Cell, Figure, Table, Verdict};

use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "isolation",
    asks: "One slow or dead consumer, with and without the log between: who else feels it?",
    says: "The log is a buffer that lets a process be slow, fail or be away without slowing down the rest of the graph.",
    source: "J. Kreps, The Log (2013), on the log as a buffer between the stages of a data flow",
    confirmed_by: "with the log between, the producer hands on at least 99 of 100 frames within 100 ms of their moment in every case; directly, it does not in any \
                   case of trouble",
    repeats: (3, 1),
    run,
};

/// Between two frames of the producer.
const TICK: Duration = Duration::from_millis(5);
/// Frames that may wait between two stages that hand on directly.
const QUEUE: usize = 32;
const STAGES: usize = 3;
/// A producer that hands a frame on so long after its moment is in time: a hiccup of the machine is shorter, a full queue is not.
const TIMELY: Duration = Duration::from_millis(100);
/// In time, the producer appends at least this share of what it should.
const IN_TIME: f64 = 0.99;
const P0: PartitionId = PartitionId(0);
const LATE_US_MAX: u64 = 3_600_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Chain,
    FanOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Queue,
    Log,
}

/// What is the matter with the last stage.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    None,
    /// It takes so many times as long as the producer for a frame.
    Slow(f64),
    /// It does nothing for so long, and then goes on as fast as it can.
    Away(Duration),
}

struct Case {
    shape: Shape,
    between: Between,
    trouble: Trouble,
    name: String,
}

/// What became of everybody.
struct Outcome {
    wanted: u64,
    produced: Produced,
    /// How late the first stage got them, 99 of 100.
    healthy_late_ms: f64,
    /// Frames that the stage in trouble had when the producer's time was up, and how long it took after that until it had all.
    behind: u64,
    caught_up_after_ms: f64,
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let duration = lab.pick(Duration::from_secs(4), Duration::from_millis(400));
    let frame_events = lab.pick(200, 20);
    let troubles = [("no trouble", Trouble::None), ("slow", Trouble::Slow(3.0)), ("away", Trouble::Away(duration.mul_f64(0.75)))];
    let mut rows: Vec<Vec<Cell>> = vec![];
    let (mut with_log, mut without, mut untroubled) = (vec![], vec![], vec![]);
    let mut raw: Vec<(String, Outcome)> = vec![];
    for shape in [Shape::Chain, Shape::FanOut] {
        for between in [Between::Queue, Between::Log] {
            for (told, trouble) in troubles {
                let shape_name = if shape == Shape::Chain { "chain" } else { "fan-out" };
                let between_name = if between == Between::Log { "log" } else { "queue" };
                let case = Case { shape, between, trouble, name: format!("{shape_name}, {between_name}, {told}") };
                let mut outcomes = vec![];
                for _ in 0..lab.repeats {
                    lab.step(&case.name)?;
                    let scratch = lab.scratch()?;
                    outcomes.push(one(&case, scratch.path(), (duration, frame_events), lab.seed)?);
                }
                let measured = |figure, unit, value: fn(&Outcome) -> f64| {
                    Figure::measured(figure, &case.name, unit, &outcomes.iter().map(value).collect::<Vec<_>>(), lab.seed)
                };
                let found = [
                    measured("produced_in_time", "share", |o| o.produced.in_time as f64 / o.wanted.max(1) as f64),
                    measured("first_stage_late_p99", "ms", |o| o.healthy_late_ms),
                    measured("frames_behind", "count", |o| o.behind as f64),
                    measured("caught_up_after", "ms", |o| o.caught_up_after_ms),
                ];
                let all_in_time = outcomes.iter().all(|o| o.produced.in_time as f64 >= IN_TIME * o.wanted as f64);
                match (between, trouble) {
                    (Between::Log, _) => with_log.push(all_in_time),
                    (Between::Queue, Trouble::None) => untroubled.push(all_in_time),
                    (Between::Queue, _) => without.push(all_in_time),
                }
                let cells = found.iter().map(|f| Cell::from((f.value, f.unit.as_str())));
                rows.push([shape_name, between_name, told].map(Cell::from).into_iter().chain(cells).collect());
                notes.figures.extend(found);
                raw.extend(outcomes.into_iter().map(|outcome| (case.name.clone(), outcome)));
            }
        }
    }
    let numbers = |of: fn(&Outcome) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(raw.iter().map(|(_, o)| of(o)))) };
    let floats = |of: fn(&Outcome) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(raw.iter().map(|(_, o)| of(o)))) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("case", Arc::new(StringArray::from_iter_values(raw.iter().map(|(name, _)| name)))),
        ("frames_wanted", numbers(|o| o.wanted)),
        ("frames_produced", numbers(|o| o.produced.frames)),
        ("frames_in_time", numbers(|o| o.produced.in_time)),
        ("first_stage_late_p99_ms", floats(|o| o.healthy_late_ms)),
        ("frames_behind", numbers(|o| o.behind)),
        ("caught_up_after_ms", floats(|o| o.caught_up_after_ms)),
    ];
    lab.samples(notes, "isolation", columns)?;
    with_log.extend(an_hour_behind(lab, notes)?);
    notes.tables.push(Table {
        title: format!("Three stages; every frame came to every stage once and in order, up to {QUEUE} of them waiting in a queue"),
        columns: ["shape", "between", "the last stage is", "appended in time", "first stage late", "last stage behind by", "had all after"]
            .map(String::from)
            .to_vec(),
        rows,
    });
    let (kept, held) = (with_log.iter().all(|&in_time| in_time), without.iter().all(|&in_time| !in_time));
    let because = format!(
        "With the log between, the producer was in time in {} of {} cases; directly, in {} of {} cases of trouble.",
        with_log.iter().filter(|&&in_time| in_time).count(),
        with_log.len(),
        without.iter().filter(|&&in_time| in_time).count(),
        without.len()
    );
    // A machine on which nobody is in time decides nothing, and neither does what was timed once.
    let is_decided = !untroubled.contains(&false) && lab.repeats > 1;
    let verdict = if is_decided { Verdict::of(kept && held) } else { Verdict::Undecided };
    notes.conclude(verdict, because);
    Ok(())
}

/// A frame of events, by its number.
#[derive(Clone)]
struct Frame {
    number: u64,
    events: RecordBatch,
}

/// Where a stage hands frames to.
enum Out {
    Queue(SyncSender<Frame>),
    /// And how many frames there will have been, once that is known.
    Log(TopicWriter, Arc<AtomicU64>, Topic),
}

/// Where a stage gets them from.
enum In {
    Queue(Receiver<Frame>),
    Log { reader: Box<PartitionReader>, topic: Topic, end: Arc<AtomicU64>, next: u64 },
}

impl Out {
    /// False where nobody takes it any more.
    fn send(&self, frame: Frame) -> Result<bool, ScenarioError> {
        match self {
            Out::Queue(sender) => Ok(sender.send(frame).is_ok()),
            Out::Log(writer, ..) => {
                writer.append_to(P0, &frame.events, None)?;
                Ok(true)
            }
        }
    }

    fn close(self, frames: u64) -> Result<(), ScenarioError> {
        if let Out::Log(writer, end, topic) = self {
            writer.close()?;
            end.store(frames, Ordering::SeqCst);
            topic.tail()?.wake();
        }
        Ok(())
    }
}

impl In {
    fn receive(&mut self) -> Result<Option<Frame>, ScenarioError> {
        match self {
            In::Queue(receiver) => Ok(receiver.recv().ok()),
            In::Log { reader, topic, end, next } => {
                let tail = topic.tail()?;
                loop {
                    let seen = tail.sequence();
                    match reader.next()? {
                        Some(Entry::Records(records)) => {
                            *next += 1;
                            return Ok(Some(Frame { number: *next - 1, events: records.batch }));
                        }
                        Some(Entry::Barrier(_)) => {}
                        None if *next >= end.load(Ordering::SeqCst) => return Ok(None),
                        None => tail.wait(seen, Duration::from_millis(200)),
                    }
                }
            }
        }
    }
}

/// Runs a case to its end: every frame that the producer handed on has come to every stage.
fn one(case: &Case, dir: &Path, (duration, frame_events): (Duration, usize), seed: u64) -> Result<Outcome, ScenarioError> {
    // A link for each stage; in a fan-out over the log, all stages read the one topic.
    let (mut outs, mut ins) = (vec![], vec![]);
    for stage in 0..STAGES {
        let (out, reads) = match (case.between, case.shape) {
            (Between::Queue, _) => {
                let (sender, receiver) = sync_channel(QUEUE);
                (Some(Out::Queue(sender)), In::Queue(receiver))
            }
            (Between::Log, Shape::FanOut) if stage > 0 => (None, read_too(&ins[0])?),
            (Between::Log, _) => {
                let (out, reads) = through_the_log(dir, stage)?;
                (Some(out), reads)
            }
        };
        outs.extend(out);
        ins.push(reads);
    }
    let (first, rest) = match case.shape {
        Shape::Chain => {
            let mut outs = outs.into_iter();
            (outs.next().into_iter().collect::<Vec<_>>(), outs.map(Some).chain([None]).collect::<Vec<_>>())
        }
        Shape::FanOut => (outs, (0..STAGES).map(|_| None).collect()),
    };

    let start = Instant::now();
    let wanted = duration.as_micros() as u64 / TICK.as_micros() as u64;
    thread::scope(|scope| {
        let stages: Vec<_> = ins
            .into_iter()
            .zip(rest)
            .enumerate()
            .map(|(stage, (reads, hands_on))| {
                let trouble = if stage + 1 == STAGES { case.trouble } else { Trouble::None };
                scope.spawn(move || work(reads, hands_on, trouble, start, duration))
            })
            .collect();
        let produced = produce(first, wanted, frame_events, start, duration, seed);
        let done: Result<Vec<Done>, ScenarioError> =
            stages.into_iter().map(|s| s.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
        let (produced, done) = (produced?, done?);
        if let Some(stage) = done.iter().position(|d| d.received != produced.frames) {
            let (got, name, frames) = (done[stage].received, &case.name, produced.frames);
            return Err(ScenarioError::Answer(format!(
                "{name}: {frames} frames were handed on, and stage {} got {got}; this is a bug",
                stage + 1
            )));
        }
        let (healthy, last) = (&done[0], &done[STAGES - 1]);
        Ok(Outcome {
            wanted,
            produced,
            healthy_late_ms: healthy.late_us.value_at_quantile(0.99) as f64 / 1e3,
            behind: produced.frames.saturating_sub(last.in_time),
            caught_up_after_ms: last.ended.saturating_duration_since(start + duration).as_secs_f64() * 1e3,
        })
    })
}

/// A consumer that was away comes back to an hour of log (a minute, where it is to be small), at so many events a second; the producer goes on
/// at that rate, and another consumer is up with it. Whether the producer was in time, for each repeat.
fn an_hour_behind(lab: &Lab, notes: &mut Notes) -> Result<Vec<bool>, ScenarioError> {
    let per_tick = 5;
    let behind = lab.pick(Duration::from_secs(3600), Duration::from_secs(60));
    let duration = lab.pick(Duration::from_secs(4), Duration::from_millis(400));
    let wanted = duration.as_micros() as u64 / TICK.as_micros() as u64;
    let of = lab.pick("log, an hour behind", "log, a minute behind");
    let (mut in_time, mut late, mut caught_up, mut speed) = (vec![], vec![], vec![], vec![]);
    for _ in 0..lab.repeats {
        lab.step(of)?;
        let scratch = lab.scratch()?;
        let (out, up) = through_the_log(scratch.path(), 0)?;
        let (Out::Log(writer, ..), In::Log { topic, end, .. }) = (&out, up) else { unreachable!("it goes through the log") };
        let pageviews = Pageviews { seed: lab.seed, ..Pageviews::default() };
        let backlog = behind.as_micros() as u64 / TICK.as_micros() as u64 * per_tick as u64;
        let mut next = 0;
        while next < backlog {
            let events = pageviews.batch(next, (backlog - next).min(4096) as usize);
            next += events.num_rows() as u64;
            writer.append_to(P0, &events, None)?;
        }
        let at_the_end = Box::new(topic.reader(P0, Start::Offset(topic.end()?.get(P0)), None)?);
        let up = In::Log { reader: at_the_end, topic: topic.clone(), end: end.clone(), next: 0 };
        let start = Instant::now();
        let found = thread::scope(|scope| -> Result<_, ScenarioError> {
            let up = scope.spawn(|| work(up, None, Trouble::None, start, duration));
            let away = scope.spawn(|| catch_up(&topic, (backlog, &end, per_tick as u64), start));
            let produced = produce(vec![out], wanted, per_tick, start, duration, lab.seed);
            let up = up.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let away = away.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((produced?, up?, away?))
        });
        let (produced, up, (read, after)) = found?;
        if read != backlog + produced.frames * per_tick as u64 {
            return Err(ScenarioError::Answer(format!(
                "{of}: {read} events were read of {backlog} and those that came meanwhile; this is a bug"
            )));
        }
        in_time.push(produced.in_time as f64 / wanted.max(1) as f64);
        late.push(up.late_us.value_at_quantile(0.99) as f64 / 1e3);
        caught_up.push(after.as_secs_f64() * 1e3);
        speed.push(backlog as f64 / after.as_secs_f64().max(1e-9));
    }
    let found = [
        Figure::measured("produced_in_time", of, "share", &in_time, lab.seed),
        Figure::measured("first_stage_late_p99", of, "ms", &late, lab.seed),
        Figure::measured("caught_up_after", of, "ms", &caught_up, lab.seed),
        Figure::measured("caught_up_at", of, "events_per_s", &speed, lab.seed),
    ];
    notes.tables.push(Table {
        title: format!("A consumer that was away for {} of log comes back", lab.pick("an hour", "a minute")),
        columns: ["appended in time", "another consumer late", "up with the log after", "read at"].map(String::from).to_vec(),
        rows: vec![found.iter().map(|f| Cell::from((f.value, f.unit.as_str()))).collect()],
    });
    notes.figures.extend(found);
    Ok(in_time.iter().map(|share| *share >= IN_TIME).collect())
}

/// Reads what it missed and what comes meanwhile; how many events there were, and when it was up with the log for the first time.
fn catch_up(
    topic: &Topic,
    (missed, frames, frame_events): (u64, &AtomicU64, u64),
    start: Instant,
) -> Result<(u64, Duration), ScenarioError> {
    let (mut reader, tail) = (topic.reader(P0, Start::First, None)?, topic.tail()?);
    let (mut read, mut after) = (0, None);
    loop {
        let seen = tail.sequence();
        match reader.next()? {
            Some(Entry::Records(records)) => read += records.batch.num_rows() as u64,
            Some(Entry::Barrier(_)) => {}
            None => {
                let after = *after.get_or_insert_with(|| start.elapsed());
                let frames = frames.load(Ordering::SeqCst);
                if frames < u64::MAX && read >= missed + frames * frame_events {
                    return Ok((read, after));
                }
                tail.wait(seen, Duration::from_millis(200));
            }
        }
    }
}

fn through_the_log(dir: &Path, stage: usize) -> Result<(Out, In), ScenarioError> {
    let config = Pageviews::default().workload().topic_config(1, Durability::None);
    let config = TopicConfig { name: format!("stage-{stage}"), partition_by: PartitionBy::RoundRobin, ..config };
    let topic = Log::open(dir)?.create_topic(config)?;
    let end = Arc::new(AtomicU64::new(u64::MAX));
    let writer = topic.writer()?;
    let reader = Box::new(topic.reader(P0, Start::First, None)?);
    Ok((Out::Log(writer, end.clone(), topic.clone()), In::Log { reader, topic, end, next: 0 }))
}

/// A second reader of the same topic.
fn read_too(other: &In) -> Result<In, ScenarioError> {
    let In::Log { topic, end, .. } = other else { unreachable!("a fan-out over the log reads the log") };
    let reader = Box::new(topic.reader(P0, Start::First, None)?);
    Ok(In::Log { reader, topic: topic.clone(), end: end.clone(), next: 0 })
}

/// What the producer handed on.
#[derive(Debug, Clone, Copy, Default)]
struct Produced {
    frames: u64,
    /// Of these, those that were handed on within [`TIMELY`] of their moment.
    in_time: u64,
}

/// Hands on a frame at each of its moments, or as soon as it can, until its time is up.
fn produce(
    outs: Vec<Out>,
    wanted: u64,
    frame_events: usize,
    start: Instant,
    duration: Duration,
    seed: u64,
) -> Result<Produced, ScenarioError> {
    let pageviews = Pageviews { seed, ..Pageviews::default() };
    let mut produced = Produced::default();
    for number in 0..wanted {
        let events = pageviews.batch(number * frame_events as u64, frame_events);
        let due = start + TICK * number as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if start.elapsed() >= duration {
            break;
        }
        for out in &outs {
            out.send(Frame { number, events: events.clone() })?;
        }
        produced.frames += 1;
        produced.in_time += u64::from(due.elapsed() <= TIMELY);
    }
    outs.into_iter().try_for_each(|out| out.close(produced.frames))?;
    Ok(produced)
}

/// What a stage has done.
struct Done {
    received: u64,
    /// Frames that it had worked on when the producer's time was up.
    in_time: u64,
    late_us: Histogram<u64>,
    ended: Instant,
}

/// Takes each frame, works on it, and hands it on.
fn work(mut reads: In, hands_on: Option<Out>, trouble: Trouble, start: Instant, duration: Duration) -> Result<Done, ScenarioError> {
    let late_us = Histogram::new_with_bounds(1, LATE_US_MAX, 3).expect("the bounds are in order");
    let mut done = Done { received: 0, in_time: 0, late_us, ended: start };
    if let Trouble::Away(time) = trouble {
        thread::sleep(time);
    }
    while let Some(frame) = reads.receive()? {
        if frame.number != done.received {
            return Err(ScenarioError::Answer(format!("frame {} came where {} was due; this is a bug", frame.number, done.received)));
        }
        let due = start + TICK * frame.number as u32;
        done.late_us.saturating_record(Instant::now().saturating_duration_since(due).as_micros() as u64);
        if let Trouble::Slow(times) = trouble {
            thread::sleep(TICK.mul_f64(times));
        }
        done.received += 1;
        if start.elapsed() <= duration {
            done.in_time = done.received;
        }
        if let Some(out) = &hands_on {
            out.send(frame)?;
        }
    }
    if let Some(out) = hands_on {
        out.close(done.received)?;
    }
    done.ended = Instant::now();
    Ok(done)
}
