//! Where a version's state is kept, and whether the version has caught up: `state.json` in the version's folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_speed::checkpoint::{Manifest, Newest};
use twopath_storage::{OsStorage, write_atomically};

use super::JobError;
use crate::systems::StateBackend;

/// What a version was deployed with, and how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub backend: StateBackend,
    /// It has read all that was in the log when it was deployed. (A version in memory has caught up once it has a table at rest.)
    pub caught_up: bool,
    /// The topic that gets what the version leaves out because it is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_to: Option<String>,
}

/// The checkpoint that a version would start from.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointStatus {
    /// Counts up over the version's life.
    pub number: u64,
    pub position: Position,
    pub generation: u64,
    /// Microseconds since 1970.
    pub taken_us: i64,
    pub runs: usize,
    /// Of its runs.
    pub bytes: u64,
}

/// A checkpoint that is passed over.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedStatus {
    pub file: PathBuf,
    pub reason: String,
}

impl Kept {
    /// Versions of before there was a choice are in memory, with a table at rest.
    pub fn read(version_dir: &Path) -> Result<Kept, JobError> {
        let path = version_dir.join("state.json");
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| JobError::Io { path, source: io::Error::other(e) }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Kept { backend: StateBackend::Memory, caught_up: false, late_to: None }),
            Err(source) => Err(JobError::Io { path, source }),
        }
    }

    pub fn write(&self, version_dir: &Path) -> Result<(), JobError> {
        let path = version_dir.join("state.json");
        let text = serde_json::to_vec(self).expect("two words are JSON");
        write_atomically(&OsStorage, &path, &text).map_err(|source| JobError::Io { path, source })
    }
}

impl CheckpointStatus {
    fn of(manifest: &Manifest) -> Self {
        CheckpointStatus {
            number: manifest.number,
            position: manifest.position().clone(),
            generation: manifest.generations.last().map_or(0, |g| g.number),
            taken_us: manifest.taken_us,
            runs: manifest.runs().count(),
            bytes: manifest.runs().map(|run| run.bytes).sum(),
        }
    }
}

/// What status tells of the checkpoints.
pub(super) fn told(newest: &Newest) -> (Option<CheckpointStatus>, Vec<RefusedStatus>) {
    let refused = newest.refused.iter().map(|r| RefusedStatus { file: r.file.clone(), reason: r.reason.clone() });
    (newest.manifest.as_ref().map(CheckpointStatus::of), refused.collect())
}
