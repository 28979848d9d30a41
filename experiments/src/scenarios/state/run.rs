//! One backend with so many keys: a history is read, events come, the process is killed, again and again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use twopath_base::Position;
use twopath_log::{Durability, Log, PartitionBy, Topic, TopicConfig, TopicWriter};
use twopath_query::{Query, parse};
use twopath_reference::{Reference, compare};
use twopath_results::statistics::median;
use twopath_speed::StoreCosts;
use twopath_storage::folder_bytes;

use super::process::{Answer, Process, Role, now_us};
use super::{SQL, Settings, StateError, TOPIC, state_place};
use crate::systems::{StateBackend, checkpoints_dir};

const PARTITIONS: u32 = 2;
/// Events of one append of the steady phase.
const APPEND_EVENTS: i64 = 200;
/// Of the history.
const HISTORY_APPEND_EVENTS: i64 = 20_000;
/// Keys that events come for at one time, where they are not scattered: those of a window, say.
const KEYS_AT_A_TIME: i64 = 10_000;

/// One backend with so many keys. Times are medians over the kills.
#[derive(Debug, Clone, Serialize)]
pub struct BackendResult {
    pub backend: StateBackend,
    pub keys: u64,
    /// Of a replay of the history, from the process's start until all of it is published and at rest, where it is put there.
    pub events_per_s: f64,
    /// From the append of an event until a view that covers it is published.
    pub freshness_p99_ms: f64,
    /// From the next start of the process until a view is published that covers all that was in the log.
    pub recovery_ms: f64,
    /// As `recovery_ms`, where another process stood by; `None` where none can.
    pub standby_ms: Option<f64>,
    /// Between what it had at rest and the log's end.
    pub events_replayed: u64,
    pub wrong_answers: u64,
    /// Answers that were held against the reference.
    pub answers: u64,
    /// Of the process once it had read the history, without files that are mapped (the log, mostly).
    pub memory_bytes: u64,
    /// At rest in the job's folder after the last kill.
    pub state_bytes: u64,
    /// Of a checkpoint: its files, and how long it takes; `None` where there are none.
    pub checkpoint_bytes: Option<u64>,
    pub checkpoint_ms: Option<f64>,
    /// What keeping the state outside the process cost in the replay of the history; all 0 for a backend that is no store.
    pub store: StoreCosts,
}

/// Measures one in an empty folder.
pub(super) fn run(
    program: &dyn Fn() -> Command,
    settings: &Settings,
    dir: &Path,
    (backend, keys, seed): (&StateBackend, u64, u64),
) -> Result<BackendResult, StateError> {
    let result = Run::new(program, dir, backend.clone(), keys, seed)?.result(settings);
    if let StateBackend::Remote(_) = backend {
        let log = Log::open(&dir.join("log"))?;
        backend.remove(&state_place(dir, &log))?;
    }
    result
}

/// One backend's topic, writer and oracle.
struct Run<'a> {
    program: &'a dyn Fn() -> Command,
    dir: PathBuf,
    backend: StateBackend,
    keys: u64,
    topic: Topic,
    writer: TopicWriter,
    query: Query,
    reference: Reference,
    random: ChaCha8Rng,
    wrong: u64,
    answers: u64,
}

impl<'a> Run<'a> {
    fn new(program: &'a dyn Fn() -> Command, dir: &Path, backend: StateBackend, keys: u64, seed: u64) -> Result<Self, StateError> {
        let schema = Arc::new(Schema::new(vec![Field::new("key", DataType::Int64, false), Field::new("v", DataType::Int64, false)]));
        let topic = Log::open(&dir.join("log"))?.create_topic(TopicConfig {
            partitions: PARTITIONS,
            partition_by: PartitionBy::RoundRobin,
            time_column: None,
            durability: Durability::None,
            ..TopicConfig::new(TOPIC, schema)
        })?;
        let query = parse(SQL, TOPIC, topic.schema())?;
        let (writer, reference) = (topic.writer()?, Reference::new(query.clone()));
        let random = ChaCha8Rng::seed_from_u64(seed);
        Ok(Run { program, dir: dir.to_owned(), backend, keys, topic, writer, query, reference, random, wrong: 0, answers: 0 })
    }

