//! Delays by the maker of the aircraft, joined here: flights with the newest row of their aircraft, by maker. Beside them stand the aircraft themselves, for flights that come
//! later.

use crate::jobs::prelude::*;

pub fn plan(events: LazyFrame) -> LazyFrame {
    let planes = events.clone().filter(col("event_type").eq(lit("plane")).and(col("tailnum").is_not_null()));
    let newest = planes
        .clone()
        .group_by([col("tailnum")])
        .agg([col("plane_manufacturer").sort_by([col("known")], SortMultipleOptions::default()).last().alias("maker")]);
    let flown = events
        .filter(col("event_type").eq(lit("flight")).and(col("dep_time").is_not_null()))
        .with_column(delay().alias("delay"))
        .left_join(newest, col("tailnum"), col("tailnum"))
        .group_by([col("maker")])
        .agg([len().cast(DataType::Int64).alias("departures"), col("delay").sum().alias("delay_sum")])
        .select([
            lit(NULL).cast(DataType::String).alias("tailnum"),
            col("maker"),
            col("departures"),
            col("delay_sum"),
            lit(NULL).cast(DataType::Int64).alias("newest"),
        ]);
    let known = planes
        .group_by([col("tailnum"), col("plane_manufacturer").fill_null(lit("")).alias("maker")])
        .agg([second().max().alias("newest")])
        .select([
            col("tailnum"),
            col("maker"),
            lit(0).cast(DataType::Int64).alias("departures"),
            lit(NULL).cast(DataType::Int64).alias("delay_sum"),
            col("newest"),
        ]);
    concat([flown, known], UnionArgs::default()).expect("both have the same columns")
}

/// In which an aircraft's row was known.
fn second() -> Expr {
    col("known").dt().timestamp(TimeUnit::Microseconds) / lit(1_000_000)
}

/// Minutes from the scheduled to the actual departure.
fn delay() -> Expr {
    col("dep_time") - col("sched_dep_time")
}
