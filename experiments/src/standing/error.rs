use std::io;
use std::path::PathBuf;

use twopath_base::Position;
use twopath_log::LogError;
use twopath_serving::ServingError;
use twopath_speed::SpeedError;
use twopath_view::store::StoreError;

use crate::feeds::FeedError;
use crate::question::QuestionError;
use crate::systems::{StateBackend, SystemError};

/// Why a step of a standing job was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("there is no job '{job}'; `twopath job deploy {job} --sql ...` makes one")]
    NoJob { job: String },
    #[error("job '{job}' reads the topic '{topic}', and this SQL reads '{other}'; give the query over another topic a job of its own")]
    OtherTopic { job: String, topic: String, other: String },
    #[error(
        "the tables of job '{job}' hold the records of an earlier topic '{topic}', which was deleted since, and not of the one that has this name \
         now; deploy the query as a job of another name, or drop this one with `twopath job drop {job}` ({}) and deploy it anew",
        dir.display()
    )]
    EarlierTopic { job: String, topic: String, dir: PathBuf },
    #[error(
        "topic '{topic}' no longer has what stood before position {start}, so that a new version of job '{job}' would count less than those \
         before it; to have it count what is left, deploy it with --from-log-start"
    )]
    HistoryGone { job: String, topic: String, start: Position },
    #[error(
        "topic '{topic}' was compacted up to position {since}, so that a new version of job '{job}' would count less than those before it; \
         to have it count what is left, deploy it with --from-log-start"
    )]
    HistoryCompacted { job: String, topic: String, since: Position },
    #[error(
        "version {version} of job '{job}' has not caught up: its deployment was interrupted; repeat `twopath job deploy {job} --sql ...`"
    )]
    Unfinished { job: String, version: u64 },
    #[error(
        "version {version} of job '{job}' had caught up, and now none of its checkpoints can be started from ({told}); its topic no longer has what \
         stood before position {start}, so that it would count less than before: restore {} from a copy, or deploy the query anew with --from-log-start",
        dir.display()
    )]
    StateGone { job: String, version: u64, dir: PathBuf, start: Position, told: String },
    #[error(
        "version {version} of job '{job}' was deployed with --state {deployed}, and not with {asked}; leave --state out, or deploy the query anew with it"
    )]
    OtherState { job: String, version: u64, deployed: StateBackend, asked: StateBackend },
    #[error(
        "version {version} of job '{job}' keeps its state with --state {deployed}, and only `local` has what another process can stand by with; \
         leave --standby out, or deploy the query anew with --state local"
    )]
    NoStandby { job: String, version: u64, deployed: StateBackend },
    #[error("the SQL of version {version} of job '{job}' no longer fits its topic: {message}; deploy a version that does")]
    Sql { job: String, version: u64, message: String },
    #[error("versions {from} and {to} of job '{job}' cannot be compared: {problem}")]
    Diff { job: String, from: u64, to: u64, problem: String },
    #[error("{}: {source}; see that the folder exists, is writable and has room", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the log: {0}")]
    Log(#[from] LogError),
    #[error("the speed layer: {0}")]
    Speed(#[from] SpeedError),
    #[error(transparent)]
    System(SystemError),
    #[error("what is late could not be counted: {0}")]
    Late(#[from] QuestionError),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Serving(#[from] ServingError),
    #[error("the table at rest: {0}")]
    Store(#[from] StoreError),
    #[error("a row of the topic raises an error: {0}")]
    Eval(#[from] twopath_query::EvalError),
}

impl JobError {
    /// Whether a topic is gone, or has become another one.
    pub fn is_of_a_gone_topic(&self) -> bool {
        matches!(self, JobError::Log(LogError::NoSuchTopic { .. }) | JobError::EarlierTopic { .. })
    }
}

/// An engine's own error says enough.
impl From<SystemError> for JobError {
    fn from(error: SystemError) -> Self {
        match error {
            SystemError::Speed(error) => error.into(),
            error => JobError::System(error),
        }
    }
}
