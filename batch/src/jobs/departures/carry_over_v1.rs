//! How a delay carries over to what the same aircraft flies within twelve hours, joined here: pairs of flights, by how late the first one left. Beside them stand the flights of the last three
//! days, for those that come later.

use crate::jobs::prelude::*;

const HOUR_US: i64 = 3_600_000_000;

pub fn plan(events: LazyFrame) -> LazyFrame {
    let flights = events
        .filter(col("event_type").eq(lit("flight")).and(col("dep_time").is_not_null()).and(col("tailnum").is_not_null()))
        .select([col("tailnum"), col("at"), col("at").dt().timestamp(TimeUnit::Microseconds).alias("us"), delay().alias("late")]);
    // Flights that are twelve hours apart at the most are in one span of twelve hours, or in two that follow on each other.
    let span = col("us") / lit(12 * HOUR_US);
    let earlier = [0, 1].map(|next| flights.clone().with_column((span.clone() + lit(next)).alias("span")));
    let later = flights.clone().select([col("tailnum"), span.alias("span"), col("us").alias("next"), col("late").alias("next_late")]);
    let pairs = concat(earlier, UnionArgs::default())
        .expect("both have the same columns")
        .join(later, [col("tailnum"), col("span")], [col("tailnum"), col("span")], JoinArgs::new(JoinType::Inner))
        .filter(col("next").gt(col("us")).and(col("next").lt_eq(col("us") + lit(12 * HOUR_US))))
        .group_by([lateness().alias("late")])
        .agg([len().cast(DataType::Int64).alias("flights"), col("next_late").sum().alias("next_delay_sum")])
        .select([
            lit(NULL).cast(DataType::String).alias("tailnum"),
            lit(NULL).cast(DataType::Datetime(TimeUnit::Microseconds, None)).alias("at"),
            col("late"),
            col("flights"),
            lit(0).cast(DataType::Int64).alias("paired"),
            col("next_delay_sum"),
        ]);
    let last = flights
        .filter(col("us").gt(col("us").max() - lit(72 * HOUR_US)))
        .group_by([col("tailnum"), col("at"), col("late")])
        .agg([len().cast(DataType::Int64).alias("flights")])
        .select([
            col("tailnum"),
            col("at"),
            col("late"),
            col("flights"),
            col("flights").alias("paired"),
            lit(NULL).cast(DataType::Int64).alias("next_delay_sum"),
        ]);
    concat([pairs, last], UnionArgs::default()).expect("both have the same columns")
}

/// How late a flight left, in steps of half an hour: on time or early is 0, four hours and more are one.
fn lateness() -> Expr {
    when(col("late").lt(lit(0))).then(lit(0)).when(col("late").gt(lit(240))).then(lit(240)).otherwise(col("late")) / lit(30) * lit(30)
}

/// Minutes from the scheduled to the actual departure.
fn delay() -> Expr {
    col("dep_time") - col("sched_dep_time")
}
