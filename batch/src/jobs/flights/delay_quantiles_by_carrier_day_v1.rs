//! Median and tail delays by day and carrier: the delays themselves, because quantiles do not merge.

use crate::jobs::prelude::*;

pub fn plan(flights: LazyFrame) -> LazyFrame {
    flights
        .filter(col("dep_time").is_not_null())
        .with_column((col("dep_time") - col("sched_dep_time")).alias("delay"))
        .group_by([col("sched_dep").dt().truncate(lit("1d")).alias("day"), col("carrier")])
        .agg([col("delay").alias("delay_p50"), col("delay").alias("delay_p90"), col("delay").alias("delay_p99"), len().alias("departures")])
}
