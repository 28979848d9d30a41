//! One batch run: compute, write, publish.

use std::sync::Arc;

use twopath_base::Position;
use twopath_log::Topic;
use twopath_query::Query;
use twopath_view::BatchView;
use twopath_view::store::{ViewParts, ViewStore};

use crate::compute::compute_timed;
use crate::{BatchError, Engine, Logic};

/// Computes the view of everything below `horizon` (cut at `barrier`, 0 for none) and publishes it as the store's next version.
///
/// The version's manifest says how long each step took. A view by hand is published for its parts: it is to be loaded with
/// [`Merging::parts_query`](twopath_view::Merging::parts_query).
///
/// # Errors
/// As [`compute`](crate::compute), and what keeps the view from being written.
pub fn run_batch(
    topic: &Topic,
    query: &Query,
    logic: &Logic,
    engine: Engine,
    barrier: u64,
    horizon: &Position,
    store: &ViewStore,
) -> Result<BatchView, BatchError> {
    // Held before it is asked for, so that the start that the view names is the one that it was computed from.
    let _hold = topic.hold("a batch run", &topic.start()?)?;
    let lower = topic.start()?;
    let (table, timings_ms) = compute_timed(topic, query, logic, engine, horizon)?;
    let parts = ViewParts { barrier, lower, upper: horizon.clone(), table: Arc::new(table), logic: logic.name(), log: None, timings_ms };
    let published = match logic {
        Logic::Sql => store.publish(query, parts)?,
        Logic::Hand(_, merging) => {
            let parts_query = merging.parts_query(query).expect("the table is laid out for this query");
            store.publish(&parts_query, parts)?
        }
    };
    Ok(published)
}
