//! What can go wrong with a job.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use twopath_base::{Offset, PartitionId, Position};
use twopath_log::LogError;
use twopath_query::{DataType, EvalError};
use twopath_view::KeptError;

use crate::Engine;

/// Why a job could not be started, or has stopped.
///
/// An error of a *row* (a division by zero, say) is none of these: it is an answer, and stands in the published view.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpeedError {
    #[error(transparent)]
    Log(Arc<LogError>),
    #[error(
        "'{logic}' reads a column '{column}' of type {expected:?}, which topic '{topic}' does not have (it has {columns}); use SQL for this topic"
    )]
    Column { logic: String, column: String, expected: DataType, topic: String, columns: String },
    #[error("position {position} does not fit topic '{topic}' with {partitions} partitions; give one offset per partition")]
    Partitions { topic: String, position: Position, partitions: usize },
    #[error(
        "position {from} is not in generation {generation} of topic '{topic}'; start at that barrier's position, or at generation 0 and offset 0"
    )]
    Start { topic: String, from: Position, generation: u64 },
    #[error("position {to} is before {from}, where reading starts; ask for a later one")]
    Backwards { from: Position, to: Position },
    #[error("position {to} is beyond the end of topic '{topic}', which is {end}; ask for an earlier one, or wait for more events")]
    BeyondEnd { topic: String, to: Position, end: Position },
    #[error("the speed engine {engine} does not know {what}; take the engine timely for this query")]
    Unsupported { engine: Engine, what: String },
    #[error("{logic} is written for the engine {written_for}, and {engine} was asked for; take its own engine, or SQL")]
    OtherEngine { logic: String, written_for: Engine, engine: Engine },
    #[error("{logic} version {version} does not give what it says: {reason}; mend the hand-written code, or take SQL")]
    Rows { logic: String, version: u32, reason: String },
    #[error("this query cannot be a feed: {what}")]
    NoFeed { what: String },
    #[error(
        "feed '{name}' is made of every record of '{topic}', and '{topic}' {what}. Pass what is left on to a topic that keeps \
         everything (twopath feed run {topic} OTHER --sql 'SELECT * FROM {topic}'), and run the feed over that one, under another name"
    )]
    NotWhole { name: String, topic: String, what: String },
    #[error(
        "feed '{name}' stops before offset {from} of partition {partition} of its input: {what} up to offset {to} raises an error: {source}. \
         What came before is appended; define the feed anew, under another name, with a guard against it"
    )]
    FeedRow { name: String, partition: PartitionId, from: Offset, to: Offset, what: &'static str, source: EvalError },
    #[error(
        "feed '{name}' stops {place}: a window raises an error: {source}. \
         What was final before it is appended; define the feed anew, under another name, with a guard against it"
    )]
    FeedWindow { name: String, place: String, source: EvalError },
    #[error(
        "feed '{name}' stops: a row that it keeps raises an error: {source}. What was appended stays; correct the row where it is one of a table, or define the feed anew, under another name, with a guard against it"
    )]
    FeedTable { name: String, source: EvalError },
    #[error(
        "{}: {source}; it says up to where windows are in the feed's output. Restore it, or run the feed under another name, to another output",
        path.display()
    )]
    Mark { path: PathBuf, source: Arc<io::Error> },
    #[error("feed '{name}' reads all of its input, and '{owner}' reads partition {partition} of it as the same group: stop that one first")]
    FeedShared { name: String, partition: PartitionId, owner: String },
    #[error(
        "feed '{name}' has appended what came of partition {partition} of its input up to offset {reached}, and the input ends at {end}: \
         it lost records with the machine's death. Run the feed under another name, to another output; \
         where an output must not outlive its input, make the input with --durability batch"
    )]
    FeedAhead { name: String, partition: PartitionId, reached: Offset, end: Offset },
    #[error("a job needs at least one worker; set workers to 1 or more")]
    NoWorkers,
    #[error("cannot start the workers: {reason}; is the limit of threads reached?")]
    Workers { reason: String },
    #[error("{}: {source}; see that the folder of checkpoints exists, is writable and has room", path.display())]
    Checkpoint { path: PathBuf, source: Arc<io::Error> },
    #[error(
        "{place}: another process has taken over this state (its fence is {newest}, and this one's {epoch}), so that nothing more is committed here; \
         let one process run a job"
    )]
    Fenced { place: String, epoch: u64, newest: u64 },
    #[error("{}: a process holds the lock, and does not go on; end it, and start again", path.display())]
    CheckpointsBusy { path: PathBuf },
    #[error(
        "{place}: what is kept there cannot be started from ({told}), and the log, which is to be read from {from} on, no longer has what the job began \
         with at {lower}; restore the state from a copy, or give the job another place for it to count what is left"
    )]
    StateGone { place: String, lower: Position, from: Position, told: String },
    #[error("{logic} keeps final values in its own dataflow, which no checkpoint reaches; keep its state in memory, or take SQL")]
    OwnState { logic: String },
    #[error("feed '{name}' has no state to keep; leave --state out, or give it a query with groups or joins, without EMIT")]
    NoState { name: String },
    #[error(
        "feed '{name}' keeps rows and not groups, which only checkpoints reach; give --state checkpoint, or leave it out; or give it a query with groups and nothing above them, without --every"
    )]
    KeptRows { name: String },
    #[error(
        "{place}: the state cannot be read or written there: {reason}; see that the place is there and has room, and start the job again"
    )]
    Store { place: String, reason: String },
    #[error("{place}: what is there is not this job's state: {reason}; name another place, or remove what is there")]
    StateForeign { place: String, reason: String },
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error("{place}: {reason}. Start the job again: it goes on from what is there")]
    StateLost { place: String, reason: String },
    #[error("a thread of the job panicked: {message}; this is a bug, start the job again from the log")]
    Panicked { message: String },
}

impl From<LogError> for SpeedError {
    fn from(e: LogError) -> Self {
        SpeedError::Log(Arc::new(e))
    }
}
