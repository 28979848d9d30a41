//! How far a feed of windows is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_storage::{OsStorage, create_dir_durably, write_atomically};

use super::firing::Fired;
use crate::error::SpeedError;

/// Up to where the windows of a feed are in its output: the file `closed.json` in the feed's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// Windows that end up to there are in the output (microseconds since 1970); `None` where no partition has spoken yet.
    pub closed_to: Option<i64>,
    /// How far the input was read for that.
    pub read_to: Position,
    /// By partition: the greatest event time up to there.
    pub newest: Vec<Option<i64>>,
    /// By partition: when the newest record up to there arrived.
    #[serde(default)]
    pub arrived: Vec<Option<i64>>,
    /// Of rows that were not final.
    #[serde(default)]
    pub fired: Fired,
}

impl Mark {
    /// That of a feed which begins there.
    pub fn before(from: &Position) -> Mark {
        let newest = vec![None; from.partitions()];
        Mark { closed_to: None, read_to: from.clone(), newest, arrived: Vec::new(), fired: Fired::default() }
    }

    /// `None` where there is none yet.
    pub fn read(dir: &Path) -> Result<Option<Mark>, SpeedError> {
        let path = mark_path(dir);
        match fs::read(&path) {
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(mark) => Ok(Some(mark)),
                Err(e) => Err(SpeedError::Mark { path, source: Arc::new(io::Error::other(e)) }),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SpeedError::Mark { path, source: Arc::new(source) }),
        }
    }

    pub fn write(&self, dir: &Path) -> Result<(), SpeedError> {
        let path = mark_path(dir);
        let text = serde_json::to_vec(self).expect("numbers are JSON");
        let written = create_dir_durably(&OsStorage, dir).and_then(|()| write_atomically(&OsStorage, &path, &text));
        written.map_err(|source| SpeedError::Mark { path, source: Arc::new(source) })
    }
}

pub(crate) fn mark_path(dir: &Path) -> PathBuf {
    dir.join("closed.json")
}
