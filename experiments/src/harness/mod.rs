//! Running systems and measuring them: events, load, clients and the recorder in one process, the system under test in another, and the
//! check of every answer afterwards in the parent.

pub mod check;
pub mod child;
mod error;
pub mod figures;
pub mod judge;
pub mod load;
pub mod outcome;
pub mod parent;
pub mod plan;
pub mod prepared;
pub mod probe;
pub mod provenance;
pub mod recording;
pub mod reporter;
pub mod samples;
pub mod spec;
pub mod steady;

pub use error::RunError;
