//! The engine rayon: parts of the log side by side, through compiled kernels.
//!
//! Each thread takes one part after the other, in log order, into one table: as the log is nearly in time order, windows of different
//! parts hardly overlap, the groups of the current windows stay in cache, and little is left to be merged.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};
use twopath_base::Position;
use twopath_log::Topic;
use twopath_query::Query;
use twopath_view::{Fold, GroupTable};

use crate::BatchError;
use crate::read::{LogPart, for_each_piece, parts};
use crate::timings::Timings;

/// Everything from `lower` up to `upper`, grouped.
pub fn compute(topic: &Topic, query: &Query, (lower, upper): (&Position, &Position), timings: &Timings) -> Result<GroupTable, BatchError> {
    let pool = pool()?;
    let parts = parts(lower, upper, pool.current_num_threads());
    let fold = Fold::new(query);
    let next = AtomicUsize::new(0);
    let tables = pool.broadcast(|_| {
        let mut table = GroupTable::new(query);
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(e) = fold_part(topic, part, &fold, &mut table, timings) {
                // The others need not go on.
                next.store(parts.len(), Ordering::Relaxed);
                return Err(e);
            }
        }
        Ok(table)
    });
    let merging = Instant::now();
    let mut tables = tables.into_iter().collect::<Result<Vec<_>, _>>()?;
    tables.sort_by_key(GroupTable::len);
    let mut table = tables.pop().unwrap_or_else(|| GroupTable::new(query));
    tables.iter().for_each(|other| table.merge(other));
    timings.add("merge", merging.elapsed());
    Ok(table)
}

/// Folds a part of the log into a table.
fn fold_part(topic: &Topic, part: &LogPart, fold: &Fold, table: &mut GroupTable, timings: &Timings) -> Result<(), BatchError> {
    let started = Instant::now();
    let mut folding = std::time::Duration::ZERO;
    for_each_piece(topic, part, &fold.projection, |batch| {
        let started = Instant::now();
        fold.update(table, batch)?;
        folding += started.elapsed();
        Ok(())
    })?;
    timings.add("fold", folding);
    timings.add("read", started.elapsed().saturating_sub(folding));
    Ok(())
}

/// The engine's threads, named `rayon-0` and so on; as many as `RAYON_NUM_THREADS` says when the first run starts, else as there are
/// processors.
fn pool() -> Result<&'static ThreadPool, BatchError> {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    let made = ThreadPoolBuilder::new().thread_name(|number| format!("rayon-{number}")).build()?;
    Ok(POOL.get_or_init(|| made))
}
