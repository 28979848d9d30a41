//! A batch run that goes on from the view of the last one.
//!
//! A view is groups of accumulators, and merging them is associative and exact; so the view of the log up to one horizon, merged with the groups of the
//! records after it, is the view up to the next, bit for bit. What must be certain is that the log below the old horizon is still the one that
//! the view was made of: nothing was removed or merged since (retention, compaction), and no end was lost and written anew.

use std::sync::Arc;

use twopath_base::Position;
use twopath_log::{LogError, Topic};
use twopath_query::Query;
use twopath_view::store::{StoreError, ViewParts, ViewStore};
use twopath_view::{BatchView, GroupTable};

use crate::compute::check_columns;
use crate::read::check_horizon;
use crate::timings::Timings;
use crate::{BatchError, Engine, Logic, by_rayon};

/// What an incremental run came to.
#[derive(Debug, Clone)]
pub struct Incremental {
    pub view: BatchView,
    /// Nothing before it was read again: the horizon of the view that the run went on from or, without one, the log's start.
    pub read_from: Position,
}

impl Incremental {
    /// How many records were not read again.
    pub fn reused(&self) -> u64 {
        self.read_from.records_since(&self.view.lower)
    }
}

/// As [`run_batch`](crate::run_batch) of compiled SQL, but only the records after the store's newest view are read, where the log below that view's
/// horizon is as it was; else all are.
///
/// # Errors
/// As [`run_batch`](crate::run_batch); and of polars, whose plans compute everything.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{Int64Array, RecordBatch};
/// # use arrow_schema::{DataType, Field, Schema};
/// # use twopath_batch::{Engine, run_incremental};
/// # use twopath_log::{Log, TopicConfig};
/// # use twopath_view::store::ViewStore;
/// # let dir = tempfile::tempdir()?;
/// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
/// # let topic = Log::open(dir.path())?.create_topic(TopicConfig::new("numbers", schema.clone()))?;
/// # let numbers = |n: Vec<i64>| RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(n))]);
/// let query = twopath_query::parse("SELECT SUM(n) AS s FROM numbers", "numbers", &schema)?;
/// let store = ViewStore::open(&dir.path().join("views"), 1)?;
/// let writer = topic.writer()?;
/// writer.append(&numbers(vec![1, 2, 3])?)?;
/// let first = run_incremental(&topic, &query, Engine::Rayon, 0, &topic.end()?, &store)?;
/// writer.append(&numbers(vec![4])?)?;
/// let second = run_incremental(&topic, &query, Engine::Rayon, 0, &topic.end()?, &store)?;
/// assert_eq!((first.reused(), second.reused()), (0, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run_incremental(
    topic: &Topic,
    query: &Query,
    engine: Engine,
    barrier: u64,
    horizon: &Position,
    store: &ViewStore,
) -> Result<Incremental, BatchError> {
    if engine != Engine::Rayon {
        return Err(BatchError::Unsupported { engine, what: "incremental runs (rayon does them)".to_owned() });
    }
    let _hold = topic.hold("a batch run", &topic.start()?)?;
    check_columns(topic, query)?;
    check_horizon(topic, horizon)?;
    let lower = topic.start()?;
    // Taken before anything is read: where the log is compacted meanwhile, the next run finds another stamp, and reads everything.
    let log = stamp(topic, horizon)?;
    let timings = Timings::start();
    let kept = timings.of("load", || kept(topic, query, &lower, horizon, store))?;
    let read_from = kept.as_ref().map_or(&lower, |view| &view.upper).clone();
    if let Some(view) = kept.as_ref().filter(|view| view.upper == *horizon && view.barrier == barrier) {
        return Ok(Incremental { view: view.clone(), read_from });
    }
    let new = by_rayon::compute(topic, query, (&read_from, horizon), &timings)?;
    let table = match kept {
        None => timings.of("merge", || GroupTable::of_disjoint(new)).expect("an engine gives a table"),
        Some(view) => timings.of("merge", || {
            let mut table = Arc::unwrap_or_clone(view.table);
            new.iter().for_each(|part| table.merge(part));
            table
        }),
    };
    let (upper, logic, timings_ms) = (horizon.clone(), Logic::Sql.name(), timings.ms());
    let parts = ViewParts { barrier, lower, upper, table: Arc::new(table), logic, log: Some(log), timings_ms };
    Ok(Incremental { view: store.publish(query, parts)?, read_from })
}

/// The newest view, where a run up to `horizon` can go on from it.
fn kept(topic: &Topic, query: &Query, lower: &Position, horizon: &Position, store: &ViewStore) -> Result<Option<BatchView>, BatchError> {
    let view = match store.latest(query) {
        Err(damaged @ StoreError::Damaged { .. }) => {
            tracing::warn!("everything is computed anew: {damaged}");
            return Ok(None);
        }
        view => view?,
    };
    let Some(view) =
        view.filter(|view| view.lower == *lower && view.upper.partitions() == horizon.partitions() && horizon.covers(&view.upper))
    else {
        return Ok(None);
    };
    let log = store.manifest(view.version)?.log;
    Ok(if log == Some(stamp(topic, &view.upper)?) { Some(view) } else { None })
}

/// What tells the log up to a position from every other one: which topic it is, up to where records were merged, and when the last record of
/// each partition arrived. (A machine's death can take records that a view has seen, where the topic's durability lets it; others then get their offsets.)
fn stamp(topic: &Topic, position: &Position) -> Result<String, BatchError> {
    let id = topic.local().map_or_else(|_| topic.address(), |local| local.id());
    let arrival = |(partition, upper)| Ok(topic.arrival_before(partition, upper)?.map_or("-".to_owned(), |us| us.to_string()));
    let arrivals: Result<Vec<String>, LogError> = position.iter().map(arrival).collect();
    Ok(format!("topic {id}; whole from {}; last arrivals {}", topic.since()?, arrivals?.join(",")))
}
