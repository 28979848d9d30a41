use twopath_base::Position;
use twopath_log::LogError;
use twopath_query::EvalError;
use twopath_serving::ServingError;

use crate::systems::SystemError;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// Something was asked for that makes no sense; says what does.
    #[error("{0}")]
    Usage(String),
    /// Compaction has taken what a topic's table was before.
    #[error(
        "topic '{topic}' was compacted up to position {since}: what its table was before that is gone, and FOR SYSTEM_TIME AS OF would join with what is \
         left; ask for the table as it is, UPSERT(TABLE {topic}), or read a copy that was made before"
    )]
    PastGone { topic: String, since: Position },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    System(#[from] SystemError),
    #[error(transparent)]
    Serving(#[from] ServingError),
    #[error(transparent)]
    Eval(#[from] EvalError),
}
