//! Upkeep: what takes records away or moves them, beside appends and readers.

pub(crate) mod compaction;
pub(crate) mod offload;
pub(crate) mod retention;
pub(crate) mod sweep;
