//! The built-in queries over the flights of 2013, written by hand for polars.
//!
//! Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does it right, across midnight too.
//! The lines between `logic` markers are what `twopath compare` counts and shows.

use polars::prelude::*;

use crate::HandWritten;

/// The hand-written logic of a built-in flights query in one of its versions, if there is one.
///
/// Names: `delays_by_origin_and_hour`, `delay_quantiles_by_carrier_and_day`, `tail_numbers_by_carrier_and_day`, `totals_by_route`,
/// `cancelled_by_day`.
pub fn hand_written(query: &str, version: u32) -> Option<HandWritten> {
    let (name, plan): (_, fn(LazyFrame) -> LazyFrame) = match (query, version) {
        ("delays_by_origin_and_hour", 1) => ("delays_by_origin_and_hour", v1::delays_by_origin_and_hour),
        ("delays_by_origin_and_hour", 2) => ("delays_by_origin_and_hour", v2::delays_by_origin_and_hour),
        ("delay_quantiles_by_carrier_and_day", 1) => ("delay_quantiles_by_carrier_and_day", v1::delay_quantiles_by_carrier_and_day),
        ("delay_quantiles_by_carrier_and_day", 2) => ("delay_quantiles_by_carrier_and_day", v2::delay_quantiles_by_carrier_and_day),
        // These do not compute a delay: the code change leaves them as they are.
        ("tail_numbers_by_carrier_and_day", 1 | 2) => ("tail_numbers_by_carrier_and_day", tail_numbers_by_carrier_and_day),
        ("totals_by_route", 1 | 2) => ("totals_by_route", totals_by_route),
        ("cancelled_by_day", 1 | 2) => ("cancelled_by_day", cancelled_by_day),
        _ => return None,
    };
    Some(HandWritten { name, version, plan })
}

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// The start of the tumbling window that a timestamp (microseconds) falls in.
fn window(time: &str, size_us: i64) -> Expr {
    col(time).floor_div(lit(size_us)) * lit(size_us)
}

mod v1 {
    use super::*;

    // logic: begin version 1
    /// Minutes from the scheduled to the actual departure.
    fn delay() -> Expr {
        col("dep_time") - col("sched_dep_time")
    }

    pub fn delays_by_origin_and_hour(flights: LazyFrame) -> LazyFrame {
        flights.with_column(delay().alias("delay")).select([
            col("origin"),
            window("sched_dep", HOUR_US).alias("hour"),
            col("delay").alias("delay_for_count"),
            col("delay").alias("delay_for_avg"),
            col("delay").alias("delay_for_max"),
        ])
    }

    pub fn delay_quantiles_by_carrier_and_day(flights: LazyFrame) -> LazyFrame {
        flights.with_column(delay().alias("delay")).select([
            col("carrier"),
            window("sched_dep", DAY_US).alias("day"),
            col("delay").alias("delay_for_p50"),
            col("delay").alias("delay_for_p90"),
        ])
    }
    // logic: end version 1
}

mod v2 {
    use super::*;

    // logic: begin version 2
    /// Minutes since midnight of a clock time written HHMM.
    fn minutes(hhmm: &str) -> Expr {
        col(hhmm).floor_div(lit(100)) * lit(60) + col(hhmm) % lit(100)
    }

    /// Minutes from the scheduled to the actual departure. Nobody leaves over an hour early: then it is the next day.
    fn delay() -> Expr {
        let delay = minutes("dep_time") - minutes("sched_dep_time");
        when(delay.clone().lt(lit(-60))).then(delay.clone() + lit(1440)).otherwise(delay)
    }

    pub fn delays_by_origin_and_hour(flights: LazyFrame) -> LazyFrame {
        flights.with_column(delay().alias("delay")).select([
            col("origin"),
            window("sched_dep", HOUR_US).alias("hour"),
            col("delay").alias("delay_for_count"),
            col("delay").alias("delay_for_avg"),
            col("delay").alias("delay_for_max"),
        ])
    }

    pub fn delay_quantiles_by_carrier_and_day(flights: LazyFrame) -> LazyFrame {
        flights.with_column(delay().alias("delay")).select([
            col("carrier"),
            window("sched_dep", DAY_US).alias("day"),
            col("delay").alias("delay_for_p50"),
            col("delay").alias("delay_for_p90"),
        ])
    }
    // logic: end version 2
}

// logic: begin both versions
fn tail_numbers_by_carrier_and_day(flights: LazyFrame) -> LazyFrame {
    flights.select([col("carrier"), window("sched_dep", DAY_US).alias("day"), col("tailnum")])
}

fn totals_by_route(flights: LazyFrame) -> LazyFrame {
    flights.select([col("origin"), col("dest"), col("distance")])
}

fn cancelled_by_day(flights: LazyFrame) -> LazyFrame {
    flights.select([window("sched_dep", DAY_US).alias("day"), col("dep_time").is_null().cast(DataType::Int64).alias("cancelled")])
}
// logic: end both versions
