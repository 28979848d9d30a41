//! Views and time spent by minute and page.

use crate::jobs::prelude::*;

pub fn plan(pageviews: LazyFrame) -> LazyFrame {
    pageviews
        .group_by([col("time").dt().truncate(lit("1m")).alias("minute"), col("url")])
        .agg([len().alias("views"), col("duration_ms").sum().alias("duration_ms")])
}
