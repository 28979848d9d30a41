//! Topics in a folder.

pub(crate) mod log;
pub(crate) mod topic;
pub(crate) mod writer;
