//! The built-in queries over the flights of 2013, written by hand for polars.
//!
//! Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does it right, across midnight too.
//! What stands between the `logic` markers is what people write and maintain beside the SQL: `twopath compare` counts and shows it.

use polars::prelude::*;

use crate::HandWritten;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// The hand-written logic of a built-in flights query in one of its versions, if there is one.
pub fn hand_written(query: &str, version: u32) -> Option<HandWritten> {
    let (logic, v1): (HandWritten, fn(LazyFrame) -> LazyFrame) = match query {
        "delays_by_origin_hour" => (DELAYS_BY_ORIGIN_HOUR, v1::delays_by_origin_hour),
        "delay_quantiles_by_carrier_day" => (DELAY_QUANTILES_BY_CARRIER_DAY, v1::delay_quantiles_by_carrier_day),
        // These compute no delay: the fix leaves them as they are.
        "distinct_tails_by_carrier_day" => (DISTINCT_TAILS_BY_CARRIER_DAY, distinct_tails_by_carrier_day),
        "totals_by_route" => (TOTALS_BY_ROUTE, totals_by_route),
        "cancelled_share_by_day" => (CANCELLED_SHARE_BY_DAY, cancelled_share_by_day),
        _ => return None,
    };
    match version {
        1 => Some(HandWritten { version, plan: v1, ..logic }),
        2 => Some(logic),
        _ => None,
    }
}

mod v1 {
    use super::*;

    // logic: begin version 1
    /// Minutes from the scheduled to the actual departure.
    fn delay() -> Expr {
        col("dep_time") - col("sched_dep_time")
    }

    pub fn delays_by_origin_hour(flights: LazyFrame) -> LazyFrame {
        flights.filter(col("dep_time").is_not_null()).select([
            window("sched_dep", HOUR_US).alias("hour"),
            col("origin"),
            delay().alias("delay"),
        ])
    }

    pub fn delay_quantiles_by_carrier_day(flights: LazyFrame) -> LazyFrame {
        flights.filter(col("dep_time").is_not_null()).select([
            window("sched_dep", DAY_US).alias("day"),
            col("carrier"),
            delay().alias("delay"),
        ])
    }
    // logic: end version 1
}

mod v2 {
    use super::*;

    // logic: begin version 2
    /// Minutes since midnight of a clock time written HHMM.
    fn minutes(hhmm: &str) -> Expr {
        col(hhmm) / lit(100) * lit(60) + col(hhmm) % lit(100)
    }

    /// Minutes from the scheduled to the actual departure. Nobody leaves over an hour early: then it is the next day.
    fn delay() -> Expr {
        let delay = minutes("dep_time") - minutes("sched_dep_time");
        when(delay.clone().lt(lit(-60))).then(delay.clone() + lit(1440)).otherwise(delay)
    }

    pub fn delays_by_origin_hour(flights: LazyFrame) -> LazyFrame {
        flights.filter(col("dep_time").is_not_null()).select([
            window("sched_dep", HOUR_US).alias("hour"),
            col("origin"),
            delay().alias("delay"),
        ])
    }

    pub fn delay_quantiles_by_carrier_day(flights: LazyFrame) -> LazyFrame {
        flights.filter(col("dep_time").is_not_null()).select([
            window("sched_dep", DAY_US).alias("day"),
            col("carrier"),
            delay().alias("delay"),
        ])
    }
    // logic: end version 2
}

// logic: begin both versions
/// The start of the tumbling window that a timestamp falls in.
fn window(time: &str, size_us: i64) -> Expr {
    col(time) - col(time) % lit(size_us)
}

fn distinct_tails_by_carrier_day(flights: LazyFrame) -> LazyFrame {
    flights.select([window("sched_dep", DAY_US).alias("day"), col("carrier"), col("tailnum")])
}

fn totals_by_route(flights: LazyFrame) -> LazyFrame {
    flights.select([col("origin"), col("dest"), col("dep_time"), col("distance"), col("air_time"), col("known")])
}

fn cancelled_share_by_day(flights: LazyFrame) -> LazyFrame {
    flights.select([window("sched_dep", DAY_US).alias("day"), col("dep_time").is_null().cast(DataType::Int64).alias("cancelled")])
}

const DELAYS_BY_ORIGIN_HOUR: HandWritten = HandWritten {
    name: "delays_by_origin_hour",
    version: 2,
    plan: v2::delays_by_origin_hour,
    keys: &["hour", "origin"],
    args: &[Some("delay"), Some("delay"), None],
};

const DELAY_QUANTILES_BY_CARRIER_DAY: HandWritten = HandWritten {
    name: "delay_quantiles_by_carrier_day",
    version: 2,
    plan: v2::delay_quantiles_by_carrier_day,
    keys: &["day", "carrier"],
    args: &[Some("delay"), Some("delay"), Some("delay"), None],
};

const DISTINCT_TAILS_BY_CARRIER_DAY: HandWritten = HandWritten {
    name: "distinct_tails_by_carrier_day",
    version: 2,
    plan: distinct_tails_by_carrier_day,
    keys: &["day", "carrier"],
    args: &[Some("tailnum"), Some("tailnum"), None],
};

const TOTALS_BY_ROUTE: HandWritten = HandWritten {
    name: "totals_by_route",
    version: 2,
    plan: totals_by_route,
    keys: &["origin", "dest"],
    args: &[None, Some("dep_time"), Some("distance"), Some("air_time"), Some("known")],
};

const CANCELLED_SHARE_BY_DAY: HandWritten = HandWritten {
    name: "cancelled_share_by_day",
    version: 2,
    plan: cancelled_share_by_day,
    keys: &["day"],
    args: &[Some("cancelled"), Some("cancelled"), None],
};
// logic: end both versions
