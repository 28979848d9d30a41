//! Standing jobs: the single path over a topic of one's own, whose versions outlive the process.
//!
//! ```text
//! log ──→ timely, from offset 0 on ──→ table of version 1, at rest ──┐
//!    └──→ timely, from offset 0 on ──→ table of version 2, at rest   ├─ the active one + the log's tail ──→ answers
//!                                      (deploy, cutover, rollback) ──┘
//! ```
//!
//! A version is its SQL, which stands in the job's `tables.json`, and its state at rest, exact for one position: checkpoints, or (with the state in
//! memory) a table. Whoever asks takes the active version's and lets the speed layer read what has come since: an answer is exact for the log's
//! end at that moment. [`Job::save`] moves what is at rest on, so that the next one has less to read.
//!
//! Every step that changes the job's folder is taken under its lock, and each is one atomic step of [`Tables`] or [`ViewStore`]: a
//! crash at any point leaves the versions as they were before the step or after it. A deployment that was interrupted is a version
//! without a table, which the same command takes up again.

mod diff;
mod error;
mod late;
mod standby;
mod state;
mod version;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use twopath_base::Position;
use twopath_log::{Log, Topic};
use twopath_query::{self as query, Query};
use twopath_serving::{ServingError, Table, Tables, VersionState, VersionStatus};
use twopath_speed::checkpoint::{GenerationAtRest, Newest, has_owner, newest_checkpoint};
use twopath_speed::{Backend, Refused, kept_state};
use twopath_storage::folder_bytes;
use twopath_storage::{OsStorage, write_atomically};
use twopath_view::store::ViewStore;
use twopath_view::{Generation, RealtimeView};

pub use diff::{ColumnDiff, Diff, Example};
pub use error::JobError;
pub use standby::Running;
use state::Kept;
pub use state::{CheckpointStatus, RefusedStatus};
pub use version::Standing;

use crate::question::{LateRecords, query_of};
use crate::systems::{Keeping, StateBackend, StatePlace, checkpoints_dir};

/// Beside the topics; no topic's name starts with a dot.
const FOLDER: &str = ".serving";
/// Tables at rest kept of a version: the last, and the one before it for those who are reading it.
const TABLES_KEPT: usize = 2;

/// A job's folder below a folder of topics.
pub struct StandingJob {
    topics: PathBuf,
    dir: PathBuf,
    name: String,
}

/// How a new version is made.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Worker threads of the replay.
    pub workers: usize,
    /// From what is left of a log whose beginning is gone.
    pub from_log_start: bool,
    pub backend: StateBackend,
    pub checkpoint_interval: Duration,
    /// The topic that gets what is late.
    pub late_to: Option<String>,
}

/// As the command line has it.
impl Default for Deployment {
    fn default() -> Self {
        let checkpoint_interval = Duration::from_secs(5);
        Deployment { workers: 1, from_log_start: false, backend: StateBackend::Checkpoint, checkpoint_interval, late_to: None }
    }
}

/// A job in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSummary {
    /// The topic that it reads, as its versions name it; `None` for a job without versions.
    pub topic: Option<String>,
    /// How many there are.
    pub versions: usize,
    /// The one that readers are on.
    pub active: Option<u64>,
}

/// What there is of a version.
#[derive(Debug, Serialize)]
pub struct JobVersion {
    pub version: u64,
    pub state: JobState,
    /// Where its state is kept.
    pub backend: StateBackend,
    /// What it has at rest is exact for.
    pub position: Option<Position>,
    /// The checkpoint that it would start from; `None` for one whose state is in memory, and for one that has none that is whole.
    pub checkpoint: Option<CheckpointStatus>,
    /// Checkpoints that would be passed over, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedStatus>,
    /// Records in the log that are not in what is at rest; `None` where the topic cannot be read.
    pub lag_records: Option<u64>,
    /// Why the version cannot be brought further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Of a checkpoint, those of all its runs: a group that is in two counts twice.
    pub groups: u64,
    /// Of its files.
    pub bytes: u64,
    /// What its `WATERMARK` leaves out of the log as it is now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateRecords>,
    /// The topic that gets that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_to: Option<String>,
    pub sql: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It has not caught up: its deployment is under way, or was interrupted.
    Unfinished,
    /// Caught up, and not cut over to.
    Ready,
    /// Readers are on it.
    Active,
    /// Readers were on it before; a rollback goes there.
    Standby,
}

