//! What can go wrong in a batch run.

use polars::prelude::PolarsError;
use twopath_log::LogError;
use twopath_query::EvalError;
use twopath_view::store::StoreError;

use crate::Engine;

#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error(transparent)]
    Log(#[from] LogError),
    /// A row of the log raised it: so does every answer over that row.
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the horizon {horizon} speaks of {given} partitions, topic '{topic}' has {partitions}; take it from this topic's end or barriers"
    )]
    HorizonShape { topic: String, horizon: String, given: usize, partitions: usize },
    #[error("the horizon {horizon} lies beyond the end of topic '{topic}', {end}; wait for the log, or choose a position up to {end}")]
    HorizonBeyondEnd { topic: String, horizon: String, end: String },
    #[error("the query is over the columns of topic '{query_topic}', which are not those of topic '{topic}': {what}")]
    OtherTopic { query_topic: String, topic: String, what: String },
    #[error("hand-written logic {logic} does not fit the query: {what}; change the function, or the query that it stands for")]
    HandShape { logic: String, what: String },
    #[error("there is no batch engine '{name}'; choose polars or rayon")]
    UnknownEngine { name: String },
    /// The one place in which an engine says what it has not.
    #[error("the batch engine {engine} cannot do {what}; choose another batch engine, or write the query without it")]
    Unsupported { engine: Engine, what: String },
    #[error("polars could not run {logic}: {source}")]
    Polars { logic: String, source: PolarsError },
    /// The machine has no thread left for the engine.
    #[error("the threads of the batch layer could not be started: {0}; lower RAYON_NUM_THREADS, or end other programs")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}
