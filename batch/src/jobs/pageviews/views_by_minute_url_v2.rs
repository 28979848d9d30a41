//! Views and time spent by minute and page; a visit is half an hour at most.

use crate::jobs::prelude::*;

pub fn plan(pageviews: LazyFrame) -> LazyFrame {
    let spent = when(col("duration_ms").gt(lit(1_800_000))).then(lit(1_800_000)).otherwise(col("duration_ms"));
    pageviews
        .with_column(spent.alias("duration_ms"))
        .group_by([col("time").dt().truncate(lit("1m")).alias("minute"), col("url")])
        .agg([len().alias("views"), col("duration_ms").sum().alias("duration_ms")])
}
