//! Standing jobs: the single path over a topic of one's own, or over several, whose versions outlive the process.
//!
//! ```text
//! log ──→ timely, from offset 0 on ──→ table of version 1, at rest ──┐
//!    └──→ timely, from offset 0 on ──→ table of version 2, at rest   ├─ the active one + the log's tail ──→ answers
//!                                      (deploy, cutover, rollback) ──┘
//! ```
//!
//! Over several topics a version follows each for itself, with the groups that its SQL needs of it, and computes of these what is above them (joins) when it is asked: an
//! answer is exact for one position of each.
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
mod part;
mod reads;
mod standby;
mod state;
mod status;
mod version;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use twopath_log::{Log, Topic};
use twopath_query::{self as query, Query, QueryError};
use twopath_serving::{ServingError, Table, Tables, VersionState, VersionStatus};
use twopath_speed::checkpoint::{GenerationAtRest, Newest, has_owner, newest_checkpoint};
use twopath_speed::{Backend, Refused, kept_state};
use twopath_storage::{OsStorage, write_atomically};
use twopath_view::store::ViewStore;
use twopath_view::{Generation, RealtimeView};

pub use diff::{ColumnDiff, Diff, Example};
pub use error::JobError;
pub use reads::Reads;
use reads::place;
pub use standby::Running;
use state::Kept;
pub use state::{CheckpointStatus, RefusedStatus};
pub use status::{JobState, JobVersion, PartStatus, VersionNow};
pub use version::{Progress, Standing, StandingAnswer, told};

