//! What the workers' state hands to the sink.

use std::sync::Arc;

use twopath_query::EvalError;
use twopath_view::GroupTable;

use super::reached::Reached;

/// One worker's state once an epoch is complete, for the publisher.
pub(crate) struct Share {
    pub worker: usize,
    pub reached: Reached,
    pub generations: Vec<(u64, Vec<Arc<GroupTable>>)>,
    /// What this epoch added to them, where a store is to hear of it.
    pub changes: Vec<(u64, Arc<GroupTable>)>,
    /// Errors that rows raised in this epoch, with their generations.
    pub errors: Vec<(u64, EvalError)>,
    /// What the worker's derived rows raise, as they are now.
    pub raised: Option<EvalError>,
}
