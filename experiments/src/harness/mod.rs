//! Running architectures as child processes and measuring them.

pub mod check;
pub mod child;
pub mod figures;
pub mod load;
pub mod outcome;
pub mod parent;
pub mod plan;
pub mod probe;
pub mod provenance;
pub mod samples;
pub mod spec;
pub mod steady;
