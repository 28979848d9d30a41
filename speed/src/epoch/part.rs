//! What engines hand to the state of the workers.

use std::sync::Arc;

use twopath_query::EvalError;
use twopath_view::{GroupTable, Passed};

use super::reached::Reached;

/// A part of an epoch, addressed to a worker.
pub(crate) enum EpochPart {
    /// Groups of one generation; each worker takes those whose keys are its own.
    Table { generation: u64, table: Arc<GroupTable> },
    /// Rows of one generation whose groups are the worker's own, with what the query computes of each.
    Rows { generation: u64, rows: Vec<Passed> },
    /// Groups of one generation that are the worker's own, from an engine that exchanges by itself.
    Own { generation: u64, table: Arc<GroupTable> },
    /// A row of this generation raised an error.
    Error { generation: u64, error: EvalError },
    /// From now on the worker's rows raise this error, or none. Rows that are derived come and go, and so do their errors; what the log's own rows raise stays.
    Raised(Option<EvalError>),
    /// The sender's epoch is over (to itself).
    Closed(Reached),
}
