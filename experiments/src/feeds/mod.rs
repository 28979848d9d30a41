//! Derived feeds: a job whose output is a topic again, so that jobs chain into a graph through logs.
//!
//! ```text
//! input topic ─→ feed (a SELECT without aggregates, row by row) ─→ output topic ─→ another feed, a group, an architecture ...
//!    group feed.NAME: how far it is                        frames carry (producer, sequence)
//! ```
//!
//! **Once, whatever dies when.** A frame of output is appended under the producer "feed NAME, input partition *p*" with the input offset
//! up to which it goes as its sequence number. So output and input position are committed in one frame, atomically in each output
//! partition: the last sequence number there says from which input offset on rows still have to be appended, and rows below it are left
//! out, one by one. The group `feed.NAME` of the input says from where a restarted feed reads: it is committed after the output was synced,
//! so that it is never ahead of any output partition. (It also shows the lag, and keeps retention from removing what the feed still needs.)
//!
//! **In order.** The rows of one input partition keep their order in each output partition.
//!
//! **What it is not**: a place for aggregates, whose changes would be a changelog; a way to have two feeds append to one topic at the same
//! time, which has one writer.

mod definition;
mod edge;
mod error;
mod graph;
mod row;
mod run;

pub use definition::Definition;
pub use edge::{EDGE_GROUP, EdgeCounts, EdgeReceiver, EdgeSender, Piece, Pressure, edge};
pub use error::FeedError;
pub use graph::{Graph, GraphEdge, Node, NodeKind};
pub use row::RowQuery;
pub use run::{FeedReport, OutputOptions, run_feed};
