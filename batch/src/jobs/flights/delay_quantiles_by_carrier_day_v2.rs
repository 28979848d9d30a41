//! Median and tail delays by day and carrier: the delays themselves, because quantiles do not merge.

use crate::jobs::prelude::*;

pub fn plan(flights: LazyFrame) -> LazyFrame {
    flights
        .filter(col("dep_time").is_not_null())
        .with_column(delay().alias("delay"))
        .group_by([col("sched_dep").dt().truncate(lit("1d")).alias("day"), col("carrier")])
        .agg([col("delay").alias("delay_p50"), col("delay").alias("delay_p90"), col("delay").alias("delay_p99"), len().alias("departures")])
}

/// Minutes from the scheduled to the actual departure. Nobody leaves over an hour early: then it is the next day.
fn delay() -> Expr {
    let delay = minutes("dep_time") - minutes("sched_dep_time");
    when(delay.clone().lt(lit(-60))).then(delay.clone() + lit(1440)).otherwise(delay)
}

/// Minutes since midnight of a clock time written HHMM.
fn minutes(hhmm: &str) -> Expr {
    col(hhmm) / lit(100) * lit(60) + col(hhmm) % lit(100)
}
