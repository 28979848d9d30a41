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
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    System(#[from] SystemError),
    #[error(transparent)]
    Serving(#[from] ServingError),
    #[error(transparent)]
    Eval(#[from] EvalError),
}
