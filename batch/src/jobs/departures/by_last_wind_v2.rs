//! Delays by the wind that was reported last: an airport's flights by the hour in which they were to leave, and beside them the wind of each hour that was reported. Which report is an
//! hour's last is found once all of them are together.

use crate::jobs::prelude::*;

pub fn plan(events: LazyFrame) -> LazyFrame {
    let flown = events
        .clone()
        .filter(col("event_type").eq(lit("flight")).and(col("dep_time").is_not_null()))
        .with_column(delay().alias("delay"))
        .group_by([col("origin"), col("at").dt().truncate(lit("1h")).alias("hour")])
        .agg([len().cast(DataType::Int64).alias("departures"), col("delay").sum().alias("delay_sum")])
        .with_column(lit(NULL).cast(DataType::Int64).alias("wind"));
    let reported = events
        .filter(col("event_type").eq(lit("weather")).and(col("wind_speed").is_not_null()))
        .group_by([col("origin"), col("at").alias("hour")])
        .agg([wind().max().alias("wind")])
        .select([
            col("origin"),
            col("hour"),
            lit(0).cast(DataType::Int64).alias("departures"),
            lit(NULL).cast(DataType::Int64).alias("delay_sum"),
            col("wind"),
        ]);
    // An hour with flights and with a report is one group.
    let sum = |part: &str| col(part).sum().alias(part);
    concat([flown, reported], UnionArgs::default()).expect("both have the same columns").group_by([col("origin"), col("hour")]).agg([
        sum("departures"),
        sum("delay_sum"),
        col("wind").max().alias("wind"),
    ])
}

/// In steps of five miles per hour.
fn wind() -> Expr {
    (col("wind_speed").cast(DataType::Int64) / lit(5)) * lit(5)
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
