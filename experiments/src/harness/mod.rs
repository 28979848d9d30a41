//! Running architectures as child processes and measuring them.

pub mod parent;
pub mod plan;
pub mod prices;
pub mod provenance;
pub mod result;
pub mod spec;
pub mod statistics;
