//! The engine rayon: parts of the log side by side, through compiled kernels.
//!
//! Each thread takes one part after the other, in log order, into one table: as the log is nearly in time order, windows of different
//! parts hardly overlap, the groups of the current windows stay in cache, and little is left to be merged.
//!
//! Where groups are many and come back at any time, such tables outgrow the caches and hold nearly the same groups. Then rows are scattered by key: each table holds a part of
//! the groups, threads take turns with it, and nothing is left to be merged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};
use twopath_base::Position;
use twopath_base::sync::lock;
use twopath_log::Topic;
use twopath_query::{EvalError, Query};
use twopath_view::{Fold, GroupTable, Scattered, candidates};

use crate::BatchError;
use crate::read::{LogPart, for_each_piece, parts};
use crate::timings::Timings;

/// Tables by part of the groups, where rows are scattered: of some million groups, each stays in the second cache.
const TABLES: usize = 64;
/// A thread lets so many rows wait before it folds them: enough that a table is in the cache for more than a few of them.
const ROWS_WAITING: usize = 1 << 20;
/// A thread's table below this size stays in its cache, whatever comes.
const TABLE_BYTES: usize = 4 << 20;
/// A table that grows by more than this with each row puts little together.
const ROW_BYTES: usize = 8;

/// Everything from `lower` up to `upper`, grouped: tables that have no key in common.
pub fn compute(
    topic: &Topic,
    query: &Query,
    (lower, upper): (&Position, &Position),
    timings: &Timings,
) -> Result<Vec<GroupTable>, BatchError> {
    let pool = pool()?;
    let parts = parts(lower, upper, pool.current_num_threads());
    let fold = Fold::new(query);
    let next = AtomicUsize::new(0);
    let shared = OnceLock::new();
    let tables = pool.broadcast(|thread| {
        let first = TABLES * thread.index() / thread.num_threads();
        let mut folding = Folding { query, fold: &fold, shared: &shared, first, table: GroupTable::new(query), rows: 0, scattered: None };
        let mut fold_all = || {
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                fold_part(topic, part, &mut folding, timings)?;
            }
            Ok(folding.gather()?)
        };
        let done: Result<(), BatchError> = fold_all();
        if done.is_err() {
            // The others need not go on.
            next.store(parts.len(), Ordering::Relaxed);
        }
        done.map(|()| folding.table)
    });
    let merging = Instant::now();
    let mut tables = tables.into_iter().collect::<Result<Vec<_>, _>>()?;
    let merged = match shared.into_inner() {
        Some(shared) => pool.install(|| {
            let whole = |(part, table): (usize, Mutex<GroupTable>)| {
                let mut table = table.into_inner().unwrap_or_else(PoisonError::into_inner);
                // Those of threads that never scattered.
                tables.iter().for_each(|other| table.merge_part(other, part, TABLES));
                table
            };
            shared.into_par_iter().enumerate().map(whole).collect()
        }),
        None => {
            tables.sort_by_key(GroupTable::len);
            let mut table = tables.pop().unwrap_or_else(|| GroupTable::new(query));
            tables.iter().for_each(|other| table.merge(other));
            vec![table]
        }
    };
    timings.add("merge", merging.elapsed());
    Ok(merged)
}

/// Of tables that have no key in common, what an answer may show.
pub fn shown(query: &Query, tables: Vec<GroupTable>) -> Result<Vec<GroupTable>, BatchError> {
    if tables.len() == 1 {
        return Ok(tables);
    }
    let shown = |table| candidates(query, table);
    Ok(pool()?.install(|| tables.into_par_iter().map(shown).collect::<Result<Vec<_>, EvalError>>())?)
}

/// One thread's work.
struct Folding<'a> {
    query: &'a Query,
    fold: &'a Fold,
    /// The tables by part, once some thread scatters.
    shared: &'a OnceLock<Vec<Mutex<GroupTable>>>,
    /// The part that this thread begins with, so that threads seldom wait for each other.
    first: usize,
    table: GroupTable,
    /// How many the table has been folded of.
    rows: usize,
    scattered: Option<Scattered>,
}

impl Folding<'_> {
    fn add(&mut self, batch: &RecordBatch) -> Result<(), EvalError> {
        if let Some(scattered) = &mut self.scattered {
            self.fold.scatter(&self.table, batch, scattered)?;
            return if scattered.rows() < ROWS_WAITING { Ok(()) } else { self.gather() };
        }
        self.fold.update(&mut self.table, batch)?;
        self.rows += batch.num_rows();
        if self.fold.is_by_parts() && self.table.bytes() > TABLE_BYTES.max(ROW_BYTES * self.rows) {
            let table = std::mem::replace(&mut self.table, GroupTable::new(self.query));
            self.by_turns(|part, shared| {
                shared.merge_part(&table, part, TABLES);
                Ok(())
            })?;
            self.scattered = Some(Scattered::new(TABLES));
        }
        Ok(())
    }

    /// Folds in the rows that wait.
    fn gather(&mut self) -> Result<(), EvalError> {
        let Some(mut scattered) = self.scattered.take() else { return Ok(()) };
        self.by_turns(|part, shared| self.fold.gather(shared, &mut scattered, part))?;
        self.scattered = Some(scattered);
        Ok(())
    }

    fn by_turns(&self, mut with: impl FnMut(usize, &mut GroupTable) -> Result<(), EvalError>) -> Result<(), EvalError> {
        let shared = self.shared.get_or_init(|| (0..TABLES).map(|_| Mutex::new(GroupTable::new(self.query))).collect());
        (0..TABLES).map(|part| (self.first + part) % TABLES).try_for_each(|part| with(part, &mut lock(&shared[part])))
    }
}

/// Folds a part of the log.
fn fold_part(topic: &Topic, part: &LogPart, folding: &mut Folding<'_>, timings: &Timings) -> Result<(), BatchError> {
    let started = Instant::now();
    let mut time = Duration::ZERO;
    let projection = folding.fold.projection();
    for_each_piece(topic, part, projection, |batch| {
        let started = Instant::now();
        folding.add(batch)?;
        time += started.elapsed();
        Ok(())
    })?;
    timings.add("fold", time);
    timings.add("read", started.elapsed().saturating_sub(time));
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
