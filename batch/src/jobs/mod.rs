//! The built-in queries written by hand for polars, as for the classic Lambda architecture.
//!
//! A query in a version is one whole file, with nothing outside it but [`prelude`]: that is what people write and maintain beside the
//! speed layer's code, and it is counted and shown as such. A query that both versions leave unchanged has one file.
//!
//! ```
//! use twopath_batch::jobs::hand_written;
//!
//! let fixed = hand_written("flights", ("delays_by_origin_hour", 2)).unwrap();
//! assert!(fixed.source.contains("group_by"));
//! assert!(hand_written("flights", ("delays_by_origin_hour", 3)).is_none());
//! ```

use crate::HandWritten;

pub mod departures;
pub mod flights;
pub mod pageviews;
pub mod prelude;

/// The hand-written logic of a query of a built-in workload in one of its versions, if there is one.
pub fn hand_written(workload: &str, (query, version): (&str, u32)) -> Option<HandWritten> {
    match workload {
        "flights" => flights::hand_written(query, version),
        "departures" => departures::hand_written(query, version),
        "pageviews" => pageviews::hand_written(query, version),
        _ => None,
    }
}
