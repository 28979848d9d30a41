//! What a job's versions are told as: where each stands, and what it would start from.

use serde::Serialize;
use twopath_base::Position;
use twopath_serving::{Tables, VersionState, VersionStatus};
use twopath_speed::checkpoint::Newest;
use twopath_storage::folder_bytes;

use super::reads::{Reads, place};
use super::state::{self, CheckpointStatus, Kept, RefusedStatus};
use super::{JobError, StandingJob, topics_of};
use crate::question::LateRecords;
use crate::systems::{StateBackend, checkpoints_dir};

/// What there is of a version.
#[derive(Debug, Serialize)]
pub struct JobVersion {
    pub version: u64,
    pub state: JobState,
    /// Where its state is kept.
    pub backend: StateBackend,
    /// What it has at rest is exact for; of a version over several topics `parts` tells it.
    pub position: Option<Position>,
    /// Each topic, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartStatus>,
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
    /// Of a checkpoint, those of all its runs: a group that is in two counts twice. `None` where a topic that is gone leaves nobody who knows.
    pub groups: Option<u64>,
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

/// What there is of one of a version's topics.
#[derive(Debug, Serialize)]
pub struct PartStatus {
    pub topic: String,
    pub position: Option<Position>,
    pub checkpoint: Option<CheckpointStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedStatus>,
    pub lag_records: Option<u64>,
    pub groups: Option<u64>,
    #[serde(skip)]
    problem: Option<String>,
}

/// A version as the manifest has it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNow {
    pub version: u64,
    pub state: JobState,
    pub sql: String,
}

impl VersionNow {
    /// What no other version has: a number is given anew once its version was deleted.
    pub fn key(&self) -> (u64, String) {
        (self.version, self.sql.clone())
    }
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

impl StandingJob {
    /// All versions, ascending.
    pub fn status(&self) -> Result<Vec<JobVersion>, JobError> {
        self.locked(false, |tables| tables.status().into_iter().map(|v| self.status_of(tables, v)).collect())
    }

    /// All versions, ascending: what is quickly told.
    pub fn states(&self) -> Result<Vec<VersionNow>, JobError> {
        let now = |tables: &Tables, v: VersionStatus| {
            Ok(VersionNow { state: self.state_of(tables, &v)?, version: v.version, sql: v.description })
        };
        self.locked(false, |tables| tables.status().into_iter().map(|v| now(tables, v)).collect())
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
        let dir = tables.version_dir(v.version);
        let Kept { backend, late_to, .. } = Kept::read(&dir)?;
        // A topic that is gone, or another one of its name: what is at rest is told all the same.
        let parsed = self.parsed(&v);
        let topics = topics_of(&v.description);
        let reads = |topic: &String| parsed.as_ref().map_or(true, |reads| reads.names().any(|name| name == topic));
        let parts = topics.iter().filter(|topic| reads(topic)).map(|topic| self.part_status(tables, &v, topic, parsed.as_ref().ok()));
        let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
        let late = match &parsed {
            Ok(reads) => self.count_late(tables, &v, reads, None),
            Err(_) => Ok(Vec::new()),
        };
        let problem = parts.iter().find_map(|part| part.problem.clone()).or_else(|| late.as_ref().err().map(ToString::to_string));
        let problem = problem.or_else(|| parsed.as_ref().err().map(ToString::to_string));
        let lag_records = parts.iter().map(|part| part.lag_records).sum::<Option<u64>>();
        let groups = parts.iter().map(|part| part.groups).sum();
        let is_one = parts.len() == 1;
        let (position, checkpoint, refused) = match (&mut parts[..], is_one) {
            ([part], true) => (part.position.take(), part.checkpoint.take(), std::mem::take(&mut part.refused)),
            _ => (None, None, Vec::new()),
        };
        if is_one {
            parts.clear();
        }
        let bytes = |topic: &String| {
            let dir = place(&dir, &v.description, topic);
            Ok::<_, JobError>(
                self.store((tables, v.version, &v.description), topic).bytes()?
                    + folder_bytes(&checkpoints_dir(&dir))
                    + folder_bytes(&dir.join("local")),
            )
        };
        let bytes = topics.iter().map(bytes).sum::<Result<u64, _>>()?;
        Ok(JobVersion {
            version: v.version,
            state: self.state_of(tables, &v)?,
            backend,
            lag_records,
            problem,
            groups,
            position,
            parts,
            checkpoint,
            refused,
            late: late.unwrap_or_default(),
            late_to,
            bytes,
            sql: v.description,
        })
    }

    /// What there is of a version over one of its topics.
    fn part_status(&self, tables: &Tables, v: &VersionStatus, topic: &str, reads: Option<&Reads>) -> Result<PartStatus, JobError> {
        let of = (tables, v.version, &*v.description);
        let end = self.topic(topic).and_then(|topic| Ok(topic.end()?));
        let store = self.store(of, topic);
        let table = store.versions()?.last().map(|&n| store.manifest(n)).transpose()?;
        let (newest, groups) = match reads.and_then(|reads| reads.each().find(|(read, _)| read.name() == topic)) {
            Some((topic, query)) => self.newest(of, topic, query)?,
            None => (Newest { manifest: None, refused: Vec::new() }, None),
        };
        let (checkpoint, refused) = state::told(&newest);
        let groups = groups.or(table.as_ref().map(|t| t.groups));
        let position = checkpoint.as_ref().map(|c| c.position.clone()).or(table.map(|t| t.upper));
        Ok(PartStatus {
            topic: topic.to_owned(),
            // Of a query that cannot be bound nobody knows what is at rest.
            lag_records: end
                .as_ref()
                .ok()
                .filter(|_| reads.is_some())
                .map(|end| position.as_ref().map_or(end.records(), |at| end.records_since(at))),
            problem: end.err().map(|e| e.to_string()),
            groups: groups.or(reads.is_some().then_some(0)),
            position,
            checkpoint,
            refused,
        })
    }
}
