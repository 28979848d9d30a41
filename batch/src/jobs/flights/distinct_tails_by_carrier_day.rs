//! Aircraft in use by day and carrier: the aircraft themselves, because counts of them do not merge.

use crate::jobs::prelude::*;

pub fn plan(flights: LazyFrame) -> LazyFrame {
    flights.group_by([col("sched_dep").dt().truncate(lit("1d")).alias("day"), col("carrier")]).agg([
        col("tailnum").unique().alias("aircraft"),
        col("tailnum").unique().alias("aircraft_approx"),
        len().alias("flights"),
    ])
}
