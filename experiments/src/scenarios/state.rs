//! `twopath run state`: what it costs to keep a stream's state in each of the places for it, and what `kill -9` leaves of it.
//!
//! A job counts and sums by key in a process of its own, which is killed at a random moment and started again. The parent appends, remembers
//! when, hears of each published position, and holds the answer after each start against the reference.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_log::{Durability, Log, LogError, PartitionBy, Topic, TopicConfig, TopicWriter};
use twopath_query::{Query, QueryError, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_speed::{Engine, Logic, SpeedError, SpeedOptions, StoreCosts, start};
use twopath_storage::folder_bytes;
use twopath_view::{GroupTable, RealtimeView, Selection, answer};

use crate::systems::{Keeping, StateBackend, StatePlace, checkpoints_dir};

const SQL: &str = "SELECT key, COUNT(*) AS n, SUM(v) AS s FROM events GROUP BY key";
const TOPIC: &str = "events";
const PARTITIONS: u32 = 2;
/// Events of one append of the steady phase.
const APPEND_EVENTS: i64 = 200;
/// Of the history.
const HISTORY_APPEND_EVENTS: i64 = 20_000;
/// A process that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the user chose.
#[derive(Debug, Clone)]
pub struct StateSettings {
    pub backends: Vec<StateBackend>,
    /// How many keys there are, one run for each.
    pub keys: Vec<u64>,
    /// Events per second while freshness is measured.
    pub rate: f64,
    /// For how long, before each kill.
    pub duration: Duration,
    pub kills: u32,
    pub checkpoint_interval: Duration,
    pub seed: u64,
    /// The program, for the process that is killed.
    pub program: PathBuf,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct StateResult {
    pub backends: Vec<BackendResult>,
    pub rate: f64,
    pub checkpoint_interval_ms: f64,
    pub kills: u32,
    pub seed: u64,
}

/// One backend with so many keys. Times are medians over the kills.
#[derive(Debug, Serialize)]
pub struct BackendResult {
    pub backend: StateBackend,
    pub keys: u64,
    /// Of a replay of the history (two events of each key), from the process's start until all of it is published.
    pub events_per_s: f64,
    /// From the append of an event until a view that covers it is published.
    pub freshness_p99_ms: f64,
    /// From the next start of the process until a view is published that covers all that was in the log.
    pub recovery_ms: f64,
    /// Between what it had at rest and the log's end.
    pub events_replayed: u64,
    pub wrong_answers: u64,
    /// Answers that were held against the reference.
    pub answers: u64,
    /// At rest in the job's folder after the last kill.
    pub state_bytes: u64,
    /// What keeping the state outside the process cost in the replay of the history; all 0 for a backend that is no store.
    pub store: StoreCosts,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the log: {0}")]
    Log(#[from] LogError),
    #[error("the speed layer: {0}")]
    Speed(#[from] SpeedError),
    #[error("the query: {0}")]
    Query(#[from] QueryError),
    #[error("the process with the job: {0}; see that the folder is writable and has room")]
    Process(#[from] io::Error),
    #[error("the process with the job said nothing for {PATIENCE:?}, or ended: {0}")]
    Silent(String),
}

/// What the process tells, a line each.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    /// Where it went on from.
    Started(Option<Position>),
    /// A view is published: when (microseconds since 1970), and up to where.
    Published(i64, Position),
    /// What it answers, because it was asked, and what its store has cost.
    Answer(Position, Vec<Vec<Value>>, StoreCosts),
}

/// Runs all of it in an empty folder; `progress` hears what is being done.
///
/// # Errors
/// The folder cannot be used, or a process does not do its part. A wrong answer is no error: it is counted.
pub fn run_state(settings: &StateSettings, dir: &Path, progress: impl Fn(&str)) -> Result<StateResult, StateError> {
    let mut backends = Vec::new();
    for &keys in &settings.keys {
        for backend in &settings.backends {
            progress(&format!("{backend}, {keys} keys"));
            let place = dir.join(format!("{}-{keys}", backends.len()));
            let result = Run::new(settings, &place, backend.clone(), keys)?.result(settings);
            let log = Log::open(&place.join("log"))?;
            if let StateBackend::Remote(_) = backend {
                backend.remove(&state_place(&place, &log))?;
            }
            backends.push(result?);
            let _ = std::fs::remove_dir_all(&place);
        }
    }
    let checkpoint_interval_ms = settings.checkpoint_interval.as_secs_f64() * 1e3;
    Ok(StateResult { backends, rate: settings.rate, checkpoint_interval_ms, kills: settings.kills, seed: settings.seed })
}

/// One backend's topic, writer and oracle.
struct Run {
    dir: PathBuf,
    backend: StateBackend,
    keys: u64,
    topic: Topic,
    writer: TopicWriter,
    query: Query,
    reference: Reference,
    random: ChaCha8Rng,
}

impl Run {
    fn new(settings: &StateSettings, dir: &Path, backend: StateBackend, keys: u64) -> Result<Run, StateError> {
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
        let random = ChaCha8Rng::seed_from_u64(settings.seed);
        Ok(Run { dir: dir.to_owned(), backend, keys, topic, writer, query, reference, random })
    }

    fn result(mut self, settings: &StateSettings) -> Result<BackendResult, StateError> {
        let mut first = 0;
        let events = 2 * self.keys as i64;
        while first < events {
            let rows = HISTORY_APPEND_EVENTS.min(events - first);
            // Each key twice.
            let keys = (first..first + rows).map(|i| i % self.keys as i64);
            self.append(keys.collect())?;
            first += rows;
        }
        let began = Instant::now();
        let mut process = self.start(settings)?;
        process.wait_for(&self.topic.end()?)?;
        let events_per_s = events as f64 / began.elapsed().as_secs_f64();
        let (_, _, store) = process.ask()?;
        let (mut late_us, mut recovery_ms, mut replayed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut wrong, mut answers) = (0, 0);
        for _ in 0..settings.kills {
            self.follow(settings, &mut process, &mut late_us)?;
            process.child.kill()?;
            process.child.wait()?;
            // Some more comes while nobody reads.
            let keys = self.some_keys();
            self.append(keys)?;
            let end = self.topic.end()?;
            let began = Instant::now();
            process = self.start(settings)?;
            process.wait_for(&end)?;
            recovery_ms.push(began.elapsed().as_secs_f64() * 1e3);
            replayed.push(end.records_since(process.started_at.as_ref().unwrap_or(&Position::zero(end.partitions()))));
            answers += 1;
            wrong += u64::from(!self.is_right(&process.ask()?));
        }
        let state_bytes = folder_bytes(&checkpoints_dir(&self.dir)) + folder_bytes(&self.dir.join("local"));
        process.child.kill()?;
        process.child.wait()?;
        Ok(BackendResult {
            backend: self.backend,
            keys: self.keys,
            events_per_s,
            freshness_p99_ms: percentile(&mut late_us, 0.99) / 1e3,
            recovery_ms: percentile(&mut recovery_ms, 0.5),
            events_replayed: median(&mut replayed),
            wrong_answers: wrong,
            answers,
            state_bytes,
            store,
        })
    }

    /// Appends on schedule for the given time, and notes how late each event was seen.
    fn follow(&mut self, settings: &StateSettings, process: &mut Process, late_us: &mut Vec<f64>) -> Result<(), StateError> {
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
            let keys = self.some_keys();
            // From the moment at which it was to arrive.
            let at = now_us() - (began.elapsed().saturating_sub(due)).as_micros() as i64;
            self.append(keys)?;
            appended.push_back((at, self.topic.end()?));
            process.take_told()?;
            process.settle(&mut appended, late_us);
        }
        Ok(())
    }

    fn some_keys(&mut self) -> Vec<i64> {
        (0..APPEND_EVENTS).map(|_| self.random.random_range(0..self.keys as i64)).collect()
    }

    fn append(&mut self, keys: Vec<i64>) -> Result<(), StateError> {
        let values: Vec<i64> = keys.iter().map(|key| key % 1000 - 300).collect();
        let columns: Vec<arrow_array::ArrayRef> = vec![Arc::new(Int64Array::from(keys)), Arc::new(Int64Array::from(values))];
        let batch = RecordBatch::try_new(self.topic.schema().clone(), columns).expect("two columns of one length");
        self.writer.append(&batch)?;
        self.reference.push(&batch);
        Ok(())
    }

    /// Whether an answer at the log's end is the reference's.
    fn is_right(&self, (position, rows, _): &Answered) -> bool {
        let at_end = self.topic.end().is_ok_and(|end| end == *position);
        at_end && compare(&self.query, &self.reference.answer(), &Ok(rows.clone())).is_ok()
    }

    fn start(&self, settings: &StateSettings) -> Result<Process, StateError> {
        let mut command = Command::new(&settings.program);
        let interval = format!("{}us", settings.checkpoint_interval.as_micros());
        command.args(["run", "state", "--child"]).arg(&self.dir);
        command.args(["--backend", &self.backend.to_string(), "--checkpoint-interval", &interval]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // A line that the kill cut is none.
                let Ok(line) = serde_json::from_str(&line) else { return };
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Process { child, told, is_started: false, started_at: None, published: VecDeque::new(), answer: None })
    }
}

/// The process with the job, and what it has told.
struct Process {
    child: Child,
    told: Receiver<Told>,
    is_started: bool,
    started_at: Option<Position>,
    /// When up to where; the oldest first.
    published: VecDeque<(i64, Position)>,
    answer: Option<Answered>,
}

/// A position, the rows there, and what the store has cost.
type Answered = (Position, Vec<Vec<Value>>, StoreCosts);

impl Process {
    fn take(&mut self, told: Told) {
        match told {
            Told::Started(at) => (self.is_started, self.started_at) = (true, at),
            Told::Published(at, position) => self.published.push_back((at, position)),
            Told::Answer(position, rows, costs) => self.answer = Some((position, rows, costs)),
        }
    }

    fn take_told(&mut self) -> Result<(), StateError> {
        while let Ok(told) = self.told.try_recv() {
            self.take(told);
        }
        match self.child.try_wait()? {
            Some(status) => Err(StateError::Silent(status.to_string())),
            None => Ok(()),
        }
    }

    fn next(&mut self) -> Result<(), StateError> {
        let told = self.told.recv_timeout(PATIENCE).map_err(|e| StateError::Silent(e.to_string()))?;
        self.take(told);
        Ok(())
    }

    fn wait_for(&mut self, position: &Position) -> Result<(), StateError> {
        while !self.is_started || !self.published.back().is_some_and(|(_, at)| at.covers(position)) {
            self.next()?;
        }
        Ok(())
    }

    fn ask(&mut self) -> Result<Answered, StateError> {
        let input = self.child.stdin.as_mut().ok_or_else(|| io::Error::other("it has no input"))?;
        input.write_all(b"answer\n")?;
        loop {
            if let Some(answer) = self.answer.take() {
                return Ok(answer);
            }
            self.next()?;
        }
    }

    /// Finds for each append the first publication that covers it.
    fn settle(&mut self, appended: &mut VecDeque<(i64, Position)>, late_us: &mut Vec<f64>) {
        while let (Some((at, position)), Some((published, up_to))) = (appended.front(), self.published.front()) {
            if up_to.covers(position) {
                late_us.push((published - at).max(0) as f64);
                appended.pop_front();
            } else if self.published.len() > 1 {
                self.published.pop_front();
            } else {
                return;
            }
        }
    }
}

/// The process that is killed: a job over the topic in `dir`, whose publications it tells on standard output.
///
/// # Errors
/// The job does not start, or fails.
pub fn child(dir: &Path, backend: &StateBackend, checkpoint_interval: Duration) -> Result<(), StateError> {
    let log = Log::open(&dir.join("log"))?;
    let topic = log.topic(TOPIC)?;
    let query = Arc::new(parse(SQL, TOPIC, topic.schema())?);
    let backend = backend.at(&state_place(dir, &log), Keeping::Owns { checkpoint_interval });
    let options = SpeedOptions { backend, ..SpeedOptions::default() };
    let publish = |view: Arc<RealtimeView>| tell(&Told::Published(view.published_us, view.position().clone()));
    let from = (0, topic.start()?);
    let job = start(&topic, Arc::clone(&query), Logic::Sql, Engine::Timely, from, options, Arc::new(publish))?;
    tell(&Told::Started(job.recovery().checkpoint.as_ref().map(|checkpoint| checkpoint.position().clone())));
    for line in io::stdin().lines() {
        line?;
        let view = job.view();
        let parts: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(|table| &**table).collect();
        let rows = answer(&query, &parts, &Selection::default()).and_then(|rows| values::rows(&rows));
        tell(&Told::Answer(view.position().clone(), rows.unwrap_or_default(), job.store_costs()));
    }
    Ok(job.stop()?)
}

/// Where the job's state is; the path is this run's own, also as a name on a server.
fn state_place<'a>(dir: &'a Path, log: &'a Log) -> StatePlace<'a> {
    // Of the folder's path, what a topic's name can have.
    let name = dir.to_string_lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    StatePlace { dir, log, name }
}

/// One line, whole: the standard output is locked for it.
fn tell(told: &Told) {
    let mut line = serde_json::to_string(told).expect("numbers and texts are JSON");
    line.push('\n');
    let mut out = io::stdout().lock();
    // Nobody listens to a process that is to be killed.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

fn now_us() -> i64 {
    use twopath_base::clock::{Clock, SystemClock};
    SystemClock.now_us()
}

fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(0.0)
}

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
