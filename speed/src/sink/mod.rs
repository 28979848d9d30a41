//! Where a dataflow ends.
//!
//! [`view`] publishes snapshots, each exact for one position; [`topic`] appends frames to another topic, each once, under the input's partitions; [`numbered`] appends
//! frames that one producer numbers. All hear of an epoch when all of it has arrived.

pub mod numbered;
pub mod topic;
pub mod view;
