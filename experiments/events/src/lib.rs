//! Events: files of them in the formats that people have, and workloads, which are events with the queries asked over them.
//!
//! ```
//! let flights = twopath_events::workloads::built_in("flights", 0).unwrap();
//! assert_eq!(flights.events(), Some(336_776));
//! assert_eq!(flights.batch(10, 3).num_rows(), 3);
//! ```
//!
//! **What it is not**: engines, or a schedule. Nothing here computes a query.

pub mod files;
mod sql_text;
pub mod workloads;

pub use sql_text::sql_text;
