//! The events of a comparison, made once: a topic that holds the history, the events that will arrive on schedule, and keys to ask for.
//!
//! Each run gets a topic of its own that shares the history's sealed segments by hard link. Over Kafka the history is loaded from here
//! once a run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use arrow_select::concat::concat_batches;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twopath_base::Offset;
use twopath_base::meters::{self, Layer};
use twopath_events::workloads::Workload;
use twopath_log::{Address, Durability, Log, Topic, TopicConfig};
use twopath_query::{Query, Value};
use twopath_view::GroupTable;

use super::RunError;

/// History is appended in frames of this many events.
const HISTORY_ROWS: usize = 1 << 15;
/// Keys of the history that point reads choose from.
const POOL: usize = 4096;
/// Files of a topic that belong to processes and not to the log.
const OF_PROCESSES: [&str; 3] = ["lock", "pins", "cache"];

/// What is to be prepared.
pub struct Wanted<'a> {
    pub workload: &'a Workload,
    /// Keys are this query's.
    pub query: &'a Arc<Query>,
    pub partitions: u32,
    pub durability: Durability,
    pub events_history: u64,
    pub events_steady: u64,
    /// Of the keys.
    pub seed: u64,
}

/// A folder with the events of a comparison.
#[derive(Debug, Clone)]
pub struct Prepared {
    dir: PathBuf,
    topic: String,
}

impl Prepared {
    /// Makes the folder's content. `done` is told how far it is, 0 to 1, and asked whether to go on.
    ///
    /// # Errors
    /// The workload has no events left to arrive, or the folder cannot be written. None where it was told to stop.
    pub fn make(dir: &Path, wanted: &Wanted<'_>, mut done: impl FnMut(f64) -> bool) -> Result<Option<Self>, RunError> {
        let Wanted { workload, query, events_history, events_steady, .. } = *wanted;
        if !(2..=u64::from(u32::MAX)).contains(&events_steady) {
            return Err(RunError::Events { events: events_steady });
        }
        let steady = all_of(workload, events_history, events_steady);
        if steady.num_rows() < 2 {
            return Err(RunError::NoSteadyEvents { events: workload.events().unwrap_or(0), history: events_history });
        }
        let prepared = Prepared { dir: dir.to_owned(), topic: workload.name.clone() };
        let config = workload.topic_config(wanted.partitions, wanted.durability);
        // Loading is made to last once, at its end.
        let topic = Log::open(&prepared.log_dir())?.create_topic(config)?;
        let writer = topic.writer()?;
        let mut pool = Pool::new(wanted.seed, query);
        let mut next = 0;
        while next < events_history {
            let rows = workload.batch(next, HISTORY_ROWS.min((events_history - next) as usize));
            if rows.num_rows() == 0 {
                return Err(RunError::NoSteadyEvents { events: next, history: events_history });
            }
            writer.append(&rows)?;
            pool.take(&rows, events_history);
            next += rows.num_rows() as u64;
            if !done(next as f64 / events_history as f64) {
                return Ok(None);
            }
        }
        writer.sync()?;
        writer.close()?;
        prepared.write("steady.arrow", |file| {
            let mut writer = FileWriter::try_new(file, &steady.schema()).map_err(io::Error::other)?;
            writer.write(&steady).and_then(|()| writer.finish()).map_err(io::Error::other)
        })?;
        prepared.write("keys.json", |file| Ok(serde_json::to_writer(file, &pool.keys)?))?;
        Ok(Some(prepared))
    }

