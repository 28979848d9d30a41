//! Upkeep: what takes records away or moves them, beside appends and readers.

pub(crate) mod compaction;
#[cfg(test)]
mod compaction_test;
mod newest;
pub(crate) mod offload;
pub(crate) mod retention;
pub(crate) mod sweep;