use crate::question::check_past;
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
    /// The topics that its versions read, as they name them.
    pub topics: Vec<String>,
    /// How many there are.
    pub versions: usize,
    /// The one that readers are on.
    pub active: Option<u64>,
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
            versions.map(|versions| versions.iter().any(|v| topics_of(&v.description).iter().any(|read| read == topic))).unwrap_or_else(
                |e| {
                    failed = Some(e);
                    false
                },
            )
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
    pub fn deploy(&self, reads: Reads, sql: &str, how: &Deployment) -> Result<Standing, JobError> {
        let Deployment { workers, from_log_start, backend, checkpoint_interval, late_to } = how.clone();
        if !from_log_start {
            reads.each().try_for_each(|(topic, _)| check_past(reads.plan(), topic.name(), topic))?;
        }
        let (version, backends) = self.locked(true, |tables| {
            let versions = tables.status();
            if let Some(first) = versions.first() {
                let (before, now) = (topics_of(&first.description), reads.names().map(str::to_owned).collect::<Vec<_>>());
                if !now.iter().any(|name| before.contains(name)) {
                    let (topic, other) = (before.join(", "), now.join(", "));
                    return Err(JobError::OtherTopic { job: self.name.clone(), topic, other });
                }
                // A topic that no version reads may be another one than it was.
                let is_read = |topic: &&Topic| versions.iter().any(|v| topics_of(&v.description).iter().any(|name| name == topic.name()));
                reads.each().map(|(topic, _)| topic).filter(is_read).try_for_each(|topic| self.check_topic(topic))?;
            }
            self.keep_topics(&reads, &versions)?;
            let newest = versions.last();
            let again = match newest {
                Some(v) if v.description == sql && !self.is_finished(tables, v.version)? => Some(v.version),
                _ => None,
            };
            let others: Vec<String> =
                versions.iter().filter(|v| Some(v.version) != again).flat_map(|v| topics_of(&v.description)).collect();
            if !from_log_start {
                // Numbers shrink beside those of a version that read the topic, too.
                let is_read = |topic: &&Topic| others.iter().any(|name| name == topic.name());
                reads.each().map(|(topic, _)| topic).filter(is_read).try_for_each(|topic| self.check_history(&reads, topic))?;
            }
            let version = again.unwrap_or_else(|| newest.map_or(1, |v| v.version + 1));
            // In the manifest from here on; the table that serves is made anew by each process.
            tables.deploy(version, sql, empty_table(&reads).into())?;
            let kept = Kept { backend, caught_up: false, late_to };
            kept.write(&tables.version_dir(version))?;
            let owns = Keeping::Owns { checkpoint_interval };
            let backend = |(topic, _): (&Topic, _)| Ok::<_, JobError>((None, self.backend((tables, version, sql), topic, owns)?));
            Ok((version, reads.each().map(backend).collect::<Result<Vec<_>, _>>()?))
        })?;
        let _alone = self.starts_alone()?;
        Standing::start(version, reads, backends, workers)
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
        self.start(version, workers, |place, topic| self.backend(place, topic, keeping))
    }

    fn start(
        &self,
        version: u64,
        workers: usize,
        mut backend: impl FnMut((&Tables, u64, &str), &Topic) -> Result<Backend, JobError>,
    ) -> Result<Standing, JobError> {
        let (reads, dirs, from) = self.locked(false, |tables| {
            let known = self.known(tables, version)?;
            let reads = self.parsed(&known)?;
            if !self.is_finished(tables, version)? {
                return Err(JobError::Unfinished { job: self.name.clone(), version });
            }
            let sql = &*known.description;
            let from = |(topic, query): (&Topic, &std::sync::Arc<Query>)| {
                let view = self.store((tables, version, sql), topic.name()).latest(query)?;
                Ok::<_, JobError>((view, backend((tables, version, sql), topic)?))
            };
            let from = reads.each().map(from).collect::<Result<Vec<_>, _>>()?;
            let dirs: Vec<PathBuf> = reads.names().map(|topic| place(&tables.version_dir(version), sql, topic)).collect();
            Ok((reads, dirs, from))
        })?;
        let are_kept: Vec<bool> = from.iter().map(|(_, backend)| !matches!(backend, Backend::Memory)).collect();
        let standing = {
            let _alone = self.starts_alone()?;
            Standing::start(version, reads, from, workers)?
        };
        for (((topic, _), recovery), (is_kept, dir)) in
            standing.reads().each().zip(standing.recoveries()).zip(are_kept.into_iter().zip(dirs))
        {
            let start = topic.start()?;
            if is_kept && recovery.checkpoint.is_none() && start.records() > 0 {
                let told = recovery.refused.iter().map(|r| format!("{}: {}", r.file.display(), r.reason)).collect::<Vec<_>>();
                let told = if told.is_empty() { "there are none".into() } else { told.join("; ") };
                return Err(JobError::StateGone { job: self.name.clone(), version, dir: checkpoints_dir(&dir), start, told });
            }
        }
        Ok(standing)
    }

    /// Whether a version's state is not to be taken over to look at it: a living process owns its checkpoints, or they are none: a store has
    /// what whoever runs the job came to, or had when it was written last.
    pub fn is_kept(&self, version: u64) -> Result<bool, JobError> {
        self.locked(false, |tables| {
            let (dir, sql) = (tables.version_dir(version), self.known(tables, version)?.description);
            let has_owner = |topic: &String| has_owner(&checkpoints_dir(&place(&dir, &sql, topic)));
            Ok(Kept::read(&dir)?.backend.is_store() || topics_of(&sql).iter().any(has_owner))
        })
    }

    /// Where the state of a version over a topic is, as the speed layer is told.
    fn backend(&self, of: (&Tables, u64, &str), topic: &Topic, keeping: Keeping) -> Result<Backend, JobError> {
        self.with_place(of, topic.name(), &topic.local()?.id(), |backend, place| Ok(backend.at(place, keeping)))
    }

    /// The name has the topic's id on a server, which several folders of topics may share.
    fn with_place<T>(
        &self,
        (tables, version, sql): (&Tables, u64, &str),
        topic: &str,
        topic_id: &str,
        to_do: impl FnOnce(&StateBackend, &StatePlace<'_>) -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        let dir = tables.version_dir(version);
        let (backend, log) = (Kept::read(&dir)?.backend, Log::open(&self.topics)?);
        let place = place(&dir, sql, topic);
        let name = match backend {
            StateBackend::Remote(_) => format!("{topic_id}:{}:{version}", self.name),
            _ if place == dir => format!("{}.v{version}", self.name),
            // By its number: with its name the whole could be the name of another job's, or too long for one.
            _ => format!("{}.v{version}.{}", self.name, 1 + topics_of(sql).iter().position(|name| name == topic).unwrap_or(0)),
        };
        to_do(&backend, &StatePlace { dir: &place, log: &log, name })
    }

    /// Removes what of a version's state is not in its folder.
    fn remove_state(&self, tables: &Tables, version: &VersionStatus) -> Result<(), JobError> {
        let (ids, sql) = (self.topic_ids()?, &*version.description);
        topics_of(sql).iter().try_for_each(|topic| {
            let id = ids.of(topic).unwrap_or_default();
            self.with_place((tables, version.version, sql), topic, id, |backend, place| Ok(backend.remove(place)?))
        })
    }

    /// What a version would start from over a topic, and how many groups that has.
    fn newest(&self, of: (&Tables, u64, &str), topic: &Topic, query: &Query) -> Result<(Newest, Option<u64>), JobError> {
        let (tables, version, _) = of;
        Ok(match self.backend(of, topic, Keeping::Reads)? {
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
            let version = standing.version();
            let sql = self.known(tables, version)?.description;
            let dir = tables.version_dir(version);
            let kept = Kept::read(&dir)?;
            if kept.backend == StateBackend::Memory {
                let store = |topic| ViewStore::open(&tables_dir((tables, version, &sql), topic), TABLES_KEPT);
                standing.save(&standing.reads().names().map(store).collect::<Result<Vec<_>, _>>()?)?;
            } else {
                standing.take_checkpoint()?;
            }
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
            let removed = self.known(tables, version).and_then(|known| self.remove_state(tables, &known));
            tables.delete(version)?;
            removed
        })
    }

    /// Removes the job with all its versions, also the one that readers are on. Its topic stays.
    pub fn drop_all(self) -> Result<(), JobError> {
        self.locked(false, |tables| {
            tables.status().iter().try_for_each(|v| self.remove_state(tables, v))?;
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
                topics: versions.iter().flat_map(|v| self.topics_read(v)).fold(Vec::new(), with_it),
                active: versions.iter().find(|v| v.state == VersionState::Active).map(|v| v.version),
                versions: versions.len(),
            })
        })
    }

    /// Whether a version has caught up once.
    fn is_finished(&self, tables: &Tables, version: u64) -> Result<bool, JobError> {
        let kept = Kept::read(&tables.version_dir(version))?;
        // A version of one topic that is older than the word for it has a table.
        let table = || ViewStore::open_to_read(&tables.version_dir(version).join("table")).versions();
        Ok(kept.caught_up || (kept.backend == StateBackend::Memory && !table()?.is_empty()))
    }

    /// Does one step while no other process does one.
    fn locked<T>(&self, make: bool, step: impl FnOnce(&Tables) -> Result<T, JobError>) -> Result<T, JobError> {
        if !make && !self.job_dir().is_dir() {
            return Err(JobError::NoJob { job: self.name.clone() });
        }
        let path = self.dir.join(format!("{}.lock", self.name.replace(['/', '\0'], "_")));
        let io = |source| JobError::Io { path: path.clone(), source };
        fs::create_dir_all(&self.dir).map_err(io)?;
        let lock = match File::create(&path) {
            // Where nothing can be written nobody does a step, and what there is can be read.
            Err(e) if !make && e.kind() == std::io::ErrorKind::ReadOnlyFilesystem => None,
            lock => Some(lock.map_err(io)?),
        };
        // Let go of when the file is closed, also by the process's end.
        lock.as_ref().map_or(Ok(()), File::lock).map_err(io)?;
        step(&Tables::open(&self.dir, &self.name)?)
    }

    /// While one process takes a version's state over, no other one does: so of two that would own it one has all of its topics', and not each the half.
    fn starts_alone(&self) -> Result<File, JobError> {
        let path = self.job_dir().join("starting");
        let io = |source| JobError::Io { path: path.clone(), source };
        let lock = File::create(&path).map_err(io)?;
        lock.lock().map_err(io)?;
        Ok(lock)
    }

    /// Makes a version known to `tables` as one that can be read.
    fn run(&self, tables: &Tables, version: u64) -> Result<(), JobError> {
        let known = self.known(tables, version)?;
        let reads = self.parsed(&known)?;
        if !self.is_finished(tables, version)? {
            return Err(JobError::Unfinished { job: self.name.clone(), version });
        }
        let of = (tables, version, &*known.description);
        // Of several topics the first will do: what is asked of the table here is whether it covers anything.
        let (topic, query) = reads.each().next().expect("a query reads a topic");
        let (newest, _) = self.newest(of, topic, query)?;
        let mut table = empty_table(&reads);
        if let Some(view) = self.store(of, topic.name()).latest(query)? {
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

    fn topic(&self, name: &str) -> Result<Topic, JobError> {
        let topic = Log::open(&self.topics)?.topic(name)?;
        self.check_topic(&topic)?;
        Ok(topic)
    }

    /// That the tables hold this topic's records, and not those of one that had its name before.
    fn check_topic(&self, topic: &Topic) -> Result<(), JobError> {
        match self.topic_ids()?.of(topic.name()) {
            Some(known) if known != topic.local()?.id() => {
                Err(JobError::EarlierTopic { job: self.name.clone(), topic: topic.name().into(), dir: self.job_dir() })
            }
            _ => Ok(()),
        }
    }

    /// That the log still has all that was ever in it.
    fn check_history(&self, reads: &Reads, topic: &Topic) -> Result<(), JobError> {
        let (start, since) = (topic.start()?, topic.since()?);
        let takes_compaction = reads.needs_newest_alone(topic);
        let (job, topic) = (self.name.clone(), topic.name().to_owned());
        if start.records() > 0 {
            return Err(JobError::HistoryGone { job, topic, start });
        }
        if since.records() > 0 && !takes_compaction {
            return Err(JobError::HistoryCompacted { job, topic, since });
        }
        Ok(())
    }

    /// The ids of what versions read, and a new one.
    fn keep_topics(&self, reads: &Reads, versions: &[VersionStatus]) -> Result<(), JobError> {
        let mut ids = self.topic_ids()?.0;
        ids.retain(|name, _| versions.iter().any(|v| topics_of(&v.description).contains(name)));
        for (topic, _) in reads.each() {
            ids.insert(topic.name().to_owned(), topic.local()?.id());
        }
        let (path, text) = (self.topic_path(), serde_json::to_vec(&ids).expect("texts are JSON"));
        write_atomically(&OsStorage, &path, &text).map_err(|source| JobError::Io { path, source })
    }

    fn topic_ids(&self) -> Result<TopicIds, JobError> {
        let path = self.topic_path();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(TopicIds(match serde_json::from_str(&text) {
                Ok(ids) => ids,
                // A job of before there were several has the id alone: of the topic that its versions read.
                Err(_) => {
                    let versions = Tables::open(&self.dir, &self.name)?.status();
                    let topic = versions.first().and_then(|v| topics_of(&v.description).into_iter().next());
                    topic.map(|topic| (topic, text)).into_iter().collect()
                }
            })),
            // The job is older than this file.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(TopicIds(BTreeMap::new())),
            Err(source) => Err(JobError::Io { path, source }),
        }
    }

    /// The file that says which topics the job reads, by their ids.
    fn topic_path(&self) -> PathBuf {
        self.job_dir().join("topic-id")
    }

    fn job_dir(&self) -> PathBuf {
        self.dir.join("jobs").join(&self.name)
    }

    fn parsed(&self, version: &VersionStatus) -> Result<Reads, JobError> {
        let sql = &version.description;
        let topics = topics_of(sql).iter().map(|topic| self.topic(topic)).collect::<Result<Vec<_>, _>>()?;
        let wrong = |e: QueryError| JobError::Sql { job: self.name.clone(), version: version.version, message: e.message };
        Reads::of(sql, topics).map_err(wrong)
    }

    /// The topics that a version reads, or those that it names, where it cannot be told.
    fn topics_read(&self, version: &VersionStatus) -> Vec<String> {
        self.parsed(version).map_or_else(|_| topics_of(&version.description), |reads| reads.names().map(str::to_owned).collect())
    }

    fn store(&self, of: (&Tables, u64, &str), topic: &str) -> ViewStore {
        ViewStore::open_to_read(&tables_dir(of, topic))
    }
}

/// By topic, the id that it had.
struct TopicIds(BTreeMap<String, String>);

impl TopicIds {
    fn of(&self, topic: &str) -> Option<&str> {
        self.0.get(topic).map(String::as_str)
    }
}

/// A version's table before anything is in it: of several topics the first one's.
fn empty_table(reads: &Reads) -> Table {
    let (topic, query) = reads.each().next().expect("a query reads a topic");
    Table::new(query.clone(), topic.partitions())
}

fn tables_dir((tables, version, sql): (&Tables, u64, &str), topic: &str) -> PathBuf {
    place(&tables.version_dir(version), sql, topic).join("table")
}

/// The topics of a SQL text that has been parsed before it was kept.
fn topics_of(sql: &str) -> Vec<String> {
    query::topics_of(sql).unwrap_or_default()
}

fn with_it(mut names: Vec<String>, name: String) -> Vec<String> {
    if !names.contains(&name) {
        names.push(name);
    }
    names
}
