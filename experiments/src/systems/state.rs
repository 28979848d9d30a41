//! Where the state of a stream lives.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twopath_log::{Log, LogError};
use twopath_speed::{Backend, Checkpoints, LOCAL_MEMORY, Local, Remote, SpeedError};

/// Less makes steps of which the look-ups cost more than the work.
const LOCAL_MEMORY_MIN: u64 = 8 << 20;

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
    /// In an index beside the process, with a changelog: after a crash it is there, or is made again from the changelog, and what came since it was
    /// written last is read again. It takes about so many bytes of memory, however large it is.
    Local { memory: u64 },
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
    /// It owns the state: a process that owned it before commits nothing any more. Checkpoints are taken, and a local state is written, every so often.
    Owns { checkpoint_interval: Duration },
}

impl StateBackend {
    /// Local, with as much memory as where nobody says otherwise.
    pub fn local() -> Self {
        StateBackend::Local { memory: LOCAL_MEMORY }
    }

    /// As figures call it: without a server's address.
    pub fn name(&self) -> String {
        match self {
            StateBackend::Remote(_) => "redis".into(),
            other => other.to_string(),
        }
    }

    /// State on the server at `$TWOPATH_REDIS`, or else at Redis's own port of this machine.
    ///
    /// # Errors
    /// None answers there: what is to be said of that.
    pub fn server_that_answers() -> Result<Self, String> {
        let server = std::env::var("TWOPATH_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
        match Remote::ping(&server) {
            Ok(()) => Ok(StateBackend::Remote(server)),
            Err(why) => Err(format!("Redis is left out: no server answers at {server} ({why}).")),
        }
    }

    /// Whether it is of the same kind, and of the same server.
    pub fn is_like(&self, other: &StateBackend) -> bool {
        matches!((self, other), (StateBackend::Local { .. }, StateBackend::Local { .. })) || self == other
    }

    /// Whether it is a store outside the process's memory, and no checkpoint of it.
    pub fn is_store(&self) -> bool {
        matches!(self, StateBackend::Remote(_) | StateBackend::Local { .. })
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
            (&StateBackend::Local { memory }, _) => {
                let (dir, log, changelog) = (place.dir.join("local"), place.log.clone(), changelog_name(&place.name));
                let interval = if let Keeping::Owns { checkpoint_interval } = keeping { checkpoint_interval } else { Duration::ZERO };
                Backend::Local(Local { dir, log, changelog, owns, memory, interval, taken: None })
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

/// `4096`, `64K`, `64M`, `1G`: powers of 1024.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return Err("write a number of bytes, such as 4096, 64K, 64M or 1G".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a number of bytes, such as 4096, 64K, 64M or 1G".to_owned())?;
    number.checked_mul(1 << shift).filter(|b| *b > 0).ok_or_else(|| "there is no such size".into())
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
            StateBackend::Local { memory: LOCAL_MEMORY } => "local",
            &StateBackend::Local { memory } if memory % (1 << 20) == 0 => return f.pad(&format!("local:{}M", memory >> 20)),
            StateBackend::Local { memory } => return f.pad(&format!("local:{memory}")),
        })
    }
}

/// ```
/// use twopath::systems::StateBackend;
/// assert_eq!("checkpoint".parse(), Ok(StateBackend::Checkpoint));
/// assert_eq!("redis://localhost:6379".parse(), Ok(StateBackend::Remote("redis://localhost:6379".into())));
/// let why = "tape".parse::<StateBackend>().unwrap_err();
/// assert_eq!(why, "state cannot be kept in 'tape'; choose memory, checkpoint, local, local:SIZE or redis://HOST:PORT");
/// assert_eq!("local:64M".parse(), Ok(StateBackend::Local { memory: 64 << 20 }));
/// assert_eq!(StateBackend::Local { memory: 64 << 20 }.to_string(), "local:64M");
/// ```
impl FromStr for StateBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(StateBackend::Memory),
            "checkpoint" => Ok(StateBackend::Checkpoint),
            "local" => Ok(StateBackend::local()),
            _ if text.starts_with("redis:") => match Remote::check(text) {
                Ok(()) => Ok(StateBackend::Remote(text.to_owned())),
                Err(why) => Err(format!("'{text}' is no address of a Redis server ({why}); write redis://HOST:PORT")),
            },
            _ if text.starts_with("local:") => {
                let memory = parse_bytes(&text["local:".len()..])?;
                if memory < LOCAL_MEMORY_MIN {
                    Err("a local state takes at least 8M of memory".into())
                } else {
                    Ok(StateBackend::Local { memory })
                }
            }
            _ => Err(format!("state cannot be kept in '{text}'; choose memory, checkpoint, local, local:SIZE or redis://HOST:PORT")),
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
