//! Topics in a folder.

pub(crate) mod topic;
pub(crate) mod writer;
