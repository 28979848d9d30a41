//! Where a dataflow ends.
//!
//! [`view`] publishes snapshots, each exact for one position; [`topic`] appends frames to another topic, each once. Both hear of an epoch
//! when all of it has arrived.

pub mod topic;
pub mod view;
