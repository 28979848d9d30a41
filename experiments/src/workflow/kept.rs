//! What is known of a workflow's runs: one file, replaced as a whole.

use serde::{Deserialize, Serialize};
use twopath_base::Position;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The number of the next run: none is used twice.
    pub next: u64,
    /// The oldest first.
    pub runs: Vec<Run>,
    /// Topics of runs that are gone, which are to go as soon as nobody reads them.
    pub leaving: Vec<String>,
}

impl Default for Kept {
    fn default() -> Self {
        Kept { next: 1, runs: Vec::new(), leaving: Vec::new() }
    }
}

impl Kept {
    /// Lets go of some runs: their topics are to be removed.
    pub fn leave(&mut self, runs: Vec<Run>) {
        let topics = |run: Run| run.made.into_iter().map(|made| made.topic).chain(run.making);
        self.leaving.extend(runs.into_iter().flat_map(topics));
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
    /// The topic of the stage that is being made, or was when the process died.
    pub making: Option<String>,
    pub is_finished: bool,
}

/// A topic that no stage makes, and up to where the run reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Input {
    pub topic: String,
    /// Tells it from another one of the name.
    pub id: String,
    pub position: Position,
    /// Where the topic began then, and where what compaction left of it begins to be all: neither may move in mid-run.
    pub start: Position,
    pub since: Position,
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
