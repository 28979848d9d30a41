//! Derived feeds: a job whose output is a topic again, so that jobs chain into a graph through logs.
//!
//! ```text
//! input topic ─→ feed (a SELECT) ─→ output topic ─→ another feed, a group, an architecture ...
//!    group feed.NAME: how far it is     frames carry (producer, sequence)
//! ```
//!
//! A feed is a job of the speed layer whose sink is a topic ([`twopath_speed::run_feed`]): a SELECT without aggregates passes rows on one by
//! one, and one with groups makes a **changelog**, in which a group's newest row is its answer; with `EMIT ON WINDOW CLOSE` it appends each window once, when it is
//! final. What is here is what a folder of topics
//! knows of its feeds: their definitions, the topics that they make, the graph that they are.
//!
//! The group `feed.NAME` of the input says from where a restarted feed reads. It also shows the lag, and keeps retention from removing what
//! the feed still needs.
//!
//! **What it is not**: a way to have two feeds append to one topic at the same time, which has one writer. A feed reads rows, also those of
//! a changelog: aggregates over a changelog count each change, not each group.

mod definition;
mod error;
mod graph;
mod late;
mod output;
mod progress;
mod run;

pub use definition::{Definition, TopicIds};
pub use error::FeedError;
pub use graph::{Graph, GraphEdge, Node, NodeKind};
pub use output::OutputOptions;
pub use progress::ReaderProgress;
pub use run::{FeedRun, run_feed};
pub use twopath_speed::{FeedKind, FeedReport, Until};
