//! One batch run: compute, write, publish.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use twopath_shared::Position;
use twopath_shared::log::Topic;
use twopath_shared::query::Query;
use twopath_shared::view::BatchView;
use twopath_shared::view::store::{ViewParts, ViewStore};

use crate::{BatchError, Logic, compute};

/// Computes the view of everything below `horizon` (cut at `barrier`, 0 for none) and publishes it as the store's next version.
pub fn run_batch(
    topic: &Topic,
    query: &Query,
    logic: &Logic,
    barrier: u64,
    horizon: &Position,
    store: &ViewStore,
) -> Result<BatchView, BatchError> {
    let started = Instant::now();
    let table = Arc::new(compute(topic, query, logic, horizon)?);
    let timings_ms = BTreeMap::from([("compute".to_owned(), started.elapsed().as_secs_f64() * 1e3)]);
    let parts = ViewParts { barrier, horizon: horizon.clone(), table, logic: logic.name(), timings_ms };
    Ok(store.publish(query, parts)?)
}
