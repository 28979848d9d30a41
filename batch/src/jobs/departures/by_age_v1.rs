//! Delays by the age of the aircraft: a tail number's flights by year, and under no year the newest row of its aircraft.

use crate::jobs::prelude::*;

pub fn plan(events: LazyFrame) -> LazyFrame {
    let flown = events
        .clone()
        .filter(col("event_type").eq(lit("flight")).and(col("dep_time").is_not_null()))
        .with_column(delay().alias("delay"))
        .group_by([col("tailnum"), col("at").dt().year().cast(DataType::Int64).alias("year")])
        .agg([len().cast(DataType::Int64).alias("departures"), col("delay").sum().alias("delay_sum")])
        .with_column(lit(NULL).cast(DataType::Int64).alias("newest"));
    let planes =
        events.filter(col("event_type").eq(lit("plane"))).group_by([col("tailnum")]).agg([newest().max().alias("newest")]).select([
            col("tailnum"),
            lit(NULL).cast(DataType::Int64).alias("year"),
            lit(0).cast(DataType::Int64).alias("departures"),
            lit(NULL).cast(DataType::Int64).alias("delay_sum"),
            col("newest"),
        ]);
    concat([flown, planes], UnionArgs::default()).expect("both have the same columns")
}

/// The year in which an aircraft was built, behind the second in which that was known: the greatest is the newest.
fn newest() -> Expr {
    let second = col("known").dt().timestamp(TimeUnit::Microseconds) / lit(1_000_000);
    second * lit(10_000) + col("plane_year").fill_null(lit(0))
}

/// Minutes from the scheduled to the actual departure.
fn delay() -> Expr {
    col("dep_time") - col("sched_dep_time")
}
