//! Where the state of a stream lives.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twopath_log::{Log, LogError};
use twopath_speed::{Backend, Checkpoints, Local, Remote, SpeedError};

/// Where the state of a stream lives, and so what is left of it after a crash. As options and results have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StateBackend {
    /// In the process alone: after a crash the log is read again.
    #[default]
    Memory,
    /// In the process, and now and then at rest: after a crash what came since the newest whole checkpoint is read again.
    Checkpoint,
    /// On a Redis server, at `redis://HOST:PORT`: after a crash it is there.
    Remote(String),
    /// In an index beside the process, with a changelog: after a crash it is there, or is made again from the changelog.
    Local,
}

/// What a job's state is kept under, wherever that is.
pub struct StatePlace<'a> {
    /// The job's own folder.
    pub dir: &'a Path,
    /// Where a changelog is.
    pub log: &'a Log,
    /// No other job's state has it.
    pub name: String,
}

/// How a process takes part in keeping a job's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It only starts from what is there.
    Reads,
    /// It owns the state: a process that owned it before commits nothing any more. Checkpoints are taken every so often.
    Owns { checkpoint_interval: Duration },
}

impl StateBackend {
    /// Whether it is written with each epoch, outside the process.
    pub fn is_store(&self) -> bool {
        matches!(self, StateBackend::Remote(_) | StateBackend::Local)
    }

    /// What the speed layer is told.
    pub fn at(&self, place: &StatePlace<'_>, keeping: Keeping) -> Backend {
        let owns = keeping != Keeping::Reads;
        match (self, keeping) {
            (StateBackend::Memory, _) => Backend::Memory,
            (StateBackend::Checkpoint, Keeping::Reads) => Backend::Checkpoints(Checkpoints::read_only(&checkpoints_dir(place.dir))),
            (StateBackend::Checkpoint, Keeping::Owns { checkpoint_interval }) => {
                Backend::Checkpoints(Checkpoints::every(checkpoint_interval, &checkpoints_dir(place.dir)))
            }
            (StateBackend::Remote(server), _) => {
                let name = place.name.clone();
                Backend::Remote(Remote { server: server.clone(), name, owns })
            }
            (StateBackend::Local, _) => {
                let (dir, log, changelog) = (place.dir.join("local"), place.log.clone(), changelog_name(&place.name));
                Backend::Local(Local { dir, log, changelog, owns })
            }
        }
    }

    /// Removes what lies outside the job's folder.
    ///
    /// # Errors
    /// The server cannot be reached, or somebody reads the changelog.
    pub fn remove(&self, place: &StatePlace<'_>) -> Result<(), SpeedError> {
        match self.at(place, Keeping::Reads) {
            Backend::Remote(remote) => remote.remove(),
            Backend::Local(local) => match local.log.delete_topic(&local.changelog) {
                Err(LogError::NoSuchTopic { .. }) => Ok(()),
                other => Ok(other?),
            },
            Backend::Memory | Backend::Checkpoints(_) => Ok(()),
        }
    }
}

/// Where a job's checkpoints are in its folder.
pub fn checkpoints_dir(dir: &Path) -> std::path::PathBuf {
    dir.join("checkpoints")
}

/// A changelog is a topic like any other.
fn changelog_name(name: &str) -> String {
    format!("{name}.changelog")
}

impl fmt::Display for StateBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StateBackend::Memory => "memory",
            StateBackend::Checkpoint => "checkpoint",
            StateBackend::Remote(server) => server,
            StateBackend::Local => "local",
        })
    }
}

/// ```
/// use twopath::systems::StateBackend;
/// assert_eq!("checkpoint".parse(), Ok(StateBackend::Checkpoint));
/// assert_eq!("redis://localhost:6379".parse(), Ok(StateBackend::Remote("redis://localhost:6379".into())));
/// let why = "tape".parse::<StateBackend>().unwrap_err();
/// assert_eq!(why, "state cannot be kept in 'tape'; choose memory, checkpoint, local or redis://HOST:PORT");
/// ```
impl FromStr for StateBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(StateBackend::Memory),
            "checkpoint" => Ok(StateBackend::Checkpoint),
            "local" => Ok(StateBackend::Local),
            _ if text.starts_with("redis:") => match Remote::check(text) {
                Ok(()) => Ok(StateBackend::Remote(text.to_owned())),
                Err(why) => Err(format!("'{text}' is no address of a Redis server ({why}); write redis://HOST:PORT")),
            },
            _ => Err(format!("state cannot be kept in '{text}'; choose memory, checkpoint, local or redis://HOST:PORT")),
        }
    }
}

impl TryFrom<String> for StateBackend {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<StateBackend> for String {
    fn from(backend: StateBackend) -> String {
        backend.to_string()
    }
}
