//! One batch run: compute, write, publish.

use std::sync::Arc;

use twopath_base::Position;
use twopath_log::Topic;
use twopath_query::Query;
use twopath_view::BatchView;
use twopath_view::store::{ViewParts, ViewStore};

use crate::compute::compute_timed;
use crate::{BatchError, Logic};

/// Computes the view of everything below `horizon` (cut at `barrier`, 0 for none) and publishes it as the store's next version.
///
/// The version's manifest says how long each step took.
pub fn run_batch(
    topic: &Topic,
    query: &Query,
    logic: &Logic,
    barrier: u64,
    horizon: &Position,
    store: &ViewStore,
) -> Result<BatchView, BatchError> {
    // Held before it is asked for, so that the start that the view names is the one that it was computed from.
    let _hold = topic.hold("a batch run", &topic.start()?)?;
    let lower = topic.start()?;
    let (table, timings_ms) = compute_timed(topic, query, logic, horizon)?;
    let parts = ViewParts { barrier, lower, horizon: horizon.clone(), table: Arc::new(table), logic: logic.name(), timings_ms };
    Ok(store.publish(query, parts)?)
}
