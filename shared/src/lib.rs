//! What every layer of Twopath leans on: events and schemas, the log, queries and accumulators, views, the
//! reference interpreter, the clock, the storage seam and the meters.
//!
//! **What it is not**: an engine. Nothing here computes a whole query but [`reference`], which is deliberately slow
//! and obvious. The batch layer (polars), the speed layer (timely) and the serving layer depend on this crate and
//! never on one another.

pub mod clock;
pub mod log;
pub mod meters;
pub mod position;
pub mod query;
pub mod reference;
pub mod storage;
pub mod view;

pub use position::{Coverage, CoveragePart, Offset, PartitionId, Position};
