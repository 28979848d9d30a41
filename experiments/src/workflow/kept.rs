//! What is known of a workflow's runs: one file, replaced as a whole.

use serde::{Deserialize, Serialize};
use twopath_base::Position;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The number of the next run: none is used twice.
    pub next: u64,
    /// The oldest first.
    pub runs: Vec<Run>,
}

impl Default for Kept {
    fn default() -> Self {
        Kept { next: 1, runs: Vec::new() }
    }
}

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    pub number: u64,
    /// Of the workflow, as it was when the run began.
    pub text: String,
    pub inputs: Vec<Input>,
    /// What is finished, in order.
    pub made: Vec<Made>,
    pub is_finished: bool,
}

/// A topic that no stage makes, and up to where the run reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Input {
    pub topic: String,
    /// Tells it from another one of the name.
    pub id: String,
    pub position: Position,
}

/// The result of a stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    pub stage: String,
    pub topic: String,
    pub rows: u64,
    /// Microseconds since 1970.
    pub began_us: i64,
    pub took_ms: f64,
}
