//! A position and a query give a table of groups.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use polars_core::runtime::THREAD_POOL;
use twopath_base::Position;
use twopath_log::{Topic, with_log_columns};
use twopath_query::Query;
use twopath_view::{GroupTable, Selection};

use crate::read::check_horizon;
use crate::sql::Prepared;
use crate::timings::Timings;
use crate::{BatchError, Engine, Logic, by_polars, by_rayon};

/// Everything below `horizon`, grouped by `engine`.
///
/// The table is laid out for `query`; of hand-written logic for its parts, [`Merging::parts_query`](twopath_view::Merging::parts_query).
///
/// # Errors
/// A horizon that is not one of this topic or lies beyond its end; hand-written logic that does not fit the query; what the engine cannot
/// do; damage in the log; and the [`EvalError`](twopath_query::EvalError) of one of the rows that raise one.
pub fn compute(topic: &Topic, query: &Query, logic: &Logic, engine: Engine, horizon: &Position) -> Result<GroupTable, BatchError> {
    Ok(compute_timed(topic, query, logic, engine, horizon)?.0)
}

/// The answer over everything below `horizon`, computed by `engine` of a query that is not written by hand. Groups that no answer shows are let go before the others are put together.
///
/// # Errors
/// As [`compute`], and the error of one of the groups that raise one.
pub fn answer(topic: &Topic, query: &Query, engine: Engine, horizon: &Position) -> Result<RecordBatch, BatchError> {
    let tables = tables(topic, query, &Logic::Sql, engine, horizon, &Timings::start())?;
    let tables = by_rayon::shown(query, tables)?;
    Ok(twopath_view::answer(query, &tables.iter().collect::<Vec<_>>(), &Selection::default())?)
}

/// As [`compute`], with milliseconds by step: `wall`, and what the engine did. `read` is mapping and verifying; with rayon, `read` and
/// `fold` are summed over threads and `merge` follows; with polars, `polars` is the plan and `table` the way from its groups to ours.
pub fn compute_timed(
    topic: &Topic,
    query: &Query,
    logic: &Logic,
    engine: Engine,
    horizon: &Position,
) -> Result<(GroupTable, BTreeMap<String, f64>), BatchError> {
    let timings = Timings::start();
    let tables = tables(topic, query, logic, engine, horizon, &timings)?;
    let table = timings.of("merge", || GroupTable::of_disjoint(tables)).expect("an engine gives a table");
    Ok((table, timings.ms()))
}

/// Everything below `horizon`, grouped: tables that have no key in common.
fn tables(
    topic: &Topic,
    query: &Query,
    logic: &Logic,
    engine: Engine,
    horizon: &Position,
    timings: &Timings,
) -> Result<Vec<GroupTable>, BatchError> {
    // What is read here must not be taken away meanwhile.
    let _hold = topic.hold("a batch run", &topic.start()?)?;
    check_columns(topic, query)?;
    check_horizon(topic, horizon)?;
    match (engine, logic) {
        (Engine::Polars, Logic::Sql) => Ok(vec![by_polars::by_sql(topic, query, horizon, timings)?]),
        (Engine::Polars, Logic::Hand(hand, merging)) => Ok(vec![by_polars::by_hand(topic, query, (hand, merging), horizon, timings)?]),
        (Engine::Rayon, Logic::Sql) => by_rayon::compute(topic, query, (&topic.start()?, horizon), timings),
        (Engine::Rayon, Logic::Hand(..)) => {
            let what = format!("logic that was written by hand for polars ({})", logic.name());
            Err(BatchError::Unsupported { engine, what })
        }
    }
}

/// How many threads polars computes with: the environment variable `POLARS_MAX_THREADS` when the process starts, else the number of
/// processors. Its threads' names start with `POLARS_THREAD_NAME`, else with `polars`.
pub fn threads() -> usize {
    THREAD_POOL.current_num_threads()
}

/// Whether engine polars can compute a query's SQL over a topic of this schema; engine rayon can compute any.
///
/// # Errors
/// [`BatchError::Unsupported`] names what of it polars cannot.
pub fn check_polars(query: &Query, schema: &Schema) -> Result<(), BatchError> {
    Prepared::new(query, &with_log_columns(schema)).map(drop)
}

/// A query is over columns by index: they must be those that it was parsed against.
pub fn check_columns(topic: &Topic, query: &Query) -> Result<(), BatchError> {
    let schema = topic.schema();
    let other = |what: String| Err(BatchError::OtherTopic { query_topic: query.topic.clone(), topic: topic.config().name.clone(), what });
    if schema.fields().len() != query.fields.len() {
        return other(format!("{} columns, not {}", schema.fields().len(), query.fields.len()));
    }
    match schema.fields().iter().zip(&query.fields).position(|(a, b)| *a.name() != b.name) {
        Some(i) => other(format!("column {} is '{}', not '{}'", i + 1, schema.field(i).name(), query.fields[i].name)),
        None => Ok(()),
    }
}
