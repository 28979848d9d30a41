//! Architectures: wirings of the layers' public parts. Each is one short file that reads like its diagram.
//!
//! All start over a topic that holds the history, serve version 1 of a job, and can be told to deploy version 2 while events keep
//! arriving and answers keep being read. Readers find answers in [`Context::tables`] and nowhere else.

pub mod code;
mod error;
mod job;
pub mod timeline;
mod twopath;

use std::sync::Arc;

pub use error::ArchitectureError;
pub use job::{Job, Version, Written};
pub use twopath::Context;
use twopath::{batch, kappa, kappa_backfill, lambda, lambda_sql, lambda_timely};

/// A wiring at work. Dropping it stops its threads.
pub trait Architecture: Send + Sync {
    /// Puts version 2 in the place of version 1. Returns once readers are on version 2 and version 1 is gone.
    fn deploy_fix(&self) -> Result<(), ArchitectureError>;

    /// Stops all its threads, and tells of an error that one of them met.
    fn stop(self: Box<Self>) -> Result<(), ArchitectureError>;
}

type Start = fn(Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError>;

/// All, by their names in the design. `start` returns once version 1 serves everything that was in the log before.
const ALL: [(&str, Start, Listed); 6] = [
    ("batch", batch::start, batch::LISTED),
    ("lambda", lambda::start, lambda::LISTED),
    ("lambda-sql", lambda_sql::start, lambda_sql::LISTED),
    ("lambda-timely", lambda_timely::start, lambda_timely::LISTED),
    ("kappa", kappa::start, kappa::LISTED),
    ("kappa-backfill", kappa_backfill::start, kappa_backfill::LISTED),
];

/// What people write for an architecture: the layers for which they write the query's logic.
type Listed = &'static [code::Part];

/// The names that [`start`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, ..)| *name)
}

/// Starts an architecture by its name.
pub fn start(name: &str, context: Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError> {
    let (_, start, _) = find(name)?;
    start(context)
}

/// The logic that an architecture makes people write for a job, and what its fix touches.
pub fn code(name: &str, job: &Job) -> Result<twopath_results::result::Code, ArchitectureError> {
    let (.., listed) = find(name)?;
    Ok(code::code(job, listed))
}

/// Whether it publishes by batch runs alone, so that its backlog is normally as long as the interval of these.
pub fn is_periodic(name: &str) -> bool {
    name == "batch"
}

fn find(name: &str) -> Result<&'static (&'static str, Start, Listed), ArchitectureError> {
    ALL.iter().find(|(known, ..)| *known == name).ok_or_else(|| ArchitectureError::Unknown { name: name.into() })
}