    fn result(mut self, settings: &Settings) -> Result<BackendResult, StateError> {
        let events = settings.events_per_key.saturating_mul(self.keys).max(settings.history_min) as i64;
        let mut first = 0;
        while first < events {
            let rows = HISTORY_APPEND_EVENTS.min(events - first);
            let keys = (first..first + rows).map(|i| self.key_of_history(i, events, settings.scattered)).collect();
            self.append(keys)?;
            first += rows;
        }
        let end = self.topic.end()?;
        let began = Instant::now();
        let mut process = self.start(settings, Role::Owner)?;
        process.wait_for(&end)?;
        process.put_at_rest()?;
        let events_per_s = events as f64 / began.elapsed().as_secs_f64();
        let after_history = process.ask_costs()?;

        let (mut late_us, mut recovery_ms, mut replayed) = (vec![], vec![], vec![]);
        let (mut checkpoint_ms, mut checkpoint_bytes) = (vec![], vec![]);
        for _ in 0..settings.kills {
            self.follow(settings, &mut process, &mut late_us)?;
            let costs = process.ask_costs()?;
            if costs.checkpoints > 0 {
                checkpoint_ms.push(costs.checkpoint_ms);
                checkpoint_bytes.push(costs.checkpoint_bytes as f64 / costs.checkpoints as f64);
            }
            process.kill()?;
            // Some more comes while nobody reads.
            let end = self.append_some()?;
            let began = Instant::now();
            process = self.start(settings, Role::Owner)?;
            process.wait_for(&end)?;
            recovery_ms.push(began.elapsed().as_secs_f64() * 1e3);
            replayed.push(end.records_since(process.started_at.as_ref().unwrap_or(&Position::zero(end.partitions()))) as f64);
            self.check(&process.ask()?);
        }
        let standby_ms = match self.backend {
            StateBackend::Local { .. } => Some(self.with_standby(settings, &mut process)?),
            _ => None,
        };
        let state_bytes = folder_bytes(&checkpoints_dir(&self.dir)) + folder_bytes(&self.dir.join("local"));
        process.kill()?;
        late_us.sort_by(f64::total_cmp);
        let p99 = late_us.get((late_us.len() as f64 * 0.99) as usize).copied().unwrap_or(0.0);
        Ok(BackendResult {
            backend: self.backend,
            keys: self.keys,
            events_per_s,
            freshness_p99_ms: p99 / 1e3,
            recovery_ms: median(&recovery_ms).unwrap_or(0.0),
            standby_ms,
            events_replayed: median(&replayed).unwrap_or(0.0) as u64,
            wrong_answers: self.wrong,
            answers: self.answers,
            memory_bytes: after_history.memory_bytes,
            state_bytes,
            checkpoint_bytes: median(&checkpoint_bytes).map(|bytes| bytes as u64),
            checkpoint_ms: median(&checkpoint_ms),
            store: after_history.store,
        })
    }

    /// The key of an event of the history: of some keys at a time, or of any.
    fn key_of_history(&mut self, event: i64, events: i64, scattered: bool) -> i64 {
        let keys = self.keys as i64;
        let at_a_time = if scattered { keys } else { KEYS_AT_A_TIME.min(keys) };
        let windows = (keys + at_a_time - 1) / at_a_time;
        let first = event * windows / events * at_a_time;
        first + self.random.random_range(0..at_a_time.min(keys - first))
    }

    /// The same with a process that stands by at each kill, and is the next one to be killed: from the kill until it has a view that covers all.
    fn with_standby(&mut self, settings: &Settings, process: &mut Process) -> Result<f64, StateError> {
        // How late events are seen beside a second process is another question.
        let (mut took_ms, mut late_us) = (vec![], vec![]);
        for _ in 0..settings.kills {
            let mut standby = self.start(settings, Role::Standby)?;
            self.follow(settings, process, &mut late_us)?;
            let end = self.topic.end()?;
            process.wait_for(&end)?;
            // It may still be looking at all that its index has.
            standby.wait_to_stand_by(&end)?;
            let began = Instant::now();
            process.kill()?;
            let end = self.append_some()?;
            standby.wait_for(&end)?;
            took_ms.push(began.elapsed().as_secs_f64() * 1e3);
            *process = standby;
            self.check(&process.ask()?);
        }
        Ok(median(&took_ms).unwrap_or(0.0))
    }

    /// Appends on schedule for the given time, and notes how late each event was seen.
    fn follow(&mut self, settings: &Settings, process: &mut Process, late_us: &mut Vec<f64>) -> Result<(), StateError> {
        let pause = Duration::from_secs_f64(APPEND_EVENTS as f64 / settings.rate);
        // Killed at a random moment of the time that a checkpoint is in.
        let more = Duration::from_secs_f64(self.random.random_range(0.0..settings.checkpoint_interval.as_secs_f64().min(1.0)));
        let began = Instant::now();
        let mut appended: VecDeque<(i64, Position)> = VecDeque::new();
        for n in 0.. {
            let due = pause * n;
            if due > settings.duration + more {
                break;
            }
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            // From the moment at which it was to arrive.
            let at = now_us() - (began.elapsed().saturating_sub(due)).as_micros() as i64;
            appended.push_back((at, self.append_some()?));
            process.take_told()?;
            process.settle(&mut appended, late_us);
        }
        Ok(())
    }

    /// Events of random keys; and where the log ends then.
    fn append_some(&mut self) -> Result<Position, StateError> {
        let keys = (0..APPEND_EVENTS).map(|_| self.random.random_range(0..self.keys as i64)).collect();
        self.append(keys)?;
        Ok(self.topic.end()?)
    }

    fn append(&mut self, keys: Vec<i64>) -> Result<(), StateError> {
        let values: Vec<i64> = keys.iter().map(|key| key % 1000 - 300).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(keys)), Arc::new(Int64Array::from(values))];
        let batch = RecordBatch::try_new(self.topic.schema().clone(), columns).expect("two columns of one length");
        self.writer.append(&batch)?;
        self.reference.push(&batch);
        Ok(())
    }

    /// Holds an answer at the log's end against the reference's.
    fn check(&mut self, (position, rows): &Answer) {
        let at_end = self.topic.end().is_ok_and(|end| end == *position);
        let is_right = at_end && compare(&self.query, &self.reference.answer(), &Ok(rows.clone())).is_ok();
        self.answers += 1;
        self.wrong += u64::from(!is_right);
    }

    fn start(&self, settings: &Settings, role: Role) -> Result<Process, StateError> {
        Ok(Process::start((self.program)(), &self.dir, &self.backend, settings.checkpoint_interval, role)?)
    }
}
