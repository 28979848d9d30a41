//! The built-in queries written by hand for polars, as for the classic Lambda architecture.
//!
//! A query in a version is one whole file, with nothing outside it but [`prelude`]: that is what people write and maintain beside the
//! speed layer's code, and it is counted and shown as such. A query that both versions leave unchanged has one file.
//!
//! ```
//! use twopath_batch::jobs::flights;
//!
//! let fixed = flights::hand_written("delays_by_origin_hour", 2).unwrap();
//! assert!(fixed.source.contains("group_by"));
//! assert!(flights::hand_written("delays_by_origin_hour", 3).is_none());
//! ```

pub mod flights;
pub mod pageviews;
pub mod prelude;
