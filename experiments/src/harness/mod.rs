//! Running architectures as child processes and measuring them.

pub mod result;
pub mod spec;