impl JobVersion {
    /// The topic that it reads.
    pub fn topic(&self) -> String {
        topic_of(&self.sql)
    }
}

impl StandingJob {
    /// The job of that name below a folder of topics, whether it is there or not.
    pub fn named(topics: &Path, name: &str) -> StandingJob {
        StandingJob { topics: topics.to_owned(), dir: topics.join(FOLDER), name: name.to_owned() }
    }

    /// Names of the jobs below a folder of topics, sorted.
    pub fn list(topics: &Path) -> Result<Vec<String>, JobError> {
        let dir = topics.join(FOLDER).join("jobs");
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(JobError::Io { path: dir, source }),
        };
        let mut names = entries
            .map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| JobError::Io { path: dir, source })?;
        // What a removal that died left behind begins with a dot.
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    /// Names of the jobs below a folder of topics that read a topic, sorted.
    pub fn that_read(topics: &Path, topic: &str) -> Result<Vec<String>, JobError> {
        let mut names = StandingJob::list(topics)?;
        let mut failed = None;
        names.retain(|name| {
            let versions = StandingJob::named(topics, name).locked(false, |tables| Ok(tables.status()));
            versions.map(|versions| versions.iter().any(|v| topic_of(&v.description) == topic)).unwrap_or_else(|e| {
                failed = Some(e);
                false
            })
        });
        failed.map_or(Ok(names), Err)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a new version in hand: `sql` under the next number, or under that of the newest version if that is this SQL and was
    /// interrupted. Readers stay where they are. Its table is made by [`Standing::catch_up`] and put at rest by [`Standing::save`].
    ///
    /// A log whose beginning is gone would make a new version's numbers shrink without a word: it is refused, unless `from_log_start` asks for
    /// a version of what is left.
    pub fn deploy(&self, topic: &Topic, query: Query, sql: &str, how: &Deployment) -> Result<Standing, JobError> {
        let Deployment { workers, from_log_start, backend, checkpoint_interval, late_to } = how.clone();
        let (version, backend) = self.locked(true, |tables| {
            let versions = tables.status();
            if let Some(other) = versions.first() {
                let reads = topic_of(&other.description);
                if reads != topic.config().name {
                    return Err(JobError::OtherTopic { job: self.name.clone(), topic: reads, other: topic.config().name.clone() });
                }
                self.check_topic(topic)?;
            }
            self.keep_topic(topic)?;
            let newest = versions.last();
            let again = match newest {
                Some(v) if v.description == sql && !self.is_finished(tables, v.version)? => Some(v.version),
                _ => None,
            };
            if !from_log_start && versions.iter().any(|v| Some(v.version) != again) {
                self.check_history(topic)?;
            }
            let version = again.unwrap_or_else(|| newest.map_or(1, |v| v.version + 1));
            // In the manifest from here on; the table that serves is made anew by each process.
            let table = Table::new(query.clone().into(), topic.partitions());
            tables.deploy(version, sql, table.into())?;
            let kept = Kept { backend, caught_up: false, late_to };
            kept.write(&tables.version_dir(version))?;
            Ok((version, self.backend(tables, version, topic, Keeping::Owns { checkpoint_interval })?))
        })?;
        Standing::start(version, topic, query, (None, backend), workers)
    }

    /// The version that readers are on, reading on from what it has at rest.
    pub fn active(&self, workers: usize) -> Result<Standing, JobError> {
        let version = self.locked(false, |tables| {
            let versions = tables.status();
            let active = versions.iter().find(|v| v.state == VersionState::Active).map(|v| v.version);
            Ok(active.ok_or_else(|| ServingError::NoActiveVersion { job: self.name.clone() })?)
        })?;
        self.version(version, workers, Keeping::Reads)
    }

    /// A version by its number, reading on from what it has at rest.
    pub fn version(&self, version: u64, workers: usize, keeping: Keeping) -> Result<Standing, JobError> {
        self.start(version, workers, |tables, topic| self.backend(tables, version, topic, keeping))
    }

    fn start(
        &self,
        version: u64,
        workers: usize,
        backend: impl FnOnce(&Tables, &Topic) -> Result<Backend, JobError>,
    ) -> Result<Standing, JobError> {
        let (topic, query, dir, backend, at_rest) = self.locked(false, |tables| {
            let (topic, query) = self.parsed(&self.known(tables, version)?)?;
            if !self.is_finished(tables, version)? {
                return Err(JobError::Unfinished { job: self.name.clone(), version });
            }
            let view = self.store(tables, version).latest(&query)?;
            let backend = backend(tables, &topic)?;
            Ok((topic, query, tables.version_dir(version), backend, view))
        })?;
        let is_kept = !matches!(backend, Backend::Memory);
        let standing = Standing::start(version, &topic, query, (at_rest, backend), workers)?;
        let recovery = standing.recovery();
        let start = topic.start()?;
        if is_kept && recovery.checkpoint.is_none() && start.records() > 0 {
            let told = recovery.refused.iter().map(|r| format!("{}: {}", r.file.display(), r.reason)).collect::<Vec<_>>();
            let told = if told.is_empty() { "there are none".into() } else { told.join("; ") };
            return Err(JobError::StateGone { job: self.name.clone(), version, dir: checkpoints_dir(&dir), start, told });
        }
        Ok(standing)
    }

    /// Whether a version's state is not to be taken over to look at it: a living process owns its checkpoints, or they are none: a store has
    /// what whoever runs the job came to, or had when it was written last.
    pub fn is_kept(&self, version: u64) -> Result<bool, JobError> {
        self.locked(false, |tables| {
            let dir = tables.version_dir(version);
            Ok(Kept::read(&dir)?.backend.is_store() || has_owner(&checkpoints_dir(&dir)))
        })
    }

    /// Where a version's state is, as the speed layer is told.
    fn backend(&self, tables: &Tables, version: u64, topic: &Topic, keeping: Keeping) -> Result<Backend, JobError> {
        self.with_place(tables, version, &topic.local()?.id(), |backend, place| Ok(backend.at(place, keeping)))
    }

    /// The name has the topic's id on a server, which several folders of topics may share.
    fn with_place<T>(
        &self,
        tables: &Tables,
        version: u64,
        topic_id: &str,
        to_do: impl FnOnce(&StateBackend, &StatePlace<'_>) -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        let dir = tables.version_dir(version);
        let (backend, log) = (Kept::read(&dir)?.backend, Log::open(&self.topics)?);
        let name = match backend {
            StateBackend::Remote(_) => format!("{topic_id}:{}:{version}", self.name),
            _ => format!("{}.v{version}", self.name),
        };
        to_do(&backend, &StatePlace { dir: &dir, log: &log, name })
    }

    /// Removes what of a version's state is not in its folder.
    fn remove_state(&self, tables: &Tables, version: u64) -> Result<(), JobError> {
        let topic_id = fs::read_to_string(self.topic_path()).unwrap_or_default();
        self.with_place(tables, version, &topic_id, |backend, place| Ok(backend.remove(place)?))
    }

    /// What a version would start from, and how many groups that has.
    fn newest(&self, tables: &Tables, version: u64, (topic, query): &(Topic, Query)) -> Result<(Newest, Option<u64>), JobError> {
        Ok(match self.backend(tables, version, topic, Keeping::Reads)? {
            Backend::Memory => (Newest { manifest: None, refused: Vec::new() }, None),
            Backend::Checkpoints(checkpoints) => {
                let newest = newest_checkpoint(&checkpoints.dir, topic, query)?;
                let groups = newest.manifest.as_ref().map(|m| m.runs().map(|run| run.groups).sum());
                (newest, groups)
            }
            backend @ (Backend::Remote(_) | Backend::Local(_)) => match kept_state(&backend, topic, query) {
                Ok(kept) => {
                    let (manifest, groups) = kept.unzip();
                    (Newest { manifest, refused: Vec::new() }, groups)
                }
                Err(error) => {
                    let file = Kept::read(&tables.version_dir(version))?.backend.to_string().into();
                    (Newest { manifest: None, refused: vec![Refused { file, reason: error.to_string() }] }, None)
                }
            },
        })
    }

    /// Refuses to keep versions elsewhere than they were deployed to.
    pub fn check_backend(&self, asked: &StateBackend) -> Result<(), JobError> {
        self.locked(false, |tables| {
            tables.status().iter().try_for_each(|v| match Kept::read(&tables.version_dir(v.version))?.backend {
                deployed if deployed.is_like(asked) => Ok(()),
                deployed => {
                    let (job, asked) = (self.name.clone(), asked.clone());
                    Err(JobError::OtherState { job, version: v.version, deployed, asked })
                }
            })
        })
    }

    /// Puts what a version has come to at rest, if the version is still there and nobody has brought it further meanwhile.
    pub fn save(&self, standing: &Standing) -> Result<(), JobError> {
        self.locked(false, |tables| {
            self.known(tables, standing.version())?;
            let dir = tables.version_dir(standing.version());
            let kept = Kept::read(&dir)?;
            if kept.backend == StateBackend::Memory {
                let store = ViewStore::open(&self.tables_dir(tables, standing.version()), TABLES_KEPT)?;
                return standing.save(&store);
            }
            standing.take_checkpoint()?;
            if kept.caught_up { Ok(()) } else { Kept { caught_up: true, ..kept }.write(&dir) }
        })
    }

    /// Readers move to a version, which must have a table at rest, in one step.
    pub fn cutover(&self, version: u64) -> Result<(), JobError> {
        self.locked(false, |tables| {
            self.run(tables, version)?;
            Ok(tables.cutover(version)?)
        })
    }

    /// Readers move back to the version that they were on before. Returns its number.
    pub fn rollback(&self) -> Result<u64, JobError> {
        self.locked(false, |tables| {
            let standby = tables.status().into_iter().find(|v| v.state == VersionState::Standby);
            if let Some(standby) = standby {
                self.run(tables, standby.version)?;
            }
            Ok(tables.rollback()?)
        })
    }

    /// Removes a version that readers are not on, with its tables.
    pub fn delete(&self, version: u64) -> Result<(), JobError> {
        self.locked(false, |tables| {
            let removed = self.remove_state(tables, version);
            tables.delete(version)?;
            removed
        })
    }

    /// Removes the job with all its versions, also the one that readers are on. Its topic stays.
    pub fn drop_all(self) -> Result<(), JobError> {
        self.locked(false, |tables| {
            tables.status().iter().try_for_each(|v| self.remove_state(tables, v.version))?;
            let dir = self.job_dir();
            // Renamed first: a folder that is half removed is no job.
            let gone = self.dir.join("jobs").join(format!(".{}", self.name));
            let io = |source| JobError::Io { path: dir.clone(), source };
            match fs::remove_dir_all(&gone) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
                _ => {}
            }
            fs::rename(&dir, &gone).and_then(|()| fs::remove_dir_all(&gone)).map_err(io)
        })
    }

    /// What the job's manifest says at one moment.
    pub fn summary(&self) -> Result<JobSummary, JobError> {
        self.locked(false, |tables| {
            let versions = tables.status();
            Ok(JobSummary {
                topic: versions.first().map(|v| topic_of(&v.description)),
                active: versions.iter().find(|v| v.state == VersionState::Active).map(|v| v.version),
                versions: versions.len(),
            })
        })
    }

    /// All versions, ascending.
    pub fn status(&self) -> Result<Vec<JobVersion>, JobError> {
        self.locked(false, |tables| tables.status().into_iter().map(|v| self.status_of(tables, v)).collect())
    }

    /// All versions, ascending, and their states: what is quickly told.
    pub fn states(&self) -> Result<Vec<(u64, JobState)>, JobError> {
        self.locked(false, |tables| tables.status().into_iter().map(|v| Ok((v.version, self.state_of(tables, &v)?))).collect())
    }

    fn state_of(&self, tables: &Tables, version: &VersionStatus) -> Result<JobState, JobError> {
        Ok(match version.state {
            VersionState::Active => JobState::Active,
            VersionState::Standby => JobState::Standby,
            VersionState::CatchingUp if self.is_finished(tables, version.version)? => JobState::Ready,
            VersionState::CatchingUp => JobState::Unfinished,
        })
    }

    fn status_of(&self, tables: &Tables, v: VersionStatus) -> Result<JobVersion, JobError> {
        // A topic that is gone, or another one of its name: what is at rest is told all the same.
        let parsed = self.parsed(&v);
        let end = self.topic(&v.description).and_then(|topic| Ok(topic.end()?));
        let dir = tables.version_dir(v.version);
        let Kept { backend, late_to, .. } = Kept::read(&dir)?;
        let store = self.store(tables, v.version);
        let late = match (&parsed, &end) {
            (Ok((topic, _)), Ok(end)) => self.count_late(tables, &v, topic, end),
            _ => Ok(Vec::new()),
        };
        let table = store.versions()?.last().map(|&n| store.manifest(n)).transpose()?;
        let (newest, groups) = match &parsed {
            Ok(parsed) => self.newest(tables, v.version, parsed)?,
            Err(_) => (Newest { manifest: None, refused: Vec::new() }, None),
        };
        let (checkpoint, refused) = state::told(&newest);
        let groups = groups.or(table.as_ref().map(|t| t.groups));
        let position = checkpoint.as_ref().map(|c| c.position.clone()).or(table.map(|t| t.upper));
        Ok(JobVersion {
            version: v.version,
            state: self.state_of(tables, &v)?,
            backend,
            lag_records: end.as_ref().ok().map(|end| position.as_ref().map_or(end.records(), |at| end.records_since(at))),
            problem: end.as_ref().err().or(late.as_ref().err()).map(|e| e.to_string()),
            groups: groups.unwrap_or(0),
            position,
            checkpoint,
            refused,
            late: late.unwrap_or_default(),
            late_to,
            bytes: store.bytes()? + folder_bytes(&checkpoints_dir(&dir)) + folder_bytes(&dir.join("local")),
            sql: v.description,
        })
    }

    /// Whether a version has caught up once.
    fn is_finished(&self, tables: &Tables, version: u64) -> Result<bool, JobError> {
        let kept = Kept::read(&tables.version_dir(version))?;
        Ok(kept.caught_up || (kept.backend == StateBackend::Memory && !self.store(tables, version).versions()?.is_empty()))
    }

    /// Does one step while no other process does one.
    fn locked<T>(&self, make: bool, step: impl FnOnce(&Tables) -> Result<T, JobError>) -> Result<T, JobError> {
        if !make && !self.job_dir().is_dir() {
            return Err(JobError::NoJob { job: self.name.clone() });
        }
        let path = self.dir.join(format!("{}.lock", self.name.replace(['/', '\0'], "_")));
        let io = |source| JobError::Io { path: path.clone(), source };
        fs::create_dir_all(&self.dir).map_err(io)?;
        let lock = File::create(&path).map_err(io)?;
        lock.lock().map_err(io)?;
        // Let go of when the file is closed, also by the process's end.
        step(&Tables::open(&self.dir, &self.name)?)
    }

    /// Makes a version known to `tables` as one that can be read.
    fn run(&self, tables: &Tables, version: u64) -> Result<(), JobError> {
        let known = self.known(tables, version)?;
        let parsed = self.parsed(&known)?;
        if !self.is_finished(tables, version)? {
            return Err(JobError::Unfinished { job: self.name.clone(), version });
        }
        let (newest, _) = self.newest(tables, version, &parsed)?;
        let (topic, query) = parsed;
        let mut table = Table::new(query.clone().into(), topic.partitions());
        if let Some(view) = self.store(tables, version).latest(&query)? {
            table.publish_batch(view);
        } else if let Some(manifest) = newest.manifest {
            table = table.starting_at(manifest.lower().clone());
            // What it covers is all that is asked of it here.
            let range = |g: &GenerationAtRest| Generation::of(g.number, (g.lower.clone(), g.upper.clone()), Vec::new());
            let generations = manifest.generations.iter().map(range).collect();
            table.publish_realtime(RealtimeView { generations, published_us: manifest.taken_us, error: None }.into());
        }
        Ok(tables.deploy(version, &known.description, table.into())?)
    }

    fn known(&self, tables: &Tables, version: u64) -> Result<VersionStatus, JobError> {
        let versions = tables.status();
        let known = versions.iter().map(|v| v.version.to_string()).collect::<Vec<_>>().join(", ");
        versions.into_iter().find(|v| v.version == version).ok_or_else(|| {
            let known = if known.is_empty() { "none".into() } else { known };
            ServingError::UnknownVersion { job: self.name.clone(), version, known }.into()
        })
    }

    fn topic(&self, sql: &str) -> Result<Topic, JobError> {
        let topic = Log::open(&self.topics)?.topic(&topic_of(sql))?;
        self.check_topic(&topic)?;
        Ok(topic)
    }

    /// That the tables hold this topic's records, and not those of one that had its name before.
    fn check_topic(&self, topic: &Topic) -> Result<(), JobError> {
        let path = self.topic_path();
        let kept = match fs::read_to_string(&path) {
            Ok(kept) => kept,
            // The job is older than this file.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(JobError::Io { path, source }),
        };
        if kept == topic.local()?.id() {
            return Ok(());
        }
        Err(JobError::EarlierTopic { job: self.name.clone(), topic: topic.name().into(), dir: self.job_dir() })
    }

    /// That the log still has all that was ever in it.
    fn check_history(&self, topic: &Topic) -> Result<(), JobError> {
        let (start, since) = (topic.start()?, topic.since()?);
        let (job, topic) = (self.name.clone(), topic.name().to_owned());
        if start.records() > 0 {
            return Err(JobError::HistoryGone { job, topic, start });
        }
        if since.records() > 0 {
            return Err(JobError::HistoryCompacted { job, topic, since });
        }
        Ok(())
    }

    fn keep_topic(&self, topic: &Topic) -> Result<(), JobError> {
        let path = self.topic_path();
        write_atomically(&OsStorage, &path, topic.local()?.id().as_bytes()).map_err(|source| JobError::Io { path, source })
    }

    /// The file that says which topic the job reads, by its id.
    fn topic_path(&self) -> PathBuf {
        self.job_dir().join("topic-id")
    }

    fn job_dir(&self) -> PathBuf {
        self.dir.join("jobs").join(&self.name)
    }

    fn parsed(&self, version: &VersionStatus) -> Result<(Topic, Query), JobError> {
        let topic = self.topic(&version.description)?;
        let query = query_of(&version.description, &topic).map_err(|e| JobError::Sql {
            job: self.name.clone(),
            version: version.version,
            message: e.message,
        })?;
        Ok((topic, query))
    }

    fn tables_dir(&self, tables: &Tables, version: u64) -> PathBuf {
        tables.version_dir(version).join("table")
    }

    fn store(&self, tables: &Tables, version: u64) -> ViewStore {
        ViewStore::open_to_read(&self.tables_dir(tables, version))
    }
}

/// The topic of a SQL text that has been parsed before it was kept.
fn topic_of(sql: &str) -> String {
    query::topic_of(sql).unwrap_or_default()
}
