//! The engine polars: one lazy plan over the log, compiled from SQL or written by hand.

use polars::prelude::{DataFrame, LazyFrame, PolarsError};
use twopath_base::Position;
use twopath_log::{Topic, with_log_columns};
use twopath_query::Query;
use twopath_view::{GroupTable, Merging};

use crate::hand;
use crate::scan::scan;
use crate::sql::{Prepared, Raised};
use crate::timings::Timings;
use crate::{BatchError, HandWritten};

/// Everything below `horizon`, grouped by polars as the query says.
pub fn by_sql(topic: &Topic, query: &Query, horizon: &Position, timings: &Timings) -> Result<GroupTable, BatchError> {
    let prepared = Prepared::new(query, &with_log_columns(topic.schema()))?;
    let failed = |source: PolarsError| match prepared.raised.get() {
        Some(raised) => BatchError::Eval(raised),
        None => BatchError::Polars { logic: "sql".to_owned(), source },
    };
    let frames = timings.of("read", || scan(topic, horizon, &prepared.columns))?;
    let groups = timings.of("polars", || prepared.plan(frames).and_then(collect)).map_err(failed)?;
    timings.of("table", || prepared.table(query, &groups)).map_err(failed)
}

/// Everything below `horizon`, grouped by polars as the hand-written code says; laid out for the parts of `merging`.
pub fn by_hand(
    topic: &Topic,
    query: &Query,
    (hand, merging): (&HandWritten, &Merging),
    horizon: &Position,
    timings: &Timings,
) -> Result<GroupTable, BatchError> {
    let logic = || format!("{} version {}", hand.name, hand.version);
    let unfit = |what| BatchError::HandShape { logic: logic(), what };
    let raised = Raised::default();
    let failed = |source: PolarsError| match raised.get() {
        Some(raised) => BatchError::Eval(raised),
        None => BatchError::Polars { logic: logic(), source },
    };
    let parts_query = merging.parts_query(query).map_err(unfit)?;
    let columns = hand::columns(hand, query);
    hand::check(hand, merging, &columns).map_err(unfit)?;
    let frames = timings.of("read", || scan(topic, horizon, &columns))?;
    let rows = hand::typed(frames, &columns, topic.schema(), &raised).map_err(failed)?;
    let groups = timings.of("polars", || collect((hand.plan)(rows))).map_err(failed)?;
    timings.of("table", || {
        let groups = hand::groups(merging, &groups).map_err(failed)?;
        merging.table(&parts_query, &groups).map_err(unfit)
    })
}

/// By polars' in-memory engine: its streaming engine is not in the feature set.
fn collect(plan: LazyFrame) -> Result<DataFrame, PolarsError> {
    plan.collect()
}
