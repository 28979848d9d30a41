//! Derived feeds: a job whose output is a topic again, so that jobs chain into a graph through logs.
//!
//! ```text
//! input topic ─→ feed (a SELECT) ─→ output topic ─→ another feed, a group, an architecture ...
//!    group feed.NAME: how far it is     frames carry (producer, sequence)
//! ```
//!
//! A SELECT without aggregates passes rows on one by one (`row.rs`). One with groups makes a **changelog** (`changelog.rs`): for each frame
//! of its input, the rows of the groups that the frame changed, so that a group's newest row is its answer. Compaction by the group's
//! column leaves those rows (and, as ever, what is not sealed yet).
//!
//! **Once, whatever dies when.** A frame of output is appended under the producer "feed NAME, input partition *p*" with the input offset
//! up to which it goes as its sequence number. So output and input position are committed in one frame, atomically in each output
//! partition: the last sequence number there says from which input offset on rows still have to be appended, and rows below it are left
//! out, one by one. The group `feed.NAME` of the input says from where a restarted feed reads: it is committed after the output was synced,
//! so that it is never ahead of any output partition. (It also shows the lag, and keeps retention from removing what the feed still needs: of
//! a changelog's input, everything.) Each run begins a new epoch of the producers first, which fences an earlier run that still lives.
//!
//! **In order.** The rows of one input partition keep their order in each output partition. Of a changelog, each group's rows are in the order
//! of its changes.
//!
//! **What it is not**: a way to have two feeds append to one topic at the same time, which has one writer. A feed reads rows, also those of
//! a changelog: aggregates over a changelog count each change, not each group.

mod changelog;
mod definition;
mod edge;
mod error;
mod graph;
mod output;
mod query;
mod row;
mod run;
mod sink;

pub use definition::{Definition, TopicIds};
pub use edge::{EDGE_GROUP, EdgeCounts, EdgeReceiver, EdgeSender, Piece, Pressure, edge};
pub use error::FeedError;
pub use graph::{Graph, GraphEdge, Node, NodeKind};
pub use output::OutputOptions;
pub use query::FeedKind;
pub use row::RowQuery;
pub use run::{FeedReport, run_feed};

use changelog::Changelog;
use query::FeedQuery;
