//! Stays by page, for the batch layer: the whole query as one writes it in polars. A mean does not merge, so that it gives a sum and a count.

use twopath_batch::HandWritten;
use twopath_batch::jobs::prelude::*;

pub const CODE: HandWritten = HandWritten { name: "stays_by_url", version: 1, plan, source: include_str!("batch.rs") };

fn plan(clicks: LazyFrame) -> LazyFrame {
    let stay = || col("duration_ms");
    clicks.group_by([col("url")]).agg([
        len().alias("clicks"),
        stay().sum().alias("stay_sum"),
        stay().count().alias("stays"),
        stay().max().alias("longest"),
    ])
}
