//! Flights cancelled by day, and all flights: a share is made of both when answers are.

use crate::jobs::prelude::*;

pub fn plan(flights: LazyFrame) -> LazyFrame {
    flights
        .group_by([col("sched_dep").dt().truncate(lit("1d")).alias("day")])
        .agg([col("dep_time").is_null().sum().alias("cancelled"), len().alias("flights")])
}
