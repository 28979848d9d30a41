//! A position and a query give a table of groups.

use twopath_shared::Position;
use twopath_shared::log::Topic;
use twopath_shared::query::Query;
use twopath_shared::view::GroupTable;

use crate::{BatchError, Logic};

/// Everything below `horizon`, grouped.
pub fn compute(_topic: &Topic, _query: &Query, _logic: &Logic, _horizon: &Position) -> Result<GroupTable, BatchError> {
    todo!()
}
