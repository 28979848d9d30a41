use std::io;
use std::path::PathBuf;

use twopath_base::Position;
use twopath_query::EvalError;
use twopath_view::KeptError;

/// Why there is no answer, or why a step of a job's versions was refused.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    #[error(
        "a group alone does not say its part of the answer, of which the query computes more, or which it cuts at LIMIT or OFFSET: ask for the whole answer, without a key"
    )]
    NoGroups,
    #[error("nothing has been published yet; ask again once the first view is there")]
    NothingPublished,
    #[error("the log below {lower} is not covered yet: the realtime view starts there; ask again once a batch view up to it is there")]
    HistoryMissing { lower: Position },
    #[error("{0}")]
    Eval(#[from] EvalError),
    #[error(transparent)]
    Kept(KeptError),
    #[error("a key has {wanted} values ({names}), not {given}; give one for each")]
    KeyLength { given: usize, wanted: usize, names: String },
    #[error("{logic} version {version} cannot stand for the query: {reason}; mend the hand-written code, or take SQL")]
    HandWritten { logic: String, version: u32, reason: String },
    #[error("job '{job}' serves no version; deploy one and cut over to it")]
    NoActiveVersion { job: String },
    #[error("job '{job}' has no version {version}; it has {known}")]
    UnknownVersion { job: String, version: u64, known: String },
    #[error("version {version} of job '{job}' is running already; deploy the change under a new number")]
    AlreadyRunning { job: String, version: u64 },
    #[error("version {version} of job '{job}' is not running in this process; deploy it again, then repeat the command")]
    NotRunning { job: String, version: u64 },
    #[error("version {version} of job '{job}' covers nothing yet; cut over once it has caught up")]
    NotReady { job: String, version: u64 },
    #[error("version {version} of job '{job}' is the one that serves; cut over or roll back before it is deleted")]
    IsActive { job: String, version: u64 },
    #[error("version {version} is the only one of job '{job}', and readers are on it; drop the job, or cut over to another version first")]
    IsOnly { job: String, version: u64 },
    #[error("job '{job}' has no version to roll back to; one is kept from a cutover until it is deleted")]
    NothingToRollBackTo { job: String },
    #[error("'{job}' is not a job's name; use letters, digits, '-', '_' and '.', starting with a letter or digit")]
    JobName { job: String },
    #[error("{}: {source}; see that the folder exists, is writable and has room", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {message}; restore the file, or remove it and deploy the job's versions again", path.display())]
    Manifest { path: PathBuf, message: String },
}

impl From<KeptError> for ServingError {
    fn from(error: KeptError) -> Self {
        match error {
            KeptError::Eval(error) => ServingError::Eval(error),
            error @ KeptError::Unreadable { .. } => ServingError::Kept(error),
        }
    }
}
