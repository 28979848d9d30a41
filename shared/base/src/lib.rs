//! What every other crate leans on: offsets, positions and coverage; the clock; the meters; checksums.
//!
//! ```
//! use twopath_base::{Offset, PartitionId, Position};
//!
//! let end: Position = "120,98".parse().unwrap();
//! assert_eq!(end.get(PartitionId(1)), Offset(98));
//! assert_eq!(end.records(), 218);
//! ```
//!
//! **What it is not**: anything that knows of logs, queries or engines.

pub mod checksum;
pub mod clock;
pub mod log_column;
pub mod meters;
pub mod position;
pub mod sync;

pub use log_column::LogColumn;
pub use position::{Coverage, CoveragePart, Offset, PartitionId, Position};
