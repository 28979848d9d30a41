//! Questions asked of architectures, and of the log. A scenario that is not named here does not exist.
//!
//! Each is one file that reads like the experiment that it is: what is said (with its source), what is done, what would confirm it, and what
//! is written down. The frame around them ([`run`]) has the folder, the progress, Ctrl-C, the verdict and the page.

mod aa;
pub mod backpressure;
pub mod canary;
mod census;
mod change;
mod claims;
pub mod compare;
mod disorder;
mod economics;
mod fleet;
mod index;
mod isolation;
mod lab;
mod notes;
mod rate;
mod recovery;
mod reprocess;
pub mod run;
pub mod state;
mod twice;

pub use lab::Lab;
pub use notes::Notes;

use crate::harness::RunError;
use crate::harness::samples::SamplesError;
use crate::systems::SystemError;
use compare::CompareError;

/// A question that can be asked by its name.
pub struct Scenario {
    pub name: &'static str,
    /// The question.
    pub asks: &'static str,
    /// What the literature answers, and where it says so.
    pub says: &'static str,
    pub source: &'static str,
    /// What is called confirmed, and what refuted.
    pub confirmed_by: &'static str,
    /// Repeats unless told otherwise: in full, and small.
    pub repeats: (u32, u32),
    /// Does it, and writes down what it finds.
    pub run: fn(&Lab, &mut Notes) -> Result<(), ScenarioError>,
}

/// All there are.
pub const SCENARIOS: &[Scenario] = &[
    census::SCENARIO,
    reprocess::SCENARIO,
    economics::SCENARIO,
    change::SCENARIO,
    canary::SCENARIO,
    twice::SCENARIO,
    fleet::SCENARIO,
    disorder::SCENARIO,
    index::SCENARIO,
    isolation::SCENARIO,
    rate::SCENARIO,
    recovery::SCENARIO,
    state::SCENARIO,
    aa::SCENARIO,
    claims::SCENARIO,
];

impl Scenario {
    /// # Errors
    /// This program was built without what it takes.
    pub fn check_built(&self) -> Result<(), ScenarioError> {
        match self.name {
            name @ "index" if !cfg!(feature = "index") => Err(ScenarioError::NotBuilt { name, feature: "index" }),
            _ => Ok(()),
        }
    }
}

/// What the user chose.
#[derive(Debug, Clone, Default)]
pub struct ScenarioOptions {
    pub quick: bool,
    pub seed: u64,
    /// Instead of the scenario's own number.
    pub repeats: Option<u32>,
    /// Where it all goes; none means `twopath-results/NAME-START`.
    pub out: Option<std::path::PathBuf>,
}

/// Why a scenario has no result.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("there is no scenario '{name}'; choose from {known}")]
    Unknown { name: String, known: String },
    #[error(
        "this program was built without the scenario '{name}'; build one that has it with `cargo build --release --features {feature}` (that takes minutes more)"
    )]
    NotBuilt { name: &'static str, feature: &'static str },
    /// Kept by the frame: what was found before is a result.
    #[error("stopped")]
    Stopped,
    #[error("every run crashed. {message}")]
    Crashed { message: String },
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    System(#[from] SystemError),
    #[error(transparent)]
    Samples(#[from] SamplesError),
    #[error("the log: {0}")]
    Log(#[from] twopath_log::LogError),
    #[error("the query: {0}")]
    Query(#[from] twopath_query::QueryError),
    #[error(transparent)]
    Workload(#[from] twopath_events::workloads::WorkloadError),
    #[error(transparent)]
    Backpressure(#[from] backpressure::BackpressureError),
    #[error(transparent)]
    State(#[from] state::StateError),
    #[error("the inverted index: {0}")]
    Index(String),
    #[error("--reward: {0}; give a condition over the columns of the answer, such as 'departures > 10'")]
    Reward(String),
    #[error("an answer: {0}")]
    Answer(String),
    #[error("cannot write to {path}: {source}; give another folder with --out")]
    Out { path: String, source: std::io::Error },
    #[error("cannot watch for Ctrl-C: {0}")]
    Signals(std::io::Error),
    #[error("{file}: {problem}")]
    Claims { file: &'static str, problem: String },
}
