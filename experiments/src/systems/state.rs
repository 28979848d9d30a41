//! Where the state of a stream lives.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where the state of a stream lives, and so what is left of it after a crash. As options and results have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StateBackend {
    /// In the process alone: after a crash the log is read again.
    #[default]
    Memory,
    /// In the process, and now and then at rest: after a crash what came since the newest whole checkpoint is read again.
    Checkpoint,
}

impl fmt::Display for StateBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StateBackend::Memory => "memory",
            StateBackend::Checkpoint => "checkpoint",
        })
    }
}

/// ```
/// use twopath::systems::StateBackend;
/// assert_eq!("checkpoint".parse(), Ok(StateBackend::Checkpoint));
/// assert_eq!("tape".parse::<StateBackend>().unwrap_err(), "state cannot be kept in 'tape'; choose memory or checkpoint");
/// ```
impl FromStr for StateBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(StateBackend::Memory),
            "checkpoint" => Ok(StateBackend::Checkpoint),
            _ => Err(format!("state cannot be kept in '{text}'; choose memory or checkpoint")),
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
