//! Delays by hour and airport.

use crate::jobs::prelude::*;

pub fn plan(flights: LazyFrame) -> LazyFrame {
    flights
        .filter(col("dep_time").is_not_null())
        .with_column((col("dep_time") - col("sched_dep_time")).alias("delay"))
        .group_by([col("sched_dep").dt().truncate(lit("1h")).alias("hour"), col("origin")])
        .agg([col("delay").sum().alias("delay_sum"), col("delay").max().alias("delay_max"), len().alias("departures")])
}
