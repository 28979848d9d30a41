//! Running totals by route.

use crate::jobs::prelude::*;

pub fn plan(flights: LazyFrame) -> LazyFrame {
    flights.group_by([col("origin"), col("dest")]).agg([
        len().alias("flights"),
        col("dep_time").count().alias("departures"),
        col("distance").sum().alias("miles"),
        // The sum of no value is unknown, and not 0.
        when(col("air_time").count().gt(lit(0))).then(col("air_time").sum()).otherwise(lit(NULL)).alias("air_minutes"),
        col("known").max().alias("known_last"),
    ])
}
