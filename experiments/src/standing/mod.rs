//! Standing jobs: the single path over a topic of one's own, whose versions outlive the process.
//!
//! ```text
//! log ──→ timely, from offset 0 on ──→ table of version 1, at rest ──┐
//!    └──→ timely, from offset 0 on ──→ table of version 2, at rest   ├─ the active one + the log's tail ──→ answers
//!                                      (deploy, cutover, rollback) ──┘
//! ```
//!
//! A version is its SQL, which stands in the job's `tables.json`, and a table at rest, exact for one position. Whoever asks takes the
//! active version's table and lets the speed layer read what has come since: an answer is exact for the log's end at that moment.
//! [`Standing::save`] moves the table at rest on, so that the next one has less to read.
//!
//! Every step that changes the job's folder is taken under its lock, and each is one atomic step of [`Tables`] or [`ViewStore`]: a
//! crash at any point leaves the versions as they were before the step or after it. A deployment that was interrupted is a version
//! without a table, which the same command takes up again.

mod diff;
mod error;
mod version;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;
use twopath_base::Position;
use twopath_log::{Log, Topic};
use twopath_query::{self as query, Query};
use twopath_serving::{ServingError, Table, Tables, VersionState, VersionStatus};
use twopath_storage::{OsStorage, write_atomically};
use twopath_view::BatchView;
use twopath_view::store::ViewStore;

pub use diff::{ColumnDiff, Diff, Example};
pub use error::JobError;
pub use version::Standing;

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
    /// What its table at rest is exact for.
    pub position: Option<Position>,
    /// Records in the log that are not in that table; `None` where the topic cannot be read.
    pub lag_records: Option<u64>,
    /// Why the version cannot be brought further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    pub groups: u64,
    /// Of its tables at rest.
    pub bytes: u64,
    pub sql: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Without a table at rest: its deployment is under way, or was interrupted.
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
    pub fn deploy(&self, topic: &Topic, query: Query, sql: &str, workers: usize, from_log_start: bool) -> Result<Standing, JobError> {
        let version = self.locked(true, |tables| {
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
                Some(v) if v.description == sql && self.store(tables, v.version).versions()?.is_empty() => Some(v.version),
                _ => None,
            };
            if !from_log_start && versions.iter().any(|v| Some(v.version) != again) {
                self.check_history(topic)?;
            }
            let version = again.unwrap_or_else(|| newest.map_or(1, |v| v.version + 1));
            // In the manifest from here on; the table that serves is made anew by each process.
            let table = Table::new(query.clone().into(), topic.partitions());
            tables.deploy(version, sql, table.into())?;
            Ok(version)
        })?;
        Standing::start(version, topic, query, None, workers)
    }

    /// The version that readers are on, reading on from its table at rest.
    pub fn active(&self, workers: usize) -> Result<Standing, JobError> {
        let (version, topic, query, view) = self.locked(false, |tables| {
            let versions = tables.status();
            let active = versions.iter().find(|v| v.state == VersionState::Active);
            let active = active.ok_or_else(|| ServingError::NoActiveVersion { job: self.name.clone() })?;
            let (topic, query) = self.parsed(active)?;
            let view = self.at_rest(tables, active.version, &query)?;
            Ok((active.version, topic, query, view))
        })?;
        Standing::start(version, &topic, query, Some(view), workers)
    }

    /// A version by its number, reading on from its table at rest.
    pub fn version(&self, version: u64, workers: usize) -> Result<Standing, JobError> {
        let (topic, query, view) = self.locked(false, |tables| {
            let (topic, query) = self.parsed(&self.known(tables, version)?)?;
            let view = self.at_rest(tables, version, &query)?;
            Ok((topic, query, view))
        })?;
        Standing::start(version, &topic, query, Some(view), workers)
    }

    /// Puts what a version has come to at rest, if the version is still there and nobody has brought it further meanwhile.
    pub fn save(&self, standing: &Standing) -> Result<(), JobError> {
        self.locked(false, |tables| {
            self.known(tables, standing.version())?;
            let store = ViewStore::open(&self.tables_dir(tables, standing.version()), TABLES_KEPT)?;
            standing.save(&store)
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
        self.locked(false, |tables| Ok(tables.delete(version)?))
    }

    /// Removes the job with all its versions, also the one that readers are on. Its topic stays.
    pub fn drop_all(self) -> Result<(), JobError> {
        self.locked(false, |_| {
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
        self.locked(false, |tables| {
            tables
                .status()
                .into_iter()
                .map(|v| {
                    // A topic that is gone, or another one of its name: what is at rest is told all the same.
                    let end = self.topic(&v.description).and_then(|topic| Ok(topic.end()?));
                    let store = self.store(tables, v.version);
                    let manifest = store.versions()?.last().map(|&n| store.manifest(n)).transpose()?;
                    Ok(JobVersion {
                        version: v.version,
                        state: match v.state {
                            VersionState::Active => JobState::Active,
                            VersionState::Standby => JobState::Standby,
                            VersionState::CatchingUp if manifest.is_some() => JobState::Ready,
                            VersionState::CatchingUp => JobState::Unfinished,
                        },
                        lag_records: end.as_ref().ok().map(|end| manifest.as_ref().map_or(end.records(), |m| end.records_since(&m.upper))),
                        problem: end.as_ref().err().map(ToString::to_string),
                        groups: manifest.as_ref().map_or(0, |m| m.groups),
                        position: manifest.map(|m| m.upper),
                        bytes: store.bytes()?,
                        sql: v.description,
                    })
                })
                .collect()
        })
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
        let (topic, query) = self.parsed(&known)?;
        let view = self.at_rest(tables, version, &query)?;
        let table = Table::new(query.into(), topic.partitions());
        table.publish_batch(view);
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
        let query = query::parse(&version.description, &topic.config().name, topic.schema());
        let query = query.map_err(|e| JobError::Sql { job: self.name.clone(), version: version.version, message: e.message })?;
        Ok((topic, query))
    }

    fn at_rest(&self, tables: &Tables, version: u64, query: &Query) -> Result<BatchView, JobError> {
        let view = self.store(tables, version).latest(query)?;
        view.ok_or_else(|| JobError::Unfinished { job: self.name.clone(), version })
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