    /// One that has been made.
    pub fn open(dir: &Path, topic: &str) -> Self {
        Prepared { dir: dir.to_owned(), topic: topic.to_owned() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The topic with the history.
    pub fn topic(&self) -> Result<Topic, RunError> {
        Ok(Log::open(&self.log_dir())?.topic(&self.topic)?)
    }

    /// The events that arrive on schedule.
    pub fn steady(&self) -> Result<RecordBatch, RunError> {
        let path = self.dir.join("steady.arrow");
        let read = || -> Result<RecordBatch, arrow_schema::ArrowError> {
            let mut reader = FileReader::try_new(File::open(&path)?, None)?;
            reader.next().unwrap_or_else(|| Err(arrow_schema::ArrowError::IpcError("no events".into())))
        };
        read().map_err(|e| RunError::Read { path: path.clone(), source: io::Error::other(e) })
    }

    /// Keys of random events of the history.
    pub fn keys(&self) -> Result<Vec<Vec<Value>>, RunError> {
        let path = self.dir.join("keys.json");
        let read = || Ok(serde_json::from_slice(&fs::read(&path)?)?);
        read().map_err(|source| RunError::Read { path: path.clone(), source })
    }

    /// A topic of a run's own that holds the history: in `place`, or else a copy in `dir` whose sealed segments are these.
    pub fn topic_of_run(&self, place: Option<&Address>, dir: &Path) -> Result<Topic, RunError> {
        match place {
            Some(place) => self.loaded(place),
            None => self.linked(dir),
        }
    }

    fn linked(&self, dir: &Path) -> Result<Topic, RunError> {
        let history = self.topic()?;
        let mut sealed = BTreeSet::new();
        for (partition, _) in history.end()?.iter() {
            sealed.extend(history.local()?.segments(partition)?.into_iter().filter(|s| s.sealed).map(|s| s.path));
        }
        let from = history.local()?.dir().to_owned();
        let to = dir.join(&self.topic);
        copy_with_links(&from, &to, &sealed).map_err(|source| RunError::Write { path: to, source })?;
        Ok(Log::open(dir)?.topic(&self.topic)?)
    }

    /// The history record by record, each where it was.
    fn loaded(&self, place: &Address) -> Result<Topic, RunError> {
        let history = self.topic()?;
        let name = place.named_topic().unwrap_or(&self.topic).to_owned();
        let topic = place.create_topic(TopicConfig { name, ..history.config().clone() })?;
        let writer = topic.writer()?;
        for (partition, end) in history.end()?.iter() {
            for records in history.range(partition, Offset(0), end, None)? {
                let batch = records?.batch;
                meters::charge(Layer::Log, || writer.append_to(partition, &batch, None))?;
            }
        }
        writer.sync()?;
        writer.close()?;
        Ok(topic)
    }

    fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn write(&self, name: &str, fill: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>) -> Result<(), RunError> {
        let path = self.dir.join(name);
        let write = || {
            let mut file = io::BufWriter::new(File::create(&path)?);
            fill(&mut file)?;
            io::Write::flush(&mut file)
        };
        write().map_err(|source| RunError::Write { path, source })
    }
}

/// `rows` events from number `from` on, in one batch; fewer where the workload ends before.
fn all_of(workload: &Workload, from: u64, rows: u64) -> RecordBatch {
    let mut parts = vec![workload.batch(from, rows as usize)];
    let mut have = parts[0].num_rows() as u64;
    while have < rows {
        let more = workload.batch(from + have, (rows - have) as usize);
        if more.num_rows() == 0 {
            break;
        }
        have += more.num_rows() as u64;
        parts.push(more);
    }
    concat_batches(&workload.schema, &parts).expect("parts of one workload")
}

/// A folder as it is, but that files of `linked` are not copied: both folders have them. They are never written again.
fn copy_with_links(from: &Path, to: &Path, linked: &BTreeSet<PathBuf>) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, name) = entry.map(|e| (e.path(), e.file_name()))?;
        let target = to.join(&name);
        if OF_PROCESSES.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if path.is_dir() {
            copy_with_links(&path, &target, linked)?;
        } else if !linked.contains(&path) || fs::hard_link(&path, &target).is_err() {
            // Some file systems have no hard links.
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Keys of random events.
struct Pool<'a> {
    rng: ChaCha8Rng,
    query: &'a Arc<Query>,
    keys: Vec<Vec<Value>>,
}

impl<'a> Pool<'a> {
    fn new(seed: u64, query: &'a Arc<Query>) -> Self {
        Pool { rng: ChaCha8Rng::seed_from_u64(seed), query, keys: Vec::new() }
    }

    /// Remembers as many keys of some rows as their share of all.
    fn take(&mut self, rows: &RecordBatch, of_events: u64) {
        if !has_keys(self.query) {
            return;
        }
        for _ in 0..(POOL * rows.num_rows()).div_ceil(of_events.max(1) as usize) {
            let row = self.rng.random_range(0..rows.num_rows());
            self.keys.extend(key_of(self.query, rows, row));
        }
    }
}

/// A query without grouping has one answer, and one that repeats rows has no groups to read; where the log's own columns count, rows that are
/// not in a log have no key; nor have windows that are put together, and what is computed of groups.
pub fn has_keys(query: &Query) -> bool {
    query.has_keys() && !query.rows && !query.reads_log_columns()
}

/// The key of a row; none where the query leaves it out.
pub fn key_of(query: &Query, rows: &RecordBatch, row: usize) -> Option<Vec<Value>> {
    let mut group = GroupTable::new(query);
    group.update_from_log(query, &rows.slice(row, 1)).ok()?;
    (group.len() == 1).then(|| group.key(0))
}
